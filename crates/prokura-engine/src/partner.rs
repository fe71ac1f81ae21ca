//! Logging in with a token of another identity provider. A person is who (tenant, provider, subject) says; an e-mail
//! address only finds an account the first time, where the provider is trusted with that, and only when the very token
//! says that the address was verified (S-80, S-82).

mod id_token;

pub(crate) use id_token::{Expected, Flaw};

use crate::{
    Actor, Bearer, CreateCustomer, Door, Engine, Error, Granted, Origin, Profile, Refusal, Tenant,
    audit::Entry,
    log_in::{Entrance, PartnerEntrance},
    retrying,
    store::{StoreError, Tx},
};
use prokura_domain::{CustomerId, CustomerKind, CustomerState, Email, PartnerIdpId, Timestamp};
use prokura_jose::{Claims, JwsAlgorithm, PublicKey, Rejection, verify_jws};
use serde_json::Value;

/// What a customer is found by the first time they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartnerIdentifier {
    /// Their address, when the token says it is verified: an account with it becomes theirs.
    Email,
    /// Nothing but their subject: an account that is there already is never theirs.
    Subject,
}

/// An identity provider whose tokens are taken.
#[derive(Clone, Debug)]
pub struct Partner {
    /// The name its people are remembered under.
    pub name: String,
    /// The one issuer (`iss`).
    pub issuer: String,
    /// The audiences that mean us (`aud`); at least one.
    pub audiences: Vec<String>,
    /// The client the token must have been issued to (`azp`), when one is named.
    pub authorized_party: Option<String>,
    /// Its public keys, each with its one algorithm.
    pub keys: Vec<PublicKey>,
    /// The domains whose addresses it may vouch for, in lower case; empty for all.
    pub email_domains: Vec<String>,
    /// What a customer is found by the first time.
    pub identifier: PartnerIdentifier,
    /// Whether somebody unknown becomes a customer.
    pub creates_customers: bool,
}

/// The longest subject and the longest name that are taken from a token, in characters.
const MAX_SUBJECT: usize = 255;
const MAX_NAME: usize = 200;

/// Who a token is about.
pub(crate) struct Person {
    pub(crate) subject: String,
    /// Only when verified.
    email: Option<Email>,
    profile: Profile,
}

/// What came of looking for the customer.
pub(crate) enum Found {
    Customer(CustomerId),
    Refused(Refusal, &'static str),
}

impl Partner {
    /// Checks everything about a token that was handed in but who it is about.
    fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, Rejection> {
        let allowed: Vec<JwsAlgorithm> = self.keys.iter().map(PublicKey::algorithm).collect();
        let verified = verify_jws(token, &self.keys, &allowed, None)?;
        let claims = Claims::parse(&verified.payload)?;
        if claims.issuer != self.issuer {
            return Err(Rejection::WrongIssuer);
        }
        if !claims.audience.iter().any(|audience| self.audiences.contains(audience)) {
            return Err(Rejection::WrongAudience);
        }
        match &self.authorized_party {
            Some(party) if claims.others.get("azp").and_then(Value::as_str) != Some(party) => {
                return Err(Rejection::WrongAudience);
            }
            // For several audiences only the party it was issued to tells whose it is.
            None if claims.audience.len() > 1 => return Err(Rejection::WrongAudience),
            Some(_) | None => {}
        }
        claims.check_time(now)?;
        check_subject(&claims)?;
        Ok(claims)
    }

    pub(crate) fn person(&self, claims: &Claims) -> Person {
        let text = |name: &str| claims.others.get(name).and_then(Value::as_str).unwrap_or_default();
        let name = |claim: &str| text(claim).chars().filter(|c| !c.is_control()).take(MAX_NAME).collect::<String>();
        let is_verified = claims.others.get("email_verified") == Some(&Value::Bool(true));
        let email = Email::parse(text("email")).ok().filter(|email| is_verified && self.vouches_for(email));
        let profile =
            Profile { given_name: name("given_name"), family_name: name("family_name"), ..Profile::default() };
        Person { subject: claims.subject.clone(), email, profile }
    }

