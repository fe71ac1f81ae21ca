//! Legal entities: companies and their subsidiaries. Deleting or disabling one reaches every token for it through the
//! revocation feed; what hangs on it (assignments, groups, segments, locations nobody else uses) goes with it.

use crate::{
    Actor, Contact, Engine, Error, Group, Location, Origin, PutMode, PutOutcome, Refusal, Tenant, audit::Entry,
    retrying, store::Tx, tenant::remembered_until,
};
use prokura_domain::{
    AssignmentId, CompanyKind, CustomerId, GroupId, LegalEntityId, LocationId, Revocation, RevocationKind, Timestamp,
    check_hierarchy,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// A legal entity.
#[derive(Clone, Debug)]
pub struct LegalEntity {
    /// Its id.
    pub id: LegalEntityId,
    /// Its name.
    pub name: String,
    /// Whether it stands for itself.
    pub kind: CompanyKind,
    /// What it belongs to.
    pub parent: Option<LegalEntityId>,
    /// Whether anybody may act for it.
    pub is_active: bool,
    /// The rest.
    pub details: LegalEntityDetails,
    /// Counts changes.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub modified_at: Timestamp,
}

/// What a legal entity has besides its name and place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LegalEntityDetails {
    /// The most an order may cost before somebody approves: currency and value.
    pub account_limit: Option<(String, f64)>,
    /// Legal name.
    pub legal_name: Option<String>,
    /// When it was registered, as given.
    pub registration_date: Option<String>,
    /// Tax number.
    pub tax_registration_number: Option<String>,
    /// Where it was registered.
    pub registration_agency: Option<String>,
    /// Country of registration (ISO 3166 alpha-2).
    pub country: Option<String>,
    /// Registration number; what a sign-up names to join. A column of its own, too.
    pub registration_id: Option<String>,
    /// What limits it, by the shop's own words.
    pub restrictions: Vec<String>,
    /// Assignments of the people who approve.
    pub approval_group: Vec<String>,
    /// Free objects by name.
    pub mixins: Map<String, Value>,
    /// The schema URL of each free object.
    pub mixin_schemas: Map<String, Value>,
}

/// A legal entity to be made.
#[derive(Clone, Debug)]
pub struct CreateLegalEntity {
    /// Its id; `None` for a new one.
    pub id: Option<LegalEntityId>,
    /// Its name.
    pub name: String,
    /// Whether it stands for itself.
    pub kind: CompanyKind,
    /// What it belongs to; a subsidiary needs it.
    pub parent: Option<LegalEntityId>,
    /// The rest.
    pub details: LegalEntityDetails,
}

/// A legal entity to be made or replaced, with what it is linked to.
#[derive(Clone, Debug)]
pub struct PutLegalEntity {
    /// The entity itself.
    pub entity: CreateLegalEntity,
    /// Its locations, in no order; `None` leaves them as they are.
    pub locations: Option<Vec<LocationId>>,
    /// The groups it keeps: a predefined group that is not named is deleted. `None` leaves all of them, as does making
    /// a new entity.
    pub groups: Option<Vec<GroupId>>,
}

/// What to find legal entities by; each part that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct LegalEntityFilter {
    /// Its id, ignoring case.
    pub id: Option<String>,
    /// A part of its name, ignoring case.
    pub name_part: Option<String>,
    /// Its kind.
    pub kind: Option<CompanyKind>,
    /// What it belongs to.
    pub parent: Option<LegalEntityId>,
    /// Its registration number.
    pub registration_id: Option<String>,
}

/// What a legal entity is linked to.
#[derive(Clone, Debug, Default)]
pub struct LegalEntityParts {
    /// Its places.
    pub locations: Vec<Location>,
    /// Its groups, predefined ones first.
    pub groups: Vec<Group>,
    /// The people who approve, as far as they are still assigned.
    pub approvers: Vec<Contact>,
}

/// Ids of companies and groups look like the vendor's: 24 hexadecimal digits.
const ID_DIGITS: usize = 24;
/// The most people in an approval group, and the most locations of an entity.
const MAX_LINKS: usize = 200;
/// The most assignments that are removed in one transaction; a larger company is disabled first and emptied in steps,
/// so that nobody else waits for it.
const DELETE_BATCH: u32 = 200;

