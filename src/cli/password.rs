//! How a command gets a password: from a file, from a person, or from a pipe; never from the line.

use std::io::{self, BufRead, IsTerminal, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

use anyhow::Context;

use crate::cli::Result;
use crate::cli::failure::Failure;
use crate::config::secret::Secret;
use crate::config::secret_file;

/// Reads a password from `file`; without one asks the person at the terminal twice, or takes the
/// first line of standard input.
pub fn read(file: Option<&Path>) -> Result<Secret> {
    let password = match file {
        Some(file) => from_file(file)?,
        None if io::stdin().is_terminal() => from_person()?,
        None => from_line(&mut io::stdin().lock())?,
    };
    if password.is_empty() {
        return Err(Failure::refused("the password is empty"));
    }
    Ok(password)
}

fn from_file(file: &Path) -> Result<Secret> {
    let read = secret_file::read_text(file);
    let read = read.with_context(|| format!("cannot read the password in {}", file.display()));
    let text = read.map_err(Failure::Refused)?;
    Ok(Secret::new(text.trim_end_matches(['\r', '\n'])))
}

fn from_line(input: &mut dyn BufRead) -> Result<Secret> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    Ok(Secret::new(line.trim_end_matches(['\r', '\n'])))
}

fn from_person() -> Result<Secret> {
    let ask = |words: &str| -> Result<Secret> {
        let mut terminal = io::stderr();
        write!(terminal, "{words}: ")?;
        terminal.flush()?;
        let quiet = Quiet::begin();
        let answer = from_line(&mut io::stdin().lock());
        drop(quiet);
        writeln!(terminal)?;
        answer
    };
    let password = ask("Password")?;
    if ask("Once more")? != password {
        return Err(Failure::refused("the two passwords differ"));
    }
    Ok(password)
}

/// The terminal shows nothing of what is typed, until this is dropped.
struct Quiet(Option<libc::termios>);

impl Quiet {
    fn begin() -> Self {
        let terminal = io::stdin().as_raw_fd();
        // SAFETY: termios is plain data for which all zeroes is a value, and the pointers are to
        // locals that live across the calls.
        unsafe {
            let mut before: libc::termios = std::mem::zeroed();
            if libc::tcgetattr(terminal, &raw mut before) != 0 {
                return Self(None);
            }
            let mut silent = before;
            silent.c_lflag &= !libc::ECHO;
            let set = libc::tcsetattr(terminal, libc::TCSAFLUSH, &raw const silent) == 0;
            Self(set.then_some(before))
        }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // SAFETY: the pointer is to a field that lives across the call.
            unsafe {
                libc::tcsetattr(io::stdin().as_raw_fd(), libc::TCSAFLUSH, before);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_line_is_no_part_of_it() {
        for (given, expected) in
            [("p w\n", "p w"), ("p w\r\nnext", "p w"), (" p ", " p "), ("", "")]
        {
            let read = from_line(&mut given.as_bytes()).unwrap();
            assert_eq!(read.expose_text(), Some(expected));
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let failure = read(Some(Path::new("/nowhere/at-all"))).unwrap_err();
        assert!(matches!(failure, Failure::Refused(_)));
        assert!(failure.to_string().contains("/nowhere/at-all"));
    }
}
