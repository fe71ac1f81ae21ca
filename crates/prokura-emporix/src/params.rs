//! What is wrong with parameters and bodies, in the service's own words.

use crate::fault::{E2, E3, E4};
use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    response::Response,
};
use http::StatusCode;
use prokura_http::Repeated;
use serde::de::DeserializeOwned;

impl From<Repeated> for E2 {
    fn from(repeated: Repeated) -> Self {
        Self::bad_request(&repeated.message()).detail(repeated.name(), "repeated", &repeated.message())
    }
}

impl From<Repeated> for E3 {
    fn from(repeated: Repeated) -> Self {
        Self::new(StatusCode::BAD_REQUEST, &repeated.message())
    }
}

impl From<Repeated> for E4 {
    fn from(repeated: Repeated) -> Self {
        Self::new(StatusCode::BAD_REQUEST, &repeated.message())
    }
}

/// A body that cannot be read.
#[derive(Debug)]
pub(crate) struct BadBody {
    status: StatusCode,
    message: String,
}

impl From<BadBody> for E2 {
    fn from(bad: BadBody) -> Self {
        Self::new(bad.status, "validation_failure", "The body cannot be read.").detail(
            "body",
            "invalid_json",
            &bad.message,
        )
    }
}

impl From<BadBody> for E3 {
    fn from(bad: BadBody) -> Self {
        Self::new(bad.status, "The body cannot be read.").detail(&bad.message)
    }
}

impl From<BadBody> for E4 {
    fn from(bad: BadBody) -> Self {
        Self::new(bad.status, &format!("The body cannot be read: {}", bad.message))
    }
}

/// The body as JSON, whatever `Content-Type` says: merge patches and plain JSON come under several names.
///
/// # Errors
/// [`BadBody`] says what is wrong; it never repeats values, because they may be secrets.
pub(crate) fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BadBody> {
    serde_json::from_slice(bytes).map_err(|error| {
        let place = format!("line {} column {}", error.line(), error.column());
        let message = match error.classify() {
            serde_json::error::Category::Data => {
                format!("a member is missing, repeated or of the wrong type at {place}")
            }
            serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof
            | serde_json::error::Category::Io => {
                format!("no valid JSON at {place}")
            }
        };
        BadBody { status: StatusCode::BAD_REQUEST, message }
    })
}

/// The body as JSON, with faults in the family `F`.
pub(crate) struct Body<T, F>(pub(crate) T, pub(crate) std::marker::PhantomData<F>);

impl<T, F, S> FromRequest<S> for Body<T, F>
where
    T: DeserializeOwned,
    F: From<BadBody> + axum::response::IntoResponse,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            let message = "the body is too long or did not arrive whole".to_owned();
            F::from(BadBody { status: rejection.status(), message }).into_response()
        })?;
        match read_json(&bytes) {
            Ok(value) => Ok(Self(value, std::marker::PhantomData)),
            Err(bad) => Err(F::from(bad).into_response()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_body_is_told_without_repeating_it() {
        #[derive(Debug, serde::Deserialize)]
        struct LogIn {
            #[expect(dead_code, reason = "only its type matters")]
            password: u8,
        }
        let bad = read_json::<LogIn>(br#"{"password":"hunter2"}"#).unwrap_err();
        assert!(!bad.message.contains("hunter2"), "{}", bad.message);
    }
}
