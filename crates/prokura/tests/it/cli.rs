//! The command line, as the built program: nouns on the database itself, secrets never among the arguments.

use serde_json::{Value, json};
use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_prokura"));
        command.args(arguments).current_dir(self.folder.path()).env("PROKURA_DATA", self.folder.path().join("data"));
        for variable in ["PROKURA_CONFIG", "PROKURA_TENANT"] {
            command.env_remove(variable);
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs a command that works, and reads its answer as lines of JSON.
    fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.run(&[arguments, &["--output", "json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line} is no JSON"))).collect()
    }

    fn one(&self, arguments: &[&str]) -> Value {
        let mut found = self.json(arguments);
        assert_eq!(found.len(), 1, "{arguments:?}: {found:?}");
        found.remove(0)
    }

    fn fails(&self, arguments: &[&str], status: i32) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }
}

#[test]
fn a_company_is_set_up_from_the_command_line() {
    let desk = Desk::new();
    assert_eq!(desk.one(&["tenant", "create", "acme", "--name", "Acme"])["state"], "active");
    assert!(desk.fails(&["tenant", "create", "acme"], 1).contains("exists already"));
    assert!(desk.fails(&["tenant", "create", "A"], 1).contains("lower-case"));
    assert!(desk.fails(&["tenant", "show", "nobody"], 1).contains("prokura tenant list"));
    assert_eq!(desk.one(&["tenant", "suspend", "acme"])["state"], "suspended");
    assert_eq!(desk.one(&["tenant", "resume", "acme"])["state"], "active");
    assert_eq!(desk.one(&["tenant", "list"])["id"], "acme");

    let of = ["--tenant", "acme"];
    let with = |arguments: &[&str]| desk.one(&[arguments, &of].concat());
    let client = with(&["client", "create", "--id", "bk", "--name", "Backend", "--grant", "client_credentials"]);
    let secret = client["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("pkr_cs_"));
    let rotated = with(&["client", "rotate-secret", "bk", "--overlap-seconds", "60"]);
    assert_ne!(rotated["secret"], secret.as_str());
    assert_eq!(with(&["client", "disable", "bk"])["state"], "disabled");
    assert_eq!(with(&["client", "enable", "bk"])["state"], "active");
    assert!(with(&["client", "list"])["secret"].is_null(), "shown once");

    assert_eq!(with(&["entity", "create", "--id", "le-1", "--name", "One"])["kind"], "COMPANY");
    assert_eq!(with(&["entity", "create", "--id", "le-2", "--name", "Two", "--parent", "le-1"])["kind"], "SUBSIDIARY");
    assert_eq!(with(&["entity", "show", "le-2"])["parent_id"], "le-1");
    assert_eq!(desk.json(&["entity", "list", "--tenant", "acme"]).len(), 2);

    let mut create = desk.command(&[
        "customer",
        "create",
        "--tenant",
        "acme",
        "--email",
        "ann@a.example",
        "--id",
        "ann",
        "--password-file",
        "-",
        "--output",
        "json",
    ]);
    let mut child = create.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"correct horse\n").unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
    assert_eq!(with(&["customer", "list", "--email", "ANN@a.example"])["id"], "ann");
    assert_eq!(with(&["customer", "disable", "ann"])["state"], "inactive");
    assert_eq!(with(&["customer", "enable", "ann"])["state"], "active");

    let assignment = with(&["assignment", "create", "--customer", "ann", "--entity", "le-1", "--group", "B2B_BUYER"]);
    let id = assignment["id"].as_str().unwrap().to_owned();
    assert_eq!(with(&["assignment", "list", "--customer", "ann"])["legal_entity_id"], "le-1");
    assert_eq!(with(&["assignment", "delete", &id])["is_deleted"], true);
    assert!(desk.json(&["assignment", "list", "--tenant", "acme"]).is_empty());
    assert!(desk.fails(&["assignment", "delete", &id, "--tenant", "acme"], 1).contains("no such contact assignment"));
    assert_eq!(with(&["customer", "delete", "ann"])["state"], "deleted");
    assert!(desk.json(&["customer", "list", "--tenant", "acme"]).is_empty());

    let keys = desk.json(&["keys", "list", "--tenant", "acme"]);
    let active = keys.iter().find(|key| key["algorithm"] == "ES256").unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(with(&["keys", "rotate"])["state"], "next");
    assert!(desk.fails(&["keys", "retire", &active, "--tenant", "acme"], 1).contains("may still live"));
    with(&["keys", "retire", &active, "--compromised"]);
    let trail = desk.json(&["audit", "list", "--tenant", "acme", "--limit", "3"]);
    assert_eq!(trail.len(), 3);
    assert_eq!(trail[0]["verb"], "key.compromised");
}

