//! One-time codes: what they open, for whom, how often and how long, and what a guess costs.

mod actions;
mod guesses;

use super::{EMAIL, Kind, PASSWORD, Shop, position, text, tokens};
use crate::{
    account::factors::totp_of,
    arrange::{on_both_databases, origin, page_login, secret},
};
use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use http::{HeaderMap, StatusCode};
use prokura_domain::{ClientKind, CustomerState, RefreshPolicy};
use prokura_engine::{Actor, ClientChange};
use prokura_jose::{JwsAlgorithm, PublicKey, verify_jws};
use prokura_testkit::{Answer, Database};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    future::{Ready, ready},
    sync::{Arc, Mutex},
};

on_both_databases!(
    a_code_by_mail_logs_in_under_the_visitors_name,
    s106_a_code_is_good_once_for_ten_minutes_and_the_newest_counts,
    s72_a_code_is_one_tenants_and_one_clients,
    s101_a_lock_that_came_after_the_code_holds,
    s101_a_code_alone_is_not_enough_for_whoever_has_a_second_factor,
    whoever_has_no_account_gets_one_with_their_code_when_the_shop_says_so,
    s120_a_code_is_told_to_what_the_client_registered_and_to_nobody_else,
    a_shops_server_that_is_away_is_told_another_code_later,
    what_cannot_be_is_refused_in_clear_words,
);

const GUEST_PAGE: &str = "9f6a3a3e-7c1f-4c55-8f0e-1d2b9f4c2a11";

impl Shop {
    /// Asks for a code to log in.
    async fn ask(&self, user: &str, more: &[(&str, &str)]) -> Answer {
        let mut form = vec![("user_id", user), ("mode", "email"), ("channel_id", "main")];
        form.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        form.extend_from_slice(more);
        self.post(Kind::Private, "passwordless/login", &form).await
    }

    /// A code that came by mail.
    async fn mailed_code(&self, user: &str, more: &[(&str, &str)]) -> String {
        let answer = self.ask(user, more).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, ""), "{}", answer.text);
        self.newest_code().await
    }

    /// The code of the newest mail.
    pub(super) async fn newest_code(&self) -> String {
        let mails = self.world.server.mails().await;
        // Mails are told apart by the second they were sent in.
        self.world.server.advance(1);
        code_in(mails.last().expect("a mail"))
    }

    async fn show(&self, code: &str, more: &[(&str, &str)]) -> Answer {
        let form =
            [&[("grant_type", "client_credentials"), ("hint", "pwdless_login"), ("pwdless_login_token", code)], more]
                .concat();
        self.post(Kind::Private, "passwordless/token", &form).await
    }

    /// Adds to what a client registered with the dialect.
    pub(super) async fn registers(&self, client: &str, more: Value) {
        let (engine, tenant) = (self.world.engine(), &self.world.tenant);
        let there = engine.client(tenant, &client.parse().unwrap()).await.unwrap();
        let mut registration = there.registration;
        let settings = registration.dialect.get_mut("salesforce").and_then(Value::as_object_mut).unwrap();
        settings.extend(more.as_object().unwrap().clone());
        let change = ClientChange { registration: Some(registration), ..ClientChange::default() };
        engine.update_client(tenant, &there.id, &change, None, &Actor::System, &origin()).await.unwrap();
    }
}

/// The line of a mail that is digits alone.
fn code_in(mail: &str) -> String {
    let is_code = |line: &&str| (6..=8).contains(&line.len()) && line.bytes().all(|b| b.is_ascii_digit());
    mail.lines().find(is_code).unwrap_or_else(|| panic!("no code in {mail}")).to_owned()
}

/// Digits that are not those.
fn other_than(code: &str) -> String {
    let digits = code.bytes().map(|b| char::from(b'0' + (b - b'0' + 1) % 10));
    digits.collect()
}

/// Ann sets up an app for codes.
pub(super) async fn with_second_factor(shop: &Shop) {
    let (engine, tenant) = (shop.world.engine(), &shop.world.tenant);
    let cookie = page_login(engine, tenant, None, EMAIL, PASSWORD).await.unwrap().cookie;
    engine.begin_totp(tenant, &cookie, &origin()).await.unwrap();
    let setup = engine.totp_setup(tenant, &cookie).await.unwrap().unwrap();
    let code = totp_of(&setup.secret).code_at(engine.now().seconds());
    engine.confirm_totp(tenant, &cookie, &secret(&code), &origin()).await.unwrap();
    shop.world.server.mails().await;
    shop.world.server.advance(1);
}

