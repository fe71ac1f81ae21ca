//! Trusted agents: somebody of the staff logs in on our own pages and acts for a shopper.

use super::{
    CALLBACK, CHALLENGE, EMAIL, Kind, SCOPES, Shop, VERIFIER,
    elsewhere::{door_of, walk},
    position, text, tokens,
};
use crate::{
    arrange::{PASSWORD, customer, on_both_databases, origin, permit},
    oauth::robot::{Robot, location, query},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use prokura_domain::{ClientKind, CustomerId, CustomerState, RefreshPolicy};
use prokura_engine::{Actor, AuditFilter, ClientChange, Registration};
use prokura_testkit::{Answer, Database, claims};
use reqwest::Method;
use serde_json::{Value, json};

on_both_databases!(
    an_agent_acts_for_a_shopper_for_a_quarter_of_an_hour,
    an_agent_acts_for_a_guest,
    a_private_client_shows_its_secret_beside_the_agent,
    s20_the_code_of_an_agent_is_good_once,
    nobody_acts_for_others_without_the_right_to_it,
    what_is_asked_wrongly_goes_nowhere,
    an_agents_token_opens_no_pages_and_no_other_token,
    s149_an_agent_does_not_change_how_a_customer_logs_in,
);

pub(super) const ACTING: &str = "sfcc.ta_ext_on_behalf_of";
pub(super) const STAFF: &str = "staff@shop.example";

/// A shop with clients that are registered for it, and somebody of the staff.
async fn staffed(database: Database) -> (Shop, CustomerId) {
    let shop = Shop::on(database).await;
    let (engine, tenant) = (shop.world.engine(), &shop.world.tenant);
    for client in ["pub", "priv"] {
        let change = ClientChange { scopes: Some(format!("{SCOPES} {ACTING}")), ..ClientChange::default() };
        engine.update_client(tenant, &client.parse().unwrap(), &change, None, &Actor::System, &origin()).await.unwrap();
    }
    let staff = staff(&shop).await;
    (shop, staff)
}

/// Somebody who may act for others.
pub(super) async fn staff(shop: &Shop) -> CustomerId {
    let (engine, tenant) = (shop.world.engine(), &shop.world.tenant);
    let staff = customer(engine, tenant, STAFF).await;
    permit(engine, tenant, &staff, ACTING).await;
    staff
}

/// What an agent's client asks first.
fn begin<'a>(client: &'a str, login: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("client_id", client),
        ("channel_id", "main"),
        ("login_id", login),
        ("idp_origin", if login == "guest" { "slas" } else { "ecom" }),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("code_challenge", CHALLENGE),
    ]
}

async fn start(shop: &Shop, parameters: &[(&str, &str)]) -> Answer {
    shop.send(shop.request(Method::GET, &shop.slas("trusted-agent/authorize")).query(parameters)).await
}

/// Code and state, after somebody logged in on the pages.
async fn log_in(shop: &Shop, client: &str, login: &str, staff: &str) -> (String, String) {
    log_in_at(shop, &begin(client, login), staff).await
}

/// The same from any beginning.
async fn log_in_at(shop: &Shop, parameters: &[(&str, &str)], staff: &str) -> (String, String) {
    let door = door_of(shop, &start(shop, parameters).await);
    let page = walk(&mut Robot::new(&shop.world.server), &door, staff, "allow").await;
    let back = location(&page).unwrap_or_else(|| panic!("no way back: {}", page.text));
    assert!(back.starts_with(CALLBACK), "{back}");
    let query = query(&back);
    (query["code"].clone(), query["state"].clone())
}

/// Shows the code.
async fn act(shop: &Shop, kind: Kind, code: &str, login: &str, more: &[(&str, &str)]) -> Answer {
    let mut form = vec![
        ("grant_type", "client_credentials"),
        ("channel_id", "main"),
        ("login_id", login),
        ("idp_origin", if login == "guest" { "slas" } else { "ecom" }),
        ("code_verifier", VERIFIER),
        ("redirect_uri", CALLBACK),
        ("client_id", if kind == Kind::Public { "pub" } else { "priv" }),
    ];
    form.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    form.extend_from_slice(more);
    let request = shop.request(Method::POST, &shop.slas("trusted-agent/token")).bearer_auth(code);
    let request = match kind {
        Kind::Public => request,
        Kind::Private => request.header("_sfdc_client_auth", STANDARD.encode(format!("priv:{}", shop.secret))),
    };
    shop.send(request.form(&form)).await
}

