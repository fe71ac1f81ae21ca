//! Errands: mails to be written and sent later, put down in the transaction that makes them due. An errand says what
//! was asked for, not what came of it: who is behind an address is looked up when it is run, so asking costs and
//! answers the same for everybody (S-102), and no token ever lies in the outbox.

use crate::{
    Actor, Engine, Error, Origin, Tenant,
    audit::Entry,
    mail::{self, MailFault},
    one_time_link::Purpose,
    store::{OutboxRow, Tx},
};
use futures_util::future::join_all;
use lettre::Message;
use prokura_domain::{CustomerId, CustomerKind, CustomerState, Email, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// How many errands a node takes at once, and for how long they are its own.
const BATCH: u32 = 10;
const CLAIM_SECONDS: i64 = 300;
/// How often an errand is tried, and the waits between: doubled each time, up to an hour.
const MAX_ATTEMPTS: i64 = 12;
const FIRST_WAIT_SECONDS: i64 = 15;
const LONGEST_WAIT_SECONDS: i64 = 3_600;
/// An errand older than this is of no use to anybody.
const MAX_AGE_SECONDS: i64 = 86_400;

/// What is to be done.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Errand {
    /// Somebody wants a new password for this address.
    PasswordReset { email_key: String },
    /// Somebody signed up with this address, or wants the mail again.
    SignUp { email_key: String },
    /// A customer wants to log in with this address from now on.
    EmailChange { customer: String, email: String, sync_contact: bool },
}

impl Errand {
    fn kind(&self) -> &'static str {
        self.purpose().as_str()
    }

    fn purpose(&self) -> Purpose {
        match self {
            Self::PasswordReset { .. } => Purpose::PasswordReset,
            Self::SignUp { .. } => Purpose::SignUp,
            Self::EmailChange { .. } => Purpose::EmailChange,
        }
    }
}

impl Engine {
    /// Puts an errand down in `tx`, sealed.
    pub(crate) async fn put_down(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        errand: &Errand,
        now: Timestamp,
    ) -> Result<(), Error> {
        let id = self.new_id(now)?;
        let payload = serde_json::to_vec(errand).map_err(Error::crypto)?;
        let sealed = self.master_key.seal(&["outbox", tenant.id.as_str(), &id], &payload).map_err(Error::crypto)?;
        Ok(tx.insert_errand(&tenant.id, &id, errand.kind(), &sealed, now).await?)
    }

    /// Runs every errand that is due. Several nodes may; each errand is claimed by one.
    ///
    /// # Errors
    /// Only faults. What was not finished is tried again by whoever comes next.
    pub async fn run_errands(&self) -> Result<(), Error> {
        if self.mailer.is_nowhere() {
            return Ok(());
        }
        loop {
            let now = self.clock.now();
            if !self.store.read().await?.has_due_errand(now).await? {
                return Ok(());
            }
            let until = now.plus_seconds(CLAIM_SECONDS);
            let mut tx = self.store.write().await?;
            let claimed = tx.claim_errands(now, until, BATCH).await?;
            tx.commit().await?;
            if claimed.is_empty() {
                return Ok(());
            }
            for outcome in join_all(claimed.iter().map(|errand| self.run_errand(errand, until))).await {
                outcome?;
            }
        }
    }

    async fn run_errand(&self, row: &OutboxRow, claimed_until: Timestamp) -> Result<(), Error> {
        let outcome = self.try_errand(row).await?;
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        match outcome {
            Ok(()) => tx.finish_errand(row, claimed_until, None).await?,
            Err(fault) => {
                let is_last = match fault {
                    MailFault::Forever(_) => true,
                    MailFault::ForNow(_) => {
                        row.attempts >= MAX_ATTEMPTS || now.millis_since(row.created_at) > MAX_AGE_SECONDS * 1000
                    }
                };
                let reason = fault.to_string();
                tracing::warn!(tenant = %row.tenant, errand = row.id, attempts = row.attempts, is_last, reason,
                               "a mail did not leave");
                if is_last {
                    tx.finish_errand(row, claimed_until, Some(&reason)).await?;
                } else {
                    let doublings = u32::try_from(row.attempts.clamp(1, 10) - 1).unwrap_or_default();
                    let wait = (FIRST_WAIT_SECONDS << doublings).min(LONGEST_WAIT_SECONDS);
                    tx.postpone_errand(row, claimed_until, now.plus_seconds(wait), &reason).await?;
                }
            }
        }
        tx.commit().await?;
        Ok(())
    }

    async fn try_errand(&self, row: &OutboxRow) -> Result<Result<(), MailFault>, Error> {
        let gone = |reason: &str| Ok(Err(MailFault::Forever(reason.to_owned())));
        let tenant = match self.tenant(&row.tenant).await {
            Ok(tenant) => tenant,
            Err(Error::Refused(_)) => return Ok(Err(MailFault::ForNow("the tenant is suspended".to_owned()))),
            Err(fault) => return Err(fault),
        };
        let place = ["outbox", row.tenant.as_str(), &row.id];
        let Ok(payload) = self.master_key.open(&place, &row.payload_sealed) else {
            return gone("it cannot be opened");
        };
        let Ok(errand) = serde_json::from_slice::<Errand>(&payload) else { return gone("it cannot be read") };
        match self.write_mail(&tenant, &row.id, &errand).await? {
            None => Ok(Ok(())),
            Some(Ok(message)) => Ok(self.mailer.send(&row.id, message).await),
            Some(Err(fault)) => Ok(Err(fault)),
        }
    }

    /// Makes the link and the mail; `None` when there is nobody to write to. A link made for an earlier try ends.
    async fn write_mail(
        &self,
        tenant: &Tenant,
        id: &str,
        errand: &Errand,
    ) -> Result<Option<Result<Message, MailFault>>, Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let (customer, to, payload) = match errand {
            Errand::PasswordReset { email_key } | Errand::SignUp { email_key } => {
                let Some(customer) = tx.customer_by_email(&tenant.id, email_key).await? else { return Ok(None) };
                let wanted = match errand.purpose() {
                    Purpose::SignUp => customer.state == CustomerState::Pending,
                    Purpose::PasswordReset | Purpose::EmailChange => {
                        matches!(customer.state, CustomerState::Active | CustomerState::Pending)
                    }
                };
                let to = customer.email.as_deref().and_then(|email| Email::parse(email).ok());
                let Some(to) = to.filter(|_| wanted && customer.kind == CustomerKind::Customer) else {
                    return Ok(None);
                };
                (customer, to, json!({}))
            }
            Errand::EmailChange { customer, email, sync_contact } => {
                let (Ok(customer), Ok(to)) = (customer.parse::<CustomerId>(), Email::parse(email)) else {
                    return Ok(None);
                };
                let Some(customer) = tx.customer(&tenant.id, &customer).await? else { return Ok(None) };
                if tx.customer_by_email(&tenant.id, to.key()).await?.is_some_and(|owner| owner.id != customer.id) {
                    return Ok(None);
                }
                (customer, to, json!({ "email": email, "sync_contact": sync_contact }))
            }
        };
        let link = self.new_link(&mut tx, tenant, errand.purpose(), &customer.id, &payload, now).await?;
        let actor = Actor::System;
        let entry = Entry::new(&actor, "link.make", "customer", customer.id.as_str())
            .detail(json!({ "purpose": errand.kind() }));
        self.audit(&mut tx, &tenant.id, &Origin::local("outbox"), entry, now).await?;
        tx.commit().await?;
        let language = customer.profile.language.as_deref();
        Ok(Some(mail::compose(tenant, errand.purpose(), id, &to, language, &link, now)))
    }
}
