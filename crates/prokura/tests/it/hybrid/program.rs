//! `prokura demo`, the program as it is built.

use super::walk;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// The page for teams that move to headless piece by piece.
const MANUAL: &str = include_str!("../../../../../docs/hybrid.md");
/// How long the demo may take to be there, sample data and password hashes included.
const PATIENCE: Duration = Duration::from_mins(2);

/// The running demo; gone with this value.
struct Demo {
    child: Child,
    env: BTreeMap<String, String>,
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn read_env(path: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| line.split_once('=')).map(|(key, value)| (key.into(), value.into())).collect()
}

impl Demo {
    /// Starts the program on a folder, and waits until it says that it is ready.
    fn start(folder: &Path) -> Self {
        let (port, gateway_port) = (free_port(), free_port());
        let (out, log) = (folder.join("stdout"), folder.join("stderr"));
        let mut child = Command::new(env!("CARGO_BIN_EXE_prokura"))
            .args(["demo", "--port", &port.to_string(), "--gateway-port", &gateway_port.to_string()])
            .current_dir(folder)
            .env_remove("PROKURA_DATA")
            .env_remove("PROKURA_CONFIG")
            .stdin(Stdio::null())
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while !fs::read_to_string(&out).unwrap().contains("Ctrl-C") {
            assert!(child.try_wait().unwrap().is_none(), "the demo ended: {}", fs::read_to_string(&log).unwrap());
            if begun.elapsed() > PATIENCE {
                let _ = child.kill();
                let _ = child.wait();
                panic!("the demo was not ready within {PATIENCE:?}: {}", fs::read_to_string(&log).unwrap());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { child, env: read_env(&folder.join("prokura-data/demo.env")) }
    }

    fn of(&self, key: &str) -> &str {
        self.env.get(key).map_or_else(|| panic!("demo.env says nothing of {key}"), String::as_str)
    }

    fn port(&self) -> &str {
        self.of("GATEWAY_URL").rsplit_once(':').unwrap().1
    }
}

async fn start(folder: &tempfile::TempDir) -> Demo {
    let path = folder.path().to_owned();
    tokio::task::spawn_blocking(move || Demo::start(&path)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_shopper_walks_between_both_storefronts_of_the_demo() {
    let folder = tempfile::tempdir().unwrap();
    let demo = start(&folder).await;
    walk("hybrid.mjs", &[demo.of("GATEWAY_URL"), demo.of("SLAS_USER"), demo.of("SLAS_PASSWORD")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_share_one_shopper_unless_one_may_keep_no_cookies() {
    let folder = tempfile::tempdir().unwrap();
    let demo = start(&folder).await;
    walk("hybrid_hosts.mjs", &[demo.port(), demo.of("SLAS_USER"), demo.of("SLAS_PASSWORD")]).await;
}

/// What a shell is told on a page.
fn commands(page: &str) -> String {
    page.split("```sh\n").skip(1).filter_map(|rest| rest.split_once("```")).map(|(commands, _)| commands).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_page_about_hybrid_identity_does_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let _demo = start(&folder).await;
    let mut shell = tokio::process::Command::new("sh");
    shell.args(["-eu", "-c", &commands(MANUAL)]).current_dir(folder.path()).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, shell.output()).await.unwrap().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, problems) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && !out.contains("NOT THE SAME"), "{out}{problems}");
    let compared = commands(MANUAL).lines().filter(|line| line.starts_with("same ")).count();
    assert_eq!(out.matches("the same: ").count(), compared, "{out}");
    assert!(compared > 20, "{compared}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_starts_again_with_the_same_clients() {
    let folder = tempfile::tempdir().unwrap();
    let first = start(&folder).await.env.clone();
    let again = start(&folder).await;
    for key in ["SLAS_ORG", "SLAS_SITE", "SLAS_CLIENT_ID", "SLAS_PRIVATE_CLIENT_ID", "SLAS_CLIENT_SECRET"] {
        assert_eq!(again.env[key], first[key], "{key}");
    }
    assert_eq!(again.of("SLAS_REDIRECT_URI"), "http://localhost:3000/callback");
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    // The page that gives a session's signed name, for the session of the cookie alone.
    let landed = http.get(format!("{}/classic/", again.of("GATEWAY_URL"))).send().await.unwrap();
    let cookies: Vec<String> =
        landed.headers().get_all("set-cookie").iter().map(|value| value.to_str().unwrap().to_owned()).collect();
    let session = cookies.iter().find_map(|line| line.strip_prefix("dwsid=")).unwrap().split(';').next().unwrap();
    let request = http.get(again.of("SLAS_DWSGST_URL")).header("cookie", format!("dwsid={session}"));
    let answer: serde_json::Value = serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
    let name = answer["dwsgst"].as_str().unwrap();
    let form = [
        ("grant_type", "client_credentials"),
        ("hint", "sb-guest"),
        ("login_id", "guest"),
        ("channel_id", again.of("SLAS_SITE")),
        ("dwsgst", name),
    ];
    let url = format!(
        "{}/shopper/auth/v1/organizations/{}/oauth2/session-bridge/token",
        again.of("PROKURA_URL"),
        again.of("SLAS_ORG")
    );
    let secret = again.of("SLAS_CLIENT_SECRET");
    let request = http.post(url).basic_auth(again.of("SLAS_PRIVATE_CLIENT_ID"), Some(secret)).form(&form);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
}
