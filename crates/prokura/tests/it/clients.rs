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

/// Where Debian keeps Apache's modules.
const APACHE_MODULES: &str = "/usr/lib/apache2/modules";

#[tokio::test(flavor = "multi_thread")]
async fn mod_auth_openidc_runs_unchanged() {
    let home = home().await;
    // The background jobs deliver what ends a session to the application.
    let options = Options { has_background: true, is_clock_frozen: false, is_own_issuer: true, ..Options::default() };
    let world = World::on(TestServer::start_with(options).await, RefreshPolicy::Family).await;
    let port = free_port().await;
    let app = format!("http://127.0.0.1:{port}");
    let registration = Registration {
        redirect_uris: vec![format!("{app}/protected/redirect_uri")],
        post_logout_redirect_uris: vec![format!("{app}/bye.html")],
        backchannel_logout_uri: Some(format!("{app}/protected/redirect_uri?logout=backchannel")),
        backchannel_logout_session_required: true,
        is_first_party: true,
        ..Registration::default()
    };
    let secret = register(&world, "web", ClientKind::Confidential, registration).await.unwrap();
    let _apache = Apache::start(&world.tenant.issuer, port, &secret).await;
    let mut command = Command::new("node");
    command.arg(home.join("mod_auth_openidc.mjs")).env("APP_URL", app);
    run_client(command, &home, &world, "mod_auth_openidc.mjs").await;
}

/// Apache with one protected folder, in one process; ends with the test.
struct Apache {
    child: std::process::Child,
    _folder: tempfile::TempDir,
}

impl Drop for Apache {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Apache {
    async fn start(issuer: &str, port: u16, secret: &str) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        // Started by root, Apache reads its pages as somebody else.
        std::fs::set_permissions(at, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::create_dir_all(at.join("pages/protected")).unwrap();
        std::fs::write(at.join("pages/protected/index.html"), "for members only").unwrap();
        std::fs::write(at.join("pages/bye.html"), "bye").unwrap();
        let modules: String = ["mpm_event", "authn_core", "authz_core", "authz_user", "dir", "auth_openidc"]
            .map(|name| format!("LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so\n"))
            .concat();
        let text = format!(
            "ServerRoot {at}\nServerName 127.0.0.1:{port}\nListen 127.0.0.1:{port}\nPidFile {at}/pid\n\
             DefaultRuntimeDir {at}\nMutex file:{at} default\nErrorLog {at}/log\nLogLevel info\n{modules}\
             User www-data\nGroup www-data\nDocumentRoot {at}/pages\nDirectoryIndex index.html\n\
             OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration\n\
             OIDCClientID web\nOIDCClientSecret {secret}\nOIDCRedirectURI http://127.0.0.1:{port}/protected/redirect_uri\n\
             OIDCCryptoPassphrase {secret}\nOIDCScope \"openid profile email legal_entity offline_access\"\n\
             OIDCPKCEMethod S256\nOIDCRemoteUserClaim sub\n\
             OIDCInfoHook iat access_token access_token_expires id_token userinfo refresh_token session\n\
             <Directory {at}/pages>\nRequire all granted\n</Directory>\n\
             <Location /protected/>\nAuthType openid-connect\nRequire valid-user\n</Location>\n",
            at = at.display(),
        );
        std::fs::write(at.join("apache.conf"), text).unwrap();
        let mut command = std::process::Command::new("/usr/sbin/apache2");
        command.arg("-X").arg("-f").arg(at.join("apache.conf")).stdin(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| {
            panic!("Apache cannot be started ({error}); install apache2-bin and libapache2-mod-auth-openidc")
        });
        let mut apache = Self { child, _folder: folder };
        let begun = std::time::Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(apache.child.try_wait().unwrap().is_none(), "Apache ended by itself");
            assert!(begun.elapsed() < Duration::from_secs(20), "Apache does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        apache
    }
}

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

async fn run_script(database: Database, language: &str, script: &str) {
    let home = home().await;
    // Clients measure tokens against the machine's clock, and an issuer by where they found it.
    let options = Options { database, is_clock_frozen: false, is_own_issuer: true, ..Options::default() };
    let world = World::on(TestServer::start_with(options).await, RefreshPolicy::Family).await;
    let port = free_port().await;
    let secret = client(&world, "web", ClientKind::Confidential, port).await.unwrap();
    client(&world, "spa", ClientKind::Public, port).await;
    bound_client(&world).await;
    let program = if language == "python" { home.join("venv/bin/python") } else { PathBuf::from(language) };
    let mut command = Command::new(program);
    command
        .arg(home.join(script))
        .env("CLIENT_ID", "web")
        .env("CLIENT_SECRET", secret)
        .env("SPA_CLIENT_ID", "spa")
        .env("BOUND_CLIENT_ID", "bound")
        .env("REDIRECT_URI", format!("http://127.0.0.1:{port}/callback"))
        .env("LOGGED_OUT_URI", format!("http://127.0.0.1:{port}/logged-out"));
    run_client(command, &home, &world, script).await;
}

/// Runs a program that is a client of `world`; it ends well and says so.
async fn run_client(mut command: Command, home: &Path, world: &World, script: &str) {
    command.env("ISSUER", &*world.tenant.issuer).envs([("EMAIL", "ann@a.example"), ("PASSWORD", PASSWORD)]).envs([
        ("LE_1", "le-1"),
        ("LE_2", "le-2"),
        ("LE_FOREIGN", "le-3"),
    ]);
    run_to_the_end(command, home, script).await;
}

/// Runs a program that says `all well` at its end.
pub(crate) async fn run_to_the_end(command: Command, home: &Path, script: &str) {
    run_within(LIMIT, command, home, script).await;
}

/// The same for one that may take longer.
pub(crate) async fn run_within(limit: Duration, mut command: Command, home: &Path, script: &str) {
    command.current_dir(home).kill_on_drop(true);
    let output = tokio::time::timeout(limit, command.stdin(Stdio::null()).output()).await;
    let output = output.unwrap_or_else(|_| panic!("{script} took longer than {limit:?}")).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{script}:\n{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("all well"), "{script} says nothing: {}", text(&output.stdout));
}

async fn client(world: &World, id: &str, kind: ClientKind, port: u16) -> Option<String> {
    let registration = Registration {
        redirect_uris: vec!["http://127.0.0.1/callback".to_owned()],
        post_logout_redirect_uris: vec![format!("http://127.0.0.1:{port}/logged-out")],
        ..Registration::default()
    };
    register(world, id, kind, registration).await
}

async fn register(world: &World, id: &str, kind: ClientKind, registration: Registration) -> Option<String> {
    let request = CreateClient {
        id: Some(id.parse().unwrap()),
        name: format!("The {id}"),
        kind,
        scopes: oauth::SCOPES.to_owned(),
        grants: "authorization_code refresh_token".to_owned(),
        refresh_policy: RefreshPolicy::Rotate { leeway_seconds: 10 },
        access_seconds: None,
        refresh_seconds: None,
        registration,
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
pub(crate) async fn home() -> PathBuf {
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
    // Of PWA Kit the auth logic alone is wanted, which needs none of its peers.
    let npm = ["install", "--legacy-peer-deps", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"];
    run(Command::new("npm").args(npm).current_dir(&home)).await;
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(home.join("venv"))).await;
    let pip = ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"];
    run(Command::new(home.join("venv/bin/python")).args(pip).args(PYTHON_PACKAGES)).await;
    std::fs::write(marker, wanted).unwrap();
    home
}
