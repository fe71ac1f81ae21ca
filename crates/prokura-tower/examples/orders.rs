//! A service that takes tokens itself: `cargo run -p prokura-tower --example orders -- http://127.0.0.1:8400/t/demo`, then
//! ask it with an access token of that tenant.

use axum::{Extension, Json, Router, routing::get};
use prokura_tower::{Caller, Guard, Issuer};
use serde_json::{Value, json};

async fn orders(Extension(caller): Extension<Caller>) -> Json<Value> {
    // The guard asked for a company, so there is one.
    let company = caller.standing().legal_entity().map(ToString::to_string);
    Json(json!({ "company": company, "orders": [] }))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let issuer = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:8400/t/demo".to_owned());
    let guard = Guard::new(Issuer::discover(&issuer).await?).require_entity();
    let service = Router::new().route("/orders", get(orders)).layer(guard);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:9100").await?;
    axum::serve(listener, service).await?;
    Ok(())
}
