//! Customers: making them, switching them off and on, their passwords.

use crate::{
    Actor, Engine, Error, Origin, Refusal, Tenant,
    audit::Entry,
    log_out::Keep,
    mail::Change,
    passwords, retrying,
    store::{NewCustomer, Tx},
};
use prokura_domain::{CustomerId, CustomerKind, CustomerState, Email, GroupCode, LegalEntityId, SiteId, Timestamp};
use prokura_jose::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A customer.
#[derive(Clone, Debug)]
pub struct Customer {
    /// Their id, which is their number as well.
    pub id: CustomerId,
    /// Whether they can log in at all.
    pub kind: CustomerKind,
    /// What they log in with.
    pub email: Option<String>,
    /// When they showed that mails to it reach them.
    pub email_verified_at: Option<Timestamp>,
    /// Who they are.
    pub profile: Profile,
    /// Whether they may log in.
    pub state: CustomerState,
    /// When they last did.
    pub last_login_at: Option<Timestamp>,
    /// Counts changes.
    pub version: i64,
    /// When they were made.
    pub created_at: Timestamp,
    /// When they were last changed.
    pub modified_at: Timestamp,
}

/// Who a customer is, as far as they tell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// Form of address.
    pub title: Option<String>,
    /// Given name. A column of its own, like the next six.
    #[serde(skip)]
    pub given_name: String,
    /// Family name.
    #[serde(skip)]
    pub family_name: String,
    /// The company they say they work for; says nothing about assignments.
    #[serde(skip)]
    pub company_name: String,
    /// Preferred language, as `en` or `en_US`.
    #[serde(skip)]
    pub language: Option<String>,
    /// Preferred currency (ISO 4217).
    #[serde(skip)]
    pub currency: Option<String>,
    /// Preferred storefront.
    #[serde(skip)]
    pub site: Option<SiteId>,
    /// Middle name.
    pub middle_name: Option<String>,
    /// Job title.
    pub job_title: Option<String>,
    /// Where to write to, when it is not the login address.
    pub contact_email: Option<String>,
    /// Telephone.
    pub phone: Option<String>,
    /// A picture.
    pub photo_url: Option<String>,
    /// What limits them, by the shop's own words.
    pub restriction: Option<String>,
    /// The registration id of the company they named when they signed up.
    pub company_registration_id: Option<String>,
    /// Free objects by name, stored and handed back untouched.
    pub mixins: Map<String, Value>,
    /// The schema URL of each free object.
    pub mixin_schemas: Map<String, Value>,
}

/// A password to be set.
#[derive(Clone, Debug)]
pub enum NewPassword {
    /// In clear, to be hashed here.
    Plain(Secret),
    /// A hash from elsewhere: Argon2 PHC string or bcrypt.
    Hash(String),
}

/// A customer to be made.
#[derive(Clone, Debug)]
pub struct CreateCustomer {
    /// Their id; `None` for a new number.
    pub id: Option<CustomerId>,
    /// Whether they can log in at all.
    pub kind: CustomerKind,
    /// What they log in with; a contact may have none.
    pub email: Option<Email>,
    /// Who they are.
    pub profile: Profile,
    /// Whether they may log in.
    pub state: CustomerState,
    /// Their password, and whether somebody else chose it.
    pub password: Option<(NewPassword, bool)>,
}

/// What is to become of a customer.
#[derive(Clone, Debug)]
pub struct CustomerChange {
    /// Who they are from now on.
    pub profile: Profile,
    /// Whether they may log in from now on; `None` leaves it.
    pub state: Option<CustomerState>,
    /// The version that was read; `None` for whatever there is.
    pub version: Option<i64>,
}

impl Engine {
    /// Checks a new password against the tenant's policy and hashes it.
    pub(crate) async fn password_hash(&self, tenant: &Tenant, password: &NewPassword) -> Result<String, Error> {
        match password {
            NewPassword::Plain(secret) => {
                check_password_policy(tenant, secret)?;
                self.hash_password(secret.expose()).await
            }
            NewPassword::Hash(hash) if passwords::is_supported(hash) => Ok(hash.clone()),
            NewPassword::Hash(_) => {
                Err(Refusal::invalid("password_hash", "an Argon2 PHC string or a bcrypt hash").into())
            }
        }
    }

    pub(crate) async fn hash_password(&self, password: &str) -> Result<String, Error> {
        let mut salt = [0; 16];
        self.entropy.fill(&mut salt)?;
        self.passwords.hash(password, salt).await
    }

