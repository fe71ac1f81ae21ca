//! What is measured against: a data folder with two tenants (one signs with `EdDSA`), clients, three companies and buyers
//! who act for two of them, made through the engine's own verbs; and the configuration of a server over it.

use crate::{oauth::REDIRECT_URI, rows::MANY, slas::Shopper};
use anyhow::{Context as _, Result, bail};
use prokura::{config::Config, node::open_engine};
use prokura_domain::{
    AssignmentKind, ClientKind, CompanyKind, CustomerKind, CustomerState, Email, GroupCode, RefreshPolicy,
};
use prokura_engine::{
    Actor, AtBrowser, Bearer, BeginGuest, CreateClient, CreateCustomer, CreateLegalEntity, CreateTenant, Engine,
    EntityWish, Granted, LegalEntityDetails, LogIn, Manner, NewAssignment, NewPassword, Origin, PageEntry, Profile,
    Refresh, ShopLogIn, Site, Tenant, TenantSettings, VisitorWish, Wishes,
};
use prokura_jose::Secret;
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempDir;
use tokio::task::JoinSet;

/// The tenant everything but `EdDSA` is about.
pub(crate) const TENANT: &str = "bench";
/// The tenant that signs with `EdDSA`.
pub(crate) const ED_TENANT: &str = "benched";
/// The storefront's client: refresh tokens rotate.
pub(crate) const STOREFRONT: &str = "storefront";
/// A client whose refresh tokens stay: for making many access tokens.
const KEEPER: &str = "keeper";
/// An application that logs buyers in by redirect, and one whose tokens are bound to a key.
pub(crate) const APPLICATION: &str = "application";
pub(crate) const BOUND_APPLICATION: &str = "application-bound";
/// A machine, and the other tenant's.
pub(crate) const MACHINE: &str = "machine";
pub(crate) const ED_MACHINE: &str = "machine-ed";
/// The organization of the Salesforce dialect, and its clients.
pub(crate) const SLAS_ORGANIZATION: &str = "f_ecom_bnch_001";
pub(crate) const SLAS_PUBLIC: &str = "slas-public";
pub(crate) const SLAS_PRIVATE: &str = "slas-private";
/// What everybody's password is.
pub(crate) const PASSWORD: &str = "correct horse";
/// The two companies of every buyer, and one of nobody's.
pub(crate) const COMPANIES: [&str; 3] = ["LE_1", "LE_2", "LE_3"];

/// Where the server keeps its data.
#[derive(Clone, Debug)]
pub(crate) enum Storage {
    Sqlite,
    Postgres(String),
}

/// Who buys.
#[derive(Clone, Debug)]
pub(crate) struct Buyer {
    pub(crate) email: String,
    /// The cookies of their browser, which is logged in.
    pub(crate) cookie: String,
    /// A fresh refresh token of the storefront's.
    pub(crate) refresh_token: String,
    /// The access token of the guest this buyer was before.
    pub(crate) guest_token: String,
}

/// Everything a row needs to know.
pub(crate) struct World {
    folder: TempDir,
    pub(crate) machine_secret: String,
    pub(crate) ed_machine_secret: String,
    pub(crate) buyers: Vec<Buyer>,
    pub(crate) slas_secret: String,
    pub(crate) shoppers: Vec<Shopper>,
    /// Access tokens of the first buyer for `LE_1`, each another.
    pub(crate) company_tokens: Vec<String>,
}

/// How much there is of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) buyers: usize,
    pub(crate) company_tokens: usize,
}