    /// Somebody a trusted client speaks of in the provider's place; `None` when nobody can be called that.
    pub(crate) fn told_of(&self, subject: &str, email: Option<&Email>) -> Option<Person> {
        let is_right = is_subject(subject) && !subject.chars().any(char::is_control);
        let email = email.filter(|email| self.vouches_for(email)).cloned();
        is_right.then(|| Person { subject: subject.to_owned(), email, profile: Profile::default() })
    }

    /// Letters outside ASCII can look like others; an address with them is treated as not verified.
    fn vouches_for(&self, email: &Email) -> bool {
        let domain = email.key().rsplit_once('@').map_or("", |(_, domain)| domain);
        email.key().is_ascii() && (self.email_domains.is_empty() || self.email_domains.iter().any(|own| own == domain))
    }
}

fn check_subject(claims: &Claims) -> Result<(), Rejection> {
    if is_subject(&claims.subject) { Ok(()) } else { Err(Rejection::BadClaims) }
}

fn is_subject(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= MAX_SUBJECT
}

impl Engine {
    /// Logs somebody in whom a partner's token speaks for, in the guest's session of the bearer.
    ///
    /// # Errors
    /// [`Refusal::UnauthorizedClient`] for a client without the grant `token_exchange`; [`Refusal::InvalidToken`] for
    /// a token that does not hold, an address that is not verified, or one that belongs to somebody else of the same
    /// partner; [`Refusal::NotFound`] for somebody unknown where nobody is made a customer; [`Refusal::Forbidden`] when
    /// an account that is not theirs has their address; or the state of the customer.
    pub async fn exchange_partner_token(
        &self,
        tenant: &Tenant,
        bearer: Bearer<'_>,
        partner: &Partner,
        token: &str,
        origin: &Origin,
    ) -> Result<Granted, Error> {
        if Self::guest_session(&bearer).is_none() {
            return Err(Refusal::InvalidToken.into());
        }
        let client = self.client(tenant, &bearer.standing.client).await?;
        if !Door::PartnerToken.is_among(&client.grants) {
            return Err(Refusal::UnauthorizedClient.into());
        }
        let refused = |refusal, reason| self.refuse_partner(tenant, bearer, &partner.name, (refusal, reason), origin);
        let person = match partner.verify(token, self.clock.now()) {
            Ok(claims) => partner.person(&claims),
            Err(rejection) => return Err(refused(Refusal::InvalidToken, rejection_word(rejection)).await?),
        };
        let customer = match retrying!(self.customer_of_partner(tenant, partner, None, &person, origin))? {
            Found::Customer(customer) => customer,
            Found::Refused(refusal, reason) => return Err(refused(refusal, reason).await?),
        };
        let identity = (partner.name.as_str(), person.subject.as_str());
        let by = PartnerEntrance { idp: None, identity, id_token: None };
        let entrance =
            Entrance { bearer, door: Door::PartnerToken, customer: &customer, proof: None, partner: Some(by) };
        retrying!(self.open_session(tenant, &entrance, origin))
    }

