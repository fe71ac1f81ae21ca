//! Invitations into a company (S-75): records of ours, for one address, one company and one role, good once and for a
//! week. Whoever was invited opens it with the link of a mail; it is dead when the company is switched off, or when
//! whoever invited could not give that role any more.

use crate::{
    Actor, CreateCustomer, Engine, Error, NewPassword, Origin, Profile, Refusal, Tenant,
    audit::Entry,
    customer::check_password_policy,
    log_out::Keep,
    outbox::Errand,
    retrying,
    store::{NewInvitation, Reader, Tx},
};
use prokura_domain::{
    CustomerId, CustomerKind, CustomerState, Email, GroupCode, InvitationId, LegalEntityId, OperatorId, Timestamp,
};
use prokura_jose::{Secret, SecretHash};
use serde_json::json;

/// The kind prefix of what opens an invitation.
pub(crate) const INVITATION_PREFIX: &str = "pkr_in_";
/// For how long an invitation is good.
const INVITATION_SECONDS: i64 = 7 * 86_400;
/// How many invitations into one company are open at once.
const MAX_OPEN: i64 = 200;
/// How many operators are read to find one.
const OPERATOR_PAGE: u32 = 200;

/// What became of an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvitationState {
    /// It waits; past its end it waits in vain.
    Open,
    /// Somebody is in the company by it.
    Accepted,
    /// It was taken back.
    Withdrawn,
}

impl InvitationState {
    /// The word, as stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Accepted => "accepted",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Open, Self::Accepted, Self::Withdrawn].into_iter().find(|state| state.as_str() == word)
    }
}

/// An invitation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Its id.
    pub id: InvitationId,
    /// Into which company.
    pub legal_entity: LegalEntityId,
    /// As what.
    pub group: GroupCode,
    /// The address it went to, and the only one it is good for.
    pub email: String,
    /// Their given name, as far as the inviter knew it.
    pub given_name: String,
    /// Their family name.
    pub family_name: String,
    /// Who invited: `customer`, `operator`, `system`.
    pub inviter_kind: String,
    /// Which one.
    pub inviter_id: String,
    /// What became of it.
    pub state: InvitationState,
    /// When it was accepted or withdrawn.
    pub decided_at: Option<Timestamp>,
    /// Who accepted it.
    pub customer: Option<CustomerId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Somebody to be invited.
#[derive(Clone, Debug)]
pub struct Invite {
    /// Into which company.
    pub legal_entity: LegalEntityId,
    /// As what.
    pub group: GroupCode,
    /// Where the mail goes.
    pub email: Email,
    /// Their given name; may be empty.
    pub given_name: String,
    /// Their family name; may be empty.
    pub family_name: String,
}

/// An invitation as the link of its mail shows it.
#[derive(Clone, Debug)]
pub struct OpenInvitation {
    /// The invitation.
    pub invitation: Invitation,
    /// The company's name.
    pub company: String,
    /// Who invited, by name; `None` for the shop.
    pub invited_by: Option<String>,
    /// Whether the address has an account that can log in. Whoever holds the link reads its mail.
    pub has_account: bool,
}

/// One answer for unknown, used, withdrawn, expired and dead.
fn over() -> Refusal {
    Refusal::invalid("token", "the invitation is unknown, used or over; ask for a new one")
}

