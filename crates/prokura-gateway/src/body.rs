//! Bodies on their way through: never collected, and without trailers in either direction (S-52).

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use std::{
    error::Error,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

/// Any error of a body.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// A request body on its way to an upstream.
pub(crate) enum UpstreamBody {
    Empty,
    Stream(UnsyncBoxBody<Bytes, BoxError>, Progress),
}

/// Counts the pieces of a body that went on their way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Arc<AtomicU64>);

impl Progress {
    pub(crate) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl UpstreamBody {
    pub(crate) fn new<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        if body.is_end_stream() {
            Self::Empty
        } else {
            Self::Stream(body.map_err(Into::into).boxed_unsync(), Progress::default())
        }
    }

    /// How far the body has come; `None` when there is none.
    pub(crate) fn progress(&self) -> Option<Progress> {
        match self {
            Self::Empty => None,
            Self::Stream(_, progress) => Some(progress.clone()),
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Stream(body, progress) => {
                let frame = ready!(without_trailers(Pin::new(body), cx));
                progress.0.fetch_add(1, Ordering::Relaxed);
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Stream(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Stream(body, _) => body.size_hint(),
        }
    }
}

/// The body of an answer: an upstream's, or ours.
#[derive(Debug)]
pub struct GatewayBody(Inner);

#[derive(Debug)]
enum Inner {
    Upstream(Incoming),
    Own(Full<Bytes>),
}

impl GatewayBody {
    pub(crate) fn upstream(body: Incoming) -> Self {
        Self(Inner::Upstream(body))
    }

    pub(crate) fn empty() -> Self {
        Self::from(Bytes::new())
    }
}

impl From<Bytes> for GatewayBody {
    fn from(bytes: Bytes) -> Self {
        Self(Inner::Own(Full::new(bytes)))
    }
}

impl Body for GatewayBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Inner::Upstream(body) => without_trailers(Pin::new(body), cx),
            Inner::Own(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Upstream(body) => body.is_end_stream(),
            Inner::Own(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Upstream(body) => body.size_hint(),
            Inner::Own(body) => body.size_hint(),
        }
    }
}

/// Reads trailers, and drops them.
fn without_trailers<B>(mut body: Pin<&mut B>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    loop {
        match ready!(body.as_mut().poll_frame(cx)) {
            Some(Ok(frame)) if frame.is_trailers() => {}
            Some(frame) => return Poll::Ready(Some(frame.map_err(Into::into))),
            None => return Poll::Ready(None),
        }
    }
}
