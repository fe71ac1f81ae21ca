//! A trusted client logs a customer in whom it knows by other means, without a password. Only a confidential client that
//! is registered for it comes in here, and the trail names it.

use crate::{
    Actor, Engine, Error, Granted, Manner, Origin, Refusal, Tenant, VisitorWish, arrival::Arrival, audit::Entry,
    issue::Door, retrying, store::Tx,
};
use prokura_domain::{ClientId, CustomerId, CustomerKind, Email, SiteId};

/// Whom a trusted client logs in.
#[derive(Clone, Debug)]
pub struct OnBehalf {
    /// The client, which proved who it is.
    pub client: ClientId,
    /// The customer's address.
    pub email: Email,
    /// The name the visitor goes by.
    pub visitor: VisitorWish,
    /// The storefront.
    pub site: Option<SiteId>,
    /// What the dialect wants otherwise.
    pub manner: Manner,
}

impl Engine {
    /// Logs a customer in for a trusted client.
    ///
    /// # Errors
    /// [`Refusal::InvalidCredentials`] for whoever is not known; [`Refusal::UnauthorizedClient`]; the state of the
    /// customer.
    pub async fn log_in_on_behalf(
        &self,
        tenant: &Tenant,
        request: &OnBehalf,
        origin: &Origin,
    ) -> Result<Granted, Error> {
        match retrying!(self.log_in_on_behalf_once(tenant, request, origin)) {
            Err(Error::Refused(refusal)) => {
                let actor = Actor::Client(request.client.clone());
                let entry = Entry::new(&actor, Door::OnBehalf.verb(), "client", request.client.as_str());
                Err(self.audit_refusal(&tenant.id, origin, entry.client(&request.client), refusal).await?)
            }
            granted => granted,
        }
    }

    async fn log_in_on_behalf_once(
        &self,
        tenant: &Tenant,
        request: &OnBehalf,
        origin: &Origin,
    ) -> Result<Granted, Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let customer = person(&mut tx, tenant, &request.email).await?;
        if !tx.note_login(&tenant.id, &customer, now).await? {
            return Err(Refusal::CustomerInactive.into());
        }
        let visitor = self.settle_visitor(&mut tx, tenant, &request.visitor, Some(&customer), now).await?;
        let visitor = visitor.ok_or(Refusal::InvalidGrant)?;
        let arrival = Arrival {
            client: &request.client,
            customer: &customer,
            visitor: &visitor,
            site: request.site.as_ref(),
            door: Door::OnBehalf,
            proven: None,
            expires_at: now.plus_seconds(tenant.settings.lifetimes.session.into()),
        };
        let draft = self.arrive(&mut tx, tenant, &arrival, &request.manner, origin).await?;
        tx.commit().await?;
        Ok(Self::grant(tenant, draft))
    }
}

async fn person(tx: &mut Tx<'_>, tenant: &Tenant, email: &Email) -> Result<CustomerId, Error> {
    let found = tx.customer_by_email(&tenant.id, email.key()).await?;
    let person = found.filter(|customer| customer.kind == CustomerKind::Customer);
    Ok(person.ok_or(Refusal::InvalidCredentials)?.id)
}
