//! `prokura client`: applications that ask for tokens. Secrets are made here and printed once.

use super::{
    answer,
    work::{json_from, list, origin, parse, tenant, told, with_engine},
};
use crate::{
    cli::{ClientCommand, Kind, Method, Output, Policy, Profile, Registers},
    config::Config,
};
use prokura_domain::{ClientKind, DEFAULT_LEEWAY_SECONDS, RefreshPolicy};
use prokura_engine::{Actor, AuthMethod, Client, ClientChange, CreateClient, Engine, Registration, SecurityProfile};
use serde_json::{Value, json};
use std::process::ExitCode;

pub(super) async fn client(config: &Config, command: ClientCommand, output: Output) -> anyhow::Result<ExitCode> {
    with_engine(config, async |engine| match command {
        ClientCommand::List { of } => {
            let tenant = &*tenant(engine, &of.tenant).await?;
            list(
                output,
                async |after: String, limit| engine.clients(tenant, &after, limit).await,
                |client| client.id.to_string(),
                |client| {
                    format!(
                        "{:34}  {:12}  {:8}  {}",
                        client.id.as_str(),
                        client.kind.as_str(),
                        state(client),
                        client.name
                    )
                },
                view,
            )
            .await
        }
        ClientCommand::Create { of, id, name, kind, grants, scopes, refresh_policy, leeway_seconds, registers } => {
            let request = CreateClient {
                id: id.map(|id| parse("id", &id)).transpose()?,
                name,
                kind: match kind {
                    Kind::Public => ClientKind::Public,
                    Kind::Confidential => ClientKind::Confidential,
                },
                scopes: scopes.join(" "),
                grants: grants.join(" "),
                refresh_policy: match refresh_policy {
                    Policy::Rotate => {
                        RefreshPolicy::Rotate { leeway_seconds: leeway_seconds.unwrap_or(DEFAULT_LEEWAY_SECONDS) }
                    }
                    // What is called single use is.
                    Policy::Once => RefreshPolicy::Once { leeway_seconds: leeway_seconds.unwrap_or(0) },
                    Policy::Reuse => RefreshPolicy::Reuse,
                    Policy::Family => RefreshPolicy::Family,
                },
                access_seconds: None,
                refresh_seconds: None,
                registration: registration(*registers, Registration::default())?,
            };
            let tenant = tenant(engine, &of.tenant).await?;
            let made = engine.create_client(&tenant, &request, &Actor::System, &origin("client-create")).await;
            let made = made.map_err(told)?;
            let mut json = view(&made.client);
            let mut text = made.client.id.to_string();
            if let Some(secret) = &made.secret {
                if let Some(fields) = json.as_object_mut() {
                    fields.insert("secret".to_owned(), json!(secret.expose()));
                }
                text = format!("{text}\nsecret, shown this once: {}", secret.expose());
            }
            answer(output, &text, &json)?;
            Ok(ExitCode::SUCCESS)
        }
        ClientCommand::Register { of, id, registers } => {
            let tenant = tenant(engine, &of.tenant).await?;
            let id = parse("id", &id)?;
            let there = engine.client(&tenant, &id).await.map_err(told)?;
            let registration = registration(*registers, there.registration)?;
            let change = ClientChange { registration: Some(registration), ..ClientChange::default() };
            let (version, origin) = (Some(there.version), origin("client-register"));
            let changed = engine.update_client(&tenant, &id, &change, version, &Actor::System, &origin).await;
            let changed = changed.map_err(told)?;
            answer(output, &format!("{id} is changed"), &view(&changed))?;
            Ok(ExitCode::SUCCESS)
        }
        ClientCommand::Logout { of, id, backchannel_logout_uri, backchannel_logout_session_required } => {
            let tenant = tenant(engine, &of.tenant).await?;
            let id = parse("id", &id)?;
            let there = engine.client(&tenant, &id).await.map_err(told)?;
            let registration =
                Registration { backchannel_logout_uri, backchannel_logout_session_required, ..there.registration };
            let change = ClientChange { registration: Some(registration), ..ClientChange::default() };
            let (version, origin) = (Some(there.version), origin("client-logout"));
            let changed = engine.update_client(&tenant, &id, &change, version, &Actor::System, &origin).await;
            let changed = changed.map_err(told)?;
            let uri = changed.registration.backchannel_logout_uri.as_deref().unwrap_or("nowhere");
            answer(output, &format!("{id} hears of logouts at {uri}"), &view(&changed))?;
            Ok(ExitCode::SUCCESS)
        }
        ClientCommand::Disable { of, id } => set_active(engine, &of.tenant, &id, false, output).await,
        ClientCommand::Enable { of, id } => set_active(engine, &of.tenant, &id, true, output).await,
        ClientCommand::RotateSecret { of, id, overlap_seconds } => {
            let tenant = tenant(engine, &of.tenant).await?;
            let (id, origin) = (parse("id", &id)?, origin("client-rotate-secret"));
            let secret = engine
                .rotate_client_secret(&tenant, &id, overlap_seconds, &Actor::System, &origin)
                .await
                .map_err(told)?;
            let json = json!({ "id": id.as_str(), "secret": secret.expose(), "overlap_seconds": overlap_seconds });
            answer(output, &format!("secret, shown this once: {}", secret.expose()), &json)?;
            Ok(ExitCode::SUCCESS)
        }
    })
    .await
}

