//! Files with a secret in them: how much is read, and how long we wait for it.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Most bytes that are read: it is a password or a key, not a disk image.
const MAX_BYTES: u64 = 64 << 10;
/// A FIFO gives its secret as soon as somebody writes one; without that, nobody would learn what we
/// wait for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Returns the text that is in the file; the error does not name it.
pub fn read_text(path: &Path) -> io::Result<String> {
    let not_text = |_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8 text");
    String::from_utf8(read(path)?).map_err(not_text)
}

/// Returns all that is in the file; the error does not name it.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let (tell, told) = mpsc::channel();
    let path = path.to_owned();
    // Opening a FIFO can be neither interrupted nor timed. A thread that waits in vain ends with us.
    thread::spawn(move || tell.send(read_all(&path)));
    told.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        let words = format!("nothing came of it for {} s", PATIENCE.as_secs());
        Err(io::Error::new(ErrorKind::TimedOut, words))
    })
}

fn read_all(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        let words = format!("it is larger than {} KiB", MAX_BYTES >> 10);
        return Err(io::Error::new(ErrorKind::FileTooLarge, words));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    fn refusal(path: &Path) -> ErrorKind {
        read_text(path).unwrap_err().kind()
    }

    #[test]
    fn neither_endless_nor_unreadable_files_are_taken() {
        let home = tempfile::tempdir().unwrap();
        let key = home.path().join("key");
        assert_eq!(refusal(Path::new("/dev/zero")), ErrorKind::FileTooLarge);
        assert_eq!(refusal(&key), ErrorKind::NotFound);
        fs::write(&key, [0xff, 0xfe]).unwrap();
        assert_eq!(refusal(&key), ErrorKind::InvalidData);
        assert_eq!(read(&key).unwrap(), [0xff, 0xfe]);
        fs::write(&key, "a".repeat(64 << 10)).unwrap();
        assert_eq!(read(&key).unwrap().len(), 64 << 10);
    }

    #[test]
    fn a_fifo_is_read_when_somebody_writes_it() {
        let home = tempfile::tempdir().unwrap();
        let fifo = home.path().join("key");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let writer = thread::spawn({
            let fifo = fifo.clone();
            move || fs::write(fifo, "tr0ub4dor")
        });
        assert_eq!(read_text(&fifo).unwrap(), "tr0ub4dor");
        writer.join().unwrap().unwrap();
        assert_eq!(refusal(&fifo), ErrorKind::TimedOut);
    }
}
