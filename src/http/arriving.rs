//! A request's body on its way in: it is noted when nobody reads it to its end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::http::connections::Watch;

/// A body that tells its connection's watch when it is given up.
pub(super) struct Arriving {
    body: Incoming,
    has_ended: bool,
    watch: Arc<Watch>,
}

impl Arriving {
    pub fn new(body: Incoming, watch: Arc<Watch>) -> Self {
        Self { body, has_ended: false, watch }
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.has_ended = !matches!(frame, Some(Ok(_)));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        if !self.has_ended && !self.body.is_end_stream() {
            self.watch.leave_body();
        }
    }
}
