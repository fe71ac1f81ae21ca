//! Who is on a shop's own pages. The pages have cookies for handles of sessions; what stands behind one is asked with every
//! page. They act for the company of one family of tokens, as its tokens do.
//!
//! A handle is good until it was idle for too long or its hard end has come. The session it stands for lasts longer, and
//! whoever still has a refresh token of it gets another handle instead of becoming a stranger.

use crate::{
    Actor, BeginGuest, Engine, EntityWish, Error, Granted, Manner, Origin, Refusal, Tenant, VisitorWish, Wishes,
    audit::Entry,
    bridge::holder,
    issue::{Chain, Door, Draft, Order, Terms},
    refresh::redeem,
    retrying,
    store::{FamilyRow, NewShopCookie, ShopCookieRow, Tx},
};
use prokura_domain::{ClientId, CustomerId, FamilyId, LegalEntityId, Scopes, SessionId, SiteId, Timestamp, VisitorId};
use prokura_jose::{Secret, SecretHash};

/// The kind prefix of the handles.
const SHOP_COOKIE_PREFIX: &str = "pkr_sp_";
const RESTORE_VERB: &str = "session.restore_pages";

/// A session of a shop's own pages.
#[derive(Clone, Debug)]
pub struct ShopPages {
    /// A handle to be set; `None` where the one that was shown stays.
    pub cookie: Option<Secret>,
    /// What is kept of the handle: it names it without being it.
    pub handle: SecretHash,
    /// The session behind it.
    pub session: SessionId,
    /// The family whose company the pages follow.
    pub family: FamilyId,
    /// Who is logged in.
    pub customer: Option<CustomerId>,
    /// The name the visitor goes by.
    pub visitor: Option<VisitorId>,
    /// The storefront.
    pub site: Option<SiteId>,
    /// For whom the pages act.
    pub legal_entity: Option<LegalEntityId>,
    /// When it ends where nothing is done on the pages.
    pub idle_until: Timestamp,
    /// When it ends whatever is done there.
    pub expires_at: Timestamp,
}

/// A shop's page asks who is there.
#[derive(Debug)]
pub struct VisitPages {
    /// Which shop.
    pub client: ClientId,
    /// The handle the browser has.
    pub cookie: Option<Secret>,
    /// A refresh token the browser has, of whichever client of the shop.
    pub refresh_token: Option<Secret>,
    /// The storefront, for whoever is new.
    pub wishes: Wishes,
    /// Whether the visit counts as activity.
    pub is_activity: bool,
    /// Whether whoever was here before their handle ended is known again by their refresh token; otherwise they are a
    /// new guest, and the trail says so.
    pub restores: bool,
    /// What the dialect wants otherwise.
    pub manner: Manner,
}

/// Who is there.
#[derive(Debug)]
pub struct ShopVisit {
    /// The session of the pages.
    pub pages: ShopPages,
    /// An access token for what the page asks of services; with a refresh token for whoever is new.
    pub granted: Granted,
    /// Whether this session of the pages began just now.
    pub is_new: bool,
    /// Whether it began because a refresh token told who it is.
    pub is_restored: bool,
}

impl Engine {
    /// What names the handle of a session of a shop's own pages.
    pub fn shop_handle(cookie: &Secret) -> SecretHash {
        SecretHash::of(cookie.expose())
    }

    /// Tells a shop's page who is there, by the browser's handle; else by its refresh token; else it is a new guest.
    ///
    /// # Errors
    /// [`Refusal::InvalidClient`], [`Refusal::UnauthorizedClient`].
    pub async fn visit_pages(
        &self,
        tenant: &Tenant,
        request: &VisitPages,
        origin: &Origin,
    ) -> Result<ShopVisit, Error> {
        retrying!(self.visit_pages_once(tenant, request, origin))
    }

