//! Somebody logs in by the forms of a shop: always into a new session, under the name they had as a visitor, and the guest
//! they were is over (S-90).

use crate::{
    Engine, Error, Granted, LogIn, Manner, Origin, Refusal, ShopVisit, Tenant, VisitorWish, Wishes,
    assurance::Proven,
    issue::{Chain, Door, Draft, Holder, Order, Terms},
    log_in::Proof,
    retrying,
    session_context::fresh,
    store::{NewSession, Tx},
};
use prokura_domain::{ClientId, CustomerId, SessionId, SiteId, Timestamp, VisitorId};
use prokura_jose::{Secret, SecretHash};

/// The guests' sessions a visitor may have at once. A name that somebody else learned must not let a login take ages.
const MAX_GUESTS: u32 = 50;

/// Somebody logs in by the form of a shop's own page.
#[derive(Debug)]
pub struct ShopLogIn {
    /// Which shop.
    pub client: ClientId,
    /// The handle the browser has.
    pub cookie: Option<Secret>,
    /// The name the visitor goes by, where there is no handle to tell.
    pub visitor: VisitorWish,
    /// Who they say they are.
    pub log_in: LogIn,
    /// The storefront.
    pub site: Option<SiteId>,
    /// What the dialect wants otherwise.
    pub manner: Manner,
}

/// Somebody who gets in by a shop's own forms.
pub(crate) struct Arrival<'a> {
    pub(crate) client: &'a ClientId,
    pub(crate) customer: &'a CustomerId,
    pub(crate) visitor: &'a VisitorId,
    pub(crate) site: Option<&'a SiteId>,
    pub(crate) door: Door,
    pub(crate) proven: Option<Proven>,
    pub(crate) expires_at: Timestamp,
}

impl Engine {
    /// Logs somebody in by the form of a shop's own page, in a session of their own with tokens of the same; what they
    /// had as a guest in this browser ends.
    ///
    /// # Errors
    /// As [`Engine::log_in_for_code`].
    pub async fn log_in_on_pages(
        &self,
        tenant: &Tenant,
        request: &ShopLogIn,
        origin: &Origin,
    ) -> Result<ShopVisit, Error> {
        let proof = self.prove_login_by(tenant, &request.client, &request.log_in, origin).await?;
        let visit = retrying!(async {
            let mut tx = self.store.write().await?;
            let draft = self.log_in_at_shop(&mut tx, tenant, request, &proof, origin).await?;
            let (session, family) = match (&draft.standing().session, &draft.standing().family) {
                (Some(session), Some(family)) => (session.clone(), family.clone()),
                _ => return Err(Refusal::InvalidGrant.into()),
            };
            let pages = self.open_shop_pages(&mut tx, tenant, &session, &family, self.clock.now()).await?;
            tx.commit().await?;
            Ok::<_, Error>(ShopVisit { pages, granted: Self::grant(tenant, draft), is_new: true, is_restored: false })
        });
        self.note_missing_factor(tenant, (&request.client, &proof), visit, origin).await
    }

    /// The same for whoever wants tokens alone.
    ///
    /// # Errors
    /// As [`Engine::log_in_for_code`].
    pub async fn log_in_for_tokens(
        &self,
        tenant: &Tenant,
        request: &ShopLogIn,
        origin: &Origin,
    ) -> Result<Granted, Error> {
        let proof = self.prove_login_by(tenant, &request.client, &request.log_in, origin).await?;
        let granted = retrying!(async {
            let mut tx = self.store.write().await?;
            let draft = self.log_in_at_shop(&mut tx, tenant, request, &proof, origin).await?;
            tx.commit().await?;
            Ok::<_, Error>(Self::grant(tenant, draft))
        });
        self.note_missing_factor(tenant, (&request.client, &proof), granted, origin).await
    }

