//! Exchanging a token of the shop's own identity provider: `exchangeauthtoken` of the Emporix dialect.

use crate::arrange::on_both_databases;
use prokura_engine::{Actor, Origin};
use prokura_jose::{Algorithm, HmacKey, SigningKey, mint_hs256, sign_jwt};
use prokura_testkit::{Acme, Answer, Database, Options, Tokens};
use reqwest::Method;
use serde_json::{Value, json};

on_both_databases!(
    e39_what_does_not_hold_is_not_exchanged,
    a_partners_token_becomes_a_customers,
    s80_a_person_is_their_subject_not_their_address,
    s81_an_account_is_only_linked_where_the_address_may_tell,
    s82_an_address_is_believed_only_when_the_token_says_true,
    nobody_is_made_a_customer_where_that_is_off,
    s83_a_new_customer_acts_for_nobody,
    a_client_without_the_grant_exchanges_nothing,
    a_deleted_customer_comes_back_as_somebody_new,
);

const ISSUER: &str = "https://idp.example";

/// The fixture with an identity provider beside it: its default configuration goes by subject, `mail` by address,
/// `closed` makes nobody a customer.
struct Fair {
    acme: Acme,
    key: SigningKey,
}

impl Fair {
    async fn open(database: Database) -> Self {
        let key = SigningKey::generate(Algorithm::Es256, "idp-1".parse().unwrap()).unwrap();
        let section = |more: Value| {
            let mut section = json!({
                "issuer": ISSUER, "audience": "shop", "token_client_id": "app",
                "jwks": { "keys": [key.public().to_jwk()] },
            });
            section.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            section
        };
        let mut settings = prokura_emporix::tenant_settings();
        let exchange = json!({
            "default": section(json!({})),
            "sites": {
                "mail": section(json!({ "ssoCustomerIdentifierField": "EMAIL", "emailDomains": ["a.example"] })),
                "closed": section(json!({
                    "ssoCustomerIdentifierField": "EMAIL", "ssoCustomerAutoprovisioningDisabled": true,
                })),
            },
        });
        settings.dialect.insert("emporix".to_owned(), json!({ "tokenExchange": exchange }));
        let options = Options { database, settings: Some(settings), ..Options::default() };
        Self { acme: Acme::start_with(options).await, key }
    }

    /// Claims that hold for a minute.
    #[expect(clippy::needless_pass_by_value, reason = "callers write the object in place")]
    fn claims(&self, subject: &str, more: Value) -> Value {
        let now = self.acme.server.engine.now().seconds();
        let mut claims = json!({
            "iss": ISSUER, "sub": subject, "aud": "shop", "azp": "app", "iat": now, "exp": now + 60,
        });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        claims
    }

    fn sign(&self, claims: &Value) -> String {
        sign_jwt(&self.key, "JWT", claims).unwrap()
    }

    async fn exchange(&self, bearer: &str, config: Option<&str>, token: &str) -> Answer {
        let config = config.map(|config| format!("&config={config}")).unwrap_or_default();
        let path = format!("/customer/acme/exchangeauthtoken?subjectAccessToken={token}{config}");
        self.acme.call(Method::POST, &path, Some(bearer), &[], None).await
    }

    /// Exchanges a token with a guest of its own.
    async fn come(&self, config: Option<&str>, subject: &str, more: Value) -> Answer {
        let guest = self.acme.guest().await;
        self.exchange(&guest.access, config, &self.sign(&self.claims(subject, more))).await
    }

    /// Who a token is for.
    async fn me(&self, access: &str) -> Value {
        self.acme.validate(access).await.json()
    }

    fn subject_of(&self, answer: &Answer) -> String {
        let tokens = Tokens::of(answer);
        self.acme.server.engine.verify(&tokens.access).unwrap().token.subject.clone()
    }
}