async fn an_agent_acts_for_a_shopper_for_a_quarter_of_an_hour(database: Database) {
    let (shop, staff) = staffed(database).await;
    let (code, state) = log_in(&shop, "pub", EMAIL, STAFF).await;
    assert!(state.starts_with("taob.reg."), "{state}");
    let usid = "a8a2b1c4-0f3e-4d55-9d5c-0123456789ab";
    let acting = tokens(&act(&shop, Kind::Public, &code, EMAIL, &[("usid", usid), ("agent_id", STAFF)]).await);
    assert_eq!(acting["expires_in"], 900);
    assert_eq!((&acting["refresh_token"], &acting["refresh_token_expires_in"]), (&"".into(), &0.into()));
    assert_eq!((acting["usid"].as_str(), acting["dnt"].as_str()), (Some(usid), Some("true")), "nobody is followed");
    let access = text(&acting, "access_token");
    let said = claims(access);
    assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 900);
    assert_eq!(position(access, 1), format!("upn:{EMAIL}"));
    assert_eq!(position(access, 5), "taob:ta_ext_on_behalf_of");
    assert_eq!(position(access, 6), format!("agent:{staff}"));
    assert_eq!(position(access, 7), "chid:main");
    assert_eq!((said["act"]["sub"].as_str(), said["act"]["client_id"].as_str()), (Some(staff.as_str()), Some("pub")));
    let own = shop.authenticate("credentials", |request| request.basic_auth(EMAIL, Some(PASSWORD))).await;
    assert_eq!(acting["customer_id"], tokens(&own)["customer_id"]);
    // The trail names the agent.
    let filter = AuditFilter { verb: Some("agent.act_for_somebody".to_owned()), ..AuditFilter::default() };
    let trail = shop.world.engine().audit_trail(&shop.world.tenant.id, &filter, "", 50).await.unwrap();
    let detail: Value = serde_json::from_str(&trail.first().unwrap().detail_json).unwrap();
    assert_eq!(detail["actor"], staff.as_str());
    shop.world.server.advance(901);
    assert!(!shop.world.is_good(access));
    let (code, _) = log_in(&shop, "pub", EMAIL, STAFF).await;
    let again = tokens(&act(&shop, Kind::Public, &code, EMAIL, &[("usid", usid)]).await);
    assert_eq!((&again["customer_id"], &again["usid"]), (&acting["customer_id"], &acting["usid"]), "logs in again");
}

async fn an_agent_acts_for_a_guest(database: Database) {
    let (shop, staff) = staffed(database).await;
    let (code, state) = log_in(&shop, "pub", "guest", STAFF).await;
    assert!(state.starts_with("taob.gst.") && state.len() == 9 + 36, "{state}");
    let acting = tokens(&act(&shop, Kind::Public, &code, "guest", &[("state", &state), ("dnt", "false")]).await);
    assert_eq!((acting["expires_in"].as_i64(), acting["refresh_token"].as_str()), (Some(900), Some("")));
    assert_eq!((acting["id_token"].as_str(), acting["dnt"].as_str()), (Some(""), Some("false")));
    let access = text(&acting, "access_token");
    assert_eq!(position(access, 1), "upn:Guest");
    assert_eq!(position(access, 4), "taob:ta_ext_on_behalf_of");
    assert_eq!(position(access, 5), format!("agent:{staff}"));
    assert_eq!(claims(access)["act"]["sub"], staff.as_str());
}

async fn a_private_client_shows_its_secret_beside_the_agent(database: Database) {
    let (shop, _) = staffed(database).await;
    let (code, _) = log_in(&shop, "priv", EMAIL, STAFF).await;
    // None of these burns the code.
    let form = [("login_id", EMAIL), ("idp_origin", "ecom"), ("channel_id", "main"), ("client_id", "priv")];
    let bare = shop.request(Method::POST, &shop.slas("trusted-agent/token")).bearer_auth(&code);
    assert_eq!(shop.send(bare.form(&form)).await.status, 401, "without its secret it is nobody");
    for value in [format!("priv:{}x", shop.secret), format!("pub:{}", shop.secret)] {
        let request = shop.request(Method::POST, &shop.slas("trusted-agent/token")).bearer_auth(&code);
        let request = request.header("_sfdc_client_auth", STANDARD.encode(value)).form(&form);
        assert_eq!(shop.send(request).await.status, 401);
    }
    // The word before it is taken, too.
    let form = [
        ("grant_type", "client_credentials"),
        ("channel_id", "main"),
        ("login_id", EMAIL),
        ("idp_origin", "ecom"),
        ("code_verifier", VERIFIER),
    ];
    let header = format!("Basic {}", STANDARD.encode(format!("priv:{}", shop.secret)));
    let request = shop.request(Method::POST, &shop.slas("trusted-agent/token")).bearer_auth(&code);
    let acting = tokens(&shop.send(request.header("_sfdc_client_auth", header).form(&form)).await);
    assert_eq!(acting["expires_in"], 900);
    let (code, _) = log_in(&shop, "priv", EMAIL, STAFF).await;
    tokens(&act(&shop, Kind::Private, &code, EMAIL, &[]).await);
    // Registered for it, it may leave the challenge out, as its storefronts do; what it says as `state` ties both ends.
    let (engine, tenant) = (shop.world.engine(), &shop.world.tenant);
    let id = "priv".parse().unwrap();
    let registration = engine.client(tenant, &id).await.unwrap().registration;
    let registration = Some(Registration { may_omit_pkce: true, ..registration });
    let change = ClientChange { registration, ..ClientChange::default() };
    engine.update_client(tenant, &id, &change, None, &Actor::System, &origin()).await.unwrap();
    let mut asked = begin("priv", EMAIL);
    asked.retain(|(name, _)| *name != "code_challenge");
    assert_eq!(start(&shop, &asked).await.status, 400, "nothing ties them");
    asked.push(("state", "a state of the client"));
    let (code, state) = log_in_at(&shop, &asked, STAFF).await;
    assert_eq!(state, "a state of the client");
    tokens(&act(&shop, Kind::Private, &code, EMAIL, &[("code_verifier", "")]).await);
}

