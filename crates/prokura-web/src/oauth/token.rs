//! `POST {issuer}/token` (RFC 6749 section 3.2): codes, refresh tokens, machines' credentials. A legal entity may be
//! chosen while refreshing; a refusal leaves the tokens as they were.

use super::{client::ClientForm, fault::OauthFault, target};
use crate::Web;
use axum::{
    Router,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::post,
};
use http::{HeaderValue, StatusCode, header};
use prokura_domain::Scopes;
use prokura_engine::{
    DEVICE_INTERVAL_SECONDS, DEVICE_SECONDS, DevicePoll, DirectWish, Engine, EntityWish, Error, ExchangeToken, Granted,
    Manner, RedeemCode, Refresh, Refusal, Unverified, grantable_scopes,
};
use prokura_jose::Secret;
use serde_json::json;

/// The grants and the token type of RFC 8693 and RFC 8628.
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/t/{tenant}/token", post(token))
        .route("/t/{tenant}/revoke", post(revoke))
        .route("/t/{tenant}/device_authorization", post(authorize_device))
}

async fn token(State(web): State<Web>, mut form: ClientForm) -> Result<Response, OauthFault> {
    form.show_key(&web, "token")?;
    let nonce = Engine::needs_dpop_nonce(&form.tenant, Some(&form.client)) && form.origin.key_proof.is_some();
    let nonce = nonce.then(|| web.edge.engine.dpop_nonce(&form.tenant));
    match (grant(&web, &form).await, nonce.and_then(|nonce| HeaderValue::from_str(&nonce).ok())) {
        // The next proof needs one, too, and need not ask for it first.
        (Ok(mut answer), Some(nonce)) => {
            answer.headers_mut().insert("dpop-nonce", nonce);
            Ok(answer)
        }
        (result, _) => result,
    }
}

async fn grant(web: &Web, form: &ClientForm) -> Result<Response, OauthFault> {
    let granted = match form.params.one("grant_type")? {
        Some("authorization_code") => redeem_code(web, form).await?,
        Some("refresh_token") => refresh(web, form).await?,
        Some("client_credentials") => client_credentials(web, form).await?,
        Some(DEVICE_CODE) => return poll_device(web, form).await,
        Some(TOKEN_EXCHANGE) => return exchange(web, form).await,
        Some(_) => {
            let offered =
                "authorization_code, refresh_token, client_credentials, device_code and token exchange are offered";
            return Err(OauthFault::new(StatusCode::BAD_REQUEST, "unsupported_grant_type", offered));
        }
        None => return Err(OauthFault::invalid_request("grant_type is missing")),
    };
    answer(&granted, None)
}

async fn redeem_code(web: &Web, form: &ClientForm) -> Result<Granted, OauthFault> {
    let code = form.params.one("code")?.ok_or_else(|| OauthFault::invalid_request("code is missing"))?;
    let request = RedeemCode {
        client: form.client.id.clone(),
        code: Secret::from(code.to_owned()),
        redirect_uri: form.params.one("redirect_uri")?.map(str::to_owned),
        code_verifier: form.params.one("code_verifier")?.map(|verifier| Secret::from(verifier.to_owned())),
        resources: resources(form)?,
        direct: DirectWish::default(),
        manner: Manner::default(),
    };
    Ok(web.edge.engine.redeem_code(&form.tenant, &request, &form.origin).await?)
}

async fn refresh(web: &Web, form: &ClientForm) -> Result<Granted, OauthFault> {
    let token = form.params.one("refresh_token")?;
    let token = token.ok_or_else(|| OauthFault::invalid_request("refresh_token is missing"))?;
    let legal_entity = entity_wish(form)?;
    let keeps = legal_entity == EntityWish::Keep;
    let request = Refresh {
        refresh_token: Secret::from(token.to_owned()),
        client: Some(form.client.id.clone()),
        legal_entity,
        scopes: scopes(form)?,
        resources: resources(form)?,
        manner: Manner::default(),
    };
    match web.edge.engine.refresh(&form.tenant, None, &request, &form.origin).await {
        // Nobody asked for another company: the one the tokens were for is no longer theirs.
        Err(Error::Refused(Refusal::NotAssigned)) if keeps => Err(Refusal::InvalidGrant.into()),
        result => Ok(result?),
    }
}

/// RFC 8628 section 3.4: a device asks whether it is in.
async fn poll_device(web: &Web, form: &ClientForm) -> Result<Response, OauthFault> {
    let code = form.params.one("device_code")?.ok_or_else(|| OauthFault::invalid_request("device_code is missing"))?;
    let code = Secret::from(code.to_owned());
    let refused = |error, description| Err(OauthFault::new(StatusCode::BAD_REQUEST, error, description));
    match web.edge.engine.poll_device(&form.tenant, &form.client.id, &code, &form.origin).await? {
        DevicePoll::Granted(granted) => answer(&granted, None),
        DevicePoll::Pending => refused("authorization_pending", "nobody has decided yet"),
        DevicePoll::TooOften => refused("slow_down", "wait longer between two questions"),
        DevicePoll::Denied => refused("access_denied", "somebody said no"),
        DevicePoll::Expired => refused("expired_token", "nobody decided in time"),
    }
}

