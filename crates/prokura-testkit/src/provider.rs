//! An identity provider of somebody else's, by a script: it hands out codes for whoever a test says, redeems them as the
//! standard wants (client credentials, PKCE, redirect URI, once), and fails or lies where it is told to.

use crate::TestClock;
use axum::{
    Json, Router,
    body::Body,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use prokura_domain::Clock as _;
use prokura_http::Params;
use prokura_jose::{Algorithm, HmacKey, SecretHash, SigningKey, mint_hs256, sign_jwt};
use reqwest::{
    StatusCode,
    header::{AUTHORIZATION, CACHE_CONTROL, HeaderMap, LOCATION},
};
use serde_json::{Map, Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::net::TcpListener;

/// What can be asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Its metadata.
    Metadata,
    /// Its keys.
    Keys,
    /// Where codes are redeemed.
    Token,
}

/// What an endpoint does instead of its work.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// A bare status.
    Status(u16),
    /// 400 with this `error`.
    Error(&'static str),
    /// 200 with this text.
    Says(String),
    /// 200, and it does not stop sending.
    Endless,
    /// Not a word.
    Silence,
    /// A redirect there.
    Redirect(String),
}

/// Who signs an ID token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signature {
    /// The provider, with its newest key.
    #[default]
    Own,
    /// Somebody else, under the name of the provider's key.
    Stranger,
    /// Nobody: `alg` is `none`.
    Unsigned,
    /// Whoever knows the client's secret: HS256.
    Shared,
}

/// A code that was handed out, and what it is worth.
#[derive(Clone)]
struct Issued {
    claims: Map<String, Value>,
    redirect_uri: String,
    challenge: Option<String>,
    signature: Signature,
    typ: &'static str,
    is_used: bool,
    /// What it was redeemed for; a forgetful provider hands the same out again.
    tokens: Option<Value>,
}

struct Script {
    metadata: Map<String, Value>,
    keys: Vec<SigningKey>,
    key_set: Option<Value>,
    max_age: Option<u32>,
    codes: HashMap<String, Issued>,
    visitor: Option<Map<String, Value>>,
    trouble: HashMap<Endpoint, Trouble>,
    asked: HashMap<Endpoint, usize>,
    token_requests: Vec<TokenRequest>,
    is_forgetful: bool,
    count: usize,
}

/// What came to the token endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenRequest {
    /// Client id and secret, where they came in the header.
    pub basic: Option<(String, String)>,
    /// The form's fields.
    pub form: HashMap<String, String>,
}

#[derive(Clone)]
struct Shared {
    issuer: String,
    clock: Arc<TestClock>,
    script: Arc<Mutex<Script>>,
}

/// The provider, listening.
pub struct IdentityProvider {
    shared: Shared,
}

/// A code in the making.
pub struct Grant<'a> {
    provider: &'a IdentityProvider,
    issued: Issued,
}

impl IdentityProvider {
    /// Who we are to it. What is not a letter has to survive two encodings.
    pub const CLIENT_ID: &'static str = "shop/a:1";
    /// The secret for that.
    pub const CLIENT_SECRET: &'static str = "s3cret +%&=\u{7e}";
    /// Where it sends browsers.
    pub const REDIRECT_URI: &'static str = "https://shop.example/callback";