    async fn visit_pages_once(
        &self,
        tenant: &Tenant,
        request: &VisitPages,
        origin: &Origin,
    ) -> Result<ShopVisit, Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        Self::check_grant(&mut tx, tenant, &request.client, Door::Bridge).await?;
        let shown = match &request.cookie {
            Some(cookie) => {
                let hash = SecretHash::of(cookie.expose());
                tx.shop_cookie(&tenant.id, &hash, now).await?.map(|row| (row, hash))
            }
            None => None,
        };
        // A session is one storefront's; at another one it is not there.
        let is_here = |site: Option<&SiteId>| request.wishes.site.as_ref().is_none_or(|wanted| site == Some(wanted));
        if let Some((row, hash)) = shown.as_ref().filter(|(row, _)| row.is_alive && is_here(row.site.as_ref())) {
            let mut pages = pages(row.clone(), hash.clone(), None)?;
            if request.is_activity {
                pages.idle_until = Self::shop_idle_until(tenant, pages.expires_at, now);
                if !tx.touch_shop_cookie(&tenant.id, hash, pages.idle_until, now).await? {
                    return Err(crate::StoreError::Conflict.into());
                }
            }
            let draft = self.token_for_pages(&mut tx, tenant, &request.client, &pages, &request.manner, origin).await?;
            tx.commit().await?;
            return Ok(ShopVisit { pages, granted: Self::grant(tenant, draft), is_new: false, is_restored: false });
        }
        if let Some((_, hash)) = shown.as_ref().filter(|(row, _)| !row.is_alive) {
            tx.delete_cookie_session(&tenant.id, hash).await?;
        }
        if let Some(token) = request.refresh_token.as_ref().filter(|_| request.restores)
            && let Some((session, family)) =
                self.session_of_refresh_token(&mut tx, tenant, (token, request.wishes.site.as_ref()), now).await?
        {
            let pages = self.open_shop_pages(&mut tx, tenant, &session, &family, now).await?;
            let draft = self.token_for_pages(&mut tx, tenant, &request.client, &pages, &request.manner, origin).await?;
            let who = Actor::shopper(pages.customer.as_ref());
            let entry = Entry::new(&who, RESTORE_VERB, "session", session.as_str())
                .entity(pages.legal_entity.as_ref())
                .client(&request.client)
                .session(Some(&session));
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            tx.commit().await?;
            return Ok(ShopVisit { pages, granted: Self::grant(tenant, draft), is_new: true, is_restored: true });
        }
        self.begin_guest_on_pages(tx, tenant, request, shown.map(|(row, _)| row), origin).await
    }

    /// Whoever nothing is known of becomes a guest. One who was somebody until their handle ended is noted.
    async fn begin_guest_on_pages(
        &self,
        mut tx: Tx<'_>,
        tenant: &Tenant,
        request: &VisitPages,
        before: Option<ShopCookieRow>,
        origin: &Origin,
    ) -> Result<ShopVisit, Error> {
        let now = self.clock.now();
        let session = self.new_session_id(now)?;
        let sites = tx.sites(&tenant.id).await?;
        let was_guest = before.as_ref().is_some_and(|row| row.customer.is_none());
        let visitor = before.as_ref().filter(|_| was_guest).and_then(|row| row.visitor.clone());
        let guest = BeginGuest {
            client: request.client.clone(),
            wishes: request.wishes.clone(),
            visitor: visitor.map_or(VisitorWish::New, VisitorWish::Keep),
            manner: request.manner.clone(),
        };
        let draft = self.begin_guest_in(&mut tx, tenant, &guest, (&session, &sites), origin).await?;
        let family = draft.standing().family.clone().ok_or(Refusal::InvalidGrant)?;
        let pages = self.open_shop_pages(&mut tx, tenant, &session, &family, now).await?;
        if let Some(row) = before.filter(|row| row.customer.is_some()) {
            let entry = Entry::new(&Actor::Guest, "session.forget_on_pages", "session", row.session.as_str())
                .client(&request.client)
                .session(Some(&session));
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
        }
        tx.commit().await?;
        Ok(ShopVisit { pages, granted: Self::grant(tenant, draft), is_new: true, is_restored: false })
    }

    /// Lets the pages, and with them the family they follow, act for somebody else from now on.
    ///
    /// # Errors
    /// [`Refusal::InvalidToken`] when nobody is logged in there; [`Refusal::NotAssigned`], [`Refusal::EntityLocked`].
    pub async fn choose_on_pages(
        &self,
        tenant: &Tenant,
        client: &ClientId,
        cookie: &Secret,
        wish: &EntityWish,
        manner: &Manner,
        origin: &Origin,
    ) -> Result<ShopVisit, Error> {
        retrying!(self.choose_on_pages_once(tenant, client, cookie, wish, manner, origin))
    }

    async fn choose_on_pages_once(
        &self,
        tenant: &Tenant,
        client: &ClientId,
        cookie: &Secret,
        wish: &EntityWish,
        manner: &Manner,
        origin: &Origin,
    ) -> Result<ShopVisit, Error> {
        let now = self.clock.now();
        let hash = SecretHash::of(cookie.expose());
        let mut tx = self.store.write().await?;
        let row = tx.shop_cookie(&tenant.id, &hash, now).await?.filter(|row| row.is_alive);
        let row = row.filter(|row| row.customer.is_some()).ok_or(Refusal::InvalidToken)?;
        let mut pages = pages(row, hash.clone(), None)?;
        let family = tx.family(&tenant.id, &pages.session, &pages.family, now).await?.ok_or(Refusal::InvalidToken)?;
        let entity = match wish {
            EntityWish::Keep => pages.legal_entity.clone(),
            EntityWish::Nobody => None,
            EntityWish::Of(entity) => Some(entity.clone()),
            EntityWish::Malformed => return Err(Refusal::NotAssigned.into()),
        };
        let chain = Chain::Switch { family: &pages.family, before: family.acting_for.as_ref() };
        let (who, entity) = (&pages, entity.as_ref());
        let draft =
            self.issue_for_pages(&mut tx, tenant, (client, manner), (who, &family), entity, chain, origin).await;
        let draft = match draft {
            Err(Error::Refused(refusal)) => {
                drop(tx);
                let who = Actor::shopper(pages.customer.as_ref());
                let entry = Entry::new(&who, Door::Bridge.verb(), "family", pages.family.as_str())
                    .entity(entity)
                    .client(client)
                    .session(Some(&pages.session));
                return Err(self.audit_refusal(&tenant.id, origin, entry, refusal).await?);
            }
            draft => draft?,
        };
        pages.idle_until = Self::shop_idle_until(tenant, pages.expires_at, now);
        tx.touch_shop_cookie(&tenant.id, &hash, pages.idle_until, now).await?;
        tx.set_context_entity(&tenant.id, &pages.session, draft.standing().legal_entity()).await?;
        pages.legal_entity = draft.standing().legal_entity().cloned();
        tx.commit().await?;
        Ok(ShopVisit { pages, granted: Self::grant(tenant, draft), is_new: false, is_restored: false })
    }

    /// Logs out of the pages: handle, session and every family of it end in one go (S-93). Unknown handles are fine.
    ///
    /// # Errors
    /// Only faults.
    pub async fn log_out_of_shop_pages(&self, tenant: &Tenant, cookie: &Secret, origin: &Origin) -> Result<(), Error> {
        retrying!(async {
            let now = self.clock.now();
            let hash = SecretHash::of(cookie.expose());
            let mut tx = self.store.write().await?;
            if let Some(row) = tx.shop_cookie(&tenant.id, &hash, now).await? {
                tx.delete_cookie_session(&tenant.id, &hash).await?;
                if self.end_session_in(&mut tx, tenant, &row.session, "log_out", now).await? {
                    let who = Actor::shopper(row.customer.as_ref());
                    let entry = Entry::new(&who, "customer.log_out", "session", row.session.as_str())
                        .session(Some(&row.session));
                    self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
                }
            }
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// Who is behind a handle, without a word that they were here.
    ///
    /// # Errors
    /// [`Refusal::InvalidToken`] when it is unknown or over.
    pub async fn shop_pages(&self, tenant: &Tenant, handle: &SecretHash) -> Result<ShopPages, Error> {
        let row = self.store.read().await?.shop_cookie(&tenant.id, handle, self.clock.now()).await?;
        pages(row.filter(|row| row.is_alive).ok_or(Refusal::InvalidToken)?, handle.clone(), None)
    }

    /// Whose refresh token it is, without using it up: having it shows that the browser is theirs. A session of another
    /// storefront is none.
    async fn session_of_refresh_token(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        (token, site): (&Secret, Option<&SiteId>),
        now: Timestamp,
    ) -> Result<Option<(SessionId, FamilyId)>, Error> {
        let Some(row) = tx.refresh_token(&tenant.id, &SecretHash::of(token.expose())).await? else { return Ok(None) };
        // A token of a client that proves a key is nobody's who cannot.
        if row.bound_to.is_some() || redeem(&row, now).is_err() {
            return Ok(None);
        }
        let there = tx.session(&tenant.id, &row.session).await?;
        let is_there = there.is_some_and(|there| {
            let is_here = site.is_none() || there.site.as_ref() == site;
            there.is_active && there.expires_at > now && there.customer == row.customer && is_here
        });
        Ok(is_there.then_some((row.session, row.family)))
    }

    /// An access token for what a page asks of services, of the family the pages follow.
    pub(crate) async fn token_for_pages(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        client: &ClientId,
        pages: &ShopPages,
        manner: &Manner,
        origin: &Origin,
    ) -> Result<Draft, Error> {
        let now = self.clock.now();
        let family = tx.family(&tenant.id, &pages.session, &pages.family, now).await?.ok_or(Refusal::InvalidGrant)?;
        let chain = Chain::Within { family: &pages.family, epoch: family.epoch };
        let entity = pages.legal_entity.as_ref();
        match self.issue_for_pages(tx, tenant, (client, manner), (pages, &family), entity, chain, origin).await {
            // The company was lost: the page acts for nobody, and the family's next refresh says the same.
            Err(Error::Refused(Refusal::NotAssigned)) => {
                let chain = Chain::Switch { family: &pages.family, before: family.acting_for.as_ref() };
                self.issue_for_pages(tx, tenant, (client, manner), (pages, &family), None, chain, origin).await
            }
            draft => draft,
        }
    }

    /// Tokens of a session of pages, never for more than was granted to the family they follow.
    pub(crate) async fn issue_for_pages(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        (client, manner): (&ClientId, &Manner),
        (pages, family): (&ShopPages, &FamilyRow),
        entity: Option<&LegalEntityId>,
        chain: Chain<'_>,
        origin: &Origin,
    ) -> Result<Draft, Error> {
        let scopes = family.scope.as_deref().map(Scopes::parse).transpose().map_err(|_| Refusal::InvalidScope)?;
        let order = Order {
            tenant,
            door: Door::Bridge,
            client,
            holder: holder(&pages.session, pages.customer.as_ref(), scopes.as_ref()),
            entity,
            chain,
            terms: Terms { manner: manner.clone(), ..Terms::default() },
            origin,
        };
        self.issue(tx, order).await
    }

    /// A new handle for a session that stands.
    pub(crate) async fn open_shop_pages(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        session: &SessionId,
        family: &FamilyId,
        now: Timestamp,
    ) -> Result<ShopPages, Error> {
        let cookie = Secret::generate(&*self.entropy, SHOP_COOKIE_PREFIX)?;
        let hash = SecretHash::of(cookie.expose());
        let expires_at = now.plus_seconds(tenant.settings.lifetimes.shop_page.into());
        let new = NewShopCookie {
            hash: &hash,
            session,
            family,
            idle_until: Self::shop_idle_until(tenant, expires_at, now),
            expires_at,
        };
        tx.insert_shop_cookie(&tenant.id, &new, now).await?;
        let row = tx.shop_cookie(&tenant.id, &hash, now).await?.ok_or(Refusal::InvalidToken)?;
        pages(row, hash, Some(cookie))
    }

    /// Forgets a handle that is replaced, when it is of the same session; nobody can end another's by showing it.
    pub(crate) async fn drop_handle_of(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        shown: &Secret,
        session: &SessionId,
        now: Timestamp,
    ) -> Result<(), Error> {
        let hash = SecretHash::of(shown.expose());
        if tx.shop_cookie(&tenant.id, &hash, now).await?.is_some_and(|row| row.session == *session) {
            tx.delete_cookie_session(&tenant.id, &hash).await?;
        }
        Ok(())
    }

    fn shop_idle_until(tenant: &Tenant, expires_at: Timestamp, now: Timestamp) -> Timestamp {
        now.plus_seconds(tenant.settings.lifetimes.shop_page_idle.into()).min(expires_at)
    }
}

pub(crate) fn pages(row: ShopCookieRow, handle: SecretHash, cookie: Option<Secret>) -> Result<ShopPages, Error> {
    Ok(ShopPages {
        cookie,
        handle,
        session: row.session,
        family: row.family.ok_or(Refusal::InvalidToken)?,
        customer: row.customer,
        visitor: row.visitor,
        site: row.site,
        legal_entity: row.legal_entity,
        idle_until: row.idle_until,
        expires_at: row.expires_at,
    })
}
