//! The rows of the standard protocol: an application that sends a browser to be logged in, and renews what it got. The
//! same scripts run against the server and against its peer; only addresses, names and what a browser holds differ.

use crate::{
    load::{Request, Script, Scripts, expect_ok},
    rows::request,
    world::{APPLICATION, BOUND_APPLICATION, COMPANIES, MACHINE, TENANT, World},
};
use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderValue, Method, Response, header};
use http_body_util::Full;
use prokura_domain::Clock as _;
use prokura_engine::SystemClock;
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};

/// Where answers go; nothing listens there.
pub(crate) const REDIRECT_URI: &str = "http://127.0.0.1:9/callback";
/// The secret of PKCE. What it is costs nobody anything.
const VERIFIER: &str = "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv";

/// Where an authorization server has what.
pub(crate) struct Places {
    authorize: String,
    token: String,
    introspect: String,
    /// What every authorization request says besides.
    extra: String,
    /// The token endpoint as proofs name it.
    audience: String,
    client: &'static str,
    bound_client: &'static str,
}

/// The places of the server.
fn ours() -> Places {
    Places {
        authorize: format!("/t/{TENANT}/authorize"),
        token: format!("/t/{TENANT}/token"),
        introspect: format!("/t/{TENANT}/introspect"),
        extra: format!("&legal_entity_id={}", COMPANIES[0]),
        audience: format!("http://127.0.0.1:8400/t/{TENANT}/token"),
        client: APPLICATION,
        bound_client: BOUND_APPLICATION,
    }
}

/// Those of node-oidc-provider, which takes the host that requests name for its own.
fn theirs() -> Places {
    Places {
        authorize: "/auth".to_owned(),
        token: "/token".to_owned(),
        introspect: "/token/introspection".to_owned(),
        extra: String::new(),
        audience: "http://127.0.0.1:8400/token".to_owned(),
        client: "web",
        bound_client: "bound",
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value.get(name).and_then(Value::as_str).with_context(|| format!("the peer did not say its {name}"))
}

/// What a browser, and the application behind it, do next.
enum Step {
    Authorize,
    Redeem(String),
    Refresh(String),
}

/// What is repeated once somebody is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Course {
    /// The whole flow again, with a browser that is logged in.
    Codes,
    /// The refresh token, again and again.
    Renewals,
}

struct Application {
    places: Arc<Places>,
    cookie: String,
    course: Course,
    prover: Option<Prover>,
    step: Step,
}

impl Script for Application {
    fn next(&mut self) -> Result<Request> {
        let client = if self.prover.is_some() { self.places.bound_client } else { self.places.client };
        let body = match &self.step {
            Step::Authorize => {
                let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
                let Places { authorize, extra, .. } = &*self.places;
                let target = format!(
                    "{authorize}?client_id={client}&redirect_uri={REDIRECT_URI}&response_type=code&scope=openid&state=s\
                     &code_challenge={challenge}&code_challenge_method=S256{extra}"
                );
                let mut ask = request(Method::GET, &target, None, "")?;
                ask.headers_mut().insert(header::COOKIE, self.cookie.parse()?);
                return Ok(ask);
            }
            Step::Redeem(code) => format!(
                "grant_type=authorization_code&client_id={client}&redirect_uri={REDIRECT_URI}&code={code}&code_verifier={VERIFIER}"
            ),
            Step::Refresh(token) => format!("grant_type=refresh_token&client_id={client}&refresh_token={token}"),
        };
        let mut ask = request(Method::POST, &self.places.token, None, &body)?;
        if let Some(prover) = &self.prover {
            ask.headers_mut().insert("dpop", prover.proof(&self.places.audience)?);
        }
        Ok(ask)
    }

    fn answer(&mut self, answer: &Response<Bytes>) -> Result<()> {
        let step = match &self.step {
            Step::Authorize => Step::Redeem(code_of(answer)?),
            Step::Redeem(_) | Step::Refresh(_) => {
                expect_ok(answer)?;
                let body: Value = serde_json::from_slice(answer.body())?;
                match self.course {
                    Course::Codes => Step::Authorize,
                    Course::Renewals => Step::Refresh(text(&body, "refresh_token")?.to_owned()),
                }
            }
        };
        self.step = step;
        Ok(())
    }
}

/// The code in the address a browser is sent on to.
fn code_of(answer: &Response<Bytes>) -> Result<String> {
    let location = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let status = answer.status();
    ensure!(status.is_redirection() && location.starts_with(REDIRECT_URI), "answered {status}: {location}");
    let query = location.split_once('?').map_or("", |(_, query)| query);
    let code = query.split('&').find_map(|pair| pair.strip_prefix("code="));
    Ok(code.with_context(|| format!("no code in {location}"))?.to_owned())
}

