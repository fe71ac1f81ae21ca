//! Sessions: who is here, and the word that ends it.

use super::{
    caller::{Item, Managing, Viewing},
    fault::Fault,
    request::{Page, Search, Unconditional},
    wire::stamp,
};
use crate::Web;
use axum::Json;
use http::StatusCode;
use prokura_domain::{CustomerId, SessionId};
use prokura_engine::SessionSummary;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::default().routes(routes!(list)).routes(routes!(end))
}

/// Which part of the list, and whose.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SessionQuery {
    /// The most items to return.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
    /// Only sessions of this customer.
    #[param(pattern = "^[A-Za-z0-9_-]{1,66}$")]
    customer: Option<String>,
}

/// A session.
#[derive(Serialize, ToSchema)]
struct SessionView {
    /// Its id.
    id: String,
    /// The client it began with.
    client_id: String,
    /// Whose it is; absent for a guest's.
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<String>,
    /// The door it came through last.
    door: String,
    /// Whether it stands.
    is_active: bool,
    /// Why it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    end_reason: Option<String>,
    /// The companies it acts for.
    legal_entity_ids: Vec<String>,
    /// When the customer proved who they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    authenticated_at: Option<String>,
    /// When it began.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it ends at the latest.
    #[schema(format = DateTime)]
    expires_at: String,
    /// With what.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    /// From where.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

fn view(session: SessionSummary) -> SessionView {
    SessionView {
        id: session.id.to_string(),
        client_id: session.client.to_string(),
        customer_id: session.customer.map(|customer| customer.to_string()),
        door: session.door,
        is_active: session.is_active,
        end_reason: session.end_reason,
        legal_entity_ids: session.legal_entities.iter().map(ToString::to_string).collect(),
        authenticated_at: session.authenticated_at.map(stamp),
        created_at: stamp(session.created_at),
        expires_at: stamp(session.expires_at),
        user_agent: session.user_agent,
        address: session.address,
    }
}

/// List sessions
///
/// Of guests and customers, or of one customer; ended ones stay for a day.
#[utoipa::path(get, path = "/admin/v1/tenants/{tenant}/sessions", tag = "sessions", operation_id = "list_sessions",
    params(SessionQuery), responses((status = 200, description = "Sessions by id", body = Page<SessionView>)))]
async fn list(at: Viewing, Search(query): Search<SessionQuery>) -> Result<Json<Page<SessionView>>, Fault> {
    let customer = query.customer.as_deref().map(str::parse::<CustomerId>).transpose();
    let customer = customer.map_err(|fault| Fault::bad_request("invalid_query", format!("customer: {fault}")))?;
    let window = at.window("sessions", query.limit, query.cursor.as_deref())?;
    let found = at.engine.sessions(&at.tenant, customer.as_ref(), &window.after, window.fetch()).await?;
    Ok(window.page(found, |session| session.id.to_string(), view))
}

/// End a session
///
/// With every token it got, on every node within seconds. Ending it twice is fine.
#[utoipa::path(delete, path = "/admin/v1/tenants/{tenant}/sessions/{session}", tag = "sessions",
    operation_id = "end_session", responses((status = 204, description = "Ended")))]
async fn end(by: Managing, Item(id): Item<SessionId>, _: Unconditional) -> Result<StatusCode, Fault> {
    by.engine.end_session(&by.tenant, &id, &by.actor, &by.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