    /// Makes a customer.
    ///
    /// # Errors
    /// [`Refusal::AlreadyExists`] for a taken address or an id that was ever used, [`Refusal::Invalid`].
    pub async fn create_customer(
        &self,
        tenant: &Tenant,
        request: &CreateCustomer,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<CustomerId, Error> {
        let password = self.password_of(tenant, request).await?;
        retrying!(async {
            let mut tx = self.store.write().await?;
            let id = self.create_customer_in(&mut tx, tenant, request, password.as_ref(), actor, origin).await?;
            tx.commit().await?;
            Ok::<_, Error>(id)
        })
    }

    /// Checks a request and hashes its password.
    async fn password_of(&self, tenant: &Tenant, request: &CreateCustomer) -> Result<Option<(String, bool)>, Error> {
        if request.kind == CustomerKind::Customer && request.email.is_none() {
            return Err(Refusal::invalid("email", "a customer who can log in needs an e-mail address").into());
        }
        match &request.password {
            Some((password, is_initial)) => Ok(Some((self.password_hash(tenant, password).await?, *is_initial))),
            None => Ok(None),
        }
    }

    /// The same inside a transaction; the password is hashed already.
    pub(crate) async fn create_customer_in(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        request: &CreateCustomer,
        password: Option<&(String, bool)>,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<CustomerId, Error> {
        let now = self.clock.now();
        let id = match &request.id {
            Some(id) => id.clone(),
            None => self.new_customer_number()?,
        };
        let new = NewCustomer {
            id: &id,
            kind: request.kind,
            email: request.email.as_ref(),
            state: request.state,
            profile: &request.profile,
        };
        if !tx.insert_customer(&tenant.id, &new, now).await? {
            return Err(Refusal::AlreadyExists("customer").into());
        }
        if let Some((phc, is_initial)) = password {
            let credential = self.new_id(now)?;
            tx.set_password(&tenant.id, &id, &credential, phc, *is_initial, now).await?;
        }
        self.audit(tx, &tenant.id, origin, Entry::new(actor, "customer.create", "customer", id.as_str()), now).await?;
        Ok(id)
    }

    /// A number of twelve digits: short enough to read out, wide enough that two never meet in practice, and an insert
    /// that would meet one is refused by its key.
    fn new_customer_number(&self) -> Result<CustomerId, Error> {
        let mut random = [0; 8];
        self.entropy.fill(&mut random)?;
        let number = 100_000_000_000 + u64::from_be_bytes(random) % 900_000_000_000;
        number.to_string().parse().map_err(Error::crypto)
    }

    /// One customer.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn customer(&self, tenant: &Tenant, id: &CustomerId) -> Result<Customer, Error> {
        let customer = self.store.read().await?.customer(&tenant.id, id).await?;
        Ok(customer.ok_or(Refusal::NotFound("customer"))?)
    }

    /// The customer an address belongs to.
    ///
    /// # Errors
    /// Only faults.
    pub async fn customer_by_email(&self, tenant: &Tenant, email: &Email) -> Result<Option<Customer>, Error> {
        Ok(self.store.read().await?.customer_by_email(&tenant.id, email.key()).await?)
    }

    /// Customers after `after`, by id.
    ///
    /// # Errors
    /// Only faults.
    pub async fn customers(&self, tenant: &Tenant, after: &str, limit: u32) -> Result<Vec<Customer>, Error> {
        Ok(self.store.read().await?.customers(&tenant.id, after, None, limit).await?)
    }

    /// Customers after `after`, by id: of the whole tenant, or of one company; with one address when named.
    ///
    /// # Errors
    /// Only faults.
    pub async fn find_customers(
        &self,
        tenant: &Tenant,
        entity: Option<&LegalEntityId>,
        email_key: Option<&str>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Customer>, Error> {
        let mut reader = self.store.read().await?;
        Ok(match entity {
            Some(entity) => reader.customers_of_entity(&tenant.id, entity, after, email_key, limit).await?,
            None => reader.customers(&tenant.id, after, email_key, limit).await?,
        })
    }

    /// How many customers there are, in the whole tenant or in one company; counted up to a million.
    ///
    /// # Errors
    /// Only faults.
    pub async fn count_customers(&self, tenant: &Tenant, entity: Option<&LegalEntityId>) -> Result<u64, Error> {
        let count = self.store.read().await?.count_customers(&tenant.id, entity).await?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Makes a customer who belongs to a company from the first moment.
    ///
    /// # Errors
    /// As [`Engine::create_customer`]; [`Refusal::NotFound`] for the company.
    pub async fn create_customer_of(
        &self,
        tenant: &Tenant,
        request: &CreateCustomer,
        entity: &LegalEntityId,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<CustomerId, Error> {
        let password = self.password_of(tenant, request).await?;
        retrying!(async {
            let mut tx = self.store.write().await?;
            let id = self.create_customer_in(&mut tx, tenant, request, password.as_ref(), actor, origin).await?;
            self.let_in(&mut tx, tenant, (&id, entity), GroupCode::Contact, actor, origin).await?;
            tx.commit().await?;
            Ok::<_, Error>(id)
        })
    }

    /// Changes a customer's profile and state at once. `edit` sees the customer as they are in the transaction, so two
    /// changes at once lose nothing; `None` leaves everything as it is. Whoever may no longer log in loses every
    /// session. Returns whether there was a change.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::StaleVersion`].
    pub async fn edit_customer(
        &self,
        tenant: &Tenant,
        id: &CustomerId,
        mut edit: impl FnMut(&Customer) -> Option<CustomerChange> + Send,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<bool, Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            tx.hold_customer(&tenant.id, id).await?;
            let before = tx.customer(&tenant.id, id).await?.ok_or(Refusal::NotFound("customer"))?;
            let Some(change) = edit(&before) else { return Ok(false) };
            if !tx.update_profile(&tenant.id, id, &change.profile, change.version, now).await? {
                return Err(Refusal::StaleVersion.into());
            }
            let entry = Entry::new(actor, "customer.update", "customer", id.as_str());
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            if let Some(state) = change.state {
                self.move_customer_in(&mut tx, tenant, id, state, actor, origin).await?;
            }
            tx.commit().await?;
            Ok::<_, Error>(true)
        })
    }

    /// Replaces a customer's profile.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::StaleVersion`].
    pub async fn update_profile(
        &self,
        tenant: &Tenant,
        id: &CustomerId,
        profile: &Profile,
        version: Option<i64>,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        tx.customer(&tenant.id, id).await?.ok_or(Refusal::NotFound("customer"))?;
        if !tx.update_profile(&tenant.id, id, profile, version, now).await? {
            return Err(Refusal::StaleVersion.into());
        }
        self.audit(&mut tx, &tenant.id, origin, Entry::new(actor, "customer.update", "customer", id.as_str()), now)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Moves a customer to another state. Whoever may no longer log in loses every session in the same transaction;
    /// a deleted customer's id is never used again.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn set_customer_state(
        &self,
        tenant: &Tenant,
        id: &CustomerId,
        state: CustomerState,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        retrying!(self.set_customer_state_once(tenant, id, state, actor, origin))
    }

    async fn set_customer_state_once(
        &self,
        tenant: &Tenant,
        id: &CustomerId,
        state: CustomerState,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        let mut tx = self.store.write().await?;
        tx.customer(&tenant.id, id).await?.ok_or(Refusal::NotFound("customer"))?;
        self.move_customer_in(&mut tx, tenant, id, state, actor, origin).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn move_customer_in(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        id: &CustomerId,
        state: CustomerState,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        if !tx.move_customer(&tenant.id, id, state, now).await? {
            return Ok(());
        }
        if state != CustomerState::Active {
            self.end_sessions_of(tx, tenant, id, Keep::Nothing, "customer_disabled", now).await?;
        }
        if state == CustomerState::Deleted {
            self.forget_customer(tx, tenant, id, now).await?;
        }
        let verb = match state {
            CustomerState::Active => "customer.enable",
            CustomerState::Pending => "customer.unconfirm",
            CustomerState::OnHold => "customer.hold",
            CustomerState::Inactive => "customer.disable",
            CustomerState::Deleted => "customer.delete",
        };
        self.audit(tx, &tenant.id, origin, Entry::new(actor, verb, "customer", id.as_str()), now).await
    }

    /// What a deleted customer leaves behind: no assignments, groups, segments, addresses or password.
    async fn forget_customer(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        id: &CustomerId,
        now: Timestamp,
    ) -> Result<(), Error> {
        for assignment in tx.assignments_of_customer(&tenant.id, id).await? {
            self.unassign_in(tx, tenant, &assignment, now).await?;
        }
        tx.forget_customer_details(&tenant.id, id).await?;
        tx.forget_federated_identities(&tenant.id, id).await?;
        self.publish_rights(tx, tenant, Some(id), now).await
    }

    /// Sets a password. Every session of the customer ends, but for the family in `except`.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::Invalid`] by the tenant's policy.
    pub async fn set_password(
        &self,
        tenant: &Tenant,
        id: &CustomerId,
        password: &NewPassword,
        is_initial: bool,
        except: Option<&prokura_domain::FamilyId>,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        let phc = self.password_hash(tenant, password).await?;
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let owner = tx.customer(&tenant.id, id).await?.ok_or(Refusal::NotFound("customer"))?;
            let had_password = tx.password(&tenant.id, id).await?.is_some();
            let keep = except.map_or(Keep::Nothing, Keep::Family);
            let credential = self.new_id(now)?;
            tx.set_password(&tenant.id, id, &credential, &phc, is_initial, now).await?;
            tx.revoke_codes_of(&tenant.id, id, now).await?;
            self.end_sessions_of(&mut tx, tenant, id, keep, "password_changed", now).await?;
            if had_password {
                self.tell_owner_of(&mut tx, tenant, &owner, Change::Password, now).await?;
            }
            let entry = Entry::new(actor, "customer.set_password", "customer", id.as_str());
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }
}

/// Whether the tenant takes a new password.
pub(crate) fn check_password_policy(tenant: &Tenant, password: &Secret) -> Result<(), Refusal> {
    tenant.password_policy().check(password.expose()).map_err(|fault| Refusal::invalid("password", fault))
}