    /// Listens, by the clock of the server under test.
    pub async fn start(clock: Arc<TestClock>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let issuer = format!("http://{}", listener.local_addr().expect("a bound port"));
        let metadata = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "authorization_response_iss_parameter_supported": true,
        });
        let script = Script {
            metadata: object(metadata),
            keys: vec![key(1)],
            key_set: None,
            max_age: None,
            codes: HashMap::new(),
            visitor: None,
            trouble: HashMap::new(),
            asked: HashMap::new(),
            token_requests: Vec::new(),
            is_forgetful: false,
            count: 0,
        };
        let shared = Shared { issuer, clock, script: Arc::new(Mutex::new(script)) };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata_document))
            .route("/keys", get(key_document))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.expect("an accept loop") });
        Self { shared }
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.shared.script()
    }

    /// Its issuer, which is where it listens.
    pub fn issuer(&self) -> &str {
        &self.shared.issuer
    }

    /// A code for `subject`, to be completed.
    pub fn grant(&self, subject: &str) -> Grant<'_> {
        let now = self.shared.clock.now().seconds();
        let claims = json!({
            "iss": self.issuer(), "sub": subject, "aud": Self::CLIENT_ID, "azp": Self::CLIENT_ID, "iat": now,
            "exp": now + 300,
        });
        let issued = Issued {
            claims: object(claims),
            redirect_uri: Self::REDIRECT_URI.to_owned(),
            challenge: None,
            signature: Signature::Own,
            typ: "JWT",
            is_used: false,
            tokens: None,
        };
        Grant { provider: self, issued }
    }

    /// A code for `subject`, with an address that was verified.
    pub fn code(&self, subject: &str, email: &str) -> String {
        self.grant(subject).email(email).code()
    }

    /// Who sits at the browser that comes to the authorization endpoint next, by their claims; `None` for nobody.
    pub fn sign_in(&self, claims: Option<Value>) {
        self.script().visitor = claims.map(object);
    }

    /// Lets an endpoint fail from now on; `None` lets it work again.
    pub fn fails(&self, endpoint: Endpoint, trouble: Option<Trouble>) {
        let mut script = self.script();
        match trouble {
            Some(trouble) => script.trouble.insert(endpoint, trouble),
            None => script.trouble.remove(&endpoint),
        };
    }

    /// Lets its metadata say something else; `Null` leaves the member out.
    pub fn says(&self, member: &str, value: Value) {
        let metadata = &mut self.script().metadata;
        if value.is_null() {
            metadata.remove(member)
        } else {
            metadata.insert(member.to_owned(), value)
        };
    }

    /// Signs with a new key from now on; the ones before are published no more.
    pub fn change_key(&self) {
        let mut script = self.script();
        script.count += 1;
        let number = script.count + 1;
        script.keys = vec![key(number)];
    }

    /// Publishes this set instead of its keys.
    pub fn publishes(&self, key_set: Option<Value>) {
        self.script().key_set = key_set;
    }

    /// Its keys, as it publishes them.
    pub fn key_set(&self) -> Value {
        self.script().key_set()
    }

    /// How long its documents may be kept, in seconds.
    pub fn max_age(&self, seconds: Option<u32>) {
        self.script().max_age = seconds;
    }

    /// Whether it takes a code again and again, for the same tokens.
    pub fn forgets_codes(&self, is_forgetful: bool) {
        self.script().is_forgetful = is_forgetful;
    }

    /// How often an endpoint was asked.
    pub fn asked(&self, endpoint: Endpoint) -> usize {
        self.script().asked.get(&endpoint).copied().unwrap_or_default()
    }

    /// What came to the token endpoint last.
    pub fn last_token_request(&self) -> TokenRequest {
        self.script().token_requests.last().cloned().unwrap_or_default()
    }
}

impl Grant<'_> {
    /// With this address, verified.
    #[must_use]
    pub fn email(self, email: &str) -> Self {
        self.claim("email", json!(email)).claim("email_verified", json!(true))
    }

    /// With this claim; `Null` leaves it out.
    #[must_use]
    pub fn claim(mut self, name: &str, value: Value) -> Self {
        let claims = &mut self.issued.claims;
        if value.is_null() {
            claims.remove(name)
        } else {
            claims.insert(name.to_owned(), value)
        };
        self
    }

    /// Bound to a PKCE verifier (RFC 7636, S256).
    #[must_use]
    pub fn verifier(mut self, verifier: &str) -> Self {
        self.issued.challenge = Some(SecretHash::of(verifier).to_string());
        self
    }

    /// For another redirect URI.
    #[must_use]
    pub fn redirect_uri(mut self, uri: &str) -> Self {
        uri.clone_into(&mut self.issued.redirect_uri);
        self
    }

    /// With an ID token signed otherwise.
    #[must_use]
    pub fn signed(mut self, signature: Signature) -> Self {
        self.issued.signature = signature;
        self
    }

    /// With an ID token that says it is something else (`typ`).
    #[must_use]
    pub fn typ(mut self, typ: &'static str) -> Self {
        self.issued.typ = typ;
        self
    }

    /// The code.
    pub fn code(self) -> String {
        self.provider.script().keep(self.issued)
    }
}

