//! Logging in with e-mail and password. Unknown, wrong and impossible look and cost the same; what the account's state
//! is, is only told after the password was right.

use crate::{
    Actor, Bearer, Engine, Error, Granted, Origin, Refusal, Tenant, Wishes,
    assurance::Proven,
    audit::Entry,
    issue::{Chain, Door, Draft, Holder, Order, Terms},
    passwords::Match,
    retrying,
    session_context::fresh,
    store::{CredentialRow, NewSession, Reader, Tx},
    throttle::Attempt,
};
use prokura_domain::{ClientId, CustomerId, CustomerKind, CustomerState, Email, PartnerIdpId, SessionId, Timestamp};
use prokura_jose::{Secret, SecretHash};

/// E-mail and password.
#[derive(Clone, Debug)]
pub struct LogIn {
    /// The address.
    pub email: Email,
    /// The password.
    pub password: Secret,
}

/// What a login hands out.
#[derive(Debug)]
pub struct LoggedIn {
    /// The tokens.
    pub granted: Granted,
    /// Whether the password was set by somebody else and should be changed.
    pub has_initial_password: bool,
}

/// How a customer comes in.
pub(crate) struct Entrance<'a> {
    /// In whose session.
    pub(crate) bearer: Bearer<'a>,
    /// Through which door.
    pub(crate) door: Door,
    /// Who.
    pub(crate) customer: &'a CustomerId,
    /// How they proved it, when it was by password.
    pub(crate) proof: Option<&'a Proof>,
    /// Who vouches for them, when it is a partner's identity provider.
    pub(crate) partner: Option<PartnerEntrance<'a>>,
}

/// Somebody whom a partner's identity provider vouches for.
#[derive(Clone, Copy)]
pub(crate) struct PartnerEntrance<'a> {
    /// The provider, where it has a row: it must still be switched on, and its sessions end with it (S-86).
    pub(crate) idp: Option<&'a PartnerIdpId>,
    /// The provider and the subject they are remembered by.
    pub(crate) identity: (&'a str, &'a str),
    /// The ID token they came by, as a hash, and until when it could come again.
    pub(crate) id_token: Option<(&'a SecretHash, Timestamp)>,
}

/// A password that was right, and what is to be noted about it in the transaction of the login.
pub(crate) struct Proof {
    pub(crate) customer: CustomerId,
    pub(crate) credential: CredentialRow,
    stronger: Option<String>,
    attempt: Attempt,
}

impl Engine {
    /// Logs a customer in, in the guest's session of the bearer, or in a new session for a service bearer.
    ///
    /// # Errors
    /// [`Refusal::InvalidCredentials`], [`Refusal::Throttled`], or the state of the customer once the password was
    /// right; [`Refusal::ProofNeeded`] when they have a second factor, for which there is no place here, unless the
    /// tenant lets the password do.
    pub async fn log_in(
        &self,
        tenant: &Tenant,
        bearer: Bearer<'_>,
        request: &LogIn,
        origin: &Origin,
    ) -> Result<LoggedIn, Error> {
        let client = &bearer.standing.client;
        let proof = self.prove_login_by(tenant, client, request, origin).await?;
        let entrance =
            Entrance { bearer, door: Door::Password, customer: &proof.customer, proof: Some(&proof), partner: None };
        let granted = retrying!(self.open_session(tenant, &entrance, origin));
        let granted = self.note_missing_factor(tenant, (client, &proof), granted, origin).await?;
        Ok(LoggedIn { granted, has_initial_password: proof.credential.is_initial })
    }

    /// The same as [`Engine::prove_login`] for a client that logs people in by forms of its own. It is asked first: one
    /// that may not learns nothing about passwords.
    pub(crate) async fn prove_login_by(
        &self,
        tenant: &Tenant,
        client: &ClientId,
        request: &LogIn,
        origin: &Origin,
    ) -> Result<Proof, Error> {
        Self::check_grant(&mut self.store.read().await?, tenant, client, Door::Password).await?;
        self.prove_login(tenant, Some(client), Door::Password.verb(), request, origin).await
    }

    /// Writes down that a login was right as far as it went, and that there was no place for the second factor.
    pub(crate) async fn note_missing_factor<T>(
        &self,
        tenant: &Tenant,
        (client, proof): (&ClientId, &Proof),
        result: Result<T, Error>,
        origin: &Origin,
    ) -> Result<T, Error> {
        let Err(Error::Refused(refusal @ Refusal::ProofNeeded)) = result else { return result };
        let actor = Actor::Customer(proof.customer.clone());
        let entry = Entry::new(&actor, Door::Password.verb(), "customer", proof.customer.as_str()).client(client);
        Err(self.audit_refusal(&tenant.id, origin, entry, refusal).await?)
    }

