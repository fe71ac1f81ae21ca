//! The audit trail: who did what to whom, with what result, from where (S-143). Entries are written in the transaction
//! of the change; seals chain them (S-144).

use crate::{Actor, Engine, Error, Origin, Refusal, store::Tx};
use prokura_domain::{ClientId, LegalEntityId, SessionId, TenantId, Timestamp};

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// We said no.
    Refused,
    /// It broke.
    Failed,
}

impl Outcome {
    /// The word in the trail.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

impl std::str::FromStr for Outcome {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word {
            "done" => Ok(Self::Done),
            "refused" => Ok(Self::Refused),
            "failed" => Ok(Self::Failed),
            _ => Err(()),
        }
    }
}

/// An entry of the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// Time-ordered.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// Who: `customer`, `guest`, `client`, `operator`, `system`.
    pub actor_kind: String,
    /// Which one.
    pub actor_id: String,
    /// What, as `customer.log_in`.
    pub verb: String,
    /// To what kind of thing.
    pub subject_kind: String,
    /// Which one.
    pub subject_id: String,
    /// For which company.
    pub legal_entity: Option<String>,
    /// Through which client.
    pub client: Option<String>,
    /// In which session.
    pub session: Option<String>,
    /// What came of it.
    pub outcome: Outcome,
    /// Why not, when refused.
    pub refusal: Option<String>,
    /// The request's id.
    pub request_id: String,
    /// From where.
    pub address: Option<String>,
    /// With what.
    pub user_agent: Option<String>,
    /// What else there is to know, as a JSON object without secrets and personal data.
    pub detail_json: String,
}

/// What to find entries by; each part that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// To what: kind and id.
    pub subject: Option<(String, String)>,
    /// What was done.
    pub verb: Option<String>,
    /// Not before this moment.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
}

/// What a verb tells the trail about itself.
pub(crate) struct Entry<'a> {
    actor: &'a Actor,
    verb: &'static str,
    subject: (&'static str, &'a str),
    legal_entity: Option<&'a LegalEntityId>,
    client: Option<&'a ClientId>,
    session: Option<&'a SessionId>,
    refusal: Option<&'a Refusal>,
    has_failed: bool,
    detail: Option<serde_json::Value>,
}

impl<'a> Entry<'a> {
    /// `actor` did `verb` to `subject`.
    pub(crate) fn new(actor: &'a Actor, verb: &'static str, kind: &'static str, id: &'a str) -> Self {
        let subject = (kind, id);
        Self {
            actor,
            verb,
            subject,
            legal_entity: None,
            client: None,
            session: None,
            refusal: None,
            has_failed: false,
            detail: None,
        }
    }

    pub(crate) fn entity(mut self, entity: Option<&'a LegalEntityId>) -> Self {
        self.legal_entity = entity;
        self
    }

    pub(crate) fn client(mut self, client: &'a ClientId) -> Self {
        self.client = Some(client);
        self
    }

    pub(crate) fn client_if(mut self, client: Option<&'a ClientId>) -> Self {
        self.client = client;
        self
    }

    pub(crate) fn session(mut self, session: Option<&'a SessionId>) -> Self {
        self.session = session;
        self
    }

    pub(crate) fn refused(mut self, refusal: &'a Refusal) -> Self {
        self.refusal = Some(refusal);
        self
    }

    /// It broke, and nobody was refused.
    pub(crate) fn failed(mut self) -> Self {
        self.has_failed = true;
        self
    }

    pub(crate) fn detail(mut self, detail: serde_json::Value) -> Self {
        self.detail = Some(detail);
        self
    }
}

/// The smallest id an entry of this moment can have: ids begin with their milliseconds (RFC 9562, version 7).
fn first_id_at(moment: Timestamp) -> String {
    format!("{:012x}", moment.millis().clamp(0, 0xffff_ffff_ffff))
}

impl Engine {
    /// Entries of a trail before `before` (an id; empty for the newest), newest first.
    ///
    /// # Errors
    /// Only faults.
    pub async fn audit_trail(
        &self,
        trail: &TenantId,
        filter: &AuditFilter,
        before: &str,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, Error> {
        let until = filter.until.map_or_else(|| "g".to_owned(), first_id_at);
        let before = if before.is_empty() || until.as_str() < before { until } else { before.to_owned() };
        let since = filter.since.map_or_else(String::new, first_id_at);
        let mut reader = self.store.read().await?;
        Ok(match &filter.subject {
            Some((kind, id)) => {
                let verb = filter.verb.as_deref();
                reader.audit_events_about(trail, (kind, id), verb, &since, &before, limit).await?
            }
            None => reader.audit_events_before(trail, filter.verb.as_deref(), &since, &before, limit).await?,
        })
    }

    /// Writes `entry` in `tx`.
    pub(crate) async fn audit(
        &self,
        tx: &mut Tx<'_>,
        tenant: &TenantId,
        origin: &Origin,
        entry: Entry<'_>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let event = AuditEvent {
            id: self.new_id(now)?,
            at: now,
            actor_kind: entry.actor.kind().to_owned(),
            actor_id: entry.actor.id().to_owned(),
            verb: entry.verb.to_owned(),
            subject_kind: entry.subject.0.to_owned(),
            subject_id: entry.subject.1.to_owned(),
            legal_entity: entry.legal_entity.map(ToString::to_string),
            client: entry.client.map(ToString::to_string),
            session: entry.session.map(ToString::to_string),
            outcome: match (entry.refusal, entry.has_failed) {
                (Some(_), _) => Outcome::Refused,
                (None, true) => Outcome::Failed,
                (None, false) => Outcome::Done,
            },
            refusal: entry.refusal.map(|refusal| refusal.word().to_owned()),
            request_id: origin.request_id.to_string(),
            address: origin.address.map(|address| address.to_string()),
            user_agent: origin.user_agent.as_deref().map(str::to_owned),
            detail_json: entry.detail.map_or_else(|| "{}".to_owned(), |detail| detail.to_string()),
        };
        Ok(tx.insert_audit_event(tenant, &event).await?)
    }

    /// Writes a refusal in a transaction of its own and hands the refusal back, to be returned.
    pub(crate) async fn audit_refusal(
        &self,
        tenant: &TenantId,
        origin: &Origin,
        entry: Entry<'_>,
        refusal: Refusal,
    ) -> Result<Error, Error> {
        let mut tx = self.store.write_decided().await?;
        self.audit(&mut tx, tenant, origin, entry.refused(&refusal), self.clock.now()).await?;
        tx.commit().await?;
        Ok(refusal.into())
    }
}