impl World {
    /// Makes the folder, and fills the database.
    pub(crate) async fn make(storage: &Storage, upstream: SocketAddr, extent: Extent) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("prokura-bench-").tempdir()?;
        let path = folder.path().join("prokura.toml");
        fs::write(&path, configuration(folder.path(), storage, upstream))?;
        let engine = open_engine(&Config::parse(&fs::read_to_string(&path)?, "bench", std::iter::empty())?).await?;
        let mut world = Self {
            folder,
            machine_secret: String::new(),
            ed_machine_secret: String::new(),
            buyers: Vec::new(),
            slas_secret: String::new(),
            shoppers: Vec::new(),
            company_tokens: Vec::new(),
        };
        world.fill(&engine, extent).await.context("the database cannot be prepared")?;
        // What is waiting for a seal would be sealed while others are measured.
        engine.seal_audit().await?;
        engine.close().await?;
        Ok(world)
    }

    /// The configuration file of a server over this world.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.folder.path().join("prokura.toml")
    }

    /// The database file.
    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("prokura.db")
    }

    async fn fill(&mut self, engine: &Engine, extent: Extent) -> Result<()> {
        let plain = tenant(engine, TENANT, "ES256").await?;
        let tenant = with_slas(engine, &plain).await?;
        let ed_tenant = tenant_with_site(engine, ED_TENANT, "EdDSA").await?;
        put_site(engine, &tenant).await?;
        let rotate = RefreshPolicy::Rotate { leeway_seconds: 10 };
        client(engine, &tenant, STOREFRONT, ClientKind::Public, rotate).await?;
        client(engine, &tenant, KEEPER, ClientKind::Public, RefreshPolicy::Reuse).await?;
        for id in [APPLICATION, BOUND_APPLICATION] {
            application(engine, &tenant, id, rotate).await?;
        }
        self.machine_secret = client(engine, &tenant, MACHINE, ClientKind::Confidential, rotate).await?;
        self.ed_machine_secret = client(engine, &ed_tenant, ED_MACHINE, ClientKind::Confidential, rotate).await?;
        for id in COMPANIES {
            let request = CreateLegalEntity {
                id: Some(id.parse()?),
                name: id.to_owned(),
                kind: CompanyKind::Company,
                parent: None,
                details: LegalEntityDetails::default(),
            };
            engine.create_legal_entity(&tenant, &request, &Actor::System, &origin()).await?;
        }
        for number in 0..extent.buyers {
            self.buyers.push(buyer(engine, &tenant, number).await?);
        }
        self.slas_secret = slas_clients(engine, &tenant).await?;
        for buyer in self.buyers.iter().take(2 * MANY) {
            self.shoppers.push(shopper(engine, &tenant, &buyer.email).await?);
        }
        let first = self.buyers.first().context("there is nobody")?;
        let guest = guest(engine, &tenant, KEEPER).await?;
        let session = log_in(engine, &tenant, &guest, &first.email).await?;
        let refresh_token = session.refresh.context("no refresh token")?.token;
        // Several at once share a flush.
        let legal_entity = EntityWish::Of(COMPANIES[0].parse()?);
        let request = Refresh {
            refresh_token,
            client: None,
            legal_entity,
            scopes: None,
            resources: Vec::new(),
            manner: Manner::default(),
        };
        let (request, mut refreshing) = (Arc::new(request), JoinSet::new());
        for _ in 0..extent.company_tokens {
            let (engine, tenant, request) = (engine.clone(), Arc::clone(&tenant), Arc::clone(&request));
            refreshing.spawn(async move { engine.refresh(&tenant, None, &request, &origin()).await });
            if refreshing.len() == MANY
                && let Some(granted) = refreshing.join_next().await
            {
                self.company_tokens.push(granted??.access_token()?);
            }
        }
        while let Some(granted) = refreshing.join_next().await {
            self.company_tokens.push(granted??.access_token()?);
        }
        Ok(())
    }
}

fn origin() -> Origin {
    Origin::local("bench")
}

fn configuration(folder: &Path, storage: &Storage, upstream: SocketAddr) -> String {
    let folder = folder.display();
    let url = match storage {
        Storage::Sqlite => format!("sqlite:{folder}/prokura.db"),
        Storage::Postgres(url) => url.clone(),
    };
    format!(
        r#"[server]
listen = "127.0.0.1:0"
public_url = "http://127.0.0.1:8400"
[database]
url = "{url}"
[master_key]
file = "{folder}/master.key"
[mail]
transport = "none"
[log]
format = "json"
# One load, from one client of one tenant.
[limits]
tenant_per_second = 0
client_per_second = 0
[gateway]
listen = "127.0.0.1:0"
[gateway.policy]
trusted_peers = ["127.0.0.1"]
# Rights that were asked for anew are measured nowhere, so that a long run measures the same as a short one.
resolve_seconds = 86400
[[gateway.policy.routes]]
path = "/api/orders"
upstream = "http://{upstream}"
require = "legal_entity"
tenant = "{TENANT}"
"#
    )
}

