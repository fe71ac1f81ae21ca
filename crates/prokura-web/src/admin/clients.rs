//! Clients: applications that ask for tokens. Their secrets are made here and shown once; nobody can choose one (S-02).

use super::{
    answer::{Found, Made},
    caller::{Item, Managing, Viewing},
    fault::Fault,
    request::{Body, ListQuery, Page, Precondition, Search},
    wire::{Change, Id, Name, Word, client_kind_schema, id_schema, name_schema, stamp},
};
use crate::Web;
use axum::Json;
use prokura_domain::{ClientId, ClientKind, DEFAULT_LEEWAY_SECONDS, MAX_LEEWAY_SECONDS, RefreshPolicy};
use prokura_engine::{AuthMethod, Client, ClientChange, CreateClient, Registration, SecurityProfile};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// How long the secret before stays good when nobody says, and at the longest.
const USUAL_OVERLAP: u32 = 86_400;
const MAX_OVERLAP: u32 = 30 * 86_400;

pub(super) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::default().routes(routes!(list, create)).routes(routes!(get, change)).routes(routes!(rotate_secret))
}

/// What using a refresh token does to it.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum PolicyWord {
    /// Single use; a later use ends the family.
    Rotate,
    /// Single use; a later use is refused and ends nothing.
    Once,
    /// The same string until it ends.
    Reuse,
    /// A new string each time, older ones stay usable until the family ends.
    Family,
}

/// How a client proves who it is.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum MethodWord {
    /// By its secret, in the header or in the form as it likes; a public client by nothing.
    Secret,
    /// By its secret in the header.
    ClientSecretBasic,
    /// By its secret in the form.
    ClientSecretPost,
    /// By a token it signed.
    PrivateKeyJwt,
}

/// A set of rules a client is held to.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ProfileWord {
    /// What holds for everybody.
    Standard,
    /// The FAPI 2.0 Security Profile.
    Fapi2,
}

/// What a client registers for the native protocol; what is absent stays.
#[derive(Default, Deserialize, ToSchema)]
struct RegistrationParts {
    /// Where authorization answers may go, each byte for byte.
    #[serde(default)]
    #[schema(max_items = 50)]
    redirect_uris: Option<Vec<String>>,
    /// Where a browser may go after logging out.
    #[serde(default)]
    #[schema(max_items = 50)]
    post_logout_redirect_uris: Option<Vec<String>>,
    /// Origins of browsers that may call the token endpoint.
    #[serde(default)]
    #[schema(max_items = 50)]
    origins: Option<Vec<String>>,
    /// How it proves who it is; `secret` when absent.
    #[serde(default)]
    auth_method: Option<MethodWord>,
    /// Its public keys as a JWK set, of `private_key_jwt`.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    jwks: Option<Value>,
    /// Where it publishes them instead, fetched when it comes. Naming one of the two leaves the other out.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 2000)]
    jwks_uri: Change<String>,
    /// Where it hears that a session it takes part in is over; null for nowhere.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 2000)]
    backchannel_logout_uri: Change<String>,
    /// Whether it needs the session's id to know which one. It is told in any case.
    #[serde(default)]
    backchannel_logout_session_required: Option<bool>,
    /// Whether it belongs to the shop itself, so that nobody is asked for consent.
    #[serde(default)]
    is_first_party: Option<bool>,
    /// Whether a confidential client may leave PKCE out when it sends a nonce.
    #[serde(default)]
    may_omit_pkce: Option<bool>,
    /// Whether its authorization requests must be pushed first.
    #[serde(default)]
    must_push: Option<bool>,
    /// Whether it gets access tokens only bound to a key it shows (DPoP, RFC 9449).
    #[serde(default)]
    dpop_bound_access_tokens: Option<bool>,
    /// Whether its proofs of a key must hold a nonce of the server.
    #[serde(default)]
    needs_dpop_nonce: Option<bool>,
    /// The resources it may have tokens for that count there alone, and may ask about; each an absolute URI.
    #[serde(default)]
    #[schema(max_items = 50)]
    resources: Option<Vec<String>>,
    /// Whether it may exchange tokens so that somebody acts for their subject.
    #[serde(default)]
    may_act: Option<bool>,
    /// What dialects keep about it, by their names.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    dialect: Option<BTreeMap<String, serde_json::Value>>,
    /// The rules it is held to besides: `fapi2` needs `private_key_jwt`, pushed requests and tokens bound to a key.
    #[serde(default)]
    profile: Option<ProfileWord>,
}