pub(super) fn refused(answer: &Answer, status: u16, message: &str) {
    assert_eq!(answer.status, status, "{}", answer.text);
    let body = answer.json();
    assert_eq!(body["status_code"], status.to_string());
    assert!(text(&body, "message").contains(message), "{body}");
}

async fn a_code_by_mail_logs_in_under_the_visitors_name(database: Database) {
    let shop = Shop::on(database).await;
    let guest = shop.guest(Kind::Private, None).await;
    let usid = text(&guest, "usid");
    let code = shop.mailed_code(EMAIL, &[("usid", usid), ("locale", "de-DE")]).await;
    assert_eq!(code.len(), 8, "{code}");
    let mails = shop.world.server.mails().await;
    let mail = mails.last().unwrap();
    assert!(mail.contains("To: ann@a.example") && mail.contains("Ihr Code zur Anmeldung"), "{mail}");
    assert!(!mail.contains("href"), "there is nothing to click: {mail}");

    let answer = shop.show(&code, &[("login_id", EMAIL), ("dnt", "true")]).await;
    let buyer = tokens(&answer);
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(text(&buyer, "usid"), usid, "the visitor keeps their name");
    assert_eq!(text(&buyer, "dnt"), "true");
    let access = text(&buyer, "access_token");
    assert_eq!(position(access, 1), format!("upn:{EMAIL}"));
    assert_eq!(position(access, 3), format!("gcid:{}", text(&guest, "customer_id")), "and was this guest");
    assert_eq!(position(access, 5), "login:pwdless");
    assert_eq!(position(access, 6), "chid:main");
    // What they were as a guest is over, as after any login.
    refused(&shop.refresh(Kind::Private, text(&guest, "refresh_token"), &[]).await, 400, "invalid refresh_token");
    let again = tokens(&shop.refresh(Kind::Private, text(&buyer, "refresh_token"), &[]).await);
    assert_eq!(position(text(&again, "access_token"), 5), "login:pwdless", "it stays known");
    let person = shop.world.engine().customer(&shop.world.tenant, &shop.world.ann).await.unwrap();
    assert!(person.email_verified_at.is_some(), "whoever has the code reads what is sent there");
    let cookie = super::set_cookie(&shop.sessions(text(&again, "access_token"), None).await, "dwsid").unwrap();
    assert_eq!(shop.visit(&cookie, text(&again, "refresh_token")).await["kind"], "registered");

    // Whoever asked without a name gets one.
    let code = shop.mailed_code("Ann@A.example", &[]).await;
    let other = tokens(&shop.show(&code, &[("login_id", EMAIL)]).await);
    assert_ne!(text(&other, "usid"), usid);
    assert_eq!(text(&other, "customer_id"), text(&buyer, "customer_id"));
}

async fn s106_a_code_is_good_once_for_ten_minutes_and_the_newest_counts(database: Database) {
    let shop = Shop::on(database).await;
    let named = [("login_id", EMAIL)];
    let code = shop.mailed_code(EMAIL, &[]).await;
    tokens(&shop.show(&code, &named).await);
    refused(&shop.show(&code, &named).await, 401, "Invalid token");
    refused(&shop.show(&code, &[]).await, 401, "Invalid token");

    let first = shop.mailed_code(EMAIL, &[]).await;
    let second = shop.mailed_code(EMAIL, &[]).await;
    refused(&shop.show(&first, &[]).await, 401, "Invalid token");
    let spaced = format!(" {} {}", &second[..4], &second[4..]);
    tokens(&shop.show(&spaced, &named).await);

    let late = shop.mailed_code(EMAIL, &[]).await;
    shop.world.server.advance(598);
    let early = shop.mailed_code("nobody@a.example", &[("register_customer", "true")]).await;
    shop.world.server.advance(2);
    refused(&shop.show(&late, &named).await, 401, "Invalid token");
    refused(&shop.show(&late, &[]).await, 401, "Invalid token");
    shop.world.server.advance(595);
    tokens(&shop.show(&early, &[("login_id", "nobody@a.example")]).await);

    // A request that nobody could answer in time is not answered any more.
    assert_eq!(shop.ask(EMAIL, &[]).await.status, 200);
    shop.world.server.advance(601);
    let before = shop.world.server.mail_folder().read_dir().unwrap().count();
    assert_eq!(shop.world.server.mails().await.len(), before);

    // With another password, what was sent before is over.
    let code = shop.mailed_code(EMAIL, &[]).await;
    let new = prokura_engine::NewPassword::Plain(secret("another good one"));
    let (engine, tenant) = (shop.world.engine(), &shop.world.tenant);
    engine.set_password(tenant, &shop.world.ann, &new, false, None, &Actor::System, &origin()).await.unwrap();
    refused(&shop.show(&code, &[]).await, 401, "Invalid token");
}

