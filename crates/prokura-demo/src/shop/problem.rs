//! Error answers as problem details (RFC 9457). The text is for people and never says more than the caller may know.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use super::segments::SegmentsUnavailable;
use super::store::ShopError;

/// An error answer: a status and a sentence that says what to do about it.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    kind: Option<Box<Kind>>,
}

/// What kind of problem it is, where clients tell kinds apart.
#[derive(Debug)]
struct Kind {
    name: &'static str,
    title: &'static str,
    /// Members besides the usual ones.
    members: Map<String, Value>,
}

impl Problem {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), kind: None }
    }

    /// The same problem with a type of its own, whose address ends with the name.
    pub(super) fn named(self, name: &'static str, title: &'static str) -> Self {
        self.named_with(name, title, Map::new())
    }

    /// The same problem with a type of its own and further members.
    pub(super) fn named_with(mut self, name: &'static str, title: &'static str, members: Map<String, Value>) -> Self {
        self.kind = Some(Box::new(Kind { name, title, members }));
        self
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "this address does not answer to that method")
    }

    /// The request is well formed, but the state of the shop does not allow it.
    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// The request can be read, but its content cannot be accepted.
    pub(super) fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let usual = self.status.canonical_reason().unwrap_or("Error");
        let (kind, title, members) = match self.kind.map(|kind| *kind) {
            Some(Kind { name, title, members }) => (format!("/documentation/error/v1/errors/{name}"), title, members),
            None => ("about:blank".to_owned(), usual, Map::new()),
        };
        let mut body = Map::new();
        body.insert("type".to_owned(), kind.into());
        body.insert("title".to_owned(), title.into());
        body.insert("status".to_owned(), self.status.as_u16().into());
        body.insert("detail".to_owned(), self.detail.into());
        body.extend(members);
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response
    }
}

impl From<ShopError> for Problem {
    fn from(error: ShopError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "shop database failed");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the shop cannot reach its data right now")
    }
}

impl From<SegmentsUnavailable> for Problem {
    fn from(error: SegmentsUnavailable) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "cannot learn what the segments hold");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the shop cannot tell right now which products are yours to see")
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}
