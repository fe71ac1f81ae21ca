//! Identity providers of partners, as operators keep them.

use super::{Office, etag};
use crate::arrange::on_both_databases;
use prokura_testkit::Database;
use reqwest::Method;
use serde_json::{Value, json};

on_both_databases!(
    a_provider_is_made_read_changed_and_deleted,
    s140_its_secret_is_never_shown,
    what_cannot_be_a_provider_is_named_by_field,
    a_domain_is_of_one_provider,
);

const OKTA: &str = "/tenants/acme/partner-idps/okta";
const NEW: [(&str, &str); 1] = [("if-none-match", "*")];

fn body() -> Value {
    json!({
        "name": "Okta", "issuer": "https://acme.okta.example", "client_id": "shop", "client_secret": "their-own-secret",
        "redirect_uris": ["https://shop.example/callback"], "email_domains": ["a.example"], "identified_by": "email",
        "provisioning": "just_in_time",
    })
}

fn with(member: &str, value: Value) -> Value {
    let mut body = body();
    body[member] = value;
    body
}

async fn a_provider_is_made_read_changed_and_deleted(database: Database) {
    let office = Office::open(database).await;
    let put = async |headers: &[(&str, &str)], body: &Value| {
        // The trail is in the order of time.
        office.world.server.advance(1);
        office.send(Method::PUT, OKTA, headers, Some(body)).await
    };
    assert_eq!(office.get(OKTA).await.status, 404);
    assert_eq!(put(&[], &body()).await.status, 428);
    assert_eq!(put(&[("if-match", "\"1\"")], &body()).await.status, 404);
    let made = put(&NEW, &body()).await;
    assert_eq!((made.status, etag(&made).as_str()), (201, "\"1\""), "{}", made.text);
    assert_eq!(made.headers["location"], "/admin/v1/tenants/acme/partner-idps/okta");
    assert_eq!(put(&NEW, &body()).await.status, 412);
    let shown = office.get(OKTA).await.json();
    for (member, expected) in [
        ("id", json!("okta")),
        ("issuer", json!("https://acme.okta.example")),
        ("email_domains", json!(["a.example"])),
        ("identified_by", json!("email")),
        ("provisioning", json!("just_in_time")),
        ("is_active", json!(true)),
        ("metadata", json!({})),
    ] {
        assert_eq!(shown[member], expected, "{member}");
    }
    let metadata = json!({ "token_endpoint": "https://acme.okta.example/token", "jwks_uri": "https://keys.example/" });
    let mut change = with("metadata", metadata.clone());
    change["email_domains"] = json!(["b.example", "c.example"]);
    change.as_object_mut().unwrap().remove("client_secret");
    let changed = put(&[("if-match", "\"1\"")], &change).await;
    assert_eq!((changed.status, etag(&changed).as_str()), (200, "\"2\""), "{}", changed.text);
    assert_eq!(changed.json()["metadata"], metadata);
    assert_eq!(changed.json()["email_domains"], json!(["b.example", "c.example"]));
    assert_eq!(put(&[("if-match", "\"1\"")], &change).await.status, 412);
    let off = with("is_active", json!(false));
    assert_eq!(put(&[("if-match", "\"2\"")], &off).await.json()["is_active"], false);
    let list = office.get("/tenants/acme/partner-idps").await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let verbs = office.get("/tenants/acme/audit?subject_kind=partner_idp&subject_id=okta").await.json();
    let verbs: Vec<_> = verbs["items"].as_array().unwrap().iter().map(|entry| entry["verb"].clone()).collect();
    assert_eq!(verbs, ["partner_idp.disable", "partner_idp.update", "partner_idp.create"]);
    assert_eq!(office.send(Method::DELETE, OKTA, &[], None).await.status, 204);
    assert_eq!(office.send(Method::DELETE, OKTA, &[], None).await.status, 404);
    assert_eq!(office.get(OKTA).await.status, 404);
    assert_eq!(put(&NEW, &body()).await.status, 201, "its domains are free again");
}

