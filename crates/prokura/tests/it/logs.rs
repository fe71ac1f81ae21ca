//! Logs, metrics and error answers hold no secret (S-141), not even where the dialect has tokens travel in the query
//! (E-41): the real program at trace level, a whole visit with its mistakes, and then a search for everything secret that
//! was used.

use crate::arrange::on_both_databases;
use prokura_engine::DatabaseConfig;
use prokura_testkit::{Acme, Database, Options};
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const WRONG_PASSWORD: &str = "wrong-horse-8d1f";
const UNKNOWN_TOKEN: &str = "pkr_rt_never-issued-5b7c";

/// The server's process; gone with this value.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A client that remembers every secret it was given and every answer that was an error.
struct Visitor {
    http: reqwest::Client,
    url: String,
    secrets: Vec<String>,
    errors: Vec<String>,
}

impl Visitor {
    async fn send(&mut self, expected: u16, request: reqwest::RequestBuilder) -> Value {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        assert_eq!(status, expected, "{text}");
        if status >= 400 {
            self.errors.push(text.clone());
        }
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        for name in ["access_token", "refresh_token", "saas_token", "accessToken", "refreshToken", "saasToken"] {
            if let Some(secret) = body[name].as_str().filter(|secret| !secret.is_empty()) {
                self.secrets.push(secret.to_owned());
            }
        }
        body
    }

    async fn get(&mut self, expected: u16, path: &str, bearer: &str) -> Value {
        let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(bearer);
        self.send(expected, request).await
    }

    async fn log_in(&mut self, expected: u16, bearer: &str, password: &str) -> Value {
        let body = json!({ "email": Acme::email("ann"), "password": password });
        let request = self.http.post(format!("{}/customer/acme/login", self.url)).bearer_auth(bearer).json(&body);
        self.send(expected, request).await
    }

    async fn service(&mut self, expected: u16, secret: &str) -> Value {
        let form = [("grant_type", "client_credentials"), ("client_id", "bk"), ("client_secret", secret)];
        let request = self.http.post(format!("{}/oauth/token", self.url)).form(&form);
        self.send(expected, request).await
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn text_of(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_else(|| panic!("{name} in {body}")).to_owned()
}

async fn s141_e41_a_visit_leaves_no_secret_in_logs_metrics_and_errors(database: Database) {
    let acme = Acme::start_with(Options { database, ..Options::default() }).await;
    let database_url = match &acme.server.database {
        DatabaseConfig::Sqlite { path, .. } => format!("sqlite:{}", path.display()),
        DatabaseConfig::Postgres { url, .. } => url.clone(),
    };
    acme.server.engine.close().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (port, metrics_port) = (free_port(), free_port());
    let url = format!("http://127.0.0.1:{port}");
    let key = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
    let gateway_secret = "gateway-secret-of-at-least-32-characters-3e9a";
    let config = folder.path().join("prokura.toml");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\npublic_url = \"{url}\"\ngateway_secret = \"{gateway_secret}\"\n\
         [database]\nurl = \"{database_url}\"\n[master_key]\nvalue = \"{key}\"\n\
         [mail]\ntransport = \"folder\"\nfolder = \"{}\"\n\
         [metrics]\nlisten = \"127.0.0.1:{metrics_port}\"\n[log]\nfilter = \"trace\"\n",
        folder.path().join("mail").display()
    );
    fs::write(&config, text).unwrap();
    let log = folder.path().join("log");
    let said = File::create(&log).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_prokura"))
        .args(["serve", "--config"])
        .arg(&config)
        .stdout(said.try_clone().unwrap())
        .stderr(said)
        .stdin(Stdio::null())
        .spawn()
        .expect("the binary of this test");
    let process = Process(child);

    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
    let begun = Instant::now();
    while !http.get(format!("{url}/readyz")).send().await.is_ok_and(|answer| answer.status().is_success()) {
        let log = fs::read_to_string(&log).unwrap();
        assert!(begun.elapsed() < Duration::from_secs(20), "the server does not come up: {log}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut visitor = Visitor {
        http,
        url,
        secrets: [key, gateway_secret, Acme::PASSWORD, WRONG_PASSWORD, UNKNOWN_TOKEN, acme.backend_secret.expose()]
            .map(str::to_owned)
            .to_vec(),
        errors: Vec::new(),
    };
    let path = "/customerlogin/auth/anonymous/login?tenant=acme&client_id=sf";
    let guest = visitor.send(200, visitor.http.get(format!("{}{path}", visitor.url))).await;
    let guest = text_of(&guest, "access_token");
    visitor.log_in(401, &guest, WRONG_PASSWORD).await;
    visitor.get(401, &format!("/customer/acme/refreshauthtoken?refreshToken={UNKNOWN_TOKEN}"), &guest).await;
    let logged_in = visitor.log_in(200, &guest, Acme::PASSWORD).await;
    for entity in ["le-1", "le-2"] {
        let refresh = text_of(&logged_in, "refresh_token");
        let path = format!("/customer/acme/refreshauthtoken?refreshToken={refresh}&legalEntityId={entity}");
        visitor.get(200, &path, &guest).await;
    }
    let refresh = text_of(&logged_in, "refresh_token");
    let path = format!("/customer/acme/refreshauthtoken?refreshToken={refresh}&legalEntityId=le-3");
    visitor.get(400, &path, &guest).await;
    let access = text_of(&logged_in, "access_token");
    visitor.get(404, &format!("/no-such-service/acme/{access}?token={access}"), &access).await;
    visitor.service(200, acme.backend_secret.expose()).await;
    visitor.service(401, WRONG_PASSWORD).await;
    let newest = visitor.secrets.last().unwrap().clone();
    visitor.get(200, "/session-context/acme/me/context", &access).await;
    let request = visitor.http.get(format!("{}/customer/acme/logout?accessToken={access}", visitor.url));
    let gone = request.bearer_auth(&access).send().await.unwrap();
    assert!(gone.status().is_success(), "{}", gone.status());
    visitor.get(401, "/session-context/acme/me/context", &access).await;
    assert!(visitor.secrets.len() >= 15, "the visit was one: {}", visitor.secrets.len());
    assert!(!newest.is_empty());

    let metrics = visitor.http.get(format!("http://127.0.0.1:{metrics_port}/metrics")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("prokura_http_requests_total"), "{metrics}");
    drop(process);
    let log = fs::read_to_string(&log).unwrap();
    assert!(log.contains("/customer/{tenant}/refreshauthtoken"), "the access log is on: {log}");
    let errors = visitor.errors.join("\n");
    for secret in &visitor.secrets {
        // The signature is what makes a token one; a part of it is as bad as the whole.
        let parts = [secret.as_str(), secret.rsplit('.').next().unwrap()];
        for part in parts {
            for (place, text) in [("logs", &log), ("metrics", &metrics), ("errors", &errors)] {
                let line = text.lines().find(|line| line.contains(part));
                assert!(line.is_none(), "the {place} hold a secret: {line:?}");
            }
        }
    }
    for word in ["$argon2", "Bearer ", "private_sealed\":"] {
        assert!(!log.contains(word), "the logs hold {word:?}");
    }
}

on_both_databases!(s141_e41_a_visit_leaves_no_secret_in_logs_metrics_and_errors);
