//! `webauthn/*`: passkeys at a shop's own pages. The host they belong to is registered for the client, and so are the origins
//! of its pages.

use crate::{
    authorize::BASE,
    call::{Call, Party, has_scope, wrong_method},
    fault::SlasFault,
    passwordless::{of_code, shown_code, too_many, wanted_code},
    token::answer_with,
};
use axum::{
    Json, Router,
    extract::{Path, State},
    response::Response,
    routing::{delete, get, post},
};
use http::StatusCode;
use prokura_domain::{Email, Standing};
use prokura_engine::{CodePurpose, Customer, Error, MadePasskey, PasskeyLogIn, Refusal, RelyingParty};
use prokura_http::Edge;
use prokura_jose::{Secret, VerifiedToken};
use serde_json::{Value, json};
use std::sync::Arc;

/// What a client must be registered for.
const SCOPE: &str = "sfcc.pwdless_login";
/// How long a browser may take, in milliseconds.
const REGISTRATION_MILLIS: u32 = 90_000;
const LOGIN_MILLIS: u32 = 60_000;
/// What a passkey is called that nobody named.
const NAMELESS: &str = "Passkey";

pub(crate) fn routes() -> Router<Edge> {
    Router::new()
        .route(&format!("{BASE}/webauthn/register/authorize"), post(ask).fallback(wrong_method))
        .route(&format!("{BASE}/webauthn/register/start"), post(begin).fallback(wrong_method))
        .route(&format!("{BASE}/webauthn/register/finish"), post(finish).fallback(wrong_method))
        .route(&format!("{BASE}/webauthn/authenticate/start"), post(begin_login).fallback(wrong_method))
        .route(&format!("{BASE}/webauthn/authenticate/finish"), post(log_in).fallback(wrong_method))
        .route(&format!("{BASE}/webauthn/passkey/user/{{login}}"), get(list).delete(remove_all).fallback(wrong_method))
        .route(
            &format!("{BASE}/webauthn/passkey/user/{{login}}/credentials/{{id}}"),
            delete(remove).fallback(wrong_method),
        )
}

/// Where a client's passkeys belong.
fn place(party: &Party) -> RelyingParty {
    RelyingParty { host: party.settings.passkey_host.clone(), origins: party.client.registration.origins.clone() }
}

