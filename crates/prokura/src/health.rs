//! What whoever watches a process is told: the metrics, and from a gateway alone whether it lives and is ready. Served on
//! a port of its own, because a gateway's port has none but the paths of its routes.

use axum::{
    Router,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::get,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use prokura_gateway::Gateway;
use std::{fmt::Write as _, sync::OnceLock};

/// The recorder of this process; made once, whoever asks first.
fn recorder() -> Option<&'static PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    HANDLE.get_or_init(|| PrometheusBuilder::new().install_recorder().ok()).as_ref()
}

/// Begins to count. Without it nothing is recorded, and counting costs nothing.
pub fn install_metrics() {
    let _ = recorder();
}

/// `/metrics` of a node. Its health is told on the public port.
pub fn metrics_router(gateway: Option<Gateway>) -> Router {
    Router::new().route("/metrics", get(async move || metrics_text(gateway.as_ref())))
}

/// `/healthz`, `/readyz` and `/metrics` of a gateway alone.
pub fn gateway_router(gateway: Gateway) -> Router {
    let watched = gateway.clone();
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(async move || readyz(&watched)))
        .merge(metrics_router(Some(gateway)))
}

/// Tokens can be decided on. Says nothing about upstreams: one that is away must not take the others off the balancer.
fn readyz(gateway: &Gateway) -> Response {
    match gateway.readiness() {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")).into_response(),
    }
}

fn metrics_text(gateway: Option<&Gateway>) -> String {
    let mut text = recorder().map(PrometheusHandle::render).unwrap_or_default();
    if let Some(gateway) = gateway {
        let counts = gateway.counts();
        for (outcome, count) in [
            ("forwarded", counts.forwarded),
            ("upgraded", counts.upgraded),
            ("allowed", counts.allowed),
            ("bad_request", counts.bad_request),
            ("unauthorized", counts.unauthorized),
            ("forbidden", counts.forbidden),
            ("server_away", counts.server_away),
            ("upstream_failed", counts.upstream_failed),
        ] {
            let _ = writeln!(text, "prokura_gateway_requests_total{{outcome=\"{outcome}\"}} {count}");
        }
        for (state, count) in
            [("seen", counts.tokens_seen), ("unseen", counts.tokens_unseen), ("resolved", counts.tokens_resolved)]
        {
            let _ = writeln!(text, "prokura_gateway_tokens_total{{state=\"{state}\"}} {count}");
        }
        // Absent before the first word, so that nobody takes it for a fresh one.
        if let Some(millis) = gateway.silent_millis() {
            let _ =
                writeln!(text, "prokura_gateway_feed_age_seconds {}.{:03}", millis.max(0) / 1000, millis.max(0) % 1000);
        }
    }
    text
}
