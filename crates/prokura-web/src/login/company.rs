//! Which company to act for.

use super::{proceed, way::chrome_of};
use crate::{
    Web,
    choices::companies,
    pages::view::{ErrorKind, Problem},
    visit::{Asked, Sent, Visit},
};
use axum::{Router, extract::State, response::Response, routing::get};
use http::StatusCode;
use prokura_domain::LegalEntityId;
use prokura_engine::{Authorization, Error, Refusal};
use prokura_http::Params;

pub(super) fn routes() -> Router<Web> {
    Router::new().route("/t/{tenant}/company", get(show).post(choose))
}

async fn show(State(web): State<Web>, Asked(visit, params): Asked) -> Result<Response, Response> {
    let flow = visit.flow(&web, &params).await?;
    list(&web, &visit, &flow, &params, (StatusCode::OK, None)).await
}

async fn list(
    web: &Web,
    visit: &Visit,
    flow: &Authorization,
    params: &Params,
    (status, problem): (StatusCode, Option<Problem>),
) -> Result<Response, Response> {
    let engine = &web.edge.engine;
    let Some(page) = visit.page_session(web).await? else { return Ok(proceed(web, visit, &flow.id).await) };
    let choices = engine.choices_of(&visit.tenant, &page).await.map_err(|error| visit.broken(error))?;
    let last = page.last_entity.map(|entity| entity.to_string());
    let view = companies(choices, params, last, problem);
    Ok(visit.show(status, &chrome_of(visit, flow), &view))
}

/// `POST {issuer}/company`
async fn choose(State(web): State<Web>, Sent(visit, form): Sent) -> Result<Response, Response> {
    let flow = visit.flow(&web, &form).await?;
    let Some(cookie) = &visit.browser.session else {
        return Err(visit.error(StatusCode::BAD_REQUEST, ErrorKind::FlowOver));
    };
    if !form.has("legal_entity_id") {
        let refused = (StatusCode::UNPROCESSABLE_ENTITY, Some(Problem::NothingChosen));
        return list(&web, &visit, &flow, &Params::parse(""), refused).await;
    }
    let chosen = form.one("legal_entity_id").ok().flatten();
    let refused = (StatusCode::UNPROCESSABLE_ENTITY, Some(Problem::CompanyNotAllowed));
    let Ok(entity) = chosen.map(str::parse::<LegalEntityId>).transpose() else {
        return list(&web, &visit, &flow, &Params::parse(""), refused).await;
    };
    let engine = &web.edge.engine;
    let secret = &visit.browser.secret;
    match engine.choose_for_authorization(&visit.tenant, &flow.id, secret, cookie, entity.as_ref()).await {
        Ok(()) => Ok(proceed(&web, &visit, &flow.id).await),
        Err(Error::Refused(Refusal::NotAssigned)) => list(&web, &visit, &flow, &Params::parse(""), refused).await,
        Err(error) => Err(visit.broken(error)),
    }
}
