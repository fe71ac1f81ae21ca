//! Error answers of the native surface (RFC 9457), and the one place where a fault is logged.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use prokura_engine::Fault;
use serde_json::{Map, Value, json};

/// An error answer, `application/problem+json`.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: Option<&'static str>,
    detail: Option<String>,
    errors: Vec<Value>,
    retry_after_seconds: Option<u32>,
}

impl Problem {
    /// An answer with this status and its usual title.
    pub fn new(status: StatusCode) -> Self {
        Self { status, code: None, detail: None, errors: Vec::new(), retry_after_seconds: None }
    }

    /// A word a program can branch on.
    #[must_use]
    pub fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// What is wrong and what would be right, for the person who reads it.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// One field that is wrong.
    #[must_use]
    pub fn error(mut self, field: &str, reason: &str) -> Self {
        self.errors.push(json!({ "field": field, "detail": reason }));
        self
    }

    /// Seconds after which trying again makes sense.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// Our fault: logged here with its whole chain, told as a 503 with a support id.
    pub fn fault(fault: &Fault) -> Self {
        let id = fault_id(fault);
        Self::new(StatusCode::SERVICE_UNAVAILABLE)
            .code("unavailable")
            .detail(format!("try again; support id {id}"))
            .retry_after(1)
    }
}

/// Logs a fault with its whole chain of sources and returns the id that ties the log to the answer.
pub fn fault_id(fault: &Fault) -> String {
    let id = uuid::Uuid::new_v4().simple().to_string();
    tracing::error!(support_id = id, error = fault as &dyn std::error::Error, "a request failed");
    metrics::counter!("prokura_faults_total").increment(1);
    id
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = Map::new();
        body.insert("type".to_owned(), json!("about:blank"));
        body.insert("title".to_owned(), json!(self.status.canonical_reason().unwrap_or("Error")));
        body.insert("status".to_owned(), json!(self.status.as_u16()));
        if let Some(code) = self.code {
            body.insert("code".to_owned(), json!(code));
        }
        if let Some(detail) = self.detail {
            body.insert("detail".to_owned(), json!(detail));
        }
        if !self.errors.is_empty() {
            body.insert("errors".to_owned(), Value::Array(self.errors));
        }
        let mut response = (self.status, Value::Object(body).to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
