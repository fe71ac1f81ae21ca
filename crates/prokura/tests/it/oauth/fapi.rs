//! The FAPI 2.0 Security Profile, for a client that is registered for it: what it must do, and what it is refused.

use super::{CALLBACK, CHALLENGE, Native, SCOPES, VERIFIER, claims, location, query, robot::Robot};
use crate::arrange::{on_both_databases, origin};
use prokura_domain::{ClientKind, RefreshPolicy};
use prokura_engine::{Actor, AuthMethod, CreateClient, Error, Refusal, Registration, SecurityProfile};
use prokura_jose::{
    Algorithm, SigningKey,
    dpop::{ProofMaker, Target},
    sign_jwt,
};
use prokura_testkit::{Answer, Database};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};

on_both_databases!(
    s03_s10_s11_a_fapi_client_pushes_signs_and_shows_its_key,
    s20_a_fapi_client_is_refused_what_the_profile_forbids,
    a_fapi_client_is_registered_as_one_or_not_at_all,
);

/// A client held to the profile, with its two keys.
struct Bank<'n> {
    native: &'n Native,
    signer: SigningKey,
    holder: SigningKey,
    count: AtomicU64,
}

fn registration(key: &SigningKey) -> Registration {
    Registration {
        redirect_uris: vec![CALLBACK.to_owned()],
        auth_method: AuthMethod::PrivateKeyJwt,
        jwks: Some(json!({ "keys": [key.public().to_jwk()] })),
        is_first_party: true,
        profile: SecurityProfile::Fapi2,
        ..Registration::default()
    }
}

async fn create(
    native: &Native,
    id: &str,
    kind: ClientKind,
    grants: &str,
    registration: Registration,
) -> Result<(), Error> {
    let request = CreateClient {
        id: Some(id.parse().unwrap()),
        name: id.to_owned(),
        kind,
        scopes: SCOPES.to_owned(),
        grants: grants.to_owned(),
        refresh_policy: RefreshPolicy::Rotate { leeway_seconds: 10 },
        access_seconds: None,
        refresh_seconds: None,
        registration,
    };
    let world = &native.world;
    world.engine().create_client(&world.tenant, &request, &Actor::System, &origin()).await.map(|_| ())
}

impl<'n> Bank<'n> {
    async fn new(native: &'n Native) -> Self {
        let key = |name: &str| SigningKey::generate(Algorithm::Es256, name.parse().unwrap()).unwrap();
        let bank = Self { native, signer: key("signer"), holder: key("holder"), count: AtomicU64::new(0) };
        let grants = "authorization_code refresh_token";
        create(native, "bank", ClientKind::Confidential, grants, registration(&bank.signer)).await.unwrap();
        bank
    }

    fn next(&self) -> String {
        format!("n{}", self.count.fetch_add(1, Ordering::Relaxed))
    }

    fn assertion(&self, audience: &str) -> String {
        let now = self.native.world.engine().now().seconds();
        let claims = json!({
            "iss": "bank", "sub": "bank", "aud": audience, "iat": now, "exp": now + 60, "jti": self.next(),
        });
        sign_jwt(&self.signer, "JWT", &claims).unwrap()
    }

    fn proof_by(&self, key: &SigningKey, endpoint: &str) -> String {
        let uri = format!("{}/{endpoint}", self.native.world.tenant.issuer);
        let target = Target { method: "POST", uri: &uri, access_token: None };
        ProofMaker { key }.make(target, &self.next(), None, self.native.world.engine().now()).unwrap()
    }

