//! What customers see and change of their own on the pages: who they are, where they are logged in, for which company
//! this browser acts. Every change is decided against the cookie's session in the transaction that makes it.

use crate::{
    Actor, Customer, Engine, EntityChoice, Error, Origin, PageSession, Refusal, Tenant, audit::Entry, log_out::Keep,
    retrying,
};
use prokura_domain::{CustomerId, FamilyId, LegalEntityId, SessionId, Timestamp};
use prokura_jose::{AccessToken, Secret, SecretHash};

/// The most sessions a list shows; who has more ends them all.
const MAX_SESSIONS: u32 = 100;

/// Somebody who changes their own account, and with what they ask: a token or a cookie.
#[derive(Clone, Copy, Debug)]
pub struct Oneself<'a> {
    /// Who they are.
    pub customer: &'a CustomerId,
    /// The session they ask in.
    pub session: Option<&'a SessionId>,
    /// The family of the token they ask with; `None` for a browser at the pages.
    pub family: Option<&'a FamilyId>,
}

impl<'a> Oneself<'a> {
    /// Who asks with a token.
    ///
    /// # Errors
    /// [`Refusal::InvalidToken`] when nobody is logged in with it; [`Refusal::Forbidden`] when it is somebody else who acts
    /// for them: how a customer logs in is theirs alone to change (S-149).
    pub fn of(token: &'a AccessToken) -> Result<Self, Refusal> {
        let standing = &token.standing;
        let customer = standing.customer().ok_or(Refusal::InvalidToken)?;
        if !token.actors.is_empty() {
            return Err(Refusal::Forbidden("whoever acts for a customer does not change how they log in"));
        }
        Ok(Self { customer, session: standing.session.as_ref(), family: standing.family.as_ref() })
    }

    /// What outlives a change that ends everything else.
    pub(crate) fn keep(self) -> Keep<'a> {
        match (self.family, self.session) {
            (Some(family), _) => Keep::Family(family),
            (None, Some(session)) => Keep::Session(session),
            (None, None) => Keep::Nothing,
        }
    }
}

impl PageSession {
    /// Who asks with the cookie.
    pub fn oneself(&self) -> Oneself<'_> {
        Oneself { customer: &self.customer, session: Some(&self.session), family: None }
    }
}

/// Who is logged in to the pages, as every page of their account shows it.
#[derive(Clone, Debug)]
pub struct Account {
    /// The browser's session.
    pub page: PageSession,
    /// Who it is.
    pub customer: Customer,
    /// The company this browser acts for; `None` for the person alone, and when they may not act for it any more.
    pub acting_for: Option<EntityChoice>,
    /// Whether they manage the people of that company.
    pub is_company_admin: bool,
}

/// A session as its owner sees it.
#[derive(Clone, Debug)]
pub struct OwnSession {
    /// Its id.
    pub id: SessionId,
    /// The name of the client it began with.
    pub client_name: Option<String>,
    /// What the device said about itself.
    pub user_agent: Option<String>,
    /// From where.
    pub address: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was last used, as far as that is written down.
    pub seen_at: Timestamp,
    /// The company it acts for, with its name.
    pub legal_entity: Option<(LegalEntityId, String)>,
    /// Whether it is the one that asks.
    pub is_current: bool,
}

impl Engine {
    /// Who is logged in with a cookie; `None` for nobody.
    ///
    /// # Errors
    /// Only faults.
    pub async fn account(&self, tenant: &Tenant, cookie: &Secret) -> Result<Option<Account>, Error> {
        let Some(page) = self.page_session(tenant, cookie).await? else { return Ok(None) };
        let customer = self.customer(tenant, &page.customer).await?;
        let acting_for = match &page.last_entity {
            Some(entity) => self.choice_of(tenant, &page.customer, entity).await?,
            None => None,
        };
        let is_company_admin = acting_for.is_some() && self.is_company_admin(tenant, &page).await?;
        Ok(Some(Account { page, customer, acting_for, is_company_admin }))
    }

