//! A stream whose comings and goings are noted.
//!
//! One type for what is sealed by TLS and what is not: what speaks HTTP is large, and would be
//! compiled twice.

use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use smallvec::SmallVec;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::http::connections::{NONE, Watch};

/// Up to here, a copy of an answer costs less than telling the system of its pieces.
const SHORT: usize = 2048;

/// What bytes come and go on.
pub(super) enum Line {
    Plain(TcpStream),
    Sealed(Box<TlsStream<TcpStream>>),
}

pub(super) struct Watched {
    line: Line,
    pub watch: Arc<Watch>,
}

/// Does the same on either line.
macro_rules! on {
    ($line:expr, $stream:ident => $done:expr) => {
        match $line {
            Line::Plain($stream) => $done,
            Line::Sealed($stream) => $done,
        }
    };
}

impl Watched {
    pub fn new(line: Line, watch: Arc<Watch>) -> Self {
        watch.comes_by(match &line {
            Line::Plain(stream) => stream.as_raw_fd(),
            Line::Sealed(stream) => stream.get_ref().0.as_raw_fd(),
        });
        Self { line, watch }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watch.comes_by(NONE);
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = on!(&mut self.line, stream => Pin::new(stream).poll_read(context, buffer));
        if buffer.filled().len() > before {
            self.watch.arrived();
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = on!(&mut self.line, stream => Pin::new(stream).poll_write(context, bytes));
        self.watch.wrote(written.is_pending());
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.line {
            Line::Plain(stream)
                if slices.iter().map(|slice| slice.len()).sum::<usize>() <= SHORT =>
            {
                let mut whole = SmallVec::<[u8; SHORT]>::new();
                slices.iter().for_each(|slice| whole.extend_from_slice(slice));
                Pin::new(stream).poll_write(context, &whole)
            }
            line => on!(line, stream => Pin::new(stream).poll_write_vectored(context, slices)),
        };
        self.watch.wrote(written.is_pending());
        written
    }

    fn is_write_vectored(&self) -> bool {
        on!(&self.line, stream => stream.is_write_vectored())
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on!(&mut self.line, stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on!(&mut self.line, stream => Pin::new(stream).poll_shutdown(context))
    }
}