#[test]
fn what_a_client_registers_is_said_on_the_command_line() {
    let desk = Desk::new();
    desk.one(&["tenant", "create", "acme"]);
    let with = |arguments: &[&str]| desk.one(&[arguments, &["--tenant", "acme"]].concat());
    let keys = desk.folder.path().join("keys.json");
    let jwk = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    fs::write(&keys, jwk).unwrap();
    let keys = keys.to_str().unwrap();
    let create = ["client", "create", "--id", "bank", "--name", "Bank", "--grant", "authorization_code"];
    let fapi = ["--profile", "fapi2", "--redirect-uri", "https://bank.example/cb"];
    let refused = desk.fails(&[&create[..], &fapi, &["--tenant", "acme"]].concat(), 1);
    assert!(refused.contains("profile: fapi2 needs a confidential client with private_key_jwt"), "{refused}");
    let own_keys = ["--auth-method", "private_key_jwt", "--jwks-file", keys, "--needs-dpop-nonce"];
    let more = ["--resource", "https://orders.example", "--resource", "https://stock.example", "--may-act"];
    let made = with(&[&create[..], &fapi, &own_keys, &more].concat());
    assert_eq!((&made["profile"], &made["auth_method"]), (&json!("fapi2"), &json!("private_key_jwt")));
    assert_eq!((&made["needs_dpop_nonce"], &made["may_act"]), (&json!(true), &json!(true)));
    assert_eq!(made["resources"], json!(["https://orders.example", "https://stock.example"]));
    assert_eq!(made["jwks"]["keys"][0]["crv"], "Ed25519");
    // What is not named stays.
    let changed = with(&["client", "register", "bank", "--may-act=false", "--resource", "https://stock.example"]);
    assert_eq!((&changed["may_act"], &changed["needs_dpop_nonce"]), (&json!(false), &json!(true)));
    assert_eq!(changed["resources"], json!(["https://stock.example"]));
    assert_eq!((&changed["profile"], &changed["redirect_uris"]), (&made["profile"], &made["redirect_uris"]));
    assert_eq!(with(&["client", "register", "bank", "--resource", ""])["resources"], json!([]));
    assert_eq!(with(&["client", "register", "bank", "--profile", "standard"])["profile"], "standard");
    let published = with(&["client", "register", "bank", "--jwks-uri", "https://bank.example/keys"]);
    assert_eq!((&published["jwks_uri"], &published["jwks"]), (&json!("https://bank.example/keys"), &Value::Null));
    let own = with(&["client", "register", "bank", "--jwks-file", keys]);
    assert!(own["jwks_uri"].is_null() && own["jwks"].is_object(), "{own}");
    let wrong = desk.fails(&["client", "register", "bank", "--resource", "orders", "--tenant", "acme"], 1);
    assert!(wrong.contains("resources: "), "{wrong}");
    let nobody = desk.fails(&["client", "register", "nobody", "--may-act", "--tenant", "acme"], 1);
    assert!(nobody.contains("no such client"), "{nobody}");
}

#[cfg(unix)]
#[test]
fn s140_a_master_key_others_may_read_stops_every_start() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::new();
    desk.one(&["tenant", "create", "acme"]);
    let key = desk.folder.path().join("data/master.key");
    let set_mode = |mode| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
    set_mode(0o644);
    for command in [["tenant", "list"].as_slice(), &["serve"]] {
        let message = desk.fails(command, 1);
        assert!(message.contains("chmod 600"), "{message}");
    }
    set_mode(0o600);
    assert_eq!(desk.one(&["tenant", "list"])["id"], "acme");
}

#[test]
fn s26_no_client_gets_a_grace_of_more_than_a_minute() {
    let desk = Desk::new();
    desk.one(&["tenant", "create", "acme"]);
    let create = ["client", "create", "--tenant", "acme", "--name", "x", "--leeway-seconds"];
    let message = desk.fails(&[create.as_slice(), &["61"]].concat(), 2);
    assert!(message.contains("61"), "{message}");
    desk.one(&[create.as_slice(), &["60"]].concat());
}

#[test]
fn a_password_is_never_an_argument() {
    let desk = Desk::new();
    desk.one(&["tenant", "create", "acme"]);
    for flag in ["--password", "--secret"] {
        let message = desk.fails(&["customer", "create", "--tenant", "acme", "--email", "a@b.example", flag, "x"], 2);
        assert!(message.contains(flag), "{message}");
        let message = desk.fails(&["client", "create", "--tenant", "acme", "--name", "x", flag, "x"], 2);
        assert!(message.contains(flag), "{message}");
    }
    let file = desk.folder.path().join("password");
    fs::write(&file, "short\n").unwrap();
    let path = file.to_str().unwrap();
    let arguments = ["customer", "create", "--tenant", "acme", "--email", "a@b.example", "--password-file", path];
    let message = desk.fails(&arguments, 1);
    assert!(message.contains("password") && !message.contains("short\n"), "{message}");
}

