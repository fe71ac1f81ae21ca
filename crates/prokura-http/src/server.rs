//! The one HTTP accept loop, used for every port: HTTP/1.1 and HTTP/2 with prior knowledge, limits of size and time,
//! strict framing, and a drain at the end (S-53, S-130 to S-134).
//!
//! A service receives the peer's address as a [`SocketAddr`] extension. The plain `axum::serve` keeps silent and
//! half-sent connections open; nothing in this product uses it.

mod body;
mod caps;
mod framing;
mod guard;
mod link;
mod service;
mod tls;

pub use body::{BodyError, RequestBody};
pub use tls::{Tls, TlsFault};

use bytes::Bytes;
use caps::{Caps, Place};
use framing::Framing;
use guard::{Guard, sniff};
use http::{Request, Response};
use http_body::Body;
use hyper::{
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use link::Link;
use std::{convert::Infallible, error::Error, future::Future, net::SocketAddr, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{mpsc, watch},
    time::sleep,
};
use tower_service::Service;

/// What one peer may ask of a port, and for how long. [`Limits::default`] suits the identity endpoints.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Until hands are shaken, where the port speaks TLS.
    pub handshake: Duration,
    /// Until the first byte of a connection, and then until the end of a request's head.
    pub head: Duration,
    /// The longest a request body may keep us waiting in all; `None` leaves it to the least rate alone.
    pub body: Option<Duration>,
    /// The least rate of a body after five seconds; 0 for none.
    pub body_bytes_per_second: u32,
    /// The longest pause between two requests of a connection.
    pub idle: Duration,
    /// Until the answer begins; `None` where the service has its own deadlines.
    pub request: Option<Duration>,
    /// The longest a peer may refuse to take bytes of an answer.
    pub write_stall: Duration,
    /// How long requests in flight may go on after shutdown began.
    pub drain: Duration,
    /// The most header fields; more is 431.
    pub header_count: usize,
    /// The most bytes of header fields; more is 431.
    pub header_bytes: usize,
    /// The most bytes of path and query; more is 414.
    pub target_bytes: usize,
    /// The most bytes of a request body; more is 413.
    pub body_bytes: u64,
    /// Whether a `Content-Encoding` on a request is 415 (S-132).
    pub refuse_compressed_bodies: bool,
    /// The most connections in all; further ones are closed at once.
    pub connections: usize,
    /// The most connections of one address (an IPv6 /64).
    pub connections_per_address: usize,
    /// Whether that holds for loopback as well. Who comes from there is a proxy in front of us as a rule, and its
    /// clients are many.
    pub counts_loopback: bool,
    /// The most concurrent streams of one HTTP/2 connection.
    pub streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(5),
            head: Duration::from_secs(10),
            body: Some(Duration::from_secs(15)),
            body_bytes_per_second: 1024,
            idle: Duration::from_mins(1),
            request: Some(Duration::from_secs(30)),
            write_stall: Duration::from_secs(30),
            drain: Duration::from_secs(20),
            header_count: 100,
            header_bytes: 32 * 1024,
            target_bytes: 8 * 1024,
            body_bytes: 1024 * 1024,
            refuse_compressed_bodies: true,
            connections: 10_000,
            connections_per_address: 512,
            counts_loopback: false,
            streams: 100,
        }
    }
}

impl Limits {
    /// Limits of a port that streams to and from other services: no total time for bodies or answers.
    pub fn streaming() -> Self {
        Self {
            body: None,
            request: None,
            body_bytes: 64 * 1024 * 1024,
            refuse_compressed_bodies: false,
            ..Self::default()
        }
    }
}

/// What a connection is told about the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Running,
    Draining,
    Over,
}

/// Serves `service` on `listener` until `shutdown` resolves and requests in flight have ended or the drain is over.
///
/// `service` is any tower service: an axum `Router`, or the gateway. It is cloned for each request.
pub async fn serve<S, B>(listener: TcpListener, service: S, limits: Limits, shutdown: impl Future<Output = ()>)
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    serve_on(listener, None, service, limits, shutdown).await;
}

/// The same, over TLS.
pub async fn serve_tls<S, B>(
    listener: TcpListener,
    tls: Tls,
    service: S,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    serve_on(listener, Some(tls), service, limits, shutdown).await;
}

