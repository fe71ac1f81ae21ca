//! Segments: who sees which goods. A member is a customer alone, a customer acting for a company, or everybody who acts
//! for a company; an item is a product or a category of the shop.

use crate::{
    Actor, Engine, Error, Origin, PutMode, PutOutcome, Refusal, Tenant,
    audit::Entry,
    retrying,
    store::{Tx, to_json},
};
use prokura_domain::{
    CustomerId, LegalEntityId, SegmentId, SegmentItemKind, SegmentState, SiteId, TenantId, Timestamp, Validity,
};
use serde_json::{Map, Value};

/// A segment.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Its id.
    pub id: SegmentId,
    /// Its name by language.
    pub name: Map<String, Value>,
    /// Its description by language.
    pub description: Map<String, Value>,
    /// The storefront it is for; `None` for all.
    pub site: Option<SiteId>,
    /// Whether it counts.
    pub state: SegmentState,
    /// From when to when it counts.
    pub validity: Validity,
    /// Free objects by name, stored and handed back untouched.
    pub details: Map<String, Value>,
    /// Counts changes.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub modified_at: Timestamp,
}

/// Who belongs to a segment. At least one of the two is named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SegmentMember {
    /// The customer; `None` for everybody who acts for the company.
    pub customer: Option<CustomerId>,
    /// The company; `None` for the customer as a private person.
    pub legal_entity: Option<LegalEntityId>,
}

/// What belongs to a segment.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentItem {
    /// Product or category.
    pub kind: SegmentItemKind,
    /// The shop's id of it.
    pub item: String,
    /// What else the shop said about it: code, name by language, free objects.
    pub details: Map<String, Value>,
}

/// A segment to be made or replaced.
#[derive(Clone, Debug)]
pub struct PutSegment {
    /// Its id; `None` for a new one.
    pub id: Option<SegmentId>,
    /// Its name by language.
    pub name: Map<String, Value>,
    /// Its description by language.
    pub description: Map<String, Value>,
    /// The storefront it is for; `None` for all.
    pub site: Option<SiteId>,
    /// Whether it counts.
    pub state: SegmentState,
    /// From when to when it counts.
    pub validity: Validity,
    /// Free objects by name.
    pub details: Map<String, Value>,
}

/// What to find segments by; each part that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct SegmentFilter {
    /// Whether they count.
    pub state: Option<SegmentState>,
    /// The storefront they are for, or that they are for all.
    pub site: Option<SiteId>,
    /// Active ones that are valid at this moment.
    pub active_at: Option<Timestamp>,
    /// With this customer as a member, alone or for any company.
    pub customer: Option<CustomerId>,
    /// With a member that acts for this company.
    pub legal_entity: Option<LegalEntityId>,
}

/// The most bytes of free objects (and of each map of texts) that are kept.
pub(crate) const MAX_OBJECT_BYTES: usize = 64 * 1024;
/// How much of a large segment one transaction deletes.
const DELETE_AT_ONCE: u32 = 2_000;

