//! Logging in by a code of an identity provider: `socialLogin` of the Emporix dialect, with a provider that works, fails and
//! lies by a script.

use super::fault;
use crate::arrange::on_both_databases;
use prokura_domain::PartnerIdpId;
use prokura_engine::{Actor, AuditFilter, Origin, PartnerIdentifier, PartnerIdp, PartnerMetadata, PutPartnerIdp};
use prokura_jose::Secret;
use prokura_testkit::{Acme, Answer, Database, Endpoint, IdentityProvider, Options, Signature, Tokens, Trouble};
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;

on_both_databases!(
    e38_a_code_is_good_once,
    e38_a_provider_that_forgets_its_codes_lets_nobody_in_twice,
    a_code_becomes_tokens_as_the_clients_read_them,
    a_storefront_goes_the_whole_way,
    the_provider_is_asked_as_it_wants,
    s80_a_person_is_known_by_provider_and_subject,
    s82_an_address_finds_an_account_only_where_the_provider_may_vouch_for_it,
    s83_somebody_unknown_is_made_a_customer_only_where_that_is_wanted,
    s84_a_code_goes_to_the_provider_it_is_of,
    s84_what_was_known_of_a_provider_says_nothing_of_another_under_its_id,
    s85_an_id_token_that_does_not_hold_lets_nobody_in,
    s86_a_provider_that_is_switched_off_lets_nobody_in_and_its_sessions_end,
    s88_keys_are_asked_for_when_they_are_needed,
    s121_a_provider_of_no_use_is_a_fault_of_ours_and_not_of_the_code,
    s122_a_silent_provider_is_left_in_time_and_then_alone,
    what_is_asked_wrongly_is_told_and_no_code_is_used_up,
    a_client_without_the_grant_uses_no_code_up,
);

const PATH: &str = "/customer/acme/socialLogin";

/// The fixture with a provider beside it, under the name `okta`.
struct Fair {
    acme: Acme,
    provider: IdentityProvider,
}

/// `okta` as most tests want it: it may vouch for `a.example`, and makes customers.
fn okta(provider: &IdentityProvider) -> PutPartnerIdp {
    PutPartnerIdp {
        id: "okta".parse().unwrap(),
        name: "Okta".to_owned(),
        issuer: provider.issuer().to_owned(),
        client_id: IdentityProvider::CLIENT_ID.to_owned(),
        client_secret: Some(Secret::from(IdentityProvider::CLIENT_SECRET.to_owned())),
        metadata: PartnerMetadata::default(),
        redirect_uris: vec![IdentityProvider::REDIRECT_URI.to_owned()],
        email_domains: vec!["a.example".to_owned()],
        identifier: PartnerIdentifier::Email,
        creates_customers: true,
        is_active: true,
    }
}

impl Fair {
    async fn open(database: Database) -> Self {
        let acme = Acme::start_with(Options { database, ..Options::default() }).await;
        let provider = IdentityProvider::start(Arc::clone(&acme.server.clock)).await;
        let fair = Self { acme, provider };
        fair.save(okta(&fair.provider)).await;
        fair
    }

    /// Makes a provider, or replaces the one of that id.
    async fn save(&self, request: PutPartnerIdp) -> PartnerIdp {
        let (engine, tenant) = (&self.acme.server.engine, &self.acme.tenant);
        let seen = engine.partner_idp(tenant, &request.id).await.ok().map(|there| there.version);
        engine.save_partner_idp(tenant, &request, seen, &Actor::System, &Origin::local("test")).await.unwrap()
    }

    /// Asks with these parameters.
    async fn ask(&self, bearer: &str, parameters: &[(&str, &str)]) -> Answer {
        let request = self.acme.server.http.post(format!("{}{PATH}", self.acme.server.url));
        self.acme.server.send(request.bearer_auth(bearer).query(parameters)).await
    }

    /// Hands a code in, with a guest of its own.
    async fn come(&self, code: &str) -> Answer {
        let guest = self.acme.guest().await.access;
        self.ask(&guest, &[("code", code)]).await
    }

    fn subject_of(&self, answer: &Answer) -> String {
        let tokens = Tokens::of(answer);
        self.acme.server.engine.verify(&tokens.access).unwrap().token.subject.clone()
    }

