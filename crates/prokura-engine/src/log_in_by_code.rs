//! Logging in with a one-time code instead of a password. Whoever has none yet and is welcome gets an account with it.

use crate::{
    Actor, CreateCustomer, Customer, Engine, Error, Granted, Manner, Origin, Profile, Refusal, ShownCode, Tenant,
    VisitorWish,
    arrival::Arrival,
    assurance::Proven,
    audit::Entry,
    issue::Door,
    one_time_codes::{CodePurpose, Redeemed},
    retrying,
    sign_up::state_after,
    store::Tx,
    throttle::Attempt,
};
use prokura_domain::{CustomerId, CustomerKind, CustomerState, Email, SiteId, VisitorId};

impl Engine {
    /// Logs in whoever shows the code they were sent, in a new session under the visitor's name they asked with.
    ///
    /// # Errors
    /// [`Refusal::InvalidCredentials`] for a code that is wrong, used, over, or another client's;
    /// [`Refusal::Throttled`]; the state of the customer once it was right; [`Refusal::ProofNeeded`] when they have a
    /// second factor, as with a password; [`Refusal::UnauthorizedClient`].
    pub async fn log_in_by_code(
        &self,
        tenant: &Tenant,
        shown: &ShownCode,
        manner: &Manner,
        origin: &Origin,
    ) -> Result<Granted, Error> {
        self.check_code_client(tenant, CodePurpose::LogIn, &shown.client).await?;
        let attempt = self.take_code_attempt(tenant, shown, origin).await?;
        match retrying!(self.log_in_by_code_once(tenant, shown, manner, &attempt, origin)) {
            Err(Error::Refused(refusal)) => {
                let entry = Entry::new(&Actor::Guest, Door::OneTimeCode.verb(), "account", attempt.account());
                Err(self.audit_refusal(&tenant.id, origin, entry.client(&shown.client), refusal).await?)
            }
            granted => granted,
        }
    }

    async fn log_in_by_code_once(
        &self,
        tenant: &Tenant,
        shown: &ShownCode,
        manner: &Manner,
        attempt: &Attempt,
        origin: &Origin,
    ) -> Result<Granted, Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let Some(redeemed) = self.redeem_one_time_code(&mut tx, tenant, shown, now).await? else {
            // The try counts.
            tx.commit().await?;
            return Err(Refusal::InvalidCredentials.into());
        };
        let (customer, state) = self.person_of_code(&mut tx, tenant, &redeemed, origin).await?;
        if let Some(refusal) = refusal_of(state) {
            tx.commit().await?;
            return Err(refusal.into());
        }
        self.check_password_is_enough(&mut tx, tenant, &customer).await?;
        if !tx.note_login(&tenant.id, &customer, now).await? {
            return Err(Refusal::CustomerInactive.into());
        }
        if redeemed.kept.is_mailed {
            // Whoever has the code reads what is sent to that address.
            tx.verify_email(&tenant.id, &customer, now).await?;
        }
        let kept = &redeemed.kept;
        let named: Option<VisitorId> = kept.visitor.as_deref().and_then(|visitor| visitor.parse().ok());
        let wish = named.map_or(VisitorWish::New, VisitorWish::Keep);
        let visitor = self.settle_visitor(&mut tx, tenant, &wish, Some(&customer), now).await?;
        let visitor = visitor.ok_or(Refusal::InvalidGrant)?;
        let site: Option<SiteId> = kept.site.as_deref().and_then(|site| site.parse().ok());
        let arrival = Arrival {
            client: &shown.client,
            customer: &customer,
            visitor: &visitor,
            site: site.as_ref(),
            door: Door::OneTimeCode,
            proven: Some(Proven::OneTimeCode),
            expires_at: now.plus_seconds(tenant.settings.lifetimes.session.into()),
        };
        let draft = self.arrive(&mut tx, tenant, &arrival, manner, origin).await?;
        self.attempt_was_right(&mut tx, tenant, attempt, now).await?;
        tx.commit().await?;
        Ok(Self::grant(tenant, draft))
    }

    /// Who is let in, and in what state: whoever has the address, or somebody new.
    async fn person_of_code(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        redeemed: &Redeemed,
        origin: &Origin,
    ) -> Result<(CustomerId, CustomerState), Error> {
        if let Some(Customer { id, state, .. }) = self.owner_of_code(tx, tenant, redeemed).await? {
            return Ok((id, state));
        }
        let newcomer = redeemed.kept.newcomer.clone().ok_or(Refusal::InvalidCredentials)?;
        let email = Email::parse(&redeemed.kept.email).map_err(|_| Refusal::InvalidCredentials)?;
        let new = CreateCustomer {
            id: None,
            kind: CustomerKind::Customer,
            email: Some(email),
            profile: Profile {
                given_name: newcomer.given_name,
                family_name: newcomer.family_name,
                phone: newcomer.phone,
                ..Profile::default()
            },
            state: state_after(tenant),
            password: None,
        };
        let id = self.create_customer_in(tx, tenant, &new, None, &Actor::Guest, origin).await?;
        Ok((id, new.state))
    }
}

fn refusal_of(state: CustomerState) -> Option<Refusal> {
    match state {
        CustomerState::Active => None,
        CustomerState::Pending => Some(Refusal::CustomerPending),
        CustomerState::OnHold => Some(Refusal::CustomerOnHold),
        CustomerState::Inactive => Some(Refusal::CustomerInactive),
        CustomerState::Deleted => Some(Refusal::InvalidCredentials),
    }
}
