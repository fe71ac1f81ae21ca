//! What belongs to a segment: products and categories, by the shop's ids. Whether the shop has them is the shop's
//! business.

use crate::{
    Actor, Engine, Error, Origin, PutOutcome, Refusal, SegmentItem, Tenant, audit::Entry, retrying,
    segment::check_objects,
};
use prokura_domain::{CustomerId, LegalEntityId, SegmentId, SegmentItemKind, SiteId, Timestamp};
use serde_json::{Map, Value};

/// An item as it stands in a segment.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentEntry {
    /// The segment.
    pub segment: SegmentId,
    /// The item.
    pub item: SegmentItem,
    /// The code of a category we know.
    pub category_code: Option<String>,
    /// The name by language of a category we know.
    pub category_name: Option<Map<String, Value>>,
    /// Since when.
    pub created_at: Timestamp,
    /// When it was last written.
    pub modified_at: Timestamp,
}

/// What to find items by, and after which one; each part that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct ItemFilter {
    /// Of this segment.
    pub segment: Option<SegmentId>,
    /// Products or categories.
    pub kind: Option<SegmentItemKind>,
    /// The shop's id.
    pub item: Option<String>,
    /// Of segments for this storefront, or for all.
    pub site: Option<SiteId>,
    /// Of segments that are active and valid at this moment.
    pub active_at: Option<Timestamp>,
    /// Of segments with this customer as a member.
    pub customer: Option<CustomerId>,
    /// Of segments with a member that acts for this company.
    pub legal_entity: Option<LegalEntityId>,
    /// Only those after this one.
    pub after: Option<ItemKey>,
}

/// What tells one item of a list from the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemKey {
    /// The segment.
    pub segment: SegmentId,
    /// Product or category.
    pub kind: SegmentItemKind,
    /// The shop's id.
    pub item: String,
}

impl SegmentEntry {
    /// What tells it from the others.
    pub fn key(&self) -> ItemKey {
        ItemKey { segment: self.segment.clone(), kind: self.item.kind, item: self.item.item.clone() }
    }
}

/// The most characters of a shop's id.
const MAX_ITEM_CHARACTERS: usize = 200;

/// Whether `item` can be the id of something in a shop.
pub(crate) fn check_item(item: &str) -> Result<(), Refusal> {
    if item.is_empty() || item.chars().count() > MAX_ITEM_CHARACTERS || item.chars().any(char::is_control) {
        return Err(Refusal::invalid("item_id", "1 to 200 characters, none of them a control character"));
    }
    Ok(())
}

impl Engine {
    /// Items of segments, by segment, kind and id.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for a segment that is named.
    pub async fn segment_items(
        &self,
        tenant: &Tenant,
        filter: &ItemFilter,
        limit: u32,
    ) -> Result<Vec<SegmentEntry>, Error> {
        let mut reader = self.store.read().await?;
        if let Some(segment) = &filter.segment {
            reader.segment(&tenant.id, segment).await?.ok_or(Refusal::NotFound("segment"))?;
        }
        Ok(reader.segment_items(&tenant.id, filter, limit).await?)
    }

    /// One item of a segment.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn segment_item(
        &self,
        tenant: &Tenant,
        segment: &SegmentId,
        kind: SegmentItemKind,
        item: &str,
    ) -> Result<SegmentEntry, Error> {
        let filter = ItemFilter {
            segment: Some(segment.clone()),
            kind: Some(kind),
            item: Some(item.to_owned()),
            ..ItemFilter::default()
        };
        let found = self.store.read().await?.segment_items(&tenant.id, &filter, 1).await?;
        Ok(found.into_iter().next().ok_or(Refusal::NotFound("segment item"))?)
    }

    /// Puts items into a segment, in one transaction; each has an outcome of its own.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for the segment.
    pub async fn put_segment_items(
        &self,
        tenant: &Tenant,
        segment: &SegmentId,
        items: &[SegmentItem],
        actor: &Actor,
        origin: &Origin,
    ) -> Result<Vec<Result<PutOutcome, Refusal>>, Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            tx.share_segment(&tenant.id, segment).await?.ok_or(Refusal::NotFound("segment"))?;
            let mut outcomes = Vec::with_capacity(items.len());
            for item in items {
                let checked = check_item(&item.item).map_err(Error::from);
                outcomes.push(match checked.and_then(|()| check_objects(&[("mixins", &item.details)])) {
                    Err(Error::Refused(refusal)) => Err(refusal),
                    Err(fault) => return Err(fault),
                    Ok(()) if tx.insert_segment_item(&tenant.id, segment, item, now).await? => Ok(PutOutcome::Created),
                    Ok(()) => {
                        tx.update_segment_item(&tenant.id, segment, item, now).await?;
                        Ok(PutOutcome::Replaced)
                    }
                });
            }
            let count = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
            if count > 0 {
                let entry = Entry::new(actor, "segment.put_items", "segment", segment.as_str())
                    .detail(serde_json::json!({ "items": count }));
                self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
                tx.commit().await?;
            }
            Ok::<_, Error>(outcomes)
        })
    }

    /// Takes items out of a segment, in one transaction; each has an outcome of its own.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for the segment.
    pub async fn remove_segment_items(
        &self,
        tenant: &Tenant,
        segment: &SegmentId,
        items: &[(SegmentItemKind, String)],
        actor: &Actor,
        origin: &Origin,
    ) -> Result<Vec<Result<(), Refusal>>, Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            tx.share_segment(&tenant.id, segment).await?.ok_or(Refusal::NotFound("segment"))?;
            let mut outcomes = Vec::with_capacity(items.len());
            for (kind, item) in items {
                let is_gone = tx.delete_segment_item(&tenant.id, segment, *kind, item).await?;
                outcomes.push(if is_gone { Ok(()) } else { Err(Refusal::NotFound("segment item")) });
            }
            let count = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
            if count > 0 {
                let entry = Entry::new(actor, "segment.remove_items", "segment", segment.as_str())
                    .detail(serde_json::json!({ "items": count }));
                self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
                tx.commit().await?;
            }
            Ok::<_, Error>(outcomes)
        })
    }

    /// The active segments that hold one of `items`, as a product, as a category, or as a category below one of
    /// theirs; ordered by id.
    ///
    /// # Errors
    /// Only faults.
    pub async fn match_segments(
        &self,
        tenant: &Tenant,
        items: &[String],
        site: Option<&SiteId>,
    ) -> Result<Vec<SegmentId>, Error> {
        let now = self.clock.now();
        let mut reader = self.store.read().await?;
        let mut found = Vec::new();
        for item in items {
            found.extend(reader.segments_holding(&tenant.id, item, site, now).await?);
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}
