//! Who belongs to a segment. A change reaches tokens and gateways at once through the feed.

use crate::{
    Actor, Engine, Error, Origin, PutOutcome, Refusal, SegmentMember, Tenant, audit::Entry, retrying, store::Tx,
};
use prokura_domain::{CustomerId, LegalEntityId, SegmentId, Timestamp};

/// A member of a segment, with what lists show of customer and company.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentMembership {
    /// Who.
    pub member: SegmentMember,
    /// Whether a rule of the shop put them there.
    pub is_automatic: bool,
    /// Given name of the customer.
    pub given_name: Option<String>,
    /// Family name of the customer.
    pub family_name: Option<String>,
    /// What the customer logs in with.
    pub email: Option<String>,
    /// Name of the company.
    pub legal_entity_name: Option<String>,
    /// Since when.
    pub created_at: Timestamp,
    /// When it was last written.
    pub modified_at: Timestamp,
}

/// What to find members by, and after which one; each part that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct MemberFilter {
    /// This customer.
    pub customer: Option<CustomerId>,
    /// For this company.
    pub legal_entity: Option<LegalEntityId>,
    /// Only those after this one.
    pub after: Option<SegmentMember>,
}

impl Engine {
    /// Members of a segment, by customer and company.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for the segment.
    pub async fn segment_members(
        &self,
        tenant: &Tenant,
        segment: &SegmentId,
        filter: &MemberFilter,
        limit: u32,
    ) -> Result<Vec<SegmentMembership>, Error> {
        let mut reader = self.store.read().await?;
        reader.segment(&tenant.id, segment).await?.ok_or(Refusal::NotFound("segment"))?;
        Ok(reader.segment_members(&tenant.id, segment, filter, limit).await?)
    }

    /// One member of a segment.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn segment_member(
        &self,
        tenant: &Tenant,
        segment: &SegmentId,
        member: &SegmentMember,
    ) -> Result<SegmentMembership, Error> {
        let found = self.store.read().await?.segment_member(&tenant.id, segment, member).await?;
        Ok(found.ok_or(Refusal::NotFound("segment assignment"))?)
    }

    /// Puts members into a segment, in one transaction; each has an outcome of its own.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for the segment.
    pub async fn put_segment_members(
        &self,
        tenant: &Tenant,
        segment: &SegmentId,
        members: &[SegmentMember],
        actor: &Actor,
        origin: &Origin,
    ) -> Result<Vec<Result<PutOutcome, Refusal>>, Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            tx.share_segment(&tenant.id, segment).await?.ok_or(Refusal::NotFound("segment"))?;
            let mut outcomes = Vec::with_capacity(members.len());
            let mut changed = Vec::new();
            for member in members {
                let outcome = Self::put_member_in(&mut tx, tenant, segment, member, now).await?;
                if outcome == Ok(PutOutcome::Created) {
                    changed.push(member);
                }
                outcomes.push(outcome);
            }
            self.finish_members(tx, tenant, segment, "segment.add_members", &changed, (actor, origin)).await?;
            Ok::<_, Error>(outcomes)
        })
    }

    async fn put_member_in(
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        segment: &SegmentId,
        member: &SegmentMember,
        now: Timestamp,
    ) -> Result<Result<PutOutcome, Refusal>, Error> {
        if member.customer.is_none() && member.legal_entity.is_none() {
            return Ok(Err(Refusal::invalid("customer_id", "a customer, a legal entity or both")));
        }
        if let Some(customer) = &member.customer
            && tx.customer(&tenant.id, customer).await?.is_none()
        {
            return Ok(Err(Refusal::NotFound("customer")));
        }
        if let Some(entity) = &member.legal_entity
            && tx.legal_entity(&tenant.id, entity).await?.is_none()
        {
            return Ok(Err(Refusal::NotFound("legal entity")));
        }
        if tx.insert_segment_member(&tenant.id, segment, member, now).await? {
            return Ok(Ok(PutOutcome::Created));
        }
        tx.touch_segment_member(&tenant.id, segment, member, now).await?;
        Ok(Ok(PutOutcome::Replaced))
    }

    /// Takes members out of a segment, in one transaction; each has an outcome of its own.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for the segment.
    pub async fn remove_segment_members(
        &self,
        tenant: &Tenant,
        segment: &SegmentId,
        members: &[SegmentMember],
        actor: &Actor,
        origin: &Origin,
    ) -> Result<Vec<Result<(), Refusal>>, Error> {
        retrying!(async {
            let mut tx = self.store.write().await?;
            tx.share_segment(&tenant.id, segment).await?.ok_or(Refusal::NotFound("segment"))?;
            let mut outcomes = Vec::with_capacity(members.len());
            let mut changed = Vec::new();
            for member in members {
                if tx.delete_segment_member(&tenant.id, segment, member).await? {
                    changed.push(member);
                    outcomes.push(Ok(()));
                } else {
                    outcomes.push(Err(Refusal::NotFound("segment assignment")));
                }
            }
            self.finish_members(tx, tenant, segment, "segment.remove_members", &changed, (actor, origin)).await?;
            Ok::<_, Error>(outcomes)
        })
    }

    async fn finish_members(
        &self,
        mut tx: Tx<'_>,
        tenant: &Tenant,
        segment: &SegmentId,
        verb: &'static str,
        changed: &[&SegmentMember],
        (actor, origin): (&Actor, &Origin),
    ) -> Result<(), Error> {
        if changed.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        self.publish_members(&mut tx, tenant, changed, now).await?;
        let named: Vec<_> = changed
            .iter()
            .map(|member| {
                serde_json::json!({
                    "customer": member.customer.as_ref().map(CustomerId::as_str),
                    "legal_entity": member.legal_entity.as_ref().map(LegalEntityId::as_str),
                })
            })
            .collect();
        let entry =
            Entry::new(actor, verb, "segment", segment.as_str()).detail(serde_json::json!({ "members": named }));
        self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
        tx.commit().await?;
        Ok(())
    }
}
