//! The load: keep-alive connections, each with a script that says what to ask next and looks at the answer. An answer
//! that is not the expected one ends the measurement: what is wrong is fast, too.

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::net::TcpStream;

/// What is sent.
pub(crate) type Request = http::Request<Full<Bytes>>;

/// What one connection asks.
pub(crate) trait Script: Send {
    /// The next request.
    fn next(&mut self) -> Result<Request>;

    /// Looks at the answer. By default anything with status 200 is right.
    fn answer(&mut self, answer: &Response<Bytes>) -> Result<()> {
        expect_ok(answer)
    }
}

/// Refuses anything but 200.
pub(crate) fn expect_ok(answer: &Response<Bytes>) -> Result<()> {
    let text = String::from_utf8_lossy(answer.body());
    ensure!(answer.status() == StatusCode::OK, "answered {}: {text}", answer.status());
    Ok(())
}

/// The same request again and again.
pub(crate) struct Same(pub(crate) Request);

impl Script for Same {
    fn next(&mut self) -> Result<Request> {
        Ok(self.0.clone())
    }
}

/// How long answers took, sorted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    /// The duration that `percent` of the answers did not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let at = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(at).copied().unwrap_or_default()
    }
}

/// One connection per script.
pub(crate) type Scripts = Vec<Box<dyn Script>>;

/// Sends `requests` requests in all and gives the scripts back as they are then.
pub(crate) async fn run(address: SocketAddr, scripts: Scripts, requests: u32) -> Result<(Scripts, Latencies)> {
    let next = Arc::new(AtomicU32::new(0));
    let tasks: Vec<_> = scripts
        .into_iter()
        .map(|script| tokio::spawn(connection(address, script, Arc::clone(&next), requests)))
        .collect();
    let (mut scripts, mut latencies) = (Scripts::new(), Latencies::default());
    for task in tasks {
        let (script, took) = task.await??;
        scripts.push(script);
        latencies.0.extend(took);
    }
    latencies.0.sort_unstable();
    Ok((scripts, latencies))
}

async fn connection(
    address: SocketAddr,
    mut script: Box<dyn Script>,
    next: Arc<AtomicU32>,
    requests: u32,
) -> Result<(Box<dyn Script>, Vec<Duration>)> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("{address} cannot be reached"))?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut took = Vec::new();
    while next.fetch_add(1, Ordering::Relaxed) < requests {
        let request = script.next()?;
        sender.ready().await?;
        let begun = Instant::now();
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        took.push(begun.elapsed());
        script.answer(&Response::from_parts(head, body))?;
    }
    drop(sender);
    connection.await??;
    Ok((script, took))
}