impl Shared {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("nobody panicked with the script in hand")
    }

    /// Counts a question, and says what goes wrong with it.
    fn ask(&self, endpoint: Endpoint) -> Option<Trouble> {
        let mut script = self.script();
        *script.asked.entry(endpoint).or_default() += 1;
        script.trouble.get(&endpoint).cloned()
    }
}

impl Script {
    fn keep(&mut self, issued: Issued) -> String {
        self.count += 1;
        let code = format!("code-{}", self.count);
        self.codes.insert(code.clone(), issued);
        code
    }

    fn key_set(&self) -> Value {
        let keys = || self.keys.iter().map(|key| key.public().to_jwk()).collect::<Vec<_>>();
        self.key_set.clone().unwrap_or_else(|| json!({ "keys": keys() }))
    }

    fn document(&self, body: Value) -> Response {
        let mut response = Json(body).into_response();
        if let Some(seconds) = self.max_age {
            let value = format!("public, max-age={seconds}").parse().expect("a header value");
            response.headers_mut().insert(CACHE_CONTROL, value);
        }
        response
    }

    fn id_token(&self, issued: &Issued, access_token: &str) -> String {
        let newest = self.keys.last().expect("a key");
        let mut claims = issued.claims.clone();
        claims.entry("at_hash").or_insert_with(|| json!(half_hash(access_token)));
        let claims = Value::Object(claims);
        match issued.signature {
            Signature::Own => sign_jwt(newest, issued.typ, &claims).expect("a signature"),
            Signature::Stranger => {
                let kid = newest.public().kid().expect("a name").parse().expect("an id");
                let stranger = SigningKey::generate(Algorithm::Es256, kid).expect("a key");
                sign_jwt(&stranger, issued.typ, &claims).expect("a signature")
            }
            Signature::Unsigned => {
                let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
                format!("{}.{}.", part(&json!({ "alg": "none", "typ": "JWT" })), part(&claims))
            }
            Signature::Shared => {
                let secret = SecretHash::of(IdentityProvider::CLIENT_SECRET);
                mint_hs256(&HmacKey::new(secret.as_str().as_bytes()).expect("32 bytes"), &claims)
            }
        }
    }
}

async fn metadata_document(State(shared): State<Shared>) -> Response {
    if let Some(trouble) = shared.ask(Endpoint::Metadata) {
        return make(trouble).await;
    }
    let script = shared.script();
    script.document(Value::Object(script.metadata.clone()))
}

async fn key_document(State(shared): State<Shared>) -> Response {
    if let Some(trouble) = shared.ask(Endpoint::Keys) {
        return make(trouble).await;
    }
    let script = shared.script();
    script.document(script.key_set())
}

/// Sends the browser back at once: with a code for who sits there, or with an error when nobody does.
async fn authorize(State(shared): State<Shared>, RawQuery(query): RawQuery) -> Response {
    let params = Params::parse(&query.unwrap_or_default());
    let one = |name: &str| params.one(name).expect("once").map(str::to_owned);
    let (Some(redirect_uri), Some(IdentityProvider::CLIENT_ID)) = (one("redirect_uri"), one("client_id").as_deref())
    else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let mut script = shared.script();
    let mut answer = vec![("iss", shared.issuer.clone())];
    answer.extend(one("state").map(|state| ("state", state)));
    match script.visitor.clone() {
        None => answer.push(("error", "login_required".to_owned())),
        Some(visitor) => {
            let now = shared.clock.now().seconds();
            let mut claims = object(json!({
                "iss": shared.issuer, "aud": IdentityProvider::CLIENT_ID, "iat": now, "exp": now + 300,
            }));
            claims.extend(one("nonce").map(|nonce| ("nonce".to_owned(), json!(nonce))));
            claims.extend(visitor);
            let code = script.keep(Issued {
                claims,
                redirect_uri: redirect_uri.clone(),
                challenge: one("code_challenge"),
                signature: Signature::Own,
                typ: "JWT",
                is_used: false,
                tokens: None,
            });
            answer.push(("code", code));
        }
    }
    let mut url = reqwest::Url::parse(&redirect_uri).expect("an address");
    url.query_pairs_mut().extend_pairs(answer);
    (StatusCode::FOUND, [(LOCATION, url.to_string())]).into_response()
}

