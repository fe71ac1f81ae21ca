//! Backup under load and what a restore ends (S-145, S-146): the built program beside a running engine.

use crate::arrange::{PASSWORD, World, on_both_databases, origin, refresh, secret};
use prokura_domain::{Email, RefreshPolicy};
use prokura_engine::{DatabaseConfig, LogOut};
use prokura_jose::{MasterKey, Secret};
use prokura_testdb::Postgres;
use prokura_testkit::{Database, Options, TestServer};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

const ROTATE: RefreshPolicy = RefreshPolicy::Rotate { leeway_seconds: 10 };
/// What every test server seals with.
const KEY: [u8; 32] = [7; 32];
const KEY_TEXT: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
const CLIENTS: usize = 8;

/// A world in the machine's time: the program knows no other.
async fn world(database: Database) -> World {
    let options = Options { database, is_clock_frozen: false, ..Options::default() };
    World::on(TestServer::start_with(options).await, ROTATE).await
}

fn url_of(database: &DatabaseConfig) -> String {
    match database {
        DatabaseConfig::Sqlite { path, .. } => format!("sqlite:{}", path.display()),
        DatabaseConfig::Postgres { url, .. } => url.clone(),
    }
}

/// Runs the built program on a database, and reads its answer.
async fn prokura(url: &str, arguments: &[&str]) -> Result<Value, String> {
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_prokura"))
        .args(arguments)
        .args(["--output", "json"])
        .env("PROKURA__DATABASE__URL", url)
        .env("PROKURA__MASTER_KEY__VALUE", KEY_TEXT)
        .env_remove("PROKURA_CONFIG")
        .env_remove("PROKURA_DATA")
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn number(database: &Connection, sql: &str) -> i64 {
    database.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// What holds in every state the database has ever been in.
fn check(plain: &Path, acknowledged: i64) {
    let database = Connection::open_with_flags(plain, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let verdict: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    assert_eq!(number(&database, "SELECT COUNT(*) FROM pragma_foreign_key_check"), 0);
    let refreshes = number(&database, "SELECT COUNT(*) FROM refresh_tokens WHERE predecessor_hash IS NOT NULL");
    assert!(refreshes >= acknowledged, "{refreshes} of {acknowledged} acknowledged before it began are in the copy");
    let without_a_leaf = "SELECT COUNT(*) FROM token_families f WHERE f.state = 'active' AND 1 <>
        (SELECT COUNT(*) FROM refresh_tokens r
          WHERE r.tenant_id = f.tenant_id AND r.family_id = f.id AND r.state = 'active' AND r.generation = f.generation)
        AND EXISTS (SELECT 1 FROM refresh_tokens r WHERE r.tenant_id = f.tenant_id AND r.family_id = f.id)";
    assert_eq!(number(&database, without_a_leaf), 0, "a rotation is in the copy as a whole or not at all");
}

#[tokio::test(flavor = "multi_thread")]
async fn s145_a_backup_under_a_storm_of_refreshes_is_whole() {
    let world = world(Database::Sqlite).await;
    let folder = tempfile::tempdir().unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(AtomicI64::new(0));
    let mut storm = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let mut held = world.log_in(PASSWORD).await.unwrap().granted.refresh.unwrap().token;
        let (engine, tenant) = (world.engine().clone(), Arc::clone(&world.tenant));
        let (is_over, acknowledged) = (Arc::clone(&is_over), Arc::clone(&acknowledged));
        storm.spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                let granted = refresh(&engine, &tenant, &held, None).await.expect("a backup holds nobody up");
                held = granted.refresh.unwrap().token;
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
            held
        });
    }
    let source = url_of(&world.server.database);
    let mut files = Vec::new();
    for name in ["first", "second", "third"] {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let before = acknowledged.load(Ordering::SeqCst);
        assert!(before > 0);
        let file = folder.path().join(name);
        let answer = prokura(&source, &["backup", text(&file)]).await.unwrap();
        assert!(answer["bytes"].as_u64().unwrap() > 0, "{answer}");
        files.push((file, before));
    }
    let after = acknowledged.load(Ordering::SeqCst);
    assert!(after > files.last().unwrap().1, "the storm went on meanwhile");
    is_over.store(true, Ordering::Relaxed);
    let held = storm.join_all().await;

    for (file, before) in &files {
        let sealed = std::fs::read(file).unwrap();
        assert!(!sealed.windows(4).any(|bytes| bytes == b"ann@"), "nothing in it can be read without the key");
        let plain = file.with_extension("plain");
        prokura_engine::open_backup(&MasterKey::from_bytes(KEY), file, &plain).unwrap();
        check(&plain, *before);
    }
    let DatabaseConfig::Sqlite { path, .. } = &world.server.database else { panic!("this test reads a file") };
    assert!(!path.with_extension("db.copy").exists(), "no plain copy is left");

    // A rehearsal: the last backup becomes the database of another installation.
    let restored = folder.path().join("restored/prokura.db");
    let url = format!("sqlite:{}", restored.display());
    let answer = prokura(&url, &["restore", text(&files.last().unwrap().0)]).await.unwrap();
    assert_eq!(answer["ended_sessions"].as_u64().unwrap(), CLIENTS as u64);
    assert_eq!(prokura(&url, &["audit", "verify", "--tenant", "acme"]).await.unwrap()["is_whole"], true);
    let there = world.server.start_beside(DatabaseConfig::Sqlite { path: restored, read_connections: 2 }).await;
    let tenant = there.engine.tenant(&world.tenant.id).await.unwrap();
    for token in held {
        assert!(refresh(&there.engine, &tenant, &token, None).await.is_err());
    }
    assert!(log_in_on(&there, &world).await);
}

