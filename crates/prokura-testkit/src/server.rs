//! A server to knock at: the real routers behind the real accept loop, over SQLite or PostgreSQL.

use crate::{SeededEntropy, TestClock};
use prokura_domain::{ClientId, ClientKind, Clock as _, RefreshPolicy, TenantId};
use prokura_engine::{
    Actor, CreateClient, CreateTenant, DatabaseConfig, Engine, EngineConfig, MailTransport, Origin, Site,
    SystemEntropy, Tenant, TenantSettings,
};
use prokura_http::{Edge, Limiter, Rates, router_service, server::Limits};
use prokura_jose::{MasterKey, Secret};
use prokura_web::WebConfig;
use serde_json::Value;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::watch};

/// Which database a server stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    /// A file in a folder of its own.
    Sqlite,
    /// A fresh database on the one PostgreSQL of this test process.
    Postgres,
}

/// What a server is started with.
pub struct Options {
    /// Which database.
    pub database: Database,
    /// Whether the background jobs run by themselves. Without them a test drives `engine.poll_feed()` and friends.
    pub has_background: bool,
    /// Whether time stands still until advanced; otherwise it is the machine's.
    pub is_clock_frozen: bool,
    /// The tenants' template; `None` for the product's.
    pub settings: Option<TenantSettings>,
    /// Whether issuers are where the server listens, as clients that look for their metadata need; otherwise they are at
    /// a host of its own.
    pub is_own_issuer: bool,
    /// The name of this machine in that issuer; browsers know no passkeys for bare addresses.
    pub own_host: &'static str,
    /// How long tokens may be decided about without hearing from the database; `None` for ever, as nobody polls the
    /// feed while a test advances the clock.
    pub stale_seconds: Option<u32>,
    /// How mails leave; into a folder when `None`.
    pub mail: Option<MailTransport>,
    /// How many requests are taken; without bounds unless a test is about them.
    pub rates: Rates,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            database: Database::Sqlite,
            has_background: false,
            is_clock_frozen: true,
            settings: None,
            is_own_issuer: false,
            own_host: "127.0.0.1",
            stale_seconds: None,
            mail: None,
            rates: Rates::NONE,
        }
    }
}

/// A running server.
pub struct TestServer {
    /// Its engine, for arranging what a test needs.
    pub engine: Engine,
    /// Where it listens, as `http://127.0.0.1:port`.
    pub url: String,
    /// Its clock, when frozen.
    pub clock: Arc<TestClock>,
    /// A client without redirects.
    pub http: reqwest::Client,
    /// Where its database is; a second node can be started on it.
    pub database: DatabaseConfig,
    options: Options,
    stop: watch::Sender<bool>,
    folder: Option<Arc<TempDir>>,
    mail: Arc<TempDir>,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The header fields.
    pub headers: reqwest::header::HeaderMap,
    /// The body as text.
    pub text: String,
}

impl Answer {
    /// The body as JSON; `Null` when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }
}

impl TestServer {
    /// A server over SQLite with frozen time.
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    /// A server over the named database, with frozen time.
    pub async fn start_on(database: Database) -> Self {
        Self::start_with(Options { database, ..Options::default() }).await
    }

    /// A server as wanted.
    pub async fn start_with(options: Options) -> Self {
        let (database, folder) = match options.database {
            Database::Sqlite => {
                let folder = tempfile::tempdir().expect("a folder for the test");
                (
                    DatabaseConfig::Sqlite { path: folder.path().join("prokura.db"), read_connections: 2 },
                    Some(Arc::new(folder)),
                )
            }
            Database::Postgres => (crate::postgres::fresh_database(), None),
        };
        let mail = Arc::new(tempfile::tempdir().expect("a folder for mails"));
        Self::start_node(database, folder, mail, Arc::default(), options).await
    }

    /// Another node on the same PostgreSQL database, with the same clock and master key.
    pub async fn start_second_node(&self) -> Self {
        self.start_beside(self.database.clone()).await
    }

    /// Another server with the same clock and master key on another database, as on a restored copy.
    pub async fn start_beside(&self, database: DatabaseConfig) -> Self {
        self.start_with_clock(database, Arc::clone(&self.clock)).await
    }

    /// Another node on the same PostgreSQL database whose clock is `seconds` ahead of this one's.
    pub async fn start_second_node_ahead(&self, seconds: i64) -> Self {
        let clock = TestClock::default();
        clock.advance(self.clock.now().millis_since(clock.now()) / 1000 + seconds);
        self.start_with_clock(self.database.clone(), Arc::new(clock)).await
    }

    async fn start_with_clock(&self, database: DatabaseConfig, clock: Arc<TestClock>) -> Self {
        let options = Options {
            database: self.options.database,
            has_background: self.options.has_background,
            is_clock_frozen: self.options.is_clock_frozen,
            settings: self.options.settings.clone(),
            is_own_issuer: self.options.is_own_issuer,
            own_host: self.options.own_host,
            stale_seconds: self.options.stale_seconds,
            mail: self.options.mail.clone(),
            rates: self.options.rates,
        };
        let (folder, mail) = (self.folder.clone(), Arc::clone(&self.mail));
        Self::start_node(database, folder, mail, clock, options).await
    }