async fn s72_a_code_is_one_tenants_and_one_clients(database: Database) {
    let shop = Shop::on(database).await;
    let other = shop.client("other", ClientKind::Confidential, RefreshPolicy::Reuse, false).await.unwrap();
    let code = shop.mailed_code(EMAIL, &[]).await;
    let form = [
        ("grant_type", "client_credentials"),
        ("hint", "pwdless_login"),
        ("pwdless_login_token", code.as_str()),
        ("login_id", EMAIL),
    ];
    let url = shop.slas("passwordless/token");
    let request = shop.request(reqwest::Method::POST, &url).basic_auth("other", Some(&other)).form(&form);
    refused(&shop.send(request).await, 401, "Invalid token");

    // A tenant beside it, whose organization the same client's name means nothing to.
    let (server, system) = (&shop.world.server, Actor::System);
    let beta = server.tenant("beta").await;
    let settings = prokura_salesforce::tenant_settings(beta.settings.clone(), "f_ecom_zzrf_002", true).unwrap();
    let beta = server.engine.update_tenant(&beta, "beta", true, &settings, None, &system, &origin()).await.unwrap();
    crate::arrange::customer(&server.engine, &beta, EMAIL).await;
    let grants = "guest one_time_code refresh_token";
    let secret = server.client(&beta, "beta-priv", ClientKind::Confidential, grants, "", RefreshPolicy::Reuse).await;
    let url = url.replace(super::ORGANIZATION, "f_ecom_zzrf_002");
    let request = shop.request(reqwest::Method::POST, &url);
    let request = request.basic_auth("beta-priv", Some(secret.unwrap().expose())).form(&form);
    refused(&shop.send(request).await, 401, "Invalid token");

    // Neither was a try at the code itself.
    tokens(&shop.show(&code, &[("login_id", EMAIL)]).await);
}

async fn s101_a_lock_that_came_after_the_code_holds(database: Database) {
    let shop = Shop::on(database).await;
    let (engine, tenant) = (shop.world.engine(), &shop.world.tenant);
    let code = shop.mailed_code(EMAIL, &[]).await;
    for state in [CustomerState::OnHold, CustomerState::Inactive] {
        engine.set_customer_state(tenant, &shop.world.ann, state, &Actor::System, &origin()).await.unwrap();
        let answer = shop.show(&code, &[("login_id", EMAIL)]).await;
        assert_eq!(answer.status, 401, "{}", answer.text);
        // Nor is anything sent.
        let before = shop.world.server.mails().await.len();
        assert_eq!(shop.ask(EMAIL, &[]).await.status, 200);
        assert_eq!(shop.world.server.mails().await.len(), before);
    }
}

async fn s101_a_code_alone_is_not_enough_for_whoever_has_a_second_factor(database: Database) {
    let mut shop = Shop::on(database).await;
    let (engine, tenant) = (shop.world.engine().clone(), shop.world.tenant.clone());
    with_second_factor(&shop).await;

    let code = shop.mailed_code(EMAIL, &[]).await;
    refused(&shop.show(&code, &[("login_id", EMAIL)]).await, 401, "Authorization failed.");
    let mut settings = tenant.settings.clone();
    settings.second_factor_at_api = false;
    let (system, from) = (Actor::System, origin());
    shop.world.tenant =
        engine.update_tenant(&tenant, &tenant.name, true, &settings, None, &system, &from).await.unwrap();
    tokens(&shop.show(&code, &[("login_id", EMAIL)]).await);
}

