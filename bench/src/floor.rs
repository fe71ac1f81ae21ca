//! The floors: each does only what cannot be left out, with the same parts the server is made of. No checks, no logs, no
//! routes. One worker thread, as the server has while it is measured.

mod document;
mod hash;
mod lookup;
mod mint;
mod proxy;
mod rotate;
mod rotate_postgres;

use anyhow::Result;
use bytes::Bytes;
use clap::Subcommand;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{convert::Infallible, future::Future, path::PathBuf};
use tokio::net::TcpListener;

/// Every floor.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Which {
    /// The same bytes for everybody.
    Document,
    /// What is known about a token that was seen before.
    Lookup,
    /// A signed token.
    Mint {
        /// `ES256` or `EdDSA`.
        algorithm: String,
    },
    /// A signed token and a rotated refresh token on SQLite.
    Rotate {
        /// The database, which is made.
        path: PathBuf,
    },
    /// The same on PostgreSQL.
    RotatePostgres {
        /// An empty database.
        url: String,
    },
    /// A proxy that adds a header for the bearer.
    Proxy {
        /// `host:port` of the upstream.
        upstream: String,
        /// `seen` looks the token up, `unseen` checks its signature.
        mode: String,
    },
    /// What stands behind a proxy: eight bytes for everybody.
    Upstream,
    /// A password check.
    Hash,
}

/// Runs a floor until it is ended.
pub(crate) async fn run(which: Which) -> Result<()> {
    match which {
        Which::Document | Which::Upstream => document::run().await,
        Which::Lookup => lookup::run().await,
        Which::Mint { algorithm } => mint::run(&algorithm).await,
        Which::Rotate { path } => rotate::run(&path).await,
        Which::RotatePostgres { url } => rotate_postgres::run(&url).await,
        Which::Proxy { upstream, mode } => proxy::run(upstream, mode == "seen").await,
        Which::Hash => hash::run().await,
    }
}

/// Answers every request with `handler`, which is cloned per connection.
async fn serve<H, F>(handler: H) -> Result<()>
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send,
{
    let listener = announce().await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let handler = handler.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answer = handler(request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// Listens on a free port of loopback and says on which.
#[expect(clippy::print_stdout, reason = "the driver reads the port from there")]
async fn announce() -> Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    Ok(listener)
}
