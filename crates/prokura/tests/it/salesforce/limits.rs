//! What the bridge gives nobody: more than was granted, another storefront's session, and sessions without end.

use super::{CALLBACK, EMAIL, Kind, PASSWORD, Shop, set_cookie, text, tokens};
use crate::arrange::{client_id, on_both_databases, origin, page_login, secret};
use prokura_domain::{ClientKind, RefreshPolicy, Scopes};
use prokura_engine::{
    Actor, AuthorizationRequest, BridgeToTokens, DirectWish, EntityWish, Manner, Progress, RedeemCode, Refresh, Site,
    VisitPages, Wishes,
};
use prokura_testkit::{Answer, Database};
use reqwest::{Method, RequestBuilder};

on_both_databases!(
    s24_the_bridge_gives_no_more_than_was_granted,
    a_client_that_may_not_bridge_opens_no_pages,
    a_session_is_of_one_storefront,
    a_name_of_a_visitor_holds_so_many_guests_and_no_more
);

async fn s24_the_bridge_gives_no_more_than_was_granted(database: Database) {
    let shop = Shop::on(database).await;
    let (engine, tenant, from) = (shop.world.engine(), &shop.world.tenant, origin());
    let (client, browser) = (client_id("native"), secret("a browser's own secret"));
    let all = shop.world.acting("le-1").await.standing().scopes.clone();
    assert!(all.iter().count() > 1, "{all:?}");
    let grants = "authorization_code refresh_token session_bridge";
    let policy = RefreshPolicy::Family;
    shop.world.server.client(tenant, "native", ClientKind::Public, grants, &all.to_string(), policy).await;
    let little = Scopes::parse(all.iter().next().unwrap().as_str()).unwrap();
    let wanted = AuthorizationRequest {
        redirect_uri: CALLBACK.to_owned(),
        scope: little.to_string(),
        legal_entity: Some("le-1".to_owned()),
        ..AuthorizationRequest::default()
    };
    shop.world.server.advance(2);
    let id = engine.begin_authorization(tenant, &client, &wanted, &browser).await.unwrap();
    let login = page_login(engine, tenant, Some(&client), EMAIL, PASSWORD).await.unwrap();
    let next = || engine.continue_authorization(tenant, &id, &browser, Some(&login.cookie), &from);
    assert!(matches!(next().await.unwrap(), Progress::Consent));
    engine.consent_to_authorization(tenant, &id, &browser, &login.cookie, &from).await.unwrap();
    let Progress::Answer(answer) = next().await.unwrap() else { panic!("a page more") };
    let redeemed = RedeemCode {
        client: client.clone(),
        code: answer.outcome.unwrap(),
        redirect_uri: None,
        code_verifier: None,
        resources: Vec::new(),
        direct: DirectWish::default(),
        manner: Manner::default(),
    };
    let granted = engine.redeem_code(tenant, &redeemed, &from).await.unwrap();
    assert_eq!(granted.standing().scopes, little, "what was asked for");

    let pages = engine.bridge_to_pages(tenant, granted.standing(), None, &from).await.unwrap();
    let request = BridgeToTokens {
        client: client.clone(),
        handle: pages.handle,
        customer: Some(shop.world.ann.clone()),
        code: None,
        manner: Manner::default(),
    };
    let bridged = engine.bridge_to_tokens(tenant, &request, &from).await.unwrap();
    assert_eq!(bridged.standing().scopes, little, "over the bridge");
    let keep = Refresh {
        refresh_token: bridged.refresh.unwrap().token,
        client: Some(client.clone()),
        legal_entity: EntityWish::Keep,
        scopes: None,
        resources: Vec::new(),
        manner: Manner::default(),
    };
    let refreshed = engine.refresh_anybody(tenant, &client, &keep, &from).await.unwrap();
    assert_eq!(refreshed.standing().scopes, little, "and ever after");
    let cookie = pages.cookie.unwrap();
    let there = VisitPages {
        client,
        cookie: Some(cookie),
        refresh_token: None,
        wishes: Wishes::default(),
        is_activity: true,
        restores: true,
        manner: Manner::default(),
    };
    let visit = engine.visit_pages(tenant, &there, &from).await.unwrap();
    assert_eq!((visit.is_new, &visit.granted.standing().scopes), (false, &little), "on the pages as well");
}

