//! The places of legal entities. A place may serve several of them.

use crate::{Actor, Engine, Error, Origin, PutMode, PutOutcome, Refusal, Tenant, audit::Entry, retrying};
use prokura_domain::{LegalEntityId, LocationId, LocationKind, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A place.
#[derive(Clone, Debug)]
pub struct Location {
    /// Its id.
    pub id: LocationId,
    /// Its name.
    pub name: String,
    /// What it is used for.
    pub kind: LocationKind,
    /// Where it is and how to reach it.
    pub details: LocationDetails,
    /// Counts changes.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub modified_at: Timestamp,
}

/// Where a place is and how to reach it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LocationDetails {
    /// E-mail addresses.
    pub emails: Vec<String>,
    /// Telephone numbers.
    pub phones: Vec<String>,
    /// Street and number.
    pub address_line_1: Option<String>,
    /// More of the address.
    pub address_line_2: Option<String>,
    /// City.
    pub city: Option<String>,
    /// State or region.
    pub state: Option<String>,
    /// Postal code.
    pub postcode: Option<String>,
    /// Country (ISO 3166 alpha-2).
    pub country_code: Option<String>,
    /// What the address is for, by the shop's own words.
    pub tags: Vec<String>,
    /// Free objects by name.
    pub mixins: Map<String, Value>,
    /// The schema URL of each free object.
    pub mixin_schemas: Map<String, Value>,
}

/// A place to be made or replaced.
#[derive(Clone, Debug)]
pub struct PutLocation {
    /// Its id; `None` for a new one.
    pub id: Option<LocationId>,
    /// Its name.
    pub name: String,
    /// What it is used for.
    pub kind: LocationKind,
    /// Where it is and how to reach it.
    pub details: LocationDetails,
}

/// What to find places by; each part that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct LocationFilter {
    /// Whose.
    pub legal_entity: Option<LegalEntityId>,
    /// A part of its name, ignoring case.
    pub name_part: Option<String>,
    /// What it is used for.
    pub kind: Option<LocationKind>,
}

impl Engine {
    /// Places after `after`, by id.
    ///
    /// # Errors
    /// Only faults.
    pub async fn locations(
        &self,
        tenant: &Tenant,
        filter: &LocationFilter,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Location>, Error> {
        Ok(self.store.read().await?.locations(&tenant.id, filter, after, limit).await?)
    }

    /// One place.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn location(&self, tenant: &Tenant, id: &LocationId) -> Result<Location, Error> {
        let location = self.store.read().await?.location(&tenant.id, id).await?;
        Ok(location.ok_or(Refusal::NotFound("location"))?)
    }

    /// Makes or replaces a place.
    ///
    /// # Errors
    /// [`Refusal::AlreadyExists`], [`Refusal::StaleVersion`].
    pub async fn put_location(
        &self,
        tenant: &Tenant,
        request: &PutLocation,
        mode: PutMode,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(LocationId, PutOutcome), Error> {
        retrying!(self.put_location_once(tenant, request, mode, actor, origin))
    }

    async fn put_location_once(
        &self,
        tenant: &Tenant,
        request: &PutLocation,
        mode: PutMode,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(LocationId, PutOutcome), Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let before = match (&request.id, mode) {
            (Some(id), PutMode::Upsert { .. }) => tx.hold_location(&tenant.id, id).await?,
            (Some(_) | None, PutMode::Create) | (None, PutMode::Upsert { .. }) => None,
        };
        let (id, outcome) = match before {
            Some(before) if mode.is_stale(before.version) => return Err(Refusal::StaleVersion.into()),
            Some(before) => {
                tx.update_location(&tenant.id, &before.id, request, now).await?;
                (before.id, PutOutcome::Replaced)
            }
            None => {
                let id: LocationId = match &request.id {
                    Some(id) => id.clone(),
                    None => self.short_id(now)?.parse().map_err(Error::crypto)?,
                };
                if !tx.insert_location(&tenant.id, &id, request, now).await? {
                    return Err(mode.taken("location"));
                }
                (id, PutOutcome::Created)
            }
        };
        let verb = match outcome {
            PutOutcome::Created => "location.create",
            PutOutcome::Replaced => "location.update",
        };
        self.audit(&mut tx, &tenant.id, origin, Entry::new(actor, verb, "location", id.as_str()), now).await?;
        tx.commit().await?;
        Ok((id, outcome))
    }

    /// Deletes a place; the legal entities it served go on without it.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn delete_location(
        &self,
        tenant: &Tenant,
        id: &LocationId,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            tx.hold_location(&tenant.id, id).await?.ok_or(Refusal::NotFound("location"))?;
            tx.delete_location(&tenant.id, id).await?;
            let entry = Entry::new(actor, "location.delete", "location", id.as_str());
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }
}
