//! Error answers of OCAPI.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use prokura_engine::{Error, Refusal};
use prokura_http::fault_id;
use prokura_jose::Rejection;
use serde_json::json;

/// How much of a token an answer repeats.
const SHOWN: usize = 8;

/// A fault, for the version it was asked in.
#[derive(Debug)]
pub(crate) struct OcapiFault {
    status: StatusCode,
    kind: &'static str,
    message: String,
    arguments: serde_json::Value,
    version: String,
    retry_after_seconds: Option<u32>,
}

impl OcapiFault {
    pub(crate) fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            message: message.into(),
            arguments: json!({}),
            version: String::new(),
            retry_after_seconds: None,
        }
    }

    /// `22_8` becomes `22.8`.
    #[must_use]
    pub(crate) fn of_version(mut self, version: &str) -> Self {
        self.version = version.trim_start_matches('v').replace('_', ".");
        self
    }

    pub(crate) fn missing_client() -> Self {
        let message = "The request is unauthorized, no client id was sent.";
        Self::new(StatusCode::BAD_REQUEST, "MissingClientIdException", message)
    }

    pub(crate) fn unknown_client() -> Self {
        let message = "The client id is not known.";
        Self::new(StatusCode::BAD_REQUEST, "UnknownClientIdException", message)
    }

    pub(crate) fn client_forbidden() -> Self {
        let message = "The client may not use this resource.";
        Self::new(StatusCode::FORBIDDEN, "ClientAccessForbiddenException", message)
    }

    pub(crate) fn authentication_failed() -> Self {
        let message = "The customer could not be authenticated.";
        Self::new(StatusCode::UNAUTHORIZED, "AuthenticationFailedException", message)
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "MalformedParameterException", message)
    }

    pub(crate) fn invalid_access_token(token: &str) -> Self {
        let message = "The request is unauthorized, the access token is invalid.";
        let mut fault = Self::new(StatusCode::UNAUTHORIZED, "InvalidAccessTokenException", message);
        if !token.is_empty() {
            let shown: String = token.chars().take(SHOWN).collect();
            fault.arguments = json!({ "accessToken": format!("{shown}…") });
        }
        fault
    }

    pub(crate) fn rejected(rejection: Rejection, token: &str) -> Self {
        if rejection == Rejection::Expired {
            let message = "The request is unauthorized, the access token is expired.";
            return Self::new(StatusCode::UNAUTHORIZED, "ExpiredTokenException", message);
        }
        Self::invalid_access_token(token)
    }
}

impl From<Error> for OcapiFault {
    fn from(error: Error) -> Self {
        let refusal = match error {
            Error::Refused(refusal) => refusal,
            Error::Fault(fault) => {
                let message = format!("The service is unavailable; try again. Support id {}", fault_id(&fault));
                let mut answer = Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailableException", message);
                answer.retry_after_seconds = Some(1);
                return answer;
            }
        };
        match refusal {
            Refusal::InvalidToken | Refusal::InvalidGrant | Refusal::ExpiredGrant => Self::invalid_access_token(""),
            Refusal::InvalidClient => Self::unknown_client(),
            Refusal::UnauthorizedClient => Self::client_forbidden(),
            Refusal::Throttled { retry_after_seconds } => {
                let message = "Too many attempts; try again later.";
                let mut answer = Self::new(StatusCode::TOO_MANY_REQUESTS, "RateLimitExceededException", message);
                answer.retry_after_seconds = Some(retry_after_seconds);
                answer
            }
            Refusal::InvalidCredentials
            | Refusal::CustomerPending
            | Refusal::CustomerOnHold
            | Refusal::CustomerInactive
            | Refusal::ProofNeeded => Self::authentication_failed(),
            other @ (Refusal::UnknownTenant
            | Refusal::InvalidProof
            | Refusal::NotAssigned
            | Refusal::WrongTarget
            | Refusal::EntityLocked
            | Refusal::InvalidScope
            | Refusal::MissingScope(_)
            | Refusal::Forbidden(_)
            | Refusal::NotFound(_)
            | Refusal::AlreadyExists(_)
            | Refusal::StaleVersion
            | Refusal::InUse(_)
            | Refusal::Invalid(_)) => Self::bad_request(other.to_string()),
        }
    }
}

impl IntoResponse for OcapiFault {
    fn into_response(self) -> Response {
        let body = json!({
            "_v": self.version,
            "fault": { "type": self.kind, "message": self.message, "arguments": self.arguments },
        });
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json;charset=UTF-8"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
