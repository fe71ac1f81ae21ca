//! Writing answers: what was found with its version as `ETag`, what was made with its place.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

/// 200, with the version.
pub(super) struct Found<T> {
    pub(super) version: i64,
    pub(super) body: T,
}

/// 201, with the place and, where it has one, the version.
pub(super) struct Made<T> {
    pub(super) location: String,
    pub(super) version: Option<i64>,
    pub(super) body: T,
}

/// The answer to a PUT: 201 with the place when it is new, 200 when it was there.
pub(super) struct Put<T> {
    pub(super) is_new: bool,
    pub(super) location: String,
    pub(super) version: i64,
    pub(super) body: T,
}

impl<T: Serialize> IntoResponse for Found<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.body).into_response();
        tag(&mut response, self.version);
        response
    }
}

impl<T: Serialize> IntoResponse for Made<T> {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::CREATED, Json(self.body)).into_response();
        if let Some(version) = self.version {
            tag(&mut response, version);
        }
        // Ids are URL-safe, so the path is a header value.
        if let Ok(location) = HeaderValue::from_str(&self.location) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}

impl<T: Serialize> IntoResponse for Put<T> {
    fn into_response(self) -> Response {
        let Self { is_new, location, version, body } = self;
        if is_new {
            Made { location, version: Some(version), body }.into_response()
        } else {
            Found { version, body }.into_response()
        }
    }
}

fn tag(response: &mut Response, version: i64) {
    if let Ok(value) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(header::ETAG, value);
    }
}
