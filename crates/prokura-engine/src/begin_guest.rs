//! A visitor's first call, and their next hour: guest tokens with a session of their own.

use crate::{
    Bearer, Engine, Error, Granted, Origin, Refusal, Tenant, Wishes,
    issue::{Chain, Door, Holder, Order, Terms},
    refresh::redeem,
    retrying,
    session_context::{fresh, wanted_site},
    store::NewSession,
};
use prokura_domain::{ClientId, SessionId, Standing};
use prokura_jose::{Secret, SecretHash};

/// A visitor comes.
#[derive(Clone, Debug)]
pub struct BeginGuest {
    /// Through which client.
    pub client: ClientId,
    /// At which storefront, in which language and currency.
    pub wishes: Wishes,
}

impl Engine {
    /// Begins a guest's session.
    ///
    /// # Errors
    /// [`Refusal::InvalidClient`] when the client is unknown, disabled or not for guests.
    pub async fn begin_guest(&self, tenant: &Tenant, request: &BeginGuest, origin: &Origin) -> Result<Granted, Error> {
        retrying!(self.begin_guest_once(tenant, request, origin))
    }

    async fn begin_guest_once(&self, tenant: &Tenant, request: &BeginGuest, origin: &Origin) -> Result<Granted, Error> {
        let now = self.clock.now();
        let session: SessionId = self.new_uuid(now)?.to_string().parse().map_err(Error::crypto)?;
        let address = origin.address.map(|address| address.to_string());
        let sites = self.store.read().await?.sites(&tenant.id).await?;
        let new = NewSession {
            id: &session,
            client: &request.client,
            customer: None,
            site: wanted_site(&sites, &request.wishes).map(|site| &site.id),
            door: Door::Guest.verb(),
            is_entity_locked: false,
            authenticated_at: None,
            proven: None,
            expires_at: now.plus_seconds(tenant.settings.lifetimes.guest_refresh.into()),
            look_at: None,
            user_agent: origin.user_agent.as_deref(),
            address: address.as_deref(),
        };
        let context = fresh(&session, None, &sites, &request.wishes, now);
        let mut tx = self.store.write_for(origin).await?;
        let order = Order {
            tenant,
            door: Door::Guest,
            client: &request.client,
            holder: Holder::NewGuest { session: &new, context: &context },
            entity: None,
            chain: Chain::Begin { is_refreshable: true },
            terms: Terms::default(),
            origin,
        };
        let draft = self.issue(&mut tx, order).await.map_err(guest_refusal)?;
        tx.commit().await?;
        Self::sign(tenant, draft)
    }

    /// Prolongs a guest's session with a guest refresh token.
    ///
    /// # Errors
    /// [`Refusal::InvalidGrant`] or [`Refusal::ExpiredGrant`]; the visitor begins anew.
    pub async fn refresh_guest(
        &self,
        tenant: &Tenant,
        client: &ClientId,
        refresh_token: &Secret,
        origin: &Origin,
    ) -> Result<Granted, Error> {
        retrying!(self.refresh_guest_once(tenant, client, refresh_token, origin))
    }

    async fn refresh_guest_once(
        &self,
        tenant: &Tenant,
        client: &ClientId,
        refresh_token: &Secret,
        origin: &Origin,
    ) -> Result<Granted, Error> {
        let now = self.clock.now();
        let hash = SecretHash::of(refresh_token.expose());
        let mut tx = self.store.write().await?;
        let row = tx.refresh_token(&tenant.id, &hash).await?.ok_or(Refusal::InvalidGrant)?;
        if row.customer.is_some() || row.client != *client {
            return Err(Refusal::InvalidGrant.into());
        }
        tx = self.check_bound_key(tx, tenant, &row, origin).await?;
        let redemption = match redeem(&row, now) {
            Ok(redemption) => redemption,
            Err(refusal) => {
                self.punish_reuse(tx, tenant, &row, &refusal, origin).await?;
                return Err(refusal.into());
            }
        };
        if self.is_repeated_too_often(&mut tx, tenant, &row, redemption, &hash, now).await? {
            self.punish_reuse(tx, tenant, &row, &Refusal::InvalidGrant, origin).await?;
            return Err(Refusal::InvalidGrant.into());
        }
        tx.prolong_session(&tenant.id, &row.session, now.plus_seconds(tenant.settings.lifetimes.guest_refresh.into()))
            .await?;
        let chain =
            self.chain(&mut tx, tenant, &row, redemption, refresh_token, &hash, row.acting_for.as_ref()).await?;
        let order = Order {
            tenant,
            door: Door::GuestRefresh,
            client: &row.client,
            holder: Holder::Guest { session: &row.session },
            entity: None,
            chain,
            terms: Terms::default(),
            origin,
        };
        let draft = self.issue(&mut tx, order).await.map_err(guest_refusal)?;
        tx.commit().await?;
        Self::sign(tenant, draft)
    }

    /// Gives a visitor another access token for the one they have, as clients did before there were refresh tokens for
    /// guests. Their session ends when it would have ended.
    ///
    /// # Errors
    /// [`Refusal::InvalidGrant`] when the token is no guest's or the session is over.
    pub async fn renew_guest(
        &self,
        tenant: &Tenant,
        client: &ClientId,
        standing: &Standing,
        origin: &Origin,
    ) -> Result<Granted, Error> {
        retrying!(async {
            let bearer = Bearer { standing };
            let session = Self::guest_session(&bearer).ok_or(Refusal::InvalidGrant)?;
            if standing.client != *client {
                return Err(Refusal::InvalidGrant.into());
            }
            let mut tx = self.store.write().await?;
            let order = Order {
                tenant,
                door: Door::GuestRefresh,
                client,
                holder: Holder::Guest { session },
                entity: None,
                chain: Chain::None,
                terms: Terms::default(),
                origin,
            };
            let draft = self.issue(&mut tx, order).await.map_err(guest_refusal)?;
            tx.commit().await?;
            Self::sign(tenant, draft)
        })
    }

    /// The guest session a bearer stands for.
    pub(crate) fn guest_session<'a>(bearer: &'a Bearer<'_>) -> Option<&'a SessionId> {
        match bearer.standing.subject {
            prokura_domain::Subject::Guest => bearer.standing.session.as_ref(),
            prokura_domain::Subject::Customer(_) | prokura_domain::Subject::Service => None,
        }
    }
}

/// A client that may not serve guests is to a visitor no client at all.
fn guest_refusal(error: Error) -> Error {
    match error {
        Error::Refused(Refusal::UnauthorizedClient) => Refusal::InvalidClient.into(),
        other @ (Error::Refused(_) | Error::Fault(_)) => other,
    }
}
