//! The native protocol through the front door: pages without scripts, codes, refresh, companies, log-out.

mod client_keys;
mod dpop;
mod fapi;
mod locks;
mod registering;
pub(crate) mod robot;
mod rules;
mod step_up;
mod targets;

use crate::arrange::{PASSWORD, World, on_both_databases, origin};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use prokura_domain::{ClientKind, RefreshPolicy};
use prokura_engine::{Actor, ClientChange, CreateClient, Registration};
use prokura_testkit::{Answer, Database};
use robot::{Robot, form, location, query};
use serde_json::Value;

pub(crate) const CALLBACK: &str = "https://app.example/cb";
/// The verifier and the challenge of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(crate) const SCOPES: &str = "openid profile email legal_entity offline_access";

/// A world with two native clients: `web` with a secret, and `spa` without.
pub(crate) struct Native {
    pub(crate) world: World,
    pub(crate) secret: String,
}

impl Native {
    pub(crate) async fn new(database: Database) -> Self {
        let world = World::new(database, RefreshPolicy::Rotate { leeway_seconds: 10 }).await;
        let secret = client(&world, "web", ClientKind::Confidential, true).await.unwrap();
        client(&world, "spa", ClientKind::Public, false).await;
        Self { world, secret }
    }

    /// The secret of the client `web`.
    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/t/{}/{rest}", self.world.tenant.id)
    }

    pub(crate) fn robot(&self) -> Robot<'_> {
        Robot::new(&self.world.server)
    }

    pub(crate) fn authorize(&self, client: &str, more: &str) -> String {
        let request = format!(
            "response_type=code&client_id={client}&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&scope={}&state=s%201&\
             nonce=n-1&code_challenge={CHALLENGE}&code_challenge_method=S256{more}",
            SCOPES.replace(' ', "%20")
        );
        self.path(&format!("authorize?{request}"))
    }

    /// Logs ann in on the way to `client` and chooses `entity`, when the chooser comes; the answer is what the last page
    /// led to.
    pub(crate) async fn log_in(&self, robot: &mut Robot<'_>, start: &str, entity: &str) -> Answer {
        let answer = robot.get(start).await;
        let page = robot.follow(answer).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let page = robot.submit(&form(&page), &[("username", "ann@a.example"), ("action", "continue")]).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let answer = robot.submit(&form(&page), &[("password", PASSWORD), ("action", "log_in")]).await;
        let mut page = robot.follow(answer).await;
        if page.status == 200 && form(&page).action.ends_with("/company") {
            let answer = robot.submit(&form(&page), &[("legal_entity_id", entity), ("action", "choose")]).await;
            page = robot.follow(answer).await;
        }
        page
    }

    pub(crate) async fn code(&self, robot: &mut Robot<'_>, client: &str, entity: &str) -> String {
        let answer = self.log_in(robot, &self.authorize(client, ""), entity).await;
        let answer = if answer.status == 200 {
            let answer = robot.submit(&form(&answer), &[("action", "allow")]).await;
            robot.follow(answer).await
        } else {
            answer
        };
        query(&location(&answer).unwrap())["code"].clone()
    }

    pub(crate) async fn token(&self, client: &str, fields: &[(&str, &str)]) -> Answer {
        self.token_with(client, fields, None).await
    }

    /// The same with a `DPoP` header.
    pub(crate) async fn token_with(&self, client: &str, fields: &[(&str, &str)], proof: Option<&str>) -> Answer {
        let request = self.world.server.http.post(format!("{}{}", self.world.server.url, self.path("token")));
        let mut fields = fields.to_vec();
        let request = if client == "web" {
            request.basic_auth("web", Some(&self.secret))
        } else {
            fields.push(("client_id", client));
            request
        };
        let request = match proof {
            Some(proof) => request.header("dpop", proof),
            None => request,
        };
        self.world.server.send(request.form(&fields)).await
    }

    /// Changes what `client` registered.
    pub(crate) async fn register(&self, client: &str, change: impl FnOnce(&mut Registration)) {
        let (engine, tenant) = (self.world.engine(), &self.world.tenant);
        let id = client.parse().unwrap();
        let mut registration = engine.client(tenant, &id).await.unwrap().registration;
        change(&mut registration);
        let change = ClientChange { registration: Some(registration), ..ClientChange::default() };
        engine.update_client(tenant, &id, &change, None, &Actor::System, &origin()).await.unwrap();
    }

    pub(crate) async fn redeem(&self, client: &str, code: &str) -> Answer {
        let grant = ("grant_type", "authorization_code");
        self.token(client, &[grant, ("code", code), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)]).await
    }

    pub(crate) async fn refresh(&self, client: &str, token: &str, more: &[(&str, &str)]) -> Answer {
        let mut fields = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
        fields.extend(more);
        self.token(client, &fields).await
    }

    pub(crate) async fn userinfo(&self, token: &str) -> Answer {
        self.world.server.get(&self.path("userinfo"), Some(token)).await
    }
}

