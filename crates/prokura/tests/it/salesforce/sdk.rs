//! The vendor's own SDK and the auth logic of its storefronts, unchanged.

use super::{EMAIL, ORGANIZATION, PASSWORD, SCOPES, Shop, agent, codes::Listener};
use crate::{
    arrange::origin,
    clients::{home, run_to_the_end},
};
use prokura_domain::{ClientId, ClientKind, RefreshPolicy};
use prokura_engine::{Actor, ClientChange, Registration};
use prokura_testkit::Options;
use tokio::{net::TcpListener, process::Command};

#[tokio::test(flavor = "multi_thread")]
async fn commerce_sdk_isomorphic_runs_unchanged() {
    let shop = start().await;
    let redirect_uri = own_address().await;
    let settings = prokura_salesforce::client_settings(&["main"], false);
    let once = RefreshPolicy::Once { leeway_seconds: 0 };
    shop.client_at("sdk", ClientKind::Public, once, (&redirect_uri, settings.clone())).await;
    let secret =
        shop.client_at("sdk-server", ClientKind::Confidential, RefreshPolicy::Reuse, (&redirect_uri, settings)).await;
    run("commerce_sdk.mjs", &shop, ("sdk", "sdk-server", &secret.unwrap()), &redirect_uri).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_auth_logic_of_pwa_kit_runs_unchanged() {
    let shop = start().await;
    let redirect_uri = own_address().await;
    let settings = prokura_salesforce::client_settings(&["main"], false);
    // Tabs of this client refresh one after the other with the token that all of them read.
    let once = RefreshPolicy::Once { leeway_seconds: 5 };
    shop.client_at("pwa", ClientKind::Public, once, (&redirect_uri, settings.clone())).await;
    let secret =
        shop.client_at("pwa-server", ClientKind::Confidential, RefreshPolicy::Reuse, (&redirect_uri, settings)).await;
    let private: ClientId = "pwa-server".parse().unwrap();
    let registration = shop.world.engine().client(&shop.world.tenant, &private).await.unwrap().registration;
    let registration = Registration { may_omit_pkce: true, ..registration };
    for (id, registration) in [("pwa".parse().unwrap(), None), (private, Some(registration))] {
        let scopes = Some(format!("{SCOPES} {}", agent::ACTING));
        let change = ClientChange { scopes, registration, ..ClientChange::default() };
        shop.world
            .engine()
            .update_client(&shop.world.tenant, &id, &change, None, &Actor::System, &origin())
            .await
            .unwrap();
    }
    run("pwa_kit.mjs", &shop, ("pwa", "pwa-server", &secret.unwrap()), &redirect_uri).await;
}

/// Where a script can listen.
async fn own_address() -> String {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    format!("http://localhost:{port}/callback")
}

async fn start() -> Shop {
    let options = Options { is_clock_frozen: false, has_background: true, is_own_issuer: true, ..Options::default() };
    Shop::with(options).await
}

async fn run(script: &str, shop: &Shop, (public, private, secret): (&str, &str, &str), redirect_uri: &str) {
    let staff = agent::staff(shop).await;
    let home = home().await;
    let (_heard, callback) = Listener::start().await;
    shop.registers(private, serde_json::json!({ "callback_uris": [callback] })).await;
    let mut command = Command::new("node");
    command
        .arg(home.join(script))
        .envs([("SLAS_ORG", ORGANIZATION), ("SLAS_SITE", "main"), ("SLAS_CLIENT_ID", public)])
        .envs([("SLAS_PRIVATE_CLIENT_ID", private), ("SLAS_CLIENT_SECRET", secret)])
        .env("SLAS_REDIRECT_URI", redirect_uri)
        .env("REDIRECT_URI", redirect_uri)
        .envs([("EMAIL", EMAIL), ("PASSWORD", PASSWORD), ("STAFF", agent::STAFF), ("STAFF_ID", staff.as_str())])
        .env("SLAS_PASSWORDLESS_CALLBACK", callback)
        .env("MAIL_FOLDER", shop.world.server.mail_folder())
        .env("PROKURA_URL", &shop.world.server.url);
    run_to_the_end(command, &home, script).await;
}
