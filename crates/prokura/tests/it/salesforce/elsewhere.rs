//! Logins elsewhere than in the client's own form: on our pages, and back to the client's redirect URI with a code.

use super::{CALLBACK, CHALLENGE, EMAIL, Kind, SCOPES, Shop, VERIFIER, position, text, tokens};
use crate::{
    arrange::{PASSWORD, customer, on_both_databases, origin},
    oauth::robot::{Robot, form, location, query},
};
use prokura_domain::{ClientKind, RefreshPolicy};
use prokura_engine::{Actor, ClientChange};
use prokura_testkit::{Answer, Database, claims};
use reqwest::Method;
use std::collections::BTreeMap;

on_both_databases!(
    a_shopper_logs_in_on_our_pages_and_comes_back,
    a_private_client_redeems_with_its_secret_alone,
    s95_a_login_belongs_to_the_browser_that_began_it,
    s20_a_code_from_the_pages_is_bound_to_all_that_was_asked,
    s21_a_code_from_the_pages_that_comes_back_ends_what_it_led_to,
    s06_nothing_is_sent_to_an_address_that_was_not_registered,
    s90_the_login_of_the_shop_is_another_session_than_that_of_the_pages,
    who_says_no_is_an_error_at_the_redirect_uri,
    a_name_somebody_else_is_logged_in_under_is_not_taken_over,
);

const USID: &str = "a8a2b1c4-0f3e-4d55-9d5c-0123456789ab";

/// What a client asks first.
pub(super) fn begin(client: &str) -> Vec<(&str, &str)> {
    vec![
        ("client_id", client),
        ("channel_id", "main"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("code_challenge", CHALLENGE),
    ]
}

/// The same with more, or with something else.
pub(super) fn with<'a>(
    mut parameters: Vec<(&'a str, &'a str)>,
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    parameters.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    parameters.extend_from_slice(more);
    parameters
}

/// The path on our server that `authorize` sends a browser to.
async fn door(shop: &Shop, parameters: &[(&str, &str)]) -> String {
    door_of(shop, &shop.authorize(parameters).await)
}

/// The path on our server that a redirect leads to.
pub(super) fn door_of(shop: &Shop, answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{}", answer.text);
    let there = location(answer).unwrap();
    let rest = there.strip_prefix(&*shop.world.tenant.issuer).unwrap_or_else(|| panic!("elsewhere: {there}"));
    format!("/t/{}{rest}", shop.world.tenant.id)
}

/// Goes through the pages from their first one, up to the question `action` is the answer to.
pub(super) async fn walk(robot: &mut Robot<'_>, door: &str, who: &str, action: &str) -> Answer {
    let answer = robot.get(door).await;
    let page = robot.follow(answer).await;
    let page = robot.submit(&form(&page), &[("username", who), ("action", "continue")]).await;
    let answer = robot.submit(&form(&page), &[("password", PASSWORD), ("action", "log_in")]).await;
    let mut page = robot.follow(answer).await;
    if page.status == 200 && form(&page).action.ends_with("/company") {
        let answer = robot.submit(&form(&page), &[("legal_entity_id", "le-1"), ("action", "choose")]).await;
        page = robot.follow(answer).await;
    }
    if page.status == 200 {
        let answer = robot.submit(&form(&page), &[("action", action)]).await;
        page = robot.follow(answer).await;
    }
    page
}

/// What the client hears at its redirect URI.
pub(super) fn told(answer: &Answer) -> BTreeMap<String, String> {
    assert_eq!(answer.status, 303, "{}", answer.text);
    let back = location(answer).unwrap();
    assert!(back.starts_with(&format!("{CALLBACK}?")), "{back}");
    query(&back)
}

/// A login all the way.
async fn log_in(shop: &Shop, parameters: &[(&str, &str)], who: &str) -> BTreeMap<String, String> {
    let door = door(shop, parameters).await;
    let mut robot = Robot::new(&shop.world.server);
    told(&walk(&mut robot, &door, who, "allow").await)
}

