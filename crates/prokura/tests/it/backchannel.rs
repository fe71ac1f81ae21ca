//! Back-channel logout, with a client that listens and one that does not: whatever ends a session, the client hears of it
//! once or more (S-93), and nobody else is called (S-120).

use crate::{
    account::logged_in,
    arrange::{on_both_databases, origin},
    oauth::{
        Native, claims,
        robot::{form_to, location},
    },
};
use axum::{Router, extract::State, routing::post};
use http::{HeaderMap, StatusCode, header};
use prokura_domain::{CustomerState, SessionId};
use prokura_engine::{Actor, ClientChange, Outcome, Registration};
use prokura_testkit::Database;
use serde_json::Value;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

on_both_databases!(
    s93_whatever_ends_a_session_its_client_hears_of_it,
    s93_a_session_that_runs_out_is_over_for_its_clients_as_well,
    losing_a_company_logs_nobody_out_unless_nothing_else_is_left,
    s146_a_restore_tells_the_clients_of_every_session_it_ends,
    a_client_that_is_away_is_told_later,
    a_client_that_cannot_be_told_is_given_up_and_the_trail_says_so,
    one_call_that_fails_makes_the_others_to_the_same_wait,
    s32_a_logout_token_is_good_for_nothing_else,
);

/// A client's listener: it keeps what it is told, and answers by a script, then 200.
#[derive(Clone, Default)]
struct Listener {
    told: Arc<Mutex<Vec<String>>>,
    script: Arc<Mutex<VecDeque<u16>>>,
}

/// No answer at all.
const SILENCE: u16 = 0;

impl Listener {
    /// Listens, and lets the client `web` register its address.
    async fn start(native: &Native) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/logout", listener.local_addr().unwrap());
        let heard = Self::default();
        let router = Router::new().route("/logout", post(Self::hear)).with_state(heard.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        register(native, Some(uri)).await;
        heard
    }

    async fn hear(State(heard): State<Self>, headers: HeaderMap, body: String) -> StatusCode {
        assert_eq!(headers[header::CONTENT_TYPE], "application/x-www-form-urlencoded");
        heard.told.lock().unwrap().push(body.strip_prefix("logout_token=").unwrap().to_owned());
        let answer = heard.script.lock().unwrap().pop_front().unwrap_or(200);
        if answer == SILENCE {
            std::future::pending::<()>().await;
        }
        StatusCode::from_u16(answer).unwrap()
    }

    fn answers(&self, script: &[u16]) {
        self.script.lock().unwrap().extend(script);
    }

    fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }
}

async fn register(native: &Native, uri: Option<String>) {
    let (engine, tenant) = (native.world.engine(), &native.world.tenant);
    let there = engine.client(tenant, &"web".parse().unwrap()).await.unwrap();
    let registration = Registration { backchannel_logout_uri: uri, ..there.registration };
    let change = ClientChange { registration: Some(registration), ..ClientChange::default() };
    engine.update_client(tenant, &there.id, &change, None, &Actor::System, &origin()).await.unwrap();
}

/// A login of ann at the client `web`: its tokens, and the session.
async fn log_in(native: &Native) -> (Value, SessionId) {
    let mut robot = native.robot();
    let code = native.code(&mut robot, "web", "le-1").await;
    let tokens = native.redeem("web", &code).await.json();
    let sid = claims(tokens["id_token"].as_str().unwrap())["sid"].as_str().unwrap().parse().unwrap();
    (tokens, sid)
}

async fn end(native: &Native, session: &SessionId) {
    native.world.engine().end_session(&native.world.tenant, session, &Actor::System, &origin()).await.unwrap();
}

