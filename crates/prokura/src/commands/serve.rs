//! `prokura serve` and `prokura gateway`: run until told to stop, then end what is in flight.

use crate::{
    config::Config,
    health::{gateway_router, install_metrics},
    node::Node,
};
use anyhow::Context as _;
use prokura_domain::Clock;
use prokura_engine::SystemClock;
use prokura_gateway::{
    Gateway,
    remote::{RemoteError, RemoteSource},
};
use prokura_http::{
    router_service,
    server::{Limits, serve as serve_http},
};
use prokura_jose::TokenVerifier;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};

/// How many verified tokens a gateway alone remembers.
const TOKEN_CACHE: usize = 65_536;

/// Runs a node until SIGTERM or SIGINT. SIGHUP reads the gateway's routes again.
pub(super) async fn serve(
    mut config: Config,
    file: Option<PathBuf>,
    listen: Option<SocketAddr>,
) -> anyhow::Result<ExitCode> {
    if let Some(listen) = listen {
        config.server.listen = listen;
    }
    start_logging(&config)?;
    if config.metrics.listen.is_some() {
        install_metrics();
    }
    let node = Node::start(&config).await?;
    tracing::info!(public = %node.public, gateway = node.gateway.map(tracing::field::display), admin = node.admin.map(tracing::field::display), "listening");
    if !node.engine.is_set_up().await.unwrap_or(true) {
        tracing::warn!("there is no operator yet: `prokura admin setup` prints the secret to become the first one");
    }
    let gateway = node.gateway_service.clone();
    wait(|| reload(gateway.as_ref(), file.as_deref())).await?;
    tracing::info!("stopping");
    node.stop().await?;
    Ok(ExitCode::SUCCESS)
}

/// Runs a gateway alone. A server that is away at the start is waited for, and until then every token is refused; one
/// that does not want this gateway keeps it from starting.
pub(super) async fn gateway(
    mut config: Config,
    file: Option<PathBuf>,
    server: &str,
    listen: Option<SocketAddr>,
) -> anyhow::Result<ExitCode> {
    if let Some(listen) = listen {
        config.gateway.listen = Some(listen);
    }
    start_logging(&config)?;
    let listen = config.gateway.listen.context("gateway.listen is not set: say where to listen")?;
    let secret = config.gateway_secret()?.context("server.gateway_secret is not set: the server's feed asks for it")?;
    let verifier = Arc::new(TokenVerifier::new(TOKEN_CACHE));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let source = RemoteSource::new(server, secret.expose(), Arc::clone(&verifier), Arc::clone(&clock))
        .map(Arc::new)
        .with_context(|| format!("--server {server} is not right"))?;
    let resolver: Arc<dyn prokura_gateway::Resolver> = Arc::clone(&source) as _;
    let gateway =
        Gateway::new(&config.gateway.policy, verifier, clock, resolver).context("gateway.policy is not right")?;
    let listener = bind(listen, "gateway.listen").await?;
    let watched = match config.metrics.listen {
        Some(listen) => Some((bind(listen, "metrics.listen").await?, listen)),
        None => None,
    };
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut ports = Vec::new();
    if let Some((listener, listen)) = watched {
        install_metrics();
        let service = router_service(gateway_router(gateway.clone()));
        ports.push(tokio::spawn(serve_http(listener, service, Limits::default(), until(stopped.clone()))));
        tracing::info!(metrics = %listen, "listening");
    }
    ports.push(tokio::spawn(serve_http(listener, gateway.clone(), Limits::streaming(), until(stopped.clone()))));
    tracing::info!(gateway = %listen, server, "listening");
    match source.load().await {
        Ok(()) => {}
        Err(error @ RemoteError::Status(status)) if status.is_client_error() => {
            return Err(error).with_context(|| format!("the server {server} does not feed this gateway"));
        }
        Err(error) => {
            let cause = anyhow::Error::from(error);
            tracing::warn!(server, error = format!("{cause:#}"), "every token is refused until the server answers");
        }
    }
    let follower = tokio::spawn(async move { source.run(until(stopped)).await });
    wait(|| reload(Some(&gateway), file.as_deref())).await?;
    tracing::info!("stopping");
    let _ = stop.send(true);
    for port in ports {
        port.await.context("a port ended badly")?;
    }
    follower.await.context("the feed ended badly")?;
    Ok(ExitCode::SUCCESS)
}

async fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{key}: cannot listen on {address}"))
}

async fn until(mut stopped: tokio::sync::watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// Waits for the end; everything else that is heard meanwhile is done.
async fn wait(on_reload: impl Fn()) -> anyhow::Result<()> {
    let hear = |kind: SignalKind| -> anyhow::Result<Signal> { signal(kind).context("no signals here") };
    let (mut terminate, mut interrupt, mut hang_up) =
        (hear(SignalKind::terminate())?, hear(SignalKind::interrupt())?, hear(SignalKind::hangup())?);
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hang_up.recv() => on_reload(),
        }
    }
}

/// Reads the configuration again and swaps the gateway's routes; a mistake changes nothing.
fn reload(gateway: Option<&Gateway>, file: Option<&Path>) {
    let Some(gateway) = gateway else { return };
    let result = Config::load(file)
        .and_then(|config| gateway.reload(&config.gateway.policy).context("gateway.policy is not right"));
    match result {
        Ok(()) => tracing::info!("the routes of the gateway were read again"),
        Err(error) => tracing::error!(error = format!("{error:#}"), "the routes stay as they were"),
    }
}

/// Logs go to standard error.
pub(super) fn start_logging(config: &Config) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(&config.log.filter).context("log.filter is not right")?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match config.log.format.as_str() {
        "json" => logs.json().flatten_event(true).try_init(),
        _ => logs.try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging cannot be started: {error}"))
}
