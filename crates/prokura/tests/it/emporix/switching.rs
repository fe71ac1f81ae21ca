//! Choosing and switching the company, without logging in again.

use super::{fault, invalid_refresh_token, is_refused_bearer, text};
use crate::arrange::on_both_databases;
use prokura_domain::{ClientKind, CustomerState, GroupCode, RefreshPolicy};
use prokura_engine::{Actor, Origin, TenantSettings};
use prokura_testkit::{Acme, Database, Options, Tokens};
use serde_json::json;

async fn entity_of(acme: &Acme, access: &str) -> Option<String> {
    let answer = acme.validate(access).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json().get("legalEntityId").map(|entity| entity.as_str().unwrap().to_owned())
}

on_both_databases!(
    e11_a_visitors_bearer_chooses_the_company,
    e13_whatever_is_not_the_customers_company_is_refused_alike,
    e15_the_token_before_a_switch_has_a_grace,
    e19_a_removed_right_ends_its_tokens_and_no_others,
    e45_two_switches_at_once_both_succeed,
);

async fn e11_a_visitors_bearer_chooses_the_company(database: Database) {
    let acme = Acme::start_on(database).await;
    let guest = acme.guest().await;
    let ann = acme.log_in_as(&guest, "ann").await;
    let answer = acme.try_refresh(&guest.access, &ann.refresh, Some("le-1")).await;
    let body = answer.json();
    let chosen = Tokens::of(&answer);
    assert_eq!(answer.headers["x-legal-entity"], "le-1");
    assert_eq!(body["session_id"], json!(guest.session));
    assert_eq!((&body["expires_in"], &body["refreshTokenExpiresIn"]), (&json!(2_591_999), &json!(2_591_999)));
    assert_eq!(body["saas_token"], body["saasToken"]);
    assert!(body.get("initialPassword").is_none());
    let seen = acme.validate(&chosen.access).await.json();
    assert_eq!(seen["legalEntityId"], "le-1");
    assert_eq!(seen["sessionId"], json!(guest.session));
    for scope in ["customer.customer_read_own", "iam.assignment_create_own", "order.order_read_le"] {
        assert!(seen["scope"].as_str().unwrap().contains(scope), "{scope}");
    }

    // E-12: with a customer's bearer to the other company, where ann is no admin.
    let switched = acme.refresh(&chosen.access, &chosen.refresh, Some("le-2")).await;
    let seen = acme.validate(&switched.access).await.json();
    assert_eq!(seen["legalEntityId"], "le-2");
    assert!(!seen["scope"].as_str().unwrap().contains("customer.customer_read_own"));
    assert!(seen["scope"].as_str().unwrap().contains("approval.approval_manage"));
}

