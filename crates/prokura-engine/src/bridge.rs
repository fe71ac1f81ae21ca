//! The bridge between tokens and the cookie sessions of a shop's own pages. Both are handles of one session, so the same
//! person is behind them at every moment, and what ends the one ends the other.

use crate::{
    Actor, Engine, Error, Granted, Manner, Origin, Refusal, ShopPages, Tenant,
    audit::Entry,
    direct_code::{Direct, DirectWish, Purpose},
    issue::{Chain, Door, Holder, Order, Terms},
    redeem_code::is_challenged_by,
    retrying,
    shop_pages::pages,
    store::Tx,
};
use prokura_domain::{ClientId, CustomerId, Scopes, SessionId, Standing, Timestamp};
use prokura_jose::{Secret, SecretHash};

const BEGIN_VERB: &str = "session.bridge_to_pages";

/// A client asks for tokens of a session of a shop's own pages.
#[derive(Debug)]
pub struct BridgeToTokens {
    /// Which client.
    pub client: ClientId,
    /// What names the handle.
    pub handle: SecretHash,
    /// Who is there, by what the client has as proof: the customer, or nobody known.
    pub customer: Option<CustomerId>,
    /// The code of a public client, and its verifier.
    pub code: Option<(Secret, Secret)>,
    /// What the dialect wants otherwise; a storefront that is named there is the code's as well.
    pub manner: Manner,
}