/// What the SDK sends for a code of a login elsewhere.
pub(super) async fn redeem(shop: &Shop, kind: Kind, code: &str, more: &[(&str, &str)]) -> Answer {
    let form = match kind {
        Kind::Public => vec![
            ("grant_type", "authorization_code_pkce"),
            ("client_id", "pub"),
            ("code_verifier", VERIFIER),
            ("organizationId", super::ORGANIZATION),
        ],
        Kind::Private => vec![("grant_type", "authorization_code"), ("client_id", "priv")],
    };
    let form = with(form, &[("code", code), ("redirect_uri", CALLBACK)]);
    shop.token(kind, &with(form, more)).await
}

async fn a_shopper_logs_in_on_our_pages_and_comes_back(database: Database) {
    let shop = Shop::on(database).await;
    let guest = shop.guest(Kind::Public, None).await;
    let usid = text(&guest, "usid");
    let asked = with(begin("pub"), &[("usid", usid), ("state", "a b&c"), ("scope", "openid email")]);
    let back = log_in(&shop, &asked, EMAIL).await;
    assert_eq!(
        (back["usid"].as_str(), back["state"].as_str(), back["scope"].as_str()),
        (usid, "a b&c", "openid email")
    );
    // Who answered, by the name that is in the dialect's metadata and tokens (S-08).
    assert_eq!(back["iss"], claims(text(&guest, "access_token"))["iss"]);
    let buyer = tokens(&redeem(&shop, Kind::Public, &back["code"], &[("usid", usid), ("dnt", "true")]).await);
    assert_eq!((buyer["usid"].as_str(), buyer["dnt"].as_str()), (Some(usid), Some("true")));
    let access = text(&buyer, "access_token");
    assert_eq!(position(access, 1), format!("upn:{EMAIL}"));
    assert_eq!(position(access, 3), format!("gcid:{}", text(&guest, "customer_id")), "they were this guest");
    assert_eq!(position(access, 5), "chid:main");
    assert_eq!(claims(access)["legal_entity_id"], "le-1", "the company that was chosen on the pages");
    let own = shop.buyer(Kind::Public, None).await;
    assert_eq!(buyer["customer_id"], own["customer_id"]);
    // The guest is over, and the customer goes on.
    assert_eq!(shop.refresh(Kind::Public, text(&guest, "refresh_token"), &[]).await.status, 400);
    let next = tokens(&shop.refresh(Kind::Public, text(&buyer, "refresh_token"), &[]).await);
    assert_eq!((&next["usid"], &next["customer_id"]), (&buyer["usid"], &buyer["customer_id"]));
    assert_eq!(claims(text(&next, "access_token"))["legal_entity_id"], "le-1");
    // The dialect's word for our pages leads there as well; a visitor without a name gets one.
    let back = log_in(&shop, &with(begin("pub"), &[("hint", "ecom")]), EMAIL).await;
    assert!(!back.contains_key("state") && !back.contains_key("scope"), "{back:?}");
    let buyer = tokens(&redeem(&shop, Kind::Public, &back["code"], &[("usid", &back["usid"])]).await);
    assert_eq!(buyer["usid"], back["usid"]);
    assert_ne!(back["usid"], usid);
}

async fn a_private_client_redeems_with_its_secret_alone(database: Database) {
    let shop = Shop::on(database).await;
    // The pages ask for consent once where the client is somebody else's.
    let mut asked = with(begin("priv"), &[("usid", USID)]);
    asked.retain(|(name, _)| *name != "code_challenge");
    for _ in 0..2 {
        let back = log_in(&shop, &asked, EMAIL).await;
        assert_eq!(back["usid"], USID);
        let verified = redeem(&shop, Kind::Private, &back["code"], &[("code_verifier", VERIFIER)]).await;
        assert_eq!(verified.status, 400, "there was no challenge (S-07)");
        let unproven = [("grant_type", "authorization_code"), ("client_id", "priv"), ("channel_id", "main")];
        let form = with(unproven.to_vec(), &[("code", &back["code"]), ("redirect_uri", CALLBACK)]);
        let request = shop.request(Method::POST, &shop.slas("token")).form(&form);
        assert_eq!(shop.send(request).await.status, 401);
        let buyer = tokens(&redeem(&shop, Kind::Private, &back["code"], &[("usid", USID)]).await);
        assert_eq!(position(text(&buyer, "access_token"), 1), format!("upn:{EMAIL}"));
    }
    // With a challenge it shows the verifier, too.
    let back = log_in(&shop, &begin("priv"), EMAIL).await;
    assert_eq!(redeem(&shop, Kind::Private, &back["code"], &[]).await.status, 400);
    tokens(&redeem(&shop, Kind::Private, &back["code"], &[("code_verifier", VERIFIER)]).await);
}

