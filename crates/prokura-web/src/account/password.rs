//! `{issuer}/account/security` and `{issuer}/account/password`: how the customer proves who they are.

use super::{broken, done, frame};
use crate::{
    Web,
    join::password_problem,
    pages::view::{ChangePassword, Field, Notice, Passkey, Problem, Section, Security},
    visit::{Asked, Sent, filled},
};
use axum::{Router, extract::State, response::Response, routing::get};
use http::StatusCode;
use prokura_engine::{Account, Error, OwnPasskey, Refusal, Whose};
use prokura_http::Params;
use prokura_jose::Secret;

pub(super) const SECURITY: &str = "/account/security";
const PATH: &str = "/account/password";

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/t/{tenant}/account/security", get(security))
        .route("/t/{tenant}/account/password", get(show).post(change))
}

async fn security(State(web): State<Web>, Asked(visit, params): Asked) -> Result<Response, Response> {
    let account = visit.account(&web, SECURITY).await?;
    let set_at = web.edge.engine.password_set_at(&visit.tenant, &account.page.customer).await;
    let factors = web.edge.engine.factors(&visit.tenant, &account.page.customer).await;
    let factors = factors.map_err(|error| visit.broken(error))?;
    let view = Security {
        frame: frame(&account, Section::Security, &params),
        password_changed_at: set_at.map_err(|error| visit.broken(error))?,
        is_passkey_offered: factors.is_passkey_possible,
        passkeys: factors.passkeys.into_iter().map(shown).collect(),
        is_totp_offered: true,
        totp_since: factors.totp_since,
        recovery_codes_left: factors.recovery_codes_left,
    };
    Ok(visit.show(StatusCode::OK, &visit.chrome(), &view))
}

fn shown(passkey: OwnPasskey) -> Passkey {
    Passkey { id: passkey.id, name: passkey.name, created_at: passkey.created_at, used_at: passkey.used_at }
}

async fn show(State(web): State<Web>, Asked(visit, params): Asked) -> Result<Response, Response> {
    let account = visit.account(&web, PATH).await?;
    Ok(visit.show(StatusCode::OK, &visit.chrome(), &view(&account, &params)))
}

fn view(account: &Account, params: &Params) -> ChangePassword {
    ChangePassword {
        frame: frame(account, Section::Security, params),
        username: account.customer.email.clone().unwrap_or_default(),
        ..ChangePassword::default()
    }
}

/// `POST {issuer}/account/password`
async fn change(State(web): State<Web>, Sent(visit, form): Sent) -> Result<Response, Response> {
    let account = visit.account(&web, PATH).await?;
    let again = |status, present: Option<Problem>, new: Option<Problem>| {
        let field = |problem| Field { value: String::new(), problem };
        let view = ChangePassword { password: field(present), new_password: field(new), ..view(&account, &form) };
        Ok(visit.show(status, &visit.chrome(), &view))
    };
    let wrong = StatusCode::UNPROCESSABLE_ENTITY;
    let (present, new) = (filled(&form, "password"), filled(&form, "new_password"));
    let missing = present.is_empty().then_some(Problem::Missing);
    let unusable = if new == present && !new.is_empty() {
        Some(Problem::PasswordUnchanged)
    } else {
        password_problem(&web, &visit, Whose::Customer(&account.page.customer), new).await?
    };
    if missing.is_some() || unusable.is_some() {
        return again(wrong, missing, unusable);
    }
    let [present, new] = [present, new].map(|text| Secret::from(text.to_owned()));
    let engine = &web.edge.engine;
    match engine.change_password(&visit.tenant, account.page.oneself(), &present, &new, &visit.origin).await {
        Ok(()) => Ok(done(&visit, SECURITY, Notice::PasswordChanged)),
        Err(Error::Refused(Refusal::Invalid(faults))) if faults.iter().any(|fault| fault.field == "password") => {
            again(wrong, None, Some(Problem::NotAccepted))
        }
        Err(Error::Refused(Refusal::Invalid(_))) => again(wrong, Some(Problem::WrongPassword), None),
        Err(Error::Refused(Refusal::Throttled { retry_after_seconds })) => {
            let minutes = retry_after_seconds.div_ceil(60).max(1);
            again(StatusCode::TOO_MANY_REQUESTS, Some(Problem::TooManyAttempts { minutes }), None)
        }
        Err(error) => Err(broken(&visit, PATH, error)),
    }
}
