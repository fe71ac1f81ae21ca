//! `{issuer}/device`: a person types in the code another device shows, compares, and lets it in (RFC 8628 section 3.3).
//! The device acts for the company it asked for, else for the one this browser acts for.

use crate::{
    Web,
    choices::badge,
    oauth::with_query,
    pages::view::{Consent, DeviceCode, DeviceConsent, Field, Message, Problem, ScopeView},
    visit::{Asked, Sent, Visit, filled},
};
use axum::{Router, extract::State, response::Response, routing::get};
use http::StatusCode;
use prokura_domain::LegalEntityId;
use prokura_engine::{Account, EntityChoice, Error, Refusal, WaitingDevice};
use prokura_jose::Secret;

const PATH: &str = "/device";

pub(super) fn routes() -> Router<Web> {
    Router::new().route("/t/{tenant}/device", get(show).post(decide))
}

async fn show(State(web): State<Web>, Asked(visit, params): Asked) -> Result<Response, Response> {
    let code = filled(&params, "user_code");
    let back = if code.is_empty() { PATH.to_owned() } else { with_query(PATH, &[("user_code", code)]) };
    visit.account(&web, &back).await?;
    let field = Field::of(code);
    Ok(visit.show(StatusCode::OK, &visit.chrome(), &DeviceCode { user_code: field }))
}

/// `POST {issuer}/device`: `continue` looks the code up, `allow` and `deny` decide.
async fn decide(State(web): State<Web>, Sent(visit, form): Sent) -> Result<Response, Response> {
    let account = visit.account(&web, PATH).await?;
    let cookie = visit.browser.session.as_ref().ok_or_else(|| visit.to_login(PATH))?;
    let code = filled(&form, "user_code");
    let again = |status, problem| {
        let page = DeviceCode { user_code: Field::of(code).with(problem) };
        Ok(visit.show(status, &visit.chrome(), &page))
    };
    let is_allowed = match filled(&form, "action") {
        "allow" => Some(true),
        "deny" => Some(false),
        _ => None,
    };
    let engine = &web.edge.engine;
    let device = match engine.waiting_device(&visit.tenant, cookie, code, &visit.origin).await {
        Ok(device) => device,
        Err(Error::Refused(Refusal::NotFound(_))) => {
            return again(StatusCode::UNPROCESSABLE_ENTITY, Problem::UnknownDeviceCode);
        }
        Err(Error::Refused(Refusal::Throttled { retry_after_seconds })) => {
            let minutes = retry_after_seconds.div_ceil(60).max(1);
            return again(StatusCode::TOO_MANY_REQUESTS, Problem::TooManyAttempts { minutes });
        }
        Err(error) => return Err(visit.broken(error)),
    };
    let company = company(&web, &visit, &account, &device).await?;
    let Some(is_allowed) = is_allowed else {
        return consent(&web, &visit, &account, device, company.as_ref()).await;
    };
    let entity = company.as_ref().map(|choice| &choice.id);
    match decided(&web, &visit, cookie, &device, is_allowed, entity).await {
        Ok(()) => {
            let message = if is_allowed { Message::DeviceAllowed } else { Message::DeviceDenied };
            Ok(visit.show(StatusCode::OK, &visit.chrome(), &message))
        }
        Err(Error::Refused(Refusal::NotFound(_))) => {
            again(StatusCode::UNPROCESSABLE_ENTITY, Problem::UnknownDeviceCode)
        }
        Err(Error::Refused(Refusal::NotAssigned)) => {
            again(StatusCode::UNPROCESSABLE_ENTITY, Problem::CompanyNotAllowed)
        }
        Err(error) => Err(visit.broken(error)),
    }
}

async fn decided(
    web: &Web,
    visit: &Visit,
    cookie: &Secret,
    device: &WaitingDevice,
    is_allowed: bool,
    entity: Option<&LegalEntityId>,
) -> Result<(), Error> {
    let engine = &web.edge.engine;
    engine.decide_device(&visit.tenant, cookie, &device.user_code, is_allowed, entity, &visit.origin).await
}

/// The company the device would act for.
async fn company(
    web: &Web,
    visit: &Visit,
    account: &Account,
    device: &WaitingDevice,
) -> Result<Option<EntityChoice>, Response> {
    let choices = web.edge.engine.choices_of(&visit.tenant, &account.page).await;
    let mut choices = choices.map_err(|error| visit.broken(error))?;
    Ok(match &device.legal_entity {
        // Shown by its id where it is not theirs, and refused when it is allowed.
        Some(wanted) => Some(choices.iter().find(|choice| choice.id == *wanted).cloned().unwrap_or(EntityChoice {
            id: wanted.clone(),
            name: wanted.to_string(),
            role: None,
        })),
        None if account.acting_for.is_none() && choices.len() == 1 => choices.pop(),
        None => account.acting_for.clone(),
    })
}

async fn consent(
    web: &Web,
    visit: &Visit,
    account: &Account,
    device: WaitingDevice,
    company: Option<&EntityChoice>,
) -> Result<Response, Response> {
    let client = web.edge.engine.client(&visit.tenant, &device.client).await.map_err(|error| visit.broken(error))?;
    let scopes = device.scope.split_ascii_whitespace();
    let consent = Consent {
        client_name: client.name,
        client_host: None,
        username: account.customer.email.clone().unwrap_or_default(),
        company: company.map(badge),
        scopes: scopes.map(|name| ScopeView { name: name.to_owned(), description: None }).collect(),
    };
    let page = DeviceConsent { user_code: device.user_code, consent };
    Ok(visit.show(StatusCode::OK, &visit.chrome(), &page))
}
