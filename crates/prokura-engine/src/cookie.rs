//! Logging in to pages. A cookie is a handle of a session, opaque and kept as a hash; what stands behind it is asked on
//! every use. A login always makes a new handle, and the one before is dead (S-90).

use crate::{
    Actor, Engine, Error, Origin, Refusal, Tenant,
    assurance::Proven,
    audit::Entry,
    retrying,
    store::{CookieRow, NewSession, Tx},
};
use prokura_domain::{ClientId, CustomerId, LegalEntityId, SessionId, Timestamp};
use prokura_jose::{Secret, SecretHash};

/// The kind prefix of cookies.
const COOKIE_PREFIX: &str = "pkr_ck_";
/// The client of a session that no client asked for: somebody came to the pages by themselves.
const PAGES: &str = "pages";
/// The verb in the audit trail and the door of the session.
pub(crate) const VERB: &str = "customer.log_in_to_pages";

/// Who is behind a cookie at this moment.
#[derive(Clone, Debug)]
pub struct PageSession {
    /// The session.
    pub session: SessionId,
    /// Whose it is.
    pub customer: CustomerId,
    /// When they proved who they are.
    pub authenticated_at: Option<Timestamp>,
    /// The company they chose last; in a locked session, the one it is locked to.
    pub last_entity: Option<LegalEntityId>,
    /// Whether the session acts for that company, or for nobody, and is never shown another (S-34).
    pub is_locked: bool,
}

impl From<CookieRow> for PageSession {
    fn from(row: CookieRow) -> Self {
        Self {
            session: row.session,
            customer: row.customer,
            authenticated_at: row.authenticated_at,
            last_entity: row.legal_entity,
            is_locked: row.is_locked,
        }
    }
}

/// Who comes in to the pages, and how they proved it.
#[derive(Clone, Copy)]
pub(crate) struct PageEntrance<'a> {
    /// The client that asked for the login.
    pub(crate) client: Option<&'a ClientId>,
    pub(crate) customer: &'a CustomerId,
    pub(crate) proven: Proven,
    /// The cookie before.
    pub(crate) before: Option<&'a Secret>,
}

/// A login to pages.
#[derive(Debug)]
pub struct PageLogin {
    /// The cookie.
    pub cookie: Secret,
    /// Who it is a handle of.
    pub page: PageSession,
    /// Whether the password was set by somebody else and should be changed.
    pub has_initial_password: bool,
}

impl Engine {
    /// Who is behind a cookie; `None` when it is unknown, idle for too long, over, or the customer is not active.
    ///
    /// # Errors
    /// Only faults.
    pub async fn page_session(&self, tenant: &Tenant, cookie: &Secret) -> Result<Option<PageSession>, Error> {
        let hash = SecretHash::of(cookie.expose());
        let row = self.store.read().await?.cookie_session(&tenant.id, &hash, self.clock.now()).await?;
        Ok(row.map(PageSession::from))
    }

    /// The end of every login to pages, in the transaction of what proved it: the same customer's session in this
    /// browser goes on with a new cookie; somebody else's ends.
    pub(crate) async fn open_page_session(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        entrance: &PageEntrance<'_>,
        origin: &Origin,
    ) -> Result<(Secret, PageSession), Error> {
        let PageEntrance { client, customer, proven, before } = *entrance;
        let now = self.clock.now();
        let there = match before {
            Some(cookie) => {
                let hash = SecretHash::of(cookie.expose());
                let there = tx.cookie_session(&tenant.id, &hash, now).await?;
                tx.delete_cookie_session(&tenant.id, &hash).await?;
                there
            }
            None => None,
        };
        // What was chosen in this browser is still chosen after a second login of the same person.
        let chosen =
            there.as_ref().filter(|there| there.customer == *customer).and_then(|there| there.legal_entity.clone());
        let expires_at = now.plus_seconds(tenant.settings.lifetimes.session.into());
        let is_locked = there.as_ref().is_some_and(|there| there.customer == *customer && there.is_locked);
        let session = match there {
            Some(there) if there.customer == *customer => {
                let door = (VERB, Some(proven), None);
                if !tx.adopt_session(&tenant.id, &there.session, customer, door, expires_at, now).await? {
                    return Err(crate::StoreError::Conflict.into());
                }
                there.session
            }
            there => {
                if let Some(there) = there {
                    self.end_session_in(tx, tenant, &there.session, "another_customer", now).await?;
                }
                self.new_page_session(tx, tenant, entrance, expires_at, origin).await?
            }
        };
        let cookie = Secret::generate(&*self.entropy, COOKIE_PREFIX)?;
        let hash = SecretHash::of(cookie.expose());
        let idle_until = now.plus_seconds(tenant.settings.lifetimes.page_idle.into());
        tx.insert_cookie_session(&tenant.id, &hash, &session, idle_until, expires_at, now).await?;
        if chosen.is_some() {
            tx.choose_for_cookie(&tenant.id, &hash, chosen.as_ref()).await?;
        }
        let actor = Actor::Customer(customer.clone());
        let entry = Entry::new(&actor, VERB, "session", session.as_str())
            .client_if(client)
            .session(Some(&session))
            .detail(serde_json::json!({ "amr": proven.amr() }));
        self.audit(tx, &tenant.id, origin, entry, now).await?;
        let page = PageSession {
            session,
            customer: customer.clone(),
            authenticated_at: Some(now),
            last_entity: chosen,
            is_locked,
        };
        Ok((cookie, page))
    }