    async fn start_node(
        database: DatabaseConfig,
        folder: Option<Arc<TempDir>>,
        mail: Arc<TempDir>,
        clock: Arc<TestClock>,
        options: Options,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound port"));
        let config = EngineConfig {
            database: database.clone(),
            // Both nodes of a pair speak for one issuer, as behind a balancer.
            public_url: if options.is_own_issuer {
                url.replace("127.0.0.1", options.own_host)
            } else {
                "https://id.prokura.example".to_owned()
            },
            master_key: MasterKey::from_bytes([7; 32]),
            tenant_template: options.settings.clone().unwrap_or_else(prokura::app::tenant_template),
            hash_workers: 2,
            leaked_passwords: None,
            mail: options.mail.clone().unwrap_or_else(|| MailTransport::Folder(mail.path().to_owned())),
            outbound_networks: vec!["127.0.0.0/8".parse().expect("a network")],
            hash_cost: Some((64, 1, 1)),
            stale_seconds: options.stale_seconds,
        };
        let entropy: Arc<dyn prokura_domain::Entropy> = if options.is_clock_frozen {
            Arc::new(SeededEntropy::new(listener.local_addr().map_or(1, |address| u64::from(address.port()))))
        } else {
            Arc::new(SystemEntropy::default())
        };
        let time: Arc<dyn prokura_domain::Clock> =
            if options.is_clock_frozen { clock.clone() } else { Arc::new(prokura_engine::SystemClock) };
        let engine = Engine::open(config, time, entropy).await.expect("an engine on a fresh database");
        let (stop, stopped) = watch::channel(false);
        if options.has_background {
            let (engine, stopped) = (engine.clone(), stopped.clone());
            tokio::spawn(async move { engine.run_background(stopped).await });
        }
        let web = WebConfig { gateway_secret: Some(Arc::new(Secret::from("gateway-secret".to_owned()))) };
        let edge = Edge { limiter: Arc::new(Limiter::new(options.rates)), ..Edge::new(engine.clone()) };
        let service = router_service(prokura::app::public_router(edge, web));
        let mut until = stopped;
        tokio::spawn(prokura_http::server::serve(listener, service, Limits::default(), async move {
            let _ = until.wait_for(|stop| *stop).await;
        }));
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .expect("a client");
        Self { engine, url, clock, http, database, options, stop, folder, mail }
    }

    /// Sends what waits in the outbox; returns every mail so far, oldest first, with line breaks as programs write them.
    pub async fn mails(&self) -> Vec<String> {
        self.engine.run_errands().await.expect("the outbox");
        let entries = std::fs::read_dir(self.mail.path()).expect("the folder for mails");
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        paths.iter().map(|path| std::fs::read_to_string(path).expect("a mail").replace("\r\n", "\n")).collect()
    }

    /// Where mails are put.
    pub fn mail_folder(&self) -> &std::path::Path {
        self.mail.path()
    }

    /// The one-time token in the newest mail that has one.
    pub async fn mailed_token(&self) -> String {
        let mails = self.mails().await;
        // Long lines may be folded by the transfer encoding.
        let mut newest_first = mails.iter().rev().map(|mail| mail.replace("=\n", ""));
        let text = newest_first.find(|text| text.contains("pkr_lt_")).expect("a mail with a link");
        let begin = text.find("pkr_lt_").expect("a link in the mail");
        text[begin..].chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).collect()
    }

    /// Lets time pass.
    pub fn advance(&self, seconds: i64) {
        self.clock.advance(seconds);
    }

    /// Makes a tenant with a default site.
    pub async fn tenant(&self, id: &str) -> Arc<Tenant> {
        let id: TenantId = id.parse().expect("a tenant id");
        let request = CreateTenant { id: id.clone(), name: id.to_string(), settings: None };
        let tenant =
            self.engine.create_tenant(&request, &Actor::System, &Origin::local("test")).await.expect("a tenant");
        let now = self.clock.now();
        let site = Site {
            id: "main".parse().expect("an id"),
            name: "Main".to_owned(),
            language: "en".to_owned(),
            languages: vec!["en".to_owned(), "de".to_owned()],
            currency: "EUR".to_owned(),
            country: "DE".to_owned(),
            is_default: true,
            is_active: true,
            version: 0,
            created_at: now,
            modified_at: now,
        };
        self.engine.put_site(&tenant, &site, &Actor::System, &Origin::local("test")).await.expect("a site");
        tenant
    }

    /// Makes a client and returns its secret, when it has one.
    pub async fn client(
        &self,
        tenant: &Tenant,
        id: &str,
        kind: ClientKind,
        grants: &str,
        scopes: &str,
        refresh_policy: RefreshPolicy,
    ) -> Option<Secret> {
        let request = CreateClient {
            id: Some(id.parse::<ClientId>().expect("a client id")),
            name: id.to_owned(),
            kind,
            scopes: scopes.to_owned(),
            grants: grants.to_owned(),
            refresh_policy,
            access_seconds: None,
            refresh_seconds: None,
            registration: prokura_engine::Registration::default(),
        };
        let made = self.engine.create_client(tenant, &request, &Actor::System, &Origin::local("test")).await;
        made.expect("a client").secret
    }

    /// Sends a request and reads the answer whole.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = response.text().await.expect("a whole answer");
        Answer { status, headers, text }
    }

    /// `GET` of a path, with a bearer token when given.
    pub async fn get(&self, path: &str, bearer: Option<&str>) -> Answer {
        let request = self.http.get(format!("{}{path}", self.url));
        self.send(match bearer {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
        .await
    }

    /// `POST` of a JSON body.
    pub async fn post(&self, path: &str, bearer: Option<&str>, body: &Value) -> Answer {
        let request = self.http.post(format!("{}{path}", self.url)).json(body);
        self.send(match bearer {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
        .await
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}