impl RegistrationParts {
    /// Whether anything is named.
    fn is_some(&self) -> bool {
        self.redirect_uris.is_some()
            || self.post_logout_redirect_uris.is_some()
            || self.origins.is_some()
            || self.auth_method.is_some()
            || self.jwks.is_some()
            || !matches!(self.jwks_uri, Change::Keep)
            || !matches!(self.backchannel_logout_uri, Change::Keep)
            || self.backchannel_logout_session_required.is_some()
            || self.is_first_party.is_some()
            || self.may_omit_pkce.is_some()
            || self.must_push.is_some()
            || self.dpop_bound_access_tokens.is_some()
            || self.needs_dpop_nonce.is_some()
            || self.resources.is_some()
            || self.may_act.is_some()
            || self.dialect.is_some()
            || self.profile.is_some()
    }

    /// `there` with what is named.
    fn over(self, there: Registration) -> Registration {
        let is_uri_named = !matches!(self.jwks_uri, Change::Keep);
        let mut jwks_uri = there.jwks_uri.filter(|_| self.jwks.is_none());
        self.jwks_uri.apply(&mut jwks_uri, |uri| uri);
        let jwks_before = there.jwks.filter(|_| !is_uri_named || jwks_uri.is_none());
        let mut backchannel_logout_uri = there.backchannel_logout_uri;
        self.backchannel_logout_uri.apply(&mut backchannel_logout_uri, |uri| uri);
        Registration {
            backchannel_logout_uri,
            backchannel_logout_session_required: self
                .backchannel_logout_session_required
                .unwrap_or(there.backchannel_logout_session_required),
            redirect_uris: self.redirect_uris.unwrap_or(there.redirect_uris),
            post_logout_redirect_uris: self.post_logout_redirect_uris.unwrap_or(there.post_logout_redirect_uris),
            origins: self.origins.unwrap_or(there.origins),
            auth_method: self.auth_method.map_or(there.auth_method, |word| match word {
                MethodWord::Secret => AuthMethod::Secret,
                MethodWord::ClientSecretBasic => AuthMethod::ClientSecretBasic,
                MethodWord::ClientSecretPost => AuthMethod::ClientSecretPost,
                MethodWord::PrivateKeyJwt => AuthMethod::PrivateKeyJwt,
            }),
            jwks: self.jwks.or(jwks_before),
            jwks_uri,
            is_first_party: self.is_first_party.unwrap_or(there.is_first_party),
            may_omit_pkce: self.may_omit_pkce.unwrap_or(there.may_omit_pkce),
            must_push: self.must_push.unwrap_or(there.must_push),
            dpop_bound_access_tokens: self.dpop_bound_access_tokens.unwrap_or(there.dpop_bound_access_tokens),
            needs_dpop_nonce: self.needs_dpop_nonce.unwrap_or(there.needs_dpop_nonce),
            resources: self.resources.unwrap_or(there.resources),
            may_act: self.may_act.unwrap_or(there.may_act),
            dialect: self.dialect.unwrap_or(there.dialect),
            profile: self.profile.map_or(there.profile, |word| match word {
                ProfileWord::Standard => SecurityProfile::Standard,
                ProfileWord::Fapi2 => SecurityProfile::Fapi2,
            }),
        }
    }
}

