//! What clients are handed. Customers' tokens are spelled twice: one storefront reads only the old spelling.

use crate::{saas, wire};
use prokura_domain::Scopes;
use prokura_engine::{Engine, Error, Granted, Tenant};
use serde_json::{Map, Value, json};

/// The seconds a token lives, as told: one less, as the original does, so that nobody uses a token in its last instant.
fn told(seconds: u32) -> u32 {
    seconds.saturating_sub(1)
}

/// A visitor's tokens.
pub(super) fn guest_token(granted: &Granted) -> Result<Value, Error> {
    let mut token = json!({
        "token_type": "Bearer",
        "access_token": granted.access_token()?,
        "expires_in": told(granted.access_seconds),
    });
    if let Some(members) = token.as_object_mut() {
        if let Some(refresh) = &granted.refresh {
            members.insert("refresh_token".to_owned(), json!(refresh.token.expose()));
            members.insert("refresh_token_expires_in".to_owned(), json!(told(refresh.seconds)));
        }
        if let Some(session) = &granted.standing().session {
            members.insert("sessionId".to_owned(), json!(session.as_str()));
        }
        members.insert("scope".to_owned(), json!(wire::scope_text(&Scopes::default(), &granted.standing().tenant)));
    }
    Ok(token)
}

/// A customer's tokens, in both spellings, with their companion.
pub(crate) fn customer_token(engine: &Engine, tenant: &Tenant, granted: &Granted) -> Result<Map<String, Value>, Error> {
    let (access_token, companion) = (granted.access_token()?, saas::mint(engine, tenant, granted));
    let mut token = Map::new();
    let mut set = |snake: &str, camel: Option<&str>, value: Value| {
        if let Some(camel) = camel {
            token.insert(camel.to_owned(), value.clone());
        }
        token.insert(snake.to_owned(), value);
    };
    set("access_token", Some("accessToken"), json!(access_token));
    set("expires_in", Some("expiresIn"), json!(told(granted.access_seconds)));
    if let Some(companion) = companion {
        set("saas_token", Some("saasToken"), json!(companion));
    }
    if let Some(refresh) = &granted.refresh {
        set("refresh_token", Some("refreshToken"), json!(refresh.token.expose()));
        set("refresh_token_expires_in", Some("refreshTokenExpiresIn"), json!(told(refresh.seconds)));
    }
    set("token_type", None, json!("Bearer"));
    if let Some(session) = &granted.standing().session {
        set("session_id", None, json!(session.as_str()));
    }
    Ok(token)
}
