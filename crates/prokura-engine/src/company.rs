//! Legal entities and the right to act for them. Taking a right away names its very grant in the revocation feed, so
//! every token that acts by it ends everywhere, whenever it was issued.

use crate::{Actor, Engine, Error, Origin, Refusal, Tenant, audit::Entry, retrying, store::Tx};
use prokura_domain::{
    AssignmentId, AssignmentKind, CompanyKind, ContactPropagation, CustomerId, GrantId, GroupCode, LegalEntityId,
    RevocationKind, Timestamp, check_hierarchy,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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

/// A right to act, as stored.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// Its id.
    pub id: AssignmentId,
    /// This very granting.
    pub grant: GrantId,
    /// For whom.
    pub legal_entity: LegalEntityId,
    /// Who.
    pub customer: CustomerId,
    /// What they are to the company.
    pub kind: AssignmentKind,
    /// Whether they are the one main person.
    pub is_primary: bool,
    /// The assignment this one follows, when it was propagated.
    pub origin: Option<AssignmentId>,
    /// Counts changes.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub modified_at: Timestamp,
}

/// A right to act, to be given.
#[derive(Clone, Debug)]
pub struct NewAssignment {
    /// Its id; `None` for a new one.
    pub id: Option<AssignmentId>,
    /// For whom.
    pub legal_entity: LegalEntityId,
    /// Who.
    pub customer: CustomerId,
    /// What they are to the company.
    pub kind: AssignmentKind,
    /// Whether they become the one main person.
    pub is_primary: bool,
    /// The predefined group they are put into; nobody without a group has a company's scopes.
    pub group: Option<GroupCode>,
}