    /// Refuses a customer with a second factor where there is no place for it, unless the tenant lets the password do.
    pub(crate) async fn check_password_is_enough(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        customer: &CustomerId,
    ) -> Result<(), Error> {
        let has_factor = tenant.settings.second_factor_at_api
            && tx.totp(&tenant.id, customer).await?.is_some_and(|row| row.is_active);
        if has_factor { Err(Refusal::ProofNeeded.into()) } else { Ok(()) }
    }

    /// Whether a client stands and may come in by a door.
    pub(crate) async fn check_grant(
        reader: &mut Reader,
        tenant: &Tenant,
        client: &ClientId,
        door: Door,
    ) -> Result<(), Error> {
        let client = reader.client(&tenant.id, client).await?.filter(|client| client.is_active);
        let client = client.ok_or(Refusal::InvalidClient)?;
        if door.is_among(&client.grants) { Ok(()) } else { Err(Refusal::UnauthorizedClient.into()) }
    }

    /// Checks e-mail and password, whatever the login is for. Everything about the account is asked again when the proof
    /// is used.
    ///
    /// # Errors
    /// [`Refusal::InvalidCredentials`], [`Refusal::Throttled`], or the state of the customer once the password was
    /// right.
    pub(crate) async fn prove_login(
        &self,
        tenant: &Tenant,
        client: Option<&ClientId>,
        verb: &'static str,
        request: &LogIn,
        origin: &Origin,
    ) -> Result<Proof, Error> {
        let attempt = self.take_attempt(tenant, "log_in", request.email.key(), &request.password, origin).await?;
        let known = {
            let mut reader = self.store.read().await?;
            match reader.customer_by_email(&tenant.id, request.email.key()).await? {
                Some(customer) => {
                    let credential = reader.password(&tenant.id, &customer.id).await?;
                    Some((customer, credential))
                }
                None => None,
            }
        };
        let stored = known.as_ref().and_then(|(customer, credential)| {
            let is_person = customer.kind == CustomerKind::Customer;
            credential.as_ref().filter(|_| is_person).map(|credential| credential.secret.as_str())
        });
        let found = self.passwords.check(request.password.expose(), stored).await?;
        let Some((customer, Some(credential))) = known.filter(|_| found != Match::No) else {
            let entry = Entry::new(&Actor::Guest, verb, "account", attempt.account()).client_if(client);
            // The trail names the account by the throttle's key, never by an address that may not even exist here.
            return Err(self.audit_refusal(&tenant.id, origin, entry, Refusal::InvalidCredentials).await?);
        };
        let refusal = match customer.state {
            CustomerState::Active => None,
            CustomerState::Pending => Some(Refusal::CustomerPending),
            CustomerState::OnHold => Some(Refusal::CustomerOnHold),
            CustomerState::Inactive => Some(Refusal::CustomerInactive),
            CustomerState::Deleted => Some(Refusal::InvalidCredentials),
        };
        if let Some(refusal) = refusal {
            let actor = Actor::Customer(customer.id.clone());
            let entry = Entry::new(&actor, verb, "customer", customer.id.as_str()).client_if(client);
            return Err(self.audit_refusal(&tenant.id, origin, entry, refusal).await?);
        }
        let stronger = match found {
            Match::YesButWeak => Some(self.hash_password(request.password.expose()).await?),
            Match::Yes | Match::No => None,
        };
        Ok(Proof { customer: customer.id, credential, stronger, attempt })
    }

    /// Uses a proof up in the transaction of the login.
    pub(crate) async fn use_proof(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        proof: &Proof,
        now: Timestamp,
    ) -> Result<(), Error> {
        if !tx.note_login(&tenant.id, &proof.customer, now).await? {
            return Err(Refusal::CustomerInactive.into());
        }
        self.accept_password(tx, tenant, proof, now).await
    }

    /// Takes the password for right in `tx`, though nobody is logged in by that.
    pub(crate) async fn accept_password(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        proof: &Proof,
        now: Timestamp,
    ) -> Result<(), Error> {
        let credential = &proof.credential;
        // Another password was set after this one was checked.
        if !tx.use_password(&tenant.id, &credential.id, now).await? {
            return Err(Refusal::InvalidCredentials.into());
        }
        if let Some(stronger) = &proof.stronger {
            tx.rehash_password(&tenant.id, &credential.id, &credential.secret, stronger).await?;
        }
        self.attempt_was_right(tx, tenant, &proof.attempt, now).await
    }

    /// The transaction every login ends in: the customer's row is held, the guest's session becomes theirs, families of
    /// somebody else in it end, and a family of their own begins.
    pub(crate) async fn open_session(
        &self,
        tenant: &Tenant,
        entrance: &Entrance<'_>,
        origin: &Origin,
    ) -> Result<Granted, Error> {
        let mut tx = self.store.write().await?;
        let draft = self.open_session_in(&mut tx, tenant, entrance, origin).await?;
        tx.commit().await?;
        Ok(Self::grant(tenant, draft))
    }