/// `POST {issuer}/device_authorization` (RFC 8628 section 3.1)
async fn authorize_device(State(web): State<Web>, form: ClientForm) -> Result<Response, OauthFault> {
    let legal_entity = form.params.one("legal_entity_id")?.map(str::parse).transpose();
    let legal_entity = legal_entity.map_err(|_| OauthFault::from(Refusal::NotAssigned))?;
    let scopes = grantable_scopes(&form.client, scopes(&form)?.as_ref());
    let engine = &web.edge.engine;
    let begun = engine.begin_device_grant(&form.tenant, &form.client, &scopes, legal_entity.as_ref()).await?;
    let page = format!("{}/device", form.tenant.issuer);
    Ok(json_answer(&json!({
        "device_code": begun.device_code.expose(),
        "user_code": begun.user_code,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={}", begun.user_code),
        "expires_in": DEVICE_SECONDS,
        "interval": DEVICE_INTERVAL_SECONDS,
    })))
}

/// RFC 8693: another legal entity, or fewer scopes, for an access token.
async fn exchange(web: &Web, form: &ClientForm) -> Result<Response, OauthFault> {
    let wrong = OauthFault::invalid_request;
    let actor_token = form.params.one("actor_token")?;
    for (name, must_be) in
        [("subject_token_type", true), ("requested_token_type", false), ("actor_token_type", actor_token.is_some())]
    {
        match form.params.one(name)? {
            // Without an actor there is nothing to say of their token (RFC 8693 section 2.1).
            Some(_) if name == "actor_token_type" && actor_token.is_none() => {
                return Err(wrong("actor_token_type without actor_token"));
            }
            Some(ACCESS_TOKEN) => {}
            None if !must_be => {}
            _ => return Err(wrong("only access tokens are exchanged, for access tokens")),
        }
    }
    let token = form.params.one("subject_token")?.ok_or_else(|| wrong("subject_token is missing"))?;
    // RFC 8693 section 2.2.2: a token that does not hold is a wrong request.
    let examine = |token| {
        web.edge.engine.examine(token).map_err(|unverified| match unverified {
            Unverified::Rejected(_) => wrong("the subject token or the actor token does not hold"),
            Unverified::Stale => Error::from(unverified).into(),
        })
    };
    let verified = examine(token)?;
    let actor = actor_token.map(examine).transpose()?;
    let request = ExchangeToken {
        subject: &verified.token,
        legal_entity: entity_wish(form)?,
        scopes: scopes(form)?,
        resources: resources(form)?,
        actor: actor.as_ref().map(|actor| &actor.token),
    };
    let granted = web.edge.engine.exchange_token(&form.tenant, &form.client, &request, &form.origin).await?;
    answer(&granted, Some(ACCESS_TOKEN))
}

/// Whom to act for: without a word, whom the tokens are for already.
fn entity_wish(form: &ClientForm) -> Result<EntityWish, OauthFault> {
    Ok(match form.params.one("legal_entity_id")?.map(str::parse) {
        None => EntityWish::Keep,
        Some(Ok(entity)) => EntityWish::Of(entity),
        Some(Err(_)) => EntityWish::Malformed,
    })
}

async fn client_credentials(web: &Web, form: &ClientForm) -> Result<Granted, OauthFault> {
    let (scopes, resources) = (scopes(form)?, resources(form)?);
    let engine = &web.edge.engine;
    Ok(engine.service_token(&form.tenant, &form.client.id, scopes.as_ref(), &resources, &form.origin).await?)
}

/// The resources the token is to be for (RFC 8707), by either name of RFC 8693.
fn resources(form: &ClientForm) -> Result<Vec<String>, OauthFault> {
    target::resources(&form.params, &target::NAMES, &form.tenant.issuer).ok_or_else(|| Refusal::WrongTarget.into())
}

fn scopes(form: &ClientForm) -> Result<Option<Scopes>, OauthFault> {
    let parse = |text| Scopes::parse(text).map_err(|_| OauthFault::from(Refusal::InvalidScope));
    form.params.one("scope")?.map(parse).transpose()
}

fn answer(granted: &Granted, issued_type: Option<&str>) -> Result<Response, OauthFault> {
    let mut body = json!({
        "access_token": granted.access_token()?,
        "token_type": token_type(granted.token.bound_to.is_some()),
        "expires_in": granted.access_seconds,
        "scope": granted.standing().scopes.to_string(),
    });
    if let Some(members) = body.as_object_mut() {
        if let Some(issued_type) = issued_type {
            members.insert("issued_token_type".to_owned(), json!(issued_type));
        }
        if let Some(refresh) = &granted.refresh {
            members.insert("refresh_token".to_owned(), json!(refresh.token.expose()));
            members.insert("refresh_token_expires_in".to_owned(), json!(refresh.seconds));
        }
        if let Some(id_token) = &granted.id_token {
            members.insert("id_token".to_owned(), json!(id_token));
        }
        if let Some(entity) = granted.standing().legal_entity() {
            members.insert("legal_entity_id".to_owned(), json!(entity.as_str()));
        }
    }
    Ok(json_answer(&body))
}

/// How a token is sent (RFC 6750, RFC 9449 section 5).
pub(super) fn token_type(is_bound: bool) -> &'static str {
    if is_bound { "DPoP" } else { "Bearer" }
}

/// A JSON answer nobody may keep (RFC 6749 section 5.1).
pub(super) fn json_answer(body: &serde_json::Value) -> Response {
    let mut response = body.to_string().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `POST {issuer}/revoke` (RFC 7009). What the client may not know of is answered like what is gone.
async fn revoke(State(web): State<Web>, form: ClientForm) -> Result<Response, OauthFault> {
    let token = form.params.one("token")?.ok_or_else(|| OauthFault::invalid_request("token is missing"))?;
    web.edge.engine.revoke(&form.tenant, &form.client, token, &form.origin).await?;
    let mut response = StatusCode::OK.into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
