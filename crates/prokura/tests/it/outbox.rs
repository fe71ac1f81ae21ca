//! The outbox: a mail leaves once, from one node, and a way that is blocked for a while loses nothing.

use crate::arrange::on_both_databases;
use prokura_domain::Email;
use prokura_engine::{Origin, Tenant};
use prokura_testkit::{Acme, Database, TestServer};

on_both_databases!(every_errand_is_run_by_one,);

async fn ask(server: &TestServer, tenant: &Tenant, name: &str) {
    let email = Email::parse(&Acme::email(name)).unwrap();
    server.engine.request_password_reset(tenant, &email, &Origin::local("test")).await.unwrap();
}

/// How often a link was made.
async fn links_made(acme: &Acme) -> usize {
    let events = acme.server.engine.audit_events(&acme.tenant, "", None, None, 500).await.unwrap();
    events.iter().filter(|event| event.verb == "link.make").count()
}

#[tokio::test]
async fn a_mail_that_cannot_leave_is_tried_again_later_and_later() {
    let acme = Acme::start().await;
    let server = &acme.server;
    ask(server, &acme.tenant, "ann").await;
    let folder = server.mail_folder().to_owned();
    std::fs::remove_dir(&folder).unwrap();
    std::fs::write(&folder, "in the way").unwrap();
    for wait in [15, 30, 60] {
        server.engine.run_errands().await.unwrap();
        let before = links_made(&acme).await;
        server.advance(wait - 1);
        server.engine.run_errands().await.unwrap();
        assert_eq!(links_made(&acme).await, before, "not yet, after {wait} seconds less one");
        server.advance(1);
    }
    std::fs::remove_file(&folder).unwrap();
    std::fs::create_dir(&folder).unwrap();
    assert_eq!(server.mails().await.len(), 1);
    // The link in the mail is the one that counts, and each try made one.
    assert_eq!(links_made(&acme).await, 4);
    let body = serde_json::json!({ "token": server.mailed_token().await, "password": "battery staple" });
    let guest = acme.guest().await;
    let reset = server.post("/customer/acme/password/reset/update", Some(&guest.access), &body).await;
    assert_eq!(reset.status, 204, "{}", reset.text);
    server.advance(100_000);
    assert_eq!(server.mails().await.len(), 2, "what is done is done, and the owner hears of the password");
}

async fn every_errand_is_run_by_one(database: Database) {
    let acme = Acme::start_on(database).await;
    let other = if database == Database::Postgres { Some(acme.server.start_second_node().await) } else { None };
    for name in ["ann", "bob", "cyd", "dee"] {
        for _ in 0..5 {
            ask(&acme.server, &acme.tenant, name).await;
        }
    }
    let second = other.as_ref().map_or(&acme.server.engine, |node| &node.engine);
    let (one, two) = tokio::join!(acme.server.engine.run_errands(), second.run_errands());
    one.unwrap();
    two.unwrap();
    assert_eq!(acme.server.mails().await.len(), 20);
    assert_eq!(links_made(&acme).await, 20);
}