async fn token(State(shared): State<Shared>, headers: HeaderMap, body: String) -> Response {
    let trouble = shared.ask(Endpoint::Token);
    let params = Params::parse(&body);
    let request = TokenRequest {
        basic: basic(&headers),
        form: body
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (Params::decode(name), Params::decode(value)))
            .collect(),
    };
    shared.script().token_requests.push(request.clone());
    if let Some(trouble) = trouble {
        return make(trouble).await;
    }
    let one = |name: &str| params.one(name).expect("once").unwrap_or_default().to_owned();
    let known = (IdentityProvider::CLIENT_ID.to_owned(), IdentityProvider::CLIENT_SECRET.to_owned());
    let shown = request.basic.unwrap_or_else(|| (one("client_id"), one("client_secret")));
    if shown != known {
        return refused(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    if one("grant_type") != "authorization_code" {
        return refused(StatusCode::BAD_REQUEST, "unsupported_grant_type");
    }
    let mut script = shared.script();
    let Some(issued) = script.codes.get(&one("code")).cloned() else {
        return refused(StatusCode::BAD_REQUEST, "invalid_grant");
    };
    let has_proof = match &issued.challenge {
        Some(challenge) => SecretHash::of(&one("code_verifier")).as_str() == challenge,
        None => !params.has("code_verifier"),
    };
    let is_spent = issued.is_used && !script.is_forgetful;
    if is_spent || !has_proof || one("redirect_uri") != issued.redirect_uri {
        return refused(StatusCode::BAD_REQUEST, "invalid_grant");
    }
    let tokens = issued.tokens.clone().unwrap_or_else(|| {
        let access_token = format!("theirs-for-{}", one("code"));
        let id_token = script.id_token(&issued, &access_token);
        json!({ "access_token": access_token, "id_token": id_token, "token_type": "Bearer", "expires_in": "300" })
    });
    script.codes.insert(one("code"), Issued { is_used: true, tokens: Some(tokens.clone()), ..issued });
    Json(tokens).into_response()
}

/// Client id and secret of the header, each encoded before they were joined (RFC 6749 section 2.3.1).
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let text = headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((Params::decode(id), Params::decode(secret)))
}

fn refused(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}

async fn make(trouble: Trouble) -> Response {
    match trouble {
        Trouble::Status(status) => StatusCode::from_u16(status).expect("a status").into_response(),
        Trouble::Error(error) => refused(StatusCode::BAD_REQUEST, error),
        Trouble::Says(text) => text.into_response(),
        Trouble::Endless => {
            let blanks = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 16 * 1024]));
            Body::from_stream(blanks).into_response()
        }
        Trouble::Silence => std::future::pending().await,
        Trouble::Redirect(to) => (StatusCode::FOUND, [(LOCATION, to)]).into_response(),
    }
}

/// The left half of a SHA-256, as ID tokens of ES256 have it.
fn half_hash(text: &str) -> String {
    let whole = URL_SAFE_NO_PAD.decode(SecretHash::of(text).as_str()).expect("base64url");
    URL_SAFE_NO_PAD.encode(whole.split_at(whole.len() / 2).0)
}

fn key(number: usize) -> SigningKey {
    SigningKey::generate(Algorithm::Es256, format!("theirs-{number}").parse().expect("an id")).expect("a key")
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(members) = value else { panic!("not an object: {value}") };
    members
}