/// Proves a key (RFC 9449).
struct Prover {
    pair: EcdsaKeyPair,
    header: OnceLock<String>,
}

impl Prover {
    fn new() -> Result<Self> {
        Ok(Self { pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?, header: OnceLock::new() })
    }

    fn proof(&self, audience: &str) -> Result<HeaderValue> {
        let header = self.header.get_or_init(|| {
            let point = self.pair.public_key().as_ref();
            let half = |range| URL_SAFE_NO_PAD.encode(point.get(range).unwrap_or_default());
            let jwk = json!({ "kty": "EC", "crv": "P-256", "x": half(1..33), "y": half(33..65) });
            URL_SAFE_NO_PAD.encode(json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk }).to_string())
        });
        let mut random = [0; 16];
        aws_lc_rs::rand::fill(&mut random)?;
        let now = SystemClock.now().seconds();
        let claims =
            json!({ "jti": URL_SAFE_NO_PAD.encode(random), "htm": "POST", "htu": audience, "iat": now }).to_string();
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)).parse()?)
    }
}

fn applications(
    places: Places,
    cookies: impl Iterator<Item = String>,
    course: Course,
    is_bound: bool,
) -> Result<Scripts> {
    let places = Arc::new(places);
    cookies
        .map(|cookie| {
            let prover = is_bound.then(Prover::new).transpose()?;
            let (places, step) = (Arc::clone(&places), Step::Authorize);
            Ok(Box::new(Application { places, cookie, course, prover, step }) as Box<dyn Script>)
        })
        .collect()
}

fn of_ours(world: &World, connections: usize, course: Course, is_bound: bool) -> Result<Scripts> {
    let cookies = world.buyers.iter().take(connections).map(|buyer| buyer.cookie.clone());
    applications(ours(), cookies, course, is_bound)
}

fn of_theirs(said: &Value, connections: usize, course: Course, is_bound: bool) -> Result<Scripts> {
    let whose = if is_bound { "bound" } else { "buyers" };
    let buyers = said.get(whose).and_then(Value::as_array).context("the peer has no buyers")?;
    let cookies = buyers.iter().take(connections).filter_map(|buyer| text(buyer, "cookie").ok().map(str::to_owned));
    applications(theirs(), cookies, course, is_bound)
}

pub(crate) fn codes(world: &World, connections: usize) -> Result<Scripts> {
    of_ours(world, connections, Course::Codes, false)
}

pub(crate) fn peer_codes(said: &Value, connections: usize) -> Result<Scripts> {
    of_theirs(said, connections, Course::Codes, false)
}

pub(crate) fn renewals(world: &World, connections: usize) -> Result<Scripts> {
    of_ours(world, connections, Course::Renewals, false)
}

pub(crate) fn peer_renewals(said: &Value, connections: usize) -> Result<Scripts> {
    of_theirs(said, connections, Course::Renewals, false)
}

pub(crate) fn bound_renewals(world: &World, connections: usize) -> Result<Scripts> {
    of_ours(world, connections, Course::Renewals, true)
}

pub(crate) fn peer_bound_renewals(said: &Value, connections: usize) -> Result<Scripts> {
    of_theirs(said, connections, Course::Renewals, true)
}

/// The same question on every connection.
struct Ask(http::Request<Full<Bytes>>);

impl Script for Ask {
    fn next(&mut self) -> Result<Request> {
        Ok(self.0.clone())
    }

    fn answer(&mut self, answer: &Response<Bytes>) -> Result<()> {
        expect_ok(answer)?;
        let body: Value = serde_json::from_slice(answer.body())?;
        ensure!(body.get("active") == Some(&Value::Bool(true)), "answered {body}");
        Ok(())
    }
}

fn introspections(target: &str, client: &str, secret: &str, token: &str, connections: usize) -> Result<Scripts> {
    let body = format!("client_id={client}&client_secret={secret}&token={token}");
    let ask = request(Method::POST, target, None, &body)?;
    Ok((0..connections).map(|_| Box::new(Ask(ask.clone())) as Box<dyn Script>).collect())
}

pub(crate) fn introspection(world: &World, connections: usize) -> Result<Scripts> {
    let token = world.company_tokens.first().context("no tokens")?;
    introspections(&ours().introspect, MACHINE, &world.machine_secret, token, connections)
}

/// It introspects no token that can be read without it, so this one is a refresh token.
pub(crate) fn peer_introspection(said: &Value, connections: usize) -> Result<Scripts> {
    let token = said.pointer("/buyers/0/refresh_token").and_then(Value::as_str).context("the peer said no token")?;
    introspections(&theirs().introspect, "api", "secret-of-the-api", token, connections)
}