async fn e39_what_does_not_hold_is_not_exchanged(database: Database) {
    let fair = Fair::open(database).await;
    let guest = fair.acme.guest().await.access;
    let verified = json!({ "email": "ann@a.example", "email_verified": true });
    let now = fair.acme.server.engine.now().seconds();
    let with = |name: &str, value: Value| {
        let mut claims = fair.claims("ann-there", verified.clone());
        claims[name] = value;
        fair.sign(&claims)
    };
    let without = |name: &str| {
        let mut claims = fair.claims("ann-there", verified.clone());
        claims.as_object_mut().unwrap().remove(name);
        fair.sign(&claims)
    };
    let stranger = SigningKey::generate(Algorithm::Es256, "idp-1".parse().unwrap()).unwrap();
    let shared = HmacKey::new(&[7; 32]).unwrap();
    let good = fair.claims("ann-there", verified.clone());
    let plain = format!("{}.{}.", "eyJhbGciOiJub25lIn0", fair.sign(&good).split('.').nth(1).unwrap());
    for (what, token) in [
        ("audience", with("aud", json!("another-shop"))),
        ("no audience", without("aud")),
        ("party", with("azp", json!("another-app"))),
        ("no party", without("azp")),
        ("party of another type", with("azp", json!(["app"]))),
        ("issuer", with("iss", json!("https://idp.example/"))),
        ("expired", with("exp", json!(now))),
        ("expiry as text", with("exp", json!("9999999999"))),
        ("no expiry", without("exp")),
        ("no subject", without("sub")),
        ("not yet", with("nbf", json!(now + 61))),
        ("from the future", with("iat", json!(now + 61))),
        ("another key", sign_jwt(&stranger, "JWT", &good).unwrap()),
        ("shared key", mint_hs256(&shared, &good)),
        ("no signature", plain),
        ("no token", "nonsense".to_owned()),
        ("address not verified", with("email_verified", json!(false))),
    ] {
        let answer = fair.exchange(&guest, Some("mail"), &token).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text);
        assert_eq!(answer.json()["fault"]["faultstring"], "Invalid access token", "{what}");
    }
    let token = fair.sign(&good);
    let unknown = fair.exchange(&guest, Some("nope"), &token).await;
    assert_eq!((unknown.status, &unknown.json()["type"]), (400, &json!("bad_request")), "{}", unknown.text);
    let path = "/customer/acme/exchangeauthtoken";
    let missing = fair.acme.call(Method::POST, path, Some(&guest), &[], None).await;
    assert_eq!(missing.status, 400, "{}", missing.text);
    assert_eq!(fair.acme.call(Method::POST, path, None, &[], None).await.status, 401);
    let ann = fair.acme.log_in("ann").await.access;
    assert_eq!(fair.exchange(&ann, None, &token).await.status, 401, "a customer is no guest");
    // The clock of the provider may be a minute ahead, and nothing of the above spoiled the account.
    let ahead = fair.exchange(&guest, Some("mail"), &with("iat", json!(now + 60))).await;
    assert_eq!(ahead.status, 200, "{}", ahead.text);
}

async fn a_partners_token_becomes_a_customers(database: Database) {
    let fair = Fair::open(database).await;
    let guest = fair.acme.guest().await;
    let claims =
        fair.claims("pat-there", json!({ "email": "pat@b.example", "email_verified": true, "given_name": "Pat" }));
    let token = fair.sign(&claims);
    let answer = fair.exchange(&guest.access, None, &token).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let body = answer.json();
    assert_eq!(body["subject_access_token"], token);
    assert_eq!(body["session_id"], guest.session, "the guest's session is theirs now");
    assert_eq!((&body["session_idle_time"], &body["token_type"]), (&json!(120), &json!("Bearer")));
    for (snake, camel) in [
        ("access_token", "accessToken"),
        ("refresh_token", "refreshToken"),
        ("saas_token", "saasToken"),
        ("expires_in", "expiresIn"),
        ("refresh_token_expires_in", "refreshTokenExpiresIn"),
    ] {
        assert!(!body[snake].is_null() && body[snake] == body[camel], "{snake}: {body}");
    }
    assert!(body["scope"].as_str().unwrap().ends_with(" tenant=acme"), "{body}");
    assert_eq!(answer.headers.get("cache-control").unwrap(), "no-store");
    let tokens = Tokens::of(&answer);
    assert_eq!(fair.me(&tokens.access).await["email"], "pat@b.example");
    let refreshed = fair.acme.try_refresh(&guest.access, &tokens.refresh, None).await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text);
}

async fn s80_a_person_is_their_subject_not_their_address(database: Database) {
    let fair = Fair::open(database).await;
    let mail = |address: &str| json!({ "email": address, "email_verified": true });
    let first = fair.come(Some("mail"), "ann-there", mail("ann@a.example")).await;
    let ann = fair.subject_of(&first);
    assert_eq!(ann, fair.acme.customer("ann").as_str());
    // She takes bob's address there, and is still herself here.
    let again = fair.come(Some("mail"), "ann-there", mail("bob@a.example")).await;
    assert_eq!(fair.subject_of(&again), ann);
    // Another configuration of the same issuer knows her; somebody else with her address is not her.
    assert_eq!(fair.subject_of(&fair.come(None, "ann-there", json!({})).await), ann);
    let other = fair.come(Some("mail"), "somebody", mail("ann@a.example")).await;
    assert_eq!(other.status, 401, "{}", other.text);
}