async fn whoever_has_no_account_gets_one_with_their_code_when_the_shop_says_so(database: Database) {
    let shop = Shop::on(database).await;
    let user = "new@n.example";
    let (engine, tenant) = (shop.world.engine(), &shop.world.tenant);
    let email = prokura_domain::Email::parse(user).unwrap();
    assert_eq!(shop.ask(user, &[("register_customer", "false")]).await.status, 200);
    assert!(shop.world.server.mails().await.is_empty(), "nobody is written to");
    let named = [("register_customer", "true"), ("first_name", "Nora"), ("last_name", "Neu"), ("email", user)];
    let code = shop.mailed_code(user, &named).await;
    assert!(engine.customer_by_email(tenant, &email).await.unwrap().is_none(), "nothing is made before it is proven");
    let buyer = tokens(&shop.show(&code, &[("login_id", user)]).await);
    assert_eq!(position(text(&buyer, "access_token"), 2), "uidn:Nora Neu");
    let person = engine.customer_by_email(tenant, &email).await.unwrap().unwrap();
    assert_eq!((person.state, person.email_verified_at.is_some()), (CustomerState::Active, true));
    // Once they have an account it is theirs, whatever else is told.
    let code = shop.mailed_code(user, &[("register_customer", "true"), ("first_name", "Other")]).await;
    let again = tokens(&shop.show(&code, &[("login_id", user)]).await);
    assert_eq!(position(text(&again, "access_token"), 2), "uidn:Nora Neu");
    assert_eq!(text(&again, "customer_id"), text(&buyer, "customer_id"));
    let mismatch = shop.ask(user, &[("register_customer", "true"), ("email", "other@n.example")]).await;
    refused(&mismatch, 400, "email is the user_id");
}

/// A shop's server that is told codes: it keeps what it is told, and answers by a script, then 200.
#[derive(Clone, Default)]
pub(super) struct Listener {
    told: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
    script: Arc<Mutex<VecDeque<u16>>>,
}

impl Listener {
    pub(super) async fn start() -> (Self, String) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/passwordless-login-callback?redirectUrl=/account", listener.local_addr().unwrap());
        let heard = Self::default();
        let router = Router::new()
            .route("/passwordless-login-callback", post(Self::hear))
            .route("/told", get(Self::tell))
            .with_state(heard.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (heard, uri)
    }

    fn hear(State(heard): State<Self>, headers: HeaderMap, Json(body): Json<Value>) -> Ready<StatusCode> {
        heard.told.lock().unwrap().push((headers, body));
        let status = heard.script.lock().unwrap().pop_front().unwrap_or(200);
        ready(StatusCode::from_u16(status).unwrap())
    }

    /// What it was told, for a program that is no part of the test.
    fn tell(State(heard): State<Self>) -> Ready<Json<Vec<Value>>> {
        ready(Json(heard.told().into_iter().map(|(_, body)| body).collect()))
    }

    fn told(&self) -> Vec<(HeaderMap, Value)> {
        self.told.lock().unwrap().clone()
    }
}

/// How a code is asked for that a shop's server is told.
fn by_call(uri: &str) -> [(&str, &str); 4] {
    [("mode", "callback"), ("callback_uri", uri), ("locale", "fr-FR"), ("usid", GUEST_PAGE)]
}

async fn s120_a_code_is_told_to_what_the_client_registered_and_to_nobody_else(database: Database) {
    let shop = Shop::on(database).await;
    let (heard, uri) = Listener::start().await;
    refused(&shop.ask(EMAIL, &by_call(&uri)).await, 400, "callback_uri doesn't match");
    shop.registers("priv", json!({ "callback_uris": [uri] })).await;
    for other in [format!("{uri}&x=1"), uri.replace("127.0.0.1", "localhost"), uri.to_uppercase()] {
        refused(&shop.ask(EMAIL, &by_call(&other)).await, 400, "callback_uri doesn't match");
    }
    refused(&shop.ask(EMAIL, &[("mode", "callback")]).await, 400, "callback_uri is needed");
    // Of whom nothing is known, nothing is told.
    assert_eq!(shop.ask("nobody@a.example", &by_call(&uri)).await.status, 200);
    assert!(shop.world.server.mails().await.is_empty() && heard.told().is_empty());

    let answer = shop.ask(EMAIL, &by_call(&uri)).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    assert!(shop.world.server.mails().await.is_empty(), "no mail");
    let told = heard.told();
    assert_eq!(told.len(), 1);
    let (headers, body) = &told[0];
    assert_eq!(headers["content-type"], "application/json");
    let expected = json!({
        "email_id": EMAIL, "user_id": EMAIL, "locale": "fr-FR", "usid": GUEST_PAGE, "channel_id": "main",
        "expires_in": 600, "token": body["token"],
    });
    assert_eq!(*body, expected);
    // The call proves itself with a key the shop can look up.
    let proof = headers["x-slas-callback-token"].to_str().unwrap();
    let keys: Vec<PublicKey> = shop.world.engine().tenant(&shop.world.tenant.id).await.unwrap().public_keys().to_vec();
    let proven = verify_jws(proof, &keys, &[JwsAlgorithm::Es256], Some("code-call+jwt")).unwrap();
    let claims: Value = serde_json::from_slice(&proven.payload).unwrap();
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!("slas/prod/zzrf_001"), &json!(uri)));
    assert!(!shop.world.is_good(proof), "and is good for nothing else");

    let buyer = tokens(&shop.show(text(body, "token"), &[("code_verifier", "belongs to nothing")]).await);
    assert_eq!(
        (text(&buyer, "usid"), position(text(&buyer, "access_token"), 5)),
        (GUEST_PAGE, "login:pwdless".to_owned())
    );
    let person = shop.world.engine().customer(&shop.world.tenant, &shop.world.ann).await.unwrap();
    assert!(person.email_verified_at.is_none(), "who knows how the shop passed it on");
}