async fn ask(State(edge): State<Edge>, call: Call) -> Result<StatusCode, SlasFault> {
    let party = call.party(&edge).await?;
    let mut request = wanted_code(&edge, &call, &party, CodePurpose::Passkey).await?;
    request.code_challenge = crate::password::challenge(&call, &party)?;
    edge.engine.ask_for_code(&call.tenant, &request, &call.origin).await.map_err(too_many)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn begin(State(edge): State<Edge>, call: Call) -> Result<Json<Value>, SlasFault> {
    let party = call.party(&edge).await?;
    call.channel(&edge, &party).await?;
    call.asked.needed("user_id")?;
    let shown = shown_code(&call, &party, CodePurpose::Passkey, ("pwd_action_token", "user_id"))?;
    let here = here(&edge, &call, &party)?;
    let here = here.as_ref().map(|bearer| &bearer.token.standing);
    let options = edge.engine.begin_shop_passkey(&call.tenant, &place(&party), &shown, here, &call.origin).await;
    Ok(options_of(options.map_err(of_passkey)?, REGISTRATION_MILLIS))
}

async fn finish(State(edge): State<Edge>, call: Call) -> Result<StatusCode, SlasFault> {
    let party = call.party(&edge).await?;
    call.channel(&edge, &party).await?;
    let credential = credential(&call)?;
    let code = Secret::from(call.asked.needed("pwd_action_token")?.to_owned());
    // Whoever says where it was made stays logged in there.
    let keep = here(&edge, &call, &party)?.and_then(|bearer| bearer.token.standing.session.clone());
    let made = MadePasskey {
        client: &party.client.id,
        code: &code,
        credential: &credential,
        name: call.asked.one("nick_name")?.unwrap_or(NAMELESS),
        keep: keep.as_ref(),
    };
    edge.engine.add_shop_passkey(&call.tenant, &place(&party), &made, &call.origin).await.map_err(of_passkey)?;
    Ok(StatusCode::NO_CONTENT)
}

/// What the shopper is logged in with, where a public client says it. A private one has another use for the header.
fn here(edge: &Edge, call: &Call, party: &Party) -> Result<Option<Arc<VerifiedToken>>, SlasFault> {
    let is_told = call.headers.get(http::header::AUTHORIZATION).is_some_and(|value| !value.is_empty());
    if is_told && !party.is_private() { call.bearer(edge).map(Some) } else { Ok(None) }
}

async fn begin_login(State(edge): State<Edge>, call: Call) -> Result<Json<Value>, SlasFault> {
    let party = call.party(&edge).await?;
    call.channel(&edge, &party).await?;
    let options = edge.engine.begin_shop_passkey_login(&call.tenant, &place(&party), &party.client.id).await;
    Ok(options_of(options.map_err(of_passkey)?, LOGIN_MILLIS))
}

async fn log_in(State(edge): State<Edge>, call: Call) -> Result<Response, SlasFault> {
    let party = call.party(&edge).await?;
    let site = call.channel(&edge, &party).await?;
    let credential = credential(&call)?;
    let request = PasskeyLogIn {
        client: &party.client.id,
        credential: &credential,
        visitor: call.visitor_wish()?,
        site: Some(site),
        manner: call.manner(None)?,
    };
    let granted = edge.engine.log_in_by_shop_passkey(&call.tenant, &place(&party), &request, &call.origin).await;
    let granted = granted.map_err(of_passkey)?;
    let name = match granted.standing().customer() {
        Some(customer) => edge.engine.customer(&call.tenant, customer).await?.email,
        None => None,
    };
    let id = call.asked.json("credential").and_then(|credential| credential.get("id")).cloned();
    let told = |body| json!({ "credentialId": id, "username": name, "success": true, "tokenResponse": body });
    answer_with(&edge, &call, &party, &granted, told).await
}

/// Who asks about their own passkeys.
async fn owner(edge: &Edge, call: &Call, login: &str) -> Result<(Customer, Standing), SlasFault> {
    let bearer = call.bearer(edge)?;
    let standing = &bearer.token.standing;
    let client = edge.engine.client(&call.tenant, &standing.client).await?;
    if !has_scope(&client, SCOPE) {
        return Err(SlasFault::unauthorized());
    }
    let forbidden = || SlasFault::new(StatusCode::FORBIDDEN, "forbidden", "These are another shopper's passkeys.");
    let customer = edge.engine.customer(&call.tenant, standing.customer().ok_or_else(forbidden)?).await?;
    let is_own =
        |own: &str| Email::parse(own).is_ok_and(|own| Email::parse(login).is_ok_and(|login| own.key() == login.key()));
    if customer.email.as_deref().is_some_and(is_own) { Ok((customer, standing.clone())) } else { Err(forbidden()) }
}

async fn list(
    State(edge): State<Edge>,
    Path((_, login)): Path<(String, String)>,
    call: Call,
) -> Result<Json<Value>, SlasFault> {
    let (owner, _) = owner(&edge, &call, &login).await?;
    let passkeys = edge.engine.factors(&call.tenant, &owner.id).await?.passkeys;
    let credentials: Vec<Value> = passkeys
        .iter()
        .map(|passkey| {
            json!({
                "id": passkey.id,
                "nick_name": passkey.name,
                "created_at": passkey.created_at.seconds(),
                "used_at": passkey.used_at.map(prokura_domain::Timestamp::seconds),
            })
        })
        .collect();
    Ok(Json(json!({ "login_id": owner.email, "credentials": credentials })))
}

async fn remove_all(
    State(edge): State<Edge>,
    Path((_, login)): Path<(String, String)>,
    call: Call,
) -> Result<StatusCode, SlasFault> {
    forget(&edge, &call, &login, None).await
}

async fn remove(
    State(edge): State<Edge>,
    Path((_, login, id)): Path<(String, String, String)>,
    call: Call,
) -> Result<StatusCode, SlasFault> {
    forget(&edge, &call, &login, Some(&id)).await
}

async fn forget(edge: &Edge, call: &Call, login: &str, id: Option<&str>) -> Result<StatusCode, SlasFault> {
    let (_, standing) = owner(edge, call, login).await?;
    edge.engine.remove_shop_passkeys(&call.tenant, &standing, id, &call.origin).await.map_err(|error| match error {
        Error::Refused(Refusal::ProofNeeded) => {
            let message = "Log in with a passkey less than ten minutes before.";
            SlasFault::new(StatusCode::FORBIDDEN, "forbidden", message)
        }
        other @ (Error::Refused(_) | Error::Fault(_)) => other.into(),
    })?;
    Ok(StatusCode::NO_CONTENT)
}

/// The credential of a body, as text again.
fn credential(call: &Call) -> Result<String, SlasFault> {
    let credential = call.asked.json("credential").filter(|credential| credential.is_object());
    credential.map(Value::to_string).ok_or_else(|| SlasFault::missing("credential"))
}

/// What the browser is told, without the wrapping of a script.
fn options_of(mut options: Value, millis: u32) -> Json<Value> {
    let mut options = options.get_mut("publicKey").map(Value::take).unwrap_or_default();
    if let Some(members) = options.as_object_mut() {
        members.insert("timeout".to_owned(), json!(millis));
    }
    Json(options)
}

fn of_passkey(error: Error) -> SlasFault {
    match error {
        Error::Refused(refusal @ (Refusal::Forbidden(_) | Refusal::Invalid(_) | Refusal::AlreadyExists(_))) => {
            refusal.into()
        }
        other @ (Error::Refused(_) | Error::Fault(_)) => of_code(other),
    }
}
