//! A small process that outlives this one by a moment, to remove what it left behind: a process
//! group, and a directory.
//!
//! The kernel's death signal reaches only the command itself, not what the command has started,
//! and nobody can act on SIGKILL: so somebody else has to notice, by the end of a pipe.

use std::fs;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

/// Nothing to kill.
const NOBODY: i32 = 0;

/// The end of the pipe that closes when this process ends, however it does.
pub struct Watchdog(PipeWriter);

impl Watchdog {
    /// Forks: call it while this process has one thread.
    /// `scratch` is removed in any case.
    pub fn start(scratch: &Path) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        // SAFETY: there is one thread, so that the child finds every lock free.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                drop(writer);
                watch(reader, scratch)
            }
            _ => Ok(Self(writer)),
        }
    }

    /// What makes the group of whoever calls it die with this process. To be called by the leader of
    /// the group, before it becomes another program: told by us, it would come too late for what that
    /// program does at once.
    pub fn guard(&self) -> impl Fn() + Send + Sync + 'static {
        let pipe = self.0.as_raw_fd();
        move || {
            // SAFETY: system calls. The pipe is open in the child too, until it is another program.
            unsafe {
                // Without a reader the kernel's death signal is what is left: no reason to die now.
                let before = libc::signal(libc::SIGPIPE, libc::SIG_IGN);
                let group = libc::getpid().to_ne_bytes();
                libc::write(pipe, group.as_ptr().cast(), group.len());
                libc::signal(libc::SIGPIPE, before);
            }
        }
    }

    /// The group has ended: its number may soon be somebody else's.
    pub fn dismiss(self) {
        let _ = (&self.0).write_all(&NOBODY.to_ne_bytes());
    }
}

fn watch(mut reader: PipeReader, scratch: &Path) -> ! {
    // SAFETY: system calls on descriptors that are ours; none of them touches our memory.
    unsafe {
        // Away from the terminal's signals, and from the streams that others wait to be closed.
        libc::setsid();
        let nothing = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        for stream in 0..3 {
            libc::dup2(nothing, stream);
        }
    }
    let mut group = NOBODY;
    let mut said = [0; 4];
    while reader.read_exact(&mut said).is_ok() {
        group = i32::from_ne_bytes(said);
    }
    // SAFETY: sends a signal.
    unsafe {
        if group > NOBODY {
            libc::kill(-group, libc::SIGKILL);
        }
    }
    let _ = fs::remove_dir_all(scratch);
    // SAFETY: ends this process without the clean-up of the one it came from.
    unsafe { libc::_exit(0) }
}