#[test]
fn s107_recovery_is_a_local_command_with_an_entry_in_the_trail() {
    let desk = Desk::new();
    let first = desk.one(&["admin", "setup"]);
    assert!(first["secret"].as_str().unwrap().starts_with("pkr_su_"));
    assert_eq!(first["url"], "http://127.0.0.1:8400/admin/v1/set-up");
    assert_ne!(desk.one(&["admin", "setup"])["secret"], first["secret"], "asking again ends the one before");
    assert!(desk.one(&["admin", "recover", "--name", "me"])["token"].as_str().unwrap().starts_with("pkr_op_"));
    let trail = desk.one(&["audit", "list", "--tenant", "installation", "--verb", "operator.create"]);
    assert_eq!(trail["actor"]["kind"], "system");
}

#[test]
fn s144_what_was_altered_or_cut_off_is_named() {
    let desk = Desk::new();
    desk.one(&["tenant", "create", "acme"]);
    let heads = desk.folder.path().join("heads");
    let verify = ["audit", "verify", "--tenant", "acme", "--head", heads.to_str().unwrap()];
    assert_eq!(desk.one(&verify)["is_whole"], true);
    desk.one(&["tenant", "suspend", "acme"]);
    assert_eq!(desk.one(&verify)["is_whole"], true);
    let kept = fs::read_to_string(&heads).unwrap();
    assert_eq!(kept.lines().count(), 2, "each head is kept: {kept}");
    assert!(kept.lines().all(|line| line.starts_with("acme ")));

    let database = rusqlite::Connection::open(desk.folder.path().join("data/prokura.db")).unwrap();
    database.execute("UPDATE audit_events SET verb = 'tenant.resume' WHERE verb = 'tenant.suspend'", []).unwrap();
    drop(database);
    let output = desk.run(&verify);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8(output.stdout).unwrap().contains("was altered"));
    let database = rusqlite::Connection::open(desk.folder.path().join("data/prokura.db")).unwrap();
    let entries = "SELECT json_extract(value, '$[0]') FROM audit_seals, json_each(entries_json) WHERE number = 2";
    database.execute(&format!("DELETE FROM audit_events WHERE id IN ({entries})"), []).unwrap();
    database.execute("DELETE FROM audit_seals WHERE number = 2", []).unwrap();
    drop(database);
    assert!(desk.run(&["audit", "verify", "--tenant", "acme"]).status.success(), "without the head nobody can tell");
    let output = desk.run(&verify);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(fs::read_to_string(&heads).unwrap(), kept, "no head of a broken trail is kept");
    fs::write(&heads, "acme two x\n").unwrap();
    assert!(desk.fails(&verify, 1).contains("heads:1"));
}

#[test]
fn an_import_names_what_it_leaves_out_and_ends_with_two() {
    let desk = Desk::new();
    let files = desk.folder.path().join("files");
    fs::create_dir(&files).unwrap();
    let header = "id,name,type,parent_id,country,city,address,postal_code,phone\n";
    let good = "a,A,COMPANY,,DE,,,,\n";
    fs::write(files.join("legal_entities.csv"), format!("{header}{good}b,B,COMPANY,,Germany,,,,\n")).unwrap();
    let import = |tenant: &str| desk.run(&["import", files.to_str().unwrap(), "--tenant", tenant, "--output", "json"]);
    let output = import("fresh");
    assert_eq!(output.status.code(), Some(2));
    let faults = String::from_utf8(output.stderr).unwrap();
    assert!(faults.starts_with("legal_entities.csv:3: country: "), "{faults}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["left_out"], &report["kinds"][0]["created"]), (&1.into(), &1.into()), "{report}");
    fs::write(files.join("legal_entities.csv"), format!("{header}{good}")).unwrap();
    let output = import("fresh");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(desk.one(&["entity", "list", "--tenant", "fresh"])["id"], "a");
    assert!(desk.fails(&["import", "no-such-folder"], 1).contains("is no folder"));
    assert!(is_private(&desk.folder.path().join("data")));
}

fn is_private(folder: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(folder).unwrap().permissions().mode().is_multiple_of(0o100)
}

#[tokio::test]
async fn while_a_server_has_the_file_a_command_says_what_to_do() {
    let desk = Desk::new();
    desk.one(&["tenant", "create", "acme"]);
    let config = prokura::config::Config::parse(
        &format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[database]\nurl = \"sqlite:{0}/data/prokura.db\"\n[master_key]\nfile = \
             \"{0}/data/master.key\"\n[mail]\ntransport = \"none\"\n[admin]\nlisten = \"127.0.0.1:0\"",
            desk.folder.path().display()
        ),
        "test",
        std::iter::empty(),
    )
    .unwrap();
    let node = prokura::node::Node::start(&config).await.unwrap();
    let message = desk.fails(&["tenant", "list"], 1);
    assert!(message.contains("stop it") && message.contains("administration API"), "{message}");

    // With a port of its own the administration API is nowhere else (S-149).
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let status = async |port: std::net::SocketAddr| {
        http.get(format!("http://{port}/admin/v1/me")).send().await.unwrap().status().as_u16()
    };
    assert_eq!(status(node.admin.unwrap()).await, 401);
    assert_eq!(status(node.public).await, 404);
    node.stop().await.unwrap();
    assert_eq!(desk.one(&["tenant", "list"])["id"], "acme");
}
