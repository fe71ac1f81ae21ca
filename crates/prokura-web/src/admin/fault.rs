//! What goes wrong on this surface, told as problems (RFC 9457). One body stands for "no such thing" and "not yours", so
//! that nobody learns what exists where they have no rights (S-73).

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use prokura_engine::{Error, Refusal};
use prokura_http::Problem;

/// An error answer.
pub(super) struct Fault(Problem, StatusCode);

impl Fault {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self(Problem::new(status).code(code).detail(detail), status)
    }

    /// No such thing, or no right to it: the same answer to the byte.
    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is no such thing here, or your role does not reach it")
    }

    /// No operator stands behind the request.
    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "present the token of an operator as a bearer token")
    }

    pub(super) fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// One field that is wrong.
    pub(super) fn invalid(field: &str, reason: &str) -> Self {
        Self::invalid_fields([(field, reason)])
    }

    #[cfg(test)]
    pub(super) fn problem(&self) -> &Problem {
        &self.0
    }

    fn invalid_fields<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        let problem = Problem::new(status).code("invalid").detail("something sent is wrong, see errors");
        let problem = fields.into_iter().fold(problem, |problem, (field, reason)| problem.error(field, reason));
        Self(problem, status)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => refusal.into(),
            Error::Fault(fault) => Self(Problem::fault(&fault), StatusCode::SERVICE_UNAVAILABLE),
        }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownTenant | Refusal::NotFound(_) | Refusal::Forbidden(_) | Refusal::MissingScope(_) => {
                Self::not_found()
            }
            Refusal::InvalidToken => Self::unauthorized(),
            Refusal::AlreadyExists(what) => {
                Self::new(StatusCode::CONFLICT, "already_exists", format!("there is such a {what} already"))
            }
            Refusal::InUse(why) => Self::new(StatusCode::CONFLICT, "in_use", why),
            Refusal::StaleVersion => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "stale_version",
                "it was changed meanwhile: read it again, and send its new ETag as If-Match",
            ),
            Refusal::Invalid(faults) => {
                Self::invalid_fields(faults.iter().map(|fault| (spelled(fault.field), fault.reason.as_str())))
            }
            Refusal::Throttled { retry_after_seconds } => Self(
                Problem::new(StatusCode::TOO_MANY_REQUESTS)
                    .code("throttled")
                    .detail("too many requests at once")
                    .retry_after(retry_after_seconds),
                StatusCode::TOO_MANY_REQUESTS,
            ),
            // Doors of customers say these; here they would mean that what was asked does not fit what is there.
            Refusal::InvalidClient
            | Refusal::UnauthorizedClient
            | Refusal::InvalidCredentials
            | Refusal::ProofNeeded
            | Refusal::CustomerPending
            | Refusal::CustomerOnHold
            | Refusal::CustomerInactive
            | Refusal::InvalidGrant
            | Refusal::ExpiredGrant
            | Refusal::NotAssigned
            | Refusal::EntityLocked
            | Refusal::InvalidScope
            | Refusal::InvalidProof
            | Refusal::WrongTarget => Self::new(StatusCode::CONFLICT, refusal.word(), refusal.to_string()),
        }
    }
}

/// A field of the engine, as this surface spells it.
fn spelled(field: &'static str) -> &'static str {
    match field {
        "customer" => "customer_id",
        "legal_entity" => "legal_entity_id",
        "parent" => "parent_id",
        "site" => "site_id",
        other => other,
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = self.0.into_response();
        if self.1 == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"prokura-admin\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_the_status_programs_expect() {
        for (refusal, expected) in [
            (Refusal::StaleVersion, 412),
            (Refusal::AlreadyExists("client"), 409),
            (Refusal::InUse("it has subsidiaries"), 409),
            (Refusal::NotFound("client"), 404),
            (Refusal::UnknownTenant, 404),
            (Refusal::invalid("name", "is too long"), 422),
            (Refusal::Throttled { retry_after_seconds: 3 }, 429),
            (Refusal::InvalidToken, 401),
        ] {
            assert_eq!(Fault::from(refusal.clone()).into_response().status().as_u16(), expected, "{refusal:?}");
        }
    }
}