async fn client(world: &World, id: &str, kind: ClientKind, is_first_party: bool) -> Option<String> {
    let request = CreateClient {
        id: Some(id.parse().unwrap()),
        name: format!("The {id}"),
        kind,
        scopes: SCOPES.to_owned(),
        grants: "authorization_code refresh_token token_exchange device_code".to_owned(),
        refresh_policy: RefreshPolicy::Rotate { leeway_seconds: 10 },
        access_seconds: None,
        refresh_seconds: None,
        registration: Registration {
            redirect_uris: vec![CALLBACK.to_owned()],
            post_logout_redirect_uris: vec!["https://app.example/bye".to_owned()],
            origins: vec!["https://app.example".to_owned()],
            is_first_party,
            ..Registration::default()
        },
    };
    let made = world.engine().create_client(&world.tenant, &request, &Actor::System, &origin()).await.unwrap();
    made.secret.map(|secret| secret.expose().to_owned())
}

/// The claims of a token of ours, unverified.
pub(crate) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

on_both_databases!(
    a_buyer_logs_in_chooses_a_company_and_the_tokens_carry_it,
    an_application_of_somebody_else_is_asked_for_once,
    a_company_in_the_request_is_taken_or_refused,
    a_device_is_let_in_by_a_person_elsewhere,
    choosing_nothing_is_not_choosing_nobody,
    who_is_logged_in_gets_a_second_code_without_a_password,
    logging_out_ends_session_family_and_cookie
);

async fn a_buyer_logs_in_chooses_a_company_and_the_tokens_carry_it(database: Database) {
    let native = Native::new(database).await;
    let mut robot = native.robot();
    let answer = native.log_in(&mut robot, &native.authorize("web", ""), "le-2").await;
    assert_eq!(answer.status, 303);
    let answer = query(&location(&answer).unwrap());
    assert_eq!((answer["state"].as_str(), answer["iss"].as_str()), ("s 1", &*native.world.tenant.issuer));

    let tokens = native.redeem("web", &answer["code"]).await.json();
    assert_eq!((tokens["token_type"].as_str(), tokens["legal_entity_id"].as_str()), (Some("Bearer"), Some("le-2")));
    let id_token = claims(tokens["id_token"].as_str().unwrap());
    assert_eq!(id_token["iss"].as_str(), Some(&*native.world.tenant.issuer));
    assert_eq!((id_token["aud"].as_str(), id_token["nonce"].as_str()), (Some("web"), Some("n-1")));
    assert_eq!(id_token["sub"].as_str(), Some(native.world.ann.as_str()));
    assert_eq!(id_token["legal_entity_name"].as_str(), Some("LE-2"));
    assert_eq!(id_token["assignment_type"].as_str(), Some("CONTACT"));
    assert_eq!(id_token["groups"], serde_json::json!(["B2B_BUYER"]));
    let access = tokens["access_token"].as_str().unwrap();
    let person = native.userinfo(access).await.json();
    assert_eq!((person["email"].as_str(), person["legal_entity_id"].as_str()), (Some("ann@a.example"), Some("le-2")));

    // Another company without another login; one that is not hers changes nothing.
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let foreign = native.refresh("web", refresh, &[("legal_entity_id", "le-3")]).await;
    assert_eq!(
        (foreign.status, foreign.json()["error"].as_str().unwrap().to_owned()),
        (400, "invalid_target".to_owned())
    );
    let switched = native.refresh("web", refresh, &[("legal_entity_id", "le-1")]).await.json();
    assert_eq!(switched["legal_entity_id"].as_str(), Some("le-1"));
    let kept = native.refresh("web", switched["refresh_token"].as_str().unwrap(), &[]).await.json();
    assert_eq!(kept["legal_entity_id"].as_str(), Some("le-1"), "without a wish the company stays");
    assert_eq!(claims(kept["id_token"].as_str().unwrap())["legal_entity_id"].as_str(), Some("le-1"));
    // The token before the switch is over at once: its company is another one.
    assert_eq!(native.userinfo(access).await.status, 401);
}