    /// When a customer's password was set; `None` without one.
    ///
    /// # Errors
    /// Only faults.
    pub async fn password_set_at(&self, tenant: &Tenant, id: &CustomerId) -> Result<Option<Timestamp>, Error> {
        let credential = self.store.read().await?.password(&tenant.id, id).await?;
        Ok(credential.map(|credential| credential.created_at))
    }

    /// Where a customer is logged in, this browser first, then the newest; at most a hundred. A locked session is not
    /// told what other companies the others act for (S-34).
    ///
    /// # Errors
    /// Only faults.
    pub async fn own_sessions(&self, tenant: &Tenant, page: &PageSession) -> Result<Vec<OwnSession>, Error> {
        let now = self.clock.now();
        let mut reader = self.store.read().await?;
        let mut sessions = reader.own_sessions(&tenant.id, &page.customer, &page.session, now, MAX_SESSIONS).await?;
        if page.is_locked {
            for session in &mut sessions {
                session.legal_entity =
                    session.legal_entity.take().filter(|(entity, _)| Some(entity) == page.last_entity.as_ref());
            }
        }
        Ok(sessions)
    }

    /// Ends one of the customer's own sessions. One that ended before is fine.
    ///
    /// # Errors
    /// [`Refusal::InvalidToken`] when nobody is logged in; [`Refusal::NotFound`] when the session is unknown or
    /// somebody else's.
    pub async fn end_own_session(
        &self,
        tenant: &Tenant,
        cookie: &Secret,
        session: &SessionId,
        origin: &Origin,
    ) -> Result<(), Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let there = self.page_session_in(&mut tx, tenant, cookie).await?;
            let found = tx.session(&tenant.id, session).await?;
            found.filter(|row| row.customer.as_ref() == Some(&there.customer)).ok_or(Refusal::NotFound("session"))?;
            if self.end_session_in(&mut tx, tenant, session, "owner", now).await? {
                let actor = Actor::Customer(there.customer);
                let entry =
                    Entry::new(&actor, "session.end", "session", session.as_str()).session(Some(&there.session));
                self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            }
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// Ends every session of the customer but the one that asks (S-93).
    ///
    /// # Errors
    /// [`Refusal::InvalidToken`] when nobody is logged in.
    pub async fn end_other_sessions(&self, tenant: &Tenant, cookie: &Secret, origin: &Origin) -> Result<(), Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let there = self.page_session_in(&mut tx, tenant, cookie).await?;
            // Held, so that no login slips in between the sessions that are listed and those that end.
            if !tx.hold_customer(&tenant.id, &there.customer).await? {
                return Err(Refusal::InvalidToken.into());
            }
            let keep = Keep::Session(&there.session);
            self.end_sessions_of(&mut tx, tenant, &there.customer, keep, "owner", now).await?;
            let actor = Actor::Customer(there.customer.clone());
            let entry = Entry::new(&actor, "session.end_others", "customer", there.customer.as_str())
                .session(Some(&there.session));
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// Remembers for this browser which company the customer acts for; `None` for the person alone. Tokens that were
    /// issued keep their company.
    ///
    /// # Errors
    /// [`Refusal::InvalidToken`] when nobody is logged in; [`Refusal::NotAssigned`].
    pub async fn choose_for_browser(
        &self,
        tenant: &Tenant,
        cookie: &Secret,
        entity: Option<&LegalEntityId>,
        origin: &Origin,
    ) -> Result<(), Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let there = self.page_session_in(&mut tx, tenant, cookie).await?;
            Self::check_lock(&mut tx, tenant, &there.session, entity).await?;
            if let Some(entity) = entity {
                let found = tx.assignment_for_issue(&tenant.id, &there.customer, entity).await?;
                found.filter(|found| found.is_entity_active).ok_or(Refusal::NotAssigned)?;
            }
            if !tx.choose_for_cookie(&tenant.id, &SecretHash::of(cookie.expose()), entity).await? {
                return Err(Refusal::InvalidToken.into());
            }
            let actor = Actor::Customer(there.customer);
            let entry = Entry::new(&actor, "session.choose_entity", "session", there.session.as_str())
                .entity(entity)
                .session(Some(&there.session));
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }
}
