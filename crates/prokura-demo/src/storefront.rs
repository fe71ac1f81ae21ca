//! A storefront rendered on the server, in front of the gateway: the one page of the demo.
//!
//! People log in here and choose for whom they act. Their tokens stay on this side; the browser holds a cookie that
//! names a session and nothing else. Identity is asked over the Emporix-compatible API, everything about goods goes
//! through the gateway with the person's access token, so this program could show nobody more than the token allows.
//!
//! Rules that are easy to miss: each form says for whom it was rendered, and an action whose answer has changed since is
//! not done (`visit`); a refused access token is renewed for the same company or not at all.

mod basket;
mod catalog;
mod identity;
mod layout;
mod login;
mod orders;
mod session;
mod visit;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};

use crate::data::SampleLogin;
use identity::Identity;
use session::Sessions;
use visit::Stop;

use crate::site::shop::ShopClient;
use crate::site::{assets, upstream};

/// What the storefront has to know about its surroundings.
#[derive(Debug, Clone)]
pub struct StorefrontConfig {
    /// Base address of the identity server, as this program reaches it.
    pub prokura_url: String,
    /// Base address of the gateway, as this program reaches it.
    pub gateway_url: String,
    /// The tenant whose customers shop here.
    pub tenant: String,
    /// The storefront key with which guest sessions begin.
    pub client_id: String,
    /// Name of the shop, for titles and the header.
    pub shop_name: String,
    /// Browsers reach the storefront over https only, so its cookie may demand that.
    pub is_https: bool,
    /// Where the mails are that nobody sends; nowhere but in a demo.
    pub mails_path: Option<String>,
    /// Logins to offer on the login page; empty anywhere but in a demo.
    pub sample_logins: Vec<SampleLogin>,
}

/// Everything a page needs. Clones share it.
#[derive(Clone)]
struct App(Arc<Parts>);

struct Parts {
    config: StorefrontConfig,
    identity: Identity,
    shop: ShopClient,
    sessions: Sessions,
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// The storefront's pages and files, from `/` downwards.
pub fn router(config: StorefrontConfig) -> Router {
    let http = upstream::http_client();
    let app = App(Arc::new(Parts {
        identity: Identity::new(http.clone(), &config),
        shop: ShopClient::new(http, &config.gateway_url),
        sessions: Sessions::new(),
        config,
    }));
    Router::new()
        .route("/", get(catalog::products))
        .route("/products/{id}", get(catalog::product))
        .route("/basket", get(basket::show))
        .route("/basket/items", post(basket::add))
        .route("/basket/items/{item}", post(basket::change))
        .route("/checkout", get(basket::review).post(basket::order))
        .route("/orders", get(orders::list))
        .route("/orders/{id}", get(orders::show))
        .route("/login", get(login::form).post(login::log_in))
        .route("/logout", post(login::log_out))
        .route("/company", get(login::chooser).post(login::choose))
        .fallback(async || Stop::not_found())
        .layer(DefaultBodyLimit::max(16 * 1024))
        .layer(middleware::from_fn_with_state(app.clone(), visit::around_every_page))
        .route("/assets/{file}", get(assets::file))
        .with_state(app)
}
