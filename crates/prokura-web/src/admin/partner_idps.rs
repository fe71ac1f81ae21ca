//! Identity providers of partners. Their client secrets are set here and never read.

use super::{
    answer::{Found, Put},
    caller::{Item, Managing, Viewing},
    fault::Fault,
    request::{Body, ListQuery, Page, Precondition, Search, Unconditional},
    wire::{Name, name_schema, stamp},
};
use crate::Web;
use axum::Json;
use http::StatusCode;
use prokura_domain::PartnerIdpId;
use prokura_engine::{PartnerIdentifier, PartnerIdp, PartnerMetadata, PutPartnerIdp};
use prokura_jose::Secret;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::default().routes(routes!(list)).routes(routes!(get, put, delete))
}

/// What a customer is found by the first time.
#[derive(Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum IdentifierWord {
    /// Their address, when the ID token says it is verified and its domain is one of `email_domains`.
    Email,
    /// Nothing but their subject: an account that is there already is never theirs.
    #[default]
    Subject,
}

/// What becomes of somebody unknown.
#[derive(Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ProvisioningWord {
    /// They become a customer, who acts for no company.
    JustInTime,
    /// They are refused.
    #[default]
    Invited,
}

/// What is known of a provider without asking it, by the names of OpenID Connect Discovery. What is absent is read from the
/// provider's own metadata; with endpoint and keys given, it is not asked for any.
#[derive(Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct Metadata {
    /// Where codes are redeemed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000)]
    token_endpoint: Option<String>,
    /// Where its keys are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000)]
    jwks_uri: Option<String>,
    /// Its keys themselves, as a JWK set; they go before `jwks_uri`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    jwks: Option<Value>,
    /// How we may prove ourselves to it: `client_secret_basic`, `client_secret_post`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 10)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// What it may sign ID tokens with; signatures with a public key only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 20)]
    id_token_signing_alg_values_supported: Option<Vec<String>>,
}

/// An identity provider.
#[derive(Serialize, ToSchema)]
struct PartnerIdpView {
    /// Its id.
    id: String,
    /// Its name.
    name: String,
    /// Its issuer.
    issuer: String,
    /// Who we are to it.
    client_id: String,
    /// What is known of it without asking it.
    metadata: Metadata,
    /// Where it may send the browsers of storefronts that hand in its codes.
    redirect_uris: Vec<String>,
    /// The domains whose addresses it may vouch for.
    email_domains: Vec<String>,
    /// What a customer is found by the first time.
    identified_by: IdentifierWord,
    /// What becomes of somebody unknown.
    provisioning: ProvisioningWord,
    /// Whether anybody may come in by it.
    is_active: bool,
    /// Counts changes.
    version: i64,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last changed.
    #[schema(format = DateTime)]
    modified_at: String,
}

/// An identity provider as it should be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PartnerIdpBody {
    /// Its name.
    #[schema(schema_with = name_schema)]
    name: Name,
    /// Its issuer, byte for byte as its metadata and its tokens have it. It stays while people are known by it.
    #[schema(max_length = 2000)]
    issuer: String,
    /// Who we are to it.
    #[schema(max_length = 255)]
    client_id: String,
    /// The secret we prove that by. Needed for a new provider; absent, the one there is stays. It is never shown.
    #[serde(default)]
    #[schema(max_length = 1024)]
    client_secret: Option<String>,
    /// What is known of it without asking it.
    #[serde(default)]
    metadata: Metadata,
    /// Where it may send the browsers of storefronts that hand in its codes; empty where none does.
    #[serde(default)]
    #[schema(max_items = 50)]
    redirect_uris: Vec<String>,
    /// The domains whose addresses it may vouch for, each of one provider only; needed to identify by `email`. Without, a
    /// verified address of somebody new is taken whatever its domain.
    #[serde(default)]
    #[schema(max_items = 100)]
    email_domains: Vec<String>,
    /// What a customer is found by the first time; `subject` when absent.
    #[serde(default)]
    identified_by: IdentifierWord,
    /// What becomes of somebody unknown; `invited` when absent.
    #[serde(default)]
    provisioning: ProvisioningWord,
    /// Whether anybody may come in by it. Switching it off ends the sessions it opened.
    #[serde(default = "yes")]
    is_active: bool,
}

fn yes() -> bool {
    true
}

fn view(idp: PartnerIdp) -> PartnerIdpView {
    PartnerIdpView {
        id: idp.id.to_string(),
        name: idp.name,
        issuer: idp.issuer,
        client_id: idp.client_id,
        metadata: Metadata {
            token_endpoint: idp.metadata.token_endpoint,
            jwks_uri: idp.metadata.jwks_uri,
            jwks: idp.metadata.jwks,
            token_endpoint_auth_methods_supported: idp.metadata.token_endpoint_auth_methods_supported,
            id_token_signing_alg_values_supported: idp.metadata.id_token_signing_alg_values_supported,
        },
        redirect_uris: idp.redirect_uris,
        email_domains: idp.email_domains,
        identified_by: match idp.identifier {
            PartnerIdentifier::Email => IdentifierWord::Email,
            PartnerIdentifier::Subject => IdentifierWord::Subject,
        },
        provisioning: if idp.creates_customers { ProvisioningWord::JustInTime } else { ProvisioningWord::Invited },
        is_active: idp.is_active,
        version: idp.version,
        created_at: stamp(idp.created_at),
        modified_at: stamp(idp.modified_at),
    }
}

