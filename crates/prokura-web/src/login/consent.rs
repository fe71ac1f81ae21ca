//! Whether somebody else's application may have what it asks for.

use super::{proceed, way::chrome_of};
use crate::{
    Web, oauth,
    pages::view::{Consent, ErrorKind, ScopeView},
    visit::{Asked, Sent},
};
use axum::{Router, extract::State, response::Response, routing::get};
use http::StatusCode;

pub(super) fn routes() -> Router<Web> {
    Router::new().route("/t/{tenant}/consent", get(show).post(decide))
}

async fn show(State(web): State<Web>, Asked(visit, params): Asked) -> Result<Response, Response> {
    let flow = visit.flow(&web, &params).await?;
    let Some(page) = visit.page_session(&web).await? else { return Ok(proceed(&web, &visit, &flow.id).await) };
    let engine = &web.edge.engine;
    let broken = |error| visit.broken(error);
    let client = engine.client(&visit.tenant, &flow.client).await.map_err(broken)?;
    let customer = engine.customer(&visit.tenant, &page.customer).await.map_err(broken)?;
    let host = flow.request.redirect_uri.split_once("://").and_then(|(_, rest)| rest.split(['/', '?']).next());
    let scopes = flow.request.scope.split_ascii_whitespace();
    let view = Consent {
        client_name: client.name,
        client_host: host.map(str::to_owned),
        username: customer.email.unwrap_or_default(),
        company: None,
        scopes: scopes.map(|name| ScopeView { name: name.to_owned(), description: None }).collect(),
    };
    Ok(visit.show(StatusCode::OK, &chrome_of(&visit, &flow), &view))
}

/// `POST {issuer}/consent`
async fn decide(State(web): State<Web>, Sent(visit, form): Sent) -> Result<Response, Response> {
    let flow = visit.flow(&web, &form).await?;
    let engine = &web.edge.engine;
    let secret = &visit.browser.secret;
    match (form.one("action").ok().flatten(), &visit.browser.session) {
        (Some("allow"), Some(cookie)) => {
            let given = engine.consent_to_authorization(&visit.tenant, &flow.id, secret, cookie, &visit.origin).await;
            given.map_err(|error| visit.broken(error))?;
            Ok(proceed(&web, &visit, &flow.id).await)
        }
        (Some("deny"), _) => {
            let answer = engine.refuse_authorization(&visit.tenant, &flow.id, secret).await;
            Ok(oauth::redirect(&visit.tenant, &answer.map_err(|error| visit.broken(error))?))
        }
        _ => Err(visit.error(StatusCode::BAD_REQUEST, ErrorKind::FlowOver)),
    }
}
