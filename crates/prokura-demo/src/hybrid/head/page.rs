//! The one page of Head, and its files. Opening it makes sure that there is a shopper and a session before any script runs.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};

use askama::Template;

use super::super::{App, DEVELOPERS, protect};
use super::shopper::{self, Lost};
use crate::site::assets;
use crate::site::cookies::Jar;
use crate::site::trace::remark;

/// Scripts and calls come from here and go here; nothing is inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

#[derive(Template)]
#[template(path = "head.html")]
struct HeadPage<'a> {
    shop_name: &'a str,
    mails_path: Option<&'a str>,
    developers_path: &'a str,
}

/// `GET /shop/…`: the page draws whatever its address says.
pub(super) async fn land(State(app): State<App>, headers: HeaderMap) -> Response {
    let mut jar = Jar::new(&headers, &app.rules);
    let had_session = jar.session().is_some();
    match shopper::ensure(&app, &mut jar).await {
        Ok(held) if held.is_new || jar.session().is_none() => {
            // Whoever has just begun has a session already.
            if had_session || jar.session().is_none() {
                shopper::bridge(&app, &mut jar, &held).await;
            }
        }
        Ok(_) => {}
        // The page asks again when its scripts run.
        Err(Lost::Elsewhere) => remark("another tab has logged in or out"),
        Err(Lost::Fault(fault)) => {
            tracing::error!(error = &fault as &dyn std::error::Error, "no shopper for the headless storefront");
        }
    }
    let page = HeadPage {
        shop_name: &app.config.shop_name,
        mails_path: app.config.mails_path.as_deref(),
        developers_path: DEVELOPERS,
    };
    let mut response = match page.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(%error, "the page of the headless storefront could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    };
    jar.write_to(response.headers_mut());
    protect(&mut response, POLICY);
    response
}

/// `GET /shop/assets/{file}`
pub(super) async fn file(Path(name): Path<String>) -> Response {
    match name.as_str() {
        "app.js" => assets::module(include_str!("../../../assets/head/app.js")),
        "api.js" => assets::module(include_str!("../../../assets/head/api.js")),
        "dom.js" => assets::module(include_str!("../../../assets/head/dom.js")),
        "views.js" => assets::module(include_str!("../../../assets/head/views.js")),
        _ => assets::file(Path(name)).await,
    }
}
