//! `{issuer}/account/passkeys`: making and removing passkeys. The script of the page talks to the authenticator; what it
//! brings back comes as a form like any other.

use super::{broken, cookie, done, frame, password::SECURITY};
use crate::{
    Web,
    account::line,
    login::passkey::{answer_in, begun, told},
    pages::view::{AddPasskey, ErrorKind, Field, Notice, Problem, Section},
    visit::{Asked, Sent, Visit, filled},
};
use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::StatusCode;
use prokura_engine::{Account, Error, Refusal};
use prokura_http::Params;
use serde_json::json;

const PATH: &str = "/account/passkeys";

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/t/{tenant}/account/passkeys", get(show).post(change))
        .route("/t/{tenant}/account/passkeys/options", post(begin))
}

async fn show(State(web): State<Web>, Asked(visit, params): Asked) -> Result<Response, Response> {
    let account = visit.account(&web, PATH).await?;
    if !web.edge.engine.is_passkey_possible() {
        return Err(visit.error(StatusCode::NOT_FOUND, ErrorKind::NotFound));
    }
    let fresh = web.edge.engine.check_fresh_proof(&visit.tenant, cookie(&visit, PATH)?).await;
    fresh.map_err(|error| broken(&visit, PATH, error))?;
    Ok(page(&visit, &account, &params, StatusCode::OK, Field::default()))
}

fn page(visit: &Visit, account: &Account, params: &Params, status: StatusCode, name: Field) -> Response {
    let view = AddPasskey { frame: frame(account, Section::Security, params), name };
    visit.show(status, &visit.chrome(), &view)
}

/// `POST {issuer}/account/passkeys/options`; a script is told where to go instead when the login is too old.
async fn begin(State(web): State<Web>, Sent(visit, _): Sent) -> Result<Response, Response> {
    visit.account(&web, PATH).await?;
    let elsewhere = |page: &str| told(StatusCode::FORBIDDEN, json!({ "location": format!("{}{page}", visit.base()) }));
    let found = web.edge.engine.begin_passkey(&visit.tenant, cookie(&visit, PATH)?, &visit.browser.secret).await;
    match found {
        Ok(ceremony) => Ok(begun(&ceremony)),
        Err(Error::Refused(Refusal::ProofNeeded | Refusal::InvalidToken)) => {
            Ok(elsewhere("/login/again?to=%2Faccount%2Fpasskeys"))
        }
        Err(Error::Refused(Refusal::Forbidden(_))) => Ok(elsewhere(SECURITY)),
        Err(error) => Err(broken(&visit, PATH, error)),
    }
}

/// `POST {issuer}/account/passkeys`
async fn change(State(web): State<Web>, Sent(visit, form): Sent) -> Result<Response, Response> {
    let account = visit.account(&web, SECURITY).await?;
    let (engine, cookie) = (&web.edge.engine, cookie(&visit, SECURITY)?);
    if filled(&form, "action") == "remove" {
        return match engine.remove_passkey(&visit.tenant, cookie, filled(&form, "passkey"), &visit.origin).await {
            // Removed twice is removed.
            Ok(()) | Err(Error::Refused(Refusal::NotFound(_))) => Ok(done(&visit, SECURITY, Notice::PasskeyRemoved)),
            Err(error) => Err(broken(&visit, SECURITY, error)),
        };
    }
    let name = line(&form, "name", true);
    let again = |field: Field| Ok(page(&visit, &account, &Params::parse(""), StatusCode::UNPROCESSABLE_ENTITY, field));
    if name.problem.is_some() {
        return again(name);
    }
    let Some(answer) = answer_in(&form) else { return again(name.with(Problem::PasskeyRefused)) };
    let made = (name.value.as_str(), &answer);
    match engine.add_passkey(&visit.tenant, cookie, made, &visit.browser.secret, &visit.origin).await {
        Ok(()) => Ok(done(&visit, SECURITY, Notice::PasskeyAdded)),
        Err(Error::Refused(Refusal::Invalid(faults))) if faults.iter().any(|fault| fault.field == "name") => {
            again(name.with(Problem::TooLong))
        }
        Err(Error::Refused(Refusal::Invalid(_) | Refusal::NotFound(_) | Refusal::AlreadyExists(_))) => {
            again(name.with(Problem::PasskeyRefused))
        }
        Err(error) => Err(broken(&visit, SECURITY, error)),
    }
}
