//! Contact assignments: the right to act for a legal entity. Taking one away names its very grant in the revocation
//! feed, so every token that acts by it ends everywhere, whenever it was issued.

use crate::{
    Actor, Engine, Error, LegalEntity, Origin, PutMode, PutOutcome, Refusal, Tenant, audit::Entry, retrying, store::Tx,
    tenant::remembered_until,
};
use prokura_domain::{
    AssignmentId, AssignmentKind, CompanyKind, ContactPropagation, CustomerId, GrantId, GroupCode, LegalEntityId,
    RevocationKind, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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
    /// The rest.
    pub details: AssignmentDetails,
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

/// What a contact assignment carries for others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AssignmentDetails {
    /// Free objects by name.
    pub mixins: Map<String, Value>,
    /// The schema URL of each free object.
    pub mixin_schemas: Map<String, Value>,
}

/// A contact assignment to be made or replaced.
#[derive(Clone, Debug)]
pub struct PutAssignment {
    /// The right itself. Its group counts only when it is made.
    pub assignment: NewAssignment,
    /// The rest.
    pub details: AssignmentDetails,
}

/// A contact assignment with the names of both ends.
#[derive(Clone, Debug)]
pub struct Contact {
    /// The right.
    pub assignment: Assignment,
    /// The company's name.
    pub entity_name: String,
    /// The company's kind.
    pub entity_kind: CompanyKind,
    /// Given name of the customer.
    pub given_name: String,
    /// Family name of the customer.
    pub family_name: String,
    /// What the customer logs in with.
    pub email: Option<String>,
    /// Their telephone.
    pub phone: Option<String>,
}

/// What to find contact assignments by; each part that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct ContactFilter {
    /// For whom.
    pub legal_entity: Option<LegalEntityId>,
    /// Who.
    pub customer: Option<CustomerId>,
    /// What they are to the company.
    pub kind: Option<AssignmentKind>,
    /// Whether they are the main person.
    pub is_primary: Option<bool>,
}

