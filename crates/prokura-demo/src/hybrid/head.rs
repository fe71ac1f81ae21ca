//! Head, the headless half: one page that draws itself with plain ES modules, and a thin server behind it that holds the
//! tokens and calls the gateway with them.
//!
//! No script ever sees a token: they travel in cookies that only this server reads. What changes something must come from
//! a script of this origin, and says for whom its page was drawn (S-94).

mod api;
mod page;
pub(super) mod shopper;
pub(super) mod slas;

use axum::Router;
use axum::response::Redirect;
use axum::routing::{any, get, post};

use super::{App, HEAD};

pub(super) fn routes() -> Router<App> {
    let at = |rest: &str| format!("{HEAD}{rest}");
    Router::new()
        .route(&at("/bff/state"), get(api::state))
        .route(&at("/bff/login"), post(api::log_in))
        .route(&at("/bff/logout"), post(api::log_out))
        .route(&at("/bff/company"), post(api::choose))
        .route(&at("/bff/api/{*rest}"), any(api::forward))
        .route(&at("/bff/{*rest}"), any(api::nothing))
        .route(&at("/assets/{file}"), get(page::file))
        .route(&at("/"), get(page::land))
        .route(&at("/{*rest}"), get(page::land))
        .route(HEAD, get(async || Redirect::permanent("/shop/")))
}
