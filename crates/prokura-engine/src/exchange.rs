//! Token exchange (RFC 8693): one access token for another, for another legal entity or with fewer scopes. The new token
//! belongs to the family of the one it came from and ends with it; there is no refresh token, and nobody gains a right.
//! With the token of an actor it says who acts for the subject (delegation), and keeps who acted before.

use crate::{
    Actor, Client, Engine, EntityWish, Error, Granted, Origin, Refusal, Tenant,
    audit::Entry,
    issue::{Chain, Door, Holder, Order, Terms},
    retrying,
    target::{narrower, resources_of},
};
use prokura_domain::{ClientKind, Scopes, Subject};
use prokura_jose::{AccessToken, ActorClaim, MAX_ACTORS};

/// What is wanted for a token.
#[derive(Clone, Debug)]
pub struct ExchangeToken<'a> {
    /// What the token says that is given.
    pub subject: &'a AccessToken,
    /// Whom to act for with the new one.
    pub legal_entity: EntityWish,
    /// Fewer scopes than the given token has.
    pub scopes: Option<Scopes>,
    /// The resources the new token is for (RFC 8707); what the given token is for when there are none.
    pub resources: Vec<String>,
    /// The token of who is to act for the subject.
    pub actor: Option<&'a AccessToken>,
}

impl Engine {
    /// Exchanges a customer's access token. A public client may exchange its own tokens only.
    ///
    /// # Errors
    /// [`Refusal::InvalidGrant`], [`Refusal::NotAssigned`], [`Refusal::EntityLocked`], [`Refusal::InvalidScope`],
    /// [`Refusal::UnauthorizedClient`], or the state of the customer.
    pub async fn exchange_token(
        &self,
        tenant: &Tenant,
        client: &Client,
        request: &ExchangeToken<'_>,
        origin: &Origin,
    ) -> Result<Granted, Error> {
        retrying!(self.exchange_token_once(tenant, client, request, origin))
    }

    async fn exchange_token_once(
        &self,
        tenant: &Tenant,
        client: &Client,
        request: &ExchangeToken<'_>,
        origin: &Origin,
    ) -> Result<Granted, Error> {
        let subject = &request.subject.standing;
        let (Some(customer), Some(session), Some(family)) = (subject.customer(), &subject.session, &subject.family)
        else {
            return Err(Refusal::InvalidGrant.into());
        };
        let is_own = subject.client == client.id;
        if subject.tenant != tenant.id || !(is_own || client.kind == ClientKind::Confidential) {
            return Err(Refusal::InvalidGrant.into());
        }
        // Whoever needs no secret to be this client could turn a stolen bound token into a free one.
        let shown = origin.key_proof.as_ref().map(|proof| &proof.thumbprint);
        if client.kind == ClientKind::Public
            && request.subject.bound_to.is_some()
            && request.subject.bound_to.as_ref() != shown
        {
            return Err(Refusal::InvalidProof.into());
        }
        let actors = actors(tenant, client, request, origin)?;
        let audience = narrower(&resources_of(&request.subject.audience, &tenant.issuer), &request.resources)?;
        let scopes = match &request.scopes {
            None => &subject.scopes,
            Some(wanted) if wanted.is_subset(&subject.scopes) => wanted,
            Some(_) => return Err(Refusal::InvalidScope.into()),
        };
        let entity = match &request.legal_entity {
            EntityWish::Keep => subject.legal_entity(),
            EntityWish::Nobody => None,
            EntityWish::Of(entity) => Some(entity),
            EntityWish::Malformed => return Err(Refusal::NotAssigned.into()),
        };
        let mut tx = self.store.write().await?;
        let order = Order {
            tenant,
            door: Door::TokenExchange,
            client: &client.id,
            holder: Holder::Customer { session, customer, scopes: Some(scopes) },
            entity,
            chain: Chain::Within { family, epoch: subject.epoch },
            terms: Terms { audience: &audience, actors: &actors, ..Terms::default() },
            origin,
        };
        match self.issue(&mut tx, order).await {
            Ok(draft) => {
                tx.commit().await?;
                Ok(Self::grant(tenant, draft))
            }
            Err(Error::Refused(refusal)) => {
                drop(tx);
                let actor = Actor::Customer(customer.clone());
                let entry = Entry::new(&actor, Door::TokenExchange.verb(), "family", family.as_str())
                    .entity(entity)
                    .client(&client.id)
                    .session(Some(session));
                Err(self.audit_refusal(&tenant.id, origin, entry, refusal).await?)
            }
            Err(fault) => Err(fault),
        }
    }
}

/// Who acts for the subject of the new token, the latest first. Only a client that is registered for it may put somebody
/// in, and only whom it got a token for itself; nobody who acted before is left out (RFC 8693 section 4.1).
fn actors(
    tenant: &Tenant,
    client: &Client,
    request: &ExchangeToken<'_>,
    origin: &Origin,
) -> Result<Vec<ActorClaim>, Refusal> {
    let before = &request.subject.actors;
    let Some(actor) = request.actor else { return Ok(before.clone()) };
    if !client.registration.may_act {
        return Err(Refusal::UnauthorizedClient);
    }
    let shown = origin.key_proof.as_ref().map(|proof| &proof.thumbprint);
    let is_shown = actor.bound_to.is_none() || actor.bound_to.as_ref() == shown;
    let is_usable = actor.standing.tenant == tenant.id
        && actor.standing.client == client.id
        && actor.audience.is_only(&tenant.issuer)
        && actor.actors.is_empty();
    if !is_usable || !is_shown || actor.standing.subject == Subject::Guest || before.len() >= MAX_ACTORS {
        return Err(Refusal::InvalidGrant);
    }
    let newest = ActorClaim { subject: actor.subject.clone(), client: actor.standing.client.clone() };
    Ok(std::iter::once(newest).chain(before.iter().cloned()).collect())
}
