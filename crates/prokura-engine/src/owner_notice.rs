//! Telling the owner of an account that the way they log in was changed, whoever did it. The mail goes to the address the
//! account had at that moment, so whoever changes the address next cannot have it sent to themselves.

use crate::{Customer, Engine, Error, Tenant, mail::Change, outbox::Errand, store::Tx};
use prokura_domain::{CustomerId, CustomerKind, CustomerState, Timestamp};

impl Engine {
    /// Puts the mail down in `tx`, in the transaction of the change; read before it where the address is what changes.
    /// Who never confirmed their account, or has no address, hears nothing.
    pub(crate) async fn tell_owner(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        customer: &CustomerId,
        change: Change,
        now: Timestamp,
    ) -> Result<(), Error> {
        match tx.customer(&tenant.id, customer).await? {
            Some(owner) => self.tell_owner_of(tx, tenant, &owner, change, now).await,
            None => Ok(()),
        }
    }

    /// The same, for an owner who was read already.
    pub(crate) async fn tell_owner_of(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        owner: &Customer,
        change: Change,
        now: Timestamp,
    ) -> Result<(), Error> {
        let is_somebody = owner.kind == CustomerKind::Customer
            && match owner.state {
                CustomerState::Active | CustomerState::OnHold | CustomerState::Inactive => true,
                CustomerState::Pending | CustomerState::Deleted => false,
            };
        let Some(email) = owner.email.clone().filter(|_| is_somebody) else { return Ok(()) };
        let errand = Errand::OwnerNotice { customer: owner.id.to_string(), email, change };
        self.put_down(tx, tenant, &errand, now).await
    }
}
