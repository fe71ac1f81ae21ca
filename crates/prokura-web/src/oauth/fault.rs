//! Error answers of the token-style endpoints (RFC 6749 section 5.2): JSON, never kept by anybody, and no more about
//! why than a client can act on.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use prokura_engine::{Error, Fault, Refusal};
use prokura_http::{Repeated, fault_id};
use serde_json::json;

/// An error answer.
#[derive(Debug)]
pub(super) struct OauthFault {
    status: StatusCode,
    error: &'static str,
    description: String,
    retry_after_seconds: Option<u32>,
    challenge: Option<&'static str>,
    nonce: Option<String>,
}

impl OauthFault {
    pub(super) fn new(status: StatusCode, error: &'static str, description: &str) -> Self {
        Self {
            status,
            error,
            description: description.to_owned(),
            retry_after_seconds: None,
            challenge: None,
            nonce: None,
        }
    }

    pub(super) fn invalid_request(description: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    pub(super) fn invalid_client() -> Self {
        let mut fault = Self::new(StatusCode::UNAUTHORIZED, "invalid_client", "the client could not be authenticated");
        fault.challenge = Some("Basic realm=\"prokura\"");
        fault
    }

    /// A bearer token that does not hold (RFC 6750 section 3.1).
    pub(super) fn invalid_token() -> Self {
        let mut fault = Self::new(StatusCode::UNAUTHORIZED, "invalid_token", "the access token does not hold");
        fault.challenge = Some("Bearer error=\"invalid_token\"");
        fault
    }

    /// A token of the `DPoP` scheme that does not hold, or a proof of it that does not (RFC 9449 section 7.1).
    pub(super) fn invalid_bound_token(error: &'static str) -> Self {
        let mut fault =
            Self::new(StatusCode::UNAUTHORIZED, error, "the access token or the proof of its key does not hold");
        fault.challenge = Some(match error {
            "invalid_dpop_proof" => "DPoP error=\"invalid_dpop_proof\", algs=\"ES256 EdDSA RS256\"",
            "use_dpop_nonce" => "DPoP error=\"use_dpop_nonce\", algs=\"ES256 EdDSA RS256\"",
            _ => "DPoP error=\"invalid_token\", algs=\"ES256 EdDSA RS256\"",
        });
        fault
    }

    /// The proof of a key does not prove it (RFC 9449 section 5).
    pub(super) fn invalid_proof() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid_dpop_proof",
            "the proof of the key is missing, wrong or was used before",
        )
    }

    /// The proof must hold `nonce` (RFC 9449 section 8).
    pub(super) fn nonce_needed(nonce: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "use_dpop_nonce", "the proof must hold the nonce of the server").nonce(nonce)
    }

    /// With the nonce for the next proof.
    #[must_use]
    pub(super) fn nonce(mut self, nonce: String) -> Self {
        self.nonce = Some(nonce);
        self
    }

    pub(super) fn insufficient_scope() -> Self {
        let mut fault = Self::new(StatusCode::FORBIDDEN, "insufficient_scope", "the token lacks the scope openid");
        fault.challenge = Some("Bearer error=\"insufficient_scope\", scope=\"openid\"");
        fault
    }

    /// Ours: a client that is told `invalid_grant` throws its token away, so this is never one (S-27).
    pub(super) fn broken(fault: &Fault) -> Self {
        let description = format!("try again; support id {}", fault_id(fault));
        let mut answer = Self::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", &description);
        answer.retry_after_seconds = Some(1);
        answer
    }
}

impl From<Repeated> for OauthFault {
    fn from(repeated: Repeated) -> Self {
        Self::invalid_request(&repeated.message())
    }
}

impl From<Error> for OauthFault {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => refusal.into(),
            Error::Fault(fault) => Self::broken(&fault),
        }
    }
}

impl From<Refusal> for OauthFault {
    fn from(refusal: Refusal) -> Self {
        let bad = |error, description| Self::new(StatusCode::BAD_REQUEST, error, description);
        match refusal {
            Refusal::UnknownTenant | Refusal::InvalidClient => Self::invalid_client(),
            Refusal::UnauthorizedClient => bad("unauthorized_client", "the client may not use this grant"),
            Refusal::InvalidGrant
            | Refusal::ExpiredGrant
            | Refusal::InvalidCredentials
            | Refusal::ProofNeeded
            | Refusal::CustomerPending
            | Refusal::CustomerOnHold
            | Refusal::CustomerInactive => {
                bad("invalid_grant", "the grant is unknown, used, over or not this client's")
            }
            Refusal::InvalidToken => Self::invalid_token(),
            Refusal::InvalidProof => Self::invalid_proof(),
            Refusal::NotAssigned => bad("invalid_target", "the customer may not act for this legal entity"),
            Refusal::WrongTarget => {
                bad("invalid_target", "the client may have no token for this resource, or not from this one")
            }
            Refusal::EntityLocked => bad("invalid_target", "this session may not change its legal entity"),
            Refusal::InvalidScope => bad("invalid_scope", "the scope is wider than what was granted"),
            Refusal::MissingScope(_) => Self::insufficient_scope(),
            Refusal::Throttled { retry_after_seconds } => {
                let mut fault =
                    Self::new(StatusCode::TOO_MANY_REQUESTS, "slow_down", "too many attempts; wait, then try again");
                fault.retry_after_seconds = Some(retry_after_seconds);
                fault
            }
            Refusal::Forbidden(_)
            | Refusal::NotFound(_)
            | Refusal::AlreadyExists(_)
            | Refusal::StaleVersion
            | Refusal::InUse(_)
            | Refusal::Invalid(_) => bad("invalid_request", "the request is not possible"),
        }
    }
}

impl IntoResponse for OauthFault {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.error, "error_description": self.description });
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(nonce) = self.nonce.and_then(|nonce| HeaderValue::from_str(&nonce).ok()) {
            headers.insert("dpop-nonce", nonce);
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