async fn serve_on<S, B>(
    listener: TcpListener,
    tls: Option<Tls>,
    service: S,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let caps = Caps::new(limits.connections, limits.connections_per_address, limits.counts_loopback);
    let limits = Arc::new(limits);
    let (stage, watching) = watch::channel(Stage::Running);
    // Every connection holds a sender; when the receiver sees the end, all are gone.
    let (alive, mut gone) = mpsc::channel::<Infallible>(1);
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Some(place) = caps.enter(peer.ip()) else {
                    tracing::debug!(%peer, "too many connections");
                    continue;
                };
                let connection = Connection { peer, limits: Arc::clone(&limits), stage: watching.clone() };
                let (service, alive, tls) = (service.clone(), alive.clone(), tls.clone());
                tokio::spawn(async move {
                    let _ = stream.set_nodelay(true);
                    match tls {
                        None => connection.run(stream, service, place).await,
                        Some(tls) => {
                            if let Some(stream) = tls.accept(stream, connection.limits.handshake).await {
                                connection.run(stream, service, place).await;
                            }
                        }
                    }
                    drop(alive);
                });
            }
            Err(error) => {
                // Out of descriptors, most likely: give connections time to end.
                tracing::warn!(%error, "accepting a connection failed");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop((listener, alive));
    stage.send_replace(Stage::Draining);
    if tokio::time::timeout(limits.drain, gone.recv()).await.is_err() {
        stage.send_replace(Stage::Over);
        gone.recv().await;
    }
}

/// One accepted connection.
struct Connection {
    peer: SocketAddr,
    limits: Arc<Limits>,
    stage: watch::Receiver<Stage>,
}

impl Connection {
    async fn run<I, S, B>(mut self, mut stream: I, service: S, place: Place)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let sniffed = tokio::select! {
            sniffed = sniff(&mut stream, self.limits.head) => sniffed,
            _ = self.stage.changed() => None,
        };
        let Some((read, is_http2)) = sniffed else { return };
        let link = Arc::new(Link::default());
        let framing = if is_http2 { Framing::raw() } else { Framing::http1() };
        let guard = Guard::new(stream, read, framing, Arc::clone(&link), Arc::clone(&self.limits), place);
        let (peer, limits) = (self.peer, Arc::clone(&self.limits));
        let answering = Arc::clone(&link);
        let service = service_fn(move |request| {
            let answer = service::answer(service.clone(), request, peer, Arc::clone(&limits), Arc::clone(&answering));
            async move { Ok::<_, Infallible>(answer.await) }
        });
        let result = if is_http2 {
            self.run_http2(TokioIo::new(guard), service, &link).await
        } else {
            self.run_http1(TokioIo::new(guard), service).await
        };
        if let Err(error) = result {
            tracing::debug!(%peer, %error, "a connection ended with an error");
        }
    }

    async fn run_http1<I, S, B>(mut self, io: TokioIo<Guard<I>>, service: S) -> hyper::Result<()>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: hyper::service::Service<Request<hyper::body::Incoming>, Response = Response<B>, Error = Infallible>,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let limits = &self.limits;
        let mut builder = http1::Builder::new();
        // The guard keeps the time; hyper's own limit of the head would also end idle connections.
        builder.timer(TokioTimer::new()).header_read_timeout(None).half_close(false);
        builder.max_buf_size(limits.header_bytes + limits.target_bytes + 16 * 1024);
        if limits.header_count > 100 {
            builder.max_headers(limits.header_count + 1);
        }
        let mut connection = pin!(builder.serve_connection(io, service).with_upgrades());
        loop {
            tokio::select! {
                result = &mut connection => return result,
                stage = next(&mut self.stage) => match stage {
                    Stage::Running => {}
                    Stage::Draining => connection.as_mut().graceful_shutdown(),
                    Stage::Over => return Ok(()),
                },
            }
        }
    }

    async fn run_http2<I, S, B>(mut self, io: TokioIo<Guard<I>>, service: S, link: &Arc<Link>) -> hyper::Result<()>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: hyper::service::Service<Request<hyper::body::Incoming>, Response = Response<B>, Error = Infallible>,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let limits = Arc::clone(&self.limits);
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(u32::try_from(limits.header_bytes + limits.target_bytes).unwrap_or(u32::MAX))
            .max_pending_accept_reset_streams(20)
            .max_local_error_reset_streams(100)
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(20));
        let mut connection = pin!(builder.serve_connection(io, service));
        let (mut seen, mut is_ending) = (0, false);
        loop {
            // One tick of this length without a request means idle; the second one, that the peer ignored the end.
            let tick = if link.begun() == 0 { limits.head } else { limits.idle };
            tokio::select! {
                result = &mut connection => return result,
                stage = next(&mut self.stage) => match stage {
                    Stage::Running => {}
                    Stage::Draining => connection.as_mut().graceful_shutdown(),
                    Stage::Over => return Ok(()),
                },
                () = sleep(tick) => {
                    let begun = link.begun();
                    if !link.is_busy() && begun == seen {
                        if is_ending {
                            return Ok(());
                        }
                        is_ending = true;
                        connection.as_mut().graceful_shutdown();
                    }
                    seen = begun;
                }
            }
        }
    }
}

/// The next stage. The sender outlives every connection; were it gone, all would be over.
async fn next(stage: &mut watch::Receiver<Stage>) -> Stage {
    match stage.changed().await {
        Ok(()) => *stage.borrow_and_update(),
        Err(_) => Stage::Over,
    }
}

#[cfg(test)]
mod tests;
