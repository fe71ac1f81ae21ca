//! OAuth clients that others wrote, unchanged, each with a person at headless Chromium: the scripts in `tests/clients`
//! say what they do. What they need besides Node and Python comes by name, into a folder below `target`.

use crate::{
    arrange::{PASSWORD, World, run},
    oauth,
};
use prokura_domain::{ClientKind, RefreshPolicy};
use prokura_engine::{Actor, ClientChange, CreateClient, Origin, Registration};
use prokura_testkit::{Database, Options, TestServer};
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{net::TcpListener, process::Command, sync::Mutex};

/// How long one script may take.
const LIMIT: Duration = Duration::from_mins(2);
/// Pinned, so that a new release cannot turn a green commit red; those of npm are in `package.json`.
const PYTHON_PACKAGES: [&str; 2] = ["authlib==1.9.9", "requests==2.34.2"];

#[tokio::test(flavor = "multi_thread")]
async fn openid_client_runs_unchanged() {
    run_script(Database::Sqlite, "node", "openid_client.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s11_foreign_clients_bind_their_tokens_to_a_key() {
    run_script(Database::Sqlite, "node", "dpop.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn authlib_runs_unchanged() {
    run_script(Database::Sqlite, "python", "authlib_client.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_race_and_neither_drifts_on_sqlite() {
    run_script(Database::Sqlite, "node", "oauth4webapi.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_race_and_neither_drifts_on_postgresql() {
    run_script(Database::Postgres, "node", "oauth4webapi.mjs").await;
}

async fn run_script(database: Database, language: &str, script: &str) {
    let home = home().await;
    // Clients measure tokens against the machine's clock, and an issuer by where they found it.
    let options = Options { database, is_clock_frozen: false, is_own_issuer: true, ..Options::default() };
    let world = World::on(TestServer::start_with(options).await, RefreshPolicy::Family).await;
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let secret = client(&world, "web", ClientKind::Confidential, port).await.unwrap();
    client(&world, "spa", ClientKind::Public, port).await;
    bound_client(&world).await;
    let program = if language == "python" { home.join("venv/bin/python") } else { PathBuf::from(language) };
    let mut command = Command::new(program);
    command
        .arg(home.join(script))
        .current_dir(&home)
        .env("ISSUER", &*world.tenant.issuer)
        .env("CLIENT_ID", "web")
        .env("CLIENT_SECRET", secret)
        .env("SPA_CLIENT_ID", "spa")
        .env("BOUND_CLIENT_ID", "bound")
        .env("REDIRECT_URI", format!("http://127.0.0.1:{port}/callback"))
        .env("LOGGED_OUT_URI", format!("http://127.0.0.1:{port}/logged-out"))
        .envs([("EMAIL", "ann@a.example"), ("PASSWORD", PASSWORD)])
        .envs([("LE_1", "le-1"), ("LE_2", "le-2"), ("LE_FOREIGN", "le-3")])
        .kill_on_drop(true);
    let output = tokio::time::timeout(LIMIT, command.stdin(Stdio::null()).output()).await;
    let output = output.unwrap_or_else(|_| panic!("{script} took longer than {LIMIT:?}")).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{script}:\n{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("all well"), "{script} says nothing: {}", text(&output.stdout));
}

async fn client(world: &World, id: &str, kind: ClientKind, port: u16) -> Option<String> {
    let request = CreateClient {
        id: Some(id.parse().unwrap()),
        name: format!("The {id}"),
        kind,
        scopes: oauth::SCOPES.to_owned(),
        grants: "authorization_code refresh_token".to_owned(),
        refresh_policy: RefreshPolicy::Rotate { leeway_seconds: 10 },
        access_seconds: None,
        refresh_seconds: None,
        registration: Registration {
            redirect_uris: vec!["http://127.0.0.1/callback".to_owned()],
            post_logout_redirect_uris: vec![format!("http://127.0.0.1:{port}/logged-out")],
            ..Registration::default()
        },
    };
    let made = world.engine().create_client(&world.tenant, &request, &Actor::System, &Origin::local("test")).await;
    made.unwrap().secret.map(|secret| secret.expose().to_owned())
}

/// A public client whose tokens are bound and whose proofs hold a nonce.
async fn bound_client(world: &World) {
    client(world, "bound", ClientKind::Public, 0).await;
    let (engine, tenant, id) = (world.engine(), &world.tenant, "bound".parse().unwrap());
    let there = engine.client(tenant, &id).await.unwrap().registration;
    let registration = Registration { dpop_bound_access_tokens: true, needs_dpop_nonce: true, ..there };
    let change = ClientChange { registration: Some(registration), ..ClientChange::default() };
    engine.update_client(tenant, &id, &change, None, &Actor::System, &Origin::local("test")).await.unwrap();
}

/// The folder with the scripts and what they need.
async fn home() -> PathBuf {
    // Tests of one run come here at once.
    static TURN: Mutex<()> = Mutex::const_new(());
    let _turn = TURN.lock().await;
    // The test program lies in target/debug/deps.
    let home = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("tools/clients");
    std::fs::create_dir_all(&home).unwrap();
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    for entry in std::fs::read_dir(scripts).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), home.join(entry.file_name())).unwrap();
    }
    let wanted = format!("{}{PYTHON_PACKAGES:?}", std::fs::read_to_string(home.join("package.json")).unwrap());
    let marker = home.join("installed");
    if std::fs::read_to_string(&marker).is_ok_and(|there| there == wanted) {
        return home;
    }
    let npm = ["install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"];
    run(Command::new("npm").args(npm).current_dir(&home)).await;
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(home.join("venv"))).await;
    let pip = ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"];
    run(Command::new(home.join("venv/bin/python")).args(pip).args(PYTHON_PACKAGES)).await;
    std::fs::write(marker, wanted).unwrap();
    home
}
