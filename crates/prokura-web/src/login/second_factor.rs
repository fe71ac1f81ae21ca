//! `{issuer}/login/code`: the second factor, once the password was right.

use super::Way;
use crate::{
    Web,
    oauth::see_other,
    pages::view::{Field, Problem, SecondFactor},
    visit::{Asked, Sent, Visit, after, filled},
};
use axum::{Router, extract::State, response::Response, routing::get};
use http::StatusCode;
use prokura_engine::{Error, Refusal};
use prokura_jose::Secret;

pub(super) fn routes() -> Router<Web> {
    Router::new().route("/t/{tenant}/login/code", get(show).post(prove))
}

async fn show(State(web): State<Web>, Asked(visit, params): Asked) -> Result<Response, Response> {
    let way = Way::of(&web, &visit, &params).await?;
    page(&web, &visit, &way, StatusCode::OK, Field::default()).await
}

/// The page, or the beginning of the login when none waits for a code.
async fn page(web: &Web, visit: &Visit, way: &Way, status: StatusCode, code: Field) -> Result<Response, Response> {
    let awaited = web.edge.engine.awaited_second_factor(&visit.tenant, &visit.browser.secret).await;
    match awaited.map_err(|error| visit.broken(error))? {
        Some(username) => Ok(visit.show(status, &way.chrome(visit), &SecondFactor { username, code })),
        None => Ok(see_other(&way.chrome(visit).step("/login"))),
    }
}

/// `POST {issuer}/login/code`
async fn prove(State(web): State<Web>, Sent(visit, form): Sent) -> Result<Response, Response> {
    let way = Way::of(&web, &visit, &form).await?;
    let wrong = StatusCode::UNPROCESSABLE_ENTITY;
    let code = filled(&form, "code").trim();
    if code.is_empty() {
        return page(&web, &visit, &way, wrong, Field::wrong(Problem::Missing)).await;
    }
    // Longer than any code; nothing is looked up for it.
    if code.len() > 64 {
        return page(&web, &visit, &way, wrong, Field::wrong(Problem::WrongCode)).await;
    }
    let code = Secret::from(code.to_owned());
    let (engine, browser) = (&web.edge.engine, visit.at_browser());
    match engine.prove_second_factor(&visit.tenant, way.client(), &code, &browser, &visit.origin).await {
        Ok(login) => Ok(way.come_in(&web, visit, login.cookie).await),
        Err(Error::Refused(Refusal::InvalidCredentials)) => {
            page(&web, &visit, &way, wrong, Field::wrong(Problem::WrongCode)).await
        }
        // Nothing waits for a code, or for no further one: the password is asked for again.
        Err(Error::Refused(Refusal::NotFound(_))) => Ok(see_other(&way.chrome(&visit).step("/login"))),
        Err(Error::Refused(Refusal::Throttled { retry_after_seconds })) => {
            let minutes = retry_after_seconds.div_ceil(60).max(1);
            let field = Field::wrong(Problem::TooManyAttempts { minutes });
            let answer = page(&web, &visit, &way, StatusCode::TOO_MANY_REQUESTS, field).await;
            answer.map(|answer| after(retry_after_seconds, answer))
        }
        Err(error) => Err(visit.broken(error)),
    }
}
