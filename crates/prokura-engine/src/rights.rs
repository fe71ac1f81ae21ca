//! What a customer may do and see for one company: scopes of their groups, segments; and their address. Computed at
//! use; a copy is kept until a change is heard of, and never longer than half a minute.

use crate::{
    Engine, Error, Tenant,
    store::{Reader, StoreError},
};
use moka::sync::Cache;
use prokura_domain::{CustomerId, LegalEntityId, MAX_TOKEN_SEGMENTS, Scopes, SegmentId, Standing, TenantId, Timestamp};
use std::{sync::Arc, time::Duration};

/// How many (customer, company) pairs a node remembers, and for how long at most.
const CAPACITY: u64 = 100_000;
const LIFE: Duration = Duration::from_secs(30);
/// The most segments that are ever read for one pair.
const MAX_SEGMENTS: u32 = 1_000;

/// What a customer may do and see, for one company or as a private person.
#[derive(Debug)]
pub struct Rights {
    /// Base scopes and those of the groups that count.
    pub scopes: Scopes,
    /// Active segments.
    pub segments: Vec<SegmentId>,
    /// The address they log in with.
    pub email: Option<Arc<str>>,
    /// The one company the customer has, when the tenant counts it without a choice and none was chosen.
    pub implicit_entity: Option<LegalEntityId>,
    mark: u64,
    /// When a segment of theirs begins or ends to count.
    until: Option<Timestamp>,
}

type Key = (TenantId, CustomerId, Option<LegalEntityId>);

pub(crate) struct RightsCache(Cache<Key, Arc<Rights>>);

impl RightsCache {
    pub(crate) fn new() -> Self {
        Self(Cache::builder().max_capacity(CAPACITY).time_to_live(LIFE).build())
    }
}

impl Engine {
    /// What `customer` may do and see for `entity` now.
    ///
    /// # Errors
    /// Only faults.
    pub async fn rights(
        &self,
        tenant: &Tenant,
        customer: &CustomerId,
        entity: Option<&LegalEntityId>,
    ) -> Result<Arc<Rights>, Error> {
        if let Some(rights) = self.cached_rights(tenant, customer, entity) {
            return Ok(rights);
        }
        let mut reader = self.store.read().await?;
        Ok(self.load_rights(&mut reader, tenant, customer, entity).await?)
    }

    /// The scopes a token counts for at this moment, whatever its dated copy says.
    ///
    /// # Errors
    /// Only faults.
    pub async fn scopes_now(&self, tenant: &Tenant, standing: &Standing) -> Result<Scopes, Error> {
        match standing.customer() {
            Some(customer) => {
                let rights = self.rights(tenant, customer, standing.legal_entity()).await?;
                Ok(counted(standing, &rights))
            }
            None => Ok(standing.scopes.clone()),
        }
    }

    /// A standing whose scopes and segments are those of this moment.
    ///
    /// # Errors
    /// [`crate::Refusal::UnknownTenant`], or a fault.
    pub async fn standing_now(&self, standing: &Standing) -> Result<Standing, Error> {
        let mut fresh = standing.clone();
        if let Some(customer) = standing.customer() {
            let tenant = self.tenant(&standing.tenant).await?;
            let rights = self.rights(&tenant, customer, standing.legal_entity()).await?;
            fresh.scopes = counted(standing, &rights);
            fresh.segments = rights.segments.iter().take(MAX_TOKEN_SEGMENTS).cloned().collect();
            fresh.has_more_segments = rights.segments.len() > MAX_TOKEN_SEGMENTS;
        }
        Ok(fresh)
    }

    /// The same, inside a transaction.
    pub(crate) async fn rights_in(
        &self,
        reader: &mut Reader,
        tenant: &Tenant,
        customer: &CustomerId,
        entity: Option<&LegalEntityId>,
    ) -> Result<Arc<Rights>, Error> {
        match self.cached_rights(tenant, customer, entity) {
            Some(rights) => Ok(rights),
            None => Ok(self.load_rights(reader, tenant, customer, entity).await?),
        }
    }

    fn cached_rights(
        &self,
        tenant: &Tenant,
        customer: &CustomerId,
        entity: Option<&LegalEntityId>,
    ) -> Option<Arc<Rights>> {
        let key = (tenant.id.clone(), customer.clone(), entity.cloned());
        self.rights
            .0
            .get(&key)
            .filter(|rights| rights.until.is_none_or(|until| self.clock.now() < until))
            .filter(|rights| !self.verifier().rights_changed_since(&tenant.id, customer, rights.mark))
    }

    async fn load_rights(
        &self,
        reader: &mut Reader,
        tenant: &Tenant,
        customer: &CustomerId,
        entity: Option<&LegalEntityId>,
    ) -> Result<Arc<Rights>, StoreError> {
        let mark = self.verifier().rights_mark();
        let mut implicit_entity = None;
        if entity.is_none() && tenant.settings.has_implicit_entity {
            let mut entities = reader.entities_of(&tenant.id, customer, 2).await?;
            if entities.len() == 1 {
                implicit_entity = entities.pop();
            }
        }
        let counted = entity.or(implicit_entity.as_ref());
        let mut scopes = tenant.customer_scopes.clone();
        for text in reader.group_scopes(&tenant.id, customer, counted).await? {
            scopes.extend(
                &Scopes::parse(&text).map_err(|_| StoreError::Corrupt { what: "customer_groups.scopes".to_owned() })?,
            );
        }
        let now = self.clock.now();
        let mut segments = reader.segments_for(&tenant.id, customer, counted, now, MAX_SEGMENTS).await?;
        if implicit_entity.is_some() {
            segments.extend(reader.segments_for(&tenant.id, customer, None, now, MAX_SEGMENTS).await?);
            segments.sort_unstable();
            segments.dedup();
        }
        let until = reader.next_segment_change(&tenant.id, customer, counted, now).await?;
        let email = reader.customer(&tenant.id, customer).await?.and_then(|customer| customer.email).map(Arc::from);
        let rights = Arc::new(Rights { scopes, segments, email, implicit_entity, mark, until });
        self.rights.0.insert((tenant.id.clone(), customer.clone(), entity.cloned()), Arc::clone(&rights));
        Ok(rights)
    }
}

/// The scopes of a token for what the customer may do now.
fn counted(standing: &Standing, rights: &Rights) -> Scopes {
    if standing.is_scope_limited { standing.scopes.within(&rights.scopes) } else { rights.scopes.clone() }
}