/// A client.
#[derive(Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "each is a member of the document")]
struct ClientView {
    /// Its id.
    id: String,
    /// Its name.
    name: String,
    /// Whether it can keep a secret.
    #[schema(schema_with = client_kind_schema)]
    kind: &'static str,
    /// Whether it may ask for anything.
    is_active: bool,
    /// The scopes it may have.
    scopes: Vec<String>,
    /// The grants it may use.
    grants: Vec<String>,
    /// What using a refresh token does to it.
    refresh_policy: PolicyWord,
    /// Seconds after its rotation a refresh token is answered with the same successor, of `rotate` and `once`.
    leeway_seconds: u32,
    /// The life of its access tokens; absent for the tenant's.
    #[serde(skip_serializing_if = "Option::is_none")]
    access_seconds: Option<u32>,
    /// The life of its refresh tokens; absent for the tenant's.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_seconds: Option<u32>,
    /// Until when the secret before the present one is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    previous_secret_until: Option<String>,
    /// Where authorization answers may go.
    redirect_uris: Vec<String>,
    /// Where a browser may go after logging out.
    post_logout_redirect_uris: Vec<String>,
    /// Origins of browsers that may call the token endpoint.
    origins: Vec<String>,
    /// How it proves who it is: `secret` by header or form, or one way alone.
    auth_method: MethodWord,
    /// Its public keys as a JWK set, of `private_key_jwt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    jwks: Option<Value>,
    /// Where it publishes them instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks_uri: Option<String>,
    /// Where it hears that a session it takes part in is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    backchannel_logout_uri: Option<String>,
    /// Whether it needs the session's id to know which one. It is told in any case.
    backchannel_logout_session_required: bool,
    /// Whether it belongs to the shop itself, so that nobody is asked for consent.
    is_first_party: bool,
    /// Whether a confidential client may leave PKCE out when it sends a nonce.
    may_omit_pkce: bool,
    /// Whether its authorization requests must be pushed first.
    must_push: bool,
    /// Whether it gets access tokens only bound to a key it shows (DPoP, RFC 9449).
    dpop_bound_access_tokens: bool,
    /// Whether its proofs of a key must hold a nonce of the server.
    needs_dpop_nonce: bool,
    /// The resources it may have tokens for that count there alone, and may ask about.
    resources: Vec<String>,
    /// Whether it may exchange tokens so that somebody acts for their subject.
    may_act: bool,
    /// What dialects keep about it, by their names.
    #[schema(value_type = Object)]
    dialect: BTreeMap<String, serde_json::Value>,
    /// The rules it is held to besides.
    profile: ProfileWord,
    /// Counts changes.
    version: i64,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last changed.
    #[schema(format = DateTime)]
    modified_at: String,
}

/// A client that was made.
#[derive(Serialize, ToSchema)]
struct NewClientView {
    /// The client.
    client: ClientView,
    /// Its secret, when it is confidential, shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// A new secret.
#[derive(Serialize, ToSchema)]
struct SecretView {
    /// The secret, shown this once.
    secret: String,
    /// Seconds the secret before stays good.
    overlap_seconds: u32,
}

/// A client to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewClient {
    /// Its id, unique in the whole installation; a random one when absent.
    #[serde(default)]
    #[schema(schema_with = id_schema)]
    id: Option<Id<ClientId>>,
    /// Its name.
    #[schema(schema_with = name_schema)]
    name: Name,
    /// Whether it can keep a secret; a confidential client gets one.
    #[schema(schema_with = client_kind_schema)]
    kind: Word<ClientKind>,
    /// The scopes it may have.
    #[serde(default)]
    #[schema(max_items = 500)]
    scopes: Vec<String>,
    /// The grants it may use: `guest`, `password`, `refresh_token`, `client_credentials`, `token_exchange`,
    /// `authorization_code`, `device_code`.
    #[serde(default)]
    #[schema(max_items = 20)]
    grants: Vec<String>,
    /// What using a refresh token does to it; `rotate` when absent.
    #[serde(default)]
    refresh_policy: Option<PolicyWord>,
    /// Seconds after its rotation a refresh token is answered with the same successor: 10 of `rotate` and none of `once`
    /// when absent.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 60)]
    leeway_seconds: Option<u32>,
    /// The life of its access tokens; absent for the tenant's.
    #[serde(default)]
    #[schema(minimum = 30, maximum = 31_536_000)]
    access_seconds: Option<u32>,
    /// The life of its refresh tokens; absent for the tenant's.
    #[serde(default)]
    #[schema(minimum = 30, maximum = 31_536_000)]
    refresh_seconds: Option<u32>,
    /// What it registers for the native protocol.
    #[serde(flatten)]
    registration: RegistrationParts,
}

