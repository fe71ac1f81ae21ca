//! Clients that are trusted to log shoppers in: whom an identity provider knows, and by OCAPI.

use super::{EMAIL, Kind, PASSWORD, SCOPES, Shop, basic, position, text, tokens};
use crate::arrange::{on_both_databases, origin};
use prokura_domain::{ClientKind, Email, RefreshPolicy};
use prokura_engine::{Actor, AuditFilter, PartnerIdentifier, PartnerMetadata, PutPartnerIdp};
use prokura_testkit::{Answer, Database};
use reqwest::Method;
use serde_json::{Value, json};

on_both_databases!(
    a_trusted_system_brings_somebody_new_by_their_provider,
    s80_a_provider_and_a_login_are_one_shopper,
    s82_a_trusted_system_vouches_for_no_more_addresses_than_the_provider,
    s83_a_provider_that_may_make_nobody_brings_nobody_new,
    s86_whom_a_provider_brought_is_out_when_it_is_switched_off,
    a_client_without_the_grant_makes_nobody,
    the_same_shopper_is_logged_in_once_in_three_seconds,
    ocapi_logs_in_for_a_trusted_system,
);

/// `okta` as most tests want it: it knows people by their subject alone, and makes customers.
fn okta() -> PutPartnerIdp {
    PutPartnerIdp {
        id: "okta".parse().unwrap(),
        name: "Okta".to_owned(),
        issuer: "https://okta.example".to_owned(),
        client_id: "shop".to_owned(),
        client_secret: Some(crate::arrange::secret("okta's secret")),
        metadata: PartnerMetadata::default(),
        redirect_uris: Vec::new(),
        email_domains: vec!["a.example".to_owned()],
        identifier: PartnerIdentifier::Subject,
        creates_customers: true,
        is_active: true,
    }
}

async fn save(shop: &Shop, request: PutPartnerIdp) {
    let (engine, tenant) = (shop.world.engine(), &shop.world.tenant);
    let seen = engine.partner_idp(tenant, &request.id).await.ok().map(|there| there.version);
    engine.save_partner_idp(tenant, &request, seen, &Actor::System, &origin()).await.unwrap();
}

async fn bring(shop: &Shop, known_from: &str, login: &str, more: &[(&str, &str)]) -> Answer {
    let form = [
        &[
            ("grant_type", "client_credentials"),
            ("hint", "ts_ext_on_behalf_of"),
            ("login_id", login),
            ("idp_origin", known_from),
            ("channel_id", "main"),
        ],
        more,
    ]
    .concat();
    shop.post(Kind::Private, "trusted-system/token", &form).await
}

/// What the trail says of the last try.
async fn reason(shop: &Shop, answer: &Answer) -> String {
    let filter = AuditFilter { verb: Some("customer.log_in_on_behalf".to_owned()), ..AuditFilter::default() };
    let trail = shop.world.engine().audit_trail(&shop.world.tenant.id, &filter, "", 200).await.unwrap();
    let entry = trail.iter().find(|entry| entry.request_id == answer.headers["x-request-id"]).unwrap();
    let detail: Value = serde_json::from_str(&entry.detail_json).unwrap();
    detail["reason"].as_str().unwrap_or_default().to_owned()
}

async fn a_trusted_system_brings_somebody_new_by_their_provider(database: Database) {
    let shop = Shop::on(database).await;
    let unknown = bring(&shop, "okta", "00u-eve", &[("email_id", "eve@a.example")]).await;
    assert_eq!(unknown.status, 401, "no such provider is registered: {}", unknown.text);
    save(&shop, okta()).await;
    let eve = tokens(&bring(&shop, "okta", "00u-eve", &[("email_id", "eve@a.example")]).await);
    let access = text(&eve, "access_token");
    assert_eq!(position(access, 1), "upn:eve@a.example");
    assert_eq!(position(access, 5), "tsob:ts_ext_on_behalf_of");
    assert_eq!(eve["dnt"], "false");
    // She is known by what the provider calls her, and is a shopper like any other.
    shop.world.server.advance(4);
    let again = tokens(&bring(&shop, "okta", "00u-eve", &[]).await);
    assert_eq!(again["customer_id"], eve["customer_id"]);
    shop.world.server.advance(4);
    let by_address = tokens(&bring(&shop, "ecom", "eve@a.example", &[]).await);
    assert_eq!(by_address["customer_id"], eve["customer_id"]);
    // Of somebody without an address, their number stands where the login is.
    let bare = tokens(&bring(&shop, "okta", "00u-bob", &[]).await);
    assert_eq!(position(text(&bare, "access_token"), 1), format!("upn:{}", text(&bare, "customer_id")));
    let nobody = bring(&shop, "ecom", "00u-eve", &[]).await;
    assert_eq!(nobody.status, 401, "the shop's own shoppers have addresses: {}", nobody.text);
    assert_eq!(bring(&shop, "myspace", "00u-eve", &[]).await.status, 400, "no origin there is");
    assert_eq!(bring(&shop, "okta", &"x".repeat(129), &[]).await.status, 400, "too long a name");
}