impl Engine {
    /// Opens the pages for whoever has an access token of a client that may bridge. The handle that is shown stays when it
    /// is of the same session and family; it is no proof of anything.
    ///
    /// # Errors
    /// [`Refusal::InvalidToken`] when what the token says is over; [`Refusal::UnauthorizedClient`].
    pub async fn bridge_to_pages(
        &self,
        tenant: &Tenant,
        standing: &Standing,
        shown: Option<&Secret>,
        origin: &Origin,
    ) -> Result<ShopPages, Error> {
        let (Some(session), Some(family)) = (&standing.session, &standing.family) else {
            return Err(Refusal::InvalidToken.into());
        };
        let now = self.clock.now();
        if let Some(shown) = shown {
            let hash = SecretHash::of(shown.expose());
            let row = self.store.read().await?.shop_cookie(&tenant.id, &hash, now).await?;
            if let Some(row) = row.filter(|row| row.is_alive && row.session == *session)
                && row.family.as_ref() == Some(family)
            {
                return pages(row, hash, None);
            }
        }
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            Self::check_grant(&mut tx, tenant, &standing.client, Door::Bridge).await?;
            let row = tx.family(&tenant.id, session, family, now).await?.ok_or(Refusal::InvalidToken)?;
            let there = tx.session(&tenant.id, session).await?;
            if there.is_none_or(|there| !there.is_active || there.expires_at <= now || there.customer != row.customer) {
                return Err(Refusal::InvalidToken.into());
            }
            if let Some(shown) = shown {
                self.drop_handle_of(&mut tx, tenant, shown, session, now).await?;
            }
            let pages = self.open_shop_pages(&mut tx, tenant, session, family, now).await?;
            let who = Actor::shopper(row.customer.as_ref());
            let entry = Entry::new(&who, BEGIN_VERB, "session", session.as_str())
                .entity(row.acting_for.as_ref().map(|acting_for| &acting_for.legal_entity))
                .client(&standing.client)
                .session(Some(session));
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(pages)
        })
    }

    /// An access token for whoever shows a handle that is alive; the session does not last longer by that.
    ///
    /// # Errors
    /// [`Refusal::InvalidToken`] when the handle is unknown or over.
    pub async fn token_of_pages(
        &self,
        tenant: &Tenant,
        client: &ClientId,
        cookie: &Secret,
        manner: &Manner,
        origin: &Origin,
    ) -> Result<Granted, Error> {
        retrying!(async {
            let now = self.clock.now();
            let hash = SecretHash::of(cookie.expose());
            let mut tx = self.store.write().await?;
            let row = tx.shop_cookie(&tenant.id, &hash, now).await?.filter(|row| row.is_alive);
            let pages = pages(row.ok_or(Refusal::InvalidToken)?, hash, None)?;
            let draft = self.token_for_pages(&mut tx, tenant, client, &pages, manner, origin).await?;
            tx.commit().await?;
            Ok::<_, Error>(Self::grant(tenant, draft))
        })
    }

    /// Another access token of the family of one that holds.
    ///
    /// # Errors
    /// [`Refusal::InvalidToken`] when what the token says is over.
    pub async fn token_again(
        &self,
        tenant: &Tenant,
        standing: &Standing,
        manner: &Manner,
        origin: &Origin,
    ) -> Result<Granted, Error> {
        let (Some(session), Some(family)) = (&standing.session, &standing.family) else {
            return Err(Refusal::InvalidToken.into());
        };
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let row = tx.family(&tenant.id, session, family, now).await?.ok_or(Refusal::InvalidToken)?;
            let scopes = row.scope.as_deref().map(Scopes::parse).transpose().map_err(|_| Refusal::InvalidScope)?;
            let order = Order {
                tenant,
                door: Door::Refresh,
                client: &standing.client,
                holder: holder(session, row.customer.as_ref(), scopes.as_ref()),
                entity: row.acting_for.as_ref().map(|acting_for| &acting_for.legal_entity),
                chain: Chain::Within { family, epoch: row.epoch },
                terms: Terms { manner: manner.clone(), ..Terms::default() },
                origin,
            };
            let draft = self.issue(&mut tx, order).await?;
            tx.commit().await?;
            Ok::<_, Error>(Self::grant(tenant, draft))
        })
    }

    /// Issues tokens of a session of a shop's own pages, in a family of their own that the pages follow from now on.
    ///
    /// # Errors
    /// [`Refusal::InvalidToken`] when the session is over or not what the client has proof of;
    /// [`Refusal::InvalidGrant`] for a wrong code.
    pub async fn bridge_to_tokens(
        &self,
        tenant: &Tenant,
        request: &BridgeToTokens,
        origin: &Origin,
    ) -> Result<Granted, Error> {
        retrying!(self.bridge_to_tokens_once(tenant, request, origin))
    }

    async fn bridge_to_tokens_once(
        &self,
        tenant: &Tenant,
        request: &BridgeToTokens,
        origin: &Origin,
    ) -> Result<Granted, Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let row = tx.shop_cookie(&tenant.id, &request.handle, now).await?.filter(|row| row.is_alive);
        let row = row.filter(|row| row.customer == request.customer).ok_or(Refusal::InvalidToken)?;
        if let Some((code, verifier)) = &request.code {
            self.use_bridge_code(&mut tx, tenant, request, (code, verifier), now).await?;
        }
        let pages = pages(row, request.handle.clone(), None)?;
        let family = tx.family(&tenant.id, &pages.session, &pages.family, now).await?.ok_or(Refusal::InvalidToken)?;
        let (asker, entity) = ((&request.client, &request.manner), pages.legal_entity.as_ref());
        let chain = Chain::Begin { is_refreshable: true };
        let draft = self.issue_for_pages(&mut tx, tenant, asker, (&pages, &family), entity, chain, origin).await?;
        if let Some(family) = &draft.standing().family {
            tx.move_shop_cookie(&tenant.id, &request.handle, family).await?;
        }
        tx.commit().await?;
        Ok(Self::grant(tenant, draft))
    }

    /// A code for the bridge says only that the client which redeems it is the one that began.
    async fn use_bridge_code(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        request: &BridgeToTokens,
        (code, verifier): (&Secret, &Secret),
        now: Timestamp,
    ) -> Result<(), Error> {
        let found = tx.authorization_by_code(&tenant.id, &SecretHash::of(code.expose())).await?;
        let is_right = |row: &crate::store::AuthorizationRow| {
            let purpose = row.request.direct.as_ref().map(|direct: &Direct| direct.purpose);
            // The session says which visitor it is; the code's own name was made up before anybody looked.
            let named = DirectWish { is_direct: true, visitor: None, site: request.manner.site.clone() };
            row.client == request.client
                && purpose == Some(Purpose::Bridge)
                && named.fits(row.request.direct.as_ref())
                && is_challenged_by(row.request.code_challenge.as_deref(), Some(verifier))
        };
        let row = found.filter(is_right).ok_or(Refusal::InvalidGrant)?;
        if tx.exchange_authorization(&tenant.id, &row.id, row.expires_at, now).await? {
            Ok(())
        } else {
            Err(Refusal::InvalidGrant.into())
        }
    }
}

pub(crate) fn holder<'a>(
    session: &'a SessionId,
    customer: Option<&'a CustomerId>,
    scopes: Option<&'a Scopes>,
) -> Holder<'a> {
    match customer {
        Some(customer) => Holder::Customer { session, customer, scopes },
        None => Holder::Guest { session },
    }
}
