//! Another address to log in with: asked for with the password, confirmed from the new mailbox.

use crate::{
    Actor, Engine, Error, Oneself, Origin, Refusal, StoreError, Tenant,
    audit::Entry,
    mail::Change,
    one_time_link::{Purpose, bad_link},
    outbox::Errand,
    retrying,
    store::from_json,
};
use prokura_domain::{CustomerId, CustomerState, Email};
use prokura_jose::Secret;
use serde::Deserialize;

/// A wish for another address.
#[derive(Clone, Debug)]
pub struct ChangeEmail {
    /// The present address.
    pub email: Email,
    /// The password.
    pub password: Secret,
    /// The address from now on.
    pub new_email: Email,
    /// Whether people write to them there as well.
    pub sync_contact: bool,
}

/// What is kept with the link.
#[derive(Deserialize)]
struct Wish {
    email: String,
    sync_contact: bool,
}

impl Engine {
    /// Has a mail sent to the new address. Whether somebody else has it is not told.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for a wrong password or present address; [`Refusal::Throttled`].
    pub async fn request_email_change(
        &self,
        tenant: &Tenant,
        caller: Oneself<'_>,
        request: &ChangeEmail,
        origin: &Origin,
    ) -> Result<(), Error> {
        let id = caller.customer;
        let (credential, attempt) =
            self.prove_password(tenant, caller, "change_email", "password", &request.password, origin).await?;
        let customer = self.customer(tenant, id).await?;
        let present = customer.email.as_deref().and_then(|email| Email::parse(email).ok());
        if present.is_none_or(|present| present.key() != request.email.key()) {
            return Err(Refusal::invalid("email", "this is not the present address").into());
        }
        let errand = Errand::EmailChange {
            customer: id.to_string(),
            email: request.new_email.as_str().to_owned(),
            sync_contact: request.sync_contact,
        };
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            if !tx.use_password(&tenant.id, &credential, now).await? {
                return Err(Refusal::invalid("password", "this is not the present password").into());
            }
            self.attempt_was_right(&mut tx, tenant, &attempt, now).await?;
            let (_, allowed) =
                self.take_request(&mut tx, tenant, "change_email", request.new_email.key(), origin, now).await?;
            let actor = Actor::Customer(id.clone());
            let mut entry =
                Entry::new(&actor, "customer.request_email_change", "customer", id.as_str()).session(caller.session);
            match &allowed {
                Ok(()) => self.put_down(&mut tx, tenant, &errand, now).await?,
                Err(refusal) => entry = entry.refused(refusal),
            }
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// Makes the new address the one to log in with, once.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for a token that is unknown, used or expired; [`Refusal::AlreadyExists`] when somebody
    /// else took the address meanwhile.
    pub async fn confirm_email_change(
        &self,
        tenant: &Tenant,
        token: &Secret,
        origin: &Origin,
    ) -> Result<CustomerId, Error> {
        retrying!(self.confirm_email_change_once(tenant, token, origin))
    }

    async fn confirm_email_change_once(
        &self,
        tenant: &Tenant,
        token: &Secret,
        origin: &Origin,
    ) -> Result<CustomerId, Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let (id, payload) = self.redeem_link(&mut tx, tenant, Purpose::EmailChange, token, now).await?;
        let wish: Wish = from_json(&payload, "login_tokens.payload_json")?;
        let email = Email::parse(&wish.email)
            .map_err(|_| StoreError::Corrupt { what: "login_tokens.payload_json".to_owned() })?;
        let customer = tx.customer(&tenant.id, &id).await?;
        let Some(customer) = customer.filter(|customer| customer.state == CustomerState::Active) else {
            return Err(bad_link().into());
        };
        // At the address from before: who reads there must know, and the new one asked for it.
        self.tell_owner_of(&mut tx, tenant, &customer, Change::Email, now).await?;
        match tx.update_email(&tenant.id, &id, &email, now).await {
            Ok(true) => {}
            Ok(false) | Err(StoreError::Constraint) => return Err(Refusal::AlreadyExists("customer").into()),
            Err(fault) => return Err(fault.into()),
        }
        let mut profile = customer.profile;
        let contact_before = profile.contact_email.take();
        if !wish.sync_contact {
            // Who wrote to them at the old address still does.
            profile.contact_email = contact_before.or(customer.email);
        }
        tx.update_profile(&tenant.id, &id, &profile, None, now).await?;
        // Whatever was mailed to the old address is void.
        tx.revoke_links(&tenant.id, &id, None, now).await?;
        self.publish_rights(&mut tx, tenant, Some(&id), now).await?;
        let actor = Actor::Customer(id.clone());
        let entry = Entry::new(&actor, "customer.change_email", "customer", id.as_str());
        self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
        tx.commit().await?;
        Ok(id)
    }
}
