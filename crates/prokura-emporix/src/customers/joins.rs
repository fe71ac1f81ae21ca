//! Requests to join a company, made by signing up with its registration id. The vendor lets such people in at once; here
//! an administrator of the company or the shop says yes, and these calls, which are ours, are how.

use super::{MANAGE, READ, Reach};
use crate::{
    caller::Caller,
    fault::E2,
    query::{Fields, ListQuery, collect},
    wire::iso,
};
use axum::{
    Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderMap, StatusCode};
use prokura_domain::GroupCode;
use prokura_engine::JoinRequest;
use prokura_http::{Edge, Params};
use serde_json::{Value, json};

const FIELDS: Fields = Fields::new(
    &[
        "id",
        "status",
        "customer.id",
        "customerId=customer.id",
        "legalEntity.id",
        "legalEntityId=legalEntity.id",
        "createdAt",
    ],
    60,
);
const BATCH: u32 = 200;

pub(super) fn routes() -> Router<Edge> {
    Router::new()
        .route("/customer/{tenant}/join-requests", get(list))
        .route("/customer/{tenant}/join-requests/{request}/accept", post(accept))
        .route("/customer/{tenant}/join-requests/{request}/reject", post(reject))
}

/// `GET /customer/{tenant}/join-requests?q=status:pending`
async fn list(State(edge): State<Edge>, caller: Caller, params: Params, headers: HeaderMap) -> Result<Response, E2> {
    let reach = Reach::of(&edge, &caller, &READ).await?;
    let list = ListQuery::parse(&params, &headers, &FIELDS)?;
    let (engine, tenant, entity) = (&edge.engine, &caller.tenant, reach.entity());
    let state = list.filter.equals("status").and_then(prokura_engine::JoinState::parse);
    let page = collect(&list, |after: String| async move {
        let found = engine.join_requests(tenant, entity, state, &after, BATCH).await?;
        Ok::<_, E2>(found.iter().map(|request| (request.id.clone(), shown(request))).collect())
    })
    .await?;
    Ok(page.into_response())
}

fn shown(request: &JoinRequest) -> Value {
    json!({
        "id": request.id,
        "status": request.state.as_str(),
        "customer": { "id": request.customer.as_str() },
        "legalEntity": { "id": request.legal_entity.as_str() },
        "createdAt": iso(request.created_at),
        "decidedAt": request.decided_at.map(iso),
    })
}

/// `POST …/accept?role=B2B_BUYER`; without a role they become a contact person without rights of their own.
async fn accept(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
    params: Params,
) -> Result<StatusCode, E2> {
    let reach = Reach::of(&edge, &caller, &MANAGE).await?;
    let group = match params.one("role")?.map(str::parse::<GroupCode>) {
        None => GroupCode::Contact,
        Some(Ok(group)) => group,
        Some(Err(unknown)) => {
            let fault = E2::validation_failure("The request is not valid.");
            return Err(fault.detail("role", "invalid_value", &unknown.to_string()));
        }
    };
    let (tenant, actor) = (&caller.tenant, caller.actor());
    edge.engine.accept_join_request(tenant, &id, reach.entity(), group, &actor, &caller.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST …/reject`
async fn reject(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, E2> {
    let reach = Reach::of(&edge, &caller, &MANAGE).await?;
    edge.engine.reject_join_request(&caller.tenant, &id, reach.entity(), &caller.actor(), &caller.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
