//! What time does to a shopper: every end that a token, a session or a login has, with a clock that moves when told.

use super::walk;
use crate::arrange::origin;
use axum::{Router, extract::Query, routing::post};
use prokura::import::{self, ImportOptions};
use prokura_demo::{
    data,
    hybrid::{self, HybridConfig},
    shop::{self, Shop, ShopConfig},
};
use prokura_domain::{ClientKind, Clock as _, RefreshPolicy};
use prokura_engine::{Actor, CreateClient, Registration};
use prokura_gateway::GatewayConfig;
use prokura_http::{
    router_service,
    server::{Limits, serve},
};
use prokura_testkit::TestServer;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{future::pending, net::SocketAddr, sync::Arc};
use tokio::net::TcpListener;

const ORGANIZATION: &str = "f_ecom_zzrf_001";
const REDIRECT_URI: &str = "http://localhost:3000/callback";

/// A server with the sample data, both storefronts behind a gateway, and a switch that moves the time of all of them.
struct Bench {
    _server: TestServer,
    _folder: tempfile::TempDir,
    gateway: SocketAddr,
    switch: SocketAddr,
}

#[derive(Deserialize)]
struct Advance {
    seconds: i64,
}

async fn bind() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn spawn(listener: TcpListener, router: Router) {
    tokio::spawn(serve(listener, router_service(router), Limits::default(), pending()));
}

impl Bench {
    async fn start() -> Self {
        let server = TestServer::start().await;
        let engine = &server.engine;
        let tenant = server.tenant("demo").await;
        let settings = prokura_salesforce::tenant_settings(tenant.settings.clone(), ORGANIZATION, true).unwrap();
        let system = Actor::System;
        let tenant = engine.update_tenant(&tenant, "Demo", true, &settings, None, &system, &origin()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        data::write_to(folder.path()).unwrap();
        import::run(engine, &tenant, folder.path(), &ImportOptions::quiet()).await.unwrap();

        let client = async |id: &str, kind, policy| {
            let request = CreateClient {
                id: Some(id.parse().unwrap()),
                name: id.to_owned(),
                kind,
                scopes: "sfcc.shopper-baskets-orders.rw sfcc.session_bridge".to_owned(),
                grants: "guest password authorization_code refresh_token session_bridge".to_owned(),
                refresh_policy: policy,
                access_seconds: None,
                refresh_seconds: None,
                registration: Registration {
                    redirect_uris: vec![REDIRECT_URI.to_owned()],
                    dialect: [prokura_salesforce::client_settings(&["main"], false)].into(),
                    ..Registration::default()
                },
            };
            let made = engine.create_client(&tenant, &request, &system, &origin()).await.unwrap();
            made.secret.map(|secret| secret.expose().to_owned())
        };
        client("head", ClientKind::Public, RefreshPolicy::Once { leeway_seconds: 0 }).await;
        let classic_secret = client("classic", ClientKind::Confidential, RefreshPolicy::Reuse).await.unwrap();
        let (machine, scopes) = ("client_credentials", "customersegment.segment_read");
        let kind = ClientKind::Confidential;
        let machine = server.client(&tenant, "shop", kind, machine, scopes, RefreshPolicy::Reuse).await.unwrap();

        let shop = Shop::open(&folder.path().join("shop.db")).unwrap();
        shop.import(folder.path()).unwrap();
        let shop_config = ShopConfig {
            prokura_url: server.url.clone(),
            tenant: "demo".to_owned(),
            client_id: "shop".to_owned(),
            client_secret: machine.expose().to_owned(),
            public_segments: vec![data::PUBLIC_SEGMENT.to_owned()],
        };
        let (shop_listener, shop_address) = bind().await;
        spawn(shop_listener, shop::router(shop, shop_config));

        let (gateway_listener, gateway) = bind().await;
        let (hybrid_listener, hybrid_address) = bind().await;
        let policy = policy(shop_address, hybrid_address);
        let service = prokura::node::gateway(&policy, engine, Arc::<prokura_testkit::TestClock>::clone(&server.clock));
        tokio::spawn(serve(gateway_listener, service.unwrap(), Limits::streaming(), pending()));
        let clock = Arc::clone(&server.clock);
        let config = HybridConfig {
            prokura_url: server.url.clone(),
            gateway_url: format!("http://{gateway}"),
            tenant: "demo".to_owned(),
            organization: ORGANIZATION.to_owned(),
            site: "main".to_owned(),
            head_client_id: "head".to_owned(),
            redirect_uri: REDIRECT_URI.to_owned(),
            classic_client_id: "classic".to_owned(),
            classic_client_secret: classic_secret,
            shop_name: "Kontor".to_owned(),
            is_https: false,
            cookie_domain: None,
            redirects_after_restoring: false,
            mails_path: None,
            sample_logins: Vec::new(),
            clock: Arc::new(move || jiff::Timestamp::from_millisecond(clock.now().millis()).unwrap()),
        };
        spawn(hybrid_listener, hybrid::router(config));

        let (switch_listener, switch) = bind().await;
        let clock = Arc::clone(&server.clock);
        let advance = async move |Query(by): Query<Advance>| clock.advance(by.seconds);
        spawn(switch_listener, Router::new().route("/advance", post(advance)));
        Self { _server: server, _folder: folder, gateway, switch }
    }
}

fn policy(shop: SocketAddr, hybrid: SocketAddr) -> GatewayConfig {
    let route = |path: &str, upstream: SocketAddr, require: &str| json!({ "path": path, "upstream": format!("http://{upstream}"), "require": require, "forward_host": true });
    let mut routes: Vec<Value> = shop::ROUTES
        .iter()
        .map(|(path, require)| {
            let require = match require {
                shop::Require::Guest => "guest",
                shop::Require::Customer => "customer",
            };
            route(path, shop, require)
        })
        .collect();
    routes.extend(hybrid::PATHS.iter().map(|path| route(path, hybrid, "none")));
    // Nobody polls the feed while the time is moved.
    serde_json::from_value(json!({ "routes": routes, "tenant": "demo", "stale_seconds": u32::MAX })).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shopper_outlives_every_end_but_that_of_the_login() {
    let bench = Bench::start().await;
    let (base, switch) = (format!("http://{}", bench.gateway), format!("http://{}/advance", bench.switch));
    walk("hybrid_moments.mjs", &[&base, &switch, data::BUYER.email, data::BUYER.password]).await;
}