    /// The same in the transaction of what leads to it, such as redeeming a link. To be signed once it is durable.
    pub(crate) async fn open_session_in(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        entrance: &Entrance<'_>,
        origin: &Origin,
    ) -> Result<Draft, Error> {
        let Entrance { bearer, door, customer, proof, partner } = *entrance;
        let now = self.clock.now();
        let client = &bearer.standing.client;
        let expires_at = now.plus_seconds(tenant.settings.lifetimes.session.into());
        if let Some(partner) = partner {
            Self::enter_by_partner(tx, tenant, customer, partner, now).await?;
        }
        match proof {
            Some(proof) => {
                self.check_password_is_enough(tx, tenant, customer).await?;
                self.use_proof(tx, tenant, proof, now).await?;
            }
            None if !tx.note_login(&tenant.id, customer, now).await? => return Err(Refusal::CustomerInactive.into()),
            None => {}
        }
        let session = match Self::guest_session(&bearer) {
            Some(session) => {
                let idp = partner.and_then(|partner| partner.idp);
                self.end_earlier_families(tx, tenant, session, (customer, idp), now).await?;
                let came = (door.verb(), proof.map(|_| Proven::Password), idp);
                if !tx.adopt_session(&tenant.id, session, customer, came, expires_at, now).await? {
                    return Err(Refusal::InvalidToken.into());
                }
                session.clone()
            }
            None => self.new_session(tx, tenant, client, entrance, origin).await?,
        };
        if !tx.set_context_customer(&tenant.id, &session, Some(customer), now).await? {
            let sites = tx.sites(&tenant.id).await?;
            let context = fresh(&session, Some(customer.clone()), &sites, &Wishes::default(), now);
            tx.insert_context(&tenant.id, &context).await?;
        }
        let holder = Holder::Customer { session: &session, customer, scopes: None };
        let order = Order {
            tenant,
            door,
            client,
            holder,
            entity: None,
            chain: Chain::Begin { is_refreshable: true },
            terms: Terms::default(),
            origin,
        };
        self.issue(tx, order).await
    }

    /// Ends the families in a guest's session that are not of whom it becomes: somebody else's, and those by a partner's
    /// identity provider that no longer stands behind the session, or they would outlive it (S-86).
    async fn end_earlier_families(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        session: &SessionId,
        (customer, idp): (&CustomerId, Option<&PartnerIdpId>),
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut families = tx.families_of_session(&tenant.id, session).await?;
        families.retain(|family| family.customer.is_some());
        if families.is_empty() {
            return Ok(());
        }
        let before = tx.partner_idp_of_session(&tenant.id, session).await?;
        let is_left = before.is_some() && before.as_ref() != idp;
        for family in families {
            let is_other = family.customer.as_ref() != Some(customer);
            if is_other || is_left {
                let reason = if is_other { "another_customer" } else { "another_door" };
                self.end_family(tx, tenant, &family.id, reason, now).await?;
            }
        }
        Ok(())
    }

    /// What must hold of a partner's word in the very transaction of the login.
    pub(crate) async fn enter_by_partner(
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        customer: &CustomerId,
        partner: PartnerEntrance<'_>,
        now: Timestamp,
    ) -> Result<(), Error> {
        if let Some(idp) = partner.idp
            && !tx.hold_partner_idp(&tenant.id, idp).await?
        {
            return Err(Refusal::InvalidGrant.into());
        }
        if let Some((hash, until)) = partner.id_token
            && !tx.use_once(&tenant.id, "partner_id_token", hash, until).await?
        {
            return Err(Refusal::InvalidGrant.into());
        }
        if !tx.touch_federated_identity(&tenant.id, partner.identity, customer, now).await? {
            // The link went between finding the customer and this.
            return Err(Refusal::InvalidToken.into());
        }
        Ok(())
    }

    async fn new_session(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        client: &ClientId,
        entrance: &Entrance<'_>,
        origin: &Origin,
    ) -> Result<SessionId, Error> {
        let now = self.clock.now();
        let session = self.new_session_id(now)?;
        let new = NewSession {
            id: &session,
            client,
            customer: Some(entrance.customer),
            visitor: None,
            site: None,
            door: entrance.door.verb(),
            authenticated_at: Some(now),
            proven: entrance.proof.map(|_| Proven::Password),
            expires_at: now.plus_seconds(tenant.settings.lifetimes.session.into()),
            look_at: None,
            origin,
        };
        tx.insert_session(&tenant.id, &new, now).await?;
        Ok(session)
    }
}
