//! One running node: the engine with its background jobs, the public port, and, where configured, the gateway's and
//! the metrics' port. Used by `serve` and `demo` alike.

use crate::{app, config::Config, health};
use anyhow::Context as _;
use prokura_domain::{Clock, Standing, TenantId};
use prokura_engine::{Engine, EngineConfig, Error, SystemClock, SystemEntropy, Unverified};
use prokura_gateway::{Gateway, GatewayConfig, ResolveError, Resolver, Resolving, Using};
use prokura_http::{
    Edge, Limiter, router_service,
    server::{Limits, Tls, serve, serve_tls},
};
use prokura_jose::dpop::Proof;
use prokura_web::WebConfig;
use std::{fs, net::SocketAddr, os::unix::fs::DirBuilderExt as _, path::Path, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// A running node.
pub struct Node {
    /// Its engine.
    pub engine: Engine,
    /// Where the public port really listens.
    pub public: SocketAddr,
    /// Where the administration API listens, when it has a port of its own.
    pub admin: Option<SocketAddr>,
    /// Where the gateway listens, when there is one.
    pub gateway: Option<SocketAddr>,
    /// The gateway, for reloading its routes.
    pub gateway_service: Option<Gateway>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// The longest body the administration API reads, in bytes; a little more than it takes, so that it says so itself.
const ADMIN_BODY: u64 = 1024 * 1024 + 1024;
/// How often the certificate's files are looked at.
const RENEWAL: Duration = Duration::from_secs(10);
/// How long the background jobs may take to end.
const BACKGROUND_DRAIN: Duration = Duration::from_secs(5);

/// Opens the engine a configuration describes, without serving anything.
///
/// # Errors
/// A folder, key or database that cannot be opened, each named.
pub async fn open_engine(config: &Config) -> anyhow::Result<Engine> {
    prepare_folders(config)?;
    let database = config.database()?;
    let engine_config = EngineConfig {
        database,
        public_url: config.server.public_url.clone(),
        master_key: config.master_key()?,
        tenant_template: app::tenant_template(),
        hash_workers: config.hash_workers(),
        leaked_passwords: config.passwords.leaked_file.clone(),
        mail: config.mail()?,
        outbound_networks: config.outbound_networks()?,
        hash_cost: None,
        stale_seconds: Some(config.database.stale_seconds),
    };
    Engine::open(engine_config, Arc::new(SystemClock), Arc::new(SystemEntropy::default()))
        .await
        .context("the engine cannot be started")
}

/// Makes the folders of the database and of the master key.
///
/// # Errors
/// A folder that cannot be made.
pub fn prepare_folders(config: &Config) -> anyhow::Result<()> {
    if let prokura_engine::DatabaseConfig::Sqlite { path, .. } = config.database()? {
        make_folder(path.parent())?;
    }
    make_folder(config.master_key.file.parent())
}

/// Only its owner looks into a folder with keys and data.
fn make_folder(folder: Option<&Path>) -> anyhow::Result<()> {
    let Some(folder) = folder.filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) else {
        return Ok(());
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("the folder {} cannot be made", folder.display()))
}

impl Node {
    /// Starts a node.
    ///
    /// # Errors
    /// Whatever keeps it from starting, with the key or file it is about.
    pub async fn start(config: &Config) -> anyhow::Result<Self> {
        let engine = open_engine(config).await?;
        engine.load_tenants().await.context("the tenants cannot be read")?;
        let (stop, stopped) = watch::channel(false);
        let mut tasks = Vec::new();
        {
            let (engine, stopped) = (engine.clone(), stopped.clone());
            tasks.push(tokio::spawn(async move { engine.run_background(stopped).await }));
        }

        let edge = Edge {
            engine: engine.clone(),
            trusted_proxies: config.server.trusted_proxies.iter().filter_map(|prefix| prefix.parse().ok()).collect(),
            hosts: Arc::new(public_hosts(config)),
            limiter: Arc::new(Limiter::new(config.limits.rates())),
        };
        let web = WebConfig { gateway_secret: config.gateway_secret()?.map(Arc::new) };
        let listener = bind(config.server.listen, "server.listen").await?;
        let public = listener.local_addr()?;
        // The Emporix dialect allows URLs of 10 KB and headers of 60 KB.
        let limits = Limits {
            target_bytes: 10 * 1024,
            header_bytes: 60 * 1024,
            body_bytes: 10 * 1024 * 1024,
            ..Limits::default()
        };
        let router = match config.admin.listen {
            Some(_) => app::public_router_without_admin(edge.clone(), web),
            None => app::public_router(edge.clone(), web),
        };
        let service = router_service(router);
        match config.tls()? {
            None => tasks.push(tokio::spawn(serve(listener, service, limits, until(stopped.clone())))),
            Some(tls) => {
                tasks.push(tokio::spawn(renew(tls.clone(), stopped.clone())));
                tasks.push(tokio::spawn(serve_tls(listener, tls, service, limits, until(stopped.clone()))));
            }
        }

        let mut node =
            Self { engine: engine.clone(), public, admin: None, gateway: None, gateway_service: None, stop, tasks };
        if let Some(listen) = config.admin.listen {
            let listener = bind(listen, "admin.listen").await?;
            node.admin = Some(listener.local_addr()?);
            // Whatever name this port has inside a network: a bearer token is asked for under each of them.
            let edge = Edge { hosts: Arc::default(), ..edge.clone() };
            let service = router_service(app::admin_router(edge));
            let limits = Limits { body_bytes: ADMIN_BODY, ..Limits::default() };
            node.tasks.push(tokio::spawn(serve(listener, service, limits, until(stopped.clone()))));
        }
        if let Some(listen) = config.gateway.listen {
            let gateway = gateway(&config.gateway.policy, &engine, Arc::new(SystemClock))?;
            let listener = bind(listen, "gateway.listen").await?;
            node.gateway = Some(listener.local_addr()?);
            node.gateway_service = Some(gateway.clone());
            node.tasks.push(tokio::spawn(serve(listener, gateway, Limits::streaming(), until(stopped.clone()))));
        }
        if let Some(listen) = config.metrics.listen {
            let listener = bind(listen, "metrics.listen").await?;
            let router = health::metrics_router(node.gateway_service.clone());
            node.tasks.push(tokio::spawn(serve(listener, router_service(router), Limits::default(), until(stopped))));
        }
        Ok(node)
    }

    /// Takes no new requests, lets those in flight end, and closes the database.
    ///
    /// # Errors
    /// When the database cannot be closed in an orderly way.
    pub async fn stop(self) -> anyhow::Result<()> {
        let _ = self.stop.send(true);
        let limit = Limits::default().drain + BACKGROUND_DRAIN;
        for task in self.tasks {
            let _ = tokio::time::timeout(limit, task).await;
        }
        self.engine.close().await.context("the database could not be closed in order")
    }
}

/// A gateway in the process of the server it asks.
///
/// # Errors
/// A policy that cannot be used.
pub fn gateway(policy: &GatewayConfig, engine: &Engine, clock: Arc<dyn Clock>) -> anyhow::Result<Gateway> {
    let resolver: Arc<dyn Resolver> = Arc::new(InProcess(engine.clone()));
    Gateway::new(policy, Arc::clone(engine.verifier()), clock, resolver).context("gateway.policy is not right")
}

async fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{key}: cannot listen on {address}"))
}

