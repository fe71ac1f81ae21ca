//! Invitations into companies: asked for here by operators, on the pages by a company's own administrators.

use super::{
    answer::Made,
    caller::{Item, Managing, Viewing, named},
    fault::Fault,
    request::{Body, Page, Search, Unconditional},
    wire::{Address, Id, Line, Word, email_schema, group_code_schema, id_schema, line_schema, stamp},
};
use crate::Web;
use axum::Json;
use http::StatusCode;
use prokura_domain::{GroupCode, InvitationId, LegalEntityId};
use prokura_engine::{Invitation, InvitationState, Invite};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::default().routes(routes!(list, create)).routes(routes!(get, withdraw))
}

/// What became of an invitation.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum StateWord {
    /// It waits; past `expires_at` in vain.
    Open,
    /// Somebody is in the company by it.
    Accepted,
    /// It was taken back, or another one took its place.
    Withdrawn,
}

impl From<InvitationState> for StateWord {
    fn from(state: InvitationState) -> Self {
        match state {
            InvitationState::Open => Self::Open,
            InvitationState::Accepted => Self::Accepted,
            InvitationState::Withdrawn => Self::Withdrawn,
        }
    }
}

/// Which invitations.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct InvitationQuery {
    /// The most items to return.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
    /// Only those into this legal entity.
    #[param(pattern = "^[A-Za-z0-9_-]{1,66}$")]
    legal_entity: Option<String>,
    /// Only those in this state.
    #[param(inline)]
    state: Option<StateWord>,
}

/// An invitation.
#[derive(Serialize, ToSchema)]
struct InvitationView {
    /// Its id.
    id: String,
    /// Into which legal entity.
    legal_entity_id: String,
    /// The predefined group they get into.
    #[schema(schema_with = group_code_schema)]
    group: &'static str,
    /// The address it went to, and the only one it is good for.
    email: String,
    /// Their given name, as far as the inviter knew it.
    given_name: String,
    /// Their family name.
    family_name: String,
    /// Who invited: `customer`, `operator` or `system`.
    inviter_kind: String,
    /// Which one.
    inviter_id: String,
    /// What became of it.
    state: StateWord,
    /// When it was accepted or withdrawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    decided_at: Option<String>,
    /// Who accepted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it ends.
    #[schema(format = DateTime)]
    expires_at: String,
}

/// Somebody to be invited.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewInvitation {
    /// Into which legal entity.
    #[schema(schema_with = id_schema)]
    legal_entity_id: Id<LegalEntityId>,
    /// Where the mail goes.
    #[schema(schema_with = email_schema)]
    email: Address,
    /// The predefined group they get into.
    #[schema(schema_with = group_code_schema)]
    group: Word<GroupCode>,
    /// Their given name, filled in where they make an account.
    #[serde(default)]
    #[schema(schema_with = line_schema)]
    given_name: Option<Line>,
    /// Their family name.
    #[serde(default)]
    #[schema(schema_with = line_schema)]
    family_name: Option<Line>,
}

fn view(invitation: Invitation) -> InvitationView {
    InvitationView {
        id: invitation.id.to_string(),
        legal_entity_id: invitation.legal_entity.to_string(),
        group: invitation.group.as_str(),
        email: invitation.email,
        given_name: invitation.given_name,
        family_name: invitation.family_name,
        inviter_kind: invitation.inviter_kind,
        inviter_id: invitation.inviter_id,
        state: invitation.state.into(),
        decided_at: invitation.decided_at.map(stamp),
        customer_id: invitation.customer.map(|customer| customer.to_string()),
        created_at: stamp(invitation.created_at),
        expires_at: stamp(invitation.expires_at),
    }
}

/// List invitations
#[utoipa::path(get, path = "/admin/v1/tenants/{tenant}/invitations", tag = "invitations",
    operation_id = "list_invitations", params(InvitationQuery),
    responses((status = 200, description = "Invitations by id, the oldest first", body = Page<InvitationView>)))]
async fn list(at: Viewing, Search(query): Search<InvitationQuery>) -> Result<Json<Page<InvitationView>>, Fault> {
    let window = at.window("invitations", query.limit, query.cursor.as_deref())?;
    let wrong = |fault| Fault::bad_request("invalid_query", format!("legal_entity: {fault}"));
    let entity = query.legal_entity.as_ref().map(|text| text.parse::<LegalEntityId>()).transpose().map_err(wrong)?;
    let state = query.state.map(|word| match word {
        StateWord::Open => InvitationState::Open,
        StateWord::Accepted => InvitationState::Accepted,
        StateWord::Withdrawn => InvitationState::Withdrawn,
    });
    let found = at.engine.invitations(&at.tenant, entity.as_ref(), state, &window.after, window.fetch()).await?;
    Ok(window.page(found, |invitation| invitation.id.to_string(), view))
}

/// Invite somebody into a legal entity
///
/// By a mail with a link that is good once and for seven days. An open invitation of the same address into the same legal
/// entity is withdrawn. The answer is the same whether the address has an account or not.
#[utoipa::path(post, path = "/admin/v1/tenants/{tenant}/invitations", tag = "invitations",
    operation_id = "create_invitation", request_body = NewInvitation,
    responses((status = 201, description = "The invitation", body = InvitationView),
              (status = 409, description = "They may act for it already, or too many are open"),
              (status = 429, description = "This address was written to too often")))]
async fn create(by: Managing, Body(body): Body<NewInvitation>) -> Result<Made<InvitationView>, Fault> {
    let request = Invite {
        legal_entity: body.legal_entity_id.0,
        group: body.group.0,
        email: body.email.0,
        given_name: body.given_name.map_or_else(String::new, |name| name.0),
        family_name: body.family_name.map_or_else(String::new, |name| name.0),
    };
    let made = by.engine.invite(&by.tenant, &request, &by.actor, &by.origin).await;
    let made = made.map_err(named(&[("legal entity", "legal_entity_id"), ("group", "group")]))?;
    Ok(Made {
        location: format!("/admin/v1/tenants/{}/invitations/{}", by.tenant.id, made.id),
        version: None,
        body: view(made),
    })
}

/// Read an invitation
#[utoipa::path(get, path = "/admin/v1/tenants/{tenant}/invitations/{invitation}", tag = "invitations",
    operation_id = "get_invitation",
    responses((status = 200, description = "The invitation", body = InvitationView)))]
async fn get(at: Viewing, Item(id): Item<InvitationId>) -> Result<Json<InvitationView>, Fault> {
    Ok(Json(view(at.engine.invitation(&at.tenant, &id).await?)))
}

/// Take an invitation back
///
/// Its link opens nothing from then on.
#[utoipa::path(delete, path = "/admin/v1/tenants/{tenant}/invitations/{invitation}", tag = "invitations",
    operation_id = "withdraw_invitation",
    responses((status = 204, description = "Withdrawn"),
              (status = 412, description = "It was accepted or withdrawn before")))]
async fn withdraw(by: Managing, Item(id): Item<InvitationId>, _: Unconditional) -> Result<StatusCode, Fault> {
    by.engine.withdraw_invitation(&by.tenant, &id, &by.actor, &by.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
