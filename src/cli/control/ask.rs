//! The command's end of the control socket.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use crate::cli::Result;
use crate::cli::control::{Answer, LINE_MAX_BYTES, Order, Socket};
use crate::cli::failure::Failure;

/// An order is a transaction and a password's hash; a server that is busy may queue both.
const PATIENCE: Duration = Duration::from_secs(60);

/// Gives `order` to the server that holds `directory` and returns what it said; `None` when no
/// server runs there, so that the files are free.
pub fn ask(directory: &Path, order: &Order) -> Result<Option<String>> {
    ask_within(directory, order, PATIENCE)
}

/// The same for those who have other plans.
pub fn ask_within(directory: &Path, order: &Order, patience: Duration) -> Result<Option<String>> {
    let connected = Socket::of(directory).and_then(|socket| UnixStream::connect(&socket.path));
    let stream = match connected {
        Ok(stream) => stream,
        // A server that was killed leaves its socket, where nobody listens.
        Err(error) if is_nobody_there(error.kind()) => return Ok(None),
        Err(error) => {
            let words = format!("cannot reach the server in {}", directory.display());
            return Err(Failure::Failed(anyhow::Error::new(error).context(words)));
        }
    };
    let answer = converse(stream, order, patience).context("the server did not answer")?;
    match answer {
        Answer::Done(words) => Ok(Some(words)),
        Answer::Failed(words) => Err(Failure::failed(words)),
        Answer::Refused(words) => Err(Failure::refused(words)),
    }
}

fn converse(mut stream: UnixStream, order: &Order, patience: Duration) -> anyhow::Result<Answer> {
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let mut line = serde_json::to_vec(order)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream.take(LINE_MAX_BYTES)).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}

fn is_nobody_there(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::NotADirectory)
}
