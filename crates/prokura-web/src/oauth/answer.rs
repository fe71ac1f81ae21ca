//! The answer to an authorization request, sent through the browser: always with `iss` (RFC 9207), by a redirect that
//! never repeats a form (303, S-09), or as a form the person sends on.

use crate::pages::view::query_value;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};
use prokura_engine::{AuthorizationAnswer, ResponseMode, Tenant};
use std::fmt::Write as _;

/// The redirect, or the form, that carries `answer` to the client.
pub(crate) fn redirect(tenant: &Tenant, answer: &AuthorizationAnswer) -> Response {
    let mut pairs: Vec<(&str, &str)> = match &answer.outcome {
        Ok(code) => vec![("code", code.expose())],
        Err(error) => vec![("error", error)],
    };
    if let Some(state) = &answer.state {
        pairs.push(("state", state));
    }
    match &answer.told {
        Some(told) => pairs.extend(told.iter().map(|(name, value)| (name.as_str(), value.as_str()))),
        None => pairs.push(("iss", &tenant.issuer)),
    }
    match answer.response_mode {
        ResponseMode::Query => see_other(&with_query(&answer.redirect_uri, &pairs)),
        ResponseMode::FormPost => form(&answer.redirect_uri, &pairs),
    }
}

/// `303` to `location`, kept by nobody and naming nobody.
pub(crate) fn see_other(location: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(location) {
        headers.insert(header::LOCATION, value);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// `uri` with more in its query.
pub(crate) fn with_query(uri: &str, pairs: &[(&str, &str)]) -> String {
    let mut text = uri.to_owned();
    for (name, value) in pairs {
        let joint = if text.contains('?') { '&' } else { '?' };
        text.push(joint);
        // A string takes everything that is written into it.
        let _ = write!(text, "{name}={}", query_value(value));
    }
    text
}

/// A page with one form (OAuth 2.0 Form Post Response Mode). It sends itself: the one script of all pages, allowed by its
/// digest; without scripts there is a button.
fn form(action: &str, pairs: &[(&str, &str)]) -> Response {
    let mut fields = String::new();
    for (name, value) in pairs {
        let _ = write!(fields, "<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escaped(value));
    }
    let body = format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Continue</title></head><body>\
         <form method=\"post\" action=\"{}\">{fields}<button>Continue</button></form>\
         <script>{SUBMIT}</script></body></html>",
        escaped(action)
    );
    let mut response = body.into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CONTENT_SECURITY_POLICY, FORM_POLICY),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

const SUBMIT: &str = "document.forms[0].submit()";
/// `form-action` is left open: the form is ours, and leads to an address the client registered.
const FORM_POLICY: &str = "default-src 'none'; script-src 'sha256-ePniVEkSivX/c7XWBGafqh8tSpiRrKiqYeqbG7N1TOE='; frame-ancestors 'none'; base-uri 'none'";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
