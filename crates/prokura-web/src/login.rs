//! The way through a login: who, for which company, with whose consent. Each page is a `GET` that changes nothing and a
//! `POST` that does one thing and then asks the engine what comes next; the order of pages is the engine's.

mod company;
mod consent;
mod device;
mod identify;
mod log_out;
pub(crate) mod passkey;
mod second_factor;
mod way;

use crate::{
    Web,
    oauth::{self, see_other},
    visit::Visit,
};
use axum::{Router, response::Response};
use prokura_domain::AuthorizationId;
use prokura_engine::Progress;
pub(crate) use way::Way;

pub(crate) fn routes() -> Router<Web> {
    Router::new()
        .merge(identify::routes())
        .merge(second_factor::routes())
        .merge(passkey::routes())
        .merge(company::routes())
        .merge(consent::routes())
        .merge(log_out::routes())
        .merge(device::routes())
}

/// Leads the browser to the next page of a login, or with the answer to the client.
pub(crate) async fn proceed(web: &Web, visit: &Visit, id: &AuthorizationId) -> Response {
    let (tenant, browser) = (&visit.tenant, &visit.browser);
    let session = browser.session.as_ref();
    let progress = web.edge.engine.continue_authorization(tenant, id, &browser.secret, session, &visit.origin).await;
    let page = match progress {
        Ok(Progress::LogIn) => "login",
        Ok(Progress::StepUp) => "login/again",
        Ok(Progress::ChooseEntity) => "company",
        Ok(Progress::Consent) => "consent",
        Ok(Progress::Answer(answer)) => {
            let mut response = oauth::redirect(tenant, &answer);
            browser.remember(response.headers_mut());
            return response;
        }
        Err(error) => return visit.broken(error),
    };
    let mut response = see_other(&format!("{}/{page}?flow={id}", visit.base()));
    browser.remember(response.headers_mut());
    response
}
