//! schemathesis against the description: thousands of requests made from it, right ones and wrong ones. No answer is a
//! server error, and each is one the description knows.

use crate::{
    admin::{Office, operator, send},
    arrange::run,
};
use prokura_testkit::Database;
use reqwest::Method;
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::process::Command;

/// How long one run may take.
const LIMIT: Duration = Duration::from_mins(4);

/// The fuzzer: where `cargo xtask test` has put it, else in a folder below `target` that is made here.
async fn fuzzer() -> PathBuf {
    // Two tests may come here at once; the tool is there only when everything of it is.
    static MADE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    if let Some(tool) = std::env::var_os("PROKURA_SCHEMATHESIS") {
        return PathBuf::from(tool);
    }
    // The test program lies in target/debug/deps.
    let program = std::env::current_exe().unwrap();
    let home = program.ancestors().nth(3).unwrap().join("tools/schemathesis");
    let tool = home.join("bin/schemathesis");
    let _turn = MADE.lock().await;
    if !home.join("installed").is_file() {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home)).await;
        let pip =
            ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "schemathesis==4.32.5"];
        run(Command::new(home.join("bin/python")).args(pip)).await;
        std::fs::write(home.join("installed"), "schemathesis==4.32.5").unwrap();
    }
    tool
}

async fn fuzz(database: Database) {
    let tool = fuzzer().await;
    let office = Office::open(database).await;
    let server = &office.world.server;
    // Somebody the fuzzer does not remove itself: its token is asked for again at the end.
    let token = operator(server, &[("*", "admin")]).await;
    for id in ["seg-1", "seg-2"] {
        let path = format!("/admin/v1/tenants/acme/segments/{id}");
        let body = json!({ "name": { "en": id } });
        let made = send(server, Method::PUT, &path, Some(&token), &[("if-none-match", "*")], Some(&body)).await;
        assert_eq!(made.status, 201, "{}", made.text);
    }
    for id in ["okta", "auth0"] {
        let path = format!("/admin/v1/tenants/acme/partner-idps/{id}");
        let issuer = format!("https://{id}.example");
        let body = json!({ "name": id, "issuer": issuer, "client_id": "shop", "client_secret": "secret" });
        let made = send(server, Method::PUT, &path, Some(&token), &[("if-none-match", "*")], Some(&body)).await;
        assert_eq!(made.status, 201, "{}", made.text);
    }
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("schemathesis.toml");
    std::fs::write(&config, config_text(&office)).unwrap();
    let mut command = Command::new(tool);
    command
        .arg("--config-file")
        .arg(&config)
        .arg("run")
        .arg(format!("{}/openapi.json", server.url))
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        ])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "15", "--generation-deterministic"])
        .args(["--continue-on-failure", "--no-color"])
        // Both take away what the run stands on, and have tests of their own.
        .args(["--exclude-operation-id", "set_up", "--exclude-operation-id", "delete_operator"])
        .current_dir(folder.path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let output = tokio::time::timeout(LIMIT, command.output()).await.expect("the fuzzer did not come to an end");
    let output = output.unwrap_or_else(|error| panic!("schemathesis cannot be started: {error}"));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let asked: usize = text
        .lines()
        .find_map(|line| line.trim().split_once(" generated, ")?.0.parse().ok())
        .unwrap_or_else(|| panic!("how many requests were made?\n{text}"));
    assert!(asked > 1_000, "only {asked} requests were made:\n{text}");
    // The requests got through to things: some were made on the way.
    assert_eq!(server.get("/admin/v1/me", Some(&token)).await.status, 200);
    let clients = server.get("/admin/v1/tenants/acme/clients?limit=200", Some(&token)).await.json();
    assert!(clients["items"].as_array().unwrap().len() > 1, "{clients}");
    let open = json!({ "state": "active" });
    let path = "/admin/v1/tenants/acme";
    assert_eq!(send(server, Method::PATCH, path, Some(&token), &[], Some(&open)).await.status, 200);
}

/// Ids of things that are there, so that requests get past the first door. What is deleted is another one each time.
fn config_text(office: &Office) -> String {
    let customer = &office.world.ann;
    let [first, second] = &office.world.assignments[..] else { panic!("two assignments") };
    format!(
        r#"
[parameters]
"path.tenant" = "acme"
"path.customer" = "{customer}"
"path.client" = "sf"
"path.legal_entity" = "le-1"
"path.assignment" = "{first}"
"path.site" = "main"
"path.segment" = "seg-1"
"path.partner_idp" = "okta"

[[operations]]
include-operation-id = "delete_assignment"
parameters = {{ "path.assignment" = "{second}" }}

[[operations]]
include-operation-id = ["delete_customer", "set_customer_state"]
parameters = {{ "path.customer" = "nobody" }}

[[operations]]
include-operation-id = "delete_segment"
parameters = {{ "path.segment" = "seg-2" }}

[[operations]]
include-operation-id = "delete_partner_idp"
parameters = {{ "path.partner_idp" = "auth0" }}

[[operations]]
include-operation-id = "delete_legal_entity"
parameters = {{ "path.legal_entity" = "le-3" }}
"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_meets_an_answer_the_description_does_not_know() {
    fuzz(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_meets_an_undescribed_answer_on_postgresql() {
    fuzz(Database::Postgres).await;
}

#[test]
fn the_committed_description_is_the_served_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let committed = std::fs::read_to_string(root.join("docs/openapi.json")).unwrap();
    assert!(committed == prokura_web::openapi(), "docs/openapi.json is not current: `cargo xtask generate`");
}