async fn tenant(engine: &Engine, id: &str, algorithm: &str) -> Result<Arc<Tenant>> {
    let settings = TenantSettings {
        algorithm: algorithm.to_owned(),
        // The load comes from one address.
        login_attempts: 86_400,
        ..prokura::app::tenant_template()
    };
    let request = CreateTenant { id: id.parse()?, name: id.to_owned(), settings: Some(settings) };
    Ok(engine.create_tenant(&request, &Actor::System, &origin()).await?)
}

async fn tenant_with_site(engine: &Engine, id: &str, algorithm: &str) -> Result<Arc<Tenant>> {
    let tenant = tenant(engine, id, algorithm).await?;
    put_site(engine, &tenant).await?;
    Ok(tenant)
}

async fn with_slas(engine: &Engine, tenant: &Tenant) -> Result<Arc<Tenant>> {
    let settings = prokura_salesforce::tenant_settings(tenant.settings.clone(), SLAS_ORGANIZATION, true)?;
    Ok(engine.update_tenant(tenant, &tenant.name, true, &settings, None, &Actor::System, &origin()).await?)
}

/// The dialect's clients; gives the private one's secret.
async fn slas_clients(engine: &Engine, tenant: &Tenant) -> Result<String> {
    let mut secrets = String::new();
    for (id, kind, refresh_policy) in [
        (SLAS_PUBLIC, ClientKind::Public, RefreshPolicy::Once { leeway_seconds: 0 }),
        (SLAS_PRIVATE, ClientKind::Confidential, RefreshPolicy::Reuse),
    ] {
        let (dialect, settings) = prokura_salesforce::client_settings(&["main"], false);
        let request = CreateClient {
            id: Some(id.parse()?),
            name: id.to_owned(),
            kind,
            scopes: "sfcc.shopper-products sfcc.shopper-baskets-orders.rw".to_owned(),
            grants: "guest password authorization_code refresh_token session_bridge".to_owned(),
            refresh_policy,
            access_seconds: None,
            refresh_seconds: None,
            registration: prokura_engine::Registration {
                redirect_uris: vec![REDIRECT_URI.to_owned()],
                dialect: [(dialect, settings)].into(),
                ..prokura_engine::Registration::default()
            },
        };
        let made = engine.create_client(tenant, &request, &Actor::System, &origin()).await?;
        secrets.extend(made.secret.map(|secret| secret.expose().to_owned()));
    }
    Ok(secrets)
}

/// A buyer who shops with both clients, and on the shop's own pages.
async fn shopper(engine: &Engine, tenant: &Tenant, email: &str) -> Result<Shopper> {
    let log_in = async |client: &str| -> Result<Granted> {
        let request = ShopLogIn {
            client: client.parse()?,
            cookie: None,
            visitor: VisitorWish::New,
            log_in: LogIn { email: Email::parse(email)?, password: Secret::from(PASSWORD.to_owned()) },
            site: Some("main".parse()?),
            manner: Manner::default(),
        };
        Ok(engine.log_in_for_tokens(tenant, &request, &origin()).await?)
    };
    let (public, private) = (log_in(SLAS_PUBLIC).await?, log_in(SLAS_PRIVATE).await?);
    let pages = engine.bridge_to_pages(tenant, private.standing(), None, &origin()).await?;
    let text = |granted: &Granted| granted.refresh.as_ref().map(|refresh| refresh.token.expose().to_owned());
    Ok(Shopper {
        access_token: private.access_token()?,
        refresh_tokens: [text(&public).context("no refresh token")?, text(&private).context("no refresh token")?],
        cookie: pages.cookie.context("no cookie")?.expose().to_owned(),
    })
}

async fn put_site(engine: &Engine, tenant: &Tenant) -> Result<()> {
    let now = engine.now();
    let site = Site {
        id: "main".parse()?,
        name: "Main".to_owned(),
        language: "en".to_owned(),
        languages: vec!["en".to_owned()],
        currency: "EUR".to_owned(),
        country: "DE".to_owned(),
        is_default: true,
        is_active: true,
        version: 0,
        created_at: now,
        modified_at: now,
    };
    engine.put_site(tenant, &site, &Actor::System, &origin()).await?;
    Ok(())
}