async fn s140_its_secret_is_never_shown(database: Database) {
    let office = Office::open(database).await;
    let mut all = office.send(Method::PUT, OKTA, &NEW, Some(&body())).await.text;
    for path in [OKTA, "/tenants/acme/partner-idps", "/tenants/acme/audit"] {
        all.push_str(&office.get(path).await.text);
    }
    let wrong = with("client_secret", json!("their-own-secret\u{0}"));
    let refused = office.send(Method::PUT, OKTA, &[("if-match", "\"1\"")], Some(&wrong)).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    all.push_str(&refused.text);
    assert!(all.contains("okta.example") && !all.contains("their-own-secret"), "{all}");
    let idp = office.world.engine().partner_idp(&office.world.tenant, &"okta".parse().unwrap()).await.unwrap();
    assert!(!format!("{idp:?}").contains("v1."), "nor is it sealed in a log");
}

async fn what_cannot_be_a_provider_is_named_by_field(database: Database) {
    let office = Office::open(database).await;
    for (member, value, field) in [
        ("issuer", json!("http://idp.example"), "issuer"),
        ("issuer", json!("https://idp.example?x=1"), "issuer"),
        ("issuer", json!("https://u@idp.example"), "issuer"),
        ("issuer", json!("https://10.0.0.1"), "issuer"),
        ("issuer", json!("idp.example"), "issuer"),
        ("client_id", json!(""), "client_id"),
        ("client_id", json!("sh\u{f6}p"), "client_id"),
        ("client_secret", json!(""), "client_secret"),
        ("client_secret", Value::Null, "client_secret"),
        ("redirect_uris", json!(["http://shop.example/cb"]), "redirect_uris"),
        ("redirect_uris", json!(["https://*.shop.example/cb"]), "redirect_uris"),
        ("email_domains", json!(["A.example"]), "email_domains"),
        ("email_domains", json!(["a.example."]), "email_domains"),
        ("email_domains", json!([]), "email_domains"),
        ("identified_by", json!("name"), "identified_by"),
        ("metadata", json!({ "token_endpoint": "ftp://x" }), "metadata.token_endpoint"),
        ("metadata", json!({ "jwks_uri": "https://169.254.169.254/keys" }), "metadata.jwks_uri"),
        ("metadata", json!({ "jwks": { "keys": [{ "kty": "oct", "k": "AAAA" }] } }), "metadata.jwks"),
        (
            "metadata",
            json!({ "token_endpoint_auth_methods_supported": ["none"] }),
            "metadata.token_endpoint_auth_methods_supported",
        ),
        (
            "metadata",
            json!({ "id_token_signing_alg_values_supported": ["HS256"] }),
            "metadata.id_token_signing_alg_values_supported",
        ),
        ("metadata", json!({ "public_key": "x" }), "metadata.public_key"),
        ("more", json!(1), "more"),
    ] {
        let answer = office.send(Method::PUT, OKTA, &NEW, Some(&with(member, value.clone()))).await;
        assert_eq!(answer.status, 422, "{member} {value}: {}", answer.text);
        assert_eq!(answer.json()["errors"][0]["field"], field, "{member} {value}: {}", answer.text);
    }
    let path = "/tenants/acme/partner-idps/a--b";
    assert_eq!(office.send(Method::PUT, path, &NEW, Some(&body())).await.status, 422, "a state could not name it");
    assert_eq!(office.get("/tenants/acme/partner-idps").await.json()["items"], json!([]));
}

async fn a_domain_is_of_one_provider(database: Database) {
    let office = Office::open(database).await;
    assert_eq!(office.send(Method::PUT, OKTA, &NEW, Some(&body())).await.status, 201);
    let other = "/tenants/acme/partner-idps/auth0";
    let taken = office.send(Method::PUT, other, &NEW, Some(&body())).await;
    assert_eq!((taken.status, &taken.json()["errors"][0]["field"]), (422, &json!("email_domains")), "{}", taken.text);
    assert_eq!(office.get(other).await.status, 404, "nothing of it was made");
    let repeated = with("email_domains", json!(["b.example", "b.example"]));
    assert_eq!(office.send(Method::PUT, other, &NEW, Some(&repeated)).await.status, 201);
}