    /// What the trail says about a try: outcome and reason.
    async fn trail_of(&self, answer: &Answer) -> (String, String) {
        let filter = AuditFilter { verb: Some("customer.redeem_partner_code".to_owned()), ..AuditFilter::default() };
        let (engine, tenant) = (&self.acme.server.engine, &self.acme.tenant);
        let trail = engine.audit_trail(&tenant.id, &filter, "", 200).await.unwrap();
        let entry = trail.iter().find(|entry| entry.request_id == answer.headers["x-request-id"]).unwrap();
        let detail: Value = serde_json::from_str(&entry.detail_json).unwrap();
        (entry.outcome.as_str().to_owned(), detail["reason"].as_str().unwrap_or_default().to_owned())
    }
}

fn refused_code() -> (u16, String, String) {
    let code = "keymanagement.service.invalid_request-authorization_code_invalid";
    (401, "Invalid Authorization Code".to_owned(), code.to_owned())
}

async fn e38_a_code_is_good_once(database: Database) {
    let fair = Fair::open(database).await;
    let guest = fair.acme.guest().await.access;
    let code = fair.provider.code("ann-there", "ann@a.example");
    let first = fair.ask(&guest, &[("code", &code)]).await;
    assert_eq!(first.status, 200, "{}", first.text);
    for guest in [guest, fair.acme.guest().await.access] {
        let again = fair.ask(&guest, &[("code", &code)]).await;
        assert_eq!(fault(&again), refused_code(), "{}", again.text);
        assert_eq!(fair.trail_of(&again).await, ("refused".to_owned(), "invalid_grant".to_owned()));
    }
    assert_eq!(fault(&fair.come("code-nobody-made").await), refused_code());
    let still = fair.acme.validate(&Tokens::of(&first).access).await;
    assert_eq!(still.status, 200, "what came of it the first time is good");
}

async fn e38_a_provider_that_forgets_its_codes_lets_nobody_in_twice(database: Database) {
    let fair = Fair::open(database).await;
    fair.provider.forgets_codes(true);
    let code = fair.provider.code("ann-there", "ann@a.example");
    let (one, two) = tokio::join!(fair.come(&code), fair.come(&code));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401], "{} {}", one.text, two.text);
    assert_eq!(fault(&fair.come(&code).await), refused_code());
    assert_eq!(fair.provider.asked(Endpoint::Token), 3);
}

async fn a_code_becomes_tokens_as_the_clients_read_them(database: Database) {
    let fair = Fair::open(database).await;
    let guest = fair.acme.guest().await;
    let code = fair.provider.grant("pat").email("pat@a.example").claim("given_name", json!("Pat")).code();
    let path = format!("{PATH}?code={code}&anonymous_token={}", guest.access);
    // Whatever session the header names, the bearer's own is kept.
    let header = [("session-id", "another-session")];
    let answer = fair.acme.call(Method::POST, &path, Some(&guest.access), &header, None).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.headers["cache-control"], "no-store");
    let body = answer.json();
    for (snake, camel) in [
        ("access_token", "accessToken"),
        ("refresh_token", "refreshToken"),
        ("saas_token", "saasToken"),
        ("expires_in", "expiresIn"),
        ("refresh_token_expires_in", "refreshTokenExpiresIn"),
        ("social_access_token", "socialAccessToken"),
        ("social_id_token", "socialIdToken"),
    ] {
        assert!(body[snake].is_string() && body[snake] == body[camel], "{snake}: {body}");
    }
    assert_eq!(body["expires_in"], "2591999");
    assert_eq!(body["expired_in"], "2591999");
    assert_eq!(body["refresh_token_expires_in"], "2591999");
    assert_eq!(body["session_idle_time"], 120);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["social_access_token"], format!("theirs-for-{code}"));
    assert!(body["scope"].as_str().unwrap().ends_with(" tenant=acme"), "{body}");
    assert!(body.get("session_id").is_none(), "{body}");
    let me = fair.acme.validate(body["access_token"].as_str().unwrap()).await.json();
    assert_eq!((&me["sessionId"], &me["email"]), (&json!(guest.session), &json!("pat@a.example")));
    let refresh = body["refresh_token"].as_str().unwrap();
    assert_eq!(fair.acme.try_refresh(&guest.access, refresh, None).await.status, 200);
    let profile = fair.acme.server.get("/customer/acme/me", body["access_token"].as_str()).await.json();
    assert_eq!((&profile["firstName"], &profile["businessModel"]), (&json!("Pat"), &json!("B2C")));
}