impl Engine {
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
        self.assign_with(tx, tenant, request, &AssignmentDetails::default(), actor, origin).await
    }

    async fn assign_with(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        request: &NewAssignment,
        details: &AssignmentDetails,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<AssignmentId, Error> {
        let now = self.clock.now();
        let (tenant_id, customer) = (&tenant.id, &request.customer);
        // Held: its one main person and its groups change one at a time, and it is not deleted under us.
        let entity =
            tx.hold_legal_entity(tenant_id, &request.legal_entity).await?.ok_or(Refusal::NotFound("legal entity"))?;
        if !tx.hold_customer(tenant_id, customer).await? {
            return Err(Refusal::NotFound("customer").into());
        }
        let id = match &request.id {
            Some(id) => id.clone(),
            None => self.short_id(now)?.parse().map_err(Error::crypto)?,
        };
        if request.is_primary {
            tx.clear_primary(tenant_id, &entity.id, now).await?;
        }
        let grant: GrantId = self.new_id(now)?.parse().map_err(Error::crypto)?;
        if !tx.insert_assignment(tenant_id, (&id, &grant), request, details, None, now).await? {
            return Err(Refusal::AlreadyExists("contact assignment").into());
        }
        let mut membership = None;
        if let Some(group) = request.group {
            membership = self.follow_into_group_in(tx, tenant, customer, &entity.id, group, None).await?;
        }
        let propagation = tenant.settings.contact_propagation.parse().unwrap_or(ContactPropagation::Disabled);
        let reached = match propagation {
            ContactPropagation::Upward => {
                let mut chain = tx.parent_chain(tenant_id, &entity.id).await?;
                chain.retain(|other| *other != entity.id);
                chain
            }
            ContactPropagation::Downward => tx.subsidiaries(tenant_id, &entity.id).await?,
            ContactPropagation::Disabled => Vec::new(),
        };
        for other in reached {
            if tx.hold_legal_entity(tenant_id, &other).await?.is_none() {
                continue;
            }
            let follower = NewAssignment {
                id: None,
                legal_entity: other.clone(),
                customer: customer.clone(),
                kind: request.kind,
                is_primary: false,
                group: None,
            };
            let follower_id: AssignmentId = self.short_id(now)?.parse().map_err(Error::crypto)?;
            let grant: GrantId = self.new_id(now)?.parse().map_err(Error::crypto)?;
            // Somebody who is assigned there already keeps what they have.
            let none = AssignmentDetails::default();
            let is_new =
                tx.insert_assignment(tenant_id, (&follower_id, &grant), &follower, &none, Some(&id), now).await?;
            if is_new && let Some(group) = request.group {
                self.follow_into_group_in(tx, tenant, customer, &other, group, membership.as_deref()).await?;
            }
        }
        self.publish_rights(tx, tenant, Some(customer), now).await?;
        let entry = Entry::new(actor, "assignment.create", "contact_assignment", id.as_str())
            .entity(Some(&request.legal_entity))
            .detail(serde_json::json!({ "customer": customer.as_str() }));
        self.audit(tx, tenant_id, origin, entry, now).await?;
        Ok(id)
    }

    /// Makes or replaces a contact assignment. Replacing changes what the person is to the company, never who they are
    /// or for which company: that would be another right.
    ///
    /// # Errors
    /// As [`Engine::assign`]; [`Refusal::StaleVersion`]; [`Refusal::Invalid`] for another customer or company.
    pub async fn put_assignment(
        &self,
        tenant: &Tenant,
        request: &PutAssignment,
        mode: PutMode,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(AssignmentId, PutOutcome), Error> {
        retrying!(self.put_assignment_once(tenant, request, mode, actor, origin))
    }

    async fn put_assignment_once(
        &self,
        tenant: &Tenant,
        request: &PutAssignment,
        mode: PutMode,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(AssignmentId, PutOutcome), Error> {
        let now = self.clock.now();
        let wanted = &request.assignment;
        let mut tx = self.store.write().await?;
        // The entity first, then its assignments: everybody takes the locks in this order.
        tx.hold_legal_entity(&tenant.id, &wanted.legal_entity).await?.ok_or(Refusal::NotFound("legal entity"))?;
        let before = match (&wanted.id, mode) {
            (Some(id), PutMode::Upsert { .. }) => tx.assignment(&tenant.id, id).await?,
            (Some(_) | None, PutMode::Create) | (None, PutMode::Upsert { .. }) => None,
        };
        let Some(before) = before else {
            let id = self.assign_with(&mut tx, tenant, wanted, &request.details, actor, origin).await?;
            tx.commit().await?;
            return Ok((id, PutOutcome::Created));
        };
        if mode.is_stale(before.version) {
            return Err(Refusal::StaleVersion.into());
        }
        if before.legal_entity != wanted.legal_entity {
            return Err(Refusal::invalid("legal_entity", "a contact assignment keeps its legal entity").into());
        }
        if before.customer != wanted.customer {
            return Err(Refusal::invalid("customer", "a contact assignment keeps its customer").into());
        }
        if wanted.is_primary && !before.is_primary {
            tx.clear_primary(&tenant.id, &before.legal_entity, now).await?;
        }
        tx.update_assignment(&tenant.id, &before.id, wanted.kind, wanted.is_primary, &request.details, now).await?;
        let entry = Entry::new(actor, "assignment.update", "contact_assignment", before.id.as_str())
            .entity(Some(&before.legal_entity))
            .detail(serde_json::json!({ "customer": before.customer.as_str() }));
        self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
        tx.commit().await?;
        Ok((before.id, PutOutcome::Replaced))
    }

    /// Takes a customer's right to act for a legal entity away, with the rights that followed it.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::InUse`] when a customer asks and nobody would be left to manage the company.
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
            let missing = || Refusal::NotFound("contact assignment");
            let entity = tx.assignment(&tenant.id, id).await?.ok_or_else(missing)?.legal_entity;
            tx.hold_legal_entity(&tenant.id, &entity).await?;
            // Read again now that nobody else can change it.
            let assignment = tx.assignment(&tenant.id, id).await?.ok_or_else(missing)?;
            self.check_not_last_admin(&mut tx, tenant, &entity, assignment.customer.as_str(), actor).await?;
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
        let until = remembered_until(tx, &tenant.id, now).await?;
        let mut gone = tx.assignments_following(&tenant.id, &assignment.id).await?;
        gone.push(assignment.clone());
        for assignment in &gone {
            tx.delete_assignment(&tenant.id, &assignment.id).await?;
            tx.leave_groups_of_entity(&tenant.id, &assignment.customer, &assignment.legal_entity).await?;
            self.publish(tx, tenant, RevocationKind::Grant, assignment.grant.as_str(), until, now).await?;
            // A session that may act for this company alone can do nothing any more; others choose another one.
            for session in tx.sessions_locked_to(&tenant.id, &assignment.customer, &assignment.legal_entity).await? {
                self.end_session_in(tx, tenant, &session, "company_lost", now).await?;
            }
        }
        self.publish_rights(tx, tenant, Some(&assignment.customer), now).await
    }

    /// Contact assignments after `after`, by id.
    ///
    /// # Errors
    /// Only faults.
    pub async fn contacts(
        &self,
        tenant: &Tenant,
        filter: &ContactFilter,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Contact>, Error> {
        Ok(self.store.read().await?.contacts(&tenant.id, filter, after, limit).await?)
    }

    /// One contact assignment.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn contact(&self, tenant: &Tenant, id: &AssignmentId) -> Result<Contact, Error> {
        let mut found = self.store.read().await?.contacts_by_id(&tenant.id, &[id.as_str()]).await?;
        Ok(found.pop().ok_or(Refusal::NotFound("contact assignment"))?)
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
