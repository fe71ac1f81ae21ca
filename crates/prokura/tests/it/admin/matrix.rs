//! The matrix of S-73, generated from the description: every operation, asked for by everybody who has no right to it,
//! about things that are there and things that never were. Nobody gets a 2xx, and nobody can tell the two apart.

use super::{Office, operator, send};
use crate::arrange::on_both_databases;
use prokura_domain::{ClientKind, RefreshPolicy};
use prokura_testkit::{Answer, Database};
use reqwest::Method;
use serde_json::{Value, json};

/// What everybody with a token may ask, about themselves.
const ABOUT_THEMSELVES: [&str; 2] = ["get_me", "list_tenants"];
/// What asks for a secret of its own.
const OPEN: &str = "set_up";

struct Operation {
    id: String,
    method: Method,
    path: String,
}

fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(&prokura_web::openapi()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            found.push(Operation {
                id: operation["operationId"].as_str().unwrap().to_owned(),
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
            });
        }
    }
    assert!(found.len() > 30, "the description lost its operations");
    found
}

/// A body that would do something, for each operation that takes one. An operation that is not here fails the test.
fn body(operation: &str) -> Option<Value> {
    Some(match operation {
        "create_operator" => json!({ "name": "x", "roles": [{ "tenant": "*", "role": "admin" }] }),
        "create_tenant" => json!({ "id": "mine", "name": "x" }),
        "change_tenant" => json!({ "name": "changed" }),
        "put_site" => json!({ "name": "x", "language": "en", "currency": "EUR", "country": "DE" }),
        "create_client" => json!({ "name": "x", "kind": "confidential" }),
        "change_client" => json!({ "is_active": false }),
        "rotate_client_secret" => json!({}),
        "create_customer" => json!({ "email": "new@a.example" }),
        "change_customer" => json!({ "given_name": "changed" }),
        "set_customer_state" => json!({ "state": "inactive" }),
        "set_customer_password" => json!({ "password": "another horse" }),
        "create_legal_entity" | "put_legal_entity" => json!({ "name": "changed" }),
        "set_legal_entity_state" => json!({ "is_active": false }),
        "create_invitation" => json!({ "email": "new@a.example", "legal_entity_id": "le-3", "group": "B2B_BUYER" }),
        "create_assignment" => json!({ "customer_id": "x", "legal_entity_id": "le-3" }),
        "change_assignment" => json!({ "kind": "BILLING" }),
        "rotate_keys" => json!({ "is_at_once": true }),
        "retire_key" => json!({ "is_compromised": true }),
        "verify_audit" | "verify_installation_audit" => json!({}),
        "put_partner_idp" => json!({
            "name": "changed", "issuer": "https://idp.example", "client_id": "shop", "client_secret": "secret",
        }),
        "put_segment" => json!({ "name": { "en": "changed" } }),
        "add_segment_members" | "remove_segment_members" => json!({ "members": [{ "legal_entity_id": "le-1" }] }),
        "add_segment_items" | "remove_segment_items" => json!({ "items": [{ "kind": "PRODUCT", "id": "p1" }] }),
        _ => return None,
    })
}

async fn ask(office: &Office, operation: &Operation, path: &str, bearer: Option<&str>) -> Answer {
    let body = body(&operation.id);
    let takes_body =
        operation.method == Method::POST || operation.method == Method::PUT || operation.method == Method::PATCH;
    assert_eq!(body.is_some(), takes_body, "{} needs a body in this test", operation.id);
    let precondition: &[(&str, &str)] = if operation.method == Method::PUT { &[("if-match", "\"1\"")] } else { &[] };
    let path = path.replace("{operator}", "x");
    send(&office.world.server, operation.method.clone(), &path, bearer, precondition, body.as_ref()).await
}

