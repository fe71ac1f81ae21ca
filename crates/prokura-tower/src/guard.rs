//! The layer: reads the token, decides, and hands the request on with who asks.

use crate::{Caller, Issuer, Level, demand::Demand, refusal::Refusal, replay::Seen};
use http::{HeaderMap, Request, Response, header};
use prokura_domain::Scope;
use prokura_jose::{
    VerifiedToken,
    dpop::{Target, check_proof},
};
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tower_layer::Layer;
use tower_service::Service;

/// A layer that lets through whoever is good enough: without more said, a logged-in customer.
#[derive(Clone, Debug)]
pub struct Guard {
    issuer: Issuer,
    demand: Demand,
    audience: Option<Arc<str>>,
    origin: Option<Arc<str>>,
    seen: Arc<Seen>,
}

/// A service behind a [`Guard`].
#[derive(Clone, Debug)]
pub struct Guarded<S> {
    inner: S,
    guard: Guard,
}

impl Guard {
    /// A guard that believes tokens of `issuer`.
    pub fn new(issuer: Issuer) -> Self {
        Self { issuer, demand: Demand::default(), audience: None, origin: None, seen: Arc::default() }
    }

    /// Asks for so much, and no more.
    #[must_use]
    pub fn require(mut self, level: Level) -> Self {
        self.demand.level = level;
        self
    }

    /// Asks for somebody who acts for a company; then [`Standing::legal_entity`](prokura_domain::Standing::legal_entity)
    /// is there, but for machines.
    #[must_use]
    pub fn require_entity(self) -> Self {
        self.require(Level::LegalEntity)
    }

    /// Asks for a scope besides those asked for before.
    #[must_use]
    pub fn require_scope(mut self, scope: Scope) -> Self {
        self.demand.add(scope);
        self
    }

    /// Asks for a login by two factors, or by a passkey, which counts as two. Who has less is challenged with the
    /// `acr_values` that the client sends its next authorization request with (RFC 9470).
    #[must_use]
    pub fn require_multi_factor(mut self) -> Self {
        self.demand.login.is_multi_factor = true;
        self
    }

    /// Asks for a login at most so long ago, in whole seconds. Who logged in before that is challenged with the `max_age`
    /// of the next authorization request (RFC 9470). A token tells the login it was issued after.
    #[must_use]
    pub fn max_login_age(mut self, age: Duration) -> Self {
        self.demand.login.max_age_seconds = Some(u32::try_from(age.as_secs()).unwrap_or(u32::MAX));
        self
    }

    /// Lets machines (client credentials) through as well, within the scopes; a login is not asked of them.
    #[must_use]
    pub fn allow_machines(mut self) -> Self {
        self.demand.allows_machines = true;
        self
    }

    /// Takes only tokens for this resource (RFC 8707). Without it, only tokens for everything of the tenant count.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Takes tokens that are bound to a key (RFC 9449), when the proof is made for an address below `origin`, which is
    /// how clients reach this service: `https://orders.example`, without a slash at the end. Without it such tokens are
    /// refused, because nobody can say whether a proof is for here. Proofs that were seen are remembered by this process.
    #[must_use]
    pub fn bound_tokens(mut self, origin: &str) -> Self {
        self.origin = Some(origin.trim_end_matches('/').into());
        self
    }

    async fn check(&self, credentials: Credentials) -> Result<Caller, Refusal> {
        let Credentials { token, proof, method, path } = credentials;
        let verified = match self.issuer.examine(&token).await {
            None => return Err(Refusal::NoKeys),
            Some(Err(_)) => return Err(Refusal::InvalidToken),
            Some(Ok(verified)) => verified,
        };
        let is_for_this = match &self.audience {
            None => verified.is_for_everything(),
            Some(audience) => verified.token.audience.contains(audience),
        };
        if !is_for_this {
            return Err(Refusal::InvalidToken);
        }
        self.check_key(&verified, (&token, proof.as_deref()), &method, &path)?;
        self.demand.check(&verified.token.standing, self.issuer.now())?;
        Ok(Caller::new(verified))
    }

    fn check_key(
        &self,
        verified: &VerifiedToken,
        (token, proof): (&str, Option<&str>),
        method: &http::Method,
        path: &str,
    ) -> Result<(), Refusal> {
        let (key, proof) = match (&verified.token.bound_to, proof) {
            (None, None) => return Ok(()),
            (Some(key), Some(proof)) => (key, proof),
            (Some(_), None) | (None, Some(_)) => return Err(Refusal::InvalidProof),
        };
        let now = self.issuer.now();
        let origin = self.origin.as_ref().ok_or(Refusal::InvalidProof)?;
        let uri = format!("{origin}{path}");
        let target = Target { method: method.as_str(), uri: &uri, access_token: Some(token) };
        let proof = check_proof(proof, target, now).map_err(|fault| {
            tracing::debug!(%fault, "a DPoP proof was refused");
            Refusal::InvalidProof
        })?;
        if proof.thumbprint == *key && self.seen.is_first(&proof, now) { Ok(()) } else { Err(Refusal::InvalidProof) }
    }
}

/// What a request brings along, owned: it outlives the borrow of the request.
struct Credentials {
    token: String,
    proof: Option<String>,
    method: http::Method,
    path: String,
}

impl Credentials {
    fn of<B>(request: &Request<B>) -> Result<Self, Refusal> {
        let text = single(request.headers(), header::AUTHORIZATION.as_str())?.ok_or(Refusal::NoToken)?;
        let (scheme, token) = text.split_once(' ').ok_or(Refusal::InvalidToken)?;
        let token = token.trim();
        if token.is_empty() || token.contains(' ') {
            return Err(Refusal::InvalidToken);
        }
        let proof = if scheme.eq_ignore_ascii_case("bearer") {
            None
        } else if scheme.eq_ignore_ascii_case("dpop") {
            Some(single(request.headers(), "dpop")?.ok_or(Refusal::InvalidProof)?.to_owned())
        } else {
            return Err(Refusal::InvalidToken);
        };
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        Ok(Self { token: token.to_owned(), proof, method, path })
    }
}

fn single<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Refusal::InvalidToken),
        (Some(_), Some(_)) => Err(Refusal::Ambiguous),
    }
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, guard: self.clone() }
    }
}

impl<S, B, R> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The service that was polled ready is the one to call; the clone takes its place.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let guard = self.guard.clone();
        let credentials = Credentials::of(&request);
        Box::pin(async move {
            let checked = match credentials {
                Ok(credentials) => guard.check(credentials).await,
                Err(refusal) => Err(refusal),
            };
            match checked {
                Ok(caller) => {
                    request.extensions_mut().insert(caller);
                    inner.call(request).await
                }
                Err(refusal) => Ok(refusal.answer()),
            }
        })
    }
}