async fn an_application_of_somebody_else_is_asked_for_once(database: Database) {
    let native = Native::new(database).await;
    let mut robot = native.robot();
    let page = native.log_in(&mut robot, &native.authorize("spa", ""), "le-1").await;
    assert!(page.status == 200 && page.text.contains("The spa"), "{}", page.text);
    let denied = robot.submit(&form(&page), &[("action", "deny")]).await;
    let denied = query(&location(&denied).unwrap());
    assert_eq!((denied["error"].as_str(), denied["iss"].as_str()), ("access_denied", &*native.world.tenant.issuer));
    assert_eq!(denied["state"], "s 1");

    let answer = robot.get(&native.authorize("spa", "&legal_entity_id=le-1")).await;
    let page = robot.follow(answer).await;
    let allowed = robot.submit(&form(&page), &[("action", "allow")]).await;
    let code = query(&location(&allowed).unwrap())["code"].clone();
    assert_eq!(native.redeem("spa", &code).await.status, 200);
    // Once given, it is not asked for again, but for a client that wants it.
    let again = robot.get(&native.authorize("spa", "&legal_entity_id=le-1&prompt=none")).await;
    assert!(query(&location(&again).unwrap()).contains_key("code"), "{again:?}");
    let asked = robot.get(&native.authorize("spa", "&legal_entity_id=le-1&prompt=consent")).await;
    assert!(location(&asked).unwrap().contains("/consent?"), "{asked:?}");
}

async fn a_company_in_the_request_is_taken_or_refused(database: Database) {
    let native = Native::new(database).await;
    let mut robot = native.robot();
    let answer = native.log_in(&mut robot, &native.authorize("web", "&legal_entity_id=le-1"), "le-2").await;
    let code = query(&location(&answer).unwrap())["code"].clone();
    assert_eq!(native.redeem("web", &code).await.json()["legal_entity_id"].as_str(), Some("le-1"));
    // While consent is asked for, no form can put another company in its place.
    let answer = robot.get(&native.authorize("spa", "&legal_entity_id=le-1")).await;
    let consent = robot.follow(answer).await;
    let chooser = robot::Form { action: native.path("company"), fields: form(&consent).fields };
    assert_eq!(robot.submit(&chooser, &[("legal_entity_id", "le-2")]).await.status, 422);
    let answer = robot.submit(&form(&consent), &[("action", "allow")]).await;
    let code = query(&location(&answer).unwrap())["code"].clone();
    assert_eq!(native.redeem("spa", &code).await.json()["legal_entity_id"].as_str(), Some("le-1"));
    for foreign in ["le-3", "no-such", "%00"] {
        let answer = robot.get(&native.authorize("web", &format!("&legal_entity_id={foreign}"))).await;
        let answer = query(&location(&answer).unwrap());
        assert_eq!(answer.get("error").map(String::as_str), Some("invalid_target"), "{foreign}");
    }
}

async fn a_device_is_let_in_by_a_person_elsewhere(database: Database) {
    let native = Native::new(database).await;
    let server = &native.world.server;
    let begin = async |more: &[(&str, &str)]| {
        let mut fields = vec![("client_id", "spa"), ("scope", "openid legal_entity")];
        fields.extend(more);
        let request = server.http.post(format!("{}{}", server.url, native.path("device_authorization")));
        server.send(request.form(&fields)).await.json()
    };
    let poll = async |device: &Value| {
        let grant = ("grant_type", "urn:ietf:params:oauth:grant-type:device_code");
        native.token("spa", &[grant, ("device_code", device["device_code"].as_str().unwrap())]).await
    };
    let error = async |device: &Value| poll(device).await.json()["error"].as_str().unwrap_or_default().to_owned();
    let device = begin(&[("legal_entity_id", "le-2")]).await;
    assert_eq!((device["expires_in"].as_u64(), device["interval"].as_u64()), (Some(600), Some(5)));
    assert_eq!(error(&device).await, "authorization_pending");
    assert_eq!(error(&device).await, "slow_down");

    // A person elsewhere logs in first, and comes back to the page with the code.
    let mut robot = native.robot();
    let answer = robot.get(&native.path("device")).await;
    let page = robot.follow(answer).await;
    let page = robot.submit(&form(&page), &[("username", "ann@a.example")]).await;
    let answer = robot.submit(&form(&page), &[("password", PASSWORD)]).await;
    let page = robot.follow(answer).await;
    let unknown = robot.submit(&form(&page), &[("user_code", "BBBB-BBBB"), ("action", "continue")]).await;
    assert_eq!(unknown.status, 422);
    let typed = device["user_code"].as_str().unwrap().replace('-', " ").to_lowercase();
    let asked = robot.submit(&form(&page), &[("user_code", &typed), ("action", "continue")]).await;
    assert!(asked.text.contains("LE-2") && asked.text.contains("The spa"), "{}", asked.text);
    let done = robot.submit(&form(&asked), &[("action", "allow")]).await;
    assert_eq!(done.status, 200, "{}", done.text);
    let tokens = poll(&device).await.json();
    assert_eq!(tokens["legal_entity_id"].as_str(), Some("le-2"), "{tokens}");
    assert!(tokens["id_token"].is_string() && tokens["refresh_token"].is_string());
    assert_eq!(error(&device).await, "invalid_grant", "used once");

    let other = begin(&[]).await;
    let code = ("user_code", other["user_code"].as_str().unwrap());
    let denied = robot.submit(&form(&page), &[code, ("action", "deny")]).await;
    assert_eq!(denied.status, 200);
    assert_eq!(error(&other).await, "access_denied");
    let foreign = begin(&[("legal_entity_id", "le-3")]).await;
    let code = ("user_code", foreign["user_code"].as_str().unwrap());
    assert_eq!(robot.submit(&form(&page), &[code, ("action", "allow")]).await.status, 422, "not her company");
    let late = begin(&[]).await;
    server.advance(601);
    assert_eq!(error(&late).await, "expired_token");
}

