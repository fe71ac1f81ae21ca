//! The request body as a service sees it: bounded in size, and in the time its sender may take (S-130, S-131).
//!
//! Only time spent waiting for the sender counts, so a slow upstream behind a streaming upload is nobody's fault.

use super::{Limits, guard::LazyTimer};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};
use thiserror::Error;

/// How long a body may be slower than the least rate before that counts.
const GRACE: Duration = Duration::from_secs(5);

/// Why a request body ended early.
#[derive(Debug, Error)]
pub enum BodyError {
    /// It has more bytes than allowed.
    #[error("the request body is too large")]
    TooLarge,
    /// Its sender is too slow.
    #[error("the request body arrives too slowly")]
    TooSlow,
    /// The connection broke, or its framing did.
    #[error("the request body broke off")]
    Broken(#[source] hyper::Error),
}

/// How a body ended, for the one who writes the answer.
#[derive(Debug, Default)]
pub(super) struct Fate(AtomicU8);

impl Fate {
    pub(super) fn status(&self) -> Option<http::StatusCode> {
        match self.0.load(Ordering::Relaxed) {
            1 => Some(http::StatusCode::PAYLOAD_TOO_LARGE),
            2 => Some(http::StatusCode::REQUEST_TIMEOUT),
            3 => Some(http::StatusCode::BAD_REQUEST),
            _ => None,
        }
    }

    fn set(&self, error: &BodyError) {
        let fate = match error {
            BodyError::TooLarge => 1,
            BodyError::TooSlow => 2,
            BodyError::Broken(_) => 3,
        };
        self.0.store(fate, Ordering::Relaxed);
    }
}

/// A request body with its limits.
#[derive(Debug)]
pub struct RequestBody {
    inner: Incoming,
    /// `None` when there is no body.
    watch: Option<Box<Watch>>,
}

#[derive(Debug)]
struct Watch {
    limits: Arc<Limits>,
    fate: Arc<Fate>,
    received: u64,
    waited: Duration,
    waiting_since: Option<Instant>,
    timer: LazyTimer,
}

impl RequestBody {
    pub(super) fn new(inner: Incoming, limits: &Arc<Limits>) -> (Self, Option<Arc<Fate>>) {
        if inner.is_end_stream() {
            return (Self { inner, watch: None }, None);
        }
        let fate = Arc::new(Fate::default());
        let watch = Watch {
            limits: Arc::clone(limits),
            fate: Arc::clone(&fate),
            received: 0,
            waited: Duration::ZERO,
            waiting_since: None,
            timer: LazyTimer::default(),
        };
        (Self { inner, watch: Some(Box::new(watch)) }, Some(fate))
    }
}

impl Watch {
    /// How much waiting `received` bytes excuse.
    fn patience(&self) -> Option<Duration> {
        let by_rate = match self.limits.body_bytes_per_second {
            0 => None,
            rate => Some(GRACE + Duration::from_secs(self.received / u64::from(rate))),
        };
        match (self.limits.body, by_rate) {
            (Some(total), Some(by_rate)) => Some(total.min(by_rate)),
            (one, other) => one.or(other),
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        inner: Pin<&mut Incoming>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(frame) = inner.poll_frame(cx) else {
            let since = *self.waiting_since.get_or_insert_with(Instant::now);
            let Some(patience) = self.patience() else { return Poll::Pending };
            ready!(self.timer.poll(cx, since + patience.saturating_sub(self.waited)));
            return Poll::Ready(Some(Err(BodyError::TooSlow)));
        };
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed();
        }
        let Some(frame) = frame else { return Poll::Ready(None) };
        let frame = frame.map_err(BodyError::Broken)?;
        self.received += frame.data_ref().map_or(0, |data| data.len() as u64);
        if self.received > self.limits.body_bytes {
            return Poll::Ready(Some(Err(BodyError::TooLarge)));
        }
        Poll::Ready(Some(Ok(frame)))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let inner = Pin::new(&mut this.inner);
        let Some(watch) = this.watch.as_mut() else {
            return inner.poll_frame(cx).map_err(BodyError::Broken);
        };
        let result = ready!(watch.poll(cx, inner));
        if let Some(Err(error)) = &result {
            watch.fate.set(error);
        }
        Poll::Ready(result)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