/// What is registered once `said` was said about `before`.
fn registration(said: Registers, before: Registration) -> anyhow::Result<Registration> {
    let listed = |said: Vec<String>, before: Vec<String>| {
        if said.is_empty() { before } else { said.into_iter().filter(|word| !word.is_empty()).collect() }
    };
    // Naming one of the two leaves the other out.
    let (jwks, jwks_uri) = match (said.jwks_file, said.jwks_uri) {
        (Some(file), _) => (Some(json_from(&file)?), None),
        (None, Some(uri)) => (None, Some(uri)),
        (None, None) => (before.jwks, before.jwks_uri),
    };
    Ok(Registration {
        redirect_uris: listed(said.redirect_uris, before.redirect_uris),
        post_logout_redirect_uris: listed(said.post_logout_redirect_uris, before.post_logout_redirect_uris),
        origins: listed(said.origins, before.origins),
        auth_method: said.auth_method.map_or(before.auth_method, |method| match method {
            Method::Secret => AuthMethod::Secret,
            Method::ClientSecretBasic => AuthMethod::ClientSecretBasic,
            Method::ClientSecretPost => AuthMethod::ClientSecretPost,
            Method::PrivateKeyJwt => AuthMethod::PrivateKeyJwt,
        }),
        jwks,
        jwks_uri,
        is_first_party: said.first_party.unwrap_or(before.is_first_party),
        must_push: said.must_push.unwrap_or(before.must_push),
        dpop_bound_access_tokens: said.dpop_bound_access_tokens.unwrap_or(before.dpop_bound_access_tokens),
        needs_dpop_nonce: said.needs_dpop_nonce.unwrap_or(before.needs_dpop_nonce),
        resources: listed(said.resources, before.resources),
        may_act: said.may_act.unwrap_or(before.may_act),
        profile: said.profile.map_or(before.profile, |profile| match profile {
            Profile::Standard => SecurityProfile::Standard,
            Profile::Fapi2 => SecurityProfile::Fapi2,
        }),
        ..before
    })
}

async fn set_active(
    engine: &Engine,
    tenant_id: &str,
    id: &str,
    is_active: bool,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let tenant = tenant(engine, tenant_id).await?;
    let change = ClientChange { is_active: Some(is_active), ..ClientChange::default() };
    let id = parse("id", id)?;
    let changed = engine.update_client(&tenant, &id, &change, None, &Actor::System, &origin("client-state")).await;
    let changed = changed.map_err(told)?;
    answer(output, &format!("{id} is {}", state(&changed)), &view(&changed))?;
    Ok(ExitCode::SUCCESS)
}

fn state(client: &Client) -> &'static str {
    if client.is_active { "active" } else { "disabled" }
}

fn view(client: &Client) -> Value {
    let registration = &client.registration;
    json!({
        "id": client.id.as_str(),
        "name": client.name,
        "kind": client.kind.as_str(),
        "state": state(client),
        "scopes": client.scopes.split_ascii_whitespace().collect::<Vec<_>>(),
        "grants": client.grants.split_ascii_whitespace().collect::<Vec<_>>(),
        "redirect_uris": registration.redirect_uris,
        "post_logout_redirect_uris": registration.post_logout_redirect_uris,
        "origins": registration.origins,
        "auth_method": registration.auth_method,
        "jwks": registration.jwks,
        "jwks_uri": registration.jwks_uri,
        "is_first_party": registration.is_first_party,
        "must_push": registration.must_push,
        "backchannel_logout_uri": registration.backchannel_logout_uri,
        "backchannel_logout_session_required": registration.backchannel_logout_session_required,
        "dpop_bound_access_tokens": registration.dpop_bound_access_tokens,
        "needs_dpop_nonce": registration.needs_dpop_nonce,
        "resources": registration.resources,
        "may_act": registration.may_act,
        "profile": registration.profile,
        "version": client.version,
    })
}
