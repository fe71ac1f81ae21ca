//! `prokura demo`: identity, gateway, a sample shop and a storefront in one process on the embedded database, with
//! sample data. Starting it again changes nothing and keeps what was done.

mod hybrid;
mod mails;

use super::say;
use crate::{
    app,
    config::{Config, GatewaySection},
    import::{self, ImportOptions},
    node::Node,
};
use anyhow::{Context as _, bail};
use prokura_demo::{
    data,
    shop::{self, Require, Shop, ShopConfig},
    storefront::{self, StorefrontConfig},
};
use prokura_domain::{ClientId, ClientKind, RefreshPolicy, Scopes, SiteId, TenantId};
use prokura_engine::{
    Actor, CreateClient, CreateTenant, Engine, Error, Origin, Refusal, Registration, Site, Tenant, TenantSettings,
};
use prokura_gateway::GatewayConfig;
use prokura_http::{
    router_service,
    server::{Limits, serve},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap, fs, io::Write as _, net::SocketAddr, os::unix::fs::OpenOptionsExt as _, path::Path,
    process::ExitCode, sync::Arc, time::Instant,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

const TENANT: &str = "demo";
const SITE: &str = "main";
/// Where the demo's native clients take their answers, unless they say otherwise.
const REDIRECT_URI: &str = "http://localhost:3000/callback";
/// What there is to know about a customer.
const IDENTITY_SCOPES: &str = "openid profile email phone legal_entity offline_access";
/// What outside programs read.
const ENV_FILE: &str = "demo.env";

/// Whom the demo is about: a login, and the companies of it.
struct Cast {
    email: String,
    password: String,
    legal_entities: Vec<String>,
    foreign: String,
}

/// Runs the demo until it is told to stop.
pub(super) async fn demo(
    folder: &Path,
    port: u16,
    gateway_port: u16,
    import_from: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let shop_listener = TcpListener::bind("127.0.0.1:0").await.context("no free port for the shop")?;
    let storefront_listener = TcpListener::bind("127.0.0.1:0").await.context("no free port for the storefront")?;
    let mails_listener = TcpListener::bind("127.0.0.1:0").await.context("no free port for the mails")?;
    let hybrid_listener = TcpListener::bind("127.0.0.1:0").await.context("no free port for the hybrid storefronts")?;
    let upstreams = Upstreams {
        shop: shop_listener.local_addr()?,
        storefront: storefront_listener.local_addr()?,
        mails: mails_listener.local_addr()?,
        hybrid: hybrid_listener.local_addr()?,
    };
    let config = configuration(folder, port, gateway_port, &upstreams)?;
    super::serve::start_logging(&config)?;
    let node = Node::start(&config).await?;
    let gateway_url = format!("http://127.0.0.1:{}", node.gateway.map_or(gateway_port, |address| address.port()));
    let prokura_url = config.server.public_url.clone();

    let (source, cast) = sources(folder, import_from)?;
    let tenant = tenant(&node.engine).await?;
    let known = read_env(&folder.join(ENV_FILE));
    let env = clients(&node.engine, &tenant, known).await?;
    import::run(&node.engine, &tenant, &source, &ImportOptions::quiet())
        .await
        .context("the sample data cannot be read in")?;

    let shop = Shop::open(&folder.join("shop.db")).context("the shop's database")?;
    shop.import(&source).context("the shop's data")?;
    let of = |key: &str| env.get(key).cloned().unwrap_or_default();
    let shop_config = ShopConfig {
        prokura_url: prokura_url.clone(),
        tenant: TENANT.to_owned(),
        client_id: of("EMPORIX_BACKEND_ID"),
        client_secret: of("EMPORIX_BACKEND_SECRET"),
        public_segments: vec![data::PUBLIC_SEGMENT.to_owned()],
    };
    let is_own_data = import_from.is_none();
    let sample_logins =
        if is_own_data { vec![data::BUYER, data::GROUP_BUYER, data::OWNER, data::PRIVATE_PERSON] } else { Vec::new() };
    let storefront_config = StorefrontConfig {
        prokura_url: prokura_url.clone(),
        gateway_url: gateway_url.clone(),
        tenant: TENANT.to_owned(),
        client_id: of("EMPORIX_CLIENT_ID"),
        shop_name: "Kontor".to_owned(),
        is_https: false,
        sample_logins: sample_logins.clone(),
        mails_path: Some(mails::PATH.to_owned()),
    };
    let hybrid_config = hybrid::config(&prokura_url, &gateway_url, &env, sample_logins);
    let (end, ending) = watch::channel(false);
    let until = |mut ending: watch::Receiver<bool>| async move {
        let _ = ending.wait_for(|end| *end).await;
    };
    let shop_service = router_service(shop::router(shop, shop_config));
    let shop_task = tokio::spawn(serve(shop_listener, shop_service, Limits::default(), until(ending.clone())));
    let storefront_service = router_service(storefront::router(storefront_config));
    let storefront_task =
        tokio::spawn(serve(storefront_listener, storefront_service, Limits::default(), until(ending.clone())));
    let mails_service = router_service(mails::router(config.mail.folder.clone()));
    let mails_task = tokio::spawn(serve(mails_listener, mails_service, Limits::default(), until(ending.clone())));
    let hybrid_service = router_service(prokura_demo::hybrid::router(hybrid_config));
    let hybrid_task = tokio::spawn(serve(hybrid_listener, hybrid_service, Limits::default(), until(ending)));

    write_env(folder, &prokura_url, &gateway_url, &tenant, &cast, &env)?;
    say(&format!(
        "\nProkura demo, ready after {} ms\n\n  \
         Storefront   {gateway_url}/\n  \
         Hybrid       {gateway_url}{} and {gateway_url}{},\n               \
         watched at {gateway_url}{}\n  \
         Log in as    {}   password {}\n               \
         acts for {}\n\n  \
         Identity     {prokura_url}\n  \
         Mails        {gateway_url}{}\n  \
         For programs {}\n\nStop with Ctrl-C.",
        begun.elapsed().as_millis(),
        hybrid::HEAD,
        hybrid::CLASSIC,
        hybrid::DEVELOPERS,
        cast.email,
        cast.password,
        cast.legal_entities.join(" and "),
        mails::PATH,
        folder.join(ENV_FILE).display(),
    ))?;

    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    let _ = end.send(true);
    node.stop().await?;
    let _ = tokio::join!(shop_task, storefront_task, mails_task, hybrid_task);
    Ok(ExitCode::SUCCESS)
}

/// What is behind the gateway.
struct Upstreams {
    shop: SocketAddr,
    storefront: SocketAddr,
    mails: SocketAddr,
    hybrid: SocketAddr,
}

fn configuration(folder: &Path, port: u16, gateway_port: u16, upstreams: &Upstreams) -> anyhow::Result<Config> {
    let mut config = Config::default();
    config.server.listen = SocketAddr::from(([127, 0, 0, 1], port));
    config.server.public_url = format!("http://127.0.0.1:{port}");
    config.server.hosts = vec!["localhost".to_owned(), "id.demo.localhost".to_owned()];
    config.database.url = format!("sqlite:{}", folder.join("prokura.db").display()).into();
    config.master_key.file = folder.join("master.key");
    config.mail.folder = folder.join("mail");
    "warn".clone_into(&mut config.log.filter);
    let route = |path: &str, upstream: SocketAddr, require: &str| json!({ "path": path, "upstream": format!("http://{upstream}"), "require": require, "tenant": TENANT });
    let mut routes: Vec<Value> = shop::ROUTES
        .iter()
        .map(|(path, require)| {
            let require = match require {
                Require::Guest => "guest",
                Require::Customer => "customer",
            };
            route(path, upstreams.shop, require)
        })
        .collect();
    routes.extend(mails::paths().into_iter().map(|path| route(path, upstreams.mails, "none")));
    let to_hybrid = |host: Option<&str>, path: &str| {
        let mut route = route(path, upstreams.hybrid, "none");
        if let Some(route) = route.as_object_mut() {
            // Both halves set cookies for the host that the browser named.
            route.insert("forward_host".to_owned(), true.into());
            route.extend(host.map(|host| ("host".to_owned(), host.into())));
        }
        route
    };
    routes.extend(prokura_demo::hybrid::PATHS.iter().map(|path| to_hybrid(None, path)));
    for host in hybrid::HOSTS {
        routes.push(to_hybrid(Some(host), "/"));
        routes.extend(mails::paths().into_iter().map(|path| {
            let mut route = route(path, upstreams.mails, "none");
            route.as_object_mut().map(|route| route.insert("host".to_owned(), (*host).into()));
            route
        }));
    }
    routes.push(route("/", upstreams.storefront, "none"));
    let policy: GatewayConfig = serde_json::from_value(json!({ "routes": routes })).context("the demo's routes")?;
    config.gateway = GatewaySection { listen: Some(SocketAddr::from(([127, 0, 0, 1], gateway_port))), policy };
    Ok(config)
}

/// The folder to import from, and who is in it.
fn sources(folder: &Path, import_from: Option<&Path>) -> anyhow::Result<(std::path::PathBuf, Cast)> {
    let Some(source) = import_from else {
        let source = folder.join("sample");
        fs::create_dir_all(&source)?;
        data::write_to(&source).context("the sample data cannot be written")?;
        let cast = Cast {
            email: data::BUYER.email.to_owned(),
            password: data::BUYER.password.to_owned(),
            legal_entities: data::BUYER.legal_entities.iter().map(ToString::to_string).collect(),
            foreign: data::FOREIGN_LEGAL_ENTITY.to_owned(),
        };
        return Ok((source, cast));
    };
    Ok((source.to_owned(), cast_of(source)?))
}

/// In foreign data: the first customer with a password who acts for exactly two companies, and a third company.
fn cast_of(source: &Path) -> anyhow::Result<Cast> {
    let read = |name: &str| -> anyhow::Result<Vec<BTreeMap<String, String>>> {
        let path = source.join(name);
        let mut reader = csv::Reader::from_path(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        Ok(reader.deserialize().filter_map(Result::ok).collect())
    };
    let of = |row: &BTreeMap<String, String>, key: &str| row.get(key).cloned().unwrap_or_default();
    let mut companies: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in read("contact_assignments.csv")? {
        companies.entry(of(&row, "customer_email")).or_default().push(of(&row, "legal_entity_id"));
    }
    let people = read("customers.csv")?;
    let person = people.iter().filter(|row| !of(row, "password").is_empty()).find_map(|row| {
        companies.get(&of(row, "email")).filter(|found| found.len() == 2).map(|found| (row, found.clone()))
    });
    let Some((person, legal_entities)) = person else {
        bail!("{}: nobody with a password acts for exactly two companies", source.display());
    };
    let entities = read("legal_entities.csv")?;
    let foreign = entities.iter().map(|row| of(row, "id")).find(|id| !legal_entities.contains(id));
    let foreign = foreign.with_context(|| format!("{}: there is no third company", source.display()))?;
    Ok(Cast { email: of(person, "email"), password: of(person, "password"), legal_entities, foreign })
}

async fn tenant(engine: &Engine) -> anyhow::Result<Arc<Tenant>> {
    let id: TenantId = TENANT.parse()?;
    let origin = Origin::local("demo");
    let settings = TenantSettings { cors_origins: cors_origins(), ..app::tenant_template() };
    let request = CreateTenant { id: id.clone(), name: "Demo".to_owned(), settings: Some(settings) };
    match engine.create_tenant(&request, &Actor::System, &origin).await {
        Ok(_) | Err(Error::Refused(Refusal::AlreadyExists(_))) => {}
        Err(error) => return Err(error).context("the demo tenant cannot be made"),
    }
    let tenant = hybrid::speak(engine, engine.tenant(&id).await?, &origin).await?;
    if engine.sites(&tenant).await?.is_empty() {
        let now = engine.now();
        let site = Site {
            id: SITE.parse::<SiteId>()?,
            name: "Kontor".to_owned(),
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
        engine.put_site(&tenant, &site, &Actor::System, &origin).await?;
    }
    Ok(tenant)
}

/// Where storefronts run while they are developed.
fn cors_origins() -> Vec<String> {
    ["http://localhost:3000", "http://localhost:5173", "http://127.0.0.1:3000", "http://127.0.0.1:5173"]
        .map(str::to_owned)
        .to_vec()
}

/// Makes the clients that are not there, and returns the lines about them. Secrets of clients that are there stand in
/// the file from before; where it was lost, they are made anew.
async fn clients(
    engine: &Engine,
    tenant: &Tenant,
    known: BTreeMap<String, String>,
) -> anyhow::Result<BTreeMap<String, String>> {
    let origin = Origin::local("demo");
    let all_scopes = prokura_emporix::service_scopes();
    let machine = "customersegment.segment_read";
    let native_scopes = native_scopes(tenant);
    let mut env = BTreeMap::new();
    for (id, kind, grants, scopes, policy, id_key, secret_key) in [
        (
            "demo-storefront",
            ClientKind::Public,
            "guest password refresh_token token_exchange",
            "",
            RefreshPolicy::Family,
            "EMPORIX_CLIENT_ID",
            "",
        ),
        (
            "demo-backend",
            ClientKind::Confidential,
            "client_credentials",
            &*all_scopes,
            RefreshPolicy::Family,
            "EMPORIX_BACKEND_ID",
            "EMPORIX_BACKEND_SECRET",
        ),
        (
            "demo-web",
            ClientKind::Confidential,
            "authorization_code refresh_token token_exchange",
            &*native_scopes,
            RefreshPolicy::Rotate { leeway_seconds: 10 },
            "WEB_CLIENT_ID",
            "WEB_CLIENT_SECRET",
        ),
        (
            "demo-spa",
            ClientKind::Public,
            "authorization_code refresh_token token_exchange",
            &*native_scopes,
            RefreshPolicy::Rotate { leeway_seconds: 10 },
            "SPA_CLIENT_ID",
            "",
        ),
        (
            "demo-m2m",
            ClientKind::Confidential,
            "client_credentials",
            machine,
            RefreshPolicy::Reuse,
            "M2M_CLIENT_ID",
            "M2M_CLIENT_SECRET",
        ),
    ] {
        let is_native = grants.contains("authorization_code");
        let request = CreateClient {
            id: Some(id.parse()?),
            name: id.to_owned(),
            kind,
            scopes: scopes.to_owned(),
            grants: grants.to_owned(),
            refresh_policy: policy,
            // S-31: what a vendor's dialect needs to live longer is the tenant's setting, not the native clients'.
            access_seconds: is_native.then_some(300),
            refresh_seconds: None,
            registration: if is_native { native_registration() } else { Registration::default() },
        };
        register(engine, tenant, request, (id_key, secret_key), &known, &mut env).await?;
    }
    for (request, keys) in hybrid::clients()? {
        register(engine, tenant, request, keys, &known, &mut env).await?;
    }
    let admin = match known.get("ADMIN_TOKEN") {
        Some(token) if engine.authenticate_operator(token).await.is_ok() => token.clone(),
        _ => {
            engine.create_operator("demo", &[("*", "admin")], &Actor::System, &origin).await?.token.expose().to_owned()
        }
    };
    env.insert("ADMIN_TOKEN".to_owned(), admin);
    Ok(env)
}

/// Makes a client that is not there, and adds its id and its secret to `env` under these two keys.
async fn register(
    engine: &Engine,
    tenant: &Tenant,
    request: CreateClient,
    (id_key, secret_key): (&str, &str),
    known: &BTreeMap<String, String>,
    env: &mut BTreeMap<String, String>,
) -> anyhow::Result<()> {
    let origin = Origin::local("demo");
    let client: ClientId = request.name.parse()?;
    let secret = match engine.create_client(tenant, &request, &Actor::System, &origin).await {
        Ok(made) => made.secret.map(|secret| secret.expose().to_owned()),
        Err(Error::Refused(Refusal::AlreadyExists(_))) => match known.get(secret_key) {
            Some(secret) => Some(secret.clone()),
            None if request.kind == ClientKind::Confidential => {
                let secret = engine.rotate_client_secret(tenant, &client, 0, &Actor::System, &origin).await?;
                Some(secret.expose().to_owned())
            }
            None => None,
        },
        Err(error) => return Err(error).with_context(|| format!("the client {client} cannot be made")),
    };
    env.insert(id_key.to_owned(), client.to_string());
    if let Some(secret) = secret.filter(|_| !secret_key.is_empty()) {
        env.insert(secret_key.to_owned(), secret);
    }
    Ok(())
}

/// Everything a native client of the demo may ask for: who the customer is, and whatever they may do.
fn native_scopes(tenant: &Tenant) -> String {
    let settings = &tenant.settings;
    let of_groups = settings.group_templates.iter().map(|template| template.scopes.as_str());
    let texts: Vec<&str> = of_groups.chain([IDENTITY_SCOPES, &settings.customer_scopes]).collect();
    Scopes::parse(&texts.join(" ")).unwrap_or_default().to_string()
}

/// Where programs on this machine take their answers; on a loopback address any port is right.
fn native_registration() -> Registration {
    let uris = |path: &str| -> Vec<String> {
        let hosts = [
            "http://127.0.0.1",
            "http://[::1]",
            "http://localhost:3000",
            "http://localhost:5173",
            "http://localhost:8080",
        ];
        hosts.iter().map(|host| format!("{host}{path}")).collect()
    };
    Registration {
        redirect_uris: [uris("/callback"), uris("/cb"), uris("/")].concat(),
        post_logout_redirect_uris: [uris("/"), uris("/logged-out")].concat(),
        origins: cors_origins(),
        is_first_party: true,
        ..Registration::default()
    }
}

fn read_env(path: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// Every value is free of characters a shell would read.
fn write_env(
    folder: &Path,
    prokura_url: &str,
    gateway_url: &str,
    tenant: &Tenant,
    cast: &Cast,
    clients: &BTreeMap<String, String>,
) -> anyhow::Result<()> {
    let mut lines = clients.clone();
    let [first, second] = cast.legal_entities.as_slice() else { bail!("the demo's customer acts for two companies") };
    for (key, value) in [
        ("PROKURA_URL", prokura_url),
        ("GATEWAY_URL", gateway_url),
        ("TENANT", TENANT),
        ("ISSUER", &*tenant.issuer),
        ("EMAIL", &cast.email),
        ("PASSWORD", &cast.password),
        ("LE_1", first),
        ("LE_2", second),
        ("LE_FOREIGN", &cast.foreign),
        ("SLAS_ORG", hybrid::ORGANIZATION),
        ("SLAS_SITE", SITE),
        ("SLAS_REDIRECT_URI", REDIRECT_URI),
        ("SLAS_USER", &cast.email),
        ("SLAS_PASSWORD", &cast.password),
        ("SLAS_DWSGST_URL", &format!("{gateway_url}{}", hybrid::SIGNED_SESSION)),
        ("WEB_REDIRECT_URI", REDIRECT_URI),
        ("SPA_REDIRECT_URI", REDIRECT_URI),
    ] {
        lines.insert(key.to_owned(), value.to_owned());
    }
    let path = folder.join(ENV_FILE);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    for (key, value) in &lines {
        writeln!(file, "{key}={value}")?;
    }
    Ok(())
}
