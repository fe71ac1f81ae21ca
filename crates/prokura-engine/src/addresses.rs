//! Postal addresses of customers.

use crate::{Actor, Engine, Error, Origin, Refusal, Tenant, audit::Entry, retrying, store::Tx};
use prokura_domain::{AddressId, CustomerId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The most addresses a customer has.
const MAX_ADDRESSES: usize = 200;

/// A postal address as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Address {
    /// Its id.
    pub id: AddressId,
    /// What it says.
    pub body: AddressBody,
    /// Counts changes.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub modified_at: Timestamp,
}

/// What an address says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AddressBody {
    /// Whether it is the one to take without a choice; a customer has at most one such.
    pub is_default: bool,
    /// What it is for, by the shop's own words.
    pub tags: Vec<String>,
    /// Where it is.
    pub details: AddressDetails,
}

/// Where an address is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AddressDetails {
    /// Who receives.
    pub contact_name: Option<String>,
    /// At which company.
    pub company_name: Option<String>,
    /// Street.
    pub street: Option<String>,
    /// House number.
    pub street_number: Option<String>,
    /// What follows the house number.
    pub street_appendix: Option<String>,
    /// Further lines, up to four.
    pub extra_lines: [Option<String>; 4],
    /// Postal code.
    pub zip_code: Option<String>,
    /// City.
    pub city: Option<String>,
    /// State or region.
    pub state: Option<String>,
    /// Country (ISO 3166 alpha-2).
    pub country: Option<String>,
    /// Telephone.
    pub phone: Option<String>,
    /// Free objects by name, stored and handed back untouched.
    pub mixins: Map<String, Value>,
    /// The schema URL of each free object.
    pub mixin_schemas: Map<String, Value>,
}

impl Engine {
    /// A customer's addresses, oldest first.
    ///
    /// # Errors
    /// Only faults.
    pub async fn addresses(&self, tenant: &Tenant, customer: &CustomerId) -> Result<Vec<Address>, Error> {
        Ok(self.store.read().await?.addresses(&tenant.id, customer).await?)
    }

    /// One address of a customer.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], for somebody else's as well.
    pub async fn address(&self, tenant: &Tenant, customer: &CustomerId, id: &AddressId) -> Result<Address, Error> {
        let address = self.store.read().await?.address(&tenant.id, customer, id).await?;
        Ok(address.ok_or(Refusal::NotFound("address"))?)
    }

    /// Gives a customer an address.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for the customer, [`Refusal::Invalid`] for more than 200.
    pub async fn create_address(
        &self,
        tenant: &Tenant,
        customer: &CustomerId,
        body: &AddressBody,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<AddressId, Error> {
        retrying!(async {
            let mut tx = self.store.write().await?;
            let id = self.create_address_in(&mut tx, tenant, customer, body, actor, origin).await?;
            tx.commit().await?;
            Ok::<_, Error>(id)
        })
    }

    /// The same inside a transaction.
    pub(crate) async fn create_address_in(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        customer: &CustomerId,
        body: &AddressBody,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<AddressId, Error> {
        let now = self.clock.now();
        if !tx.hold_customer(&tenant.id, customer).await? {
            return Err(Refusal::NotFound("customer").into());
        }
        if tx.addresses(&tenant.id, customer).await?.len() >= MAX_ADDRESSES {
            return Err(Refusal::invalid("addresses", format!("a customer has at most {MAX_ADDRESSES}")).into());
        }
        let id: AddressId = self.new_id(now)?.parse().map_err(Error::crypto)?;
        tx.insert_address(&tenant.id, customer, &id, body, now).await?;
        if body.is_default {
            tx.clear_default_address(&tenant.id, customer, &id).await?;
        }
        let entry = Entry::new(actor, "address.create", "customer", customer.as_str());
        self.audit(tx, &tenant.id, origin, entry, now).await?;
        Ok(id)
    }

    /// Changes an address. `edit` sees it as it is in the transaction and answers with what it is to say and the version
    /// the caller saw, if any; `None` leaves it. Returns whether there was a change.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::StaleVersion`].
    pub async fn edit_address(
        &self,
        tenant: &Tenant,
        customer: &CustomerId,
        id: &AddressId,
        mut edit: impl FnMut(&Address) -> Option<(AddressBody, Option<i64>)> + Send,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<bool, Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            tx.hold_customer(&tenant.id, customer).await?;
            let before = tx.address(&tenant.id, customer, id).await?.ok_or(Refusal::NotFound("address"))?;
            let Some((body, version)) = edit(&before) else { return Ok(false) };
            if version.is_some_and(|version| version != before.version) {
                return Err(Refusal::StaleVersion.into());
            }
            tx.update_address(&tenant.id, customer, id, &body, now).await?;
            if body.is_default {
                tx.clear_default_address(&tenant.id, customer, id).await?;
            }
            let entry = Entry::new(actor, "address.update", "customer", customer.as_str());
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(true)
        })
    }

    /// Takes an address away.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn delete_address(
        &self,
        tenant: &Tenant,
        customer: &CustomerId,
        id: &AddressId,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            if !tx.delete_address(&tenant.id, customer, id).await? {
                return Err(Refusal::NotFound("address").into());
            }
            let entry = Entry::new(actor, "address.delete", "customer", customer.as_str());
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }
}