async fn s20_the_code_of_an_agent_is_good_once(database: Database) {
    let (shop, _) = staffed(database).await;
    let (code, _) = log_in(&shop, "pub", EMAIL, STAFF).await;
    for (more, why) in [
        (("code_verifier", "wrong"), "another verifier"),
        (("redirect_uri", "http://localhost:3000/other"), "another place"),
        (("agent_id", "somebody@shop.example"), "another agent"),
        (("login_id", "nobody@a.example"), "a shopper nobody knows"),
    ] {
        assert_eq!(act(&shop, Kind::Public, &code, EMAIL, &[more]).await.status, 401, "{why}");
    }
    assert_eq!(act(&shop, Kind::Private, &code, EMAIL, &[]).await.status, 401, "another client");
    let acting = tokens(&act(&shop, Kind::Public, &code, EMAIL, &[]).await);
    let access = text(&acting, "access_token");
    assert!(shop.world.is_good(access));
    assert_eq!(act(&shop, Kind::Public, &code, EMAIL, &[]).await.status, 401, "a second time");
    assert!(!shop.world.is_good(access), "and what the first one got is over (S-21)");
    let (code, _) = log_in(&shop, "pub", EMAIL, STAFF).await;
    shop.world.server.advance(61);
    assert_eq!(act(&shop, Kind::Public, &code, EMAIL, &[]).await.status, 401, "too late");
    // A shopper's own code is none.
    let (guests, _) = shop.guest_code(&[]).await;
    assert_eq!(act(&shop, Kind::Public, &guests, EMAIL, &[]).await.status, 401);
}

async fn nobody_acts_for_others_without_the_right_to_it(database: Database) {
    let (shop, staff) = staffed(database).await;
    let (engine, tenant, system, from) = (shop.world.engine(), &shop.world.tenant, Actor::System, origin());
    // Ann is a shopper like any other.
    let (code, _) = log_in(&shop, "pub", STAFF, EMAIL).await;
    let refused = act(&shop, Kind::Public, &code, STAFF, &[]).await;
    assert_eq!(refused.status, 401, "{}", refused.text);
    // Whoever left before the code was shown does not act.
    let (code, _) = log_in(&shop, "pub", EMAIL, STAFF).await;
    engine.set_customer_state(tenant, &staff, CustomerState::Inactive, &system, &from).await.unwrap();
    assert_eq!(act(&shop, Kind::Public, &code, EMAIL, &[]).await.status, 401);
    engine.set_customer_state(tenant, &staff, CustomerState::Active, &system, &from).await.unwrap();
    // The client needs it, too.
    let (code, _) = log_in(&shop, "pub", EMAIL, STAFF).await;
    let change = ClientChange { scopes: Some(SCOPES.to_owned()), ..ClientChange::default() };
    engine.update_client(tenant, &"pub".parse().unwrap(), &change, None, &system, &from).await.unwrap();
    assert_eq!(act(&shop, Kind::Public, &code, EMAIL, &[]).await.status, 401);
    assert_eq!(start(&shop, &begin("pub", EMAIL)).await.status, 401);
}