async fn a_client_that_may_not_bridge_opens_no_pages(database: Database) {
    let shop = Shop::on(database).await;
    let (server, tenant) = (&shop.world.server, &shop.world.tenant);
    server.client(tenant, "api", ClientKind::Public, "guest refresh_token", "", RefreshPolicy::Reuse).await;
    let url = shop.url("/s/main/dw/shop/v23_1/customers/auth");
    let guest = shop.request(Method::POST, &url).header("x-dw-client-id", "api");
    let guest = shop.send(guest.json(&serde_json::json!({ "type": "guest" }))).await;
    let bearer = guest.headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap();
    let answer = shop.sessions(bearer, None).await;
    assert_eq!((answer.status, set_cookie(&answer, "dwsid")), (403, None), "{}", answer.text);
    assert_eq!(answer.json()["fault"]["type"], "ClientAccessForbiddenException");
}

async fn a_session_is_of_one_storefront(database: Database) {
    let shop = Shop::on(database).await;
    let (engine, tenant) = (shop.world.engine(), &shop.world.tenant);
    let main = engine.site(tenant, &"main".parse().unwrap()).await.unwrap();
    let outlet = Site { id: "outlet".parse().unwrap(), is_default: false, ..main };
    engine.put_site(tenant, &outlet, &Actor::System, &origin()).await.unwrap();
    let both: &[&str] = &["main", "outlet"];
    let secret =
        shop.client_of("both", ClientKind::Confidential, RefreshPolicy::Reuse, (both, false)).await.expect("a secret");
    let page = async |path: &str, form: &[(&str, &str)]| -> Answer {
        let url = shop.url(&format!("/t/acme/pages/{path}"));
        shop.send(shop.request(Method::POST, &url).basic_auth("both", Some(&secret)).form(form)).await
    };
    let login = [("login", EMAIL), ("password", PASSWORD), ("site", "main")];
    let buyer = tokens(&page("login", &login).await);
    let (cookie, refresh) = (text(&buyer, "session"), text(&buyer, "refresh_token"));
    let at = async |site: &str| {
        tokens(&page("session", &[("session", cookie), ("refresh_token", refresh), ("site", site)]).await)
    };
    let elsewhere = at("outlet").await;
    assert_eq!((elsewhere["kind"].as_str(), elsewhere["new"].as_bool()), (Some("guest"), Some(true)), "{elsewhere}");
    assert_ne!(text(&elsewhere, "session"), cookie);
    assert_ne!(elsewhere["usid"], buyer["usid"]);
    let here = at("main").await;
    assert_eq!((here["kind"].as_str(), here["new"].as_bool()), (Some("registered"), Some(false)), "it ended nothing");

    // A shop that serves one site takes over no session of another, and acts for nobody in it.
    let elsewhere = page("login", &[("login", EMAIL), ("password", PASSWORD), ("site", "outlet")]);
    shop.world.server.advance(2);
    let elsewhere = tokens(&elsewhere.await);
    let company = [("session", text(&elsewhere, "session")), ("legal_entity_id", "le-1")];
    assert_eq!(shop.page("company", &company).await.status, 401, "priv serves main alone");
    assert_eq!(tokens(&page("company", &company).await)["legal_entity_id"], "le-1", "both serves it");

    let probe = async |site: &str| {
        let url = shop.url(&format!("/s/{site}/dw/shop/v23_1/customers/auth"));
        let request = shop.request(Method::POST, &url).header("x-dw-client-id", "both");
        let with = |request: RequestBuilder| request.header("cookie", format!("dwsid={cookie}"));
        shop.send(with(request.json(&serde_json::json!({ "type": "session" })))).await.status
    };
    assert_eq!((probe("outlet").await, probe("main").await), (401, 200));
}

/// Somebody who learned the name of a visitor could otherwise begin guests under it until its owner's login, which ends
/// them all at once, takes ages.
async fn a_name_of_a_visitor_holds_so_many_guests_and_no_more(database: Database) {
    let shop = Shop::on(database).await;
    let first = shop.guest(Kind::Private, None).await;
    let usid = text(&first, "usid");
    let mut accesses = vec![text(&first, "access_token").to_owned()];
    for _ in 0..51 {
        // Who came first is told by the clock.
        shop.world.server.advance(1);
        let guest = shop.guest(Kind::Private, Some(usid)).await;
        assert_eq!(text(&guest, "usid"), usid);
        accesses.push(text(&guest, "access_token").to_owned());
    }
    let good: Vec<bool> = accesses.iter().map(|access| shop.world.is_good(access)).collect();
    assert_eq!(good, [vec![false; 2], vec![true; 50]].concat(), "the oldest made room");
    let buyer = shop.buyer(Kind::Private, Some(usid)).await;
    assert!(shop.world.is_good(text(&buyer, "access_token")));
    assert!(!accesses.iter().any(|access| shop.world.is_good(access)), "who logs in is nobody's guest");
}
