//! Operators: the first one by the set-up secret, further ones by whoever runs the installation. Their tokens are shown
//! once.

use super::{
    answer::Made,
    caller::{Caller, Installation, Item},
    fault::Fault,
    request::{Body, ListQuery, Page, Search, Unconditional, Window},
    wire::{Name, name_schema},
};
use crate::Web;
use axum::{Json, extract::State};
use http::StatusCode;
use prokura_domain::OperatorId;
use prokura_engine::Operator;
use prokura_http::RequestOrigin;
use prokura_jose::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::default()
        .routes(routes!(set_up))
        .routes(routes!(me))
        .routes(routes!(list, create))
        .routes(routes!(delete))
}

/// The first operator.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetUp {
    /// What `prokura admin setup` printed.
    secret: String,
    /// The name of the first operator.
    #[schema(schema_with = name_schema)]
    name: Name,
}

/// An operator to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewOperator {
    /// Their name.
    #[schema(schema_with = name_schema)]
    name: Name,
    /// What they may do where, each tenant at most once.
    #[schema(min_items = 1, max_items = 200)]
    roles: Vec<Role>,
}

/// What an operator may do where.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Role {
    /// A tenant, or `*` for all of them and the installation itself.
    #[schema(pattern = r"^(\*|[a-z][a-z0-9]{2,15})$")]
    tenant: String,
    /// `viewer` sees, `admin` changes.
    role: RoleWord,
}

/// What an operator may do.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum RoleWord {
    Admin,
    Viewer,
}

/// An operator.
#[derive(Serialize, ToSchema)]
struct OperatorView {
    /// Their id.
    id: String,
    /// Their name.
    name: String,
    /// What they may do where.
    roles: Vec<Role>,
}

/// An operator who was made.
#[derive(Serialize, ToSchema)]
struct NewOperatorView {
    /// Their id.
    id: String,
    /// Their token, shown this once.
    token: String,
}

impl From<Operator> for OperatorView {
    fn from(operator: Operator) -> Self {
        let role = |(tenant, role): (String, String)| Role {
            tenant,
            role: if role == "admin" { RoleWord::Admin } else { RoleWord::Viewer },
        };
        Self { id: operator.id.to_string(), name: operator.name, roles: operator.roles.into_iter().map(role).collect() }
    }
}

fn made(made: &prokura_engine::CreatedOperator) -> Made<NewOperatorView> {
    Made {
        location: format!("/admin/v1/operators/{}", made.id),
        version: None,
        body: NewOperatorView { id: made.id.to_string(), token: made.token.expose().to_owned() },
    }
}

/// Become the first operator
///
/// Redeems the secret that `prokura admin setup` printed. The door closes for ever once somebody came in, and answers
/// 404 to a wrong, an expired and a used secret alike.
#[utoipa::path(post, path = "/admin/v1/set-up", tag = "operators", operation_id = "set_up", request_body = SetUp,
    responses((status = 201, description = "The first operator, who may do everything", body = NewOperatorView),
              (status = 404, description = "The door is closed, or the secret is not the one")))]
async fn set_up(
    State(web): State<Web>,
    RequestOrigin(origin): RequestOrigin,
    Body(body): Body<SetUp>,
) -> Result<Made<NewOperatorView>, Fault> {
    let operator = web.edge.engine.set_up(&Secret::from(body.secret), &body.name.0, &origin).await?;
    Ok(made(&operator))
}

/// Who am I
#[utoipa::path(get, path = "/admin/v1/me", tag = "operators", operation_id = "get_me",
    responses((status = 200, description = "The operator the token stands for", body = OperatorView)))]
async fn me(caller: Caller) -> Json<OperatorView> {
    Json(caller.operator.into())
}

/// List operators
#[utoipa::path(get, path = "/admin/v1/operators", tag = "operators", operation_id = "list_operators", params(ListQuery),
    responses((status = 200, description = "Operators by id", body = Page<OperatorView>)))]
async fn list(by: Installation, Search(query): Search<ListQuery>) -> Result<Json<Page<OperatorView>>, Fault> {
    let engine = &by.engine;
    let window = Window::open(engine, ["*", "operators"], query.limit, query.cursor.as_deref())?;
    let found = engine.operators(&window.after, window.fetch()).await?;
    Ok(window.page(found, |operator| operator.id.to_string(), OperatorView::from))
}

/// Make an operator
#[utoipa::path(post, path = "/admin/v1/operators", tag = "operators", operation_id = "create_operator",
    request_body = NewOperator,
    responses((status = 201, description = "The operator, with their token", body = NewOperatorView)))]
async fn create(by: Installation, Body(body): Body<NewOperator>) -> Result<Made<NewOperatorView>, Fault> {
    let word = |role: RoleWord| match role {
        RoleWord::Admin => "admin",
        RoleWord::Viewer => "viewer",
    };
    for role in body.roles.iter().filter(|role| role.tenant != "*") {
        let unknown = || Fault::invalid("roles", "a role names a tenant that is there, or * for all of them");
        let id = role.tenant.parse().map_err(|_| unknown())?;
        by.engine.any_tenant(&id).await.map_err(|error| match error {
            prokura_engine::Error::Refused(_) => unknown(),
            fault @ prokura_engine::Error::Fault(_) => fault.into(),
        })?;
    }
    let roles: Vec<_> = body.roles.iter().map(|role| (role.tenant.as_str(), word(role.role))).collect();
    let operator = by.engine.create_operator(&body.name.0, &roles, &by.actor, &by.origin).await?;
    Ok(made(&operator))
}

/// Remove an operator
///
/// Their token ends with them, on every node at once.
#[utoipa::path(delete, path = "/admin/v1/operators/{operator}", tag = "operators", operation_id = "delete_operator",
    responses((status = 204, description = "Removed")))]
async fn delete(by: Installation, Item(id): Item<OperatorId>, _: Unconditional) -> Result<StatusCode, Fault> {
    by.engine.delete_operator(&id, &by.actor, &by.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