async fn client(
    engine: &Engine,
    tenant: &Tenant,
    id: &str,
    kind: ClientKind,
    refresh_policy: RefreshPolicy,
) -> Result<String> {
    let (grants, scopes) = match kind {
        ClientKind::Public => ("guest password refresh_token", ""),
        ClientKind::Confidential => ("client_credentials", "customersegment.segment_read"),
    };
    let request = CreateClient {
        id: Some(id.parse()?),
        name: id.to_owned(),
        kind,
        scopes: scopes.to_owned(),
        grants: grants.to_owned(),
        refresh_policy,
        access_seconds: None,
        refresh_seconds: None,
        registration: prokura_engine::Registration::default(),
    };
    let made = engine.create_client(tenant, &request, &Actor::System, &origin()).await?;
    Ok(made.secret.map(|secret| secret.expose().to_owned()).unwrap_or_default())
}

async fn application(engine: &Engine, tenant: &Tenant, id: &str, refresh_policy: RefreshPolicy) -> Result<()> {
    let request = CreateClient {
        id: Some(id.parse()?),
        name: id.to_owned(),
        kind: ClientKind::Public,
        scopes: "openid profile email legal_entity".to_owned(),
        grants: "authorization_code refresh_token".to_owned(),
        refresh_policy,
        access_seconds: None,
        refresh_seconds: None,
        registration: prokura_engine::Registration {
            redirect_uris: vec![REDIRECT_URI.to_owned()],
            dpop_bound_access_tokens: id == BOUND_APPLICATION,
            is_first_party: true,
            ..prokura_engine::Registration::default()
        },
    };
    engine.create_client(tenant, &request, &Actor::System, &origin()).await?;
    Ok(())
}

async fn guest(engine: &Engine, tenant: &Tenant, client: &str) -> Result<Granted> {
    let request = BeginGuest::nameless(client.parse()?, Wishes::default());
    Ok(engine.begin_guest(tenant, &request, &origin()).await?)
}

async fn log_in(engine: &Engine, tenant: &Tenant, guest: &Granted, email: &str) -> Result<Granted> {
    let request = LogIn { email: Email::parse(email)?, password: Secret::from(PASSWORD.to_owned()) };
    let bearer = Bearer { standing: guest.standing() };
    Ok(engine.log_in(tenant, bearer, &request, &origin()).await?.granted)
}

/// A buyer with a login, who acts for nobody yet.
async fn buyer(engine: &Engine, tenant: &Tenant, number: usize) -> Result<Buyer> {
    let email = format!("buyer-{number}@bench.example");
    let request = CreateCustomer {
        id: None,
        kind: CustomerKind::Customer,
        email: Some(Email::parse(&email)?),
        profile: Profile::default(),
        state: CustomerState::Active,
        password: Some((NewPassword::Plain(Secret::from(PASSWORD.to_owned())), false)),
    };
    let id = engine.create_customer(tenant, &request, &Actor::System, &origin()).await?;
    for entity in &COMPANIES[..2] {
        let request = NewAssignment {
            id: None,
            legal_entity: entity.parse()?,
            customer: id.clone(),
            kind: AssignmentKind::Contact,
            is_primary: false,
            group: Some(GroupCode::Buyer),
        };
        engine.assign(tenant, &request, &Actor::System, &origin()).await?;
    }
    let guest = guest(engine, tenant, STOREFRONT).await?;
    let refresh = log_in(engine, tenant, &guest, &email).await?.refresh.context("no refresh token")?;
    let refresh_token = refresh.token.expose().to_owned();
    let request = LogIn { email: Email::parse(&email)?, password: Secret::from(PASSWORD.to_owned()) };
    let secret = Secret::from(format!("pkr_br_{number}"));
    let browser = AtBrowser { secret: &secret, before: None };
    let PageEntry::In(pages) = engine.log_in_to_pages(tenant, None, &request, &browser, &origin()).await? else {
        bail!("nobody here has a second factor");
    };
    let cookie = format!("prokura-{TENANT}={}; prokura-{TENANT}-browser={}", pages.cookie.expose(), secret.expose());
    Ok(Buyer { email, cookie, refresh_token, guest_token: guest.access_token()? })
}
