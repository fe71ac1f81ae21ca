//! Contact assignments: who may act for which legal entity. Taking one away ends every token that acts by it.

use super::{
    answer::{Found, Made},
    caller::{Item, Managing, Viewing, named},
    fault::Fault,
    request::{Body, Page, Precondition, Search, Unconditional},
    wire::{Id, Word, assignment_kind_schema, group_code_schema, id_schema, stamp},
};
use crate::Web;
use axum::Json;
use http::StatusCode;
use prokura_domain::{AssignmentId, AssignmentKind, CustomerId, GroupCode, LegalEntityId};
use prokura_engine::{Contact, ContactFilter, NewAssignment, PutAssignment, PutMode};
use serde::{Deserialize, Serialize};
use std::{fmt::Display, str::FromStr};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::default().routes(routes!(list, create)).routes(routes!(get, change, delete))
}

/// Which contact assignments.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AssignmentQuery {
    /// The most items to return.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
    /// Only those of this customer.
    #[param(pattern = "^[A-Za-z0-9_-]{1,66}$")]
    customer: Option<String>,
    /// Only those for this legal entity.
    #[param(pattern = "^[A-Za-z0-9_-]{1,66}$")]
    legal_entity: Option<String>,
}

/// A contact assignment.
#[derive(Serialize, ToSchema)]
struct AssignmentView {
    /// Its id.
    id: String,
    /// Who.
    customer_id: String,
    /// For whom.
    legal_entity_id: String,
    /// The name of the legal entity.
    legal_entity_name: String,
    /// What they are to the company. A label: rights come from groups.
    #[schema(schema_with = assignment_kind_schema)]
    kind: &'static str,
    /// Whether they are the one main person.
    is_primary: bool,
    /// The assignment this one follows, when it was propagated.
    #[serde(skip_serializing_if = "Option::is_none")]
    follows_id: Option<String>,
    /// Counts changes.
    version: i64,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last changed.
    #[schema(format = DateTime)]
    modified_at: String,
}

/// A contact assignment to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewAssignmentBody {
    /// Its id; a new one when absent.
    #[serde(default)]
    #[schema(schema_with = id_schema)]
    id: Option<Id<AssignmentId>>,
    /// Who.
    #[schema(schema_with = id_schema)]
    customer_id: Id<CustomerId>,
    /// For whom.
    #[schema(schema_with = id_schema)]
    legal_entity_id: Id<LegalEntityId>,
    /// What they are to the company; `CONTACT` when absent.
    #[serde(default)]
    #[schema(schema_with = assignment_kind_schema)]
    kind: Option<Word<AssignmentKind>>,
    /// Whether they become the one main person.
    #[serde(default)]
    is_primary: bool,
    /// The predefined group they are put into; nobody without a group has a company's scopes.
    #[serde(default)]
    #[schema(schema_with = group_code_schema)]
    group: Option<Word<GroupCode>>,
}

/// A change of a contact assignment; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AssignmentPatch {
    /// What they are to the company.
    #[serde(default)]
    #[schema(schema_with = assignment_kind_schema)]
    kind: Option<Word<AssignmentKind>>,
    /// Whether they are the one main person.
    #[serde(default)]
    is_primary: Option<bool>,
}

fn view(contact: Contact) -> AssignmentView {
    let assignment = contact.assignment;
    AssignmentView {
        id: assignment.id.to_string(),
        customer_id: assignment.customer.to_string(),
        legal_entity_id: assignment.legal_entity.to_string(),
        legal_entity_name: contact.entity_name,
        kind: assignment.kind.as_str(),
        is_primary: assignment.is_primary,
        follows_id: assignment.origin.map(|origin| origin.to_string()),
        version: assignment.version,
        created_at: stamp(assignment.created_at),
        modified_at: stamp(assignment.modified_at),
    }
}

fn parsed<T: FromStr<Err: Display>>(name: &str, text: Option<&String>) -> Result<Option<T>, Fault> {
    let wrong = |fault| Fault::bad_request("invalid_query", format!("{name}: {fault}"));
    text.map(|text| text.parse()).transpose().map_err(wrong)
}

/// List contact assignments
#[utoipa::path(get, path = "/admin/v1/tenants/{tenant}/assignments", tag = "assignments",
    operation_id = "list_assignments", params(AssignmentQuery),
    responses((status = 200, description = "Contact assignments by id", body = Page<AssignmentView>)))]