async fn a_storefront_goes_the_whole_way(database: Database) {
    let fair = Fair::open(database).await;
    fair.provider.sign_in(Some(json!({ "sub": "ann-there", "email": "ann@a.example", "email_verified": true })));
    let verifier = "a-verifier-of-at-least-forty-three-characters";
    let challenge = prokura_jose::SecretHash::of(verifier).to_string();
    let url = format!("{}/authorize", fair.provider.issuer());
    let query = [
        ("response_type", "code"),
        ("client_id", IdentityProvider::CLIENT_ID),
        ("redirect_uri", IdentityProvider::REDIRECT_URI),
        ("state", "okta--x1"),
        ("nonce", "n-1"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    let browser = async || {
        let sent_back = fair.acme.server.send(fair.acme.server.http.get(&url).query(&query)).await;
        let back = reqwest::Url::parse(sent_back.headers["location"].to_str().unwrap()).unwrap();
        let one = |name: &str| back.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned());
        (one("state").unwrap(), one("code").unwrap())
    };
    let guest = fair.acme.guest().await.access;
    for (parameters, expected) in [
        (vec![("code_verifier", verifier), ("nonce", "n-1")], 200),
        (vec![("code_verifier", verifier)], 200),
        (vec![("code_verifier", verifier), ("nonce", "n-2")], 401),
        (vec![("code_verifier", "another-verifier-of-forty-three-characters-x")], 401),
        (vec![], 401),
    ] {
        let (state, code) = browser().await;
        let mut all =
            vec![("code", code.as_str()), ("state", &state), ("redirect_uri", IdentityProvider::REDIRECT_URI)];
        all.extend(parameters.iter().copied());
        let answer = fair.ask(&guest, &all).await;
        assert_eq!(answer.status, expected, "{parameters:?}: {}", answer.text);
    }
}

async fn the_provider_is_asked_as_it_wants(database: Database) {
    let fair = Fair::open(database).await;
    let known = Some((IdentityProvider::CLIENT_ID.to_owned(), IdentityProvider::CLIENT_SECRET.to_owned()));
    let code = fair.provider.code("ann-there", "ann@a.example");
    assert_eq!(fair.come(&code).await.status, 200);
    let asked = fair.provider.last_token_request();
    assert_eq!(asked.basic, known, "both survive the way");
    let mut fields: Vec<_> = asked.form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    fields.sort_unstable();
    let expected = [
        ("code", code.as_str()),
        ("grant_type", "authorization_code"),
        ("redirect_uri", IdentityProvider::REDIRECT_URI),
    ];
    assert_eq!(fields, expected);
    // By the form, where the provider says so; without asking it for anything, where an operator does.
    fair.provider.says("token_endpoint_auth_methods_supported", json!(["private_key_jwt", "client_secret_post"]));
    fair.acme.server.advance(3_600);
    assert_eq!(fair.come(&fair.provider.code("ann-there", "ann@a.example")).await.status, 200);
    let asked = fair.provider.last_token_request();
    assert_eq!((asked.basic, asked.form["client_secret"].as_str()), (None, IdentityProvider::CLIENT_SECRET));
    let before = (fair.provider.asked(Endpoint::Metadata), fair.provider.asked(Endpoint::Keys));
    let metadata = PartnerMetadata {
        token_endpoint: Some(format!("{}/token", fair.provider.issuer())),
        jwks: Some(fair.provider.key_set()),
        ..PartnerMetadata::default()
    };
    fair.save(PutPartnerIdp { metadata, client_secret: None, ..okta(&fair.provider) }).await;
    assert_eq!(fair.come(&fair.provider.code("ann-there", "ann@a.example")).await.status, 200);
    assert_eq!(fair.provider.last_token_request().basic, known, "the secret that was there is kept");
    assert_eq!((fair.provider.asked(Endpoint::Metadata), fair.provider.asked(Endpoint::Keys)), before);
}

async fn s80_a_person_is_known_by_provider_and_subject(database: Database) {
    let fair = Fair::open(database).await;
    let ann = fair.subject_of(&fair.come(&fair.provider.code("ann-there", "ann@a.example")).await);
    assert_eq!(ann, fair.acme.customer("ann").as_str());
    // She takes bob's address there, and is still herself here.
    assert_eq!(fair.subject_of(&fair.come(&fair.provider.code("ann-there", "bob@a.example")).await), ann);
    assert_eq!(fair.subject_of(&fair.come(&fair.provider.grant("ann-there").code()).await), ann);
    let other = fair.come(&fair.provider.code("somebody", "ann@a.example")).await;
    assert_eq!(other.status, 401, "{}", other.text);
    assert_eq!(fair.trail_of(&other).await.1, "linked_to_another_subject");
    // The same subject at another provider is somebody else.
    let second = IdentityProvider::start(Arc::clone(&fair.acme.server.clock)).await;
    let auth0 = PutPartnerIdp {
        id: "auth0".parse().unwrap(),
        email_domains: Vec::new(),
        identifier: PartnerIdentifier::Subject,
        ..okta(&second)
    };
    fair.save(auth0).await;
    let guest = fair.acme.guest().await.access;
    let code = second.grant("ann-there").code();
    let stranger = fair.ask(&guest, &[("code", &code), ("config", "auth0")]).await;
    assert_ne!(fair.subject_of(&stranger), ann);
}

async fn s82_an_address_finds_an_account_only_where_the_provider_may_vouch_for_it(database: Database) {
    let fair = Fair::open(database).await;
    for (email, verified) in [
        ("ann@a.example", json!("true")),
        ("ann@a.example", json!(false)),
        ("ann@a.example", Value::Null),
        ("eve@b.example", json!(true)),
        ("ann@sub.a.example", json!(true)),
        ("ann@a.example@evil.example", json!(true)),
    ] {
        let code = fair.provider.grant("x").email(email).claim("email_verified", verified.clone()).code();
        let answer = fair.come(&code).await;
        assert_eq!(answer.status, 401, "{email} {verified}: {}", answer.text);
        assert_eq!(fair.trail_of(&answer).await.1, "email_not_verified");
    }
    // By subject nobody is given an account that is there.
    let by_subject = PutPartnerIdp { identifier: PartnerIdentifier::Subject, ..okta(&fair.provider) };
    fair.save(by_subject).await;
    let taken = fair.come(&fair.provider.code("x", "ann@a.example")).await;
    assert_eq!(taken.status, 403, "{}", taken.text);
}

async fn s83_somebody_unknown_is_made_a_customer_only_where_that_is_wanted(database: Database) {
    let fair = Fair::open(database).await;
    let claims = fair.provider.grant("new").email("new@a.example").claim("groups", json!(["B2B_ADMIN"]));
    let made = fair.come(&claims.claim("legal_entity_id", json!("le-1")).code()).await;
    let access = Tokens::of(&made).access;
    let me = fair.acme.validate(&access).await.json();
    assert!(me.get("legalEntityId").is_none() && me["email"] == "new@a.example", "{me}");
    let companies = fair.acme.server.get("/customer-management/acme/legal-entities", Some(&access));
    assert_eq!(companies.await.json(), json!([]));
    fair.save(PutPartnerIdp { creates_customers: false, ..okta(&fair.provider) }).await;
    let unknown = fair.come(&fair.provider.code("newer", "newer@a.example")).await;
    assert_eq!(unknown.status, 404, "{}", unknown.text);
    assert_eq!(fair.come(&fair.provider.code("new", "new@a.example")).await.status, 200);
    assert_eq!(fair.come(&fair.provider.code("bob-there", "bob@a.example")).await.status, 200);
}

async fn s84_a_code_goes_to_the_provider_it_is_of(database: Database) {
    let fair = Fair::open(database).await;
    let second = IdentityProvider::start(Arc::clone(&fair.acme.server.clock)).await;
    let guest = fair.acme.guest().await.access;
    let code = fair.provider.code("ann-there", "ann@a.example");
    fair.save(PutPartnerIdp {
        id: "auth0".parse().unwrap(),
        email_domains: vec!["b.example".to_owned()],
        ..okta(&second)
    })
    .await;
    for (parameters, field) in [
        (vec![], "config"),
        (vec![("state", "a-state-of-its-own")], "config"),
        (vec![("state", "nope--x")], "state"),
        (vec![("state", "--x")], "state"),
        (vec![("state", "okta --x")], "state"),
        (vec![("config", "nope")], "config"),
        (vec![("config", "okta"), ("state", "auth0--x")], "state"),
        (vec![("config", "okta"), ("redirect_uri", "https://evil.example/")], "redirectUri"),
    ] {
        let all: Vec<_> = std::iter::once(("code", code.as_str())).chain(parameters.iter().copied()).collect();
        let answer = fair.ask(&guest, &all).await;
        assert_eq!(answer.status, 400, "{parameters:?}: {}", answer.text);
        assert_eq!(answer.json()["details"][0]["field"], field, "{parameters:?}: {}", answer.text);
    }
    assert_eq!((fair.provider.asked(Endpoint::Token), second.asked(Endpoint::Token)), (0, 0));
    let named = fair.ask(&guest, &[("code", &code), ("state", "okta--x--y")]).await;
    assert_eq!(named.status, 200, "{}", named.text);
    assert_eq!((fair.provider.asked(Endpoint::Token), second.asked(Endpoint::Token)), (1, 0));
    // Metadata of another issuer is no metadata.
    second.says("issuer", json!(format!("{}/", second.issuer())));
    let other = fair.ask(&guest, &[("code", "any"), ("config", "auth0")]).await;
    assert_eq!(other.status, 503, "{}", other.text);
    assert_eq!(second.asked(Endpoint::Token), 0, "nothing was sent to it");
}

async fn s84_what_was_known_of_a_provider_says_nothing_of_another_under_its_id(database: Database) {
    let fair = Fair::open(database).await;
    assert_eq!(fair.come(&fair.provider.code("ann-there", "ann@a.example")).await.status, 200);
    let second = IdentityProvider::start(Arc::clone(&fair.acme.server.clock)).await;
    let (engine, tenant, from) = (&fair.acme.server.engine, &fair.acme.tenant, Origin::local("test"));
    let seen = engine.partner_idp(tenant, &"okta".parse().unwrap()).await.unwrap().version;
    let moved = engine.save_partner_idp(tenant, &okta(&second), Some(seen), &Actor::System, &from).await;
    let moved = moved.unwrap_err().to_string();
    assert!(moved.contains("people are known by this issuer"), "its subjects could be other people's: {moved}");
    engine.delete_partner_idp(tenant, &"okta".parse().unwrap(), &Actor::System, &from).await.unwrap();
    fair.save(okta(&second)).await;
    assert_eq!(fair.come(&second.code("ann-elsewhere", "ann@a.example")).await.status, 200);
    assert_eq!((fair.provider.asked(Endpoint::Token), second.asked(Endpoint::Token)), (1, 1));
}

async fn s85_an_id_token_that_does_not_hold_lets_nobody_in(database: Database) {
    let fair = Fair::open(database).await;
    let guest = fair.acme.guest().await.access;
    let now = fair.acme.server.engine.now().seconds();
    let good = || fair.provider.grant("ann-there").email("ann@a.example").claim("nonce", json!("n-1"));
    let ours = IdentityProvider::CLIENT_ID;
    for (grant, reason) in [
        (good().claim("iss", json!("https://evil.example")), "wrong_issuer"),
        (good().claim("iss", json!(format!("{}/", fair.provider.issuer()))), "wrong_issuer"),
        (good().claim("iss", Value::Null), "bad_claims"),
        (good().claim("aud", json!("another-shop")), "wrong_audience"),
        (good().claim("aud", json!([ours, "another-shop"])), "wrong_audience"),
        (good().claim("aud", Value::Null), "bad_claims"),
        (good().claim("azp", json!("another-shop")), "wrong_party"),
        (good().claim("azp", json!([ours])), "wrong_party"),
        (good().claim("sub", Value::Null), "bad_claims"),
        (good().claim("sub", json!("")), "bad_claims"),
        (good().claim("sub", json!(7)), "bad_claims"),
        (good().claim("sub", json!("x".repeat(256))), "bad_claims"),
        (good().claim("exp", json!(now - 60)), "expired"),
        (good().claim("exp", Value::Null), "bad_claims"),
        (good().claim("iat", json!(now + 61)), "not_yet_valid"),
        (good().claim("iat", json!(now - 661)), "too_old"),
        (good().claim("iat", Value::Null), "bad_claims"),
        (good().claim("nbf", json!(now + 61)), "not_yet_valid"),
        (good().claim("nonce", json!("n-2")), "wrong_nonce"),
        (good().claim("nonce", Value::Null), "wrong_nonce"),
        (good().claim("at_hash", json!("77QmUPtjPfzWtF2AnpK9RQ")), "wrong_hash"),
        (good().claim("c_hash", json!("77QmUPtjPfzWtF2AnpK9RQ")), "wrong_hash"),
        (good().claim("token_use", json!("access")), "wrong_use"),
        (good().typ("at+jwt"), "wrong_type"),
        (good().signed(Signature::Stranger), "bad_signature"),
        (good().signed(Signature::Unsigned), "unknown_key"),
        (good().signed(Signature::Shared), "unknown_key"),
    ] {
        let code = grant.code();
        let answer = fair.ask(&guest, &[("code", &code), ("nonce", "n-1")]).await;
        assert_eq!(answer.status, 401, "{reason}: {}", answer.text);
        assert_eq!(fair.trail_of(&answer).await, ("refused".to_owned(), reason.to_owned()));
    }
    // The provider's clock may be a minute off in either direction, and nothing of the above spoiled the account.
    for (iat, exp) in [(now + 60, now + 120), (now - 660, now - 59)] {
        let code = good().claim("iat", json!(iat)).claim("exp", json!(exp)).code();
        let answer = fair.ask(&guest, &[("code", &code), ("nonce", "n-1")]).await;
        assert_eq!(answer.status, 200, "{iat}: {}", answer.text);
    }
}

async fn s86_a_provider_that_is_switched_off_lets_nobody_in_and_its_sessions_end(database: Database) {
    let fair = Fair::open(database).await;
    let guest = fair.acme.guest().await;
    let code = fair.provider.code("ann-there", "ann@a.example");
    let tokens = Tokens::of(&fair.ask(&guest.access, &[("code", &code)]).await);
    let by_password = fair.acme.log_in("ann").await;
    // Whoever proves themselves otherwise in a session of the provider is no longer in it by the provider.
    let moved = fair.acme.guest().await;
    let code = fair.provider.code("bob-there", "bob@a.example");
    let before = Tokens::of(&fair.ask(&moved.access, &[("code", &code)]).await);
    let stays = fair.acme.log_in_as(&moved, "bob").await;
    assert_eq!(fair.acme.validate(&before.access).await.status, 401, "nor are tokens of that way left in it");
    fair.save(PutPartnerIdp { is_active: false, ..okta(&fair.provider) }).await;
    assert_eq!(fair.acme.validate(&tokens.access).await.status, 401, "its session is over");
    let visitor = fair.acme.guest().await.access;
    assert_eq!(fair.acme.try_refresh(&visitor, &tokens.refresh, None).await.status, 401);
    for other in [&by_password, &stays] {
        assert_eq!(fair.acme.validate(&other.access).await.status, 200, "other sessions go on");
    }
    let late = fair.provider.code("ann-there", "ann@a.example");
    let asked = fair.provider.asked(Endpoint::Token);
    for parameters in [vec![("code", late.as_str())], vec![("code", &late), ("config", "okta")]] {
        assert_eq!(fair.ask(&visitor, &parameters).await.status, 400);
    }
    assert_eq!(fair.provider.asked(Endpoint::Token), asked);
    fair.save(okta(&fair.provider)).await;
    assert_eq!(fair.ask(&visitor, &[("code", &late)]).await.status, 200, "and on again");
    // Deleted, its people are forgotten: a provider under the same id is another one.
    let (engine, tenant, id) = (&fair.acme.server.engine, &fair.acme.tenant, "okta".parse::<PartnerIdpId>().unwrap());
    engine.delete_partner_idp(tenant, &id, &Actor::System, &Origin::local("test")).await.unwrap();
    fair.save(PutPartnerIdp { identifier: PartnerIdentifier::Subject, ..okta(&fair.provider) }).await;
    let anew = fair.come(&fair.provider.grant("ann-there").code()).await;
    assert_ne!(fair.subject_of(&anew), fair.acme.customer("ann").as_str());
}

async fn s88_keys_are_asked_for_when_they_are_needed(database: Database) {
    let fair = Fair::open(database).await;
    let come = async || fair.come(&fair.provider.code("ann-there", "ann@a.example")).await.status;
    let asked = || (fair.provider.asked(Endpoint::Metadata), fair.provider.asked(Endpoint::Keys));
    assert_eq!((come().await, come().await), (200, 200));
    assert_eq!(asked(), (1, 1));
    // A new key, and the old one gone: one more question.
    fair.provider.change_key();
    assert_eq!((come().await, come().await), (200, 200));
    assert_eq!(asked(), (1, 2));
    // Another one within the minute has to wait; keys that come and go are not asked after.
    fair.provider.change_key();
    assert_eq!((come().await, come().await), (401, 401));
    assert_eq!(asked(), (1, 2));
    fair.acme.server.advance(60);
    assert_eq!(come().await, 200);
    assert_eq!(asked(), (1, 3));
    // Without an answer what is known does for a day, and then no longer.
    fair.provider.fails(Endpoint::Keys, Some(Trouble::Status(500)));
    fair.provider.fails(Endpoint::Metadata, Some(Trouble::Says("<html>".to_owned())));
    fair.acme.server.advance(3_600);
    assert_eq!(come().await, 200);
    fair.acme.server.advance(86_400);
    assert_eq!(come().await, 503);
    fair.provider.fails(Endpoint::Metadata, None);
    fair.acme.server.advance(10);
    assert_eq!(come().await, 503, "no code is used up without keys");
    let before = fair.provider.asked(Endpoint::Token);
    fair.provider.fails(Endpoint::Keys, None);
    fair.acme.server.advance(10);
    assert_eq!(come().await, 200);
    assert_eq!(fair.provider.asked(Endpoint::Token), before + 1);
    // A set of nothing that can be used is as good as no answer; a key that is no longer in it is none.
    fair.acme.server.advance(3_600);
    fair.provider.publishes(Some(json!({ "keys": [{ "kty": "oct", "k": "AAAA" }] })));
    assert_eq!(come().await, 200);
    fair.provider.publishes(None);
    fair.provider.max_age(Some(600));
    fair.acme.server.advance(10);
    assert_eq!(come().await, 200);
    let stranger = IdentityProvider::start(Arc::clone(&fair.acme.server.clock)).await;
    fair.provider.publishes(Some(stranger.key_set()));
    fair.acme.server.advance(599);
    assert_eq!(come().await, 200, "as long as the provider said");
    fair.acme.server.advance(1);
    assert_eq!(come().await, 401);
}

async fn s121_a_provider_of_no_use_is_a_fault_of_ours_and_not_of_the_code(database: Database) {
    let fair = Fair::open(database).await;
    let guest = fair.acme.guest().await.access;
    let canary = IdentityProvider::start(Arc::clone(&fair.acme.server.clock)).await;
    for endpoint in [Endpoint::Metadata, Endpoint::Keys, Endpoint::Token] {
        for trouble in [
            Trouble::Status(500),
            Trouble::Status(404),
            Trouble::Status(429),
            Trouble::Error("invalid_client"),
            Trouble::Says("<html>".to_owned()),
            Trouble::Says(format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000))),
            Trouble::Says("{}".to_owned()),
            Trouble::Endless,
            Trouble::Redirect(format!("{}/token", canary.issuer())),
        ] {
            fair.provider.fails(endpoint, Some(trouble.clone()));
            let code = fair.provider.code("ann-there", "ann@a.example");
            let answer = fair.ask(&guest, &[("code", &code)]).await;
            assert_eq!(answer.status, 503, "{endpoint:?} {trouble:?}: {}", answer.text);
            assert_eq!(answer.json()["type"], "service_unavailable");
            assert_eq!(answer.headers["retry-after"], "1");
            assert_eq!(fair.trail_of(&answer).await.0, "failed", "{endpoint:?} {trouble:?}");
            fair.acme.server.advance(10);
        }
        fair.provider.fails(endpoint, None);
    }
    let asked = [Endpoint::Metadata, Endpoint::Keys, Endpoint::Token].map(|endpoint| canary.asked(endpoint));
    assert_eq!(asked, [0, 0, 0], "a redirect is not followed");
    let code = fair.provider.code("ann-there", "ann@a.example");
    assert_eq!(fair.ask(&guest, &[("code", &code)]).await.status, 200);
    // The provider's own no is the code's.
    fair.provider.fails(Endpoint::Token, Some(Trouble::Error("invalid_grant")));
    assert_eq!(fault(&fair.come("any").await), refused_code());
}

