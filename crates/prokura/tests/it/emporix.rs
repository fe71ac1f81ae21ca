//! The Emporix dialect, as its clients meet it: real requests, and answers read as they read them.

mod accounts;
mod browsers;
mod companies;
mod contexts;
mod exchange;
mod groups;
mod guests;
mod logging_in;
mod logging_out;
mod machines;
mod people;
mod profiles;
mod segments;
mod social;
mod switching;

use prokura_testkit::Answer;
use serde_json::Value;

/// The text at `pointer` in the body.
fn text(answer: &Answer, pointer: &str) -> String {
    answer.json().pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Status and fault of an answer of the first family.
fn fault(answer: &Answer) -> (u16, String, String) {
    (answer.status, text(answer, "/fault/faultstring"), text(answer, "/fault/detail/errorcode"))
}

/// What every refused bearer is told.
fn is_refused_bearer(answer: &Answer) -> bool {
    matches!(
        &*text(answer, "/fault/detail/errorcode"),
        "oauth.v2.InvalidAccessToken" | "keymanagement.service.access_token_expired"
    ) && answer.status == 401
}

fn invalid_refresh_token() -> (u16, String, String) {
    (401, "Invalid refresh token".to_owned(), "keymanagement.service.invalid_refresh_token".to_owned())
}
