//! An agent of the shop acts for one of its customers, or for a visitor. The agent logged in on our own pages and shows the
//! code they ended with; what they get is a session of a quarter of an hour, with an access token that names them (`act`,
//! RFC 8693 section 4.1) and no refresh token.

use crate::{
    Actor, Engine, Error, Granted, Manner, Origin, RedeemCode, Refusal, Tenant, VisitorWish, Wishes,
    arrival::Arrival,
    audit::Entry,
    issue::{Chain, Door, Draft, Holder, Order, Terms},
    on_behalf::person,
    redeem_code::{REMEMBER_SECONDS, is_for},
    retrying,
    session_context::{fresh, wanted_site},
    store::{AuthorizationRow, NewSession, Tx},
};
use prokura_domain::{CustomerId, CustomerKind, CustomerState, Email, Scope, SiteId};
use prokura_jose::{ActorClaim, SecretHash};

/// How long an agent acts for somebody without logging in again, in seconds.
const SECONDS: u32 = 900;

/// An agent who acts for somebody.
#[derive(Clone, Debug)]
pub struct ActAsAgent {
    /// The code the agent's login on the pages ended with, for the client that shows it.
    pub code: RedeemCode,
    /// What the agent must have a right to.
    pub permission: Scope,
    /// Who the client says the agent is, where it says so: their address or their id.
    pub agent: Option<String>,
    /// Whom they act for: a customer by their address, or a visitor.
    pub who: Option<Email>,
    /// The name the visitor goes by.
    pub visitor: VisitorWish,
    /// The storefront.
    pub site: Option<SiteId>,
    /// What the dialect wants otherwise.
    pub manner: Manner,
}

impl Engine {
    /// Lets an agent act for a customer or a visitor.
    ///
    /// # Errors
    /// [`Refusal::InvalidGrant`] for a code that is wrong, used or over, or whose login is; [`Refusal::Forbidden`] for
    /// somebody without the permission; [`Refusal::InvalidCredentials`] for a customer nobody knows;
    /// [`Refusal::UnauthorizedClient`]; the state of the customer.
    pub async fn act_as_agent(&self, tenant: &Tenant, request: &ActAsAgent, origin: &Origin) -> Result<Granted, Error> {
        match retrying!(self.act_as_agent_once(tenant, request, origin)) {
            Err(Error::Refused(refusal)) => {
                let client = &request.code.client;
                let actor = Actor::Client(client.clone());
                let entry = Entry::new(&actor, Door::Agent.verb(), "client", client.as_str()).client(client);
                Err(self.audit_refusal(&tenant.id, origin, entry, refusal).await?)
            }
            granted => granted,
        }
    }