async fn s95_a_login_belongs_to_the_browser_that_began_it(database: Database) {
    let shop = Shop::on(database).await;
    let server = &shop.world.server;
    shop.client("other", ClientKind::Public, RefreshPolicy::Family, false).await;
    let path = door(&shop, &begin("pub")).await;
    // Before anybody came: for another client, or with a reference nobody made.
    let mut robot = Robot::new(server);
    assert_eq!(robot.get(&path.replace("client_id=pub", "client_id=other")).await.status, 400);
    assert_eq!(robot.get(&format!("{path}x")).await.status, 400);
    // The first browser has it, and it alone, also on the pages that follow.
    let mut mine = Robot::new(server);
    let answer = mine.get(&path).await;
    let page = mine.follow(answer).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let cookie = mine.set_cookies.iter().find(|line| line.contains("-browser=")).unwrap();
    assert!(
        cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Lax") && !cookie.contains("Domain"),
        "{cookie}"
    );
    let mut theirs = Robot::new(server);
    assert_eq!(theirs.get(&path).await.status, 400);
    let sent = theirs.submit(&form(&page), &[("username", EMAIL), ("action", "continue")]).await;
    assert_ne!(sent.status, 303, "{}", sent.text);
    let back = told(&walk(&mut mine, &path, EMAIL, "allow").await);
    // Over is over, for this browser as well; who wants in again begins again, and proves again who they are.
    assert_eq!(mine.get(&path).await.status, 400);
    let again = door(&shop, &begin("pub")).await;
    let answer = mine.get(&again).await;
    let page = mine.follow(answer).await;
    assert_eq!(page.status, 200, "a logout of the shop is not undone by a click: {:?}", page.headers);
    tokens(&redeem(&shop, Kind::Public, &back["code"], &[]).await);
    // Nobody came in time.
    let late = door(&shop, &begin("pub")).await;
    server.advance(91);
    assert_eq!(Robot::new(server).get(&late).await.status, 400);
    // Other doors take neither reference nor code of this one.
    let path = door(&shop, &begin("pub")).await;
    let mut robot = Robot::new(server);
    let back = told(&walk(&mut robot, &path, EMAIL, "allow").await);
    let native = [
        ("grant_type", "authorization_code"),
        ("client_id", "pub"),
        ("code", &back["code"]),
        ("code_verifier", VERIFIER),
        ("redirect_uri", CALLBACK),
    ];
    let request = shop.request(Method::POST, &shop.url("/t/acme/token")).form(&native);
    assert_eq!(shop.send(request).await.status, 400);
    tokens(&redeem(&shop, Kind::Public, &back["code"], &[]).await);
}

async fn s20_a_code_from_the_pages_is_bound_to_all_that_was_asked(database: Database) {
    let shop = Shop::on(database).await;
    let back = log_in(&shop, &with(begin("pub"), &[("usid", USID)]), EMAIL).await;
    let code = &back["code"];
    for (name, value) in [
        ("code_verifier", "another-verifier-that-is-long-enough-for-it-1"),
        ("code_verifier", ""),
        ("redirect_uri", "http://localhost:3000/other"),
        ("usid", "a8a2b1c4-0f3e-4d55-9d5c-0123456789ac"),
        ("channel_id", "elsewhere"),
        ("client_id", "other"),
    ] {
        let answer = redeem(&shop, Kind::Public, code, &[(name, value)]).await;
        assert_eq!(answer.status, 400, "{name}={value}: {}", answer.text);
    }
    assert_eq!(redeem(&shop, Kind::Private, code, &[]).await.status, 400, "another client's");
    // None of these burned it.
    tokens(&redeem(&shop, Kind::Public, code, &[("usid", USID)]).await);
    let back = log_in(&shop, &begin("pub"), EMAIL).await;
    shop.world.server.advance(61);
    assert_eq!(redeem(&shop, Kind::Public, &back["code"], &[]).await.status, 400);
}

