//! Passwords that are forgotten, and passwords that are known and to be another one. A reset always succeeds from the
//! outside; a change proves the present password at a door of its own (S-101).

use crate::{
    Actor, Engine, Error, NewPassword, Oneself, Origin, Refusal, ShownCode, Tenant,
    audit::Entry,
    customer::check_password_policy,
    log_out::Keep,
    mail::Change,
    one_time_link::{Purpose, bad_link},
    outbox::Errand,
    passwords::Match,
    retrying,
    store::Tx,
};
use prokura_domain::{CustomerId, CustomerState, Email, Timestamp};
use prokura_jose::Secret;

/// What the trail calls it.
const RESET_VERB: &str = "customer.reset_password";

impl Engine {
    /// Asks for a mail with which a new password can be chosen. Nothing tells whether somebody has the address.
    ///
    /// # Errors
    /// [`Refusal::Throttled`] for an address prefix that asks too much, whoever it asks for.
    pub async fn request_password_reset(&self, tenant: &Tenant, email: &Email, origin: &Origin) -> Result<(), Error> {
        let errand = Errand::PasswordReset { email_key: email.key().to_owned() };
        self.request_mail(tenant, email, "customer.request_password_reset", &errand, origin).await
    }

    /// Sends a customer the mail with which they choose a password, at the word of somebody who manages them.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], for somebody without an address as well.
    pub async fn send_password_mail(
        &self,
        tenant: &Tenant,
        id: &CustomerId,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let customer = tx.customer(&tenant.id, id).await?;
            let email = customer.and_then(|customer| customer.email).and_then(|email| Email::parse(&email).ok());
            let email_key = email.ok_or(Refusal::NotFound("customer"))?.key().to_owned();
            self.put_down(&mut tx, tenant, &Errand::PasswordReset { email_key }, now).await?;
            let entry = Entry::new(actor, "customer.send_password_mail", "customer", id.as_str());
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// Puts `errand` down for whoever has `email`, the same work for everybody (S-102). Who asks too often for one
    /// address gets no further mail and is not told.
    pub(crate) async fn request_mail(
        &self,
        tenant: &Tenant,
        email: &Email,
        verb: &'static str,
        errand: &Errand,
        origin: &Origin,
    ) -> Result<(), Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let (account, allowed) = self.take_request(&mut tx, tenant, verb, email.key(), origin, now).await?;
            let mut entry = Entry::new(&Actor::Guest, verb, "account", &account);
            match &allowed {
                Ok(()) => self.put_down(&mut tx, tenant, errand, now).await?,
                Err(refusal) => entry = entry.refused(refusal),
            }
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// Sets a new password with the token of a mail, once; every session of the customer ends.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for a token that is unknown, used or expired, or a password the tenant does not take.
    pub async fn reset_password(
        &self,
        tenant: &Tenant,
        token: &Secret,
        password: &Secret,
        origin: &Origin,
    ) -> Result<CustomerId, Error> {
        self.check_link(tenant, Purpose::PasswordReset, token, self.clock.now()).await?;
        let phc = self.password_hash(tenant, &NewPassword::Plain(password.clone())).await?;
        retrying!(self.reset_password_once(tenant, token, &phc, origin))
    }

    async fn reset_password_once(
        &self,
        tenant: &Tenant,
        token: &Secret,
        phc: &str,
        origin: &Origin,
    ) -> Result<CustomerId, Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let (id, _) = self.redeem_link(&mut tx, tenant, Purpose::PasswordReset, token, now).await?;
        if !self.replace_forgotten_password(&mut tx, tenant, (&id, true), phc, origin, now).await? {
            return Err(bad_link().into());
        }
        tx.commit().await?;
        Ok(id)
    }