/// A change of a client; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ClientPatch {
    /// Its name.
    #[serde(default)]
    #[schema(schema_with = name_schema)]
    name: Option<Name>,
    /// Switching it off reaches every door within seconds.
    #[serde(default)]
    is_active: Option<bool>,
    /// The scopes it may have.
    #[serde(default)]
    #[schema(max_items = 500)]
    scopes: Option<Vec<String>>,
    /// The grants it may use.
    #[serde(default)]
    #[schema(max_items = 20)]
    grants: Option<Vec<String>>,
    /// What using a refresh token does to it.
    #[serde(default)]
    refresh_policy: Option<PolicyWord>,
    /// Seconds after its rotation a refresh token is answered with the same successor, of `rotate`.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 60)]
    leeway_seconds: Option<u32>,
    /// The life of its access tokens; null for the tenant's.
    #[serde(default)]
    #[schema(value_type = Option<u32>, minimum = 30, maximum = 31_536_000)]
    access_seconds: Change<u32>,
    /// The life of its refresh tokens; null for the tenant's.
    #[serde(default)]
    #[schema(value_type = Option<u32>, minimum = 30, maximum = 31_536_000)]
    refresh_seconds: Change<u32>,
    /// What it registers for the native protocol.
    #[serde(flatten)]
    registration: RegistrationParts,
}

/// How a secret is replaced.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rotation {
    /// Seconds the secret before stays good: a day when absent, 0 ends it at once.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 2_592_000)]
    overlap_seconds: Option<u32>,
}

