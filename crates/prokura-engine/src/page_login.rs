//! Logging in to pages step by step: the password, then the second factor of who has one. Between the two, the login is
//! a row that belongs to the browser (S-95) and good for a few tries; until it is over nobody is logged in.

use crate::{
    Actor, Engine, Error, LogIn, Origin, PageLogin, Refusal, Tenant,
    assurance::Proven,
    audit::Entry,
    cookie::{PageEntrance, VERB},
    log_in::Proof,
    retrying,
    second_factor::Code,
    store::PendingLoginRow,
    throttle::{Attempt, SECOND_FACTOR},
};
use prokura_domain::ClientId;
use prokura_jose::{Secret, SecretHash};

/// How long a login waits for its second factor, and how many codes may be tried before the password is asked again.
const PENDING_SECONDS: i64 = 600;
const TRIES: u32 = 5;

/// The browser somebody logs in with.
#[derive(Clone, Copy, Debug)]
pub struct AtBrowser<'a> {
    /// Its own secret, that a login with several steps belongs to.
    pub secret: &'a Secret,
    /// The handle of the session it is logged in with already.
    pub before: Option<&'a Secret>,
}

/// How far a login to pages came by the password.
#[derive(Debug)]
pub enum PageEntry {
    /// All the way.
    In(Box<PageLogin>),
    /// The second factor is asked for next.
    SecondFactor,
}

impl Engine {
    /// Logs a customer in to pages by e-mail and password, or as far as the second factor. The same customer's session
    /// in this browser goes on with a new cookie; somebody else's ends.
    ///
    /// # Errors
    /// [`Refusal::InvalidCredentials`], [`Refusal::Throttled`], or the state of the customer once the password was
    /// right.
    pub async fn log_in_to_pages(
        &self,
        tenant: &Tenant,
        client: Option<&ClientId>,
        request: &LogIn,
        browser: &AtBrowser<'_>,
        origin: &Origin,
    ) -> Result<PageEntry, Error> {
        let proof = self.prove_login(tenant, client, VERB, request, origin).await?;
        retrying!(self.log_in_to_pages_once(tenant, client, &proof, browser, origin))
    }

    async fn log_in_to_pages_once(
        &self,
        tenant: &Tenant,
        client: Option<&ClientId>,
        proof: &Proof,
        browser: &AtBrowser<'_>,
        origin: &Origin,
    ) -> Result<PageEntry, Error> {
        let now = self.clock.now();
        let customer = &proof.customer;
        let mut tx = self.store.write().await?;
        let pending = SecretHash::of(browser.secret.expose());
        // Held before the factor is looked at, so that one that is being added is seen or ends this session.
        if !tx.hold_customer(&tenant.id, customer).await? {
            return Err(Refusal::InvalidCredentials.into());
        }
        if tx.totp(&tenant.id, customer).await?.is_some_and(|row| row.is_active) {
            self.accept_password(&mut tx, tenant, proof, now).await?;
            let row = PendingLoginRow {
                customer: customer.clone(),
                credential: proof.credential.id.clone(),
                expires_at: now.plus_seconds(PENDING_SECONDS),
            };
            tx.put_pending_login(&tenant.id, &pending, &row, now).await?;
            let actor = Actor::Customer(customer.clone());
            let entry = Entry::new(&actor, "customer.ask_second_factor", "customer", customer.as_str());
            self.audit(&mut tx, &tenant.id, origin, entry.client_if(client), now).await?;
            tx.commit().await?;
            return Ok(PageEntry::SecondFactor);
        }
        tx.delete_pending_login(&tenant.id, &pending).await?;
        self.use_proof(&mut tx, tenant, proof, now).await?;
        let entrance = PageEntrance { client, customer, proven: Proven::Password, before: browser.before };
        let (cookie, page) = self.open_page_session(&mut tx, tenant, &entrance, origin).await?;
        tx.commit().await?;
        let has_initial_password = proof.credential.is_initial;
        Ok(PageEntry::In(Box::new(PageLogin { cookie, page, has_initial_password })))
    }

    /// Who a browser is in the middle of logging in as: their address. `None` when it is not.
    ///
    /// # Errors
    /// Only faults.
    pub async fn awaited_second_factor(&self, tenant: &Tenant, browser: &Secret) -> Result<Option<String>, Error> {
        let hash = SecretHash::of(browser.expose());
        let mut reader = self.store.read().await?;
        let Some(row) = reader.pending_login(&tenant.id, &hash, self.clock.now()).await? else { return Ok(None) };
        Ok(reader.customer(&tenant.id, &row.customer).await?.and_then(|customer| customer.email))
    }

    /// Ends a login to pages with a code of the customer's app, or with a recovery code.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when no login waits for one, or for no code any more; [`Refusal::InvalidCredentials`] for a
    /// wrong code; [`Refusal::Throttled`].
    pub async fn prove_second_factor(
        &self,
        tenant: &Tenant,
        client: Option<&ClientId>,
        code: &Secret,
        browser: &AtBrowser<'_>,
        origin: &Origin,
    ) -> Result<PageLogin, Error> {
        let hash = SecretHash::of(browser.secret.expose());
        let pending = self.store.read().await?.pending_login(&tenant.id, &hash, self.clock.now()).await?;
        let customer = pending.ok_or(Refusal::NotFound("login"))?.customer;
        let attempt = self.take_attempt(tenant, SECOND_FACTOR, customer.as_str(), code, origin).await?;
        retrying!(self.prove_second_factor_once(tenant, client, (code, &attempt), browser, origin))
    }

    async fn prove_second_factor_once(
        &self,
        tenant: &Tenant,
        client: Option<&ClientId>,
        (code, attempt): (&Secret, &Attempt),
        browser: &AtBrowser<'_>,
        origin: &Origin,
    ) -> Result<PageLogin, Error> {
        let now = self.clock.now();
        let hash = SecretHash::of(browser.secret.expose());
        let mut tx = self.store.write().await?;
        let pending = tx.try_pending_login(&tenant.id, &hash, TRIES, now).await?;
        let pending = pending.ok_or(Refusal::NotFound("login"))?;
        let customer = &pending.customer;
        let actor = Actor::Customer(customer.clone());
        let found = self.use_code(&mut tx, tenant, customer, code, now).await?;
        let Some(found) = found else {
            let refusal = Refusal::InvalidCredentials;
            let entry = Entry::new(&actor, "customer.prove_second_factor", "customer", customer.as_str())
                .client_if(client)
                .refused(&refusal);
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            tx.commit().await?;
            return Err(refusal.into());
        };
        tx.delete_pending_login(&tenant.id, &hash).await?;
        // Whoever was stopped, or whose password was changed, while this login waited stays out (S-101).
        if !tx.note_login(&tenant.id, customer, now).await?
            || !tx.use_password(&tenant.id, &pending.credential, now).await?
        {
            return Err(Refusal::NotFound("login").into());
        }
        self.attempt_was_right(&mut tx, tenant, attempt, now).await?;
        if found == Code::Recovery {
            let entry = Entry::new(&actor, "customer.use_recovery_code", "customer", customer.as_str());
            self.audit(&mut tx, &tenant.id, origin, entry.client_if(client), now).await?;
        }
        let entrance = PageEntrance { client, customer, proven: Proven::PasswordAndCode, before: browser.before };
        let (cookie, page) = self.open_page_session(&mut tx, tenant, &entrance, origin).await?;
        tx.commit().await?;
        Ok(PageLogin { cookie, page, has_initial_password: false })
    }
}