impl Engine {
    /// Invites somebody. An open invitation of the same address into the same company is replaced. The answer is the
    /// same whether the address has an account or not (S-102).
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for the company; [`Refusal::Forbidden`] for a role with more rights than the actor's;
    /// [`Refusal::AlreadyExists`] when they may act for the company already; [`Refusal::InUse`] when too many are
    /// open; [`Refusal::Throttled`] when this address was written to too often.
    pub async fn invite(
        &self,
        tenant: &Tenant,
        request: &Invite,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<Invitation, Error> {
        retrying!(async {
            let mut tx = self.store.write().await?;
            let entity = tx.hold_legal_entity(&tenant.id, &request.legal_entity).await?;
            entity.filter(|entity| entity.is_active).ok_or(Refusal::NotFound("legal entity"))?;
            let made = self.invite_in(&mut tx, tenant, request, actor, origin).await?;
            tx.commit().await?;
            Ok::<_, Error>(made)
        })
    }

    /// The same inside a transaction that holds the company.
    pub(crate) async fn invite_in(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        request: &Invite,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<Invitation, Error> {
        let now = self.clock.now();
        let (entity, key) = (&request.legal_entity, request.email.key());
        let group = tx.predefined_group(&tenant.id, entity, request.group.as_str()).await?;
        let group = group.ok_or(Refusal::NotFound("group"))?;
        if !self.may_give(tx, tenant, actor, &group).await? {
            return Err(Refusal::Forbidden("nobody grants a scope they lack").into());
        }
        if let Some(customer) = tx.customer_by_email(&tenant.id, key).await?
            && tx.is_assigned(&tenant.id, &customer.id, entity).await?
        {
            return Err(Refusal::AlreadyExists("contact assignment").into());
        }
        tx.replace_invitation(&tenant.id, entity, key, now).await?;
        if tx.open_invitations(&tenant.id, entity, now).await? >= MAX_OPEN {
            return Err(Refusal::InUse("too many open invitations").into());
        }
        let (_, allowed) = self.take_request(tx, tenant, "invitation.create", key, origin, now).await?;
        allowed?;
        let id: InvitationId = self.new_id(now)?.parse().map_err(Error::crypto)?;
        let new = NewInvitation {
            id: &id,
            legal_entity: entity,
            group: request.group,
            email: request.email.as_str(),
            email_key: key,
            given_name: &request.given_name,
            family_name: &request.family_name,
            inviter: (actor.kind(), actor.id()),
            expires_at: now.plus_seconds(INVITATION_SECONDS),
        };
        tx.insert_invitation(&tenant.id, &new, now).await?;
        self.put_down(tx, tenant, &Errand::Invitation { id: id.to_string() }, now).await?;
        let entry = Entry::new(actor, "invitation.create", "invitation", id.as_str())
            .entity(Some(entity))
            .detail(json!({ "code": request.group.as_str() }));
        self.audit(tx, &tenant.id, origin, entry, now).await?;
        Ok(tx.invitation(&tenant.id, &id).await?.ok_or(Refusal::NotFound("invitation"))?)
    }

    /// One invitation.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn invitation(&self, tenant: &Tenant, id: &InvitationId) -> Result<Invitation, Error> {
        let found = self.store.read().await?.invitation(&tenant.id, id).await?;
        Ok(found.ok_or(Refusal::NotFound("invitation"))?)
    }

    /// Invitations after `after`, by id; those into one company and in one state when named.
    ///
    /// # Errors
    /// Only faults.
    pub async fn invitations(
        &self,
        tenant: &Tenant,
        entity: Option<&LegalEntityId>,
        state: Option<InvitationState>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Invitation>, Error> {
        let state = state.map(InvitationState::as_str);
        Ok(self.store.read().await?.invitations(&tenant.id, entity, state, after, limit).await?)
    }

    /// Takes an invitation back; its link opens nothing from then on.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::StaleVersion`] when it was accepted or withdrawn.
    pub async fn withdraw_invitation(
        &self,
        tenant: &Tenant,
        id: &InvitationId,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        retrying!(async {
            let mut tx = self.store.write().await?;
            self.withdraw_in(&mut tx, tenant, id, None, actor, origin).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    pub(crate) async fn withdraw_in(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        id: &InvitationId,
        within: Option<&LegalEntityId>,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let found = tx.invitation(&tenant.id, id).await?;
        let found = found
            .filter(|invitation| within.is_none_or(|within| invitation.legal_entity == *within))
            .ok_or(Refusal::NotFound("invitation"))?;
        if !tx.withdraw_invitation(&tenant.id, id, now).await? {
            return Err(Refusal::StaleVersion.into());
        }
        let entry =
            Entry::new(actor, "invitation.withdraw", "invitation", id.as_str()).entity(Some(&found.legal_entity));
        self.audit(tx, &tenant.id, origin, entry, now).await
    }

    /// What a link opens; `None` when it opens nothing. Looking uses nothing up.
    ///
    /// # Errors
    /// Only faults.
    pub async fn open_invitation(&self, tenant: &Tenant, token: &Secret) -> Result<Option<OpenInvitation>, Error> {
        let now = self.clock.now();
        let mut reader = self.store.read().await?;
        let found = reader.invitation_by_link(&tenant.id, &SecretHash::of(token.expose()), now).await?;
        let Some(invitation) = found else { return Ok(None) };
        if !self.is_alive(&mut reader, tenant, &invitation).await? {
            return Ok(None);
        }
        let entity = reader.legal_entity(&tenant.id, &invitation.legal_entity).await?;
        let invited_by = match invitation.inviter_kind.as_str() {
            "customer" => self.name_of_customer(&mut reader, tenant, &invitation.inviter_id).await?,
            _ => None,
        };
        let customer = match Email::parse(&invitation.email) {
            Ok(email) => reader.customer_by_email(&tenant.id, email.key()).await?,
            Err(_) => None,
        };
        Ok(Some(OpenInvitation {
            company: entity.map_or_else(String::new, |entity| entity.name),
            invited_by,
            // One that waits for its confirmation is finished by the invitation itself.
            has_account: customer.is_some_and(|customer| customer.state != CustomerState::Pending),
            invitation,
        }))
    }

    pub(crate) async fn name_of_customer(
        &self,
        reader: &mut Reader,
        tenant: &Tenant,
        id: &str,
    ) -> Result<Option<String>, Error> {
        let Ok(id) = id.parse::<CustomerId>() else { return Ok(None) };
        let Some(customer) = reader.customer(&tenant.id, &id).await? else { return Ok(None) };
        let name = format!("{} {}", customer.profile.given_name, customer.profile.family_name);
        Ok(match name.trim() {
            "" => customer.email,
            name => Some(name.to_owned()),
        })
    }

    /// Whether an invitation still counts: its company is active and has the role, and who invited could give it now.
    async fn is_alive(&self, reader: &mut Reader, tenant: &Tenant, invitation: &Invitation) -> Result<bool, Error> {
        let entity = &invitation.legal_entity;
        if !reader.legal_entity(&tenant.id, entity).await?.is_some_and(|entity| entity.is_active) {
            return Ok(false);
        }
        let Some(group) = reader.predefined_group(&tenant.id, entity, invitation.group.as_str()).await? else {
            return Ok(false);
        };
        match (invitation.inviter_kind.as_str(), &invitation.inviter_id) {
            ("customer", id) => {
                let Ok(inviter) = id.parse::<CustomerId>() else { return Ok(false) };
                let is_active = reader.customer(&tenant.id, &inviter).await?;
                Ok(is_active.is_some_and(|customer| customer.state == CustomerState::Active)
                    && self.manages(reader, tenant, &inviter, entity).await?
                    && self.may_give(reader, tenant, &Actor::Customer(inviter), &group).await?)
            }
            ("operator", id) => {
                let Ok(id) = id.parse::<OperatorId>() else { return Ok(false) };
                let mut after = String::new();
                loop {
                    let page = reader.operators(&after, OPERATOR_PAGE).await?;
                    if let Some(found) = page.iter().find(|operator| operator.id == id) {
                        return Ok(found.may_change(tenant.id.as_str()));
                    }
                    let Some(last) = page.last() else { return Ok(false) };
                    after = last.id.to_string();
                }
            }
            ("system", _) => Ok(true),
            _ => Ok(false),
        }
    }

    /// Accepts an invitation as the customer who is logged in, once; returns the company. `seen_as` is whom the page
    /// with the button was shown to.
    ///
    /// # Errors
    /// [`Refusal::InvalidToken`] when nobody is logged in; [`Refusal::Forbidden`] for anybody but the owner of the
    /// invited address, and for another login than the page was shown to; [`Refusal::Invalid`] when it is over.
    pub async fn accept_invitation(
        &self,
        tenant: &Tenant,
        token: &Secret,
        cookie: &Secret,
        seen_as: &str,
        origin: &Origin,
    ) -> Result<LegalEntityId, Error> {
        retrying!(async {
            let mut tx = self.store.write().await?;
            let there = self.page_session_in(&mut tx, tenant, cookie).await?;
            if there.customer.as_str() != seen_as {
                return Err(Refusal::Forbidden("the page was shown to somebody else").into());
            }
            let customer = tx.customer(&tenant.id, &there.customer).await?.ok_or(Refusal::InvalidToken)?;
            let key = customer.email.and_then(|email| Email::parse(&email).ok());
            let entity = self.accept_in(&mut tx, tenant, token, (&customer.id, key.as_ref()), origin).await?;
            tx.choose_for_cookie(&tenant.id, &SecretHash::of(cookie.expose()), Some(&entity)).await?;
            tx.commit().await?;
            Ok::<_, Error>(entity)
        })
    }

    /// Uses the invitation up and assigns the customer, whose address is `email`.
    async fn accept_in(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        token: &Secret,
        (customer, email): (&CustomerId, Option<&Email>),
        origin: &Origin,
    ) -> Result<LegalEntityId, Error> {
        let now = self.clock.now();
        let hash = SecretHash::of(token.expose());
        let seen = tx.invitation_by_link(&tenant.id, &hash, now).await?.ok_or_else(over)?;
        // The company first, then who is in it: everybody takes the locks in this order.
        tx.hold_legal_entity(&tenant.id, &seen.legal_entity).await?.ok_or_else(over)?;
        let invited = Email::parse(&seen.email).ok();
        if invited.as_ref().map(Email::key) != email.map(Email::key) {
            return Err(Refusal::Forbidden("the invitation is for another address").into());
        }
        let invitation = tx.accept_invitation(&tenant.id, &hash, customer, now).await?.ok_or_else(over)?;
        if !self.is_alive(tx, tenant, &invitation).await? {
            return Err(over().into());
        }
        let actor = Actor::Customer(customer.clone());
        let entity = invitation.legal_entity;
        self.let_in(tx, tenant, (customer, &entity), invitation.group, &actor, origin).await?;
        let entry = Entry::new(&actor, "invitation.accept", "invitation", invitation.id.as_str()).entity(Some(&entity));
        self.audit(tx, &tenant.id, origin, entry, now).await?;
        Ok(entity)
    }

    /// Makes an account for the invited address and accepts. The link is the proof of the address. An account that
    /// still waits for its confirmation becomes theirs with a new password, whoever chose the one before.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] when it is over or the tenant does not take the password; [`Refusal::AlreadyExists`] when
    /// the address has an account: its owner logs in.
    pub async fn join_by_invitation(
        &self,
        tenant: &Tenant,
        token: &Secret,
        profile: &Profile,
        password: &Secret,
        origin: &Origin,
    ) -> Result<CustomerId, Error> {
        check_password_policy(tenant, password)?;
        self.open_invitation(tenant, token).await?.ok_or_else(over)?;
        let phc = self.password_hash(tenant, &NewPassword::Plain(password.clone())).await?;
        retrying!(self.join_by_invitation_once(tenant, token, profile, &phc, origin))
    }

    async fn join_by_invitation_once(
        &self,
        tenant: &Tenant,
        token: &Secret,
        profile: &Profile,
        phc: &str,
        origin: &Origin,
    ) -> Result<CustomerId, Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let hash = SecretHash::of(token.expose());
        let seen = tx.invitation_by_link(&tenant.id, &hash, now).await?.ok_or_else(over)?;
        // The company first, then people: everybody takes the locks in this order.
        tx.hold_legal_entity(&tenant.id, &seen.legal_entity).await?.ok_or_else(over)?;
        let email = Email::parse(&seen.email).map_err(|_| over())?;
        let customer = match tx.customer_by_email(&tenant.id, email.key()).await? {
            None => {
                let new = CreateCustomer {
                    id: None,
                    kind: CustomerKind::Customer,
                    email: Some(email.clone()),
                    profile: profile.clone(),
                    state: CustomerState::Active,
                    password: None,
                };
                let password = (phc.to_owned(), false);
                self.create_customer_in(&mut tx, tenant, &new, Some(&password), &Actor::Guest, origin).await?
            }
            Some(waiting) if waiting.state == CustomerState::Pending && waiting.kind == CustomerKind::Customer => {
                if !tx.hold_customer(&tenant.id, &waiting.id).await? {
                    return Err(crate::StoreError::Conflict.into());
                }
                tx.move_customer(&tenant.id, &waiting.id, CustomerState::Active, now).await?;
                self.replace_password(&mut tx, tenant, &waiting.id, phc, Keep::Nothing, now).await?;
                tx.revoke_links(&tenant.id, &waiting.id, None, now).await?;
                let actor = Actor::Customer(waiting.id.clone());
                let entry = Entry::new(&actor, "customer.confirm", "customer", waiting.id.as_str());
                self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
                waiting.id
            }
            Some(_) => return Err(Refusal::AlreadyExists("customer").into()),
        };
        // The link came to this address.
        tx.verify_email(&tenant.id, &customer, now).await?;
        self.accept_in(&mut tx, tenant, token, (&customer, Some(&email)), origin).await?;
        tx.commit().await?;
        Ok(customer)
    }

    /// Makes the link of an invitation for its mail; `None` when it is over. A link made for an earlier try ends.
    pub(crate) async fn invitation_for_mail(
        &self,
        tenant: &Tenant,
        id: &InvitationId,
    ) -> Result<Option<(OpenInvitation, Option<String>, Secret)>, Error> {
        let now = self.clock.now();
        let secret = Secret::generate(&*self.entropy, INVITATION_PREFIX)?;
        let mut tx = self.store.write().await?;
        if !tx.set_invitation_link(&tenant.id, id, &SecretHash::of(secret.expose()), now).await? {
            return Ok(None);
        }
        let entry = Entry::new(&Actor::System, "link.make", "invitation", id.as_str());
        self.audit(&mut tx, &tenant.id, &Origin::local("outbox"), entry, now).await?;
        tx.commit().await?;
        let Some(open) = self.open_invitation(tenant, &secret).await? else { return Ok(None) };
        let email = Email::parse(&open.invitation.email).ok();
        let known = match email {
            Some(email) => self.store.read().await?.customer_by_email(&tenant.id, email.key()).await?,
            None => None,
        };
        Ok(Some((open, known.and_then(|customer| customer.profile.language), secret)))
    }
}
