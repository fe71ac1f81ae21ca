//! The audit trail: read, and verified. Nobody can write or change it from here (S-144).

use super::{
    caller::{Installation, Viewing},
    fault::Fault,
    request::{Body, Page, Search, Window},
    wire::{moment, object_schema, stamp},
};
use crate::Web;
use axum::Json;
use prokura_domain::TenantId;
use prokura_engine::{AuditEvent, AuditFilter, Engine};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(verify))
        .routes(routes!(list_installation))
        .routes(routes!(verify_installation))
}

/// Which entries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// The most items to return.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
    /// What was done, as `assignment.delete`.
    #[param(max_length = 66)]
    verb: Option<String>,
    /// To what kind of thing, as `customer`; with `subject_id`.
    #[param(max_length = 66)]
    subject_kind: Option<String>,
    /// To which one; with `subject_kind`.
    #[param(max_length = 66)]
    subject_id: Option<String>,
    /// Not before this moment (RFC 3339).
    #[param(format = DateTime)]
    since: Option<String>,
    /// Before this moment (RFC 3339).
    #[param(format = DateTime)]
    until: Option<String>,
}

/// An entry of the trail.
#[derive(Serialize, ToSchema)]
struct AuditView {
    /// Time-ordered.
    id: String,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// Who: `customer`, `guest`, `client`, `operator`, `system`.
    actor_kind: String,
    /// Which one.
    actor_id: String,
    /// What.
    verb: String,
    /// To what kind of thing.
    subject_kind: String,
    /// To which one.
    subject_id: String,
    /// For which company.
    #[serde(skip_serializing_if = "Option::is_none")]
    legal_entity_id: Option<String>,
    /// Through which client.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// In which session.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    /// `done`, `refused` or `failed`.
    outcome: &'static str,
    /// Why not, when refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
    /// The request's id.
    request_id: String,
    /// From where.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// With what.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    /// What else there is to know.
    #[schema(schema_with = object_schema)]
    detail: Value,
}

/// What to hold the trail against.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Verification {
    /// The head of an earlier verification, kept elsewhere: a trail that was cut shorter is found out.
    #[serde(default)]
    head: Option<Head>,
}

/// The newest seal of a trail.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Head {
    /// Its number.
    #[schema(minimum = 1)]
    seal: i64,
    /// Its code.
    #[schema(max_length = 128)]
    code: String,
}

/// What verifying found.
#[derive(Serialize, ToSchema)]
struct VerdictView {
    /// Whether everything fits.
    is_whole: bool,
    /// Entries that fit.
    entries: u64,
    /// Seals that fit.
    seals: i64,
    /// The newest seal; keep it elsewhere, and send it along next time.
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<Head>,
    /// What does not fit, and the first entry or seal it shows at.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

fn view(event: AuditEvent) -> AuditView {
    AuditView {
        id: event.id,
        at: stamp(event.at),
        actor_kind: event.actor_kind,
        actor_id: event.actor_id,
        verb: event.verb,
        subject_kind: event.subject_kind,
        subject_id: event.subject_id,
        legal_entity_id: event.legal_entity,
        client_id: event.client,
        session_id: event.session,
        outcome: event.outcome.as_str(),
        refusal: event.refusal,
        request_id: event.request_id,
        address: event.address,
        user_agent: event.user_agent,
        detail: serde_json::from_str(&event.detail_json).unwrap_or_default(),
    }
}

fn filter(query: AuditQuery) -> Result<AuditFilter, Fault> {
    let wrong = |name: &str, reason: &str| Fault::bad_request("invalid_query", format!("{name}: {reason}"));
    for (name, text) in
        [("verb", &query.verb), ("subject_kind", &query.subject_kind), ("subject_id", &query.subject_id)]
    {
        if text.as_ref().is_some_and(|text| text.len() > 66 || text.chars().any(char::is_control)) {
            return Err(wrong(name, "at most 66 characters on one line"));
        }
    }
    let subject = match (query.subject_kind, query.subject_id) {
        (Some(kind), Some(id)) => Some((kind, id)),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err(wrong("subject_kind", "goes with subject_id")),
    };
    let read = |name: &str, text: Option<String>| {
        text.map(|text| moment(&text).map_err(|reason| wrong(name, reason))).transpose()
    };
    Ok(AuditFilter {
        subject,
        verb: query.verb,
        since: read("since", query.since)?,
        until: read("until", query.until)?,
    })
}

async fn page(engine: &Engine, trail: &TenantId, query: AuditQuery) -> Result<Json<Page<AuditView>>, Fault> {
    let window = Window::open(engine, [trail.as_str(), "audit"], query.limit, query.cursor.as_deref())?;
    let filter = filter(query)?;
    let found = engine.audit_trail(trail, &filter, &window.after, window.fetch()).await?;
    Ok(window.page(found, |event| event.id.clone(), view))
}

async fn verdict(engine: &Engine, trail: &TenantId, body: Verification) -> Result<Json<VerdictView>, Fault> {
    let head = body.head.map(|head| (head.seal, head.code));
    let verdict = engine.verify_audit(trail, head.as_ref()).await?;
    Ok(Json(VerdictView {
        is_whole: verdict.fault.is_none(),
        entries: verdict.entries,
        seals: verdict.seals,
        head: verdict.head.map(|(seal, code)| Head { seal, code }),
        fault: verdict.fault,
    }))
}

/// Read a tenant's audit trail
///
/// Newest first.
#[utoipa::path(get, path = "/admin/v1/tenants/{tenant}/audit", tag = "audit", operation_id = "list_audit",
    params(AuditQuery), responses((status = 200, description = "Entries, newest first", body = Page<AuditView>)))]
async fn list(at: Viewing, Search(query): Search<AuditQuery>) -> Result<Json<Page<AuditView>>, Fault> {
    page(&at.engine, &at.tenant.id, query).await
}

/// Verify a tenant's audit trail
///
/// Reads all of it; a trail of millions of entries is verified by `prokura audit verify`.
#[utoipa::path(post, path = "/admin/v1/tenants/{tenant}/audit/verify", tag = "audit", operation_id = "verify_audit",
    request_body = Verification, responses((status = 200, description = "What was found", body = VerdictView)))]
async fn verify(at: Viewing, Body(body): Body<Verification>) -> Result<Json<VerdictView>, Fault> {
    verdict(&at.engine, &at.tenant.id, body).await
}

/// Read the installation's audit trail
///
/// What concerns operators; newest first.
#[utoipa::path(get, path = "/admin/v1/audit", tag = "audit", operation_id = "list_installation_audit",
    params(AuditQuery), responses((status = 200, description = "Entries, newest first", body = Page<AuditView>)))]
async fn list_installation(
    by: Installation,
    Search(query): Search<AuditQuery>,
) -> Result<Json<Page<AuditView>>, Fault> {
    let engine = &by.engine;
    page(engine, &engine.installation_trail()?, query).await
}

/// Verify the installation's audit trail
#[utoipa::path(post, path = "/admin/v1/audit/verify", tag = "audit", operation_id = "verify_installation_audit",
    request_body = Verification, responses((status = 200, description = "What was found", body = VerdictView)))]
async fn verify_installation(by: Installation, Body(body): Body<Verification>) -> Result<Json<VerdictView>, Fault> {
    let engine = &by.engine;
    verdict(engine, &engine.installation_trail()?, body).await
}
