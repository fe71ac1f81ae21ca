//! Errands: mails to be written and calls to be made later, put down in the transaction that makes them due. An errand
//! says what was asked for, not what came of it: who is behind an address is looked up when it is run, so asking costs
//! and answers the same for everybody (S-102), and no token ever lies in the outbox.

use crate::{
    Actor, Engine, Error, Origin, Tenant,
    audit::Entry,
    backchannel_logout::Goodbye,
    mail::{self, Change, Language, Letter, Topic, Way},
    one_time_codes::WantedCode,
    one_time_link::Purpose,
    store::{Lane, NewErrand, OutboxRow, Tx},
};
use futures_util::future::join_all;
use lettre::Message;
use prokura_domain::{ClientId, CustomerId, CustomerKind, CustomerState, Email, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use thiserror::Error as ThisError;

/// How many mails and calls a node takes at once, and for how long they are its own.
const MAIL_BATCH: u32 = 10;
const CALL_BATCH: u32 = 50;
const CLAIM_SECONDS: i64 = 300;
/// How often an errand is tried, and the waits between: doubled each time, up to an hour.
const MAX_ATTEMPTS: i64 = 12;
const FIRST_WAIT_SECONDS: i64 = 15;
const LONGEST_WAIT_SECONDS: i64 = 3_600;
/// An errand older than this is of no use to anybody.
const MAX_AGE_SECONDS: i64 = 86_400;
/// How many calls wait together with one that failed.
const PAUSED_AT_ONCE: u32 = 1_000;

/// Why an errand was not done. Its text is kept, so it names no address.
#[derive(Debug, ThisError)]
pub(crate) enum Undone {
    /// Trying again is pointless.
    #[error("{0}")]
    Forever(String),
    /// Another time it may work.
    #[error("{0}")]
    ForNow(String),
}

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
    /// Somebody is invited into a company.
    Invitation { id: String },
    /// An owner is to know that the way they log in was changed.
    OwnerNotice { customer: String, email: String, change: Change },
    /// A client is to hear that a session it takes part in is over.
    Logout(Goodbye),
    /// Somebody wants a code.
    OneTimeCode(Box<WantedCode>),
}

