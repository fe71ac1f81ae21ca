//! The audit trail (S-143, S-144): no change without an entry, and nothing of it can be altered unseen.

use crate::arrange::{PASSWORD, World, on_both_databases};
use prokura_domain::RefreshPolicy;
use prokura_engine::DatabaseConfig;
use prokura_testkit::Database;

on_both_databases!(s143_every_step_of_the_main_job_is_in_the_trail);

async fn s143_every_step_of_the_main_job_is_in_the_trail(database: Database) {
    let world = World::new(database, RefreshPolicy::Family).await;
    let acting = world.acting("le-1").await;
    let _ = world.log_in("wrong horse").await;
    let token = acting.refresh.unwrap().token;
    world.refresh(&token, Some("le-1")).await.unwrap();
    let _ = world.refresh(&token, Some("le-3")).await;
    world.engine().seal_audit().await.unwrap();
    let verdict = world.engine().verify_audit(&world.tenant.id, None).await.unwrap();
    assert_eq!(verdict.fault, None);
    let events = world.engine().audit_events(&world.tenant, "", None, None, 200).await.unwrap();
    let has =
        |verb: &str, outcome: &str| events.iter().any(|event| event.verb == verb && event.outcome.as_str() == outcome);
    for (verb, outcome) in [
        ("tenant.create", "done"),
        ("client.create", "done"),
        ("customer.create", "done"),
        ("legal_entity.create", "done"),
        ("assignment.create", "done"),
        ("guest.begin", "done"),
        ("customer.log_in", "done"),
        ("customer.log_in", "refused"),
        ("customer.switch_company", "done"),
        ("customer.refresh", "done"),
        ("customer.refresh", "refused"),
    ] {
        assert!(has(verb, outcome), "{verb} {outcome}");
    }
    let all = format!("{events:?}");
    for hidden in [PASSWORD, "wrong horse", "ann@a.example", "pkr_rt_"] {
        assert!(!all.contains(hidden), "{hidden} is in the trail");
    }
}

/// A hand in the database file, behind the product's back.
fn tamper(world: &World, sql: &str) {
    let DatabaseConfig::Sqlite { path, .. } = &world.server.database else { panic!("this is about the file") };
    let connection = rusqlite::Connection::open(path).unwrap();
    assert!(connection.execute(sql, []).unwrap() > 0, "{sql}");
}

#[tokio::test(flavor = "multi_thread")]
async fn s144_whatever_is_altered_is_named() {
    for (name, sql, expected) in [
        (
            "altered",
            "UPDATE audit_events SET actor_id = 'x' WHERE id = (SELECT id FROM audit_events WHERE tenant_id = 'acme' ORDER BY id LIMIT 1 OFFSET 3)",
            "was altered",
        ),
        (
            "removed",
            "DELETE FROM audit_events WHERE id = (SELECT id FROM audit_events WHERE tenant_id = 'acme' ORDER BY id LIMIT 1 OFFSET 3)",
            "was removed",
        ),
        (
            "swapped",
            "UPDATE audit_events SET at = at + 1 WHERE tenant_id = 'acme' AND verb = 'customer.log_in'",
            "was altered",
        ),
        ("a seal cut", "DELETE FROM audit_seals WHERE tenant_id = 'acme' AND number = 1", "seal 1 is missing"),
        (
            "a seal forged",
            "UPDATE audit_seals SET mac = 'x' WHERE tenant_id = 'acme' AND number = 1",
            "seal 1 was altered",
        ),
        (
            "the tail cut",
            "DELETE FROM audit_seals WHERE tenant_id = 'acme' AND number = (SELECT MAX(number) FROM audit_seals WHERE tenant_id = 'acme')",
            "is under no seal",
        ),
    ] {
        let world = World::new(Database::Sqlite, RefreshPolicy::Family).await;
        world.engine().seal_audit().await.unwrap();
        world.acting("le-1").await;
        world.engine().seal_audit().await.unwrap();
        let before = world.engine().verify_audit(&world.tenant.id, None).await.unwrap();
        assert_eq!(before.fault, None, "{name}");
        tamper(&world, sql);
        let after = world.engine().verify_audit(&world.tenant.id, None).await.unwrap();
        assert!(after.fault.as_ref().is_some_and(|fault| fault.contains(expected)), "{name}: {after:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s144_a_trail_cut_at_its_end_is_seen_from_outside() {
    let world = World::new(Database::Sqlite, RefreshPolicy::Family).await;
    world.engine().seal_audit().await.unwrap();
    world.acting("le-1").await;
    world.engine().seal_audit().await.unwrap();
    let head = world.engine().verify_audit(&world.tenant.id, None).await.unwrap().head.unwrap();
    for sql in [
        "DELETE FROM audit_events WHERE tenant_id = 'acme' AND id IN (SELECT json_extract(value, '$[0]') FROM audit_seals, json_each(entries_json) WHERE tenant_id = 'acme' AND number = (SELECT MAX(number) FROM audit_seals WHERE tenant_id = 'acme'))",
        "DELETE FROM audit_seals WHERE tenant_id = 'acme' AND number = (SELECT MAX(number) FROM audit_seals WHERE tenant_id = 'acme')",
    ] {
        tamper(&world, sql);
    }
    assert_eq!(world.engine().verify_audit(&world.tenant.id, None).await.unwrap().fault, None, "whole in itself");
    let verdict = world.engine().verify_audit(&world.tenant.id, Some(&head)).await.unwrap();
    assert!(verdict.fault.unwrap().contains("the trail ends at seal"));
}

#[tokio::test(flavor = "multi_thread")]
async fn s143_without_its_entry_a_change_is_undone() {
    let world = World::new(Database::Sqlite, RefreshPolicy::Family).await;
    let login = world.log_in(PASSWORD).await.unwrap().granted.refresh.unwrap().token;
    tamper_trigger(&world);
    let refused = world.refresh(&login, Some("le-1")).await;
    assert!(matches!(refused, Err(prokura_engine::Error::Fault(_))), "a fault, answered with 503: {refused:?}");
    let DatabaseConfig::Sqlite { path, .. } = &world.server.database else { panic!("this is about the file") };
    rusqlite::Connection::open(path).unwrap().execute_batch("DROP TRIGGER no_trail").unwrap();
    assert!(world.refresh(&login, Some("le-1")).await.is_ok(), "and the token is as it was");
}

fn tamper_trigger(world: &World) {
    let DatabaseConfig::Sqlite { path, .. } = &world.server.database else { panic!("this is about the file") };
    let trigger = "CREATE TRIGGER no_trail BEFORE INSERT ON audit_events BEGIN SELECT RAISE(ABORT, 'no trail'); END";
    rusqlite::Connection::open(path).unwrap().execute_batch(trigger).unwrap();
}
