//! A storm of refreshes through a server that is killed again and again (S-25, S-28): no token is redeemed twice, none
//! that was acknowledged is lost, and clients that retry go on.

use crate::arrange::{PASSWORD, World};
use prokura_domain::RefreshPolicy;
use prokura_engine::DatabaseConfig;
use prokura_testkit::Database;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

const ROUNDS: usize = 50;
const CLIENTS: usize = 8;
/// On a machine that is busy elsewhere a client may be cut off several times in a row before it gets its answer.
const LEEWAY_SECONDS: u32 = 60;

/// The server's process; gone with this value.
struct Process(Child);

impl Process {
    fn start(config: &Path) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_prokura"))
            .args(["serve", "--config"])
            .arg(config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary of this test");
        Self(child)
    }

    /// `kill -9`.
    fn kill(&mut self) {
        self.0.kill().expect("a process of our own");
        self.0.wait().expect("and its end");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the storm saw: which successor each presented token was answered with.
#[derive(Default)]
struct Seen {
    successors: HashMap<String, String>,
    redeemed: usize,
}

async fn wait_until_ready(http: &reqwest::Client, url: &str) {
    let begun = Instant::now();
    while !http.get(format!("{url}/readyz")).send().await.is_ok_and(|answer| answer.status().is_success()) {
        assert!(begun.elapsed() < Duration::from_secs(20), "the server does not come back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn json_of(request: reqwest::RequestBuilder) -> Option<(u16, Value)> {
    let response = request.send().await.ok()?;
    let status = response.status().as_u16();
    Some((status, response.json().await.ok()?))
}

/// What a client holds: its newest token, and the company it asks for with it. A retry must ask for the same thing, or
/// it is not the same request.
#[derive(Clone)]
struct Holding {
    token: String,
    entity: u8,
}

/// One client: refreshes as fast as it can, and presents the same token again when it got no answer.
async fn client(
    http: reqwest::Client,
    url: String,
    guest: String,
    mut held: Holding,
    seen: Arc<Mutex<Seen>>,
    end: Instant,
) -> Holding {
    while Instant::now() < end {
        let query = [("refreshToken", held.token.clone()), ("legalEntityId", format!("le-{}", held.entity))];
        let request = http.get(format!("{url}/customer/acme/refreshauthtoken")).bearer_auth(&guest).query(&query);
        match json_of(request).await {
            Some((200, body)) => {
                let successor = body["refresh_token"].as_str().expect("a refresh token").to_owned();
                let mut seen = seen.lock().await;
                let known = seen.successors.insert(held.token, successor.clone());
                assert!(known.is_none_or(|known| known == successor), "one token, two successors");
                seen.redeemed += 1;
                held = Holding { token: successor, entity: 3 - held.entity };
            }
            Some((503, _)) | None => tokio::time::sleep(Duration::from_millis(20)).await,
            Some((status, body)) => panic!("an acknowledged token was lost: {status} {body}"),
        }
    }
    held
}

async fn s28_killed_fifty_times(database: Database) {
    let world = World::new(database, RefreshPolicy::Rotate { leeway_seconds: LEEWAY_SECONDS }).await;
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let database_url = match &world.server.database {
        DatabaseConfig::Sqlite { path, .. } => format!("sqlite:{}", path.display()),
        DatabaseConfig::Postgres { url, .. } => url.clone(),
    };
    world.engine().close().await.unwrap();
    let config = folder.path().join("prokura.toml");
    let key = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\npublic_url = \"{url}\"\n[database]\nurl = \"{database_url}\"\n[master_key]\nvalue = \"{key}\"\n[log]\nfilter = \"error\"\n"
    );
    fs::write(&config, text).unwrap();

    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().unwrap();
    let mut server = Process::start(&config);
    wait_until_ready(&http, &url).await;
    let guest = json_of(http.get(format!("{url}/customerlogin/auth/anonymous/login?tenant=acme&client_id=sf")))
        .await
        .unwrap()
        .1;
    let guest = guest["access_token"].as_str().unwrap().to_owned();
    let mut tokens = Vec::new();
    for _ in 0..CLIENTS {
        let login = http
            .post(format!("{url}/customer/acme/login"))
            .bearer_auth(&guest)
            .json(&json!({ "email": "ann@a.example", "password": PASSWORD }));
        let (status, body) = json_of(login).await.unwrap();
        assert_eq!(status, 200, "{body}");
        tokens.push(Holding { token: body["refresh_token"].as_str().unwrap().to_owned(), entity: 1 });
    }

    let seen = Arc::new(Mutex::new(Seen::default()));
    for round in 0..ROUNDS {
        let end = Instant::now() + Duration::from_millis(400);
        let storm: Vec<_> = tokens
            .iter()
            .map(|token| {
                tokio::spawn(client(http.clone(), url.clone(), guest.clone(), token.clone(), Arc::clone(&seen), end))
            })
            .collect();
        // Somewhere in the middle, differently each time.
        tokio::time::sleep(Duration::from_millis(40 + (round as u64 * 37) % 140)).await;
        server.kill();
        server = Process::start(&config);
        tokens.clear();
        for client in storm {
            tokens.push(client.await.expect("no client met a contradiction"));
        }
        wait_until_ready(&http, &url).await;
    }
    for held in &tokens {
        let query = [("refreshToken", held.token.clone()), ("legalEntityId", format!("le-{}", held.entity))];
        let request = http.get(format!("{url}/customer/acme/refreshauthtoken")).bearer_auth(&guest).query(&query);
        let (status, body) = json_of(request).await.unwrap();
        assert_eq!(status, 200, "the last token of a client is good: {body}");
    }
    let redeemed = seen.lock().await.redeemed;
    assert!(redeemed > ROUNDS, "the storm was one: {redeemed} refreshes");
}

#[tokio::test(flavor = "multi_thread")]
async fn s28_fifty_kills_lose_nothing_on_sqlite() {
    s28_killed_fifty_times(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s28_fifty_kills_lose_nothing_on_postgresql() {
    s28_killed_fifty_times(Database::Postgres).await;
}