impl Errand {
    fn kind(&self) -> &'static str {
        match self {
            Self::PasswordReset { .. } => Purpose::PasswordReset.as_str(),
            Self::SignUp { .. } => Purpose::SignUp.as_str(),
            Self::EmailChange { .. } => Purpose::EmailChange.as_str(),
            Self::Invitation { .. } => "invitation",
            Self::OwnerNotice { .. } => "owner_notice",
            Self::Logout(_) => "logout",
            Self::OneTimeCode(_) => "one_time_code",
        }
    }

    fn lane(&self) -> Lane {
        match self {
            Self::PasswordReset { .. }
            | Self::SignUp { .. }
            | Self::EmailChange { .. }
            | Self::Invitation { .. }
            | Self::OwnerNotice { .. } => Lane::Mail,
            Self::Logout(_) => Lane::Call,
            Self::OneTimeCode(wanted) if wanted.is_call() => Lane::Call,
            Self::OneTimeCode(_) => Lane::Mail,
        }
    }

    fn target(&self) -> Option<&str> {
        match self {
            Self::PasswordReset { .. }
            | Self::SignUp { .. }
            | Self::EmailChange { .. }
            | Self::Invitation { .. }
            | Self::OwnerNotice { .. } => None,
            Self::Logout(goodbye) => Some(&goodbye.client),
            Self::OneTimeCode(wanted) => wanted.is_call().then_some(wanted.client.as_str()),
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
        let new = NewErrand {
            id: &id,
            lane: errand.lane(),
            kind: errand.kind(),
            target: errand.target(),
            payload_sealed: &sealed,
        };
        Ok(tx.insert_errand(&tenant.id, &new, now).await?)
    }

    /// Runs every errand that is due. Several nodes may; each errand is claimed by one.
    ///
    /// # Errors
    /// Only faults. What was not finished is tried again by whoever comes next.
    pub async fn run_errands(&self) -> Result<(), Error> {
        let (mails, calls) = tokio::join!(self.send_mails(), self.make_calls());
        mails.and(calls)
    }

    /// Sends the mails that are due.
    ///
    /// # Errors
    /// As [`Engine::run_errands`].
    pub async fn send_mails(&self) -> Result<(), Error> {
        if self.mailer.is_nowhere() {
            return Ok(());
        }
        self.run_lane(Lane::Mail, MAIL_BATCH).await
    }

    /// Makes the calls that are due. They wait for others, so they are a job of their own.
    ///
    /// # Errors
    /// As [`Engine::run_errands`].
    pub async fn make_calls(&self) -> Result<(), Error> {
        self.run_lane(Lane::Call, CALL_BATCH).await
    }

    async fn run_lane(&self, lane: Lane, batch: u32) -> Result<(), Error> {
        loop {
            let now = self.clock.now();
            if !self.store.read().await?.has_due_errand(lane, now).await? {
                return Ok(());
            }
            let until = now.plus_seconds(CLAIM_SECONDS);
            let mut tx = self.store.write().await?;
            let claimed = tx.claim_errands(lane, now, until, batch).await?;
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
        crate::retrying!(self.note_outcome(row, claimed_until, &outcome))
    }

    /// Writes down what came of a try.
    async fn note_outcome(
        &self,
        row: &OutboxRow,
        claimed_until: Timestamp,
        outcome: &Result<(), Undone>,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let Err(fault) = outcome else {
            tx.finish_errand(row, claimed_until, None).await?;
            tx.commit().await?;
            return Ok(());
        };
        let is_last = match fault {
            Undone::Forever(_) => true,
            Undone::ForNow(_) => {
                row.attempts >= MAX_ATTEMPTS || now.millis_since(row.created_at) > MAX_AGE_SECONDS * 1000
            }
        };
        let reason = fault.to_string();
        tracing::warn!(tenant = %row.tenant, errand = row.id, kind = row.kind, attempts = row.attempts, is_last, reason,
                       "an errand was not done");
        if is_last {
            if tx.finish_errand(row, claimed_until, Some(&reason)).await? {
                let client = row.target.as_deref().and_then(|target| target.parse::<ClientId>().ok());
                let entry = Entry::new(&Actor::System, "errand.give_up", "errand", &row.id)
                    .client_if(client.as_ref())
                    .failed()
                    .detail(json!({ "kind": row.kind, "attempts": row.attempts, "reason": reason }));
                self.audit(&mut tx, &row.tenant, &Origin::local("outbox"), entry, now).await?;
            }
        } else {
            let doublings = u32::try_from(row.attempts.clamp(1, 10) - 1).unwrap_or_default();
            let again = now.plus_seconds((FIRST_WAIT_SECONDS << doublings).min(LONGEST_WAIT_SECONDS));
            tx.postpone_errand(row, claimed_until, again, &reason).await?;
            if let Some(target) = &row.target {
                tx.pause_errands(&row.tenant, target, again, PAUSED_AT_ONCE).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }

    async fn try_errand(&self, row: &OutboxRow) -> Result<Result<(), Undone>, Error> {
        let gone = |reason: &str| Ok(Err(Undone::Forever(reason.to_owned())));
        let tenant = match self.tenant(&row.tenant).await {
            Ok(tenant) => tenant,
            Err(Error::Refused(_)) => return Ok(Err(Undone::ForNow("the tenant is suspended".to_owned()))),
            Err(fault) => return Err(fault),
        };
        let place = ["outbox", row.tenant.as_str(), &row.id];
        let Ok(payload) = self.master_key.open(&place, &row.payload_sealed) else {
            return gone("it cannot be opened");
        };
        let Ok(errand) = serde_json::from_slice::<Errand>(&payload) else { return gone("it cannot be read") };
        if let Errand::Logout(goodbye) = &errand {
            return self.say_goodbye(&tenant, goodbye, row.attempts).await;
        }
        if let Errand::OneTimeCode(wanted) = &errand {
            return self.send_code(&tenant, (&row.id, row.created_at), wanted).await;
        }
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
    ) -> Result<Option<Result<Message, Undone>>, Error> {
        let now = self.clock.now();
        if let Errand::Invitation { id: invitation } = errand {
            let Ok(invitation) = invitation.parse() else { return Ok(None) };
            let Some((open, language, secret)) = self.invitation_for_mail(tenant, &invitation).await? else {
                return Ok(None);
            };
            let Ok(to) = Email::parse(&open.invitation.email) else { return Ok(None) };
            // The pages of this server accept it, whatever other links begin with: a shop has no way to.
            let way = format!("{}/invitation?token={}", tenant.issuer, secret.expose());
            let topic = Topic::Invitation { company: open.company, invited_by: open.invited_by };
            let language = self.mail_language(tenant, language.as_deref()).await?;
            let letter = Letter { id, to: &to, language, topic, way: Way::Link(way) };
            return Ok(Some(mail::compose(tenant, &letter, now)));
        }
        if let Errand::OwnerNotice { customer, email, change } = errand {
            let (Ok(customer), Ok(to)) = (customer.parse::<CustomerId>(), Email::parse(email)) else {
                return Ok(None);
            };
            let owner = self.store.read().await?.customer(&tenant.id, &customer).await?;
            let Some(owner) = owner.filter(|owner| owner.state != CustomerState::Deleted) else { return Ok(None) };
            let language = self.mail_language(tenant, owner.profile.language.as_deref()).await?;
            // To the pages of this server: there the account can be looked at and put right, whatever the shop has.
            let way = format!("{}/account/security", tenant.issuer);
            let letter = Letter { id, to: &to, language, topic: Topic::Changed(*change), way: Way::Link(way) };
            return Ok(Some(mail::compose(tenant, &letter, now)));
        }
        let mut tx = self.store.write().await?;
        let (purpose, customer, to, payload) = match errand {
            Errand::Logout(_) | Errand::OneTimeCode(_) | Errand::Invitation { .. } | Errand::OwnerNotice { .. } => {
                return Ok(None);
            }
            Errand::PasswordReset { email_key } | Errand::SignUp { email_key } => {
                let Some(customer) = tx.customer_by_email(&tenant.id, email_key).await? else { return Ok(None) };
                let is_pending = customer.state == CustomerState::Pending;
                let (purpose, wanted) = if matches!(errand, Errand::SignUp { .. }) {
                    (Purpose::SignUp, is_pending)
                } else {
                    (Purpose::PasswordReset, is_pending || customer.state == CustomerState::Active)
                };
                let to = customer.email.as_deref().and_then(|email| Email::parse(email).ok());
                let Some(to) = to.filter(|_| wanted && customer.kind == CustomerKind::Customer) else {
                    return Ok(None);
                };
                (purpose, customer, to, json!({}))
            }
            Errand::EmailChange { customer, email, sync_contact } => {
                let (Ok(customer), Ok(to)) = (customer.parse::<CustomerId>(), Email::parse(email)) else {
                    return Ok(None);
                };
                let Some(customer) = tx.customer(&tenant.id, &customer).await? else { return Ok(None) };
                if tx.customer_by_email(&tenant.id, to.key()).await?.is_some_and(|owner| owner.id != customer.id) {
                    return Ok(None);
                }
                let payload = json!({ "email": email, "sync_contact": sync_contact });
                (Purpose::EmailChange, customer, to, payload)
            }
        };
        let link = self.new_link(&mut tx, tenant, purpose, &customer.id, &payload, now).await?;
        let actor = Actor::System;
        let entry = Entry::new(&actor, "link.make", "customer", customer.id.as_str())
            .detail(json!({ "purpose": errand.kind() }));
        self.audit(&mut tx, &tenant.id, &Origin::local("outbox"), entry, now).await?;
        tx.commit().await?;
        let language = self.mail_language(tenant, customer.profile.language.as_deref()).await?;
        let topic = match purpose {
            Purpose::PasswordReset => Topic::PasswordReset,
            Purpose::EmailChange => Topic::EmailChange,
            Purpose::SignUp => Topic::SignUp,
        };
        let way = mail::address_of(&tenant.issuer, &tenant.settings.mail.link_prefix, purpose, &link);
        Ok(Some(mail::compose(tenant, &Letter { id, to: &to, language, topic, way: Way::Link(way) }, now)))
    }

    /// The language to write to somebody in: theirs, the tenant's for mails, its default site's, English.
    pub(crate) async fn mail_language(&self, tenant: &Tenant, own: Option<&str>) -> Result<Language, Error> {
        let of_person = own.and_then(Language::of_tag);
        if let Some(language) = of_person.or_else(|| Language::of_tag(&tenant.settings.mail.language)) {
            return Ok(language);
        }
        let sites = self.sites(tenant).await?;
        let of_site = sites.iter().find(|site| site.is_default).and_then(|site| Language::of_tag(&site.language));
        Ok(of_site.unwrap_or(Language::English))
    }
}