/// Refuses maps that are longer than we keep.
pub(crate) fn check_objects(fields: &[(&'static str, &Map<String, Value>)]) -> Result<(), Error> {
    for (field, object) in fields {
        if to_json(object)?.len() > MAX_OBJECT_BYTES {
            return Err(Refusal::invalid(field, "at most 64 KiB").into());
        }
    }
    Ok(())
}

impl Engine {
    /// Segments after `after`, by id.
    ///
    /// # Errors
    /// Only faults.
    pub async fn segments(
        &self,
        tenant: &Tenant,
        filter: &SegmentFilter,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Segment>, Error> {
        Ok(self.store.read().await?.segments(&tenant.id, filter, after, limit).await?)
    }

    /// One segment.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn segment(&self, tenant: &Tenant, id: &SegmentId) -> Result<Segment, Error> {
        let segment = self.store.read().await?.segment(&tenant.id, id).await?;
        Ok(segment.ok_or(Refusal::NotFound("segment"))?)
    }

    /// Makes or replaces a segment. Whoever belongs to it sees the change at once.
    ///
    /// # Errors
    /// [`Refusal::AlreadyExists`], [`Refusal::StaleVersion`], [`Refusal::Invalid`].
    pub async fn put_segment(
        &self,
        tenant: &Tenant,
        request: &PutSegment,
        mode: PutMode,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(SegmentId, PutOutcome), Error> {
        check_objects(&[("name", &request.name), ("description", &request.description), ("mixins", &request.details)])?;
        if request.name.is_empty() {
            return Err(Refusal::invalid("name", "a text in at least one language").into());
        }
        if request.validity.is_empty() {
            return Err(Refusal::invalid("validity", "an end after its beginning").into());
        }
        retrying!(self.put_segment_once(tenant, request, mode, actor, origin))
    }

    async fn put_segment_once(
        &self,
        tenant: &Tenant,
        request: &PutSegment,
        mode: PutMode,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(SegmentId, PutOutcome), Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let before = match (&request.id, mode) {
            (Some(id), PutMode::Upsert { .. }) => tx.hold_segment(&tenant.id, id).await?,
            (Some(_) | None, PutMode::Create) | (None, PutMode::Upsert { .. }) => None,
        };
        let (id, outcome) = match before {
            Some(before) if mode.is_stale(before.version) => return Err(Refusal::StaleVersion.into()),
            Some(before) => {
                tx.update_segment(&tenant.id, &segment(before.id.clone(), request, now), None, now).await?;
                if (before.state, before.validity) != (request.state, request.validity)
                    && tx.segment_has_members(&tenant.id, &before.id).await?
                {
                    self.publish_rights(&mut tx, tenant, None, now).await?;
                }
                (before.id, PutOutcome::Replaced)
            }
            None => {
                let id: SegmentId = match &request.id {
                    Some(id) => id.clone(),
                    None => self.short_id(now)?.parse().map_err(Error::crypto)?,
                };
                if !tx.insert_segment(&tenant.id, &segment(id.clone(), request, now), now).await? {
                    return Err(mode.taken("segment"));
                }
                (id, PutOutcome::Created)
            }
        };
        let verb = match outcome {
            PutOutcome::Created => "segment.create",
            PutOutcome::Replaced => "segment.update",
        };
        let entry = Entry::new(actor, verb, "segment", id.as_str())
            .detail(serde_json::json!({ "state": request.state.as_str() }));
        self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
        tx.commit().await?;
        Ok((id, outcome))
    }

    /// Deletes a segment. With members or items it is only deleted by force; it then stops counting at once, and what
    /// belonged to it goes in several steps.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::InUse`].
    pub async fn delete_segment(
        &self,
        tenant: &Tenant,
        id: &SegmentId,
        is_forced: bool,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        if is_forced {
            retrying!(self.switch_segment_off(tenant, id))?;
        }
        loop {
            if retrying!(self.delete_segment_step(tenant, id, is_forced, actor, origin))? {
                return Ok(());
            }
        }
    }

    async fn switch_segment_off(&self, tenant: &Tenant, id: &SegmentId) -> Result<(), Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let before = tx.hold_segment(&tenant.id, id).await?.ok_or(Refusal::NotFound("segment"))?;
        if before.state == SegmentState::Active && tx.segment_has_members(&tenant.id, id).await? {
            let off = Segment { state: SegmentState::Inactive, ..before };
            tx.update_segment(&tenant.id, &off, None, now).await?;
            self.publish_rights(&mut tx, tenant, None, now).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Deletes some of what belongs to the segment, or the segment once nothing does; whether it is gone.
    async fn delete_segment_step(
        &self,
        tenant: &Tenant,
        id: &SegmentId,
        is_forced: bool,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<bool, Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        tx.hold_segment(&tenant.id, id).await?.ok_or(Refusal::NotFound("segment"))?;
        if is_forced {
            if tx.delete_segment_contents(&tenant.id, id, DELETE_AT_ONCE).await? >= u64::from(DELETE_AT_ONCE) {
                tx.commit().await?;
                return Ok(false);
            }
        } else if tx.segment_has_members(&tenant.id, id).await? || tx.segment_has_items(&tenant.id, id).await? {
            return Err(Refusal::InUse("the segment has members or items").into());
        }
        tx.delete_segment(&tenant.id, id).await?;
        self.audit(&mut tx, &tenant.id, origin, Entry::new(actor, "segment.delete", "segment", id.as_str()), now)
            .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Tells every node and gateway about segments whose validity began or ended since this was last called, so that
    /// copies of segments in tokens are read anew. The first call looks five minutes back.
    ///
    /// # Errors
    /// Only faults.
    pub async fn announce_segment_changes(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let since = self.segments_announced.lock().unwrap_or(now.plus_seconds(-300));
        let tenants: Vec<TenantId> = self.store.read().await?.tenants_with_segment_changes(since, now).await?;
        for id in tenants {
            let tenant = self.any_tenant(&id).await?;
            let mut tx = self.store.write().await?;
            self.publish_rights(&mut tx, &tenant, None, now).await?;
            tx.commit().await?;
        }
        *self.segments_announced.lock() = Some(now);
        Ok(())
    }
}

fn segment(id: SegmentId, request: &PutSegment, now: Timestamp) -> Segment {
    Segment {
        id,
        name: request.name.clone(),
        description: request.description.clone(),
        site: request.site.clone(),
        state: request.state,
        validity: request.validity,
        details: request.details.clone(),
        version: 1,
        created_at: now,
        modified_at: now,
    }
}

impl Engine {
    /// Tells of a change of who belongs to a segment: to each of a few customers, or to everybody of the tenant.
    pub(crate) async fn publish_members(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        members: &[&SegmentMember],
        now: Timestamp,
    ) -> Result<(), Error> {
        const FEW: usize = 20;
        let mut customers: Vec<&CustomerId> = members.iter().filter_map(|member| member.customer.as_ref()).collect();
        customers.sort_unstable();
        customers.dedup();
        if customers.len() > FEW || members.iter().any(|member| member.customer.is_none()) {
            return self.publish_rights(tx, tenant, None, now).await;
        }
        for customer in customers {
            self.publish_rights(tx, tenant, Some(customer), now).await?;
        }
        Ok(())
    }
}
