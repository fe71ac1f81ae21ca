//! A small shop service behind the gateway: products, orders and baskets in an SQLite file of its own.
//!
//! It has no login and reads no token. The gateway removes whatever identity headers a client sends and puts in its
//! own, so the shop believes exactly those (`caller`) and must not be reachable in any other way. What a caller may see:
//!
//! - **Products** are shown when a segment of the caller holds them, by product or by category. The gateway names the
//!   segments of a customer acting for a company; the shop asks Prokura what the segments hold (`segments`).
//!   Guests and private persons also see the segments named in [`ShopConfig::public_segments`]. A product
//!   in none of these is answered like one that does not exist.
//! - **Orders** are those of the company acted for; without a company, a customer's own private ones. No company in
//!   the headers never means all companies.
//! - **Baskets** belong to one customer (or one guest) and one company, or to the person alone. What a guest had chosen
//!   becomes the customer's once.

mod baskets;
mod caller;
mod catalog;
mod echo;
mod import;
mod orders;
mod problem;
mod segments;
mod store;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{any, get};

pub use import::{BadRow, ImportReport, Imported};
pub use store::{Shop, ShopError};

use problem::Problem;
use segments::Segments;

/// What the shop has to know about the Prokura it stands behind.
///
/// There is no `Debug`, so that the secret cannot end up in a log.
#[derive(Clone)]
pub struct ShopConfig {
    /// Base address of the identity server, such as `http://127.0.0.1:8400`.
    pub prokura_url: String,
    /// The tenant this shop belongs to; requests of another one are refused.
    pub tenant: String,
    /// Service client with the scope `customersegment.segment_read`.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// Segments that guests and private persons see besides their own.
    pub public_segments: Vec<String>,
}

/// The paths the shop answers and whom the gateway must have recognized before it passes a request on. Each entry
/// covers the path itself and everything below it.
pub const ROUTES: &[(&str, Require)] = &[
    ("/api/products", Require::Guest),
    ("/api/categories", Require::Guest),
    ("/api/baskets", Require::Guest),
    ("/checkout/shopper-baskets", Require::Guest),
    ("/api/orders", Require::Customer),
    ("/api/echo", Require::Customer),
];

/// Who must be known before the gateway lets a request through to the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Require {
    /// At least a guest session.
    Guest,
    /// A customer who has logged in.
    Customer,
}

/// Everything a handler needs.
#[derive(Clone)]
struct Context {
    shop: Shop,
    config: Arc<ShopConfig>,
    segments: Arc<Segments>,
}

/// The shop's HTTP interface, to be served where only the gateway can reach it.
pub fn router(shop: Shop, config: ShopConfig) -> Router {
    let segments = Arc::new(Segments::new(&config));
    let context = Context { shop, config: Arc::new(config), segments };
    Router::new()
        .route("/api/products", get(catalog::list))
        .route("/api/products/{id}", get(catalog::show))
        .route("/api/categories", get(catalog::categories))
        .route("/api/orders", get(orders::list).post(orders::place))
        .route("/api/orders/{id}", get(orders::show))
        .merge(baskets::routes())
        .route("/api/echo", any(echo::echo))
        .route("/api/echo/{*rest}", any(echo::echo))
        .fallback(async || Problem::not_found("there is nothing at this address"))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(middleware::from_fn(never_store))
        .layer(DefaultBodyLimit::max(64 * 1024))
        .with_state(context)
}

/// Every answer is for one caller only, so no cache may keep it.
async fn never_store(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    response
}