async fn s80_a_provider_and_a_login_are_one_shopper(database: Database) {
    let shop = Shop::on(database).await;
    save(&shop, okta()).await;
    save(&shop, PutPartnerIdp { id: "google".parse().unwrap(), email_domains: Vec::new(), ..okta() }).await;
    let there = tokens(&bring(&shop, "okta", "17", &[]).await);
    let elsewhere = tokens(&bring(&shop, "google", "17", &[]).await);
    assert_ne!(there["customer_id"], elsewhere["customer_id"], "the same word of another provider");
    // An account that is there already is nobody's who comes by a subject.
    let ann = bring(&shop, "okta", "18", &[("email_id", EMAIL)]).await;
    assert_eq!((ann.status, &*reason(&shop, &ann).await), (401, "address_taken"), "{}", ann.text);
}

async fn s82_a_trusted_system_vouches_for_no_more_addresses_than_the_provider(database: Database) {
    let shop = Shop::on(database).await;
    save(&shop, PutPartnerIdp { identifier: PartnerIdentifier::Email, ..okta() }).await;
    let ann = tokens(&bring(&shop, "okta", "00u-ann", &[("email_id", EMAIL)]).await);
    let own = shop.authenticate("credentials", |request| request.basic_auth(EMAIL, Some(PASSWORD))).await;
    assert_eq!(ann["customer_id"], tokens(&own)["customer_id"], "her account is hers there, too");
    let other = bring(&shop, "okta", "00u-ann-2", &[("email_id", EMAIL)]).await;
    assert_eq!((other.status, &*reason(&shop, &other).await), (401, "linked_to_another_subject"));
    for address in ["eve@other.example", "no address"] {
        let foreign = bring(&shop, "okta", "00u-eve", &[("email_id", address)]).await;
        assert_eq!((foreign.status, &*reason(&shop, &foreign).await), (401, "email_not_verified"), "{address}");
    }
}

async fn s83_a_provider_that_may_make_nobody_brings_nobody_new(database: Database) {
    let shop = Shop::on(database).await;
    save(&shop, PutPartnerIdp { creates_customers: false, ..okta() }).await;
    let refused = bring(&shop, "okta", "00u-eve", &[("email_id", "eve@a.example")]).await;
    assert_eq!((refused.status, &*reason(&shop, &refused).await), (401, "unknown_customer"));
    save(&shop, okta()).await;
    let eve = tokens(&bring(&shop, "okta", "00u-eve", &[("email_id", "eve@a.example")]).await);
    save(&shop, PutPartnerIdp { creates_customers: false, ..okta() }).await;
    shop.world.server.advance(4);
    let again = tokens(&bring(&shop, "okta", "00u-eve", &[]).await);
    assert_eq!(again["customer_id"], eve["customer_id"], "whom it knows comes in");
}

async fn s86_whom_a_provider_brought_is_out_when_it_is_switched_off(database: Database) {
    let shop = Shop::on(database).await;
    save(&shop, okta()).await;
    let eve = tokens(&bring(&shop, "okta", "00u-eve", &[]).await);
    let ann = tokens(&bring(&shop, "ecom", EMAIL, &[]).await);
    save(&shop, PutPartnerIdp { is_active: false, ..okta() }).await;
    assert!(!shop.world.is_good(text(&eve, "access_token")));
    assert_eq!(shop.refresh(Kind::Private, text(&eve, "refresh_token"), &[]).await.status, 400);
    assert!(shop.world.is_good(text(&ann, "access_token")), "she did not come by it");
    shop.world.server.advance(4);
    assert_eq!(bring(&shop, "okta", "00u-eve", &[]).await.status, 401);
    let new = bring(&shop, "okta", "00u-new", &[]).await;
    assert_eq!((new.status, &*reason(&shop, &new).await), (401, "switched_off"));
}

