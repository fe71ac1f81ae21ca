//! Sending a request on: pooled connections, streaming both ways, and WebSocket tunnels (S-59).

use crate::{
    body::{BoxError, Progress, UpstreamBody},
    refusal::Refusal,
    route::Route,
    strip::asks_upgrade,
};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header, request::Parts, uri::Scheme};
use http_body::Body;
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, ResponseFuture, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use std::{future::Future, time::Duration};
use tokio::time::timeout;

/// How long an upstream connection may wait for its next request.
const POOL_IDLE: Duration = Duration::from_secs(30);
/// How many connections to one upstream wait at most.
const POOL_SIZE: usize = 256;

/// Pooled connections, with and without TLS.
pub(crate) struct Pool<B> {
    plain: Client<HttpConnector, B>,
    tls: Option<Client<HttpsConnector<HttpConnector>, B>>,
}

impl<B> Pool<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// `with_tls` reads the certificates the system trusts.
    pub(crate) fn new(connect_timeout: Duration, with_tls: bool) -> std::io::Result<Self> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(connect_timeout));
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_SIZE)
            .set_host(false);
        let plain = builder.build(connector.clone());
        let tls = if with_tls {
            connector.enforce_http(false);
            let connector = hyper_rustls::HttpsConnectorBuilder::new()
                .with_native_roots()?
                .https_only()
                .enable_http1()
                .wrap_connector(connector);
            Some(builder.build(connector))
        } else {
            None
        };
        Ok(Self { plain, tls })
    }

    /// Sends a request; `None` when it wants TLS and there is none.
    pub(crate) fn request(&self, request: Request<B>) -> Option<ResponseFuture> {
        if request.uri().scheme() == Some(&Scheme::HTTPS) {
            self.tls.as_ref().map(|tls| tls.request(request))
        } else {
            Some(self.plain.request(request))
        }
    }
}

/// The connections to all upstreams.
pub(crate) struct Forwarder(Pool<UpstreamBody>);

impl Forwarder {
    pub(crate) fn new(connect_timeout: Duration, with_tls: bool) -> std::io::Result<Self> {
        Pool::new(connect_timeout, with_tls).map(Self)
    }

    /// Sends a request whose head is ready, and gives the head of the answer.
    pub(crate) async fn send(
        &self,
        route: &Route,
        parts: Parts,
        body: UpstreamBody,
    ) -> Result<Response<Incoming>, Refusal> {
        let progress = body.progress();
        let mut sending = self.0.request(Request::from_parts(parts, body)).ok_or(Refusal::UpstreamBroken)?;
        let answer = match route.timeout {
            Some(patience) => loop {
                // While a body goes up, the upstream has nothing to answer yet.
                let before = progress.as_ref().map(Progress::read);
                match timeout(patience, &mut sending).await {
                    Ok(answer) => break answer,
                    Err(_) if progress.as_ref().map(Progress::read) != before => {}
                    Err(_) => return Err(Refusal::UpstreamSlow),
                }
            },
            None => sending.await,
        };
        answer.map_err(|error| {
            tracing::warn!(upstream = %route.upstream.name, error = %chain(&error), "an upstream failed");
            Refusal::UpstreamBroken
        })
    }
}

/// An error with its sources, on one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

/// Turns both sides into a tunnel once the upstream has switched; gives the answer for the client. `is_over` resolves
/// when the tunnel must end: its token was revoked.
pub(crate) fn tunnel(
    client: OnUpgrade,
    mut answer: Response<Incoming>,
    is_over: impl Future<Output = ()> + Send + 'static,
) -> Response<Incoming> {
    let upstream = hyper::upgrade::on(&mut answer);
    tokio::spawn(async move {
        let copying = async {
            let (client, upstream) = tokio::try_join!(client, upstream)?;
            let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
            tokio::io::copy_bidirectional(&mut client, &mut upstream).await?;
            Ok::<_, BoxError>(())
        };
        tokio::select! {
            result = copying => {
                if let Err(error) = result {
                    tracing::debug!(%error, "a tunnel broke");
                }
            }
            () = is_over => tracing::info!("a tunnel was closed: its token does not hold any more"),
        }
    });
    answer
}

/// Whether a request that asks for another protocol asks for one that passes, over a route that allows it.
pub(crate) fn check_upgrade(route: &Route, parts: &Parts, has_body: bool) -> Result<(), Refusal> {
    let mut protocols = parts.headers.get_all(header::UPGRADE).iter();
    let is_websocket = protocols.next().is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
        && protocols.next().is_none();
    let is_right = is_websocket
        && asks_upgrade(&parts.headers)
        && route.websocket
        && !has_body
        && parts.method == http::Method::GET;
    if is_right { Ok(()) } else { Err(Refusal::Ambiguous) }
}

/// Marks a request or answer as an upgrade to WebSocket.
pub(crate) fn mark_upgrade(headers: &mut http::HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

/// Whether the upstream did what was asked: switched when asked to, and only then.
pub(crate) fn is_switch(status: StatusCode, was_asked: bool) -> Result<bool, Refusal> {
    match (status == StatusCode::SWITCHING_PROTOCOLS, was_asked) {
        (true, false) => Err(Refusal::UpstreamBroken),
        (is_switch, _) => Ok(is_switch),
    }
}
