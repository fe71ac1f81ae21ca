//! The connection as hyper sees it: every byte read goes past the framing machine, and silence ends in time (S-131).
//!
//! The clocks sit here and not in hyper because hyper has one timeout for "no request yet", "half a head" and "idle
//! between requests". Timers are set late and re-read when they fire, so a busy connection never touches them.

use super::{
    Limits,
    caps::Place,
    framing::{Framing, Phase, Step},
    link::Link,
};
use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep_until},
};

/// What hyper gets in place of the byte that broke a rule, and of all behind it. The NUL is refused in every state of a
/// parser; the blank line is there because hyper looks at a head that came in pieces only once it seems complete.
const POISON: &[u8] = b"\0\r\n\r\n";

/// How long, and for how many bytes, a refused request is read and thrown away. A socket closed over unread bytes is
/// reset, and the reset can overtake the answer.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1 << 20;

/// A timer that is armed at most once per period and not once per request.
#[derive(Debug, Default)]
pub(super) struct LazyTimer(Option<(Pin<Box<Sleep>>, Instant)>);

impl LazyTimer {
    /// Whether `deadline` has passed; registers the task to be woken at it (or a little earlier) otherwise.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        loop {
            let (sleep, armed) = self.0.get_or_insert_with(|| (Box::pin(sleep_until(deadline.into())), deadline));
            if deadline < *armed {
                sleep.as_mut().reset(deadline.into());
                *armed = deadline;
            }
            ready!(sleep.as_mut().poll(cx));
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline.into());
            *armed = deadline;
        }
    }
}

/// A connection with its framing machine and its clocks.
pub(super) struct Guard<S> {
    stream: S,
    framing: Framing,
    link: Arc<Link>,
    limits: Arc<Limits>,
    /// Bytes read but not delivered: from the sniffing at the start, or held behind an upgrade.
    kept: Vec<u8>,
    kept_from: usize,
    /// When the present phase began, once it has lasted until a read had to wait.
    phase_began: Option<(Phase, Instant)>,
    read_timer: LazyTimer,
    lingering: Option<(Instant, usize)>,
    write_stalled: Option<Instant>,
    write_timer: LazyTimer,
    _place: Place,
}

impl<S> Guard<S> {
    pub(super) fn new(
        stream: S,
        read_already: Vec<u8>,
        framing: Framing,
        link: Arc<Link>,
        limits: Arc<Limits>,
        place: Place,
    ) -> Self {
        Self {
            stream,
            framing,
            link,
            limits,
            kept: read_already,
            kept_from: 0,
            phase_began: None,
            read_timer: LazyTimer::default(),
            lingering: None,
            write_stalled: None,
            write_timer: LazyTimer::default(),
            _place: place,
        }
    }

    /// Moves kept bytes into `buf`.
    fn deliver_kept(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let kept = self.kept.get(self.kept_from..).unwrap_or_default();
        if kept.is_empty() {
            return false;
        }
        let part = kept.get(..buf.remaining()).unwrap_or(kept);
        buf.put_slice(part);
        self.kept_from += part.len();
        if self.kept_from >= self.kept.len() {
            self.kept = Vec::new();
            self.kept_from = 0;
        }
        true
    }

    /// Keeps `bytes` in front of what is kept already.
    fn keep(&mut self, bytes: &[u8]) {
        let mut kept = bytes.to_vec();
        kept.extend_from_slice(self.kept.get(self.kept_from..).unwrap_or_default());
        self.kept = kept;
        self.kept_from = 0;
    }