async fn s122_a_silent_provider_is_left_in_time_and_then_alone(database: Database) {
    let fair = Fair::open(database).await;
    assert_eq!(fair.come(&fair.provider.code("ann-there", "ann@a.example")).await.status, 200);
    fair.provider.fails(Endpoint::Token, Some(Trouble::Silence));
    let begun = std::time::Instant::now();
    let guest = fair.acme.guest().await.access;
    let silent = futures_util::future::join_all((0..40).map(|_| fair.ask(&guest, &[("code", "any")])));
    // Nobody else waits: nothing is held meanwhile.
    let others = async {
        let ann = fair.acme.log_in("ann").await;
        assert!(begun.elapsed() < std::time::Duration::from_secs(4), "logging in waited for the provider");
        fair.acme.validate(&ann.access).await.status
    };
    let (silent, others) = tokio::join!(silent, others);
    assert_eq!(others, 200);
    assert!(silent.iter().all(|answer| answer.status == 503));
    assert!(begun.elapsed() < std::time::Duration::from_secs(12), "{:?}", begun.elapsed());
    let asked = fair.provider.asked(Endpoint::Token);
    assert_eq!(asked, 1 + 32, "no more than that wait at once");
    fair.provider.fails(Endpoint::Token, None);
    let code = fair.provider.code("ann-there", "ann@a.example");
    assert_eq!(fair.come(&code).await.status, 503, "it rests");
    assert_eq!(fair.provider.asked(Endpoint::Token), asked);
    fair.acme.server.advance(10);
    assert_eq!(fair.come(&code).await.status, 200);
}