async fn what_is_asked_wrongly_goes_nowhere(database: Database) {
    let (shop, _) = staffed(database).await;
    let right = begin("pub", EMAIL);
    for (name, value) in [
        ("redirect_uri", "https://evil.example/cb"),
        ("client_id", "nobody"),
        ("channel_id", "elsewhere"),
        ("response_type", "token"),
        ("code_challenge", ""),
        ("code_challenge", "short"),
        ("login_id", ""),
        ("idp_origin", "slas"),
        ("idp_origin", "okta"),
    ] {
        let mut parameters: Vec<_> = right.iter().filter(|(known, _)| *known != name).copied().collect();
        parameters.push((name, value));
        let answer = start(&shop, &parameters).await;
        assert_eq!(answer.status, 400, "{name}={value}: {}", answer.text);
    }
    // What a client says as `state` comes back as it is.
    let answer = start(&shop, &[begin("pub", EMAIL), vec![("state", "a b&c")]].concat()).await;
    assert!(answer.headers["location"].to_str().unwrap().contains("&state=a%20b%26c&"), "{:?}", answer.headers);
    let without = begin("priv", EMAIL).into_iter().filter(|(name, _)| *name != "code_challenge").collect::<Vec<_>>();
    assert_eq!(start(&shop, &without).await.status, 400, "private clients prove what they began, too (S-07)");
    for (name, value) in [("grant_type", "password"), ("channel_id", "elsewhere"), ("idp_origin", "slas")] {
        let answer = act(&shop, Kind::Public, "pkr_ac_never", EMAIL, &[(name, value)]).await;
        assert_eq!(answer.status, 400, "{name}: {}", answer.text);
    }
    assert_eq!(act(&shop, Kind::Public, "pkr_ac_never", EMAIL, &[]).await.status, 401);
}

async fn an_agents_token_opens_no_pages_and_no_other_token(database: Database) {
    let (shop, _) = staffed(database).await;
    let (code, _) = log_in(&shop, "pub", EMAIL, STAFF).await;
    let acting = tokens(&act(&shop, Kind::Public, &code, EMAIL, &[]).await);
    let access = text(&acting, "access_token").to_owned();
    let crossing = shop.sessions(&access, None).await;
    assert_eq!(crossing.status, 403, "{}", crossing.text);
    let again = shop.authenticate("refresh", |request| request.bearer_auth(&access)).await;
    assert_eq!(again.status, 403, "{}", again.text);
    let (server, tenant) = (&shop.world.server, &shop.world.tenant);
    let secret =
        server.client(tenant, "ex", ClientKind::Confidential, "token_exchange", "", RefreshPolicy::Reuse).await;
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", &access),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
    ];
    let request = server.http.post(shop.url("/t/acme/token")).basic_auth("ex", Some(secret.unwrap().expose()));
    let exchanged = server.send(request.form(&form)).await;
    assert_eq!(exchanged.status, 400, "{}", exchanged.text);
    let url = shop.slas("userinfo");
    let info = tokens(&shop.send(shop.request(Method::GET, &url).bearer_auth(&access)).await);
    assert_eq!(info["email"], EMAIL);
    // There is no refresh token to log out with, and nothing else of hers ends.
    let own = shop.buyer(Kind::Public, None).await;
    let leave = async |more: &[(&str, &str)]| {
        let query = [&[("client_id", "pub"), ("channel_id", "main")], more].concat();
        shop.send(shop.request(Method::GET, &shop.slas("logout")).query(&query).bearer_auth(&access)).await
    };
    assert_eq!(leave(&[("hint", "all-sessions")]).await.status, 400, "that is hers to say");
    assert_eq!(leave(&[]).await.status, 200);
    assert!(!shop.world.is_good(&access));
    assert!(shop.world.is_good(text(&own, "access_token")));
}

async fn s149_an_agent_does_not_change_how_a_customer_logs_in(database: Database) {
    let (mut shop, _) = staffed(database).await;
    let mut settings = shop.world.tenant.settings.clone();
    if !settings.dialects.iter().any(|dialect| dialect == "emporix") {
        settings.dialects.push("emporix".to_owned());
    }
    "customer.customerprofile_edit".clone_into(&mut settings.customer_scopes);
    let (system, from) = (Actor::System, origin());
    let (engine, tenant) = (shop.world.engine(), &shop.world.tenant);
    let tenant = engine.update_tenant(tenant, &tenant.name, true, &settings, None, &system, &from).await.unwrap();
    shop.world.tenant = tenant;
    let (code, _) = log_in(&shop, "pub", EMAIL, STAFF).await;
    let acting = tokens(&act(&shop, Kind::Public, &code, EMAIL, &[]).await);
    let own = shop.buyer(Kind::Public, None).await;
    let change = async |token: &Value, path: &str, body: &Value| {
        let request = shop.request(Method::POST, &shop.url(&format!("/customer/acme/{path}"))).json(body);
        shop.send(request.bearer_auth(text(token, "access_token"))).await
    };
    // With the right password, too.
    let password = json!({ "currentPassword": PASSWORD, "newPassword": "another horse, as correct" });
    let address = json!({ "email": EMAIL, "password": PASSWORD, "newEmail": "ann@b.example" });
    for (path, body) in [("me/accounts/internal/email/change", &address), ("password/change", &password)] {
        let answer = change(&acting, path, body).await;
        assert_eq!(answer.status, 403, "{path}: {}", answer.text);
        let answer = change(&own, path, body).await;
        assert_eq!(answer.status, 204, "{path}: {}", answer.text);
    }
}
