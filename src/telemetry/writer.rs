//! The writer of log lines: callers leave a line in a buffer, one thread carries the buffer out.
//!
//! A line costs its caller a short lock and a copy, however slow whoever reads the logs is. Under
//! load the thread writes many lines at once, and rests between: a system call for each line
//! would cost more than answering the request that it tells of.

use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// How long lines may gather. Nobody reads faster, and a crash loses no more than this.
const REST: Duration = Duration::from_millis(10);
/// Most bytes that may wait when the reader does not keep up; then lines are dropped, and counted.
const BUFFER_BYTES: usize = 4 << 20;
/// How long `flush` waits for a reader who does not read.
const FLUSH_PATIENCE: Duration = Duration::from_secs(1);

/// A buffer of lines with a thread behind it.
#[derive(Clone)]
pub struct Writer(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// There is something to write.
    filled: Condvar,
    /// Everything so far is written.
    emptied: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    dropped: u64,
    writing: bool,
    /// Somebody waits for `flush`: no rest before that.
    hurry: bool,
}

impl Writer {
    /// Starts the thread that writes to `out`.
    pub fn start(out: Box<dyn Write + Send>) -> Self {
        let writer = Self(Arc::new(Shared {
            state: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
        }));
        let shared = writer.0.clone();
        let thread = thread::Builder::new().name("log writer".to_owned());
        // Without a thread there are no logs, which is no reason not to serve.
        let _ = thread.spawn(move || shared.carry(out));
        writer
    }

    /// Leaves one line, with its line feed, to be written.
    pub fn line(&self, line: &[u8]) {
        let mut state = self.0.state.lock();
        if state.lines.len() + line.len() > BUFFER_BYTES {
            state.dropped += 1;
            return;
        }
        let was_empty = state.lines.is_empty();
        state.lines.extend_from_slice(line);
        if was_empty && !state.writing {
            self.0.filled.notify_one();
        }
    }

    /// Returns when every line so far is written, or the reader has had its time.
    pub fn flush(&self) {
        let mut state = self.0.state.lock();
        state.hurry = true;
        self.0.filled.notify_one();
        while !state.lines.is_empty() || state.writing {
            if self.0.emptied.wait_for(&mut state, FLUSH_PATIENCE).timed_out() {
                return;
            }
        }
    }
}

impl Shared {
    fn carry(&self, mut out: Box<dyn Write + Send>) {
        let mut lines = Vec::new();
        loop {
            let dropped = self.take(&mut lines);
            if dropped > 0 {
                let _ = writeln!(
                    out,
                    "{{\"level\":\"warn\",\"message\":\"{dropped} log lines were dropped: they are not read fast enough\"}}"
                );
            }
            // A reader who left has read enough.
            let _ = out.write_all(&lines).and_then(|()| out.flush());
            lines.clear();
            let mut state = self.state.lock();
            if state.lines.is_empty() {
                self.emptied.notify_all();
            }
            if !state.hurry {
                self.filled.wait_for(&mut state, REST);
            }
            state.writing = false;
            if state.lines.is_empty() {
                self.emptied.notify_all();
            }
        }
    }

    /// Waits for lines and takes them; says how many were dropped since the last time.
    fn take(&self, lines: &mut Vec<u8>) -> u64 {
        let mut state = self.state.lock();
        while state.lines.is_empty() {
            state.hurry = false;
            self.filled.wait(&mut state);
        }
        state.writing = true;
        std::mem::swap(&mut state.lines, lines);
        std::mem::take(&mut state.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Sheet(Arc<Mutex<Vec<u8>>>);

    impl Write for Sheet {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn flush_returns_when_every_line_is_out_in_order() {
        let sheet = Sheet::default();
        let writer = Writer::start(Box::new(sheet.clone()));
        let mut expected = String::new();
        for number in 0..1000 {
            let line = format!("line {number}\n");
            writer.line(line.as_bytes());
            expected.push_str(&line);
        }
        writer.flush();
        assert_eq!(String::from_utf8(sheet.0.lock().clone()).unwrap(), expected);
    }

    #[test]
    fn reader_who_does_not_read_stops_nobody() {
        struct Wall;
        impl Write for Wall {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                loop {
                    thread::park();
                }
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let writer = Writer::start(Box::new(Wall));
        let line = vec![b'x'; 1 << 20];
        for _ in 0..20 {
            writer.line(&line);
        }
        let state = writer.0.state.lock();
        assert!(state.dropped > 0 && state.lines.len() <= BUFFER_BYTES);
    }
}
