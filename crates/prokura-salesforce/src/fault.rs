//! Error answers of SLAS. Some clients read `error` and `error_description`, others `status_code` and `message`: every answer
//! has all four. The texts are those clients compare with.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use prokura_engine::{Error, Refusal};
use prokura_http::{Repeated, fault_id};
use serde_json::json;

/// The only text the original's own storefront branches on: it forgets everything and begins as a new guest.
const INVALID_REFRESH_TOKEN: &str = "invalid refresh_token";

const TOO_MANY: &str = "Too many login requests were made. Please try again later.";

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SlasFault {
    status: StatusCode,
    error: &'static str,
    message: String,
    retry_after_seconds: Option<u32>,
    /// The challenge of whoever needs another bearer token.
    challenge: bool,
}

impl SlasFault {
    pub(crate) fn new(status: StatusCode, error: &'static str, message: impl Into<String>) -> Self {
        Self { status, error, message: message.into(), retry_after_seconds: None, challenge: false }
    }

    /// 400 `invalid_request`.
    pub(crate) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    /// What is missing, by its name.
    pub(crate) fn missing(name: &str) -> Self {
        Self::invalid_request(format!("Bad or missing request parameters. The parameter {name} is needed."))
    }

    pub(crate) fn invalid_client_id() -> Self {
        Self::invalid_request("Bad or missing client_id.")
    }

    pub(crate) fn invalid_channel() -> Self {
        Self::invalid_request("Invalid channel_id")
    }

    pub(crate) fn invalid_refresh_token() -> Self {
        Self::invalid_request(INVALID_REFRESH_TOKEN)
    }

    /// 401: the client did not prove who it is.
    pub(crate) fn basic_failed() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", "Basic Authorization failed.")
    }

    /// 401: the shopper, or a client where none may come.
    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", "Authorization failed.")
    }

    /// 400: codes are asked for too often.
    pub(crate) fn too_many_requests(retry_after_seconds: u32) -> Self {
        let mut fault = Self::invalid_request(TOO_MANY);
        fault.retry_after_seconds = Some(retry_after_seconds);
        fault
    }

    /// Whoever did the work for this request went away in the middle.
    pub(crate) fn interrupted() -> Self {
        let mut fault = Self::new(StatusCode::SERVICE_UNAVAILABLE, "gateway_server_error", "Try again.");
        fault.retry_after_seconds = Some(1);
        fault
    }

    /// 401: the bearer token does not hold.
    pub(crate) fn invalid_bearer() -> Self {
        let mut fault = Self::new(StatusCode::UNAUTHORIZED, "invalid_request", "Bad or missing access token.");
        fault.challenge = true;
        fault
    }

    /// What stands behind a refresh token is nobody's business: to its client all of it is one answer.
    pub(crate) fn of_refresh(error: Error) -> Self {
        match error {
            Error::Refused(Refusal::NotAssigned | Refusal::EntityLocked) => {
                Self::invalid_request("The shopper may not act for this legal entity.")
            }
            Error::Refused(_) => Self::invalid_refresh_token(),
            Error::Fault(_) => error.into(),
        }
    }

    /// A login that failed says one thing, whatever the reason (S-100), but for having to wait.
    pub(crate) fn of_login(error: Error) -> Self {
        match error {
            Error::Refused(Refusal::AlreadyExists(_)) => {
                let message = "The same loginId and tenantId tried to login twice within 1 second.";
                Self::new(StatusCode::CONFLICT, "conflict", message)
            }
            Error::Refused(Refusal::UnauthorizedClient) => Self::unauthorized(),
            Error::Refused(refusal @ Refusal::Throttled { .. }) => Error::from(refusal).into(),
            Error::Refused(_) => Self::unauthorized(),
            Error::Fault(_) => error.into(),
        }
    }
}

impl From<Repeated> for SlasFault {
    fn from(repeated: Repeated) -> Self {
        Self::invalid_request(format!("Bad or missing request parameters. {repeated}"))
    }
}

impl From<Refusal> for SlasFault {
    fn from(refusal: Refusal) -> Self {
        Error::from(refusal).into()
    }
}

impl From<Error> for SlasFault {
    fn from(error: Error) -> Self {
        let refusal = match error {
            Error::Refused(refusal) => refusal,
            Error::Fault(fault) => {
                let id = fault_id(&fault);
                let message = format!("The service is unavailable; try again. Support id {id}");
                let mut answer = Self::new(StatusCode::SERVICE_UNAVAILABLE, "gateway_server_error", message);
                answer.retry_after_seconds = Some(1);
                return answer;
            }
        };
        match refusal {
            Refusal::UnknownTenant => Self::invalid_request("invalid organizationId"),
            Refusal::InvalidClient => Self::invalid_client_id(),
            Refusal::UnauthorizedClient => Self::new(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "The client is not registered for this grant; an operator can add it.",
            ),
            Refusal::Throttled { retry_after_seconds } => {
                let mut answer = Self::new(StatusCode::TOO_MANY_REQUESTS, "invalid_request", TOO_MANY);
                answer.retry_after_seconds = Some(retry_after_seconds);
                answer
            }
            Refusal::InvalidToken => Self::invalid_bearer(),
            Refusal::InvalidCredentials => Self::unauthorized(),
            Refusal::NotFound(_) => Self::new(StatusCode::NOT_FOUND, "not_found", "User Not Found"),
            Refusal::InvalidGrant | Refusal::ExpiredGrant => {
                Self::invalid_request("Bad or missing request parameters. The code is invalid or was used.")
            }
            other @ (Refusal::CustomerPending
            | Refusal::CustomerOnHold
            | Refusal::CustomerInactive
            | Refusal::ProofNeeded
            | Refusal::InvalidProof
            | Refusal::NotAssigned
            | Refusal::WrongTarget
            | Refusal::EntityLocked
            | Refusal::InvalidScope
            | Refusal::MissingScope(_)
            | Refusal::Forbidden(_)
            | Refusal::AlreadyExists(_)
            | Refusal::StaleVersion
            | Refusal::InUse(_)
            | Refusal::Invalid(_)) => Self::invalid_request(format!("Bad or missing request parameters. {other}")),
        }
    }
}

impl IntoResponse for SlasFault {
    fn into_response(self) -> Response {
        let body = json!({
            "status_code": self.status.as_u16().to_string(),
            "message": self.message,
            "error": self.error,
            "error_description": self.message,
        });
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.challenge {
            let challenge = HeaderValue::from_static("Bearer realm=\"slas\", error=\"invalid_token\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