/// Ids of companies and groups look like the vendor's: 24 hexadecimal digits.
const ID_DIGITS: usize = 24;

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
                let chain = tx.parent_chain(&tenant.id, parent).await?;
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

    /// Lets a customer act for a legal entity, and for its parents or subsidiaries as the tenant's settings say.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::AlreadyExists`] when they are assigned already.
    pub async fn assign(
        &self,
        tenant: &Tenant,
        request: &NewAssignment,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<AssignmentId, Error> {
        retrying!(async {
            let mut tx = self.store.write().await?;
            let id = self.assign_in(&mut tx, tenant, request, actor, origin).await?;
            tx.commit().await?;
            Ok::<_, Error>(id)
        })
    }

    /// The same inside a transaction.
    pub(crate) async fn assign_in(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        request: &NewAssignment,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<AssignmentId, Error> {
        let now = self.clock.now();
        let entity =
            tx.legal_entity(&tenant.id, &request.legal_entity).await?.ok_or(Refusal::NotFound("legal entity"))?;
        tx.customer(&tenant.id, &request.customer).await?.ok_or(Refusal::NotFound("customer"))?;
        let id = match &request.id {
            Some(id) => id.clone(),
            None => self.short_id(now)?.parse().map_err(Error::crypto)?,
        };
        if request.is_primary {
            tx.clear_primary(&tenant.id, &entity.id, now).await?;
        }
        let grant: GrantId = self.new_id(now)?.parse().map_err(Error::crypto)?;
        if !tx.insert_assignment(&tenant.id, &id, &grant, request, None, now).await? {
            return Err(Refusal::AlreadyExists("contact assignment").into());
        }
        if let Some(group) = request.group {
            self.join_group_in(tx, tenant, &request.customer, &entity.id, group, now).await?;
        }
        let propagation = tenant.settings.contact_propagation.parse().unwrap_or(ContactPropagation::Disabled);
        let reached = match propagation {
            ContactPropagation::Upward => {
                let mut chain = tx.parent_chain(&tenant.id, &entity.id).await?;
                chain.retain(|other| *other != entity.id);
                chain
            }
            ContactPropagation::Downward => tx.subsidiaries(&tenant.id, &entity.id).await?,
            ContactPropagation::Disabled => Vec::new(),
        };
        for other in reached {
            let follower = NewAssignment {
                id: None,
                legal_entity: other.clone(),
                customer: request.customer.clone(),
                kind: request.kind,
                is_primary: false,
                group: None,
            };
            let follower_id: AssignmentId = self.short_id(now)?.parse().map_err(Error::crypto)?;
            let grant: GrantId = self.new_id(now)?.parse().map_err(Error::crypto)?;
            // Somebody who is assigned there already keeps what they have.
            let is_new = tx.insert_assignment(&tenant.id, &follower_id, &grant, &follower, Some(&id), now).await?;
            if is_new && let Some(group) = request.group {
                self.join_group_in(tx, tenant, &request.customer, &other, group, now).await?;
            }
        }
        self.publish_rights(tx, tenant, Some(&request.customer), now).await?;
        let entry = Entry::new(actor, "assignment.create", "contact_assignment", id.as_str())
            .entity(Some(&request.legal_entity))
            .detail(serde_json::json!({ "customer": request.customer.as_str() }));
        self.audit(tx, &tenant.id, origin, entry, now).await?;
        Ok(id)
    }

    /// Puts a customer into the predefined group of an entity, out of any other predefined one of it.
    pub(crate) async fn join_group_in(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        customer: &CustomerId,
        entity: &LegalEntityId,
        code: GroupCode,
        now: Timestamp,
    ) -> Result<(), Error> {
        if code != GroupCode::Contact {
            tx.leave_predefined_groups(&tenant.id, customer, entity).await?;
        }
        let id = self.short_id(now)?;
        tx.join_predefined_group(&tenant.id, &id, customer, entity, code.as_str(), now).await?;
        Ok(())
    }

    /// Takes a customer's right to act for a legal entity away, with the rights that followed it.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn unassign(
        &self,
        tenant: &Tenant,
        id: &AssignmentId,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let assignment = tx.assignment(&tenant.id, id).await?.ok_or(Refusal::NotFound("contact assignment"))?;
            self.unassign_in(&mut tx, tenant, &assignment, now).await?;
            let entry = Entry::new(actor, "assignment.delete", "contact_assignment", id.as_str())
                .entity(Some(&assignment.legal_entity))
                .detail(serde_json::json!({ "customer": assignment.customer.as_str() }));
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// The same inside a transaction, without its audit entry.
    pub(crate) async fn unassign_in(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        assignment: &Assignment,
        now: Timestamp,
    ) -> Result<(), Error> {
        let until = now.plus_seconds(tenant.longest_access_seconds().into());
        let mut gone = tx.assignments_following(&tenant.id, &assignment.id).await?;
        gone.push(assignment.clone());
        for assignment in &gone {
            tx.delete_assignment(&tenant.id, &assignment.id).await?;
            tx.leave_groups_of_entity(&tenant.id, &assignment.customer, &assignment.legal_entity).await?;
            self.publish(tx, tenant, RevocationKind::Grant, assignment.grant.as_str(), until, now).await?;
        }
        self.publish_rights(tx, tenant, Some(&assignment.customer), now).await
    }

    /// One legal entity.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn legal_entity(&self, tenant: &Tenant, id: &LegalEntityId) -> Result<LegalEntity, Error> {
        let entity = self.store.read().await?.legal_entity(&tenant.id, id).await?;
        Ok(entity.ok_or(Refusal::NotFound("legal entity"))?)
    }

    /// The entities a customer is assigned to, with the assignment, oldest first.
    ///
    /// # Errors
    /// Only faults.
    pub async fn assignments_of(
        &self,
        tenant: &Tenant,
        customer: &CustomerId,
    ) -> Result<Vec<(Assignment, LegalEntity)>, Error> {
        let mut reader = self.store.read().await?;
        let mut found = Vec::new();
        for assignment in reader.assignments_of_customer(&tenant.id, customer).await? {
            if let Some(entity) = reader.legal_entity(&tenant.id, &assignment.legal_entity).await? {
                found.push((assignment, entity));
            }
        }
        Ok(found)
    }
}
