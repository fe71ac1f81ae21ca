//! The context of a session: preferences that survive the login, and what a planted visitor may not see.

use super::{is_refused_bearer, text};
use crate::arrange::on_both_databases;
use prokura_testkit::{Acme, Answer, Database};
use reqwest::Method;
use serde_json::{Value, json};

const MINE: &str = "/session-context/acme/me/context";

async fn mine(acme: &Acme, bearer: &str) -> Answer {
    acme.server.get(MINE, Some(bearer)).await
}

async fn patch(acme: &Acme, bearer: &str, query: &str, body: &Value) -> Answer {
    acme.call(Method::PATCH, &format!("{MINE}{query}"), Some(bearer), &[], Some(body)).await
}

async fn attribute(acme: &Acme, bearer: &str, key: &str, value: &Value) -> Answer {
    acme.server.post(&format!("{MINE}/attributes"), Some(bearer), &json!({ "key": key, "value": value })).await
}

async fn drop_attribute(acme: &Acme, bearer: &str, key: &str) -> Answer {
    acme.call(Method::DELETE, &format!("{MINE}/attributes/{key}"), Some(bearer), &[], None).await
}

on_both_databases!(
    e34_a_visit_begins_with_defaults,
    e35_the_company_in_a_context_is_the_servers_own,
    a_context_is_changed_by_whoever_read_it_last,
    a_visitors_context_is_forgotten_after_an_hour_without_use,
    a_machine_manages_contexts_with_its_scope_and_the_customers_proof,
);

async fn e34_a_visit_begins_with_defaults(database: Database) {
    let acme = Acme::start_on(database).await;
    let guest = acme.guest().await;
    let answer = mine(&acme, &guest.access).await;
    assert_eq!(
        (answer.status, answer.json()),
        (
            200,
            json!({
                "sessionId": guest.session, "siteCode": "main", "currency": "EUR", "targetLocation": "DE",
                "language": "en", "context": {}, "metadata": { "version": 1 },
            })
        )
    );
    let path = "/customerlogin/auth/anonymous/login?tenant=acme&client_id=sf";
    for (query, expected) in [
        ("&currency=CHF&siteCode=main&language=de&targetLocation=CH", ["main", "CHF", "de", "CH"]),
        ("&currency=gold&siteCode=moon&language=tlh&targetLocation=Mars", ["main", "EUR", "en", "DE"]),
    ] {
        let guest = prokura_testkit::Tokens::of(&acme.server.get(&format!("{path}{query}"), None).await);
        let answer = mine(&acme, &guest.access).await;
        let found = ["/siteCode", "/currency", "/language", "/targetLocation"].map(|pointer| text(&answer, pointer));
        assert_eq!(found, expected.map(str::to_owned), "{query}");
    }
}

async fn e35_the_company_in_a_context_is_the_servers_own(database: Database) {
    let acme = Acme::start_on(database).await;
    let guest = acme.guest().await;
    assert_eq!(attribute(&acme, &guest.access, "theme", &json!("dark")).await.status, 201);
    let ann = acme.log_in_as(&guest, "ann").await;
    let after_login = mine(&acme, &ann.access).await;
    assert_eq!(text(&after_login, "/customerId"), "ann");
    assert_eq!(text(&after_login, "/context/theme"), "dark", "what a visitor preferred survives the login");
    assert!(after_login.json().pointer("/context/legalEntityId").is_none());

    let chosen = acme.refresh(&guest.access, &ann.refresh, Some("le-1")).await;
    let mut whole = mine(&acme, &chosen.access).await.json();
    assert_eq!(whole["context"]["legalEntityId"], "le-1");
    whole["context"]["legalEntityId"] = json!("le-2");
    assert_eq!(patch(&acme, &chosen.access, "", &whole).await.status, 204);
    let mut echoed = mine(&acme, &chosen.access).await.json();
    assert_eq!(echoed["context"], json!({ "theme": "dark", "legalEntityId": "le-1" }));
    echoed["context"] = json!({ "theme": "light" });
    assert_eq!(patch(&acme, &chosen.access, "?upsert=true", &echoed).await.status, 204);
    let seen = mine(&acme, &chosen.access).await.json();
    assert_eq!(seen["context"], json!({ "theme": "light", "legalEntityId": "le-1" }));
    for (key, status) in [("legalEntityId", 400), ("legalEntity", 201)] {
        assert_eq!(attribute(&acme, &chosen.access, key, &json!("le-2")).await.status, status, "{key}");
    }
    assert_eq!(drop_attribute(&acme, &chosen.access, "legalEntityId").await.status, 400);

    // Whoever planted the visitor's token sees which language is spoken, and nothing of the customer.
    let outside = mine(&acme, &guest.access).await;
    assert_eq!((outside.status, text(&outside, "/currency")), (200, "EUR".to_owned()));
    assert!(outside.json().get("customerId").is_none() && outside.json().get("cartId").is_none());
    assert_eq!(outside.json()["context"], json!({}));
    let body = json!({ "language": "de", "context": { "theme": "pink" }, "metadata": outside.json()["metadata"] });
    assert_eq!(patch(&acme, &guest.access, "", &body).await.status, 204);
    let seen = mine(&acme, &chosen.access).await.json();
    assert_eq!((&seen["language"], &seen["context"]["theme"]), (&json!("de"), &json!("light")));
    assert_eq!(attribute(&acme, &guest.access, "theme", &json!("pink")).await.status, 403);
    assert_eq!(drop_attribute(&acme, &guest.access, "theme").await.status, 403);

    let private = acme.refresh(&guest.access, &chosen.refresh, None).await;
    assert!(mine(&acme, &private.access).await.json().pointer("/context/legalEntityId").is_none());
}