async fn list(at: Viewing, Search(query): Search<AssignmentQuery>) -> Result<Json<Page<AssignmentView>>, Fault> {
    let window = at.window("assignments", query.limit, query.cursor.as_deref())?;
    let filter = ContactFilter {
        customer: parsed("customer", query.customer.as_ref())?,
        legal_entity: parsed("legal_entity", query.legal_entity.as_ref())?,
        ..ContactFilter::default()
    };
    let found = at.engine.contacts(&at.tenant, &filter, &window.after, window.fetch()).await?;
    Ok(window.page(found, |contact| contact.assignment.id.to_string(), view))
}

/// Let a customer act for a legal entity
///
/// And for its parents or subsidiaries, as the tenant's settings say.
#[utoipa::path(post, path = "/admin/v1/tenants/{tenant}/assignments", tag = "assignments",
    operation_id = "create_assignment", request_body = NewAssignmentBody,
    responses((status = 201, description = "The contact assignment", body = AssignmentView),
              (status = 409, description = "They are assigned already, or the id is taken")))]
async fn create(by: Managing, Body(body): Body<NewAssignmentBody>) -> Result<Made<AssignmentView>, Fault> {
    let engine = &by.engine;
    let request = NewAssignment {
        id: body.id.map(|id| id.0),
        legal_entity: body.legal_entity_id.0,
        customer: body.customer_id.0,
        kind: body.kind.map_or(AssignmentKind::Contact, |kind| kind.0),
        is_primary: body.is_primary,
        group: body.group.map(|group| group.0),
    };
    let id = engine
        .assign(&by.tenant, &request, &by.actor, &by.origin)
        .await
        .map_err(named(&[("customer", "customer_id"), ("legal entity", "legal_entity_id")]))?;
    let contact = engine.contact(&by.tenant, &id).await?;
    Ok(Made {
        location: format!("/admin/v1/tenants/{}/assignments/{id}", by.tenant.id),
        version: Some(contact.assignment.version),
        body: view(contact),
    })
}

/// Read a contact assignment
#[utoipa::path(get, path = "/admin/v1/tenants/{tenant}/assignments/{assignment}", tag = "assignments",
    operation_id = "get_assignment",
    responses((status = 200, description = "The contact assignment", body = AssignmentView)))]
async fn get(at: Viewing, Item(id): Item<AssignmentId>) -> Result<Found<AssignmentView>, Fault> {
    let contact = at.engine.contact(&at.tenant, &id).await?;
    Ok(Found { version: contact.assignment.version, body: view(contact) })
}

/// Change a contact assignment
///
/// Who acts for whom stays: that would be another right.
#[utoipa::path(patch, path = "/admin/v1/tenants/{tenant}/assignments/{assignment}", tag = "assignments",
    operation_id = "change_assignment", params(("If-Match" = Option<String>, Header)), request_body = AssignmentPatch,
    responses((status = 200, description = "The contact assignment after the change", body = AssignmentView)))]
async fn change(
    by: Managing,
    Item(id): Item<AssignmentId>,
    precondition: Precondition,
    Body(body): Body<AssignmentPatch>,
) -> Result<Found<AssignmentView>, Fault> {
    let engine = &by.engine;
    let seen = precondition.version()?;
    let there = engine.contact(&by.tenant, &id).await?.assignment;
    let request = PutAssignment {
        assignment: NewAssignment {
            id: Some(there.id.clone()),
            legal_entity: there.legal_entity,
            customer: there.customer,
            kind: body.kind.map_or(there.kind, |kind| kind.0),
            is_primary: body.is_primary.unwrap_or(there.is_primary),
            group: None,
        },
        details: there.details,
    };
    let mode = PutMode::Upsert { version: Some(seen.unwrap_or(there.version)) };
    engine.put_assignment(&by.tenant, &request, mode, &by.actor, &by.origin).await?;
    let contact = engine.contact(&by.tenant, &id).await?;
    Ok(Found { version: contact.assignment.version, body: view(contact) })
}

/// Take a customer's right to act away
///
/// With the rights that followed it. Every token that acts by it is refused at every door within seconds.
#[utoipa::path(delete, path = "/admin/v1/tenants/{tenant}/assignments/{assignment}", tag = "assignments",
    operation_id = "delete_assignment", responses((status = 204, description = "Taken away")))]
async fn delete(by: Managing, Item(id): Item<AssignmentId>, _: Unconditional) -> Result<StatusCode, Fault> {
    by.engine.unassign(&by.tenant, &id, &by.actor, &by.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
