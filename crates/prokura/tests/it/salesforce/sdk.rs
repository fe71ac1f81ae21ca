//! The vendor's own SDK, unchanged.

use super::{CALLBACK, EMAIL, ORGANIZATION, PASSWORD, Shop};
use crate::clients::{home, run_to_the_end};
use prokura_testkit::Options;
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn commerce_sdk_isomorphic_runs_unchanged() {
    let home = home().await;
    let options = Options { is_clock_frozen: false, is_own_issuer: true, ..Options::default() };
    let shop = Shop::with(options).await;
    let mut command = Command::new("node");
    command
        .arg(home.join("commerce_sdk.mjs"))
        .envs([("SLAS_ORG", ORGANIZATION), ("SLAS_SITE", "main"), ("SLAS_CLIENT_ID", "pub")])
        .envs([("SLAS_PRIVATE_CLIENT_ID", "priv"), ("SLAS_CLIENT_SECRET", &shop.secret)])
        .envs([("SLAS_REDIRECT_URI", CALLBACK), ("EMAIL", EMAIL), ("PASSWORD", PASSWORD)])
        .env("PROKURA_URL", &shop.world.server.url);
    run_to_the_end(command, &home, "commerce_sdk.mjs").await;
}
