//! A company's administrators help themselves: they see who acts for their company, change what colleagues are in it,
//! end their access, invite others, and read what was done for it. Who is in the company's Admin group may, for the
//! company their browser acts for, and never beyond their own rights. Everything is decided in the transaction that
//! changes it, with the company held.

use crate::{
    Actor, AuditEvent, Engine, Error, Group, Invitation, Invite, Origin, PageSession, Refusal, Tenant,
    audit::Entry,
    retrying,
    store::{Reader, Tx},
};
use prokura_domain::{AssignmentId, CustomerId, CustomerState, Email, GroupCode, GroupId, InvitationId, LegalEntityId};
use prokura_jose::Secret;
use serde_json::json;
use std::collections::BTreeMap;

/// The most invitations a list of open ones shows.
const MAX_INVITATIONS: u32 = 200;

/// Somebody who may act for the company.
#[derive(Clone, Debug)]
pub struct Colleague {
    /// Their right to act; names them in changes.
    pub assignment: AssignmentId,
    /// Who.
    pub customer: CustomerId,
    /// Given name.
    pub given_name: String,
    /// Family name.
    pub family_name: String,
    /// What they log in with.
    pub email: Option<String>,
    /// Whether they can log in.
    pub state: CustomerState,
    /// What they are; the strongest role when there are several.
    pub role: Option<GroupCode>,
    /// Whether it is the one who asks.
    pub is_self: bool,
    /// Whether the one who asks may change them.
    pub is_changeable: bool,
}

/// A role that can be given in a company.
#[derive(Clone, Debug)]
pub struct RoleToGive {
    /// The company's group.
    pub group: GroupId,
    /// Which one.
    pub code: GroupCode,
}

/// A page of the people of a company.
#[derive(Clone, Debug, Default)]
pub struct Colleagues {
    /// Some of them.
    pub people: Vec<Colleague>,
    /// How many there are, as far as they were sought.
    pub total: u32,
    /// The roles the one who asks may give.
    pub roles: Vec<RoleToGive>,
    /// The invitations that are open, past their end ones left out.
    pub invitations: Vec<Invitation>,
}

/// Something done for a company, with the names of those it is about.
#[derive(Clone, Debug)]
pub struct CompanyEvent {
    /// The entry of the trail.
    pub event: AuditEvent,
    /// Who did it, by name; `None` for the shop.
    pub who: Option<String>,
    /// To whom, or by what application.
    pub subject: Option<String>,
}

/// Somebody to be invited by an administrator of the company.
#[derive(Clone, Debug)]
pub struct InviteColleague {
    /// The company's group they are to be in.
    pub group: GroupId,
    /// Where the mail goes.
    pub email: Email,
    /// Their given name; may be empty.
    pub given_name: String,
    /// Their family name; may be empty.
    pub family_name: String,
}

/// An administrator, for as long as their company is held.
struct Manager {
    customer: CustomerId,
    entity: LegalEntityId,
}

impl Manager {
    fn actor(&self) -> Actor {
        Actor::Customer(self.customer.clone())
    }
}

impl Engine {
    /// Whether somebody manages the people of the company their browser acts for.
    ///
    /// # Errors
    /// Only faults.
    pub async fn is_company_admin(&self, tenant: &Tenant, page: &PageSession) -> Result<bool, Error> {
        let Some(entity) = &page.last_entity else { return Ok(false) };
        let mut reader = self.store.read().await?;
        self.manages(&mut reader, tenant, &page.customer, entity).await
    }

    /// Whether a customer manages the people of a company: they are assigned to it, in its Admin group, and it is
    /// active.
    pub(crate) async fn manages(
        &self,
        reader: &mut Reader,
        tenant: &Tenant,
        customer: &CustomerId,
        entity: &LegalEntityId,
    ) -> Result<bool, Error> {
        let admin = GroupCode::Admin.as_str();
        Ok(reader.is_in_predefined_group(&tenant.id, customer.as_str(), entity, admin).await?
            && reader.is_assigned(&tenant.id, customer, entity).await?
            && reader.legal_entity(&tenant.id, entity).await?.is_some_and(|entity| entity.is_active))
    }

    /// The administrator behind a cookie, with their company held: nobody's role changes under them.
    async fn manager(&self, tx: &mut Tx<'_>, tenant: &Tenant, cookie: &Secret) -> Result<Manager, Error> {
        let there = self.page_session_in(tx, tenant, cookie).await?;
        let refused = || Refusal::Forbidden("only administrators of the company");
        let entity = there.legal_entity.ok_or_else(refused)?;
        tx.hold_legal_entity(&tenant.id, &entity).await?.ok_or_else(refused)?;
        if !self.manages(tx, tenant, &there.customer, &entity).await? {
            return Err(refused().into());
        }
        Ok(Manager { customer: there.customer, entity })
    }

    /// The company an administrator's browser acts for.
    fn managed(page: &PageSession) -> Result<&LegalEntityId, Refusal> {
        page.last_entity.as_ref().ok_or(Refusal::Forbidden("only administrators of the company"))
    }

