//! Who is in a group. The administrator of a company puts its people into its groups and takes them out again.

use super::{DEFAULT_GROUP, confinement, member_kind, user_type};
use crate::{
    caller::Caller,
    companies::wire::{known, put_answer},
    fault::E3,
    params::Body,
    query::{Fields, ListQuery, Page, collect},
};
use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::{delete, get, put},
};
use prokura_domain::GroupId;
use prokura_engine::{Error, GroupMember, Membership, PutOutcome, Refusal};
use prokura_http::{Edge, Params};
use serde::Deserialize;
use serde_json::{Value, json};

const READ: &str = "iam.user_read";
const READ_OWN: &str = "iam.user_read_own";
const MANAGE: &str = "iam.assignment_manage";
const CREATE_OWN: &str = "iam.assignment_create_own";
const DELETE_OWN: &str = "iam.assignment_delete_own";

const BATCH: u32 = 500;
const FIELDS: Fields = Fields::new(&["id", "groupId", "userId", "userType"], 60);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MemberBody {
    user_id: String,
    user_type: Option<String>,
}

pub(super) fn routes() -> Router<Edge> {
    Router::new()
        .route("/iam/{tenant}/groups/{group}/users", get(list).post(create).delete(remove_all))
        .route("/iam/{tenant}/groups/{group}/users/{member}", delete(remove))
        .route("/iam/{tenant}/groups/{group}/users/{member}/{id}", put(replace))
}

fn json(member: &GroupMember) -> Value {
    json!({
        "id": member.id,
        "groupId": member.group.as_str(),
        "userId": member.member,
        "userType": user_type(member.kind),
    })
}

async fn list(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, group)): Path<(String, String)>,
    params: Params,
    headers: HeaderMap,
) -> Result<Page, E3> {
    let engine = &edge.engine;
    let own = confinement(engine, &caller, READ, READ_OWN).await?;
    let list = ListQuery::parse(&params, &headers, &FIELDS)?;
    let group: GroupId = known(&group, "group")?;
    let found = engine.group(&caller.tenant, &group).await?;
    if own.is_some() && found.legal_entity != own {
        return Err(Refusal::NotFound("group").into());
    }
    let (tenant, group) = (&caller.tenant, &group);
    collect::<_, _, E3>(&list, |after| async move {
        let batch = engine.group_members(tenant, group, &after, BATCH).await?;
        Ok(batch.iter().map(|member| (member.member.clone(), json(member))).collect())
    })
    .await
}

async fn create(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, group)): Path<(String, String)>,
    Body(body, _): Body<MemberBody, E3>,
) -> Result<Response, E3> {
    let confined_to = confinement(&edge.engine, &caller, MANAGE, CREATE_OWN).await?;
    let group = known(&group, "group")?;
    let kind = body.user_type.as_deref().map(member_kind).transpose()?;
    let request = Membership { group, member: body.user_id, kind, confined_to };
    match edge.engine.join_group(&caller.tenant, &request, &caller.actor(), &caller.origin).await? {
        (id, PutOutcome::Created) => Ok(put_answer(&id, PutOutcome::Created)),
        (_, PutOutcome::Replaced) => Err(Refusal::AlreadyExists("group member").into()),
    }
}

async fn replace(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, group, kind, member)): Path<(String, String, String, String)>,
) -> Result<Response, E3> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    let group = known(&group, "group")?;
    let request = Membership { group, member, kind: Some(member_kind(&kind)?), confined_to: None };
    let (id, outcome) = edge.engine.join_group(&caller.tenant, &request, &caller.actor(), &caller.origin).await?;
    Ok(put_answer(&id, outcome))
}

async fn remove(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, group, member)): Path<(String, String, String)>,
) -> Result<StatusCode, E3> {
    let confined_to = confinement(&edge.engine, &caller, MANAGE, DELETE_OWN).await?;
    // One of the storefronts takes everybody out of the default group first, by this very word.
    if group == DEFAULT_GROUP {
        return Ok(StatusCode::NO_CONTENT);
    }
    let group = known(&group, "group")?;
    let request = Membership { group, member, kind: None, confined_to };
    edge.engine.leave_group(&caller.tenant, &request, &caller.actor(), &caller.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes everybody out, one after the other: when somebody may not go, as the last administrator of a company, those
/// before them are out. Asking again goes on.
async fn remove_all(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, group)): Path<(String, String)>,
) -> Result<StatusCode, E3> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    let (engine, tenant, actor) = (&edge.engine, &caller.tenant, caller.actor());
    let group: GroupId = known(&group, "group")?;
    engine.group(tenant, &group).await?;
    let mut after = String::new();
    loop {
        let batch = engine.group_members(tenant, &group, &after, BATCH).await?;
        let Some(last) = batch.last() else { return Ok(StatusCode::NO_CONTENT) };
        after.clone_from(&last.member);
        for found in batch {
            let request = Membership { group: group.clone(), member: found.member, kind: None, confined_to: None };
            match engine.leave_group(tenant, &request, &actor, &caller.origin).await {
                // Somebody else was faster.
                Ok(()) | Err(Error::Refused(Refusal::NotFound(_))) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
