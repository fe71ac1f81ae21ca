//! Why a request does not pass, and what its sender is told (RFC 6750 section 3, RFC 9449 section 7.1, RFC 9470
//! section 3).

use crate::demand::Login;
use http::{HeaderValue, Response, StatusCode, header};
use prokura_domain::ACR_MULTI;

/// Why a request does not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is no token.
    NoToken,
    /// The credentials can be read in two ways.
    Ambiguous,
    /// The token is not good here.
    InvalidToken,
    /// The proof of the key it is bound to is missing or wrong.
    InvalidProof,
    /// The token is good, but not for this.
    WrongLevel,
    /// These scopes are needed.
    MissingScope(String),
    /// A surer or newer login is needed.
    LoginNeeded(Login),
    /// The keys of the issuer cannot be had.
    NoKeys,
}

impl Login {
    /// The challenge a client answers by another authorization with these parameters.
    fn challenge(self) -> String {
        let mut challenge = r#"Bearer error="insufficient_user_authentication""#.to_owned();
        if self.is_multi_factor {
            challenge = format!(r#"{challenge}, acr_values="{ACR_MULTI}""#);
        }
        if let Some(seconds) = self.max_age_seconds {
            challenge = format!(r#"{challenge}, max_age="{seconds}""#);
        }
        challenge
    }
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoToken | Self::InvalidToken | Self::InvalidProof | Self::LoginNeeded(_) => StatusCode::UNAUTHORIZED,
            Self::Ambiguous => StatusCode::BAD_REQUEST,
            Self::WrongLevel | Self::MissingScope(_) => StatusCode::FORBIDDEN,
            Self::NoKeys => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn challenge(&self) -> Option<String> {
        match self {
            Self::NoToken => Some("Bearer".to_owned()),
            Self::Ambiguous => Some(r#"Bearer error="invalid_request""#.to_owned()),
            Self::InvalidToken => Some(r#"Bearer error="invalid_token""#.to_owned()),
            Self::InvalidProof => Some(r#"DPoP error="invalid_dpop_proof", algs="ES256 EdDSA RS256""#.to_owned()),
            // A scope has neither quote nor backslash.
            Self::MissingScope(scopes) => Some(format!(r#"Bearer error="insufficient_scope", scope="{scopes}""#)),
            Self::LoginNeeded(login) => Some(login.challenge()),
            Self::WrongLevel | Self::NoKeys => None,
        }
    }

    fn detail(&self) -> &'static str {
        match self {
            Self::NoToken => "an access token is needed",
            Self::Ambiguous => "one request carries one access token",
            Self::InvalidToken => "the access token is not good here",
            Self::InvalidProof => "the token is bound to a key, and the proof of it is missing or wrong",
            Self::WrongLevel => "the token is good, but not for this",
            Self::MissingScope(_) => "the token lacks a scope",
            Self::LoginNeeded(_) => "a surer or newer login is needed",
            Self::NoKeys => "tokens cannot be checked now; try again",
        }
    }

    /// The whole answer.
    pub(crate) fn answer<B: From<String>>(self) -> Response<B> {
        let status = self.status();
        let title = status.canonical_reason().unwrap_or("Error");
        let (code, detail) = (status.as_u16(), self.detail());
        let body = format!(r#"{{"type":"about:blank","title":"{title}","status":{code},"detail":"{detail}"}}"#);
        let mut response = Response::new(B::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = self.challenge().and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}
