//! Customer groups and the scopes they give. Every legal entity has its predefined ones, of which a customer is in at
//! most one (besides the contacts); whoever joins a subsidiary's group joins its parents', too. Scopes are computed at
//! use, so a change counts at once.

use crate::{
    Actor, Engine, Error, Origin, PutMode, PutOutcome, Refusal, Tenant,
    audit::Entry,
    retrying,
    store::{Reader, Tx},
};
use prokura_domain::{CustomerId, GroupCode, GroupId, LegalEntityId, MemberKind, Scopes, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A customer group.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// Whose group it is; `None` counts for every company and for private persons.
    pub legal_entity: Option<LegalEntityId>,
    /// Which predefined one it is, or a word of the shop's own.
    pub code: Option<String>,
    /// Who can be in it.
    pub member_kind: MemberKind,
    /// Its name by language.
    pub name: Map<String, Value>,
    /// What it is for, by language.
    pub description: Map<String, Value>,
    /// What it gives.
    pub scopes: Scopes,
    /// The rest.
    pub details: GroupDetails,
    /// Counts changes.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub modified_at: Timestamp,
}

/// What a group carries for others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupDetails {
    /// What its scopes were named by, in the dialect's words.
    pub access_controls: Vec<String>,
    /// The templates its scopes were taken from.
    pub templates: Vec<String>,
    /// What limits it, by the shop's own words.
    pub restrictions: Vec<String>,
}

/// A group to be made or replaced.
#[derive(Clone, Debug)]
pub struct PutGroup {
    /// Its id; `None` for a new one.
    pub id: Option<GroupId>,
    /// Whose group it is. Cannot be changed.
    pub legal_entity: Option<LegalEntityId>,
    /// Which predefined one it is, or a word of the shop's own.
    pub code: Option<String>,
    /// Who can be in it. Cannot be changed.
    pub member_kind: MemberKind,
    /// Its name by language.
    pub name: Map<String, Value>,
    /// What it is for, by language.
    pub description: Map<String, Value>,
    /// What it gives.
    pub scopes: Scopes,
    /// The rest.
    pub details: GroupDetails,
}

/// What to find groups by; each part that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct GroupFilter {
    /// Whose.
    pub legal_entity: Option<LegalEntityId>,
    /// For whom.
    pub member_kind: Option<MemberKind>,
    /// A part of one of its names or of its code, ignoring case.
    pub name_part: Option<String>,
    /// Its code.
    pub code: Option<String>,
}

/// Somebody in a group.
#[derive(Clone, Debug)]
pub struct GroupMember {
    /// Names the membership.
    pub id: String,
    /// The group.
    pub group: GroupId,
    /// Who.
    pub member: String,
    /// What they are.
    pub kind: MemberKind,
    /// Since when.
    pub created_at: Timestamp,
}

/// Somebody to be put into a group, or taken out of it.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The group.
    pub group: GroupId,
    /// Who.
    pub member: String,
    /// What they are; `None` for what the group is for.
    pub kind: Option<MemberKind>,
    /// The one company whose groups the caller may touch and whose people they may know; `None` for all.
    pub confined_to: Option<LegalEntityId>,
}

/// The most members named in an audit entry, and told one by one that their rights changed.
const MAX_NAMED: u32 = 200;

impl Engine {
    /// Groups after `after`, by id.
    ///
    /// # Errors
    /// Only faults.
    pub async fn groups(
        &self,
        tenant: &Tenant,
        filter: &GroupFilter,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Group>, Error> {
        Ok(self.store.read().await?.groups(&tenant.id, filter, after, limit).await?)
    }

    /// One group.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn group(&self, tenant: &Tenant, id: &GroupId) -> Result<Group, Error> {
        let group = self.store.read().await?.group(&tenant.id, id).await?;
        Ok(group.ok_or(Refusal::NotFound("group"))?)
    }

    /// The groups somebody is in, by id; at most `limit`.
    ///
    /// # Errors
    /// Only faults.
    pub async fn groups_of(&self, tenant: &Tenant, member: &str, limit: u32) -> Result<Vec<Group>, Error> {
        Ok(self.store.read().await?.groups_of_member(&tenant.id, member, limit).await?)
    }

    /// Members of a group after `after`, by their id.
    ///
    /// # Errors
    /// Only faults.
    pub async fn group_members(
        &self,
        tenant: &Tenant,
        group: &GroupId,
        after: &str,
        limit: u32,
    ) -> Result<Vec<GroupMember>, Error> {
        Ok(self.store.read().await?.group_members(&tenant.id, group, after, limit).await?)
    }