    /// Sets a password that was forgotten; `false` for whoever may not have another. `is_mailed` says that what proved
    /// them came by mail, so they read what is sent to their address.
    async fn replace_forgotten_password(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        (id, is_mailed): (&CustomerId, bool),
        phc: &str,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<bool, Error> {
        // Who was stopped after the mail was sent stays out (S-101).
        let is_held = tx.hold_customer(&tenant.id, id).await?;
        let customer = tx
            .customer(&tenant.id, id)
            .await?
            .filter(|customer| is_held && matches!(customer.state, CustomerState::Active | CustomerState::Pending));
        let Some(customer) = customer else { return Ok(false) };
        let actor = Actor::Customer(id.clone());
        self.replace_password(tx, tenant, id, phc, Keep::Nothing, now).await?;
        self.tell_owner_of(tx, tenant, &customer, Change::Password, now).await?;
        if is_mailed {
            tx.verify_email(&tenant.id, id, now).await?;
        }
        let entry = Entry::new(&actor, RESET_VERB, "customer", id.as_str());
        self.audit(tx, &tenant.id, origin, entry, now).await?;
        Ok(true)
    }

    /// Sets a new password with a code, once; every session of the customer ends.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for a password the tenant does not take; [`Refusal::InvalidCredentials`] for a code that is
    /// wrong, used, over, or another client's; [`Refusal::Throttled`].
    pub async fn reset_password_by_code(
        &self,
        tenant: &Tenant,
        shown: &ShownCode,
        password: &Secret,
        origin: &Origin,
    ) -> Result<CustomerId, Error> {
        check_password_policy(tenant, password)?;
        self.check_code_client(tenant, shown.purpose, &shown.client).await?;
        let attempt = self.take_code_attempt(tenant, shown, origin).await?;
        let phc = self.hash_password(password.expose()).await?;
        let reset = retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let Some(redeemed) = self.redeem_one_time_code(&mut tx, tenant, shown, now).await? else {
                // The try counts.
                tx.commit().await?;
                return Err(Refusal::InvalidCredentials.into());
            };
            let owner = self.owner_of_code(&mut tx, tenant, &redeemed).await?.ok_or(Refusal::InvalidCredentials)?;
            let whose = (&owner.id, redeemed.kept.is_mailed);
            if !self.replace_forgotten_password(&mut tx, tenant, whose, &phc, origin, now).await? {
                return Err(Refusal::InvalidCredentials.into());
            }
            self.attempt_was_right(&mut tx, tenant, &attempt, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(owner.id)
        });
        match reset {
            Err(Error::Refused(refusal)) => {
                let entry = Entry::new(&Actor::Guest, RESET_VERB, "account", attempt.account()).client(&shown.client);
                Err(self.audit_refusal(&tenant.id, origin, entry, refusal).await?)
            }
            reset => reset,
        }
    }

    /// Changes the caller's own password. Whatever else they are logged in with ends; what they ask with stays.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for a wrong present password or a new one the tenant does not take;
    /// [`Refusal::Throttled`].
    pub async fn change_password(
        &self,
        tenant: &Tenant,
        caller: Oneself<'_>,
        current: &Secret,
        new: &Secret,
        origin: &Origin,
    ) -> Result<(), Error> {
        let id = caller.customer;
        check_password_policy(tenant, new)?;
        let (credential, attempt) =
            self.prove_password(tenant, caller, "change_password", "current_password", current, origin).await?;
        let phc = self.hash_password(new.expose()).await?;
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            if !tx.hold_customer(&tenant.id, id).await? || !tx.use_password(&tenant.id, &credential, now).await? {
                return Err(wrong_password("current_password"));
            }
            self.attempt_was_right(&mut tx, tenant, &attempt, now).await?;
            self.replace_password(&mut tx, tenant, id, &phc, caller.keep(), now).await?;
            self.tell_owner(&mut tx, tenant, id, Change::Password, now).await?;
            let actor = Actor::Customer(id.clone());
            let entry = Entry::new(&actor, "customer.change_password", "customer", id.as_str()).session(caller.session);
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// Checks the caller's present password at `door`, with a budget of its own, and returns which credential it was.
    pub(crate) async fn prove_password(
        &self,
        tenant: &Tenant,
        caller: Oneself<'_>,
        door: &'static str,
        field: &'static str,
        password: &Secret,
        origin: &Origin,
    ) -> Result<(String, crate::throttle::Attempt), Error> {
        let id = caller.customer;
        let attempt = self.take_attempt(tenant, door, id.as_str(), password, origin).await?;
        let credential = self.store.read().await?.password(&tenant.id, id).await?;
        let stored = credential.as_ref().map(|credential| credential.secret.as_str());
        let found = self.passwords.check(password.expose(), stored).await?;
        let Some(credential) = credential.filter(|_| found != Match::No) else {
            let actor = Actor::Customer(id.clone());
            let entry = Entry::new(&actor, "customer.prove_password", "customer", id.as_str()).session(caller.session);
            self.audit_refusal(&tenant.id, origin, entry, Refusal::InvalidCredentials).await?;
            return Err(wrong_password(field));
        };
        Ok((credential.id, attempt))
    }

    /// Sets the password, ends the sessions but for what is kept, and every link that was mailed.
    pub(crate) async fn replace_password(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        id: &CustomerId,
        phc: &str,
        keep: Keep<'_>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let credential = self.new_id(now)?;
        tx.set_password(&tenant.id, id, &credential, phc, false, now).await?;
        tx.revoke_links(&tenant.id, id, Some(Purpose::PasswordReset), now).await?;
        tx.revoke_codes_of(&tenant.id, id, now).await?;
        self.end_sessions_of(tx, tenant, id, keep, "password_changed", now).await
    }
}

fn wrong_password(field: &'static str) -> Error {
    Refusal::invalid(field, "this is not the present password").into()
}
