//! A trusted client logs a customer in whom it knows by other means, without a password. Only a confidential client that
//! is registered for it comes in here, and the trail names it. What a client says of somebody an identity provider knows
//! counts as much as that provider's own word, and no more: whom it may vouch for is the provider's setting.

use crate::{
    Actor, Engine, Error, Granted, Manner, Origin, Refusal, Tenant, VisitorWish,
    arrival::Arrival,
    audit::Entry,
    issue::Door,
    log_in::PartnerEntrance,
    partner::Found,
    retrying,
    store::{StoreError, Tx},
};
use prokura_domain::{ClientId, CustomerId, CustomerKind, Email, PartnerIdpId, SiteId};
use prokura_jose::SecretHash;
use serde_json::json;

/// What keeps the same customer from being logged in twice at once.
const PAUSE: &str = "on_behalf_pause";

/// How a trusted client knows a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KnownBy {
    /// By their address. Whoever has none that is known here is nobody.
    Address(Email),
    /// By what an identity provider calls them. Somebody new becomes a customer where the provider may make one.
    Provider {
        /// The provider.
        idp: PartnerIdpId,
        /// What it calls them.
        subject: String,
        /// Their address as the provider has it.
        email: Option<Email>,
    },
}

/// Whom a trusted client logs in.
#[derive(Clone, Debug)]
pub struct OnBehalf {
    /// The client, which proved who it is.
    pub client: ClientId,
    /// The customer.
    pub who: KnownBy,
    /// The name the visitor goes by.
    pub visitor: VisitorWish,
    /// The storefront.
    pub site: Option<SiteId>,
    /// What the dialect wants otherwise.
    pub manner: Manner,
    /// How soon the same customer may be logged in like this again, in seconds; 0 for at once.
    pub pause_seconds: u32,
}

/// Somebody whom a provider knows.
struct Vouched<'a> {
    idp: &'a PartnerIdpId,
    subject: &'a str,
    customer: CustomerId,
}

impl Engine {
    /// Logs a customer in for a trusted client.
    ///
    /// # Errors
    /// [`Refusal::InvalidCredentials`] for whoever is not known; [`Refusal::UnauthorizedClient`];
    /// [`Refusal::AlreadyExists`] within the pause; [`Refusal::InvalidToken`], [`Refusal::InvalidGrant`],
    /// [`Refusal::NotFound`] and [`Refusal::Forbidden`] for whom the provider may not vouch for, or make a customer; the
    /// state of the customer.
    pub async fn log_in_on_behalf(
        &self,
        tenant: &Tenant,
        request: &OnBehalf,
        origin: &Origin,
    ) -> Result<Granted, Error> {
        let actor = Actor::Client(request.client.clone());
        let entry = || {
            let entry = Entry::new(&actor, Door::OnBehalf.verb(), "client", request.client.as_str());
            entry.client(&request.client)
        };
        let vouched = match &request.who {
            KnownBy::Address(_) => Ok(None),
            KnownBy::Provider { idp, subject, email } => {
                match self.vouched_for(tenant, &request.client, (idp, subject, email.as_ref()), origin).await {
                    Ok(Found::Customer(customer)) => Ok(Some(Vouched { idp, subject, customer })),
                    Ok(Found::Refused(refusal, reason)) => {
                        let entry = entry().detail(json!({ "partner": idp.as_str(), "reason": reason }));
                        return Err(self.audit_refusal(&tenant.id, origin, entry, refusal).await?);
                    }
                    Err(error) => Err(error),
                }
            }
        };
        let granted = match vouched {
            Ok(vouched) => retrying!(self.log_in_on_behalf_once(tenant, request, vouched.as_ref(), origin)),
            Err(error) => Err(error),
        };
        match granted {
            Err(Error::Refused(refusal)) => Err(self.audit_refusal(&tenant.id, origin, entry(), refusal).await?),
            granted => granted,
        }
    }

    /// The customer a provider's subject is; found, linked or made.
    async fn vouched_for(
        &self,
        tenant: &Tenant,
        client: &ClientId,
        (idp, subject, email): (&PartnerIdpId, &str, Option<&Email>),
        origin: &Origin,
    ) -> Result<Found, Error> {
        let idp = {
            let mut reader = self.store.read().await?;
            // Asked before anybody is made a customer; asked again by the function that issues.
            Self::check_grant(&mut reader, tenant, client, Door::OnBehalf).await?;
            reader.partner_idp(&tenant.id, idp).await?.ok_or(Refusal::InvalidCredentials)?
        };
        let partner = idp.partner(&[]);
        let Some(person) = partner.told_of(subject, email) else {
            return Ok(Found::Refused(Refusal::InvalidCredentials, "bad_subject"));
        };
        retrying!(self.customer_of_partner(tenant, &partner, Some(&idp.id), &person, origin))
    }

    async fn log_in_on_behalf_once(
        &self,
        tenant: &Tenant,
        request: &OnBehalf,
        vouched: Option<&Vouched<'_>>,
        origin: &Origin,
    ) -> Result<Granted, Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let customer = match (vouched, &request.who) {
            (Some(vouched), _) => vouched.customer.clone(),
            (None, KnownBy::Address(email)) => person(&mut tx, tenant, email).await?,
            (None, KnownBy::Provider { .. }) => return Err(Refusal::InvalidCredentials.into()),
        };
        if let Some(vouched) = vouched {
            let identity = (vouched.idp.as_str(), vouched.subject);
            let by = PartnerEntrance { idp: Some(vouched.idp), identity, id_token: None };
            Self::enter_by_partner(&mut tx, tenant, &customer, by, now).await?;
        }
        if request.pause_seconds > 0 {
            let account = SecretHash::of(customer.as_str());
            let until = now.plus_seconds(request.pause_seconds.into());
            if !tx.use_for_now(&tenant.id, PAUSE, &account, until, now).await? {
                return Err(Refusal::AlreadyExists("login").into());
            }
        }
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
        if let (Some(vouched), Some(session)) = (vouched, &draft.standing().session) {
            // The session ends when the provider is switched off (S-86).
            let came = (Door::OnBehalf.verb(), None, Some(vouched.idp));
            if !tx.adopt_session(&tenant.id, session, &customer, came, arrival.expires_at, now).await? {
                return Err(StoreError::Conflict.into());
            }
        }
        tx.commit().await?;
        Ok(Self::grant(tenant, draft))
    }
}

/// The customer with this address.
pub(crate) async fn person(tx: &mut Tx<'_>, tenant: &Tenant, email: &Email) -> Result<CustomerId, Error> {
    let found = tx.customer_by_email(&tenant.id, email.key()).await?;
    let person = found.filter(|customer| customer.kind == CustomerKind::Customer);
    Ok(person.ok_or(Refusal::InvalidCredentials)?.id)
}
