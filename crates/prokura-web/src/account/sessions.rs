//! `{issuer}/account/sessions`: where the customer is logged in, and ending it (S-93).

use super::{broken, cookie, done, frame};
use crate::{
    Web,
    choices::badge,
    pages::view::{CompanyBadge, Device, ErrorKind, Notice, Section, SessionView, Sessions},
    visit::{Asked, Sent, filled},
};
use axum::{Router, extract::State, response::Response, routing::get};
use http::StatusCode;
use prokura_domain::SessionId;
use prokura_engine::{Account, Error, OwnSession, Refusal};

const PATH: &str = "/account/sessions";

pub(super) fn routes() -> Router<Web> {
    Router::new().route("/t/{tenant}/account/sessions", get(show).post(end))
}

async fn show(State(web): State<Web>, Asked(visit, params): Asked) -> Result<Response, Response> {
    let account = visit.account(&web, PATH).await?;
    let found = web.edge.engine.own_sessions(&visit.tenant, &account.page).await;
    let found = found.map_err(|error| visit.broken(error))?;
    let view = Sessions {
        frame: frame(&account, Section::Sessions, &params),
        sessions: found.into_iter().map(|session| view(&account, session)).collect(),
    };
    Ok(visit.show(StatusCode::OK, &visit.chrome(), &view))
}

fn view(account: &Account, session: OwnSession) -> SessionView {
    let company = if session.is_current {
        account.acting_for.as_ref().map(badge)
    } else {
        session.legal_entity.map(|(id, name)| CompanyBadge::new(id.as_str(), name))
    };
    SessionView {
        id: session.id.to_string(),
        device: Device::of_user_agent(session.user_agent.as_deref().unwrap_or_default()),
        place: session.address,
        client_name: session.client_name,
        company,
        started_at: session.started_at,
        seen_at: session.seen_at,
        is_current: session.is_current,
    }
}

/// `POST {issuer}/account/sessions`
async fn end(State(web): State<Web>, Sent(visit, form): Sent) -> Result<Response, Response> {
    visit.account(&web, PATH).await?;
    let (engine, cookie) = (&web.edge.engine, cookie(&visit, PATH)?);
    let unknown = || visit.error(StatusCode::NOT_FOUND, ErrorKind::NotFound);
    let (ended, notice) = match filled(&form, "action") {
        "end" => {
            let session: SessionId = filled(&form, "session").parse().map_err(|_| unknown())?;
            (engine.end_own_session(&visit.tenant, cookie, &session, &visit.origin).await, Notice::SessionEnded)
        }
        "end_others" => (engine.end_other_sessions(&visit.tenant, cookie, &visit.origin).await, Notice::OthersEnded),
        _ => return Err(unknown()),
    };
    match ended {
        Ok(()) => Ok(done(&visit, PATH, notice)),
        Err(Error::Refused(Refusal::NotFound(_))) => Err(unknown()),
        Err(error) => Err(broken(&visit, PATH, error)),
    }
}