    /// Makes or replaces a group. New scopes count at once for its members.
    ///
    /// # Errors
    /// [`Refusal::AlreadyExists`] for a taken id or a predefined group the entity has; [`Refusal::StaleVersion`];
    /// [`Refusal::Invalid`] for an unknown or another entity, or another kind of members.
    pub async fn put_group(
        &self,
        tenant: &Tenant,
        request: &PutGroup,
        mode: PutMode,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(GroupId, PutOutcome), Error> {
        retrying!(self.put_group_once(tenant, request, mode, actor, origin))
    }

    async fn put_group_once(
        &self,
        tenant: &Tenant,
        request: &PutGroup,
        mode: PutMode,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(GroupId, PutOutcome), Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        if let Some(entity) = &request.legal_entity
            && tx.hold_legal_entity(&tenant.id, entity).await?.is_none()
        {
            return Err(Refusal::invalid("legal_entity", "there is no such legal entity").into());
        }
        let before = match (&request.id, mode) {
            (Some(id), PutMode::Upsert { .. }) => tx.hold_group(&tenant.id, id).await?,
            (Some(_) | None, PutMode::Create) | (None, PutMode::Upsert { .. }) => None,
        };
        let Some(before) = before else {
            let id: GroupId = match &request.id {
                Some(id) => id.clone(),
                None => self.short_id(now)?.parse().map_err(Error::crypto)?,
            };
            if !tx.insert_group(&tenant.id, &id, request, now).await? {
                // A taken id would be replaced by another try; a predefined group under another id would not.
                let is_id_taken = tx.group(&tenant.id, &id).await?.is_some();
                return Err(if is_id_taken { mode } else { PutMode::Create }.taken("group"));
            }
            let entry = Entry::new(actor, "group.create", "group", id.as_str());
            self.audit(&mut tx, &tenant.id, origin, entry.entity(request.legal_entity.as_ref()), now).await?;
            tx.commit().await?;
            return Ok((id, PutOutcome::Created));
        };
        if mode.is_stale(before.version) {
            return Err(Refusal::StaleVersion.into());
        }
        if before.legal_entity != request.legal_entity {
            return Err(Refusal::invalid("legal_entity", "a group keeps its legal entity").into());
        }
        if before.member_kind != request.member_kind {
            return Err(Refusal::invalid("member_kind", "a group keeps the kind of its members").into());
        }
        if before.is_predefined() && before.code != request.code {
            return Err(Refusal::invalid("code", "a predefined group keeps its code").into());
        }
        if !before.is_predefined() && request.legal_entity.is_some() && is_predefined_code(request.code.as_deref()) {
            return Err(Refusal::invalid("code", "names a predefined group").into());
        }
        tx.update_group(&tenant.id, &before.id, request, now).await?;
        if before.scopes != request.scopes {
            self.publish_rights(&mut tx, tenant, None, now).await?;
        }
        let entry = Entry::new(actor, "group.update", "group", before.id.as_str())
            .entity(request.legal_entity.as_ref())
            .detail(json!({ "scopes": request.scopes.to_string() }));
        self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
        tx.commit().await?;
        Ok((before.id, PutOutcome::Replaced))
    }

    /// Deletes a group.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::InUse`] while somebody is in it, unless `is_forced`.
    pub async fn delete_group(
        &self,
        tenant: &Tenant,
        id: &GroupId,
        is_forced: bool,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        retrying!(async {
            let mut tx = self.store.write().await?;
            let group = tx.hold_group(&tenant.id, id).await?.ok_or(Refusal::NotFound("group"))?;
            if !is_forced && !tx.group_members(&tenant.id, id, "", 1).await?.is_empty() {
                return Err(Refusal::InUse("the group has members").into());
            }
            self.delete_group_in(&mut tx, tenant, &group, actor, origin).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// Deletes the predefined groups of an entity that are not among `kept`.
    pub(crate) async fn keep_groups_in(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        entity: &LegalEntityId,
        kept: &[GroupId],
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        let groups = tx.groups_of_entities(&tenant.id, &[entity.as_str()]).await?;
        if let Some(stranger) = kept.iter().find(|id| groups.iter().all(|group| group.id != **id)) {
            let reason = format!("the legal entity has no group {stranger}");
            return Err(Refusal::invalid("groups", reason).into());
        }
        for group in groups.iter().filter(|group| group.is_predefined() && !kept.contains(&group.id)) {
            self.delete_group_in(tx, tenant, group, actor, origin).await?;
        }
        Ok(())
    }

    async fn delete_group_in(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        group: &Group,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let lost = tx.group_members(&tenant.id, &group.id, "", MAX_NAMED).await?;
        let count = tx.delete_group(&tenant.id, &group.id).await?;
        if count > 0 {
            self.publish_rights(tx, tenant, None, now).await?;
        }
        let members: Vec<_> = lost.iter().map(|member| member.member.as_str()).collect();
        let entry = Entry::new(actor, "group.delete", "group", group.id.as_str())
            .entity(group.legal_entity.as_ref())
            .detail(json!({ "code": group.code, "lost_members": members, "lost": count }));
        self.audit(tx, &tenant.id, origin, entry, now).await
    }

    /// Puts somebody into a group, and into the same group of the entity's parents. Returns the membership's id, and
    /// whether it is new or was there before.
    ///
    /// A customer who asks may only give what they have themselves, and only to people of the company.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for a group or person the caller may not know of; [`Refusal::AlreadyExists`] for a
    /// second one of the Admin, Buyer and Requester groups of an entity; [`Refusal::Forbidden`] for a scope
    /// the caller lacks; [`Refusal::Invalid`] for another kind of members.
    pub async fn join_group(
        &self,
        tenant: &Tenant,
        request: &Membership,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(String, PutOutcome), Error> {
        retrying!(self.join_group_once(tenant, request, actor, origin))
    }

    async fn join_group_once(
        &self,
        tenant: &Tenant,
        request: &Membership,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(String, PutOutcome), Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let group = self.group_to_change(&mut tx, tenant, request).await?;
        let is_employee = group.member_kind == MemberKind::Employee;
        if request.kind.is_some_and(|kind| kind != group.member_kind) {
            return Err(Refusal::invalid("member_kind", format!("the group is for {}s", group.member_kind)).into());
        }
        let customer: CustomerId = request.member.parse().map_err(|_| Refusal::NotFound("customer"))?;
        if !is_employee && !tx.hold_customer(&tenant.id, &customer).await? {
            return Err(Refusal::NotFound("customer").into());
        }
        if let Some(entity) = &request.confined_to
            && !tx.is_assigned(&tenant.id, &customer, entity).await?
        {
            return Err(Refusal::NotFound("customer").into());
        }
        if let Some(id) = tx.membership(&tenant.id, &group.id, &request.member).await? {
            return Ok((id, PutOutcome::Replaced));
        }
        if !self.may_give(&mut tx, tenant, actor, &group).await? {
            return Err(Refusal::Forbidden("nobody grants a scope they lack").into());
        }
        if let (Some(entity), Some(code)) = (&group.legal_entity, group.role())
            && code != GroupCode::Contact
            && tx.role_of(&tenant.id, &customer, entity).await?.is_some()
        {
            return Err(Refusal::AlreadyExists("role in the legal entity").into());
        }
        let id = self.short_id(now)?;
        // The group is held: nobody else can have been faster.
        tx.insert_member(&tenant.id, &id, &group, &request.member, None, now).await?;
        self.join_parents(&mut tx, tenant, &customer, &group, &id, actor).await?;
        if !is_employee {
            self.publish_rights(&mut tx, tenant, Some(&customer), now).await?;
        }
        let entry = Entry::new(actor, "group.add_member", "group", group.id.as_str())
            .entity(group.legal_entity.as_ref())
            .detail(json!({ "member": request.member, "code": group.code }));
        self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
        tx.commit().await?;
        Ok((id, PutOutcome::Created))
    }

    /// Takes somebody out of a group, and out of the parents' groups they got into by it.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::InUse`] when a customer asks and nobody would be left to manage the company.
    pub async fn leave_group(
        &self,
        tenant: &Tenant,
        request: &Membership,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        retrying!(self.leave_group_once(tenant, request, actor, origin))
    }

    async fn leave_group_once(
        &self,
        tenant: &Tenant,
        request: &Membership,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let group = self.group_to_change(&mut tx, tenant, request).await?;
        if let (Some(entity), Some(GroupCode::Admin)) = (&group.legal_entity, group.role()) {
            self.check_not_last_admin(&mut tx, tenant, entity, &request.member, actor).await?;
        }
        if !tx.delete_member(&tenant.id, &group.id, &request.member).await? {
            return Err(Refusal::NotFound("group member").into());
        }
        if group.member_kind == MemberKind::Customer
            && let Ok(customer) = request.member.parse()
        {
            self.publish_rights(&mut tx, tenant, Some(&customer), now).await?;
        }
        let entry = Entry::new(actor, "group.remove_member", "group", group.id.as_str())
            .entity(group.legal_entity.as_ref())
            .detail(json!({ "member": request.member, "code": group.code }));
        self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The group, held with its entity: who is in the groups of an entity changes one at a time.
    async fn group_to_change(&self, tx: &mut Tx<'_>, tenant: &Tenant, request: &Membership) -> Result<Group, Error> {
        let missing = || Refusal::NotFound("group");
        let group = tx.group(&tenant.id, &request.group).await?.ok_or_else(missing)?;
        if request.confined_to.is_some() && group.legal_entity != request.confined_to {
            return Err(missing().into());
        }
        if let Some(entity) = &group.legal_entity {
            tx.hold_legal_entity(&tenant.id, entity).await?;
        }
        Ok(tx.hold_group(&tenant.id, &request.group).await?.ok_or_else(missing)?)
    }

    /// A customer gives only what they have in that company; machines and operators give anything.
    pub(crate) async fn may_give(
        &self,
        tx: &mut Reader,
        tenant: &Tenant,
        actor: &Actor,
        group: &Group,
    ) -> Result<bool, Error> {
        match actor {
            Actor::Customer(giver) => {
                if let Some(entity) = &group.legal_entity
                    && !tx.is_assigned(&tenant.id, giver, entity).await?
                {
                    return Ok(false);
                }
                let own = self.rights_in(tx, tenant, giver, group.legal_entity.as_ref()).await?;
                Ok(group.scopes.is_subset(&own.scopes))
            }
            Actor::Client(_) | Actor::Operator(_) | Actor::System => Ok(true),
            Actor::Guest => Ok(false),
        }
    }

    /// Into the same predefined group of every parent, wherever the caller could put them there and they have no other
    /// role yet.
    pub(crate) async fn join_parents(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        customer: &CustomerId,
        group: &Group,
        membership: &str,
        actor: &Actor,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let (Some(entity), Some(code)) = (&group.legal_entity, group.role()) else { return Ok(()) };
        for parent in tx.parent_chain(&tenant.id, entity).await?.into_iter().skip(1) {
            tx.hold_legal_entity(&tenant.id, &parent).await?;
            let Some(group) = tx.predefined_group(&tenant.id, &parent, code.as_str()).await? else { continue };
            let is_free = code == GroupCode::Contact || tx.role_of(&tenant.id, customer, &parent).await?.is_none();
            if is_free && self.may_give(tx, tenant, actor, &group).await? {
                let id = self.short_id(now)?;
                tx.insert_member(&tenant.id, &id, &group, customer.as_str(), Some(membership), now).await?;
            }
        }
        Ok(())
    }

    /// Puts a customer into the predefined group of an entity, out of any other predefined one of it.
    pub(crate) async fn join_group_in(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        customer: &CustomerId,
        entity: &LegalEntityId,
        code: GroupCode,
    ) -> Result<(), Error> {
        self.follow_into_group_in(tx, tenant, customer, entity, code, None).await.map(drop)
    }

    /// The same as a membership that goes with another one, `origin`. Returns its id; `None` when they were in the
    /// group before, or there is no such group.
    pub(crate) async fn follow_into_group_in(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        customer: &CustomerId,
        entity: &LegalEntityId,
        code: GroupCode,
        origin: Option<&str>,
    ) -> Result<Option<String>, Error> {
        let now = self.clock.now();
        let Some(group) = tx.predefined_group(&tenant.id, entity, code.as_str()).await? else { return Ok(None) };
        if code != GroupCode::Contact {
            tx.leave_roles(&tenant.id, customer, entity, &group.id).await?;
        }
        let id = self.short_id(now)?;
        let is_new = tx.insert_member(&tenant.id, &id, &group, customer.as_str(), origin, now).await?;
        Ok(is_new.then_some(id))
    }

    /// Whether an entity keeps somebody who manages it when `member` goes. Asked of customers only: the shop itself may
    /// take anybody out.
    pub(crate) async fn check_not_last_admin(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        entity: &LegalEntityId,
        member: &str,
        actor: &Actor,
    ) -> Result<(), Error> {
        let admin = GroupCode::Admin.as_str();
        if matches!(actor, Actor::Customer(_))
            && tx.is_in_predefined_group(&tenant.id, member, entity, admin).await?
            && !tx.has_other_member(&tenant.id, member, entity, admin).await?
        {
            return Err(Refusal::InUse("the last administrator of the legal entity").into());
        }
        Ok(())
    }
}

impl Group {
    /// Whether it came with its entity.
    pub fn is_predefined(&self) -> bool {
        self.legal_entity.is_some() && is_predefined_code(self.code.as_deref())
    }

    /// Which predefined group of its entity it is.
    pub fn role(&self) -> Option<GroupCode> {
        self.legal_entity.as_ref()?;
        self.code.as_deref()?.parse().ok()
    }
}

fn is_predefined_code(code: Option<&str>) -> bool {
    code.is_some_and(|code| code.parse::<GroupCode>().is_ok())
}
