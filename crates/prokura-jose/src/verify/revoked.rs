//! What was revoked, as the feed told. Entries come repeatedly and in any order; the state depends only on which came,
//! never on when.

use crate::AccessToken;
use prokura_domain::{CustomerId, FamilyId, LegalEntityId, Revocation, RevocationKind, SessionId, TenantId, Timestamp};
use std::collections::{HashMap, hash_map::Entry};

/// The value of a [`RevocationKind::Rights`] entry that means every customer.
const EVERYBODY: &str = "*";

/// Revocations of all tenants, and how often rights changed.
#[derive(Default)]
pub(super) struct Revoked {
    tenants: HashMap<TenantId, OfTenant>,
    rights_mark: u64,
}

#[derive(Default)]
struct OfTenant {
    tokens: Ends,
    families: Ends,
    sessions: Ends,
    grants: Ends,
    /// Per family, the epochs that are over.
    epochs: HashMap<Box<str>, Vec<EpochEnd>>,
    legal_entities: Switches,
    clients: Switches,
    /// Has at most the tenant itself.
    tenant: Switches,
    rights: Rights,
}

type Ends = HashMap<Box<str>, End>;
type Switches = HashMap<Box<str>, Switch>;

/// Something that is over for good: an entry that claims to lift it is taken for one more end.
#[derive(Clone, Copy)]
struct End {
    effective_at: Timestamp,
    expires_at: Timestamp,
}

struct EpochEnd {
    epoch: u32,
    end: End,
}

/// Something that is off until it is on again: the last word counts, by the time and the id of its entry.
struct Switch {
    at: Timestamp,
    id: Box<str>,
    /// From when on it is off; `None` when lifted.
    off_from: Option<Timestamp>,
    expires_at: Timestamp,
}

#[derive(Default)]
struct Rights {
    everybody: Option<Mark>,
    customers: HashMap<Box<str>, Mark>,
    /// Ids of entries that were counted.
    counted: HashMap<Box<str>, Timestamp>,
}

struct Mark {
    mark: u64,
    expires_at: Timestamp,
}

impl Revoked {
    /// Takes an entry in; whether a token could have died or come back by it.
    pub(super) fn apply(&mut self, entry: &Revocation) -> bool {
        let tenant = self.tenants.entry(entry.tenant.clone()).or_default();
        match entry.kind {
            RevocationKind::Token => end(&mut tenant.tokens, &entry.value, entry),
            RevocationKind::Family => end(&mut tenant.families, &entry.value, entry),
            RevocationKind::Session => end(&mut tenant.sessions, &entry.value, entry),
            RevocationKind::Grant => end(&mut tenant.grants, &entry.value, entry),
            RevocationKind::Epoch => tenant.end_epoch(entry),
            RevocationKind::LegalEntity => switch(&mut tenant.legal_entities, entry),
            RevocationKind::Client => switch(&mut tenant.clients, entry),
            RevocationKind::Tenant => switch(&mut tenant.tenant, entry),
            RevocationKind::Rights => {
                if tenant.rights.count(entry, self.rights_mark + 1) {
                    self.rights_mark += 1;
                }
                false
            }
            // Whoever reads the feed fetches the keys and calls `set_keys`.
            RevocationKind::Keys => false,
        }
    }

