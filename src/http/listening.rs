//! Whether callers who wait for an answer still listen, as far as the kernel knows.
//!
//! What speaks HTTP/1 reads nothing while it answers, so that it may answer somebody who has said all.
//! Whoever is gone altogether is only noticed when something is written: a long query would be worked
//! on for nobody, and a stream that says nothing would stay for ever.

use std::os::fd::RawFd;

/// The caller has closed its side; it may still listen.
#[cfg(target_os = "linux")]
const SAID_ALL: i16 = libc::POLLRDHUP;
#[cfg(not(target_os = "linux"))]
const SAID_ALL: i16 = 0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    Listens,
    HasSaidAll,
    IsGone,
}

/// What the callers at these sockets do, in their order. Does not wait.
pub(super) fn look(sockets: &[RawFd]) -> Vec<Caller> {
    let entry = |fd: &RawFd| libc::pollfd { fd: *fd, events: SAID_ALL, revents: 0 };
    let mut entries: Vec<libc::pollfd> = sockets.iter().map(entry).collect();
    // SAFETY: the kernel writes into `entries`, and no further than it is told they go. A socket that
    // was closed meanwhile, or is another one's by now, makes an answer wrong and nothing else.
    unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, 0) };
    let caller = |entry: libc::pollfd| match entry.revents {
        seen if seen & (libc::POLLERR | libc::POLLHUP) != 0 => Caller::IsGone,
        seen if seen & SAID_ALL != 0 => Caller::HasSaidAll,
        _ => Caller::Listens,
    };
    entries.into_iter().map(caller).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn callers_are_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let pair = || (TcpStream::connect(address).unwrap(), listener.accept().unwrap().0);
        let [listens, said_all, gone] = [pair(), pair(), pair()];
        said_all.0.shutdown(Shutdown::Write).unwrap();
        // What it has not read makes its end an abrupt one.
        (&gone.1).write_all(b"x").unwrap();
        drop(gone.0);
        let sockets = [&listens.1, &said_all.1, &gone.1].map(AsRawFd::as_raw_fd);
        let expected = [Caller::Listens, Caller::HasSaidAll, Caller::IsGone];
        // The kernel delivers when it likes.
        while look(&sockets) != expected {
            std::thread::yield_now();
        }
    }
}
