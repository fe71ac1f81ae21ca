//! `{issuer}/account/companies`: the companies the customer may act for, and the one this browser acts for. Tokens that
//! were issued keep their company; the next login of an application begins with the choice made here.

use super::{broken, cookie, done, frame};
use crate::{
    Web,
    choices::companies,
    pages::view::{MyCompanies, Notice, Problem, Section},
    visit::{Asked, Sent, Visit},
};
use axum::{Router, extract::State, response::Response, routing::get};
use http::StatusCode;
use prokura_domain::LegalEntityId;
use prokura_engine::{Account, Error, Refusal};
use prokura_http::Params;

const PATH: &str = "/account/companies";

pub(super) fn routes() -> Router<Web> {
    Router::new().route("/t/{tenant}/account/companies", get(show).post(switch))
}

async fn show(State(web): State<Web>, Asked(visit, params): Asked) -> Result<Response, Response> {
    let account = visit.account(&web, PATH).await?;
    list(&web, &visit, &account, &params, None).await
}

async fn list(
    web: &Web,
    visit: &Visit,
    account: &Account,
    params: &Params,
    problem: Option<Problem>,
) -> Result<Response, Response> {
    let choices = web.edge.engine.choices_of(&visit.tenant, &account.page).await;
    let choices = choices.map_err(|error| visit.broken(error))?;
    let now = account.acting_for.as_ref().map_or_else(String::new, |choice| choice.id.to_string());
    let view = MyCompanies {
        frame: frame(account, Section::Companies, params),
        choice: companies(choices, params, Some(now), problem),
        is_locked: account.page.is_locked,
    };
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok(visit.show(status, &visit.chrome(), &view))
}

/// `POST {issuer}/account/companies`; with an empty company, the customer acts for themselves.
async fn switch(State(web): State<Web>, Sent(visit, form): Sent) -> Result<Response, Response> {
    let account = visit.account(&web, PATH).await?;
    if !form.has("legal_entity_id") {
        return list(&web, &visit, &account, &Params::parse(""), Some(Problem::NothingChosen)).await;
    }
    let refused = Some(Problem::CompanyNotAllowed);
    let wanted = form.one("legal_entity_id").ok().flatten().map(str::parse::<LegalEntityId>);
    let Ok(entity) = wanted.transpose() else {
        return list(&web, &visit, &account, &Params::parse(""), refused).await;
    };
    let (engine, cookie) = (&web.edge.engine, cookie(&visit, PATH)?);
    match engine.choose_for_browser(&visit.tenant, cookie, entity.as_ref(), &visit.origin).await {
        Ok(()) => Ok(done(&visit, PATH, Notice::CompanySwitched)),
        Err(Error::Refused(Refusal::NotAssigned | Refusal::EntityLocked)) => {
            list(&web, &visit, &account, &Params::parse(""), refused).await
        }
        Err(error) => Err(broken(&visit, PATH, error)),
    }
}
