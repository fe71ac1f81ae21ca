//! `{issuer}/account/totp` and `{issuer}/account/recovery-codes`: the second factor of the customer. Whoever changes it
//! has logged in within the last minutes, or does so once more.

use super::{broken, cookie, done, frame, password::SECURITY};
use crate::{
    Web,
    oauth::see_other,
    pages::view::{AddTotp, ErrorKind, Field, Notice, Problem, RecoveryCodes, Section},
    visit::{Asked, Sent, Visit, after, filled},
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
use prokura_jose::Secret;

const TOTP: &str = "/account/totp";

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/t/{tenant}/account/totp", get(show).post(change))
        .route("/t/{tenant}/account/recovery-codes", post(renew))
}

async fn show(State(web): State<Web>, Asked(visit, params): Asked) -> Result<Response, Response> {
    let account = visit.account(&web, TOTP).await?;
    setup(&web, &visit, &account, &params, (StatusCode::OK, Field::default())).await
}

/// The app that is being set up; without one there is nothing to show here.
async fn setup(
    web: &Web,
    visit: &Visit,
    account: &Account,
    params: &Params,
    (status, code): (StatusCode, Field),
) -> Result<Response, Response> {
    let found = web.edge.engine.totp_setup(&visit.tenant, cookie(visit, TOTP)?).await;
    let Some(found) = found.map_err(|error| broken(visit, TOTP, error))? else {
        return Ok(see_other(&format!("{}{SECURITY}", visit.base())));
    };
    let frame = frame(account, Section::Security, params);
    let view = AddTotp { frame, uri: found.uri, secret: found.secret, code };
    Ok(visit.show(status, &visit.chrome(), &view))
}

/// `POST {issuer}/account/totp`
async fn change(State(web): State<Web>, Sent(visit, form): Sent) -> Result<Response, Response> {
    let account = visit.account(&web, SECURITY).await?;
    let (engine, cookie) = (&web.edge.engine, cookie(&visit, SECURITY)?);
    match filled(&form, "action") {
        "begin" => match engine.begin_totp(&visit.tenant, cookie, &visit.origin).await {
            Ok(()) => Ok(see_other(&format!("{}{TOTP}", visit.base()))),
            Err(Error::Refused(Refusal::AlreadyExists(_))) => Ok(see_other(&format!("{}{SECURITY}", visit.base()))),
            Err(error) => Err(broken(&visit, SECURITY, error)),
        },
        "confirm" => confirm(&web, &visit, &account, &form).await,
        "remove" => match engine.remove_totp(&visit.tenant, cookie, &visit.origin).await {
            // Removed twice is removed.
            Ok(()) | Err(Error::Refused(Refusal::NotFound(_))) => Ok(done(&visit, SECURITY, Notice::TotpOff)),
            Err(error) => Err(broken(&visit, SECURITY, error)),
        },
        _ => Err(visit.error(StatusCode::BAD_REQUEST, ErrorKind::NotFound)),
    }
}

async fn confirm(web: &Web, visit: &Visit, account: &Account, form: &Params) -> Result<Response, Response> {
    let wrong = StatusCode::UNPROCESSABLE_ENTITY;
    let nothing = Params::parse("");
    let code = filled(form, "code").trim();
    if code.is_empty() {
        return setup(web, visit, account, &nothing, (wrong, Field::wrong(Problem::Missing))).await;
    }
    let code = Secret::from(code.chars().take(64).collect::<String>());
    let cookie = cookie(visit, TOTP)?;
    match web.edge.engine.confirm_totp(&visit.tenant, cookie, &code, &visit.origin).await {
        Ok(enrolled) => {
            let mut response = codes(visit, account, enrolled.recovery_codes, Some(Notice::TotpOn));
            visit.browser.log_in(&enrolled.cookie, response.headers_mut());
            Ok(response)
        }
        Err(Error::Refused(Refusal::InvalidCredentials)) => {
            setup(web, visit, account, &nothing, (wrong, Field::wrong(Problem::WrongCode))).await
        }
        Err(Error::Refused(Refusal::NotFound(_))) => Ok(see_other(&format!("{}{SECURITY}", visit.base()))),
        Err(Error::Refused(Refusal::Throttled { retry_after_seconds })) => {
            let minutes = retry_after_seconds.div_ceil(60).max(1);
            let field = Field::wrong(Problem::TooManyAttempts { minutes });
            let answer = setup(web, visit, account, &nothing, (StatusCode::TOO_MANY_REQUESTS, field)).await;
            answer.map(|answer| after(retry_after_seconds, answer))
        }
        Err(error) => Err(broken(visit, TOTP, error)),
    }
}

/// The only answer that ever holds recovery codes.
fn codes(visit: &Visit, account: &Account, codes: Vec<String>, notice: Option<Notice>) -> Response {
    let mut frame = frame(account, Section::Security, &Params::parse(""));
    frame.notice = notice;
    visit.show(StatusCode::OK, &visit.chrome(), &RecoveryCodes { frame, codes })
}

/// `POST {issuer}/account/recovery-codes`
async fn renew(State(web): State<Web>, Sent(visit, _): Sent) -> Result<Response, Response> {
    let account = visit.account(&web, SECURITY).await?;
    let cookie = cookie(&visit, SECURITY)?;
    match web.edge.engine.renew_recovery_codes(&visit.tenant, cookie, &visit.origin).await {
        Ok(made) => Ok(codes(&visit, &account, made, None)),
        Err(Error::Refused(Refusal::NotFound(_))) => Ok(see_other(&format!("{}{SECURITY}", visit.base()))),
        Err(error) => Err(broken(&visit, SECURITY, error)),
    }
}
