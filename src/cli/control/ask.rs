//! The command's end of the control socket.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::Context;

use crate::cli::Result;
use crate::cli::control::{Answer, LINE_MAX_BYTES, Order, Socket};
use crate::cli::failure::Failure;

/// An order is a transaction and a password's hash; a server that is busy may queue both.
const PATIENCE: Duration = Duration::from_secs(60);
/// A server that has not even said by then that it lives is stopped, or as good as that.
const LIFE: Duration = Duration::from_secs(5);

/// Gives `order` to the server that holds `directory` and returns what it said; `None` when no
/// server runs there, so that the files are free.
pub fn ask(directory: &Path, order: &Order) -> Result<Option<String>> {
    ask_patiently(directory, order, PATIENCE)
}

/// The same for an order that takes longer, of a server that lives.
pub fn ask_patiently(
    directory: &Path,
    order: &Order,
    patience: Duration,
) -> Result<Option<String>> {
    match ask_within(directory, &Order::Live, LIFE)? {
        Some(_) => ask_within(directory, order, patience),
        None => Ok(None),
    }
}

/// The same, without a look first.
pub fn ask_within(directory: &Path, order: &Order, patience: Duration) -> Result<Option<String>> {
    let said = connect(directory, patience).and_then(|stream| converse(stream, order, patience));
    let line = match said {
        Ok(line) => line,
        // A server that was killed leaves its socket, where nobody listens.
        Err(error) if is_nobody_there(error.kind()) => return Ok(None),
        Err(error) => return Err(unanswered(directory, order, patience, error)),
    };
    match serde_json::from_str(&line).context("the server's answer is not understood")? {
        Answer::Done(words) => Ok(Some(words)),
        Answer::Failed(words) => Err(Failure::failed(words)),
        Answer::Refused(words) => Err(Failure::refused(words)),
    }
}

fn unanswered(directory: &Path, order: &Order, patience: Duration, error: io::Error) -> Failure {
    let server = format!("the server in {}", directory.display());
    match error.kind() {
        // The kernel's words for it, "try again", are no advice.
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            let waited = patience.as_secs_f32();
            let words = "is it stopped, or stuck?";
            Failure::failed(format!("{server} does not answer within {waited} s: {words}"))
        }
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            let unknown = match order {
                Order::Live | Order::Ready => "",
                _ => "; whether it was done is not known",
            };
            Failure::failed(format!("{server} ended before it answered{unknown}"))
        }
        _ => {
            let words = format!("{server} does not answer");
            Failure::Failed(anyhow::Error::new(error).context(words))
        }
    }
}

/// Connects on a thread of its own: where the queue of a server that is stopped is full, the kernel
/// would keep us waiting for ever.
pub(super) fn connect(directory: &Path, patience: Duration) -> io::Result<UnixStream> {
    let socket = Socket::of(directory)?;
    let (tell, told) = mpsc::channel();
    thread::spawn(move || tell.send(UnixStream::connect(&socket.path)));
    told.recv_timeout(patience).unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}

fn converse(mut stream: UnixStream, order: &Order, patience: Duration) -> io::Result<String> {
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let mut line = serde_json::to_vec(order)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream.take(LINE_MAX_BYTES)).read_line(&mut answer)?;
    let is_cut_by_us = answer.len() as u64 == LINE_MAX_BYTES;
    match answer.ends_with('\n') || is_cut_by_us {
        true => Ok(answer),
        false => Err(ErrorKind::UnexpectedEof.into()),
    }
}

fn is_nobody_there(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::cli::control::NAME;

    /// What a command says whose server ends after it said `said` to its order.
    fn said_by_a_server_that_ends(said: &'static str, order: &Order) -> Failure {
        let home = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(home.path().join(NAME)).unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut heard = String::new();
            BufReader::new(&stream).read_line(&mut heard).unwrap();
            stream.write_all(said.as_bytes()).unwrap();
        });
        let failure = ask_within(home.path(), order, LIFE).unwrap_err();
        server.join().unwrap();
        failure
    }

    #[test]
    fn a_server_that_ends_before_it_answers_leaves_open_what_was_done() {
        for said in ["", "{\"do"] {
            let failure = said_by_a_server_that_ends(said, &Order::RotateKeys);
            assert!(matches!(failure, Failure::Failed(_)));
            let words = failure.to_string();
            assert!(words.ends_with("answered; whether it was done is not known"), "{words}");
        }
        let looked = said_by_a_server_that_ends("", &Order::Live).to_string();
        assert!(looked.ends_with("ended before it answered"), "{looked}");
    }
}