    /// The predefined groups of a company, each with whether `customer` may give it.
    async fn groups_to_give(
        &self,
        reader: &mut Reader,
        tenant: &Tenant,
        customer: &CustomerId,
        entity: &LegalEntityId,
    ) -> Result<Vec<(Group, GroupCode, bool)>, Error> {
        let actor = Actor::Customer(customer.clone());
        let mut found = Vec::new();
        for group in reader.groups_of_entities(&tenant.id, &[entity.as_str()]).await? {
            if let Some(code) = group.role() {
                let may_give = self.may_give(reader, tenant, &actor, &group).await?;
                found.push((group, code, may_give));
            }
        }
        found.sort_by_key(|(_, code, _)| *code);
        Ok(found)
    }

    /// The people of the company the browser acts for, for one of its administrators; `skip` and `limit` cut a page.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] for anybody else.
    pub async fn colleagues(
        &self,
        tenant: &Tenant,
        page: &PageSession,
        sought: Option<&str>,
        skip: u32,
        limit: u32,
    ) -> Result<Colleagues, Error> {
        let now = self.clock.now();
        let entity = Self::managed(page)?;
        let mut reader = self.store.read().await?;
        if !self.manages(&mut reader, tenant, &page.customer, entity).await? {
            return Err(Refusal::Forbidden("only administrators of the company").into());
        }
        let groups = self.groups_to_give(&mut reader, tenant, &page.customer, entity).await?;
        let mut people = reader.colleagues(&tenant.id, entity, sought, skip, limit).await?;
        for colleague in &mut people {
            colleague.is_self = colleague.customer == page.customer;
            // Who has a role the administrator could not give is beyond them.
            let is_within =
                colleague.role.is_none_or(|role| groups.iter().any(|(_, code, may_give)| *code == role && *may_give));
            colleague.is_changeable = !colleague.is_self && is_within;
        }
        let total = reader.count_colleagues(&tenant.id, entity, sought).await?;
        let open = reader.invitations(&tenant.id, Some(entity), Some("open"), "", MAX_INVITATIONS).await?;
        Ok(Colleagues {
            people,
            total,
            roles: groups
                .into_iter()
                .filter(|(_, _, may_give)| *may_give)
                .map(|(group, code, _)| RoleToGive { group: group.id, code })
                .collect(),
            invitations: open.into_iter().filter(|invitation| invitation.expires_at > now).collect(),
        })
    }

    /// What an administrator changes somebody in: their assignment, held with the company, and within reach.
    async fn within_reach(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        manager: &Manager,
        id: &AssignmentId,
    ) -> Result<crate::Assignment, Error> {
        let found = tx.assignment(&tenant.id, id).await?;
        let found = found
            .filter(|assignment| assignment.legal_entity == manager.entity)
            .ok_or(Refusal::NotFound("contact assignment"))?;
        if found.customer == manager.customer {
            return Err(Refusal::Forbidden("nobody changes their own access").into());
        }
        let role = tx.role_of(&tenant.id, &found.customer, &manager.entity).await?;
        if let Some(role) = role
            && let Some(group) = tx.predefined_group(&tenant.id, &manager.entity, &role).await?
            && !self.may_give(tx, tenant, &manager.actor(), &group).await?
        {
            return Err(Refusal::Forbidden("they have rights beyond the administrator's own").into());
        }
        Ok(found)
    }

    /// The company's group of that id, when the administrator may give it.
    async fn role_in_reach(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        manager: &Manager,
        id: &GroupId,
    ) -> Result<(Group, GroupCode), Error> {
        let refused = || Refusal::Forbidden("nobody grants a scope they lack");
        let group = tx.hold_group(&tenant.id, id).await?;
        let group = group.filter(|group| group.legal_entity.as_ref() == Some(&manager.entity)).ok_or_else(refused)?;
        let code = group.role().ok_or_else(refused)?;
        if !self.may_give(tx, tenant, &manager.actor(), &group).await? {
            return Err(refused().into());
        }
        Ok((group, code))
    }

