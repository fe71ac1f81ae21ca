//! ECOM, the classic half: pages rendered by controllers, with forms and a session cookie, and no JavaScript at all.
//!
//! A controller asks Prokura who the shopper is before it renders anything. So a session that ended is restored in the
//! same request, and a form that was rendered before still counts: its token belongs to the shopper, not to the session's
//! id.

mod account;
mod basket;
mod catalog;
pub(super) mod prokura;
mod session;
mod visit;

use axum::Router;
use axum::middleware;
use axum::response::Redirect;
use axum::routing::{get, post};

use super::{App, CLASSIC};
use crate::site::assets;
use visit::Stop;

pub(super) fn routes(app: &App) -> Router<App> {
    let at = |rest: &str| format!("{CLASSIC}{rest}");
    Router::new()
        .route(&at("/"), get(catalog::products))
        .route(&at("/products/{id}"), get(catalog::product))
        .route(&at("/basket"), get(basket::show))
        .route(&at("/basket/items"), post(basket::add))
        .route(&at("/basket/items/{item}"), post(basket::change))
        .route(&at("/checkout"), get(basket::review).post(basket::order))
        .route(&at("/orders"), get(basket::orders))
        .route(&at("/orders/{id}"), get(basket::placed))
        .route(&at("/login"), get(account::form).post(account::log_in))
        .route(&at("/logout"), post(account::log_out))
        .route(&at("/company"), get(account::chooser).post(account::choose))
        .route(&at("/session"), get(session::show).post(session::probe))
        .route(&at("/session/signed"), get(session::signed))
        .route(&at("/{*rest}"), get(async || Stop::not_found()))
        .layer(middleware::from_fn_with_state(app.clone(), visit::around_every_page))
        .route(CLASSIC, get(async || Redirect::permanent("/classic/")))
        .route(&at("/assets/{file}"), get(assets::file))
}