    async fn act_as_agent_once(
        &self,
        tenant: &Tenant,
        request: &ActAsAgent,
        origin: &Origin,
    ) -> Result<Granted, Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let row = tx.authorization_by_code(&tenant.id, &SecretHash::of(request.code.code.expose())).await?;
        let row = row.filter(|row| is_for(row, &request.code, origin)).ok_or(Refusal::InvalidGrant)?;
        if row.state == "exchanged" {
            self.punish_replay(tx, tenant, &row, origin).await?;
            return Err(Refusal::InvalidGrant.into());
        }
        let agent = self.agent(&mut tx, tenant, request, &row).await?;
        let customer = match &request.who {
            Some(email) => Some(person(&mut tx, tenant, email).await?),
            None => None,
        };
        if !tx.exchange_authorization(&tenant.id, &row.id, now.plus_seconds(REMEMBER_SECONDS), now).await? {
            return Err(Refusal::InvalidGrant.into());
        }
        let actors = [ActorClaim { subject: agent.to_string(), client: request.code.client.clone() }];
        let draft = match &customer {
            Some(customer) => self.act_for_customer(&mut tx, tenant, request, (customer, &actors), origin).await?,
            None => self.act_for_visitor(&mut tx, tenant, request, &actors, origin).await?,
        };
        if let Some(family) = &draft.standing().family {
            tx.set_authorization_family(&tenant.id, &row.id, family).await?;
        }
        tx.commit().await?;
        Ok(Self::grant(tenant, draft))
    }

    /// Who logged in for the code: somebody who still may, is who the client says, and has the permission.
    async fn agent(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        request: &ActAsAgent,
        row: &AuthorizationRow,
    ) -> Result<CustomerId, Error> {
        let now = self.clock.now();
        let session = row.session.as_ref().ok_or(Refusal::InvalidGrant)?;
        let session = tx.session(&tenant.id, session).await?.filter(|there| there.is_active && there.expires_at > now);
        let agent = session.and_then(|session| session.customer).ok_or(Refusal::InvalidGrant)?;
        let known = tx
            .customer(&tenant.id, &agent)
            .await?
            .filter(|known| known.state == CustomerState::Active && known.kind == CustomerKind::Customer);
        let known = known.ok_or(Refusal::InvalidGrant)?;
        let is_named = |name: &String| {
            name == agent.as_str() || known.email.as_deref().is_some_and(|email| email.eq_ignore_ascii_case(name))
        };
        if !request.agent.as_ref().is_none_or(is_named) {
            return Err(Refusal::InvalidGrant.into());
        }
        // By groups of the tenant's own alone: what a company gives its people is no right over those of others.
        let given = tx.group_scopes(&tenant.id, &agent, None).await?;
        let has_right =
            |scopes: &String| scopes.split_ascii_whitespace().any(|scope| scope == request.permission.as_str());
        if !given.iter().any(has_right) {
            return Err(Refusal::Forbidden("acting for others takes a right to it").into());
        }
        Ok(agent)
    }

    async fn act_for_customer(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        request: &ActAsAgent,
        (customer, actors): (&CustomerId, &[ActorClaim]),
        origin: &Origin,
    ) -> Result<Draft, Error> {
        let now = self.clock.now();
        let visitor = self.settle_visitor(tx, tenant, &request.visitor, Some(customer), now).await?;
        let visitor = visitor.ok_or(Refusal::InvalidGrant)?;
        let arrival = Arrival {
            client: &request.code.client,
            customer,
            visitor: &visitor,
            site: request.site.as_ref(),
            door: Door::Agent,
            proven: None,
            expires_at: now.plus_seconds(SECONDS.into()),
        };
        let session = self.new_shop_session(tx, tenant, &arrival, origin).await?;
        let holder = Holder::Customer { session: &session, customer, scopes: None };
        self.issue(tx, order(tenant, request, holder, actors, origin)).await
    }

    async fn act_for_visitor(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        request: &ActAsAgent,
        actors: &[ActorClaim],
        origin: &Origin,
    ) -> Result<Draft, Error> {
        let now = self.clock.now();
        let session = self.new_session_id(now)?;
        let sites = tx.sites(&tenant.id).await?;
        let wishes = Wishes { site: request.site.clone(), ..Wishes::default() };
        let visitor = self.settle_visitor(tx, tenant, &request.visitor, None, now).await?;
        let new = NewSession {
            id: &session,
            client: &request.code.client,
            customer: None,
            visitor: visitor.as_ref(),
            site: wanted_site(&sites, &wishes).map(|site| &site.id),
            door: Door::Agent.verb(),
            authenticated_at: None,
            proven: None,
            expires_at: now.plus_seconds(SECONDS.into()),
            look_at: None,
            origin,
        };
        let context = fresh(&session, None, &sites, &wishes, now);
        let holder = Holder::NewGuest { session: &new, context: &context };
        self.issue(tx, order(tenant, request, holder, actors, origin)).await
    }
}

fn order<'a>(
    tenant: &'a Tenant,
    request: &'a ActAsAgent,
    holder: Holder<'a>,
    actors: &'a [ActorClaim],
    origin: &'a Origin,
) -> Order<'a> {
    Order {
        tenant,
        door: Door::Agent,
        client: &request.code.client,
        holder,
        entity: None,
        chain: Chain::Begin { is_refreshable: false },
        terms: Terms { actors, manner: request.manner.clone(), most_seconds: Some(SECONDS), ..Terms::default() },
        origin,
    }
}