async fn s21_a_code_from_the_pages_that_comes_back_ends_what_it_led_to(database: Database) {
    let shop = Shop::on(database).await;
    let back = log_in(&shop, &begin("pub"), EMAIL).await;
    let buyer = tokens(&redeem(&shop, Kind::Public, &back["code"], &[]).await);
    let wrong = [("code_verifier", "another-verifier-that-is-long-enough-for-it-1")];
    assert_eq!(redeem(&shop, Kind::Public, &back["code"], &wrong).await.status, 400);
    assert!(shop.world.is_good(text(&buyer, "access_token")), "whoever has not got all of it ends nothing");
    assert_eq!(redeem(&shop, Kind::Public, &back["code"], &[]).await.status, 400);
    assert!(!shop.world.is_good(text(&buyer, "access_token")));
    assert_eq!(shop.refresh(Kind::Public, text(&buyer, "refresh_token"), &[]).await.status, 400);
}

async fn s06_nothing_is_sent_to_an_address_that_was_not_registered(database: Database) {
    let shop = Shop::on(database).await;
    for (name, value) in [
        ("redirect_uri", "https://evil.example/cb"),
        ("redirect_uri", "http://localhost:3000/callback/x"),
        ("redirect_uri", ""),
        ("client_id", "nobody"),
        ("channel_id", "elsewhere"),
        ("response_type", "token"),
        ("code_challenge", ""),
        ("code_challenge", "short"),
        ("usid", "not a name"),
    ] {
        let answer = shop.authorize(&with(begin("pub"), &[(name, value)])).await;
        assert_eq!((answer.status, location(&answer)), (400, None), "{name}={value}: {}", answer.text);
    }
    // A client that logs nobody in on pages; a tenant without them.
    let (engine, tenant) = (shop.world.engine(), &shop.world.tenant);
    let (system, from) = (Actor::System, origin());
    let change = ClientChange { grants: Some("guest password refresh_token".to_owned()), ..ClientChange::default() };
    engine.update_client(tenant, &"pub".parse().unwrap(), &change, None, &system, &from).await.unwrap();
    assert_eq!(shop.authorize(&begin("pub")).await.status, 400);
    let mut settings = tenant.settings.clone();
    settings.dialects.retain(|dialect| dialect != "oauth");
    engine.update_tenant(tenant, &tenant.name, true, &settings, None, &system, &from).await.unwrap();
    assert_eq!(shop.authorize(&begin("priv")).await.status, 400);
}

async fn s90_the_login_of_the_shop_is_another_session_than_that_of_the_pages(database: Database) {
    let shop = Shop::on(database).await;
    let (engine, tenant) = (shop.world.engine(), &shop.world.tenant);
    let (system, from) = (Actor::System, origin());
    let sid = |tokens: &serde_json::Value| claims(text(tokens, "access_token"))["sid"].as_str().unwrap().to_owned();
    let back = log_in(&shop, &begin("pub"), EMAIL).await;
    let one = tokens(&redeem(&shop, Kind::Public, &back["code"], &[]).await);
    let there = engine.sessions(tenant, Some(&shop.world.ann), "", 50).await.unwrap();
    let pages = there.iter().find(|session| session.is_active && session.id.as_str() != sid(&one)).unwrap();
    // A logout of the shop ends the shop's alone.
    assert_eq!(shop.log_out(Kind::Public, &one, &[]).await.status, 200);
    let there = engine.sessions(tenant, Some(&shop.world.ann), "", 50).await.unwrap();
    assert!(there.iter().any(|session| session.id == pages.id && session.is_active));
    // How they proved who they are goes along.
    let back = log_in(&shop, &begin("pub"), EMAIL).await;
    shop.world.server.advance(30);
    let two = tokens(&redeem(&shop, Kind::Public, &back["code"], &[]).await);
    assert_ne!(sid(&one), sid(&two));
    let inside = claims(text(&two, "access_token"));
    assert_eq!(
        inside["iat"].as_i64().unwrap() - inside["standing"]["auth_time"].as_i64().unwrap() / 1_000,
        30,
        "{inside}"
    );
    // Who was thrown out of the pages before the code was redeemed is not let in by it.
    let back = log_in(&shop, &begin("pub"), EMAIL).await;
    for session in engine.sessions(tenant, Some(&shop.world.ann), "", 50).await.unwrap() {
        if session.is_active {
            engine.end_session(tenant, &session.id, &system, &from).await.unwrap();
        }
    }
    assert_eq!(redeem(&shop, Kind::Public, &back["code"], &[]).await.status, 400);
}

