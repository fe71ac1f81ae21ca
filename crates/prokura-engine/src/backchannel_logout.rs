//! Telling clients that a session is over (OpenID Connect Back-Channel Logout 1.0). Whatever ends it, the notice is put
//! down in the same transaction, for each client that got an ID token in it and registered an address; it is delivered
//! once or more. A client that gives its own tokens back hears of it when the session ends, and not before.

use crate::{
    Engine, Error, Tenant,
    outbound::OutboundFault,
    outbox::{Errand, Undone},
    store::Tx,
};
use prokura_domain::{ClientId, CustomerId, Scopes, SessionId, Timestamp};
use prokura_jose::sign_jwt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The `typ` of a logout token, so that nothing takes it for another kind (section 2.4).
const LOGOUT_TOKEN_TYPE: &str = "logout+jwt";
/// The event it tells.
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// Seconds a logout token is good for; each try makes a new one.
const LOGOUT_TOKEN_SECONDS: i64 = 120;
/// How often a client is asked that says no. Keys it has not fetched yet, or a release being rolled out, pass in this time.
const REFUSED_ATTEMPTS: i64 = 4;

/// Why a family is over that its client gave back (RFC 7009).
pub(crate) const GIVEN_BACK: &str = "revoked";
/// How many sessions and clients are read at a time when all of them end.
const PAGE: u32 = 500;

/// A notice that waits in the outbox.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Goodbye {
    pub(crate) client: String,
    session: String,
    customer: String,
}

/// A client that takes part in a session as a relying party, and for whom.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ToldClient {
    pub(crate) client: ClientId,
    customer: CustomerId,
}

impl ToldClient {
    /// The client of a family, when it got ID tokens.
    pub(crate) fn of(client: ClientId, customer: Option<CustomerId>, scope: Option<&str>) -> Option<Self> {
        let customer = customer.filter(|_| is_openid(scope))?;
        Some(Self { client, customer })
    }
}

/// Whether a family was granted `openid`.
pub(crate) fn is_openid(scope: Option<&str>) -> bool {
    scope.is_some_and(|scope| Scopes::parse(scope).is_ok_and(|scopes| scopes.contains("openid")))
}

impl Engine {
    /// Puts a notice down for each of `clients` that registered an address.
    pub(crate) async fn tell_clients(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        session: &SessionId,
        clients: BTreeSet<ToldClient>,
        now: Timestamp,
    ) -> Result<(), Error> {
        for told in clients {
            let Some(client) = tx.client(&tenant.id, &told.client).await? else { continue };
            if client.registration.backchannel_logout_uri.is_some() {
                let goodbye = Goodbye {
                    client: client.id.to_string(),
                    session: session.to_string(),
                    customer: told.customer.to_string(),
                };
                self.put_down(tx, tenant, &Errand::Logout(goodbye), now).await?;
            }
        }
        Ok(())
    }

    /// The clients whose last family in a session was given back by themselves. They were not told then, for nobody had
    /// logged out, and may have kept the person logged in.
    pub(crate) async fn clients_that_gave_back(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        session: &SessionId,
    ) -> Result<BTreeSet<ToldClient>, Error> {
        let (mut seen, mut found) = (BTreeSet::new(), BTreeSet::new());
        for (client, customer, scope, reason) in tx.ended_families(&tenant.id, session).await? {
            let Some(told) = ToldClient::of(client, customer, scope.as_deref()) else { continue };
            if seen.insert(told.client.clone()) && reason.as_deref() == Some(GIVEN_BACK) {
                found.insert(told);
            }
        }
        Ok(found)
    }

    /// Puts a notice down for every client in every session of a tenant, before all of them end at once.
    pub(crate) async fn tell_all_clients(&self, tx: &mut Tx<'_>, tenant: &Tenant, now: Timestamp) -> Result<(), Error> {
        let (mut session, mut client) = (String::new(), String::new());
        loop {
            let page = tx.clients_in_sessions(&tenant.id, (&session, &client), PAGE).await?;
            let is_last = page.len() < PAGE as usize;
            for (id, told, customer) in page {
                (session, client) = (id.to_string(), told.to_string());
                let told = BTreeSet::from([ToldClient { client: told, customer }]);
                self.tell_clients(tx, tenant, &id, told, now).await?;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Tells a client. One that registers no address any more hears nothing; one that was switched off does: its
    /// sessions are to end all the same.
    pub(crate) async fn say_goodbye(
        &self,
        tenant: &Tenant,
        goodbye: &Goodbye,
        attempts: i64,
    ) -> Result<Result<(), Undone>, Error> {
        let Ok(id) = goodbye.client.parse::<ClientId>() else { return Ok(Ok(())) };
        let client = self.store.read().await?.client(&tenant.id, &id).await?;
        let Some(uri) = client.and_then(|client| client.registration.backchannel_logout_uri) else {
            return Ok(Ok(()));
        };
        let token = self.logout_token(tenant, goodbye)?;
        Ok(match self.outbound.post_form(&uri, &[("logout_token", &token)]).await {
            Ok(200..=299) => Ok(()),
            // Section 2.8: the client understood and could not. Busy ones are asked on.
            Ok(status @ 400..=499) if !matches!(status, 408 | 425 | 429) && attempts >= REFUSED_ATTEMPTS => {
                Err(Undone::Forever(format!("the client answered {status}")))
            }
            Ok(status) => Err(Undone::ForNow(format!("the client answered {status}"))),
            Err(fault @ (OutboundFault::Refused(_) | OutboundFault::Unreachable(_))) => {
                Err(Undone::ForNow(format!("the client was not called: {fault}")))
            }
        })
    }

    /// The token that says so (section 2.4). It has no `nonce`, so it cannot be taken for an ID token.
    fn logout_token(&self, tenant: &Tenant, goodbye: &Goodbye) -> Result<String, Error> {
        let now = self.clock.now();
        let mut claims = Map::new();
        claims.insert("iss".to_owned(), json!(&*tenant.issuer));
        claims.insert("sub".to_owned(), json!(goodbye.customer));
        claims.insert("aud".to_owned(), json!(goodbye.client));
        claims.insert("iat".to_owned(), json!(now.seconds()));
        claims.insert("exp".to_owned(), json!(now.plus_seconds(LOGOUT_TOKEN_SECONDS).seconds()));
        claims.insert("jti".to_owned(), json!(self.new_id(now)?));
        claims.insert("events".to_owned(), json!({ LOGOUT_EVENT: {} }));
        claims.insert("sid".to_owned(), json!(goodbye.session));
        sign_jwt(tenant.minter.key(), LOGOUT_TOKEN_TYPE, &Value::Object(claims)).map_err(Error::crypto)
    }
}