/// Whether people log in, refresh and switch there as ever.
async fn log_in_on(there: &TestServer, world: &World) -> bool {
    let tenant = there.engine.tenant(&world.tenant.id).await.unwrap();
    let request = prokura_engine::BeginGuest::nameless("sf".parse().unwrap(), prokura_engine::Wishes::default());
    let guest = there.engine.begin_guest(&tenant, &request, &origin()).await.unwrap();
    let login = crate::arrange::log_in(&there.engine, &tenant, guest.standing(), "ann@a.example", PASSWORD).await;
    let token = login.unwrap().granted.refresh.unwrap().token;
    let acting = refresh(&there.engine, &tenant, &token, Some("le-1")).await.unwrap();
    there.engine.verify(&acting.access_token().unwrap()).is_ok()
}

on_both_databases!(s146_a_restore_does_not_raise_the_dead);

/// A copy of a database from some time ago, put in the place of another one by whatever tool does that.
enum Copy {
    Sealed(PathBuf),
    Dump(prokura_testdb::Dump),
}

async fn s146_a_restore_does_not_raise_the_dead(database: Database) {
    let world = world(database).await;
    let folder = tempfile::tempdir().unwrap();
    let rotated = world.log_in(PASSWORD).await.unwrap().granted;
    let revoked = world.log_in(PASSWORD).await.unwrap().granted;
    let untouched = world.log_in(PASSWORD).await.unwrap().granted;
    let token = |granted: &prokura_engine::Granted| -> Secret { granted.refresh.as_ref().unwrap().token.clone() };
    let email = Email::parse("ann@a.example").unwrap();
    world.engine().request_password_reset(&world.tenant, &email, &origin()).await.unwrap();
    let link = secret(&world.server.mailed_token().await);

    let source = url_of(&world.server.database);
    let copy = match database {
        Database::Sqlite => {
            let file = folder.path().join("sealed");
            prokura(&source, &["backup", text(&file)]).await.unwrap();
            Copy::Sealed(file)
        }
        Database::Postgres => {
            let refused = prokura(&source, &["backup", text(&folder.path().join("none"))]).await.unwrap_err();
            assert!(refused.contains("pg_dump"), "{refused}");
            let source = source.clone();
            Copy::Dump(tokio::task::spawn_blocking(move || Postgres::shared().dump(&source)).await.unwrap())
        }
    };

    // What happens after it is lost with the restore, and must not come back to life.
    let successor = world.refresh(&token(&rotated), None).await.unwrap();
    let request = LogOut { bearer: revoked.standing(), target: revoked.standing() };
    world.engine().log_out(&world.tenant, &request, &origin()).await.unwrap();

    let there = match copy {
        Copy::Sealed(file) => {
            let path = folder.path().join("prokura.db");
            let url = format!("sqlite:{}", path.display());
            prokura(&url, &["restore", text(&file)]).await.unwrap();
            DatabaseConfig::Sqlite { path, read_connections: 2 }
        }
        Copy::Dump(dump) => {
            let restored = tokio::task::spawn_blocking(move || Postgres::shared().restore(&dump)).await.unwrap();
            let url = restored.url();
            std::mem::forget(restored);
            let refused = prokura(&url, &["restore", text(&folder.path().join("none"))]).await.unwrap_err();
            assert!(refused.contains("--mark"), "{refused}");
            assert_eq!(prokura(&url, &["restore", "--mark"]).await.unwrap()["ended_sessions"], 3);
            assert_eq!(prokura(&url, &["restore", "--mark"]).await.unwrap()["ended_sessions"], 0, "and again");
            DatabaseConfig::Postgres { url, pool_size: 4, statement_deadline: Duration::from_secs(10) }
        }
    };

    let there = world.server.start_beside(there).await;
    let tenant = there.engine.tenant(&world.tenant.id).await.unwrap();
    for granted in [&rotated, &revoked, &untouched, &successor] {
        let refused = refresh(&there.engine, &tenant, &token(granted), None).await;
        assert!(matches!(refused, Err(prokura_engine::Error::Refused(_))), "{refused:?}");
        assert!(there.engine.verify(&granted.access_token().unwrap()).is_err(), "nor is an access token good");
    }
    let reset = there.engine.reset_password(&tenant, &link, &secret("another horse"), &origin()).await;
    assert!(matches!(reset, Err(prokura_engine::Error::Refused(_))), "{reset:?}");
    assert!(log_in_on(&there, &world).await);
    let listed = prokura_engine::AuditFilter { verb: Some("installation.restore".to_owned()), ..Default::default() };
    assert!(!there.engine.audit_trail(&tenant.id, &listed, "", 10).await.unwrap().is_empty(), "it is in the trail");
}