    /// From when on a token is dead, by everything it hangs on.
    pub(super) fn dead_from(&self, token: &AccessToken) -> Option<Timestamp> {
        let standing = &token.standing;
        let tenant = self.tenants.get(&standing.tenant)?;
        let family = standing.family.as_ref().map(FamilyId::as_str);
        let session = standing.session.as_ref().map(SessionId::as_str);
        let grant = standing.acting_for.as_ref().map(|acting_for| acting_for.grant.as_str());
        let legal_entity = standing.legal_entity().map(LegalEntityId::as_str);
        [
            ended(&tenant.tokens, Some(token.id.as_str())),
            ended(&tenant.families, family),
            ended(&tenant.sessions, session),
            ended(&tenant.grants, grant),
            family.and_then(|family| tenant.epoch_ended(family, standing.epoch)),
            off_from(&tenant.legal_entities, legal_entity),
            off_from(&tenant.clients, Some(standing.client.as_str())),
            off_from(&tenant.tenant, Some(standing.tenant.as_str())),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub(super) fn rights_mark(&self) -> u64 {
        self.rights_mark
    }

    pub(super) fn rights_changed_since(&self, tenant: &TenantId, customer: &CustomerId, mark: u64) -> bool {
        self.tenants.get(tenant).is_some_and(|tenant| {
            let rights = &tenant.rights;
            rights.everybody.iter().chain(rights.customers.get(customer.as_str())).any(|last| last.mark > mark)
        })
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.tenants.is_empty()
    }

    pub(super) fn forget_expired(&mut self, now: Timestamp) {
        self.tenants.retain(|_, tenant| {
            tenant.forget_expired(now);
            !tenant.is_empty()
        });
    }
}

impl OfTenant {
    fn end_epoch(&mut self, entry: &Revocation) -> bool {
        let Some((family, epoch)) = entry.value.rsplit_once('/').and_then(|(f, e)| Some((f, e.parse().ok()?))) else {
            // Not to be understood, so the whole family: too much is better than too little.
            let family = entry.value.split('/').next().unwrap_or(&entry.value);
            return end(&mut self.families, family, entry);
        };
        let ends = self.epochs.entry(family.into()).or_default();
        if let Some(known) = ends.iter_mut().find(|known| known.epoch == epoch) {
            return known.end.merge(entry);
        }
        ends.push(EpochEnd { epoch, end: End::of(entry) });
        true
    }

    fn epoch_ended(&self, family: &str, epoch: u32) -> Option<Timestamp> {
        self.epochs.get(family)?.iter().filter(|end| epoch <= end.epoch).map(|end| end.end.effective_at).min()
    }

    fn forget_expired(&mut self, now: Timestamp) {
        for ends in [&mut self.tokens, &mut self.families, &mut self.sessions, &mut self.grants] {
            ends.retain(|_, end| end.expires_at > now);
        }
        self.epochs.retain(|_, ends| {
            ends.retain(|end| end.end.expires_at > now);
            !ends.is_empty()
        });
        for switches in [&mut self.legal_entities, &mut self.clients, &mut self.tenant] {
            switches.retain(|_, switch| switch.expires_at > now);
        }
        self.rights.everybody.take_if(|mark| mark.expires_at <= now);
        self.rights.customers.retain(|_, mark| mark.expires_at > now);
        self.rights.counted.retain(|_, expires_at| *expires_at > now);
    }

    fn is_empty(&self) -> bool {
        self.tokens.is_empty()
            && self.families.is_empty()
            && self.sessions.is_empty()
            && self.grants.is_empty()
            && self.epochs.is_empty()
            && self.legal_entities.is_empty()
            && self.clients.is_empty()
            && self.tenant.is_empty()
            && self.rights.everybody.is_none()
            && self.rights.customers.is_empty()
            && self.rights.counted.is_empty()
    }
}

impl End {
    fn of(entry: &Revocation) -> Self {
        Self { effective_at: entry.effective_at, expires_at: entry.expires_at }
    }

    /// The earliest end counts; whether it is earlier now.
    fn merge(&mut self, entry: &Revocation) -> bool {
        let is_earlier = entry.effective_at < self.effective_at;
        self.effective_at = self.effective_at.min(entry.effective_at);
        self.expires_at = self.expires_at.max(entry.expires_at);
        is_earlier
    }
}

impl Rights {
    fn count(&mut self, entry: &Revocation, mark: u64) -> bool {
        match self.counted.entry(entry.id.as_str().into()) {
            Entry::Occupied(_) => return false,
            Entry::Vacant(vacant) => vacant.insert(entry.expires_at),
        };
        let known = if entry.value == EVERYBODY {
            self.everybody.get_or_insert(Mark { mark, expires_at: entry.expires_at })
        } else {
            let new = || Mark { mark, expires_at: entry.expires_at };
            self.customers.entry(entry.value.as_str().into()).or_insert_with(new)
        };
        known.mark = mark;
        known.expires_at = known.expires_at.max(entry.expires_at);
        true
    }
}

fn end(ends: &mut Ends, value: &str, entry: &Revocation) -> bool {
    if let Some(known) = ends.get_mut(value) {
        return known.merge(entry);
    }
    ends.insert(value.into(), End::of(entry));
    true
}

fn ended(ends: &Ends, value: Option<&str>) -> Option<Timestamp> {
    ends.get(value?).map(|end| end.effective_at)
}

fn switch(switches: &mut Switches, entry: &Revocation) -> bool {
    let off_from = (!entry.is_lifted).then_some(entry.effective_at);
    let new = |expires_at| Switch { at: entry.at, id: entry.id.as_str().into(), off_from, expires_at };
    match switches.entry(entry.value.as_str().into()) {
        Entry::Vacant(vacant) => {
            vacant.insert(new(entry.expires_at));
            off_from.is_some()
        }
        Entry::Occupied(mut occupied) => {
            let known = occupied.get_mut();
            // Remembered as long as any of them, or an older word that comes again would count.
            let expires_at = known.expires_at.max(entry.expires_at);
            if (entry.at, entry.id.as_str()) <= (known.at, &known.id) {
                known.expires_at = expires_at;
                return false;
            }
            let has_changed = known.off_from != off_from;
            *known = new(expires_at);
            has_changed
        }
    }
}

fn off_from(switches: &Switches, value: Option<&str>) -> Option<Timestamp> {
    switches.get(value?).and_then(|switch| switch.off_from)
}