async fn until(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// Reads the certificate again when its files change.
async fn renew(tls: Tls, stopped: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(RENEWAL);
    let mut stop = std::pin::pin!(until(stopped));
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = &mut stop => return,
        }
        let tls = tls.clone();
        match tokio::task::spawn_blocking(move || tls.reload()).await {
            Ok(Ok(true)) => tracing::info!("the certificate of the public port was read again"),
            Ok(Ok(false)) | Err(_) => {}
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "the new certificate cannot be used; the one before is served");
            }
        }
    }
}

fn public_hosts(config: &Config) -> std::collections::HashSet<String> {
    config.hosts().into_iter().collect()
}

/// Resolves in this very process.
struct InProcess(Engine);

impl Resolver for InProcess {
    fn resolve<'a>(&'a self, token: &'a str) -> Resolving<'a> {
        Box::pin(async move {
            let verified = self.0.examine(token).map_err(|unverified| match unverified {
                Unverified::Rejected(_) => ResolveError::Refused,
                Unverified::Stale => ResolveError::Unavailable,
            })?;
            let standing: &Standing = &verified.token.standing;
            match self.0.standing_now(standing).await {
                Ok(standing) => Ok(standing),
                Err(Error::Refused(_)) => Err(ResolveError::Refused),
                Err(Error::Fault(_)) => Err(ResolveError::Unavailable),
            }
        })
    }

    fn use_proof<'a>(&'a self, tenant: &'a TenantId, proof: &'a Proof) -> Using<'a> {
        Box::pin(async move {
            let used = self.0.use_proof_of(tenant, &proof.id, proof.until).await;
            used.map_err(|_| ResolveError::Unavailable)
        })
    }
}
