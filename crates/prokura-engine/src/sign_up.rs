//! Signing up: a customer of their own making, and perhaps their company. Who names a company that exists asks to join
//! it; who names a new one founds it and is its administrator.

use crate::{
    Actor, AddressBody, Bearer, CreateCustomer, CreateLegalEntity, Engine, Error, LegalEntityDetails, LoggedIn,
    NewAssignment, NewPassword, Origin, Profile, Refusal, Tenant,
    audit::Entry,
    customer::check_password_policy,
    issue::Door,
    log_in::Entrance,
    one_time_link::{Purpose, bad_link},
    outbox::Errand,
    retrying,
    store::Tx,
};
use prokura_domain::{
    AssignmentKind, CompanyKind, CustomerId, CustomerKind, CustomerState, Email, GroupCode, Timestamp,
};
use prokura_jose::{Secret, SecretHash};

/// How long the guard against founding one company twice is remembered.
const FOUNDING_SECONDS: i64 = 60;

/// What somebody who signs up tells. `profile.company_registration_id` names their company.
#[derive(Clone, Debug)]
pub struct SignUpRequest {
    /// What they will log in with.
    pub email: Email,
    /// Their password.
    pub password: Secret,
    /// Who they are.
    pub profile: Profile,
    /// Where they are.
    pub address: Option<AddressBody>,
    /// Whether the address must be confirmed by a mail first, whatever the tenant's settings say: then nothing tells
    /// who has an account already (S-102).
    pub must_confirm: bool,
}

impl Engine {
    /// Makes an account. Where the tenant wants the address confirmed first, a mail is sent, and the company waits for
    /// that as well.
    ///
    /// # Errors
    /// [`Refusal::AlreadyExists`] for a taken address, [`Refusal::Invalid`], [`Refusal::Throttled`].
    pub async fn sign_up(
        &self,
        tenant: &Tenant,
        request: &SignUpRequest,
        origin: &Origin,
    ) -> Result<CustomerId, Error> {
        let mut faults = Vec::new();
        if request.profile.company_registration_id.is_some() {
            let profile = &request.profile;
            for (field, value) in [
                ("first_name", &profile.given_name),
                ("last_name", &profile.family_name),
                ("company", &profile.company_name),
            ] {
                if value.trim().is_empty() {
                    faults.push(crate::FieldFault { field, reason: "needed to join or found a company".to_owned() });
                }
            }
        }
        if !faults.is_empty() {
            return Err(Refusal::Invalid(faults).into());
        }
        check_password_policy(tenant, &request.password)?;
        retrying!(async {
            let mut tx = self.store.write().await?;
            let now = self.clock.now();
            let (_, allowed) = self.take_request(&mut tx, tenant, "sign_up", request.email.key(), origin, now).await?;
            tx.commit().await?;
            allowed.map_err(Error::from)
        })?;
        let phc = self.password_hash(tenant, &NewPassword::Plain(request.password.clone())).await?;
        retrying!(self.sign_up_once(tenant, request, &phc, origin))
    }

    async fn sign_up_once(
        &self,
        tenant: &Tenant,
        request: &SignUpRequest,
        phc: &str,
        origin: &Origin,
    ) -> Result<CustomerId, Error> {
        let now = self.clock.now();
        let settings = &tenant.settings.sign_up;
        let needs_confirmation = settings.needs_confirmation || request.must_confirm;
        let state = if needs_confirmation { CustomerState::Pending } else { state_after(tenant) };
        let mut tx = self.store.write().await?;
        let new = CreateCustomer {
            id: None,
            kind: CustomerKind::Customer,
            email: Some(request.email.clone()),
            profile: request.profile.clone(),
            state,
            password: None,
        };
        let password = (phc.to_owned(), false);
        let id = self.create_customer_in(&mut tx, tenant, &new, Some(&password), &Actor::Guest, origin).await?;
        let actor = Actor::Customer(id.clone());
        if let Some(address) = &request.address {
            self.create_address_in(&mut tx, tenant, &id, address, &actor, origin).await?;
        }
        if needs_confirmation {
            let errand = Errand::SignUp { email_key: request.email.key().to_owned() };
            self.put_down(&mut tx, tenant, &errand, now).await?;
        } else {
            self.settle_company(&mut tx, tenant, &id, &request.profile, origin, now).await?;
        }
        tx.commit().await?;
        Ok(id)
    }

    /// Has the mail that confirms a sign-up sent again. Nothing tells whether one is waited for.
    ///
    /// # Errors
    /// [`Refusal::Throttled`] for an address prefix that asks too much, whoever it asks for.
    pub async fn request_sign_up_mail(&self, tenant: &Tenant, email: &Email, origin: &Origin) -> Result<(), Error> {
        let errand = Errand::SignUp { email_key: email.key().to_owned() };
        self.request_mail(tenant, email, "customer.request_sign_up_mail", &errand, origin).await
    }

    /// Confirms a sign-up with the token of its mail and logs the customer in, once.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for a token that is unknown, used or expired; the state of the account when confirming is
    /// not enough to come in.
    pub async fn confirm_sign_up(
        &self,
        tenant: &Tenant,
        bearer: Bearer<'_>,
        token: &Secret,
        origin: &Origin,
    ) -> Result<LoggedIn, Error> {
        retrying!(self.confirm_sign_up_once(tenant, bearer, token, origin))
    }

