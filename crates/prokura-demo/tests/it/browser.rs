//! The headless and the classic storefront in a real browser, in front of a scripted Prokura.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use prokura_demo::data::BUYER;
use prokura_demo::hybrid::{self, HybridConfig};

use crate::fake::{bind, serve};
use crate::hybrid_fake::HybridFake;

/// The folder with the script and what it needs, which npm brings by name.
fn home() -> PathBuf {
    // The test program lies in target/debug/deps.
    let home = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("tools/demo");
    fs::create_dir_all(&home).unwrap();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), home.join(entry.file_name())).unwrap();
    }
    let wanted = fs::read_to_string(home.join("package.json")).unwrap();
    let marker = home.join("installed");
    if fs::read_to_string(&marker).is_ok_and(|there| there == wanted) {
        return home;
    }
    let npm = ["install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"];
    let output = std::process::Command::new("npm").args(npm).current_dir(&home).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("npm cannot be started: {error}; `cargo xtask test` brings it"));
    assert!(output.status.success(), "npm failed:\n{}", String::from_utf8_lossy(&output.stderr));
    fs::write(marker, wanted).unwrap();
    home
}

#[tokio::test(flavor = "multi_thread")]
async fn one_shopper_walks_between_the_halves_with_many_tabs() {
    let fake = HybridFake::start().await;
    let listener = bind().await;
    let base = format!("http://{}", listener.local_addr().unwrap());
    serve(listener, hybrid::router(HybridConfig { sample_logins: vec![BUYER], ..fake.config() }));
    let home = tokio::task::spawn_blocking(home).await.unwrap();
    let mut command = tokio::process::Command::new("node");
    command.arg(home.join("hybrid.mjs")).args([&base, BUYER.email, BUYER.password]);
    if let Some(pictures) = std::env::var_os("PROKURA_PICTURES") {
        command.arg(pictures);
    }
    let output = command.current_dir(&home).stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("all well"), "{}", text(&output.stdout));
}