async fn s93_whatever_ends_a_session_its_client_hears_of_it(database: Database) {
    let native = Native::new(database).await;
    let (server, tenant, ann) = (&native.world.server, &native.world.tenant, &native.world.ann);
    let engine = native.world.engine();
    let listener = Listener::start(&native).await;
    let metadata = server.get(&native.path(".well-known/openid-configuration"), None).await.json();
    assert_eq!(metadata["backchannel_logout_supported"], true);
    assert_eq!(metadata["backchannel_logout_session_supported"], true);
    let mut expected = Vec::new();
    for cause in ["client", "operator", "owner", "owner_all", "reuse", "replay", "revoke", "password", "disabled"] {
        let mut shop = native.robot();
        let code = native.code(&mut shop, "web", "le-1").await;
        let tokens = native.redeem("web", &code).await.json();
        let id_token = tokens["id_token"].as_str().unwrap();
        let session = claims(id_token)["sid"].as_str().unwrap().to_owned();
        match cause {
            "client" => {
                shop.get(&native.path(&format!("logout?id_token_hint={id_token}"))).await;
            }
            "operator" => end(&native, &session.parse().unwrap()).await,
            "owner" => {
                let mut robot = logged_in(&native).await;
                let page = robot.get(&native.path("account/sessions")).await;
                let form = form_to(&page, "/account/sessions");
                robot.submit(&form, &[("session", &session), ("action", "end")]).await;
            }
            "owner_all" => {
                let mut robot = logged_in(&native).await;
                let page = robot.get(&native.path("account/sessions")).await;
                let form = form_to(&page, "/account/sessions");
                robot.submit(&form, &[("session", ""), ("action", "end_others")]).await;
            }
            "reuse" => {
                let first = tokens["refresh_token"].as_str().unwrap();
                let second = native.refresh("web", first, &[]).await.json();
                native.refresh("web", second["refresh_token"].as_str().unwrap(), &[]).await;
                server.advance(120);
                assert_eq!(native.refresh("web", first, &[]).await.status, 400);
            }
            "replay" => assert_eq!(native.redeem("web", &code).await.status, 400),
            // The client gave its own tokens back, which is no logout: it hears when the session ends.
            "revoke" => {
                let token = tokens["refresh_token"].as_str().unwrap();
                let request = server.http.post(format!("{}{}", server.url, native.path("revoke")));
                let request = request.basic_auth("web", Some(native.secret())).form(&[("token", token)]);
                assert_eq!(server.send(request).await.status, 200);
                engine.run_errands().await.unwrap();
                assert_eq!(listener.told().len(), expected.len());
                end(&native, &session.parse().unwrap()).await;
            }
            "password" => {
                let change = prokura_engine::NewPassword::Plain("battery staple horse".to_owned().into());
                engine.set_password(tenant, ann, &change, true, None, &Actor::System, &origin()).await.unwrap();
                let back = prokura_engine::NewPassword::Plain(crate::arrange::PASSWORD.to_owned().into());
                engine.set_password(tenant, ann, &back, false, None, &Actor::System, &origin()).await.unwrap();
            }
            _ => {
                let state = CustomerState::OnHold;
                engine.set_customer_state(tenant, ann, state, &Actor::System, &origin()).await.unwrap();
            }
        }
        expected.push(session);
        engine.run_errands().await.unwrap();
        let heard: Vec<_> =
            listener.told().iter().map(|token| claims(token)["sid"].as_str().unwrap().to_owned()).collect();
        assert_eq!(heard, expected, "after {cause}");
    }
    engine.run_errands().await.unwrap();
    let told = listener.told();
    assert_eq!(told.len(), expected.len(), "what was heard is not told again");
    let keys = tenant.public_keys();
    let allowed: Vec<_> = keys.iter().map(prokura_jose::PublicKey::algorithm).collect();
    let mut ids = std::collections::BTreeSet::new();
    for token in &told {
        assert!(prokura_jose::verify_jws(token, keys, &allowed, Some("logout+jwt")).is_ok());
        let claims = claims(token);
        let names: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["iss", "sub", "aud", "iat", "exp", "jti", "events", "sid"], "no nonce, and nothing else");
        assert_eq!((claims["iss"].as_str(), claims["aud"].as_str()), (Some(&*tenant.issuer), Some("web")));
        assert_eq!(claims["sub"].as_str(), Some(ann.as_str()));
        assert_eq!(claims["events"]["http://schemas.openid.net/event/backchannel-logout"], serde_json::json!({}));
        ids.insert(claims["jti"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), told.len());
}

/// The sessions the listener heard of, after the jobs that look for what ran out and make calls.
async fn heard(native: &Native, listener: &Listener) -> Vec<String> {
    let engine = native.world.engine();
    engine.end_run_out_sessions().await.unwrap();
    engine.run_errands().await.unwrap();
    listener.told().iter().map(|token| claims(token)["sid"].as_str().unwrap().to_owned()).collect()
}