impl PartnerIdpBody {
    fn request(self, id: PartnerIdpId) -> PutPartnerIdp {
        PutPartnerIdp {
            id,
            name: self.name.0,
            issuer: self.issuer,
            client_id: self.client_id,
            client_secret: self.client_secret.map(Secret::from),
            metadata: PartnerMetadata {
                token_endpoint: self.metadata.token_endpoint,
                jwks_uri: self.metadata.jwks_uri,
                jwks: self.metadata.jwks,
                token_endpoint_auth_methods_supported: self.metadata.token_endpoint_auth_methods_supported,
                id_token_signing_alg_values_supported: self.metadata.id_token_signing_alg_values_supported,
            },
            redirect_uris: self.redirect_uris,
            email_domains: self.email_domains,
            identifier: match self.identified_by {
                IdentifierWord::Email => PartnerIdentifier::Email,
                IdentifierWord::Subject => PartnerIdentifier::Subject,
            },
            creates_customers: matches!(self.provisioning, ProvisioningWord::JustInTime),
            is_active: self.is_active,
        }
    }
}

/// List partners' identity providers
#[utoipa::path(get, path = "/admin/v1/tenants/{tenant}/partner-idps", tag = "partner-idps",
    operation_id = "list_partner_idps", params(ListQuery),
    responses((status = 200, description = "Identity providers by id", body = Page<PartnerIdpView>)))]
async fn list(at: Viewing, Search(query): Search<ListQuery>) -> Result<Json<Page<PartnerIdpView>>, Fault> {
    let window = at.window("partner_idps", query.limit, query.cursor.as_deref())?;
    let found = at.engine.partner_idps(&at.tenant, &window.after, window.fetch()).await?;
    Ok(window.page(found, |idp| idp.id.to_string(), view))
}

/// Read a partner's identity provider
#[utoipa::path(get, path = "/admin/v1/tenants/{tenant}/partner-idps/{partner_idp}", tag = "partner-idps",
    operation_id = "get_partner_idp",
    responses((status = 200, description = "The identity provider, without its secret", body = PartnerIdpView)))]
async fn get(at: Viewing, Item(id): Item<PartnerIdpId>) -> Result<Found<PartnerIdpView>, Fault> {
    let idp = at.engine.partner_idp(&at.tenant, &id).await?;
    Ok(Found { version: idp.version, body: view(idp) })
}

/// Make or replace a partner's identity provider
///
/// Switching it off lets nobody in any more, and ends the sessions it opened on every node within seconds.
#[utoipa::path(put, path = "/admin/v1/tenants/{tenant}/partner-idps/{partner_idp}", tag = "partner-idps",
    operation_id = "put_partner_idp",
    params(("If-Match" = Option<String>, Header), ("If-None-Match" = Option<String>, Header)),
    request_body = PartnerIdpBody,
    responses((status = 200, description = "The identity provider, replaced", body = PartnerIdpView),
              (status = 201, description = "The identity provider, made", body = PartnerIdpView),
              (status = 409, description = "Another issuer, while people are known by this one")))]
async fn put(
    by: Managing,
    Item(id): Item<PartnerIdpId>,
    precondition: Precondition,
    Body(body): Body<PartnerIdpBody>,
) -> Result<Put<PartnerIdpView>, Fault> {
    let seen = precondition.replaces()?;
    let request = body.request(id);
    let saved = by.engine.save_partner_idp(&by.tenant, &request, seen, &by.actor, &by.origin).await;
    let idp = saved.map_err(Precondition::told)?;
    Ok(Put {
        is_new: seen.is_none(),
        location: format!("/admin/v1/tenants/{}/partner-idps/{}", by.tenant.id, idp.id),
        version: idp.version,
        body: view(idp),
    })
}

/// Delete a partner's identity provider
///
/// The sessions it opened end, and nobody is known by it any more; the customers stay.
#[utoipa::path(delete, path = "/admin/v1/tenants/{tenant}/partner-idps/{partner_idp}", tag = "partner-idps",
    operation_id = "delete_partner_idp",
    responses((status = 204, description = "It is gone"),
              (status = 412, description = "Somebody switched it on again meanwhile")))]
async fn delete(by: Managing, Item(id): Item<PartnerIdpId>, _: Unconditional) -> Result<StatusCode, Fault> {
    by.engine.delete_partner_idp(&by.tenant, &id, &by.actor, &by.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