    /// A read has to wait: how long may it?
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let phase = self.framing.phase();
        let limit = match phase {
            // HTTP/2 and bodies have their own clocks; after an upgrade there are none.
            Phase::Body => return Poll::Pending,
            Phase::Head => self.limits.head,
            Phase::Idle if self.link.begun() == 0 => self.limits.head,
            Phase::Idle => self.limits.idle,
        };
        if phase == Phase::Idle && self.link.is_busy() {
            self.phase_began = None;
            // Wakes up again by the time the connection could be idle; the answer may end without a read.
            let _ = self.read_timer.poll(cx, Instant::now() + limit);
            return Poll::Pending;
        }
        let began = match self.phase_began {
            Some((before, began)) if before == phase => began,
            Some(_) | None => {
                let now = Instant::now();
                self.phase_began = Some((phase, now));
                now
            }
        };
        ready!(self.read_timer.poll(cx, began + limit));
        Poll::Ready(match phase {
            Phase::Idle => Ok(()),
            Phase::Head | Phase::Body => Err(io::ErrorKind::TimedOut.into()),
        })
    }

    /// A write has to wait: how long may it?
    fn poll_stall<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.write_stalled = None;
            return result;
        }
        let stalled = *self.write_stalled.get_or_insert_with(Instant::now);
        ready!(self.write_timer.poll(cx, stalled + self.limits.write_stall));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> Guard<S> {
    /// Behind an answer that came before the end of its request: gives the peer time to read it.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.framing.is_raw() || self.framing.phase() != Phase::Body {
            return Poll::Ready(Ok(()));
        }
        let (since, mut read) = *self.lingering.get_or_insert_with(|| (Instant::now(), 0));
        let mut scratch = [0; 4096];
        while read < LINGER_BYTES {
            let mut buf = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => read += buf.filled().len(),
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => {
                    self.lingering = Some((since, read));
                    return self.read_timer.poll(cx, since + LINGER).map(Ok);
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.framing.is_held() {
            if ready!(this.link.poll_upgrade(cx)) {
                this.framing.switch_protocol();
            } else {
                this.framing.resume();
            }
        }
        if this.framing.is_refused() || buf.remaining() == 0 {
            this.deliver_kept(buf);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        if !this.deliver_kept(buf) {
            match Pin::new(&mut this.stream).poll_read(cx, buf) {
                Poll::Ready(result) => result?,
                Poll::Pending => return this.poll_patience(cx),
            }
        }
        if this.framing.is_raw() {
            return Poll::Ready(Ok(()));
        }
        let fresh = buf.filled().get(before..).unwrap_or_default();
        let was = this.framing.phase();
        match this.framing.advance(fresh) {
            Step::All => {}
            Step::Refuse(at) => {
                buf.set_filled(before + at);
                this.kept = POISON.to_vec();
                this.kept_from = 0;
                this.deliver_kept(buf);
            }
            Step::Hold(at) => {
                let held = fresh.get(at..).unwrap_or_default().to_vec();
                this.keep(&held);
                buf.set_filled(before + at);
            }
        }
        // A head that arrives in pieces keeps the clock it began with.
        if !(was == Phase::Head && this.framing.phase() == Phase::Head) {
            this.phase_began = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.poll_stall(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.poll_stall(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        self.poll_stall(cx, result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_shutdown(cx);
        ready!(self.poll_stall(cx, result))?;
        self.poll_linger(cx)
    }
}

/// Reads until it is clear whether the peer speaks HTTP/2 with prior knowledge. Gives the bytes read so far, or
/// `None` when the peer said nothing in time.
pub(super) async fn sniff<S: AsyncRead + Unpin>(stream: &mut S, patience: Duration) -> Option<(Vec<u8>, bool)> {
    use tokio::io::AsyncReadExt as _;
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    tokio::time::timeout(patience, async {
        let mut read = Vec::with_capacity(PREFACE.len());
        loop {
            if read.len() >= PREFACE.len() || !PREFACE.starts_with(&read) {
                let is_http2 = read.starts_with(PREFACE);
                return Some((read, is_http2));
            }
            let missing = PREFACE.len() - read.len();
            if (&mut *stream).take(missing as u64).read_buf(&mut read).await.ok()? == 0 {
                return None;
            }
        }
    })
    .await
    .ok()
    .flatten()
}