async fn s93_a_session_that_runs_out_is_over_for_its_clients_as_well(database: Database) {
    let native = Native::new(database).await;
    let (engine, server, tenant) = (native.world.engine(), &native.world.server, &native.world.tenant);
    let listener = Listener::start(&native).await;
    let lives = tenant.settings.lifetimes.clone();
    let reason = async |session: &SessionId| {
        let sessions = engine.sessions(tenant, Some(&native.world.ann), "", 50).await.unwrap();
        sessions.into_iter().find(|found| found.id == *session).unwrap().end_reason
    };
    // Idle: the browser is idle first, but the refresh token is good for longer.
    let (tokens, idle) = log_in(&native).await;
    server.advance(i64::from(lives.page_idle) + 120);
    assert!(heard(&native, &listener).await.is_empty());
    let tokens = native.refresh("web", tokens["refresh_token"].as_str().unwrap(), &[]).await.json();
    server.advance(i64::from(lives.refresh) - 1);
    assert!(heard(&native, &listener).await.is_empty(), "it could still be refreshed");
    server.advance(61);
    let mut expected = vec![idle.to_string()];
    assert_eq!(heard(&native, &listener).await, expected);
    assert_eq!(reason(&idle).await.as_deref(), Some("idle"));
    assert_eq!(native.refresh("web", tokens["refresh_token"].as_str().unwrap(), &[]).await.status, 400);
    // The client gave its tokens back, and the browser is not idle yet.
    let (tokens, cookie_only) = log_in(&native).await;
    let request = server.http.post(format!("{}{}", server.url, native.path("revoke")));
    let form = [("token", tokens["refresh_token"].as_str().unwrap())];
    server.send(request.basic_auth("web", Some(native.secret())).form(&form)).await;
    server.advance(i64::from(lives.page_idle) - 1);
    assert_eq!(heard(&native, &listener).await, expected);
    server.advance(61);
    expected.push(cookie_only.to_string());
    assert_eq!(heard(&native, &listener).await, expected);
    // The hard end, however often it is refreshed.
    let mut settings = tenant.settings.clone();
    settings.lifetimes.session = 86_400;
    engine.update_tenant(tenant, &tenant.name, true, &settings, None, &Actor::System, &origin()).await.unwrap();
    let (mut tokens, hard) = log_in(&native).await;
    for _ in 0..3 {
        server.advance(86_400 / 4);
        tokens = native.refresh("web", tokens["refresh_token"].as_str().unwrap(), &[]).await.json();
    }
    assert_eq!(heard(&native, &listener).await, expected);
    server.advance(86_400 / 4 + 60);
    expected.push(hard.to_string());
    assert_eq!(heard(&native, &listener).await, expected);
    assert_eq!(reason(&hard).await.as_deref(), Some("expired"));
    // Once, by whatever node looks, and nobody is told of a session that no client took part in.
    logged_in(&native).await;
    server.advance(i64::from(lives.page_idle) + 86_400);
    assert_eq!(heard(&native, &listener).await, expected);
    let filter = prokura_engine::AuditFilter { verb: Some("session.run_out".to_owned()), ..Default::default() };
    let entries = engine.audit_trail(&tenant.id, &filter, "", 20).await.unwrap();
    assert_eq!(entries.len(), 4, "{entries:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_end_what_ran_out_once() {
    let native = Native::new(Database::Postgres).await;
    let other = native.world.server.start_second_node().await;
    let listener = Listener::start(&native).await;
    let mut expected = Vec::new();
    for _ in 0..6 {
        expected.push(log_in(&native).await.1.to_string());
    }
    native.world.server.advance(i64::from(native.world.tenant.settings.lifetimes.refresh) + 61);
    let engine = native.world.engine();
    let (one, two) = tokio::join!(engine.end_run_out_sessions(), other.engine.end_run_out_sessions());
    one.unwrap();
    two.unwrap();
    let mut told = heard(&native, &listener).await;
    told.sort_unstable();
    expected.sort_unstable();
    assert_eq!(told, expected);
}

async fn losing_a_company_logs_nobody_out_unless_nothing_else_is_left(database: Database) {
    let native = Native::new(database).await;
    let (engine, tenant, ann) = (native.world.engine(), &native.world.tenant, &native.world.ann);
    let listener = Listener::start(&native).await;
    let (tokens, _) = log_in(&native).await;
    let (_, locked) = log_in(&native).await;
    let company = "le-1".parse().unwrap();
    engine.lock_session(tenant, &locked, Some(&company), &Actor::System, &origin()).await.unwrap();
    // The company goes to sleep: nothing of it is refreshed, and everybody stays who they are.
    engine.set_legal_entity_active(tenant, &company, false, &Actor::System, &origin()).await.unwrap();
    assert!(heard(&native, &listener).await.is_empty());
    engine.set_legal_entity_active(tenant, &company, true, &Actor::System, &origin()).await.unwrap();
    // The person may not act for it any more. Another company can be chosen, but not where the session is locked.
    let held = engine.assignments_of(tenant, ann).await.unwrap();
    let (lost, _) = held.into_iter().find(|(held, _)| held.legal_entity == company).unwrap();
    engine.unassign(tenant, &lost.id, &Actor::System, &origin()).await.unwrap();
    assert_eq!(heard(&native, &listener).await, [locked.to_string()]);
    let refresh = tokens["refresh_token"].as_str().unwrap();
    assert_eq!(native.refresh("web", refresh, &[("legal_entity_id", "le-2")]).await.status, 200);
}

async fn s146_a_restore_tells_the_clients_of_every_session_it_ends(database: Database) {
    let native = Native::new(database).await;
    let (engine, server) = (native.world.engine(), &native.world.server);
    let listener = Listener::start(&native).await;
    let (_, over) = log_in(&native).await;
    end(&native, &over).await;
    let mut expected = vec![over.to_string()];
    assert_eq!(heard(&native, &listener).await, expected);
    for _ in 0..2 {
        expected.push(log_in(&native).await.1.to_string());
    }
    let (tokens, given_back) = log_in(&native).await;
    let request = server.http.post(format!("{}{}", server.url, native.path("revoke")));
    let form = [("token", tokens["refresh_token"].as_str().unwrap())];
    server.send(request.basic_auth("web", Some(native.secret())).form(&form)).await;
    expected.push(given_back.to_string());
    engine.begin_restored_epoch().await.unwrap();
    let mut told = heard(&native, &listener).await;
    told.sort_unstable();
    expected.sort_unstable();
    assert_eq!(told, expected);
    // The keys from before are taken out, so the notices bear the new ones.
    let tenant = engine.tenant(&native.world.tenant.id).await.unwrap();
    let allowed: Vec<_> = tenant.public_keys().iter().map(prokura_jose::PublicKey::algorithm).collect();
    for token in listener.told().iter().skip(1) {
        assert!(prokura_jose::verify_jws(token, tenant.public_keys(), &allowed, Some("logout+jwt")).is_ok());
    }
    server.advance(200_000);
    assert_eq!(heard(&native, &listener).await.len(), expected.len());
}

async fn a_client_that_is_away_is_told_later(database: Database) {
    let native = Native::new(database).await;
    let listener = Listener::start(&native).await;
    listener.answers(&[503, 302, 500]);
    let (_, session) = log_in(&native).await;
    end(&native, &session).await;
    let engine = native.world.engine();
    for (tries, wait) in [(1, 15), (2, 30), (3, 60)] {
        engine.run_errands().await.unwrap();
        assert_eq!(listener.told().len(), tries);
        native.world.server.advance(wait - 1);
        engine.run_errands().await.unwrap();
        assert_eq!(listener.told().len(), tries, "not yet, after {wait} seconds less one");
        native.world.server.advance(1);
    }
    engine.run_errands().await.unwrap();
    let told = listener.told();
    assert_eq!(told.len(), 4);
    let first = claims(&told[0]);
    let last = claims(&told[3]);
    assert_eq!(first["sid"], last["sid"]);
    assert_ne!(first["jti"], last["jti"], "a token of its own for each try: the one before may have arrived");
    native.world.server.advance(100_000);
    engine.run_errands().await.unwrap();
    assert_eq!(listener.told().len(), 4, "what is heard is done");
}

async fn a_client_that_cannot_be_told_is_given_up_and_the_trail_says_so(database: Database) {
    let native = Native::new(database).await;
    let (engine, tenant) = (native.world.engine(), &native.world.tenant);
    let listener = Listener::start(&native).await;
    listener.answers(&[400; 20]);
    // A port where nobody listens, and an address of the inner network.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (uri, attempts, reason) in [
        (None, 4, "the client answered 400"),
        (Some(format!("http://{closed}/logout")), 12, "the client was not called: it cannot be connected to"),
        (
            Some("https://10.0.0.1/logout".to_owned()),
            12,
            "the client was not called: its address is not of the open internet",
        ),
    ] {
        if uri.is_some() {
            register(&native, uri).await;
        }
        let (_, session) = log_in(&native).await;
        end(&native, &session).await;
        for _ in 0..20 {
            engine.run_errands().await.unwrap();
            native.world.server.advance(3_601);
        }
        let events = engine.audit_trail(&tenant.id, &prokura_engine::AuditFilter::default(), "", 200).await.unwrap();
        let given_up = events.iter().find(|event| event.verb == "errand.give_up").unwrap();
        assert_eq!((given_up.outcome, given_up.client.as_deref()), (Outcome::Failed, Some("web")));
        let detail: Value = serde_json::from_str(&given_up.detail_json).unwrap();
        assert_eq!((detail["attempts"].as_i64(), detail["reason"].as_str()), (Some(attempts), Some(reason)));
    }
    assert_eq!(listener.told().len(), 4);
}