async fn e13_whatever_is_not_the_customers_company_is_refused_alike(database: Database) {
    let acme = Acme::start_on(database).await;
    let guest = acme.guest().await;
    let ann = acme.log_in_as(&guest, "ann").await;
    let ann = acme.refresh(&guest.access, &ann.refresh, Some("le-1")).await;
    acme.company("le-gone", "Gone").await;
    acme.assign("ann", "le-gone", None).await;
    let (tenant, gone) = (&acme.tenant, "le-gone".parse().unwrap());
    let answer = acme.try_refresh(&guest.access, &ann.refresh, Some("le-gone")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let ann = Tokens::of(&acme.try_refresh(&guest.access, &ann.refresh, Some("le-1")).await);
    acme.server.engine.delete_legal_entity(tenant, &gone, &Actor::System, &Origin::local("test")).await.unwrap();
    let mut bodies = Vec::new();
    for entity in ["le-gone", "le-3", "nope", "n%20o%20p%20e", "%F0%9F%92%A9", &"x".repeat(200), "le-1%00", "acme"] {
        let answer = acme.try_refresh(&guest.access, &ann.refresh, Some(entity)).await;
        assert_eq!(answer.status, 400, "{entity}");
        bodies.push(answer.json());
    }
    bodies.dedup();
    let detail = json!({
        "field": "legalEntityId", "type": "invalid_value", "message": "Customer is not assigned to the legal entity"
    });
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert_eq!((&bodies[0]["type"], &bodies[0]["details"][0]), (&json!("validation_failure"), &detail));
    assert_eq!(entity_of(&acme, &ann.access).await.as_deref(), Some("le-1"), "the old tokens are as they were");
    acme.refresh(&guest.access, &ann.refresh, Some("le-2")).await;
}

#[tokio::test]
async fn e14_without_a_company_the_customer_is_a_private_person() {
    let acme = Acme::start().await;
    let guest = acme.guest().await;
    let ann = acme.log_in_as(&guest, "ann").await;
    let ann = acme.refresh(&guest.access, &ann.refresh, Some("le-1")).await;
    for parameter in ["&legalEntityId=", ""] {
        let path = format!("/customer/acme/refreshauthtoken?refreshToken={}{parameter}", ann.refresh);
        let answer = acme.server.get(&path, Some(&guest.access)).await;
        assert_eq!(answer.headers["x-legal-entity"], "none");
        let private = Tokens::of(&answer);
        assert_eq!(entity_of(&acme, &private.access).await, None);
        let scope = text(&acme.validate(&private.access).await, "/scope");
        assert!(!scope.contains("customer.customer_read_own"), "two companies, none chosen: base scopes");
    }
}

async fn e15_the_token_before_a_switch_has_a_grace(database: Database) {
    let acme = Acme::start_on(database).await;
    let guest = acme.guest().await;
    let ann = acme.log_in_as(&guest, "ann").await;
    let before = acme.refresh(&guest.access, &ann.refresh, Some("le-1")).await;
    let after = acme.refresh(&guest.access, &before.refresh, Some("le-2")).await;
    acme.server.advance(5);
    assert_eq!(entity_of(&acme, &before.access).await.as_deref(), Some("le-1"), "with the company it was made for");
    acme.server.advance(56);
    assert!(is_refused_bearer(&acme.validate(&before.access).await));
    assert!(is_refused_bearer(&acme.validate(&ann.access).await));
    assert_eq!(entity_of(&acme, &after.access).await.as_deref(), Some("le-2"));
    let prolonged = acme.refresh(&guest.access, &after.refresh, Some("le-2")).await;
    acme.server.advance(120);
    assert_eq!(entity_of(&acme, &after.access).await.as_deref(), Some("le-2"), "prolonging is no switch");
    assert_eq!(entity_of(&acme, &prolonged.access).await.as_deref(), Some("le-2"));
}

#[tokio::test]
async fn e15_a_tenant_without_grace_ends_the_token_at_once() {
    let settings = TenantSettings { switch_grace_seconds: 0, ..prokura_emporix::tenant_settings() };
    let acme = Acme::start_with(Options { settings: Some(settings), ..Options::default() }).await;
    let guest = acme.guest().await;
    let ann = acme.log_in_as(&guest, "ann").await;
    let before = acme.refresh(&guest.access, &ann.refresh, Some("le-1")).await;
    acme.refresh(&guest.access, &before.refresh, Some("le-2")).await;
    assert!(is_refused_bearer(&acme.validate(&before.access).await));
}

#[tokio::test]
async fn e16_the_token_of_the_login_works_after_two_switches() {
    let acme = Acme::start().await;
    let guest = acme.guest().await;
    let ann = acme.log_in_as(&guest, "ann").await;
    let one = acme.refresh(&guest.access, &ann.refresh, Some("le-1")).await;
    let two = acme.refresh(&guest.access, &one.refresh, Some("le-2")).await;
    acme.server.advance(3_000);
    let again = acme.refresh(&guest.access, &ann.refresh, Some("le-1")).await;
    assert_eq!(again.session, ann.session);
    acme.refresh(&again.access, &two.refresh, None).await;
}

#[tokio::test]
async fn e16_where_rotation_is_strict_a_used_token_ends_the_family() {
    let acme = Acme::start().await;
    let grants = "guest password refresh_token";
    let policy = RefreshPolicy::Rotate { leeway_seconds: 0 };
    acme.server.client(&acme.tenant, "strict", ClientKind::Public, grants, "", policy).await;
    let path = "/customerlogin/auth/anonymous/login?tenant=acme&client_id=strict";
    let guest = Tokens::of(&acme.server.get(path, None).await);
    let ann = acme.log_in_as(&guest, "ann").await;
    let one = acme.refresh(&guest.access, &ann.refresh, Some("le-1")).await;
    let two = acme.refresh(&guest.access, &one.refresh, Some("le-2")).await;
    let reused = acme.try_refresh(&guest.access, &ann.refresh, Some("le-1")).await;
    assert_eq!(fault(&reused), invalid_refresh_token());
    assert_eq!(fault(&acme.try_refresh(&guest.access, &two.refresh, None).await), invalid_refresh_token());
    assert!(is_refused_bearer(&acme.validate(&two.access).await));
}

#[tokio::test]
async fn e17_any_visit_may_bring_the_refresh_token() {
    let acme = Acme::start().await;
    let ann = acme.log_in("ann").await;
    let reloaded = acme.guest().await;
    let chosen = acme.refresh(&reloaded.access, &ann.refresh, Some("le-1")).await;
    assert_ne!(reloaded.session, ann.session);
    assert_eq!(chosen.session, ann.session);
}

#[tokio::test]
async fn e18_another_customer_may_not_bring_it() {
    let acme = Acme::start().await;
    let (ann, bob) = (acme.log_in("ann").await, acme.log_in("bob").await);
    let answer = acme.try_refresh(&bob.access, &ann.refresh, Some("le-1")).await;
    assert_eq!(fault(&answer), invalid_refresh_token());
    let service = acme.service().await;
    assert_eq!(acme.try_refresh(&service, &ann.refresh, None).await.status, 401);
    acme.refresh(&ann.access, &ann.refresh, Some("le-1")).await;
}

#[tokio::test]
async fn a_refresh_is_checked_in_the_order_clients_rely_on() {
    let acme = Acme::start().await;
    let guest = acme.guest().await;
    let ann = acme.log_in_as(&guest, "ann").await;
    let get = |query: String, bearer: Option<String>| {
        let acme = &acme;
        async move { acme.server.get(&format!("/customer/acme/refreshauthtoken?{query}"), bearer.as_deref()).await }
    };
    let bearer = Some(guest.access.clone());
    // 1 the bearer, before anything else
    assert!(is_refused_bearer(&get(String::new(), None).await));
    // 2 the token is there, once
    let missing = get("legalEntityId=le-1".to_owned(), bearer.clone()).await;
    assert_eq!((missing.status, &*text(&missing, "/type")), (400, "bad_request"));
    assert_eq!(text(&missing, "/details/0/field"), "refreshToken");
    for query in [
        format!("refreshToken={0}&refreshToken={0}", ann.refresh),
        format!("refreshToken={}&legalEntityId=le-1&legalEntityId=le-1", ann.refresh),
        format!("refreshToken={}&legalEntityId=le-1&legalEntityId=", ann.refresh),
    ] {
        assert_eq!(get(query, bearer.clone()).await.status, 400);
    }
    // 3 it is known, before anybody asks for the company
    let unknown = get("refreshToken=pkr_rt_nothing&legalEntityId=nope".to_owned(), bearer.clone()).await;
    assert_eq!(fault(&unknown), invalid_refresh_token());
    let visitors = get(format!("refreshToken={}", guest.refresh), bearer.clone()).await;
    assert_eq!(fault(&visitors), invalid_refresh_token());
    // an expired bearer is refused though the refresh token is good
    acme.server.advance(3_600);
    assert!(is_refused_bearer(&get(format!("refreshToken={}", ann.refresh), bearer).await));
    acme.refresh(&acme.guest().await.access, &ann.refresh, Some("le-1")).await;
    // past its end
    acme.server.advance(2_592_001);
    let late = acme.try_refresh(&acme.guest().await.access, &ann.refresh, None).await;
    assert_eq!(fault(&late).2, "keymanagement.service.refresh_token_expired");
    // 4 the customer
    let ann = acme.log_in("ann").await;
    let (customer, origin) = (acme.customer("ann"), Origin::local("test"));
    let state = CustomerState::OnHold;
    acme.server.engine.set_customer_state(&acme.tenant, &customer, state, &Actor::System, &origin).await.unwrap();
    let held = acme.try_refresh(&acme.guest().await.access, &ann.refresh, Some("nope")).await;
    assert_eq!(fault(&held), invalid_refresh_token());
    assert!(is_refused_bearer(&acme.validate(&ann.access).await));
}

async fn e19_a_removed_right_ends_its_tokens_and_no_others(database: Database) {
    let acme = Acme::start_on(database).await;
    let guest = acme.guest().await;
    let one = acme.acting_for("ann", "le-1").await;
    let two = acme.acting_for("ann", "le-2").await;
    let (engine, origin) = (&acme.server.engine, Origin::local("test"));
    let assignment = acme.assignment("ann", "le-1");
    engine.unassign(&acme.tenant, &assignment, &Actor::System, &origin).await.unwrap();
    let gone = acme.validate(&one.access).await;
    assert_eq!(fault(&gone).2, "keymanagement.service.access_token_expired");
    assert_eq!(entity_of(&acme, &two.access).await.as_deref(), Some("le-2"));
    assert_eq!(acme.try_refresh(&guest.access, &one.refresh, Some("le-1")).await.status, 400);
    let back = acme.refresh(&guest.access, &one.refresh, Some("le-2")).await;
    assert_eq!(entity_of(&acme, &back.access).await.as_deref(), Some("le-2"));
    acme.assign("ann", "le-1", Some(GroupCode::Buyer)).await;
    assert!(is_refused_bearer(&acme.validate(&one.access).await), "a new right does not revive old tokens");
    let anew = acme.refresh(&guest.access, &one.refresh, Some("le-1")).await;
    assert!(!text(&acme.validate(&anew.access).await, "/scope").contains("customer.customer_read_own"));
}

async fn e45_two_switches_at_once_both_succeed(database: Database) {
    let acme = Acme::start_on(database).await;
    let guest = acme.guest().await;
    let ann = acme.log_in_as(&guest, "ann").await;
    let mut refresh = ann.refresh;
    for _ in 0..10 {
        let (one, two) = tokio::join!(
            acme.try_refresh(&guest.access, &refresh, Some("le-1")),
            acme.try_refresh(&guest.access, &refresh, Some("le-2")),
        );
        let (one, two) = (Tokens::of(&one), Tokens::of(&two));
        assert_eq!(entity_of(&acme, &one.access).await.as_deref(), Some("le-1"));
        assert_eq!(entity_of(&acme, &two.access).await.as_deref(), Some("le-2"));
        let context = acme.server.get("/session-context/acme/me/context", Some(&one.access)).await;
        assert!(matches!(&*text(&context, "/context/legalEntityId"), "le-1" | "le-2"), "{}", context.text);
        refresh = two.refresh;
    }
}