async fn a_shops_server_that_is_away_is_told_another_code_later(database: Database) {
    let shop = Shop::on(database).await;
    let (heard, uri) = Listener::start().await;
    shop.registers("priv", json!({ "callback_uris": [uri] })).await;
    heard.script.lock().unwrap().push_back(503);
    assert_eq!(shop.ask(EMAIL, &[("mode", "callback"), ("callback_uri", &uri)]).await.status, 200);
    let engine = shop.world.engine();
    engine.run_errands().await.unwrap();
    engine.run_errands().await.unwrap();
    assert_eq!(heard.told().len(), 1, "it is left alone for a while");
    shop.world.server.advance(15);
    engine.run_errands().await.unwrap();
    let told: Vec<String> = heard.told().iter().map(|(_, body)| text(body, "token").to_owned()).collect();
    assert_eq!(told.len(), 2);
    refused(&shop.show(&told[0], &[]).await, 401, "Invalid token");
    tokens(&shop.show(&told[1], &[("login_id", EMAIL)]).await);
}

async fn what_cannot_be_is_refused_in_clear_words(database: Database) {
    let shop = Shop::on(database).await;
    for (more, message) in [
        (("mode", "sms"), "sms is not offered"),
        (("mode", "pigeon"), "mode is callback or email"),
        (("mode", ""), "mode is needed"),
        (("user_id", ""), "user_id is needed"),
        (("user_id", "ann"), "user_id is an e-mail address"),
        (("channel_id", ""), "channel_id is needed"),
        (("channel_id", "other"), "Invalid channel_id"),
        (("usid", "not a name"), "usid is a UUID"),
        (("register_customer", "perhaps"), "register_customer is true or false"),
        (("strict_verify", "perhaps"), "strict_verify is true or false"),
    ] {
        refused(&shop.ask(EMAIL, &[more]).await, 400, message);
    }
    let code = shop.mailed_code(EMAIL, &[("strict_verify", "true")]).await;
    let hint = shop.post(Kind::Private, "passwordless/token", &[("pwdless_login_token", &code)]).await;
    refused(&hint, 400, "grant_type is needed");
    refused(&shop.show(&code, &[("channel_id", "not a site!")]).await, 400, "Invalid channel_id");
    // Everything may stand in the query as well.
    let url = format!("{}?pwdless_login_token={code}", shop.slas("passwordless/token"));
    let form = [("grant_type", "client_credentials"), ("hint", "pwdless_login")];
    let request = shop.request(reqwest::Method::POST, &url).header("authorization", shop.basic()).form(&form);
    tokens(&shop.send(request).await);

    // Only a client that can keep a secret and is registered for it.
    let public = shop.post(Kind::Public, "passwordless/login", &[("user_id", EMAIL), ("mode", "email")]).await;
    refused(&public, 401, "Basic Authorization failed.");
    let (engine, tenant) = (shop.world.engine(), &shop.world.tenant);
    let change = ClientChange { grants: Some("guest refresh_token".to_owned()), ..ClientChange::default() };
    engine.update_client(tenant, &"priv".parse().unwrap(), &change, None, &Actor::System, &origin()).await.unwrap();
    refused(&shop.ask(EMAIL, &[]).await, 401, "Authorization failed.");
    refused(&shop.show("12345678", &[]).await, 401, "Authorization failed.");
}