async fn one_call_that_fails_makes_the_others_to_the_same_wait(database: Database) {
    let native = Native::new(database).await;
    let (engine, server) = (native.world.engine(), &native.world.server);
    let listener = Listener::start(&native).await;
    listener.answers(&[500, 500]);
    let (_, first) = log_in(&native).await;
    let (_, second) = log_in(&native).await;
    end(&native, &first).await;
    engine.run_errands().await.unwrap();
    server.advance(10);
    end(&native, &second).await;
    engine.run_errands().await.unwrap();
    assert_eq!(listener.told().len(), 2);
    server.advance(5);
    engine.run_errands().await.unwrap();
    assert_eq!(listener.told().len(), 2, "the first is due, but the client failed five seconds ago");
    server.advance(10);
    engine.run_errands().await.unwrap();
    assert_eq!(listener.told().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_was_about_to_tell_when_it_died_another_tells() {
    let native = Native::new(Database::Postgres).await;
    let other = native.world.server.start_second_node().await;
    let listener = Listener::start(&native).await;
    listener.answers(&[SILENCE]);
    let (_, session) = log_in(&native).await;
    end(&native, &session).await;
    let engine = native.world.engine().clone();
    let dying = tokio::spawn(async move { engine.run_errands().await });
    while listener.told().is_empty() {
        tokio::task::yield_now().await;
    }
    dying.abort();
    assert!(dying.await.unwrap_err().is_cancelled());
    other.engine.run_errands().await.unwrap();
    assert_eq!(listener.told().len(), 1, "it is still the other node's");
    native.world.server.advance(301);
    other.engine.run_errands().await.unwrap();
    let told = listener.told();
    assert_eq!(told.len(), 2, "once more, for nobody knows whether it was heard");
    assert_eq!(claims(&told[0])["sid"], claims(&told[1])["sid"]);
    // Both look at once: each notice is one node's.
    let mut sessions = Vec::new();
    for _ in 0..6 {
        sessions.push(log_in(&native).await.1);
    }
    for session in &sessions {
        end(&native, session).await;
    }
    let (one, two) = tokio::join!(native.world.engine().run_errands(), other.engine.run_errands());
    one.unwrap();
    two.unwrap();
    let mut heard: Vec<_> =
        listener.told()[2..].iter().map(|token| claims(token)["sid"].as_str().unwrap().to_owned()).collect();
    heard.sort();
    let mut ended: Vec<_> = sessions.iter().map(ToString::to_string).collect();
    ended.sort();
    assert_eq!(heard, ended);
}

async fn s32_a_logout_token_is_good_for_nothing_else(database: Database) {
    let native = Native::new(database).await;
    let server = &native.world.server;
    let listener = Listener::start(&native).await;
    let (_, session) = log_in(&native).await;
    end(&native, &session).await;
    native.world.engine().run_errands().await.unwrap();
    let token = listener.told().pop().unwrap();
    assert_eq!(native.userinfo(&token).await.status, 401);
    assert_eq!(server.get("/customer/acme/me", Some(&token)).await.status, 401);
    let request = server.http.post(format!("{}{}", server.url, native.path("introspect")));
    let request = request.basic_auth("web", Some(native.secret())).form(&[("token", &token)]);
    assert_eq!(server.send(request).await.json(), serde_json::json!({ "active": false }));
    let bye = format!("logout?id_token_hint={token}&post_logout_redirect_uri=https%3A%2F%2Fapp.example%2Fbye");
    let answer = native.robot().get(&native.path(&bye)).await;
    assert_eq!((answer.status, location(&answer)), (200, None), "a page, and no redirect");
}
