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
        Err(error) => {
            let waited = match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                    format!(" within {} s: is it stopped, or stuck?", patience.as_secs_f32())
                }
                _ => String::new(),
            };
            let server = directory.display();
            let words = format!("the server in {server} does not answer{waited}");
            return Err(Failure::Failed(anyhow::Error::new(error).context(words)));
        }
    };
    match serde_json::from_str(&line).context("the server's answer is not understood")? {
        Answer::Done(words) => Ok(Some(words)),
        Answer::Failed(words) => Err(Failure::failed(words)),
        Answer::Refused(words) => Err(Failure::refused(words)),
    }
}

/// Connects on a thread of its own: where the queue of a server that is stopped is full, the kernel
/// would keep us waiting for ever.
fn connect(directory: &Path, patience: Duration) -> io::Result<UnixStream> {
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
    Ok(answer)
}

fn is_nobody_there(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::NotADirectory)
}