    async fn new_page_session(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        entrance: &PageEntrance<'_>,
        expires_at: Timestamp,
        origin: &Origin,
    ) -> Result<SessionId, Error> {
        let now = self.clock.now();
        let session = self.new_session_id(now)?;
        let pages: ClientId = PAGES.parse().map_err(Error::crypto)?;
        let new = NewSession {
            id: &session,
            client: entrance.client.unwrap_or(&pages),
            customer: Some(entrance.customer),
            visitor: None,
            site: None,
            door: VERB,
            authenticated_at: Some(now),
            proven: Some(entrance.proven),
            expires_at,
            look_at: Some(now.plus_seconds(tenant.settings.lifetimes.page_idle.into())),
            origin,
        };
        tx.insert_session(&tenant.id, &new, now).await?;
        Ok(session)
    }

    /// Logs out of pages: the cookie, the session and every family of it end in one go (S-93). Unknown cookies are fine.
    ///
    /// # Errors
    /// Only faults.
    pub async fn log_out_of_pages(&self, tenant: &Tenant, cookie: &Secret, origin: &Origin) -> Result<(), Error> {
        retrying!(self.log_out_of_pages_once(tenant, cookie, origin))
    }

    async fn log_out_of_pages_once(&self, tenant: &Tenant, cookie: &Secret, origin: &Origin) -> Result<(), Error> {
        let now = self.clock.now();
        let hash = SecretHash::of(cookie.expose());
        let mut tx = self.store.write().await?;
        if let Some(there) = tx.cookie_session(&tenant.id, &hash, now).await? {
            tx.delete_cookie_session(&tenant.id, &hash).await?;
            self.end_session_in(&mut tx, tenant, &there.session, "log_out", now).await?;
            let actor = Actor::Customer(there.customer);
            let entry =
                Entry::new(&actor, "customer.log_out", "session", there.session.as_str()).session(Some(&there.session));
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Ends the session an ID token names, when it is still the customer's: a logout a client began (OpenID Connect
    /// RP-Initiated Logout 1.0).
    ///
    /// # Errors
    /// Only faults.
    pub async fn log_out_session(
        &self,
        tenant: &Tenant,
        session: &SessionId,
        customer: &CustomerId,
        origin: &Origin,
    ) -> Result<(), Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let is_theirs =
                tx.session(&tenant.id, session).await?.is_some_and(|row| row.customer.as_ref() == Some(customer));
            if is_theirs && self.end_session_in(&mut tx, tenant, session, "log_out", now).await? {
                let actor = Actor::Customer(customer.clone());
                let entry = Entry::new(&actor, "customer.log_out", "session", session.as_str()).session(Some(session));
                self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            }
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// Gives the browser's session a new secret, for it is surer now than the one before.
    pub(crate) async fn renew_cookie(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        before: &Secret,
    ) -> Result<Secret, Error> {
        let cookie = Secret::generate(&*self.entropy, COOKIE_PREFIX)?;
        let (before, hash) = (SecretHash::of(before.expose()), SecretHash::of(cookie.expose()));
        if !tx.renew_cookie_session(&tenant.id, &before, &hash).await? {
            return Err(Refusal::InvalidToken.into());
        }
        Ok(cookie)
    }

    /// What a decision on a page may rest on: the browser's session, held against the database in `tx`.
    pub(crate) async fn page_session_in(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        cookie: &Secret,
    ) -> Result<CookieRow, Error> {
        let hash = SecretHash::of(cookie.expose());
        let row = tx.cookie_session(&tenant.id, &hash, self.clock.now()).await?;
        Ok(row.ok_or(Refusal::InvalidToken)?)
    }
}