async fn who_says_no_is_an_error_at_the_redirect_uri(database: Database) {
    let shop = Shop::on(database).await;
    let path = door(&shop, &with(begin("pub"), &[("state", "mine"), ("scope", "openid")])).await;
    let mut robot = Robot::new(&shop.world.server);
    let back = told(&walk(&mut robot, &path, EMAIL, "deny").await);
    assert_eq!((back["error"].as_str(), back["state"].as_str()), ("access_denied", "mine"));
    assert!(!back["error_description"].is_empty());
    assert!(!back.contains_key("code") && !back.contains_key("usid"), "{back:?}");
    // Where the client is the shop's own, nobody is asked.
    let (engine, tenant) = (shop.world.engine(), &shop.world.tenant);
    let id = "pub".parse().unwrap();
    let mut registration = engine.client(tenant, &id).await.unwrap().registration;
    registration.is_first_party = true;
    let change =
        ClientChange { registration: Some(registration), scopes: Some(SCOPES.to_owned()), ..ClientChange::default() };
    engine.update_client(tenant, &id, &change, None, &Actor::System, &origin()).await.unwrap();
    let path = door(&shop, &begin("pub")).await;
    let mut robot = Robot::new(&shop.world.server);
    let back = told(&walk(&mut robot, &path, EMAIL, "nobody is asked").await);
    tokens(&redeem(&shop, Kind::Public, &back["code"], &[]).await);
}

async fn a_name_somebody_else_is_logged_in_under_is_not_taken_over(database: Database) {
    let shop = Shop::on(database).await;
    let bea = "bea@b.example";
    customer(shop.world.engine(), &shop.world.tenant, bea).await;
    let mine = log_in(&shop, &with(begin("pub"), &[("usid", USID)]), EMAIL).await;
    let ann = tokens(&redeem(&shop, Kind::Public, &mine["code"], &[("usid", USID)]).await);
    let theirs = log_in(&shop, &with(begin("pub"), &[("usid", USID)]), bea).await;
    assert_ne!(theirs["usid"], USID);
    let other = tokens(&redeem(&shop, Kind::Public, &theirs["code"], &[("usid", &theirs["usid"])]).await);
    assert_ne!(other["customer_id"], ann["customer_id"]);
    assert!(shop.world.is_good(text(&ann, "access_token")));
    // The same person comes back under it.
    let again = log_in(&shop, &with(begin("pub"), &[("usid", USID)]), EMAIL).await;
    assert_eq!(again["usid"], USID);
    // Two began under one name; the second to redeem is refused and begins anew.
    let free = "a8a2b1c4-0f3e-4d55-9d5c-0123456789ff";
    let first = log_in(&shop, &with(begin("pub"), &[("usid", free)]), EMAIL).await;
    let second = log_in(&shop, &with(begin("pub"), &[("usid", free)]), bea).await;
    tokens(&redeem(&shop, Kind::Public, &first["code"], &[]).await);
    assert_eq!(redeem(&shop, Kind::Public, &second["code"], &[]).await.status, 400);
}