async fn a_client_without_the_grant_makes_nobody(database: Database) {
    let shop = Shop::on(database).await;
    save(&shop, okta()).await;
    let (server, tenant) = (&shop.world.server, &shop.world.tenant);
    let secret = server.client(tenant, "half", ClientKind::Confidential, "guest", SCOPES, RefreshPolicy::Reuse).await;
    let basic = basic("half", secret.unwrap().expose());
    let form = [
        ("grant_type", "client_credentials"),
        ("hint", "ts_ext_on_behalf_of"),
        ("login_id", "00u-eve"),
        ("email_id", "eve@a.example"),
        ("idp_origin", "okta"),
        ("channel_id", "main"),
    ];
    let request = shop.request(Method::POST, &shop.slas("trusted-system/token")).header("authorization", basic);
    let answer = shop.send(request.form(&form)).await;
    assert_eq!(answer.status, 401, "{}", answer.text);
    let there = server.engine.customer_by_email(tenant, &Email::parse("eve@a.example").unwrap()).await.unwrap();
    assert!(there.is_none(), "nobody was made");
}

async fn the_same_shopper_is_logged_in_once_in_three_seconds(database: Database) {
    let shop = Shop::on(database).await;
    tokens(&bring(&shop, "ecom", EMAIL, &[]).await);
    let soon = bring(&shop, "ecom", &EMAIL.to_uppercase(), &[]).await;
    assert_eq!(soon.status, 409, "{}", soon.text);
    assert_eq!(soon.json()["message"], "The same loginId and tenantId tried to login twice within 3 seconds.");
    for _ in 0..2 {
        tokens(&bring(&shop, "ecom", "guest", &[]).await);
    }
    shop.world.server.advance(4);
    tokens(&bring(&shop, "ecom", EMAIL, &[]).await);
}

async fn ocapi_logs_in_for_a_trusted_system(database: Database) {
    let shop = Shop::on(database).await;
    let (server, tenant) = (&shop.world.server, &shop.world.tenant);
    let grants = "client_credentials on_behalf refresh_token session_bridge";
    let secret = server.client(tenant, "sys", ClientKind::Confidential, grants, SCOPES, RefreshPolicy::Reuse).await;
    let secret = secret.unwrap().expose().to_owned();
    let own_token = async |scope: &str| {
        let form = [("grant_type", "client_credentials"), ("scope", scope)];
        let request = server.http.post(shop.url("/t/acme/token")).basic_auth("sys", Some(&secret)).form(&form);
        text(&tokens(&server.send(request).await), "access_token").to_owned()
    };
    let ask = async |bearer: &str, body: &Value| {
        let url = shop.url("/s/main/dw/shop/v23_1/customers/auth/trustedsystem");
        shop.send(shop.request(Method::POST, &url).bearer_auth(bearer).json(body)).await
    };
    let refused = |answer: &Answer, status: u16, kind: &str| {
        assert_eq!(answer.status, status, "{}", answer.text);
        assert_eq!(answer.json()["fault"]["type"], kind, "{}", answer.text);
    };
    let system = own_token("sfcc.ts_ext_on_behalf_of").await;
    let order = json!({ "client_id": "sys", "login": EMAIL });
    let answer = ask(&system, &order).await;
    let body = tokens(&answer);
    assert_eq!((body["auth_type"].as_str(), body["login"].as_str()), (Some("registered"), Some(EMAIL)));
    let shopper = answer.headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned();
    assert_eq!(position(&shopper, 5), "tsob:ts_ext_on_behalf_of");
    assert_eq!(shop.sessions(&shopper, None).await.status, 204, "it opens the shop's pages");

    refused(&ask(&shopper, &order).await, 403, "ClientAccessForbiddenException");
    refused(&ask(&own_token("sfcc.shopper-products").await, &order).await, 403, "ClientAccessForbiddenException");
    refused(&ask("nonsense", &order).await, 401, "InvalidAccessTokenException");
    let other = json!({ "client_id": "priv", "login": EMAIL });
    refused(&ask(&system, &other).await, 403, "ClientAccessForbiddenException");
    for login in ["nobody@a.example", "no address"] {
        let unknown = json!({ "client_id": "sys", "login": login });
        refused(&ask(&system, &unknown).await, 401, "AuthenticationFailedException");
    }
    refused(&ask(&system, &json!({ "login": EMAIL })).await, 400, "MalformedParameterException");
    let url = shop.url("/s/elsewhere/dw/shop/v23_1/customers/auth/trustedsystem");
    let elsewhere = shop.send(shop.request(Method::POST, &url).bearer_auth(&system).json(&order)).await;
    refused(&elsewhere, 404, "NotFoundException");
    let get = shop.send(shop.request(Method::GET, &url).bearer_auth(&system)).await;
    refused(&get, 405, "MethodNotAllowedException");
}