async fn what_is_asked_wrongly_is_told_and_no_code_is_used_up(database: Database) {
    let fair = Fair::open(database).await;
    let guest = fair.acme.guest().await.access;
    let code = fair.provider.code("ann-there", "ann@a.example");
    let none = fair.acme.call(Method::POST, &format!("{PATH}?code={code}"), None, &[], None).await;
    assert_eq!(none.status, 401);
    let ann = fair.acme.log_in("ann").await.access;
    assert_eq!(fair.ask(&ann, &[("code", &code)]).await.status, 401, "a customer is no guest");
    let other = fair.acme.guest().await.access;
    for (parameters, field) in [
        (vec![("code", code.as_str()), ("anonymous_token", &other)], Some("anonymous_token")),
        (vec![("redirect_uri", IdentityProvider::REDIRECT_URI)], Some("code")),
        (vec![("code", "")], Some("code")),
        (vec![("code", &code), ("code", &code)], None),
    ] {
        let answer = fair.ask(&guest, &parameters).await;
        assert_eq!(answer.status, 400, "{parameters:?}: {}", answer.text);
        if let Some(field) = field {
            assert_eq!(answer.json()["details"][0]["field"], field, "{}", answer.text);
        }
    }
    assert_eq!(fair.acme.call(Method::GET, PATH, Some(&guest), &[], None).await.status, 405);
    // With a second redirect URI one has to be named.
    let second = "https://shop.example/other";
    let redirect_uris = vec![IdentityProvider::REDIRECT_URI.to_owned(), second.to_owned()];
    fair.save(PutPartnerIdp { redirect_uris, ..okta(&fair.provider) }).await;
    let unnamed = fair.ask(&guest, &[("code", &code)]).await;
    assert_eq!((unnamed.status, &unnamed.json()["details"][0]["field"]), (400, &json!("redirectUri")));
    assert_eq!(fair.provider.asked(Endpoint::Token), 0);
    // The provider knows which one it is of.
    let elsewhere = fair.provider.grant("ann-there").email("ann@a.example").redirect_uri(second).code();
    let wrong = fair.ask(&guest, &[("code", &elsewhere), ("redirect_uri", IdentityProvider::REDIRECT_URI)]).await;
    assert_eq!(fault(&wrong), refused_code());
    assert_eq!(fair.ask(&guest, &[("code", &elsewhere), ("redirect_uri", second)]).await.status, 200);
}

async fn a_client_without_the_grant_uses_no_code_up(database: Database) {
    let fair = Fair::open(database).await;
    let server = &fair.acme.server;
    let (kind, policy) = (prokura_domain::ClientKind::Public, prokura_domain::RefreshPolicy::Family);
    server.client(&fair.acme.tenant, "plain", kind, "guest password refresh_token", "", policy).await;
    let path = "/customerlogin/auth/anonymous/login?tenant=acme&client_id=plain";
    let guest = Tokens::of(&server.get(path, None).await);
    let refused = fair.ask(&guest.access, &[("code", &fair.provider.code("ann-there", "ann@a.example"))]).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert_eq!(fair.provider.asked(Endpoint::Token), 0);
}
