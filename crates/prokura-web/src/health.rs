//! Whether the process lives, and whether it should get traffic.

use crate::Web;
use axum::{
    Router,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::StatusCode;

pub(crate) fn routes() -> Router<Web> {
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz))
}

/// The process lives. Says nothing about the database, so that nobody restarts it for a database that is away (S-71).
async fn healthz() -> &'static str {
    "ok\n"
}

/// The database answers, the keys are there, the clock is right.
async fn readyz(State(web): State<Web>) -> Response {
    match web.edge.engine.readiness().await {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")).into_response(),
    }
}