    /// Writes down that a token of a partner was not taken, and why.
    async fn refuse_partner(
        &self,
        tenant: &Tenant,
        bearer: Bearer<'_>,
        partner: &str,
        (refusal, reason): (Refusal, &'static str),
        origin: &Origin,
    ) -> Result<Error, Error> {
        let entry = Entry::new(&Actor::Guest, Door::PartnerToken.verb(), "partner", partner)
            .client(&bearer.standing.client)
            .detail(serde_json::json!({ "reason": reason }));
        self.audit_refusal(&tenant.id, origin, entry, refusal).await
    }

    /// The customer somebody is; found, linked or made in one transaction. `idp` is the provider's row, where it has one: it
    /// must be switched on still.
    pub(crate) async fn customer_of_partner(
        &self,
        tenant: &Tenant,
        partner: &Partner,
        idp: Option<&PartnerIdpId>,
        person: &Person,
        origin: &Origin,
    ) -> Result<Found, Error> {
        let known = self.store.read().await?.federated_identity(&tenant.id, &partner.name, &person.subject).await?;
        if let Some(customer) = known {
            return Ok(Found::Customer(customer));
        }
        let mut tx = self.store.write().await?;
        if let Some(idp) = idp
            && !tx.hold_partner_idp(&tenant.id, idp).await?
        {
            return Ok(Found::Refused(Refusal::InvalidGrant, "switched_off"));
        }
        let there = match &person.email {
            Some(email) => tx.customer_by_email(&tenant.id, email.key()).await?,
            None => None,
        };
        let customer = match (partner.identifier, there) {
            (PartnerIdentifier::Email, _) if person.email.is_none() => {
                return Ok(Found::Refused(Refusal::InvalidToken, "email_not_verified"));
            }
            (PartnerIdentifier::Email, Some(there)) => {
                if there.kind == CustomerKind::Contact {
                    return Ok(Found::Refused(Refusal::InvalidToken, "contact"));
                }
                if tx.is_federated(&tenant.id, &partner.name, &there.id).await? {
                    return Ok(Found::Refused(Refusal::InvalidToken, "linked_to_another_subject"));
                }
                if !tx.hold_customer(&tenant.id, &there.id).await? {
                    // Deleted meanwhile: look again.
                    return Err(StoreError::Conflict.into());
                }
                there.id
            }
            (PartnerIdentifier::Email | PartnerIdentifier::Subject, None) if !partner.creates_customers => {
                return Ok(Found::Refused(Refusal::NotFound("customer"), "unknown_customer"));
            }
            (PartnerIdentifier::Subject, Some(_)) if !partner.creates_customers => {
                return Ok(Found::Refused(Refusal::NotFound("customer"), "unknown_customer"));
            }
            (PartnerIdentifier::Subject, Some(_)) => {
                let refusal = Refusal::Forbidden("an account with this e-mail address is not linked to the provider");
                return Ok(Found::Refused(refusal, "address_taken"));
            }
            (PartnerIdentifier::Email | PartnerIdentifier::Subject, None) => {
                self.new_customer_of_partner(&mut tx, tenant, person, origin).await?
            }
        };
        self.link(&mut tx, tenant, partner, person, &customer, origin).await?;
        tx.commit().await?;
        Ok(Found::Customer(customer))
    }

    /// Makes a customer. They act for no company until somebody assigns them (S-83).
    async fn new_customer_of_partner(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        person: &Person,
        origin: &Origin,
    ) -> Result<CustomerId, Error> {
        let sign_up = &tenant.settings.sign_up;
        let request = CreateCustomer {
            id: None,
            kind: CustomerKind::Customer,
            email: person.email.clone(),
            profile: person.profile.clone(),
            state: match (sign_up.is_active_on_creation, sign_up.is_on_hold_on_creation) {
                (_, true) => CustomerState::OnHold,
                (true, false) => CustomerState::Active,
                (false, false) => CustomerState::Inactive,
            },
            password: None,
        };
        self.create_customer_in(tx, tenant, &request, None, &Actor::System, origin).await
    }

    async fn link(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        partner: &Partner,
        person: &Person,
        customer: &CustomerId,
        origin: &Origin,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let identity = (partner.name.as_str(), person.subject.as_str());
        let email_key = person.email.as_ref().map(Email::key);
        if !tx.insert_federated_identity(&tenant.id, identity, customer, email_key, now).await? {
            // Another request of the same person was faster: look again, and find what it made.
            return Err(StoreError::Conflict.into());
        }
        let actor = Actor::Customer(customer.clone());
        let entry = Entry::new(&actor, "customer.link_partner", "customer", customer.as_str())
            .detail(serde_json::json!({ "partner": partner.name }));
        self.audit(tx, &tenant.id, origin, entry, now).await
    }
}

/// The word the audit trail keeps.
fn rejection_word(rejection: Rejection) -> &'static str {
    match rejection {
        Rejection::Malformed => "malformed",
        Rejection::UnknownKey => "unknown_key",
        Rejection::WrongType => "wrong_type",
        Rejection::WrongIssuer => "wrong_issuer",
        Rejection::WrongAudience => "wrong_audience",
        Rejection::Bound => "bound",
        Rejection::BadSignature => "bad_signature",
        Rejection::BadClaims => "bad_claims",
        Rejection::NotYetValid => "not_yet_valid",
        Rejection::Expired => "expired",
        Rejection::Revoked => "revoked",
    }
}