    async fn post(&self, endpoint: &str, fields: &[(&str, &str)], proof: Option<&str>) -> Answer {
        let assertion = self.assertion(&self.native.world.tenant.issuer);
        let server = &self.native.world.server;
        let mut all = vec![
            ("client_id", "bank"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
        ];
        all.extend(fields);
        let request = server.http.post(format!("{}{}", server.url, self.native.path(endpoint)));
        let request = if let Some(proof) = proof { request.header("dpop", proof) } else { request };
        server.send(request.form(&all)).await
    }

    async fn push(&self, without: &str) -> Answer {
        let fields = [
            ("response_type", "code"),
            ("redirect_uri", CALLBACK),
            ("scope", "openid legal_entity"),
            ("state", "s"),
            ("nonce", "n"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("legal_entity_id", "le-1"),
        ];
        let fields: Vec<_> = fields.into_iter().filter(|(name, _)| *name != without).collect();
        self.post("par", &fields, None).await
    }

    async fn code(&self, robot: &mut Robot<'_>) -> String {
        let pushed = self.push("").await.json();
        let uri = pushed["request_uri"].as_str().unwrap().replace(':', "%3A");
        let start = self.native.path(&format!("authorize?client_id=bank&request_uri={uri}"));
        let answer = self.native.log_in(robot, &start, "le-1").await;
        let answer = query(&location(&answer).unwrap());
        assert_eq!(answer["iss"].as_str(), &*self.native.world.tenant.issuer);
        answer["code"].clone()
    }

    async fn redeem(&self, code: &str, proof: Option<&str>) -> Answer {
        let grant = ("grant_type", "authorization_code");
        let fields = [grant, ("code", code), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
        self.post("token", &fields, proof).await
    }
}

fn error(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["error"].as_str().unwrap_or_default().to_owned())
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

async fn s03_s10_s11_a_fapi_client_pushes_signs_and_shows_its_key(database: Database) {
    let native = Native::new(database).await;
    let bank = Bank::new(&native).await;
    let code = bank.code(&mut native.robot()).await;
    let tokens = bank.redeem(&code, Some(&bank.proof_by(&bank.holder, "token"))).await.json();
    assert_eq!(text(&tokens, "token_type"), "DPoP");
    let thumbprint = bank.holder.public().thumbprint().to_string();
    assert_eq!(claims(text(&tokens, "access_token"))["cnf"]["jkt"], thumbprint);
    assert_eq!(claims(text(&tokens, "id_token"))["nonce"], "n");
    // The answer was lost: the same refresh token is good again for a while, from the client itself.
    let refresh = async || {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", text(&tokens, "refresh_token"))];
        bank.post("token", &fields, Some(&bank.proof_by(&bank.holder, "token"))).await.json()
    };
    let (first, second) = (refresh().await, refresh().await);
    assert_eq!(text(&first, "refresh_token"), text(&second, "refresh_token"));
    assert_eq!(claims(text(&second, "access_token"))["cnf"]["jkt"], thumbprint);
}

async fn s20_a_fapi_client_is_refused_what_the_profile_forbids(database: Database) {
    let native = Native::new(database).await;
    let bank = Bank::new(&native).await;
    let server = &native.world.server;

    // A request in the front channel is a page, and goes nowhere.
    let direct = native.robot().get(&native.authorize("bank", "")).await;
    assert_eq!((direct.status, location(&direct)), (400, None));
    for missing in ["redirect_uri", "code_challenge", "response_type"] {
        assert_eq!(error(&bank.push(missing).await), (400, "invalid_request".to_owned()), "without {missing}");
    }
    // An assertion for anything but the issuer alone.
    for audience in [format!("{}/token", native.world.tenant.issuer), "https://other.example".to_owned()] {
        let assertion = bank.assertion(&audience);
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", "bank"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
        ];
        let request = server.http.post(format!("{}{}", server.url, native.path("token"))).form(&fields);
        assert_eq!(error(&server.send(request).await), (401, "invalid_client".to_owned()), "{audience}");
    }
    // A token without a key, or by a key of an algorithm the profile has not.
    let code = bank.code(&mut native.robot()).await;
    assert_eq!(error(&bank.redeem(&code, None).await), (400, "invalid_dpop_proof".to_owned()));
    let rsa = SigningKey::generate(Algorithm::Rs256, "rsa".parse().unwrap()).unwrap();
    let by_rsa = bank.proof_by(&rsa, "token");
    assert_eq!(error(&bank.redeem(&code, Some(&by_rsa)).await), (400, "invalid_dpop_proof".to_owned()));
    // A code lives for a minute.
    server.advance(61);
    let late = bank.redeem(&code, Some(&bank.proof_by(&bank.holder, "token"))).await;
    assert_eq!(error(&late), (400, "invalid_grant".to_owned()));
}

async fn a_fapi_client_is_registered_as_one_or_not_at_all(database: Database) {
    let native = Native::new(database).await;
    let key = SigningKey::generate(Algorithm::EdDsa, "k".parse().unwrap()).unwrap();
    let good = || registration(&key);
    let (confidential, grants) = (ClientKind::Confidential, "authorization_code");
    for (name, kind, grants, registration) in [
        ("a secret", confidential, grants, Registration { auth_method: AuthMethod::Secret, ..good() }),
        ("a public client", ClientKind::Public, grants, Registration { auth_method: AuthMethod::Secret, ..good() }),
        ("no PKCE", confidential, grants, Registration { may_omit_pkce: true, ..good() }),
        (
            "plain http",
            confidential,
            grants,
            Registration { redirect_uris: vec!["http://127.0.0.1/cb".to_owned()], ..good() },
        ),
        ("a password", confidential, "password", good()),
    ] {
        let result = create(&native, "x", kind, grants, registration).await;
        assert!(matches!(result, Err(Error::Refused(Refusal::Invalid(_)))), "{name}: {result:?}");
    }
    create(&native, "x", confidential, grants, good()).await.unwrap();
    let (engine, tenant) = (native.world.engine(), &native.world.tenant);
    let change = prokura_engine::ClientChange { grants: Some("guest".to_owned()), ..Default::default() };
    let changed = engine.update_client(tenant, &"x".parse().unwrap(), &change, None, &Actor::System, &origin()).await;
    assert!(matches!(changed, Err(Error::Refused(Refusal::Invalid(_)))), "{changed:?}");
    let mut settings = tenant.settings.clone();
    "RS256".clone_into(&mut settings.algorithm);
    let tenant = engine.update_tenant(tenant, "acme", true, &settings, None, &Actor::System, &origin()).await.unwrap();
    let request = prokura_engine::ClientChange { name: Some("y".to_owned()), ..Default::default() };
    let changed = engine.update_client(&tenant, &"x".parse().unwrap(), &request, None, &Actor::System, &origin()).await;
    assert!(changed.is_err(), "its ID tokens would be signed by what the profile has not");
}
