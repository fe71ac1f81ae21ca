//! A visitor's first call, and their next hour: guest tokens with a session of their own.

use crate::{
    Bearer, Engine, Error, Granted, Manner, Origin, Refusal, Site, Tenant, Wishes,
    issue::{Chain, Door, Draft, Holder, Order, Terms},
    refresh::redeem,
    retrying,
    session_context::{fresh, wanted_site},
    store::{NewSession, Tx},
};
use prokura_domain::{ClientId, CustomerId, SessionId, Standing, Timestamp, VisitorId};
use prokura_jose::{Secret, SecretHash};

/// A visitor comes.
#[derive(Clone, Debug)]
pub struct BeginGuest {
    /// Through which client.
    pub client: ClientId,
    /// At which storefront, in which language and currency.
    pub wishes: Wishes,
    /// Whether they keep a name over several sessions.
    pub visitor: VisitorWish,
    /// What the dialect wants otherwise.
    pub manner: Manner,
}

/// Which name a visitor keeps over several sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum VisitorWish {
    /// None: they are known by their session.
    #[default]
    Nameless,
    /// A new one.
    New,
    /// The one they have, unless somebody is logged in under it: then a new one.
    Keep(VisitorId),
}

impl BeginGuest {
    /// A visitor who is known by their session alone.
    pub fn nameless(client: ClientId, wishes: Wishes) -> Self {
        Self { client, wishes, visitor: VisitorWish::Nameless, manner: Manner::default() }
    }
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
        let session = self.new_session_id(now)?;
        let sites = self.store.read().await?.sites(&tenant.id).await?;
        let mut tx = self.store.write_for(origin).await?;
        let draft = self.begin_guest_in(&mut tx, tenant, request, (&session, &sites), origin).await?;
        tx.commit().await?;
        Ok(Self::grant(tenant, draft))
    }

    /// The same in the transaction of what leads to it. The first change of `tx` comes after the last refusal.
    pub(crate) async fn begin_guest_in(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        request: &BeginGuest,
        (session, sites): (&SessionId, &[Site]),
        origin: &Origin,
    ) -> Result<Draft, Error> {
        let now = self.clock.now();
        let visitor = self.settle_visitor(tx, tenant, &request.visitor, None, now).await?;
        let guest_refresh = tenant.settings.lifetimes.guest_refresh;
        let seconds = request.manner.lives.map_or(guest_refresh, |lives| lives.guest_refresh);
        let new = NewSession {
            id: session,
            client: &request.client,
            customer: None,
            visitor: visitor.as_ref(),
            site: wanted_site(sites, &request.wishes).map(|site| &site.id),
            door: Door::Guest.verb(),
            authenticated_at: None,
            proven: None,
            expires_at: now.plus_seconds(seconds.into()),
            look_at: None,
            origin,
        };
        let context = fresh(session, None, sites, &request.wishes, now);
        let order = Order {
            tenant,
            door: Door::Guest,
            client: &request.client,
            holder: Holder::NewGuest { session: &new, context: &context },
            entity: None,
            chain: Chain::Begin { is_refreshable: true },
            terms: Terms { manner: request.manner.clone(), ..Terms::default() },
            origin,
        };
        let draft = self.issue(tx, order).await.map_err(guest_refusal)?;
        if let (Some(visitor), VisitorWish::Keep(_)) = (&visitor, &request.visitor) {
            self.bound_guests_of(tx, tenant, visitor, now).await?;
        }
        Ok(draft)
    }

    /// The name a visitor goes by: the one they say they have, unless somebody else is logged in under it. Saying a name
    /// proves nothing, so nothing of whoever had it before is theirs by it.
    pub(crate) async fn settle_visitor(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        wish: &VisitorWish,
        customer: Option<&CustomerId>,
        now: Timestamp,
    ) -> Result<Option<VisitorId>, Error> {
        match wish {
            VisitorWish::Nameless => return Ok(None),
            VisitorWish::Keep(visitor) if !tx.is_visitor_taken(&tenant.id, visitor, customer, now).await? => {
                return Ok(Some(visitor.clone()));
            }
            VisitorWish::New | VisitorWish::Keep(_) => {}
        }
        let mut bytes = [0; 16];
        self.entropy.fill(&mut bytes)?;
        Ok(Some(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string().parse().map_err(Error::crypto)?))
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
        manner: &Manner,
        origin: &Origin,
    ) -> Result<Granted, Error> {
        retrying!(self.refresh_guest_once(tenant, client, refresh_token, manner, origin))
    }

    async fn refresh_guest_once(
        &self,
        tenant: &Tenant,
        client: &ClientId,
        refresh_token: &Secret,
        manner: &Manner,
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
        let guest_refresh = tenant.settings.lifetimes.guest_refresh;
        let seconds = manner.lives.map_or(guest_refresh, |lives| lives.guest_refresh);
        tx.prolong_session(&tenant.id, &row.session, now.plus_seconds(seconds.into())).await?;
        let chain =
            self.chain(&mut tx, tenant, &row, redemption, refresh_token, &hash, row.acting_for.as_ref()).await?;
        let order = Order {
            tenant,
            door: Door::GuestRefresh,
            client: &row.client,
            holder: Holder::Guest { session: &row.session },
            entity: None,
            chain,
            terms: Terms { manner: manner.clone(), ..Terms::default() },
            origin,
        };
        let draft = self.issue(&mut tx, order).await.map_err(guest_refusal)?;
        let does_not_track = self.keep_tracking(&mut tx, tenant, &row, manner).await?;
        tx.commit().await?;
        let mut granted = Self::grant(tenant, draft);
        (granted.family_door, granted.does_not_track) = (row.door.as_str().into(), does_not_track);
        Ok(granted)
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
            Ok::<_, Error>(Self::grant(tenant, draft))
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