async fn a_context_is_changed_by_whoever_read_it_last(database: Database) {
    let acme = Acme::start_on(database).await;
    let guest = acme.guest().await;
    let version = |answer: &Answer| answer.json().pointer("/metadata/version").and_then(Value::as_i64).unwrap();
    let read = mine(&acme, &guest.access).await;
    let body = json!({ "currency": "USD", "metadata": { "version": version(&read) }, "sessionId": "x", "foo": 1 });
    assert_eq!(patch(&acme, &guest.access, "", &body).await.status, 204);
    let stale = patch(&acme, &guest.access, "", &body).await;
    assert_eq!((stale.status, text(&stale, "/sessionId")), (409, guest.session.clone()));
    assert_eq!(patch(&acme, &guest.access, "", &json!({ "currency": "USD" })).await.status, 400, "no version");
    let next = mine(&acme, &guest.access).await;
    assert_eq!((version(&next), text(&next, "/currency")), (version(&read) + 1, "USD".to_owned()));
    for wrong in [
        json!({ "currency": "dollars" }),
        json!({ "siteCode": "moon" }),
        json!({ "language": "!" }),
        json!({ "targetLocation": "Mars" }),
        json!({ "currency": 1 }),
        json!({ "context": "x" }),
        json!({ "context": { "x": "y".repeat(70_000) } }),
    ] {
        let mut body = wrong.clone();
        body["metadata"] = json!({ "version": version(&next) });
        let answer = patch(&acme, &guest.access, "", &body).await;
        assert_eq!((answer.status, answer.json()["code"].clone()), (400, json!(400)), "{wrong}");
    }
    // Attributes come and go without a version, and none is lost between two that come at once.
    let (first, second) = (json!({ "a": [1, 2] }), json!(2));
    let (one, two) =
        tokio::join!(attribute(&acme, &guest.access, "one", &first), attribute(&acme, &guest.access, "two", &second),);
    assert_eq!((one.status, two.status), (201, 201));
    let seen = mine(&acme, &guest.access).await.json();
    assert_eq!(seen["context"], json!({ "one": { "a": [1, 2] }, "two": 2 }));
    assert_eq!(drop_attribute(&acme, &guest.access, "one").await.status, 204);
    assert_eq!(drop_attribute(&acme, &guest.access, "one").await.status, 404);
    assert_eq!(attribute(&acme, &guest.access, "", &json!(1)).await.status, 400);
}

async fn a_visitors_context_is_forgotten_after_an_hour_without_use(database: Database) {
    let acme = Acme::start_on(database).await;
    let guest = acme.guest().await;
    let ann = acme.log_in("ann").await;
    assert_eq!(attribute(&acme, &guest.access, "theme", &json!("dark")).await.status, 201);
    acme.server.advance(3_000);
    assert_eq!(mine(&acme, &guest.access).await.status, 200, "a look is a use");
    let refreshed = |refresh: String| {
        let path = format!("/customerlogin/auth/anonymous/refresh?tenant=acme&client_id=sf&refresh_token={refresh}");
        let acme = &acme;
        async move { prokura_testkit::Tokens::of(&acme.server.get(&path, None).await) }
    };
    let guest = refreshed(guest.refresh).await;
    acme.server.advance(3_500);
    assert_eq!(mine(&acme, &guest.access).await.status, 200);
    let guest = refreshed(guest.refresh).await;
    acme.server.advance(3_600 - 1);
    let guest = refreshed(guest.refresh).await;
    acme.server.advance(1);
    let gone = mine(&acme, &guest.access).await;
    assert_eq!((gone.status, text(&gone, "/sessionId")), (404, guest.session.clone()));
    assert_eq!(gone.json()["code"], 404);
    let body = json!({ "currency": "USD", "metadata": { "version": 7 } });
    assert_eq!(patch(&acme, &guest.access, "", &body).await.status, 404);
    assert_eq!(patch(&acme, &guest.access, "?upsert=true", &body).await.status, 204);
    let anew = mine(&acme, &guest.access).await.json();
    assert_eq!((&anew["currency"], &anew["context"]), (&json!("USD"), &json!({})), "what was forgotten stays so");
    assert_eq!(text(&mine(&acme, &ann.access).await, "/customerId"), "ann", "a customer's stays");
}

