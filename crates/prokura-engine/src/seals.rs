//! Seals over the audit trail (S-144): every second what is new is closed into a batch, whose keyed code covers each
//! entry's own code and the seal before. Verifying recomputes all of it and names the first entry that does not fit.

use crate::{
    AuditEvent, Engine, Error, Tenant,
    store::{SealRow, entry_mac, from_json, to_json},
};
use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use prokura_domain::{TenantId, Timestamp};
use std::collections::HashSet;

/// The most entries under one seal.
const BATCH: u32 = 500;

/// What verifying the trail of a tenant found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditVerdict {
    /// Entries that fit.
    pub entries: u64,
    /// Seals that fit.
    pub seals: i64,
    /// The code of the newest seal; to be kept outside and compared.
    pub head: Option<(i64, String)>,
    /// What does not fit, and the first entry or seal it shows at.
    pub fault: Option<String>,
}

impl Engine {
    fn seal_mac(&self, tenant: &TenantId, number: i64, at: Timestamp, entries_json: &str, previous: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.master_key.derive("audit seals"));
        let mut context = hmac::Context::with_key(&key);
        for part in [tenant.as_str(), &number.to_string(), &at.millis().to_string(), entries_json, previous] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        URL_SAFE_NO_PAD.encode(context.sign().as_ref())
    }

    /// Entries after `after` (time-ordered id), oldest first. Subject (kind, id) and verb narrow the list.
    ///
    /// # Errors
    /// Only faults.
    pub async fn audit_events(
        &self,
        tenant: &Tenant,
        after: &str,
        subject: Option<(&str, &str)>,
        verb: Option<&str>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, Error> {
        let rows = self.store.read().await?.audit_events(&tenant.id, after, subject, verb, limit).await?;
        Ok(rows.into_iter().map(|(event, _)| event).collect())
    }

    /// Closes seals over everything that has none yet. Several nodes may try; one wins each number.
    ///
    /// # Errors
    /// Only faults.
    pub async fn seal_audit(&self) -> Result<(), Error> {
        let tenants = self.store.read().await?.tenants_with_unsealed_events().await?;
        for tenant in tenants {
            while self.seal_batch(&tenant).await? {}
        }
        Ok(())
    }

    /// One batch; `false` when nothing more is open.
    async fn seal_batch(&self, tenant: &TenantId) -> Result<bool, Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let open = tx.unsealed_audit_events(tenant, BATCH).await?;
        let Some((last, _)) = open.last() else { return Ok(false) };
        let (number, previous) =
            tx.last_seal(tenant).await?.map_or((1, String::new()), |seal| (seal.number + 1, seal.mac));
        let entries_json = to_json(&open)?;
        let mac = self.seal_mac(tenant, number, now, &entries_json, &previous);
        let seal = SealRow { number, at: now, entries_json, mac };
        if !tx.insert_seal(tenant, &seal).await? {
            return Ok(false);
        }
        if !tx.mark_sealed(tenant, last, open.len()).await? {
            // An entry of another node became durable in between, or its batch holds these: again in a second.
            return Ok(false);
        }
        tx.commit().await?;
        Ok(open.len() == BATCH as usize)
    }

    /// Verifies the whole trail of a tenant: altered, removed, reordered and truncated entries are named. `head` is a
    /// seal number and code kept elsewhere, which the trail must still contain.
    ///
    /// # Errors
    /// Only faults.
    pub async fn verify_audit(&self, tenant: &TenantId, head: Option<&(i64, String)>) -> Result<AuditVerdict, Error> {
        let key = self.master_key.derive("audit entries");
        let mut verdict = AuditVerdict { entries: 0, seals: 0, head: None, fault: None };
        let mut sealed = HashSet::new();
        let mut previous = String::new();
        loop {
            let page = self.store.read().await?.seals(tenant, verdict.seals + 1, 100).await?;
            if page.is_empty() {
                break;
            }
            for seal in page {
                let number = verdict.seals + 1;
                if seal.number != number {
                    verdict.fault = Some(format!("seal {number} is missing"));
                    return Ok(verdict);
                }
                let mac = self.seal_mac(tenant, seal.number, seal.at, &seal.entries_json, &previous);
                if mac != seal.mac {
                    verdict.fault = Some(format!("seal {number} was altered"));
                    return Ok(verdict);
                }
                let entries: Vec<(String, String)> = from_json(&seal.entries_json, "audit_seals.entries_json")?;
                for (id, mac) in entries {
                    let found = self.store.read().await?.audit_event(tenant, &id).await?;
                    let fault = match found {
                        None => Some("was removed"),
                        Some((event, _)) if entry_mac(&key, tenant, &event) != mac => Some("was altered"),
                        Some(_) => None,
                    };
                    if let Some(fault) = fault {
                        verdict.fault = Some(format!("entry {id} under seal {number} {fault}"));
                        return Ok(verdict);
                    }
                    sealed.insert(id);
                    verdict.entries += 1;
                }
                verdict.seals = number;
                if head.is_some_and(|(at, mac)| *at == number && *mac != seal.mac) {
                    verdict.fault = Some(format!("seal {number} differs from the head kept elsewhere"));
                    return Ok(verdict);
                }
                previous.clone_from(&seal.mac);
                verdict.head = Some((number, seal.mac));
            }
        }
        if let Some((number, _)) = head.filter(|(number, _)| *number > verdict.seals) {
            verdict.fault =
                Some(format!("the trail ends at seal {}, the head kept elsewhere is {number}", verdict.seals));
            return Ok(verdict);
        }
        self.verify_entries(tenant, &key, &sealed, verdict).await
    }

    /// Entries under no seal must wait for one, and fit their own code.
    async fn verify_entries(
        &self,
        tenant: &TenantId,
        key: &[u8; 32],
        sealed: &HashSet<String>,
        mut verdict: AuditVerdict,
    ) -> Result<AuditVerdict, Error> {
        let mut after = String::new();
        loop {
            let page = self.store.read().await?.audit_events(tenant, &after, None, None, 500).await?;
            let Some((last, _)) = page.last() else { return Ok(verdict) };
            after.clone_from(&last.id);
            for (event, mac) in &page {
                if sealed.contains(&event.id) {
                    continue;
                }
                let fault = if entry_mac(key, tenant, event) != *mac {
                    Some("was altered")
                } else if self.was_unsealed(tenant, &event.id, verdict.seals).await? {
                    None
                } else {
                    Some("is under no seal and waits for none")
                };
                if let Some(fault) = fault {
                    verdict.fault = Some(format!("entry {} {fault}", event.id));
                    return Ok(verdict);
                }
                verdict.entries += 1;
            }
        }
    }

    /// Whether an entry waits for its seal, or got one that is newer than number `verified`.
    async fn was_unsealed(&self, tenant: &TenantId, id: &str, verified: i64) -> Result<bool, Error> {
        let mut reader = self.store.read().await?;
        if reader.is_audit_event_unsealed(tenant, id).await? {
            return Ok(true);
        }
        let mut from = verified + 1;
        loop {
            let page = reader.seals(tenant, from, 100).await?;
            let Some(last) = page.last() else { return Ok(false) };
            from = last.number + 1;
            for seal in &page {
                let entries: Vec<(String, String)> = from_json(&seal.entries_json, "audit_seals.entries_json")?;
                if entries.iter().any(|(sealed, _)| sealed == id) {
                    return Ok(true);
                }
            }
        }
    }
}
