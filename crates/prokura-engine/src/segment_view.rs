//! What a customer may see: the segments that count for the company their token chose, for the only one they have, or
//! for them as a private person, and the items of those.

use crate::{Category, Engine, Error, ItemFilter, Refusal, Segment, SegmentEntry, Tenant};
use prokura_domain::{CustomerId, LegalEntityId, SegmentId, SegmentState, SiteId, Standing};
use std::collections::{BTreeMap, BTreeSet};

/// Whose memberships count when a customer asks what they may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentViewer {
    /// Who asks.
    pub customer: CustomerId,
    /// The company they ask for.
    pub legal_entity: Option<LegalEntityId>,
    /// Whether what they may see as a private person counts as well.
    pub is_private: bool,
}

/// A category in the tree of those a customer may see.
#[derive(Clone, Debug, PartialEq)]
pub struct CategoryNode {
    /// The category.
    pub category: Category,
    /// Whether a segment holds it; otherwise it only shows the way to one that is held.
    pub is_assigned: bool,
    /// What hangs under it, in the shop's order.
    pub children: Vec<CategoryNode>,
}

/// The most categories one tree is made of.
const MAX_TREE: u32 = 10_000;

impl Engine {
    /// Decides for whom a customer's question counts.
    ///
    /// A token with a company answers for that one alone. Without one, whoever has exactly one company is taken to ask
    /// for it and privately (where the tenant has it so), and whoever has several may name one of theirs.
    ///
    /// # Errors
    /// [`Refusal::InvalidToken`] for guests and machines; [`Refusal::Forbidden`] for a company that is not the token's
    /// or not theirs, the same whether it exists or not.
    pub async fn segment_viewer(
        &self,
        tenant: &Tenant,
        standing: &Standing,
        wanted: Option<&str>,
    ) -> Result<SegmentViewer, Error> {
        let foreign = || Error::from(Refusal::Forbidden("the legal entity is not the one acted for"));
        let customer = standing.customer().ok_or(Refusal::InvalidToken)?.clone();
        if let Some(entity) = standing.legal_entity() {
            if wanted.is_some_and(|wanted| wanted != entity.as_str()) {
                return Err(foreign());
            }
            return Ok(SegmentViewer { customer, legal_entity: Some(entity.clone()), is_private: false });
        }
        let mut reader = self.store.read().await?;
        let mut entities = reader.entities_of(&tenant.id, &customer, 2).await?;
        if entities.is_empty() {
            return Ok(SegmentViewer { customer, legal_entity: None, is_private: true });
        }
        if entities.len() == 1 && tenant.settings.has_implicit_entity {
            return Ok(SegmentViewer { customer, legal_entity: entities.pop(), is_private: true });
        }
        let Some(wanted) = wanted else {
            return Ok(SegmentViewer { customer, legal_entity: None, is_private: true });
        };
        let entity: LegalEntityId = wanted.parse().map_err(|_| foreign())?;
        if !reader.may_act_for(&tenant.id, &customer, &entity).await? {
            return Err(foreign());
        }
        Ok(SegmentViewer { customer, legal_entity: Some(entity), is_private: false })
    }

    /// The active segments a customer belongs to, after `after`, by id.
    ///
    /// # Errors
    /// Only faults.
    pub async fn segments_seen(
        &self,
        tenant: &Tenant,
        viewer: &SegmentViewer,
        site: Option<&SiteId>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Segment>, Error> {
        let now = self.clock.now();
        Ok(self.store.read().await?.segments_seen(&tenant.id, viewer, site, now, after, limit).await?)
    }

    /// One of the active segments a customer belongs to.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], the same for one there is not and one they do not belong to.
    pub async fn segment_seen(
        &self,
        tenant: &Tenant,
        viewer: &SegmentViewer,
        id: &SegmentId,
    ) -> Result<Segment, Error> {
        let now = self.clock.now();
        let mut reader = self.store.read().await?;
        let found = reader.segment(&tenant.id, id).await?;
        let counts = |segment: &Segment| segment.state == SegmentState::Active && segment.validity.contains(now);
        match found.filter(counts) {
            Some(segment) if reader.belongs_to_segment(&tenant.id, viewer, id).await? => Ok(segment),
            Some(_) | None => Err(Refusal::NotFound("segment").into()),
        }
    }

    /// The items of the active segments a customer belongs to, by segment, kind and id. Of `filter`, customer, company
    /// and moment do not count: the viewer and the present stand for them.
    ///
    /// # Errors
    /// Only faults.
    pub async fn items_seen(
        &self,
        tenant: &Tenant,
        viewer: &SegmentViewer,
        filter: &ItemFilter,
        limit: u32,
    ) -> Result<Vec<SegmentEntry>, Error> {
        let now = self.clock.now();
        Ok(self.store.read().await?.items_seen(&tenant.id, viewer, filter, now, limit).await?)
    }

    /// The categories a customer may see, as trees from the roots down: those a segment holds, and above them those
    /// that lead there. A category we know nothing about stands alone under its id.
    ///
    /// # Errors
    /// Only faults.
    pub async fn category_trees_seen(
        &self,
        tenant: &Tenant,
        viewer: &SegmentViewer,
        site: Option<&SiteId>,
    ) -> Result<Vec<CategoryNode>, Error> {
        let now = self.clock.now();
        let mut reader = self.store.read().await?;
        let assigned: BTreeSet<String> =
            reader.category_ids_seen(&tenant.id, viewer, site, now, MAX_TREE).await?.into_iter().collect();
        let known = reader.categories_to_root(&tenant.id, viewer, site, now, MAX_TREE).await?;
        drop(reader);
        Ok(trees(known, &assigned, now))
    }
}

/// Puts categories under their parents. What hangs under something that is not there is a root itself.
fn trees(known: Vec<Category>, assigned: &BTreeSet<String>, now: prokura_domain::Timestamp) -> Vec<CategoryNode> {
    let mut all: BTreeMap<String, Category> =
        known.into_iter().map(|category| (category.id.clone(), category)).collect();
    for id in assigned {
        all.entry(id.clone()).or_insert_with(|| Category::unknown(id, now));
    }
    let mut below: BTreeMap<Option<String>, Vec<Category>> = BTreeMap::new();
    let ids: BTreeSet<String> = all.keys().cloned().collect();
    for category in all.into_values() {
        let parent = category.parent.clone().filter(|parent| ids.contains(parent));
        below.entry(parent).or_default().push(category);
    }
    nodes(None, &mut below, assigned)
}

/// Takes the children of `parent` out of `below`; a category is taken once, so a circle cannot go on for ever.
fn nodes(
    parent: Option<&str>,
    below: &mut BTreeMap<Option<String>, Vec<Category>>,
    assigned: &BTreeSet<String>,
) -> Vec<CategoryNode> {
    let mut children = below.remove(&parent.map(str::to_owned)).unwrap_or_default();
    children.sort_by(|a, b| a.position.cmp(&b.position).then_with(|| a.id.cmp(&b.id)));
    children
        .into_iter()
        .map(|category| CategoryNode {
            is_assigned: assigned.contains(&category.id),
            children: nodes(Some(&category.id), below, assigned),
            category,
        })
        .collect()
}
