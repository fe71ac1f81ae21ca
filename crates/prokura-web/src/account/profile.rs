//! `{issuer}/account`: who the customer is.

use super::{broken, done, frame};
use crate::{
    Web,
    pages::view::{Field, Notice, Problem, Profile, Section},
    visit::{Asked, Sent, filled},
};
use axum::{Router, extract::State, response::Response, routing::get};
use http::StatusCode;
use prokura_engine::{Account, Actor, CustomerChange};
use prokura_http::Params;

const PATH: &str = "/account";
/// The most characters of a name or number.
const LONGEST: usize = 200;

pub(super) fn routes() -> Router<Web> {
    Router::new().route("/t/{tenant}/account", get(show).post(save))
}

async fn show(State(web): State<Web>, Asked(visit, params): Asked) -> Result<Response, Response> {
    let account = visit.account(&web, PATH).await?;
    let profile = &account.customer.profile;
    let phone = profile.phone.clone().unwrap_or_default();
    let fields = [&profile.given_name, &profile.family_name, &phone].map(Field::of);
    Ok(visit.show(StatusCode::OK, &visit.chrome(), &view(&account, &params, fields)))
}

fn view(account: &Account, params: &Params, [given_name, family_name, phone]: [Field; 3]) -> Profile {
    Profile {
        frame: frame(account, Section::Profile, params),
        email: account.customer.email.clone().unwrap_or_default(),
        is_email_verified: account.customer.email.as_ref().map(|_| account.customer.email_verified_at.is_some()),
        given_name,
        family_name,
        phone,
    }
}

/// `POST {issuer}/account`
async fn save(State(web): State<Web>, Sent(visit, form): Sent) -> Result<Response, Response> {
    let account = visit.account(&web, PATH).await?;
    let fields = [line(&form, "given_name", true), line(&form, "family_name", true), line(&form, "phone", false)];
    if fields.iter().any(|field| field.problem.is_some()) {
        let view = view(&account, &form, fields);
        return Ok(visit.show(StatusCode::UNPROCESSABLE_ENTITY, &visit.chrome(), &view));
    }
    let [given_name, family_name, phone] = fields.map(|field| field.value);
    let change = |customer: &prokura_engine::Customer| {
        let mut profile = customer.profile.clone();
        profile.given_name.clone_from(&given_name);
        profile.family_name.clone_from(&family_name);
        profile.phone = Some(phone.clone()).filter(|phone| !phone.is_empty());
        (profile != customer.profile).then_some(CustomerChange { profile, state: None, version: None })
    };
    let id = account.page.customer;
    let actor = Actor::Customer(id.clone());
    let saved = web.edge.engine.edit_customer(&visit.tenant, &id, change, &actor, &visit.origin).await;
    saved.map_err(|error| broken(&visit, PATH, error))?;
    Ok(done(&visit, PATH, Notice::ProfileSaved))
}

/// A line of text, trimmed, with what is wrong with it.
pub(crate) fn line(form: &Params, name: &str, is_required: bool) -> Field {
    let text = filled(form, name).trim();
    let field = Field::of(text);
    if text.is_empty() && is_required {
        field.with(Problem::Missing)
    } else if text.chars().count() > LONGEST {
        field.with(Problem::TooLong)
    } else if text.chars().any(char::is_control) {
        field.with(Problem::NotAccepted)
    } else {
        field
    }
}