    /// Gives a colleague another role.
    ///
    /// # Errors
    /// [`Refusal::InvalidToken`] when nobody is logged in; [`Refusal::Forbidden`] for who does not manage the company,
    /// for oneself, and for a role or a colleague with more rights than one's own; [`Refusal::NotFound`] for people of
    /// other companies.
    pub async fn change_colleague(
        &self,
        tenant: &Tenant,
        cookie: &Secret,
        id: &AssignmentId,
        role: &GroupId,
        origin: &Origin,
    ) -> Result<(), Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let manager = self.manager(&mut tx, tenant, cookie).await?;
            let assignment = self.within_reach(&mut tx, tenant, &manager, id).await?;
            let (group, code) = self.role_in_reach(&mut tx, tenant, &manager, role).await?;
            let (customer, actor) = (&assignment.customer, manager.actor());
            tx.leave_roles(&tenant.id, customer, &manager.entity, &group.id).await?;
            let joined = self.follow_into_group_in(&mut tx, tenant, customer, &manager.entity, code, None).await?;
            if let Some(membership) = joined {
                self.join_parents(&mut tx, tenant, customer, &group, &membership, &actor).await?;
            }
            self.publish_rights(&mut tx, tenant, Some(customer), now).await?;
            let entry = Entry::new(&actor, "assignment.change_role", "contact_assignment", id.as_str())
                .entity(Some(&manager.entity))
                .detail(json!({ "customer": customer.as_str(), "code": code.as_str() }));
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// Ends a colleague's access to the company, at every door within the reach of the feed. The one who manages it
    /// cannot go this way themselves, so a company keeps somebody who does.
    ///
    /// # Errors
    /// As [`Engine::change_colleague`].
    pub async fn end_colleague_access(
        &self,
        tenant: &Tenant,
        cookie: &Secret,
        id: &AssignmentId,
        origin: &Origin,
    ) -> Result<(), Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let manager = self.manager(&mut tx, tenant, cookie).await?;
            let assignment = self.within_reach(&mut tx, tenant, &manager, id).await?;
            self.unassign_in(&mut tx, tenant, &assignment, now).await?;
            let actor = manager.actor();
            let entry = Entry::new(&actor, "assignment.delete", "contact_assignment", id.as_str())
                .entity(Some(&manager.entity))
                .detail(json!({ "customer": assignment.customer.as_str() }));
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// Invites a colleague into the company the browser acts for.
    ///
    /// # Errors
    /// As [`Engine::change_colleague`] and [`Engine::invite`].
    pub async fn invite_colleague(
        &self,
        tenant: &Tenant,
        cookie: &Secret,
        request: &InviteColleague,
        origin: &Origin,
    ) -> Result<(), Error> {
        retrying!(async {
            let mut tx = self.store.write().await?;
            let manager = self.manager(&mut tx, tenant, cookie).await?;
            let (_, code) = self.role_in_reach(&mut tx, tenant, &manager, &request.group).await?;
            let invite = Invite {
                legal_entity: manager.entity.clone(),
                group: code,
                email: request.email.clone(),
                given_name: request.given_name.clone(),
                family_name: request.family_name.clone(),
            };
            self.invite_in(&mut tx, tenant, &invite, &manager.actor(), origin).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// Takes back an invitation into the company the browser acts for.
    ///
    /// # Errors
    /// As [`Engine::change_colleague`] and [`Engine::withdraw_invitation`].
    pub async fn withdraw_colleague_invitation(
        &self,
        tenant: &Tenant,
        cookie: &Secret,
        id: &InvitationId,
        origin: &Origin,
    ) -> Result<(), Error> {
        retrying!(async {
            let mut tx = self.store.write().await?;
            let manager = self.manager(&mut tx, tenant, cookie).await?;
            self.withdraw_in(&mut tx, tenant, id, Some(&manager.entity), &manager.actor(), origin).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// What was done for the company the browser acts for before `before` (an id; empty for the newest), newest first.
    /// Refreshing tokens is left out.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] for who does not manage it.
    pub async fn company_activity(
        &self,
        tenant: &Tenant,
        page: &PageSession,
        before: &str,
        limit: u32,
    ) -> Result<Vec<CompanyEvent>, Error> {
        let entity = Self::managed(page)?;
        let mut reader = self.store.read().await?;
        if !self.manages(&mut reader, tenant, &page.customer, entity).await? {
            return Err(Refusal::Forbidden("only administrators of the company").into());
        }
        // Ids begin with their moment in hexadecimal: nothing begins with a `g`.
        let before = if before.is_empty() { "g" } else { before };
        let events = reader.audit_events_for_entity(&tenant.id, entity, before, limit).await?;
        let mut names = BTreeMap::new();
        let mut found = Vec::with_capacity(events.len());
        for event in events {
            let who = match event.actor_kind.as_str() {
                "customer" => Some(self.known_name(&mut reader, tenant, &event.actor_id, &mut names).await?),
                "client" => Some(event.actor_id.clone()),
                _ => None,
            };
            let detail: serde_json::Value = serde_json::from_str(&event.detail_json).unwrap_or_default();
            let about = ["customer", "member"].iter().find_map(|key| detail.get(key)?.as_str());
            let about = about.or((event.subject_kind == "customer").then_some(event.subject_id.as_str()));
            let subject = match (about, &event.client) {
                (Some(customer), _) if customer != event.actor_id => {
                    Some(self.known_name(&mut reader, tenant, customer, &mut names).await?)
                }
                (_, Some(client)) => match client.parse() {
                    Ok(id) => reader.client(&tenant.id, &id).await?.map(|client| client.name),
                    Err(_) => None,
                },
                _ => None,
            };
            found.push(CompanyEvent { event, who, subject });
        }
        Ok(found)
    }

    async fn known_name(
        &self,
        reader: &mut Reader,
        tenant: &Tenant,
        id: &str,
        names: &mut BTreeMap<String, String>,
    ) -> Result<String, Error> {
        if let Some(name) = names.get(id) {
            return Ok(name.clone());
        }
        let name = self.name_of_customer(reader, tenant, id).await?.unwrap_or_else(|| id.to_owned());
        names.insert(id.to_owned(), name.clone());
        Ok(name)
    }
}