async fn choosing_nothing_is_not_choosing_nobody(database: Database) {
    let native = Native::new(database).await;
    let mut robot = native.robot();
    let answer = robot.get(&native.authorize("web", "")).await;
    let page = robot.follow(answer).await;
    let page = robot.submit(&form(&page), &[("username", "ann@a.example")]).await;
    let answer = robot.submit(&form(&page), &[("password", PASSWORD)]).await;
    let page = robot.follow(answer).await;
    assert_eq!(robot.submit(&form(&page), &[]).await.status, 422);
    assert_eq!(robot.submit(&form(&page), &[("legal_entity_id", "le-3")]).await.status, 422);
    let answer = robot.submit(&form(&page), &[("legal_entity_id", "")]).await;
    let code = query(&location(&answer).unwrap())["code"].clone();
    let tokens = native.redeem("web", &code).await.json();
    assert!(tokens.get("legal_entity_id").is_none(), "a private person");
}

async fn who_is_logged_in_gets_a_second_code_without_a_password(database: Database) {
    let native = Native::new(database).await;
    let mut robot = native.robot();
    // Nobody is logged in, and no page is wanted.
    let silent = robot.get(&native.authorize("web", "&prompt=none")).await;
    assert_eq!(query(&location(&silent).unwrap())["error"], "login_required");
    let first = native.code(&mut robot, "web", "le-1").await;
    // Two companies: the chooser is a page, too.
    let silent = robot.get(&native.authorize("web", "&prompt=none")).await;
    assert_eq!(query(&location(&silent).unwrap())["error"], "interaction_required");
    let silent = robot.get(&native.authorize("web", "&prompt=none&legal_entity_id=le-2")).await;
    let second = query(&location(&silent).unwrap())["code"].clone();
    // Two tabs, two companies, one session.
    let one = native.redeem("web", &first).await.json();
    let two = native.redeem("web", &second).await.json();
    let (one, two) = (claims(one["access_token"].as_str().unwrap()), claims(two["access_token"].as_str().unwrap()));
    assert_eq!((one["legal_entity_id"].as_str(), two["legal_entity_id"].as_str()), (Some("le-1"), Some("le-2")));
    assert_eq!(one["sid"], two["sid"]);
    assert_ne!(one["fam"], two["fam"]);
    // A login is wanted, or the one there is is too old.
    for more in ["&prompt=login", "&max_age=0"] {
        native.world.server.advance(1);
        let answer = robot.get(&native.authorize("web", more)).await;
        assert!(location(&answer).unwrap().contains("/login?"), "{more}");
    }
}

async fn logging_out_ends_session_family_and_cookie(database: Database) {
    let native = Native::new(database).await;
    let mut robot = native.robot();
    let code = native.code(&mut robot, "web", "le-1").await;
    let tokens = native.redeem("web", &code).await.json();
    let hint = tokens["id_token"].as_str().unwrap();
    let before = robot.cookies.clone();
    // Without a hint the person is asked.
    let asked = robot.get(&native.path("logout")).await;
    assert_eq!(asked.status, 200);
    assert!(form(&asked).action.ends_with("/logout"));
    let bye = format!("logout?id_token_hint={hint}&post_logout_redirect_uri=https%3A%2F%2Fapp.example%2Fbye&state=x");
    let answer = robot.get(&native.path(&bye)).await;
    assert_eq!(location(&answer).as_deref(), Some("https://app.example/bye?state=x"));
    assert_eq!(native.userinfo(tokens["access_token"].as_str().unwrap()).await.status, 401);
    let refused = native.refresh("web", tokens["refresh_token"].as_str().unwrap(), &[]).await;
    assert_eq!(refused.json()["error"].as_str(), Some("invalid_grant"));
    // The old cookie, brought back, is nobody's.
    robot.cookies = before;
    let answer = robot.get(&native.authorize("web", "&prompt=none&legal_entity_id=le-1")).await;
    assert_eq!(query(&location(&answer).unwrap())["error"], "login_required");
}