    async fn log_in_at_shop(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        request: &ShopLogIn,
        proof: &Proof,
        origin: &Origin,
    ) -> Result<Draft, Error> {
        let now = self.clock.now();
        let customer = &proof.customer;
        self.check_password_is_enough(tx, tenant, customer).await?;
        self.use_proof(tx, tenant, proof, now).await?;
        let mut wish = request.visitor.clone();
        if let Some(cookie) = &request.cookie {
            let hash = SecretHash::of(cookie.expose());
            if let Some(row) = tx.shop_cookie(&tenant.id, &hash, now).await? {
                tx.delete_cookie_session(&tenant.id, &hash).await?;
                match row.customer {
                    // Somebody else's session in this browser is over.
                    Some(other) if other != *customer => {
                        self.end_session_in(tx, tenant, &row.session, "another_customer", now).await?;
                    }
                    Some(_) | None => {
                        if let Some(visitor) = row.visitor {
                            wish = VisitorWish::Keep(visitor);
                        }
                    }
                }
            }
        }
        let visitor = self.settle_visitor(tx, tenant, &wish, Some(customer), now).await?;
        let visitor = visitor.ok_or(Refusal::InvalidGrant)?;
        let arrival = Arrival {
            client: &request.client,
            customer,
            visitor: &visitor,
            site: request.site.as_ref(),
            door: Door::Password,
            proven: Some(Proven::Password),
            expires_at: now.plus_seconds(tenant.settings.lifetimes.session.into()),
        };
        self.arrive(tx, tenant, &arrival, &request.manner, origin).await
    }

    /// A customer's new session under a visitor's name, with tokens; the guest they were before ends.
    pub(crate) async fn arrive(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        arrival: &Arrival<'_>,
        manner: &Manner,
        origin: &Origin,
    ) -> Result<Draft, Error> {
        let session = self.new_shop_session(tx, tenant, arrival, origin).await?;
        self.end_guests_of(tx, tenant, arrival.visitor, self.clock.now()).await?;
        let order = Order {
            tenant,
            door: arrival.door,
            client: arrival.client,
            holder: Holder::Customer { session: &session, customer: arrival.customer, scopes: None },
            entity: None,
            chain: Chain::Begin { is_refreshable: true },
            terms: Terms { manner: manner.clone(), ..Terms::default() },
            origin,
        };
        self.issue(tx, order).await
    }

    /// A session of a customer under a visitor's name, always a new one (S-90).
    pub(crate) async fn new_shop_session(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        arrival: &Arrival<'_>,
        origin: &Origin,
    ) -> Result<SessionId, Error> {
        let now = self.clock.now();
        let session = self.new_session_id(now)?;
        let new = NewSession {
            id: &session,
            client: arrival.client,
            customer: Some(arrival.customer),
            visitor: Some(arrival.visitor),
            site: arrival.site,
            door: arrival.door.verb(),
            // Whom somebody else vouches for proved nothing here.
            authenticated_at: arrival.proven.map(|_| now),
            proven: arrival.proven,
            expires_at: arrival.expires_at,
            look_at: None,
            origin,
        };
        tx.insert_session(&tenant.id, &new, now).await?;
        let sites = tx.sites(&tenant.id).await?;
        let wishes = Wishes { site: arrival.site.cloned(), ..Wishes::default() };
        let context = fresh(&session, Some(arrival.customer.clone()), &sites, &wishes, now);
        tx.insert_context(&tenant.id, &context).await?;
        Ok(session)
    }

    /// Ends what a visitor had as a guest: they logged in (S-90).
    pub(crate) async fn end_guests_of(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        visitor: &VisitorId,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.end_oldest_guests(tx, tenant, visitor, ("log_in", 0), now).await
    }

    /// Makes room for one guest more under a visitor's name, that the session of was just begun.
    pub(crate) async fn bound_guests_of(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        visitor: &VisitorId,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.end_oldest_guests(tx, tenant, visitor, ("too_many", MAX_GUESTS), now).await
    }

    async fn end_oldest_guests(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        visitor: &VisitorId,
        (reason, kept): (&str, u32),
        now: Timestamp,
    ) -> Result<(), Error> {
        for session in tx.older_guest_sessions_of(&tenant.id, visitor, kept, now).await? {
            self.end_session_in(tx, tenant, &session, reason, now).await?;
        }
        Ok(())
    }
}