impl Engine {
    /// Makes a legal entity with its predefined groups.
    ///
    /// # Errors
    /// [`Refusal::AlreadyExists`]; [`Refusal::Invalid`] for a missing, unknown or circular parent.
    pub async fn create_legal_entity(
        &self,
        tenant: &Tenant,
        request: &CreateLegalEntity,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<LegalEntityId, Error> {
        retrying!(async {
            let mut tx = self.store.write().await?;
            let id = self.create_legal_entity_in(&mut tx, tenant, request, actor, origin).await?;
            tx.commit().await?;
            Ok::<_, Error>(id)
        })
    }

    /// The same inside a transaction.
    pub(crate) async fn create_legal_entity_in(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        request: &CreateLegalEntity,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<LegalEntityId, Error> {
        let now = self.clock.now();
        let id: LegalEntityId = match &request.id {
            Some(id) => id.clone(),
            None => self.short_id(now)?.parse().map_err(Error::crypto)?,
        };
        self.check_parent(tx, tenant, &id, request.kind, request.parent.as_ref(), 0).await?;
        if !tx.insert_legal_entity(&tenant.id, &id, request, now).await? {
            return Err(Refusal::AlreadyExists("legal entity").into());
        }
        for template in &tenant.settings.group_templates {
            let group = self.short_id(now)?.parse().map_err(Error::crypto)?;
            tx.insert_predefined_group(&tenant.id, &group, &id, template, now).await?;
        }
        let entry = Entry::new(actor, "legal_entity.create", "legal_entity", id.as_str()).entity(Some(&id));
        self.audit(tx, &tenant.id, origin, entry, now).await?;
        Ok(id)
    }

    /// Changes an entity that is there.
    pub(crate) async fn change_legal_entity_in(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        there: &LegalEntity,
        request: &CreateLegalEntity,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let levels_below = tx.levels_below(&tenant.id, &there.id).await?;
        self.check_parent(tx, tenant, &there.id, request.kind, request.parent.as_ref(), levels_below).await?;
        if !tx.update_legal_entity(&tenant.id, &there.id, request, there.version, now).await? {
            return Err(Refusal::StaleVersion.into());
        }
        let entry = Entry::new(actor, "legal_entity.update", "legal_entity", there.id.as_str()).entity(Some(&there.id));
        self.audit(tx, &tenant.id, origin, entry, now).await
    }

    /// Makes or replaces a legal entity with its links. Nothing changes for the people who act for it, but for the
    /// members of predefined groups that `request` no longer names.
    ///
    /// # Errors
    /// As [`Engine::create_legal_entity`]; [`Refusal::StaleVersion`]; [`Refusal::Invalid`] for a location, a group or
    /// an approver that is not there.
    pub async fn put_legal_entity(
        &self,
        tenant: &Tenant,
        request: &PutLegalEntity,
        mode: PutMode,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(LegalEntityId, PutOutcome), Error> {
        retrying!(self.put_legal_entity_once(tenant, request, mode, actor, origin))
    }

    async fn put_legal_entity_once(
        &self,
        tenant: &Tenant,
        request: &PutLegalEntity,
        mode: PutMode,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(LegalEntityId, PutOutcome), Error> {
        let mut tx = self.store.write().await?;
        let before = match (&request.entity.id, mode) {
            (Some(id), PutMode::Upsert { .. }) => tx.hold_legal_entity(&tenant.id, id).await?,
            (Some(_) | None, PutMode::Create) | (None, PutMode::Upsert { .. }) => None,
        };
        let (id, outcome) = match before {
            None => match self.create_legal_entity_in(&mut tx, tenant, &request.entity, actor, origin).await {
                Err(Error::Refused(Refusal::AlreadyExists(what))) => return Err(mode.taken(what)),
                other => (other?, PutOutcome::Created),
            },
            Some(before) => {
                if mode.is_stale(before.version) {
                    return Err(Refusal::StaleVersion.into());
                }
                self.change_legal_entity_in(&mut tx, tenant, &before, &request.entity, actor, origin).await?;
                if let Some(kept) = &request.groups {
                    self.keep_groups_in(&mut tx, tenant, &before.id, kept, actor, origin).await?;
                }
                (before.id, PutOutcome::Replaced)
            }
        };
        self.check_approvers(&mut tx, tenant, &id, &request.entity.details.approval_group).await?;
        if let Some(locations) = &request.locations {
            if locations.len() > MAX_LINKS {
                return Err(Refusal::invalid("locations", format!("at most {MAX_LINKS}")).into());
            }
            tx.unlink_locations(&tenant.id, &id).await?;
            for location in locations {
                if !tx.link_location(&tenant.id, &id, location).await? {
                    return Err(Refusal::invalid("locations", format!("there is no location {location}")).into());
                }
            }
        }
        tx.commit().await?;
        Ok((id, outcome))
    }

    /// Approvers are people of the entity.
    async fn check_approvers(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        entity: &LegalEntityId,
        approvers: &[String],
    ) -> Result<(), Error> {
        if approvers.len() > MAX_LINKS {
            return Err(Refusal::invalid("approval_group", format!("at most {MAX_LINKS}")).into());
        }
        for approver in approvers {
            let is_assigned = match approver.parse::<AssignmentId>() {
                Ok(id) => tx.assignment(&tenant.id, &id).await?.is_some_and(|found| found.legal_entity == *entity),
                Err(_) => false,
            };
            if !is_assigned {
                let reason = "names contact assignments of this legal entity only";
                return Err(Refusal::invalid("approval_group", reason).into());
            }
        }
        Ok(())
    }

    /// Whether `entity` may be of this kind and hang under `parent`.
    pub(crate) async fn check_parent(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        entity: &LegalEntityId,
        kind: CompanyKind,
        parent: Option<&LegalEntityId>,
        levels_below: usize,
    ) -> Result<(), Error> {
        match (kind, parent) {
            (CompanyKind::Company, None) => Ok(()),
            (CompanyKind::Subsidiary, None) => Err(Refusal::invalid("parent", "a subsidiary needs a parent").into()),
            (_, Some(parent)) => {
                // Held, so that two moves at once cannot close a circle between them.
                let chain = tx.hold_parent_chain(&tenant.id, parent).await?;
                if chain.is_empty() {
                    return Err(Refusal::invalid("parent", "there is no such legal entity").into());
                }
                check_hierarchy(entity, &chain, levels_below).map_err(|fault| Refusal::invalid("parent", fault))?;
                Ok(())
            }
        }
    }

    pub(crate) fn short_id(&self, now: Timestamp) -> Result<String, Error> {
        // Eight digits of time keep neighbours together in the index, sixteen of randomness keep them apart.
        let id = self.new_id(now)?;
        let (time, rest) = id.split_at_checked(8).unwrap_or((&id, ""));
        let random = rest.get(rest.len().saturating_sub(ID_DIGITS - 8)..).unwrap_or(rest);
        Ok(format!("{time}{random}"))
    }

    /// One legal entity.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn legal_entity(&self, tenant: &Tenant, id: &LegalEntityId) -> Result<LegalEntity, Error> {
        let entity = self.store.read().await?.legal_entity(&tenant.id, id).await?;
        Ok(entity.ok_or(Refusal::NotFound("legal entity"))?)
    }

    /// Legal entities after `after`, by id.
    ///
    /// # Errors
    /// Only faults.
    pub async fn legal_entities(
        &self,
        tenant: &Tenant,
        filter: &LegalEntityFilter,
        after: &str,
        limit: u32,
    ) -> Result<Vec<LegalEntity>, Error> {
        Ok(self.store.read().await?.legal_entities(&tenant.id, filter, after, limit).await?)
    }

    /// The enabled entities a customer may act for: `first` first, when they may act for it, then those they are the
    /// main person of, then by the age of the assignment; at most `limit`.
    ///
    /// # Errors
    /// Only faults.
    pub async fn legal_entities_of(
        &self,
        tenant: &Tenant,
        customer: &CustomerId,
        first: Option<&LegalEntityId>,
        limit: u32,
    ) -> Result<Vec<LegalEntity>, Error> {
        Ok(self.store.read().await?.legal_entities_of(&tenant.id, customer, first, limit).await?)
    }

    /// The entity first, then its parent, up to the root.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn parent_hierarchy(&self, tenant: &Tenant, id: &LegalEntityId) -> Result<Vec<LegalEntity>, Error> {
        let mut reader = self.store.read().await?;
        let mut found = Vec::new();
        for id in reader.parent_chain(&tenant.id, id).await? {
            found.extend(reader.legal_entity(&tenant.id, &id).await?);
        }
        if found.is_empty() { Err(Refusal::NotFound("legal entity").into()) } else { Ok(found) }
    }

    /// What each of the entities is linked to, in their order; three questions for all of them. Beside each id stand
    /// the assignments of its approvers.
    ///
    /// # Errors
    /// Only faults.
    pub async fn parts_of(
        &self,
        tenant: &Tenant,
        entities: &[(LegalEntityId, Vec<String>)],
    ) -> Result<Vec<LegalEntityParts>, Error> {
        let ids: Vec<_> = entities.iter().map(|(id, _)| id.as_str()).collect();
        let mut reader = self.store.read().await?;
        let mut parts: HashMap<LegalEntityId, LegalEntityParts> = HashMap::new();
        for (entity, location) in reader.locations_of_entities(&tenant.id, &ids).await? {
            parts.entry(entity).or_default().locations.push(location);
        }
        for group in reader.groups_of_entities(&tenant.id, &ids).await? {
            if let Some(entity) = group.legal_entity.clone() {
                parts.entry(entity).or_default().groups.push(group);
            }
        }
        let approvers: Vec<_> = entities.iter().flat_map(|(_, approvers)| approvers).map(String::as_str).collect();
        if !approvers.is_empty() {
            for contact in reader.contacts_by_id(&tenant.id, &approvers).await? {
                parts.entry(contact.assignment.legal_entity.clone()).or_default().approvers.push(contact);
            }
        }
        Ok(entities.iter().map(|(id, _)| parts.remove(id).unwrap_or_default()).collect())
    }

    /// Switches a legal entity off or on. Off: every token for it ends everywhere; on: the same tokens hold again.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn set_legal_entity_active(
        &self,
        tenant: &Tenant,
        id: &LegalEntityId,
        is_active: bool,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        retrying!(async {
            let mut tx = self.store.write().await?;
            let before = tx.hold_legal_entity(&tenant.id, id).await?.ok_or(Refusal::NotFound("legal entity"))?;
            if before.is_active != is_active {
                self.switch_legal_entity_in(&mut tx, tenant, &before, is_active, actor, origin).await?;
                tx.commit().await?;
            }
            Ok::<_, Error>(())
        })
    }

    async fn switch_legal_entity_in(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        before: &LegalEntity,
        is_active: bool,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        let now = self.after_last_change(before);
        tx.move_legal_entity(&tenant.id, &before.id, is_active, now).await?;
        self.publish_legal_entity(tx, tenant, &before.id, is_active, now).await?;
        // How many companies somebody has decides which one counts without a choice.
        self.publish_rights(tx, tenant, None, now).await?;
        let verb = if is_active { "legal_entity.enable" } else { "legal_entity.disable" };
        let entry = Entry::new(actor, verb, "legal_entity", before.id.as_str()).entity(Some(&before.id));
        self.audit(tx, &tenant.id, origin, entry, now).await
    }

    /// Now, or just after the entity last changed, should the clock stand still or have gone back: of two entries of
    /// the feed about one entity the later one counts.
    fn after_last_change(&self, entity: &LegalEntity) -> Timestamp {
        self.clock.now().max(Timestamp::from_millis(entity.modified_at.millis().saturating_add(1)))
    }

    async fn publish_legal_entity(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        id: &LegalEntityId,
        is_lifted: bool,
        now: Timestamp,
    ) -> Result<(), Error> {
        let entry = Revocation {
            id: self.new_id(now)?,
            tenant: tenant.id.clone(),
            kind: RevocationKind::LegalEntity,
            value: id.to_string(),
            is_lifted,
            at: now,
            effective_at: now,
            expires_at: remembered_until(tx, &tenant.id, now).await?,
        };
        Ok(tx.revoke(entry).await?)
    }

    /// Deletes a legal entity with everything that is only its own. A company with many people is disabled at once and
    /// emptied in several transactions; should that be cut off, deleting it again goes on.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::InUse`] while it has subsidiaries.
    pub async fn delete_legal_entity(
        &self,
        tenant: &Tenant,
        id: &LegalEntityId,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        while !retrying!(self.delete_legal_entity_once(tenant, id, actor, origin))? {}
        Ok(())
    }

    /// One transaction of it; `false` when another one must follow.
    async fn delete_legal_entity_once(
        &self,
        tenant: &Tenant,
        id: &LegalEntityId,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<bool, Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let entity = tx.hold_legal_entity(&tenant.id, id).await?.ok_or(Refusal::NotFound("legal entity"))?;
        if tx.has_subsidiaries(&tenant.id, id).await? {
            return Err(Refusal::InUse("the legal entity has subsidiaries").into());
        }
        let page = tx.assignments_of_entity(&tenant.id, id, DELETE_BATCH).await?;
        let is_last = u32::try_from(page.len()).is_ok_and(|count| count < DELETE_BATCH);
        if !is_last && entity.is_active {
            self.switch_legal_entity_in(&mut tx, tenant, &entity, false, actor, origin).await?;
            tx.commit().await?;
            return Ok(false);
        }
        for assignment in &page {
            self.unassign_in(&mut tx, tenant, assignment, now).await?;
        }
        if !is_last {
            tx.commit().await?;
            return Ok(false);
        }
        let has_members = tx.forget_legal_entity(&tenant.id, id).await?;
        if has_members {
            self.publish_rights(&mut tx, tenant, None, now).await?;
        }
        if !entity.is_active {
            // Every grant is revoked by name; an entity made anew under this id must not meet the old entry.
            self.publish_legal_entity(&mut tx, tenant, id, true, self.after_last_change(&entity)).await?;
        }
        let entry = Entry::new(actor, "legal_entity.delete", "legal_entity", id.as_str())
            .entity(Some(id))
            .detail(json!({ "assignments": page.len() }));
        self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
        tx.commit().await?;
        Ok(true)
    }
}
