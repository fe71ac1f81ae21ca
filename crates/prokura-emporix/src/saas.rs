//! The companion of a customer's tokens, which the dialect calls saas token: a machine that holds it as well may act
//! for the customer. It names the customer and the family it was issued with, and nothing else; alone it authenticates
//! nobody.

use crate::caller::Caller;
use http::HeaderMap;
use prokura_domain::{CustomerId, FamilyId};
use prokura_engine::{Engine, Error, Granted, Refusal, Tenant};
use prokura_jose::{mint_hs256, verify_hs256};
use serde_json::{Map, Value, json};

/// Where it is sent.
const HEADER: &str = "saas-token";

/// The companion of `granted`; `None` for a grant that is no customer's.
pub(crate) fn mint(engine: &Engine, tenant: &Tenant, granted: &Granted) -> Option<String> {
    let standing = granted.standing();
    let (customer, family) = (standing.customer()?, standing.family.as_ref()?);
    let now = engine.now();
    let claims = json!({
        "sub": customer.as_str(),
        "iat": now.seconds(),
        "exp": now.seconds() + i64::from(tenant.settings.lifetimes.companion),
        "jti": family.as_str(),
        "tenant": tenant.id.as_str(),
    });
    Some(mint_hs256(tenant.companion_key(), &claims))
}

/// The customer the `saas-token` header speaks for; `None` without the header.
///
/// # Errors
/// 401 when it does not hold: forged, past its end, another tenant's, or its family has ended. 403 when it is somebody
/// else's than the bearer.
pub(crate) async fn companion(
    engine: &Engine,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<Option<CustomerId>, Error> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let token = value.to_str().ok().filter(|_| values.next().is_none()).ok_or(Refusal::InvalidToken)?;
    let claims = verify_hs256(caller.tenant.companion_key(), token, engine.now()).map_err(|_| Refusal::InvalidToken)?;
    let (customer, family) = read(&claims, &caller.tenant).ok_or(Refusal::InvalidToken)?;
    if !engine.is_family_active(&caller.tenant, &family).await? {
        return Err(Refusal::InvalidToken.into());
    }
    if caller.standing().customer().is_some_and(|bearer| *bearer != customer) {
        return Err(Refusal::Forbidden("the saas token is somebody else's").into());
    }
    Ok(Some(customer))
}

fn read(claims: &Map<String, Value>, tenant: &Tenant) -> Option<(CustomerId, FamilyId)> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("tenant")? != tenant.id.as_str() {
        return None;
    }
    Some((text("sub")?.parse().ok()?, text("jti")?.parse().ok()?))
}