async fn s73_whoever_has_no_right_learns_nothing(database: Database) {
    let office = Office::open(database).await;
    let server = &office.world.server;
    let other = server.tenant("other").await;
    server.client(&other, "foreign", ClientKind::Public, "guest", "", RefreshPolicy::Reuse).await;
    let stranger = office.world.acting("le-1").await;
    let session = stranger.standing().session.as_ref().unwrap().to_string();
    let key = server.engine.keys(&office.world.tenant).await.unwrap()[0].kid.to_string();
    let foreign_admin = operator(server, &[("other", "admin")]).await;
    let viewer = operator(server, &[("acme", "viewer")]).await;
    let invite = prokura_engine::Invite {
        legal_entity: "le-1".parse().unwrap(),
        group: prokura_domain::GroupCode::Buyer,
        email: prokura_domain::Email::parse("invited@a.example").unwrap(),
        given_name: String::new(),
        family_name: String::new(),
    };
    let (system, from) = (prokura_engine::Actor::System, crate::arrange::origin());
    let invitation = server.engine.invite(&office.world.tenant, &invite, &system, &from).await.unwrap().id.to_string();
    let there = |path: &str| {
        path.replace("{tenant}", "acme")
            .replace("{site}", "main")
            .replace("{client}", "sf")
            .replace("{customer}", office.world.ann.as_str())
            .replace("{legal_entity}", "le-1")
            .replace("{assignment}", office.world.assignments[0].as_str())
            .replace("{session}", &session)
            .replace("{key}", &key)
            .replace("{segment}", "seg-1")
            .replace("{partner_idp}", "okta")
            .replace("{invitation}", &invitation)
    };
    let never = |path: &str| {
        let mut path = path.replace("{tenant}", "acme");
        for name in [
            "site",
            "client",
            "customer",
            "legal_entity",
            "assignment",
            "session",
            "key",
            "segment",
            "invitation",
            "partner_idp",
        ] {
            path = path.replace(&format!("{{{name}}}"), "never-was");
        }
        path
    };
    let segment = json!({ "name": { "en": "Segment" } });
    let new = [("if-none-match", "*")];
    let made = office.send(Method::PUT, "/tenants/acme/segments/seg-1", &new, Some(&segment)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let idp = body("put_partner_idp");
    let made = office.send(Method::PUT, "/tenants/acme/partner-idps/okta", &new, idp.as_ref()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let before = trail(&office).await;
    let unauthorized = server.get("/admin/v1/me", None).await.text;
    for operation in operations().iter().filter(|operation| operation.id != OPEN) {
        let named = there(&operation.path);
        for token in [None, Some("pkr_op_guess"), Some(stranger.access_token().unwrap().as_str())] {
            let answer = ask(&office, operation, &named, token).await;
            assert_eq!((answer.status, &answer.text), (401, &unauthorized), "{} without a right token", operation.id);
        }
        if ABOUT_THEMSELVES.contains(&operation.id.as_str()) {
            continue;
        }
        let gone = ask(&office, operation, &never(&operation.path), Some(&foreign_admin)).await;
        assert_eq!(gone.status, 404, "{}: {}", operation.id, gone.text);
        let foreign = ask(&office, operation, &named, Some(&foreign_admin)).await;
        assert_eq!((foreign.status, &foreign.text), (404, &gone.text), "{} by another tenant's admin", operation.id);
        let unknown = operation.path.replace("{tenant}", "nobody");
        let unknown = ask(&office, operation, &never(&unknown), Some(&foreign_admin)).await;
        assert_eq!((unknown.status, &unknown.text), (404, &gone.text), "{} in no tenant", operation.id);

        let is_for_viewers =
            (operation.method == Method::GET || operation.id == "verify_audit") && named.contains("/acme");
        if !is_for_viewers {
            for path in [&named, &never(&operation.path)] {
                let lower = ask(&office, operation, path, Some(&viewer)).await;
                assert_eq!((lower.status, &lower.text), (404, &gone.text), "{} by a viewer", operation.id);
            }
        }
        // What is there in one tenant is not reached through another one the caller does run.
        if operation.path.contains("{tenant}/") && operation.path.matches('{').count() > 1 {
            let through = there(&operation.path.replace("{tenant}", "other").replace("{site}", "never-was"));
            let through = ask(&office, operation, &through, Some(&foreign_admin)).await;
            assert_eq!((through.status, &through.text), (404, &gone.text), "{} through another tenant", operation.id);
        }
    }
    assert_eq!(trail(&office).await, before, "somebody without a right changed something");
    // The same questions by somebody who may: the matrix asked about things that are there.
    for operation in operations().iter().filter(|operation| operation.method == Method::GET) {
        let answer = ask(&office, operation, &there(&operation.path), Some(&office.root)).await;
        assert_eq!(answer.status, 200, "{}: {}", operation.id, answer.text);
    }
}

/// How long the trails are: every change leaves an entry.
async fn trail(office: &Office) -> Vec<usize> {
    let mut lengths = Vec::new();
    for path in ["/tenants/acme/audit?limit=200", "/tenants/other/audit?limit=200", "/audit?limit=200"] {
        let page = office.get(path).await.json();
        assert!(page["next"].is_null(), "the trail fits a page");
        lengths.push(page["items"].as_array().unwrap().len());
    }
    lengths
}

on_both_databases!(s73_whoever_has_no_right_learns_nothing);