fn words(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

/// Each entry is one word, so that the stored list reads back the same.
fn joined(field: &str, words: &[String], most: usize) -> Result<String, Fault> {
    if words.len() > most {
        return Err(Fault::invalid(field, &format!("at most {most}")));
    }
    match words.iter().find(|word| word.is_empty() || word.contains(|c: char| c.is_whitespace() || c.is_control())) {
        Some(_) => Err(Fault::invalid(field, "each entry is one word")),
        None => Ok(words.join(" ")),
    }
}

fn policy(word: PolicyWord, leeway_seconds: Option<u32>) -> Result<RefreshPolicy, Fault> {
    let leeway_seconds = leeway_seconds.unwrap_or(match word {
        PolicyWord::Rotate => DEFAULT_LEEWAY_SECONDS,
        // What is called single use is.
        PolicyWord::Once | PolicyWord::Reuse | PolicyWord::Family => 0,
    });
    if leeway_seconds > MAX_LEEWAY_SECONDS {
        return Err(Fault::invalid("leeway_seconds", "at most 60"));
    }
    Ok(match word {
        PolicyWord::Rotate => RefreshPolicy::Rotate { leeway_seconds },
        PolicyWord::Once => RefreshPolicy::Once { leeway_seconds },
        PolicyWord::Reuse => RefreshPolicy::Reuse,
        PolicyWord::Family => RefreshPolicy::Family,
    })
}

fn policy_parts(policy: RefreshPolicy) -> (PolicyWord, u32) {
    match policy {
        RefreshPolicy::Rotate { leeway_seconds } => (PolicyWord::Rotate, leeway_seconds),
        RefreshPolicy::Once { leeway_seconds } => (PolicyWord::Once, leeway_seconds),
        RefreshPolicy::Reuse => (PolicyWord::Reuse, 0),
        RefreshPolicy::Family => (PolicyWord::Family, 0),
    }
}

#[expect(clippy::option_option, reason = "the engine's word for leaving, taking away and setting")]
fn changed(seconds: &Change<u32>) -> Option<Option<u32>> {
    match *seconds {
        Change::Keep => None,
        Change::Clear => Some(None),
        Change::Set(seconds) => Some(Some(seconds)),
    }
}

fn view(client: Client) -> ClientView {
    let (refresh_policy, leeway_seconds) = policy_parts(client.refresh_policy);
    ClientView {
        id: client.id.to_string(),
        name: client.name,
        kind: client.kind.as_str(),
        is_active: client.is_active,
        scopes: words(&client.scopes),
        grants: words(&client.grants),
        refresh_policy,
        leeway_seconds,
        access_seconds: client.access_seconds,
        refresh_seconds: client.refresh_seconds,
        previous_secret_until: client.previous_secret_until.map(stamp),
        redirect_uris: client.registration.redirect_uris,
        post_logout_redirect_uris: client.registration.post_logout_redirect_uris,
        origins: client.registration.origins,
        auth_method: match client.registration.auth_method {
            AuthMethod::Secret => MethodWord::Secret,
            AuthMethod::ClientSecretBasic => MethodWord::ClientSecretBasic,
            AuthMethod::ClientSecretPost => MethodWord::ClientSecretPost,
            AuthMethod::PrivateKeyJwt => MethodWord::PrivateKeyJwt,
        },
        jwks: client.registration.jwks,
        jwks_uri: client.registration.jwks_uri,
        backchannel_logout_uri: client.registration.backchannel_logout_uri,
        backchannel_logout_session_required: client.registration.backchannel_logout_session_required,
        is_first_party: client.registration.is_first_party,
        may_omit_pkce: client.registration.may_omit_pkce,
        must_push: client.registration.must_push,
        dpop_bound_access_tokens: client.registration.dpop_bound_access_tokens,
        needs_dpop_nonce: client.registration.needs_dpop_nonce,
        resources: client.registration.resources,
        may_act: client.registration.may_act,
        dialect: client.registration.dialect,
        profile: match client.registration.profile {
            SecurityProfile::Standard => ProfileWord::Standard,
            SecurityProfile::Fapi2 => ProfileWord::Fapi2,
        },
        version: client.version,
        created_at: stamp(client.created_at),
        modified_at: stamp(client.modified_at),
    }
}

/// List clients
#[utoipa::path(get, path = "/admin/v1/tenants/{tenant}/clients", tag = "clients", operation_id = "list_clients",
    params(ListQuery), responses((status = 200, description = "Clients by id", body = Page<ClientView>)))]
async fn list(at: Viewing, Search(query): Search<ListQuery>) -> Result<Json<Page<ClientView>>, Fault> {
    let window = at.window("clients", query.limit, query.cursor.as_deref())?;
    let found = at.engine.clients(&at.tenant, &window.after, window.fetch()).await?;
    Ok(window.page(found, |client| client.id.to_string(), view))
}

/// Make a client
///
/// A confidential client gets a secret, which is shown this once. Nobody can choose one.
#[utoipa::path(post, path = "/admin/v1/tenants/{tenant}/clients", tag = "clients", operation_id = "create_client",
    request_body = NewClient,
    responses((status = 201, description = "The client, with its secret", body = NewClientView),
              (status = 409, description = "Somebody has this id already")))]
async fn create(by: Managing, Body(body): Body<NewClient>) -> Result<Made<NewClientView>, Fault> {
    let request = CreateClient {
        id: body.id.map(|id| id.0),
        name: body.name.0,
        kind: body.kind.0,
        scopes: joined("scopes", &body.scopes, 500)?,
        grants: joined("grants", &body.grants, 20)?,
        refresh_policy: policy(body.refresh_policy.unwrap_or(PolicyWord::Rotate), body.leeway_seconds)?,
        access_seconds: body.access_seconds,
        refresh_seconds: body.refresh_seconds,
        registration: body.registration.over(Registration::default()),
    };
    let made = by.engine.create_client(&by.tenant, &request, &by.actor, &by.origin).await?;
    Ok(Made {
        location: format!("/admin/v1/tenants/{}/clients/{}", by.tenant.id, made.client.id),
        version: Some(made.client.version),
        body: NewClientView { client: view(made.client), secret: made.secret.map(|secret| secret.expose().to_owned()) },
    })
}

