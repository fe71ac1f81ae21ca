//! Categories of the shop, as far as segments need them: an id, a parent, and what a tree shows. The shop's catalog
//! stays the truth; this is its copy.

use crate::{
    Actor, Engine, Error, Origin, PutMode, PutOutcome, Refusal, Tenant, audit::Entry, retrying, segment::check_objects,
    segment_item::check_item, store::Tx,
};
use prokura_domain::{MAX_HIERARCHY_DEPTH, Timestamp};
use serde_json::{Map, Value};

/// A category of the shop.
#[derive(Clone, Debug, PartialEq)]
pub struct Category {
    /// The shop's id.
    pub id: String,
    /// The category above it.
    pub parent: Option<String>,
    /// The shop's code.
    pub code: String,
    /// Its name by language.
    pub name: Map<String, Value>,
    /// Its place among its siblings.
    pub position: i64,
    /// Whether the shop shows it.
    pub is_published: bool,
    /// What else the shop said about it.
    pub details: Map<String, Value>,
    /// Counts changes.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub modified_at: Timestamp,
}

/// A category to be made or replaced.
#[derive(Clone, Debug)]
pub struct PutCategory {
    /// The shop's id.
    pub id: String,
    /// The category above it, which must be there.
    pub parent: Option<String>,
    /// The shop's code.
    pub code: String,
    /// Its name by language.
    pub name: Map<String, Value>,
    /// Its place among its siblings.
    pub position: i64,
    /// Whether the shop shows it.
    pub is_published: bool,
    /// What else the shop said about it.
    pub details: Map<String, Value>,
}

impl Category {
    /// A category nobody told us about, known by its id alone.
    pub(crate) fn unknown(id: &str, now: Timestamp) -> Self {
        Self {
            id: id.to_owned(),
            parent: None,
            code: id.to_owned(),
            name: Map::new(),
            position: 0,
            is_published: true,
            details: Map::new(),
            version: 0,
            created_at: now,
            modified_at: now,
        }
    }
}

impl Engine {
    /// Categories after `after`, by id; only those right under `parent` when one is named.
    ///
    /// # Errors
    /// Only faults.
    pub async fn categories(
        &self,
        tenant: &Tenant,
        parent: Option<&str>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Category>, Error> {
        Ok(self.store.read().await?.categories(&tenant.id, parent, after, limit).await?)
    }

    /// One category.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn category(&self, tenant: &Tenant, id: &str) -> Result<Category, Error> {
        let category = self.store.read().await?.category(&tenant.id, id).await?;
        Ok(category.ok_or(Refusal::NotFound("category"))?)
    }

    /// Makes or replaces a category.
    ///
    /// # Errors
    /// [`Refusal::AlreadyExists`], [`Refusal::StaleVersion`]; [`Refusal::Invalid`] for a parent that is not there,
    /// hangs under this one, or is 20 levels deep.
    pub async fn put_category(
        &self,
        tenant: &Tenant,
        request: &PutCategory,
        mode: PutMode,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<PutOutcome, Error> {
        check_item(&request.id)?;
        check_objects(&[("name", &request.name), ("mixins", &request.details)])?;
        retrying!(self.put_category_once(tenant, request, mode, actor, origin))
    }

    async fn put_category_once(
        &self,
        tenant: &Tenant,
        request: &PutCategory,
        mode: PutMode,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<PutOutcome, Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let before = match mode {
            PutMode::Upsert { .. } => tx.hold_category(&tenant.id, &request.id).await?,
            PutMode::Create => None,
        };
        check_parent(&mut tx, tenant, request).await?;
        let outcome = match before {
            Some(before) if mode.is_stale(before.version) => return Err(Refusal::StaleVersion.into()),
            Some(_) => {
                tx.update_category(&tenant.id, request, now).await?;
                PutOutcome::Replaced
            }
            None => {
                if !tx.insert_category(&tenant.id, request, now).await? {
                    return Err(mode.taken("category"));
                }
                PutOutcome::Created
            }
        };
        let verb = match outcome {
            PutOutcome::Created => "category.create",
            PutOutcome::Replaced => "category.update",
        };
        self.audit(&mut tx, &tenant.id, origin, Entry::new(actor, verb, "category", &request.id), now).await?;
        tx.commit().await?;
        Ok(outcome)
    }

    /// Deletes a category. Segments that hold it go on holding its id.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::InUse`] when others hang under it.
    pub async fn delete_category(
        &self,
        tenant: &Tenant,
        id: &str,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            tx.hold_category(&tenant.id, id).await?.ok_or(Refusal::NotFound("category"))?;
            if !tx.categories(&tenant.id, Some(id), "", 1).await?.is_empty() {
                return Err(Refusal::InUse("other categories hang under it").into());
            }
            tx.delete_category(&tenant.id, id).await?;
            let entry = Entry::new(actor, "category.delete", "category", id);
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }
}

async fn check_parent(tx: &mut Tx<'_>, tenant: &Tenant, request: &PutCategory) -> Result<(), Error> {
    let Some(parent) = &request.parent else { return Ok(()) };
    let reason = if parent == &request.id {
        "a category cannot hang under itself"
    } else {
        let chain = tx.category_chain(&tenant.id, parent).await?;
        if chain.is_empty() {
            "there is no such category"
        } else if chain.contains(&request.id) {
            "that category hangs under this one"
        } else if chain.len() >= MAX_HIERARCHY_DEPTH {
            "categories are at most 20 levels deep"
        } else {
            return Ok(());
        }
    };
    Err(Refusal::invalid("parent_id", reason).into())
}