async fn s81_an_account_is_only_linked_where_the_address_may_tell(database: Database) {
    let fair = Fair::open(database).await;
    let refused = fair.come(None, "ann-there", json!({ "email": "ann@a.example", "email_verified": true })).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    // Without a word about an address she is somebody new, and her account here is not touched.
    let stranger = fair.come(None, "ann-there", json!({})).await;
    assert_ne!(fair.subject_of(&stranger), fair.acme.customer("ann").as_str());
    let again = fair.come(None, "ann-there", json!({ "email": "ann@a.example", "email_verified": true })).await;
    assert_eq!(fair.subject_of(&again), fair.subject_of(&stranger));
}

async fn s82_an_address_is_believed_only_when_the_token_says_true(database: Database) {
    let fair = Fair::open(database).await;
    for (address, verified) in [
        ("ann@a.example", json!("true")),
        ("ann@a.example", json!(1)),
        ("ann@a.example", Value::Null),
        ("ann@a.example@evil.example", json!(true)),
        ("ann@a.example.", json!(true)),
        ("ann@evil.example", json!(true)),
        ("\u{430}nn@a.example", json!(true)),
        ("ann@\u{430}.example", json!(true)),
        ("ann\u{0}@a.example", json!(true)),
    ] {
        let answer = fair.come(Some("mail"), "x", json!({ "email": address, "email_verified": verified })).await;
        assert_eq!(answer.status, 401, "{address:?} {verified}: {}", answer.text);
    }
    let answer = fair.come(Some("mail"), "x", json!({ "email": "ANN@A.example", "email_verified": true })).await;
    assert_eq!(fair.subject_of(&answer), fair.acme.customer("ann").as_str());
}

async fn nobody_is_made_a_customer_where_that_is_off(database: Database) {
    let fair = Fair::open(database).await;
    let mail = |address: &str| json!({ "email": address, "email_verified": true });
    let unknown = fair.come(Some("closed"), "new", mail("new@a.example")).await;
    assert_eq!((unknown.status, &unknown.json()["type"]), (404, &json!("resource_not_found")), "{}", unknown.text);
    assert_eq!(fair.come(Some("closed"), "bob-there", mail("bob@a.example")).await.status, 200);
}

async fn s83_a_new_customer_acts_for_nobody(database: Database) {
    let fair = Fair::open(database).await;
    let claims = json!({
        "email": "new@b.example", "email_verified": true, "legal_entity_id": "le-1", "groups": ["B2B_ADMIN"],
        "scope": "customersegment.segment_manage",
    });
    let tokens = Tokens::of(&fair.come(None, "new", claims).await);
    let me = fair.me(&tokens.access).await;
    assert_eq!(me.get("legalEntityId"), None);
    assert!(!me["scope"].as_str().unwrap().contains("segment_manage"), "{me}");
    let guest = fair.acme.guest().await;
    assert_eq!(fair.acme.try_refresh(&guest.access, &tokens.refresh, Some("le-1")).await.status, 400);
    let companies = fair.acme.server.get("/customer-management/acme/legal-entities", Some(&tokens.access)).await;
    assert_eq!(companies.json(), json!([]));
}

async fn a_client_without_the_grant_exchanges_nothing(database: Database) {
    let fair = Fair::open(database).await;
    let server = &fair.acme.server;
    let (kind, policy) = (prokura_domain::ClientKind::Public, prokura_domain::RefreshPolicy::Family);
    server.client(&fair.acme.tenant, "plain", kind, "guest password refresh_token", "", policy).await;
    let path = "/customerlogin/auth/anonymous/login?tenant=acme&client_id=plain";
    let guest = Tokens::of(&server.get(path, None).await);
    let token = fair.sign(&fair.claims("new", json!({})));
    let refused = fair.exchange(&guest.access, None, &token).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    let everybody = server.engine.customers(&fair.acme.tenant, "", 100).await.unwrap();
    assert_eq!(everybody.len(), 4, "nobody was made on the way to the refusal");
}

async fn a_deleted_customer_comes_back_as_somebody_new(database: Database) {
    let fair = Fair::open(database).await;
    let first = fair.subject_of(&fair.come(None, "pat", json!({})).await);
    assert_eq!(fair.subject_of(&fair.come(None, "pat", json!({})).await), first);
    let (engine, tenant) = (&fair.acme.server.engine, &fair.acme.tenant);
    let state = prokura_domain::CustomerState::OnHold;
    let id = first.parse().unwrap();
    engine.set_customer_state(tenant, &id, state, &Actor::System, &Origin::local("test")).await.unwrap();
    assert_eq!(fair.come(None, "pat", json!({})).await.status, 401, "on hold is on hold at every door");
    let state = prokura_domain::CustomerState::Deleted;
    engine.set_customer_state(tenant, &id, state, &Actor::System, &Origin::local("test")).await.unwrap();
    assert_ne!(fair.subject_of(&fair.come(None, "pat", json!({})).await), first);
}