    async fn confirm_sign_up_once(
        &self,
        tenant: &Tenant,
        bearer: Bearer<'_>,
        token: &Secret,
        origin: &Origin,
    ) -> Result<LoggedIn, Error> {
        let mut tx = self.store.write().await?;
        let (id, state) = self.confirm_account_in(&mut tx, tenant, token, origin).await?;
        let refusal = match state {
            CustomerState::Active => {
                let entrance =
                    Entrance { bearer, door: Door::SignUpConfirmation, customer: &id, proof: None, partner: None };
                let draft = self.open_session_in(&mut tx, tenant, &entrance, origin).await?;
                tx.commit().await?;
                return Ok(LoggedIn { granted: Self::grant(tenant, draft), has_initial_password: false });
            }
            CustomerState::OnHold => Refusal::CustomerOnHold,
            CustomerState::Pending | CustomerState::Inactive | CustomerState::Deleted => Refusal::CustomerInactive,
        };
        tx.commit().await?;
        Err(refusal.into())
    }

    /// Confirms a sign-up with the token of its mail, once, and logs nobody in. Returns what the account is now.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for a token that is unknown, used or expired.
    pub async fn confirm_account(
        &self,
        tenant: &Tenant,
        token: &Secret,
        origin: &Origin,
    ) -> Result<CustomerState, Error> {
        retrying!(async {
            let mut tx = self.store.write().await?;
            let (_, state) = self.confirm_account_in(&mut tx, tenant, token, origin).await?;
            tx.commit().await?;
            Ok::<_, Error>(state)
        })
    }

    async fn confirm_account_in(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        token: &Secret,
        origin: &Origin,
    ) -> Result<(CustomerId, CustomerState), Error> {
        let now = self.clock.now();
        let (id, _) = self.redeem_link(tx, tenant, Purpose::SignUp, token, now).await?;
        tx.hold_customer(&tenant.id, &id).await?;
        let customer = tx.customer(&tenant.id, &id).await?;
        let Some(customer) = customer.filter(|customer| customer.state == CustomerState::Pending) else {
            return Err(bad_link().into());
        };
        let state = state_after(tenant);
        tx.move_customer(&tenant.id, &id, state, now).await?;
        tx.verify_email(&tenant.id, &id, now).await?;
        self.settle_company(tx, tenant, &id, &customer.profile, origin, now).await?;
        let actor = Actor::Customer(id.clone());
        let entry = Entry::new(&actor, "customer.confirm", "customer", id.as_str());
        self.audit(tx, &tenant.id, origin, entry, now).await?;
        Ok((id, state))
    }

    /// What naming a company in a sign-up leads to.
    async fn settle_company(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        customer: &CustomerId,
        profile: &Profile,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<(), Error> {
        let Some(registration) = profile.company_registration_id.as_deref() else { return Ok(()) };
        let actor = Actor::Customer(customer.clone());
        let mut existing = tx.entity_by_registration(&tenant.id, registration).await?;
        if existing.is_none() {
            // Two who found one company at once: the second waits here, and then finds it.
            let name = SecretHash::of(registration);
            tx.take_turn(&tenant.id, "founding", name.as_str(), now.plus_seconds(FOUNDING_SECONDS)).await?;
            existing = tx.entity_by_registration(&tenant.id, registration).await?;
        }
        match (existing, tenant.settings.sign_up.join.as_str()) {
            (Some(entity), "auto") => {
                self.let_in(tx, tenant, (customer, &entity), GroupCode::Contact, &actor, origin).await
            }
            (Some(entity), "pending") => {
                let id = self.new_id(now)?;
                tx.insert_join_request(&tenant.id, &id, customer, &entity, now).await?;
                let entry =
                    Entry::new(&actor, "join_request.create", "customer", customer.as_str()).entity(Some(&entity));
                self.audit(tx, &tenant.id, origin, entry, now).await
            }
            (Some(_), _) => Ok(()),
            (None, _) => {
                let new = CreateLegalEntity {
                    id: None,
                    name: profile.company_name.clone(),
                    kind: CompanyKind::Company,
                    parent: None,
                    details: LegalEntityDetails {
                        registration_id: Some(registration.to_owned()),
                        ..LegalEntityDetails::default()
                    },
                };
                let entity = self.create_legal_entity_in(tx, tenant, &new, &actor, origin).await?;
                let new = NewAssignment {
                    id: None,
                    legal_entity: entity,
                    customer: customer.clone(),
                    kind: AssignmentKind::Primary,
                    is_primary: true,
                    group: Some(GroupCode::Admin),
                };
                self.assign_in(tx, tenant, &new, &actor, origin).await?;
                Ok(())
            }
        }
    }
}

/// The state a new account has once there is nothing left to confirm.
/// What a new account is once it is confirmed.
pub(crate) fn state_after(tenant: &Tenant) -> CustomerState {
    let settings = &tenant.settings.sign_up;
    match (settings.is_active_on_creation, settings.is_on_hold_on_creation) {
        (_, true) => CustomerState::OnHold,
        (true, false) => CustomerState::Active,
        (false, false) => CustomerState::Inactive,
    }
}