async fn a_machine_manages_contexts_with_its_scope_and_the_customers_proof(database: Database) {
    let acme = Acme::start_on(database).await;
    let service = acme.service().await;
    let guest = acme.guest().await;
    let path = format!("/session-context/acme/context/{}", guest.session);
    let call = |method: Method, path: String, saas: Option<String>, body: Option<Value>| {
        let (acme, service) = (&acme, service.clone());
        async move {
            let headers: Vec<(&str, &str)> = saas.iter().map(|saas| ("saas-token", saas.as_str())).collect();
            acme.call(method, &path, Some(&service), &headers, body.as_ref()).await
        }
    };
    assert_eq!(call(Method::GET, path.clone(), None, None).await.json()["sessionId"], json!(guest.session));
    let body = json!({ "currency": "CHF", "cartId": "cart-1", "context": { "a": 1, "legalEntityId": "le-1" } });
    assert_eq!(call(Method::PUT, path.clone(), None, Some(body.clone())).await.status, 204);
    let seen = mine(&acme, &guest.access).await.json();
    assert_eq!((&seen["cartId"], &seen["context"]), (&json!("cart-1"), &json!({ "a": 1 })));
    let stale = json!({ "metadata": { "version": 1 } });
    assert_eq!(call(Method::PUT, path.clone(), None, Some(stale)).await.status, 409);
    for (key, status) in [("b", 204), ("legalEntityId", 400)] {
        let body = Some(json!({ "key": key, "value": 2 }));
        assert_eq!(call(Method::POST, format!("{path}/attributes"), None, body).await.status, status);
    }
    assert_eq!(call(Method::DELETE, format!("{path}/attributes/b"), None, None).await.status, 204);

    let ann = acme.log_in_as(&guest, "ann").await;
    let bob = acme.log_in("bob").await;
    assert!(mine(&acme, &ann.access).await.json().get("cartId").is_none(), "a new owner finds no foreign cart");
    assert_eq!(call(Method::GET, path.clone(), None, None).await.json()["customerId"], "ann");
    assert_eq!(call(Method::PUT, path.clone(), None, Some(body.clone())).await.status, 403);
    assert_eq!(call(Method::PUT, path.clone(), Some(bob.saas.clone()), Some(body.clone())).await.status, 403);
    let mut forged = ann.saas.clone();
    forged.replace_range(forged.len() - 4.., "AAAA");
    assert!(is_refused_bearer(&call(Method::PUT, path.clone(), Some(forged), Some(body.clone())).await));
    assert_eq!(call(Method::PUT, path.clone(), Some(ann.saas.clone()), Some(body.clone())).await.status, 204);
    assert_eq!(text(&mine(&acme, &ann.access).await, "/cartId"), "cart-1");
    assert!(mine(&acme, &guest.access).await.json().get("cartId").is_none());
    acme.server.advance(14_400);
    assert!(is_refused_bearer(&call(Method::PUT, path.clone(), Some(ann.saas.clone()), Some(body.clone())).await));

    let service = acme.service().await;
    let unknown = "/session-context/acme/context/00000000-0000-0000-0000-000000000000";
    for path in [unknown, "/session-context/acme/context/%20"] {
        assert_eq!(acme.server.get(path, Some(&service)).await.status, 404);
        let query = format!("{path}?upsert=true");
        let answer = acme.call(Method::PUT, &query, Some(&service), &[], Some(&body)).await;
        assert_eq!(answer.status, 404, "a context belongs to a session");
    }
    let secret = acme.backend_secret.expose();
    let narrow = text(&acme.try_service("bk", secret, Some("iam.group_read")).await, "/access_token");
    for bearer in [&narrow, &ann.access] {
        let answer = acme.server.get(&path, Some(bearer)).await;
        assert_eq!(answer.status, 403);
        assert!(answer.text.contains("missing scope: sessioncontext.context_manage"), "{}", answer.text);
    }
    assert!(is_refused_bearer(&mine(&acme, &service).await), "a machine has no session of its own");
}
