//! Which company to act for.

use super::{Visit, proceed};
use crate::{
    Web,
    pages::view::{Companies, CompanyBadge, CompanyChoice, ErrorKind, Pager, Problem},
};
use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::Uri,
    response::Response,
    routing::get,
};
use http::{HeaderMap, StatusCode};
use prokura_domain::LegalEntityId;
use prokura_engine::{Authorization, Error, Refusal};
use prokura_http::{Params, RequestOrigin};

/// Companies on one page of the list.
const PAGE: usize = 20;

pub(super) fn routes() -> Router<Web> {
    Router::new().route("/t/{tenant}/company", get(show).post(choose))
}

async fn show(
    State(web): State<Web>,
    Path(name): Path<String>,
    RequestOrigin(origin): RequestOrigin,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Response> {
    let visit = Visit::open(&web, &name, &headers, origin).await?;
    let params = Params::parse(uri.query().unwrap_or_default());
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
    let choices = engine.choices_of(&visit.tenant, &page.customer).await.map_err(|error| visit.broken(error))?;
    let total = u32::try_from(choices.len()).unwrap_or(u32::MAX);
    let query = params.one("q").ok().flatten().unwrap_or_default().to_owned();
    let sought = query.to_lowercase();
    let found: Vec<_> = choices
        .into_iter()
        .filter(|choice| choice.name.to_lowercase().contains(&sought) || choice.id.as_str().to_lowercase() == sought)
        .collect();
    let last = u32::try_from(found.len().div_ceil(PAGE)).unwrap_or(1).max(1);
    let number =
        params.one("page").ok().flatten().and_then(|text| text.parse::<u32>().ok()).unwrap_or(1).clamp(1, last);
    let skip = PAGE * (number as usize - 1);
    let companies: Vec<_> = found
        .into_iter()
        .skip(skip)
        .take(PAGE)
        .map(|choice| CompanyChoice {
            badge: CompanyBadge::new(choice.id.as_str(), choice.name),
            id: choice.id.to_string(),
            role: choice.role,
        })
        .collect();
    let selected = page.last_entity.map(|entity| entity.to_string());
    let view = Companies {
        companies,
        selected,
        is_myself_allowed: true,
        total,
        query,
        pager: Pager { page: number, last },
        problem,
    };
    Ok(visit.show(status, &visit.chrome_of(flow), &view))
}

/// `POST {issuer}/company`
async fn choose(
    State(web): State<Web>,
    Path(name): Path<String>,
    RequestOrigin(origin): RequestOrigin,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Response> {
    let visit = Visit::open(&web, &name, &headers, origin).await?;
    let form = visit.own_form(&headers, &body)?;
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
