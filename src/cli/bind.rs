//! The sockets at which callers come in.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

use crate::cli::Result;
use crate::cli::failure::Failure;

/// Callers who may have come before they are let in; the kernel takes less where it is told to
/// (`somaxconn`). One too many is not refused but kept waiting, for a second at the least.
const BACKLOG: u32 = 4096;

/// Listens at `address`, or says what else could be done.
pub fn bind(address: SocketAddr) -> Result<TcpListener> {
    listen(address).map_err(|error| {
        let remedy = match error.kind() {
            ErrorKind::AddrInUse => {
                "; stop what listens there, or choose another address with --listen (port 0 \
                     takes a free one)"
            }
            ErrorKind::PermissionDenied => "; low ports are for root, choose another with --listen",
            ErrorKind::AddrNotAvailable => "; this machine has no such address",
            _ => "",
        };
        Failure::refused(format!("cannot listen on {address}: {error}{remedy}"))
    })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // The connections of the server before may not be over yet.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[cfg(target_os = "linux")]
    async fn many_may_come_at_once() {
        use std::os::fd::AsRawFd;

        let listener = bind(([127, 0, 0, 1], 0).into()).unwrap();

        // SAFETY: numbers, for all of which 0 is a value.
        let mut told: libc::tcp_info = unsafe { std::mem::zeroed() };
        let mut size = size_of_val(&told) as libc::socklen_t;
        // SAFETY: the kernel writes at most `size` bytes to `told`, which is as large.
        let asked = unsafe {
            let told = (&raw mut told).cast();
            libc::getsockopt(listener.as_raw_fd(), libc::SOL_TCP, libc::TCP_INFO, told, &mut size)
        };
        assert_eq!(asked, 0);
        let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
        // Of a listener this number is its backlog.
        assert_eq!(told.tcpi_sacked, BACKLOG.min(most.trim().parse().unwrap()));
    }
}