/// Read a client
#[utoipa::path(get, path = "/admin/v1/tenants/{tenant}/clients/{client}", tag = "clients", operation_id = "get_client",
    responses((status = 200, description = "The client", body = ClientView)))]
async fn get(at: Viewing, Item(id): Item<ClientId>) -> Result<Found<ClientView>, Fault> {
    let client = at.engine.client(&at.tenant, &id).await?;
    Ok(Found { version: client.version, body: view(client) })
}

/// Change a client
///
/// Switching it off ends every token it got, on every node within seconds.
#[utoipa::path(patch, path = "/admin/v1/tenants/{tenant}/clients/{client}", tag = "clients",
    operation_id = "change_client", params(("If-Match" = Option<String>, Header)), request_body = ClientPatch,
    responses((status = 200, description = "The client after the change", body = ClientView)))]
async fn change(
    by: Managing,
    Item(id): Item<ClientId>,
    precondition: Precondition,
    Body(body): Body<ClientPatch>,
) -> Result<Found<ClientView>, Fault> {
    let engine = &by.engine;
    let mut version = precondition.version()?;
    let refresh_policy = match (body.refresh_policy, body.leeway_seconds) {
        (None, None) => None,
        (word, leeway) => {
            // Half of it stays as it is, so the change rests on the version that half was read from.
            let there = engine.client(&by.tenant, &id).await?;
            version = version.or(Some(there.version));
            let kept_leeway = match there.refresh_policy {
                RefreshPolicy::Rotate { leeway_seconds } | RefreshPolicy::Once { leeway_seconds } => {
                    Some(leeway_seconds)
                }
                RefreshPolicy::Reuse | RefreshPolicy::Family => None,
            };
            let (kept_word, _) = policy_parts(there.refresh_policy);
            let kept_leeway = kept_leeway.filter(|_| word.is_none_or(|word| word == kept_word));
            Some(policy(word.unwrap_or(kept_word), leeway.or(kept_leeway))?)
        }
    };
    let registration = if body.registration.is_some() {
        let there = engine.client(&by.tenant, &id).await?;
        version = version.or(Some(there.version));
        Some(body.registration.over(there.registration))
    } else {
        None
    };
    let change = ClientChange {
        name: body.name.map(|name| name.0),
        is_active: body.is_active,
        scopes: body.scopes.map(|scopes| joined("scopes", &scopes, 500)).transpose()?,
        grants: body.grants.map(|grants| joined("grants", &grants, 20)).transpose()?,
        refresh_policy,
        access_seconds: changed(&body.access_seconds),
        refresh_seconds: changed(&body.refresh_seconds),
        registration,
    };
    let client = engine.update_client(&by.tenant, &id, &change, version, &by.actor, &by.origin).await?;
    Ok(Found { version: client.version, body: view(client) })
}

/// Replace a client's secret
///
/// The secret before stays good for the overlap, so that both can be in use while programs are told.
#[utoipa::path(post, path = "/admin/v1/tenants/{tenant}/clients/{client}/rotate-secret", tag = "clients",
    operation_id = "rotate_client_secret", request_body = Rotation,
    responses((status = 200, description = "The new secret", body = SecretView)))]
async fn rotate_secret(
    by: Managing,
    Item(id): Item<ClientId>,
    Body(body): Body<Rotation>,
) -> Result<Json<SecretView>, Fault> {
    let overlap_seconds = body.overlap_seconds.unwrap_or(USUAL_OVERLAP);
    if overlap_seconds > MAX_OVERLAP {
        return Err(Fault::invalid("overlap_seconds", "at most 2592000, which is 30 days"));
    }
    let secret = by.engine.rotate_client_secret(&by.tenant, &id, overlap_seconds, &by.actor, &by.origin).await?;
    Ok(Json(SecretView { secret: secret.expose().to_owned(), overlap_seconds }))
}
