//! Requests to join a company, made by signing up with its registration id: nobody gets into a company by knowing a
//! number, until somebody of the company or the shop says yes.

use crate::{Actor, Engine, Error, NewAssignment, Origin, Refusal, Tenant, audit::Entry, retrying, store::Tx};
use prokura_domain::{AssignmentKind, CustomerId, GroupCode, LegalEntityId, Timestamp};

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinState {
    /// Nobody has decided yet.
    Pending,
    /// They were let in.
    Accepted,
    /// They were not.
    Rejected,
}

impl JoinState {
    /// The word, as stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Pending, Self::Accepted, Self::Rejected].into_iter().find(|state| state.as_str() == word)
    }
}

/// A request to join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinRequest {
    /// Its id.
    pub id: String,
    /// Who wants to join.
    pub customer: CustomerId,
    /// Which company.
    pub legal_entity: LegalEntityId,
    /// What became of it.
    pub state: JoinState,
    /// When it was decided.
    pub decided_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Engine {
    /// Requests after `after`, by id; those of one company and in one state when named.
    ///
    /// # Errors
    /// Only faults.
    pub async fn join_requests(
        &self,
        tenant: &Tenant,
        entity: Option<&LegalEntityId>,
        state: Option<JoinState>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<JoinRequest>, Error> {
        Ok(self.store.read().await?.join_requests(&tenant.id, entity, state, after, limit).await?)
    }

    /// Lets them in, with the rights of `group`. `within` is the company of an administrator; who runs the tenant
    /// gives none.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for another company's request too; [`Refusal::StaleVersion`] when it was decided already.
    pub async fn accept_join_request(
        &self,
        tenant: &Tenant,
        id: &str,
        within: Option<&LegalEntityId>,
        group: GroupCode,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        retrying!(async {
            let mut tx = self.store.write().await?;
            let request = self.decide(&mut tx, tenant, (id, within), JoinState::Accepted, actor, origin).await?;
            self.let_in(&mut tx, tenant, (&request.customer, &request.legal_entity), group, actor, origin).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// Does not let them in.
    ///
    /// # Errors
    /// As [`Engine::accept_join_request`].
    pub async fn reject_join_request(
        &self,
        tenant: &Tenant,
        id: &str,
        within: Option<&LegalEntityId>,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        retrying!(async {
            let mut tx = self.store.write().await?;
            self.decide(&mut tx, tenant, (id, within), JoinState::Rejected, actor, origin).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    async fn decide(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        (id, within): (&str, Option<&LegalEntityId>),
        state: JoinState,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<JoinRequest, Error> {
        let now = self.clock.now();
        let request = tx.join_request(&tenant.id, id).await?;
        let request = request
            .filter(|request| within.is_none_or(|within| request.legal_entity == *within))
            .ok_or(Refusal::NotFound("join request"))?;
        if !tx.decide_join_request(&tenant.id, id, state, now).await? {
            return Err(Refusal::StaleVersion.into());
        }
        let verb = if state == JoinState::Accepted { "join_request.accept" } else { "join_request.reject" };
        let entry = Entry::new(actor, verb, "customer", request.customer.as_str()).entity(Some(&request.legal_entity));
        self.audit(tx, &tenant.id, origin, entry, now).await?;
        Ok(request)
    }

    /// Assigns a customer to a company; one who is there already stays as they are.
    pub(crate) async fn let_in(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        (customer, entity): (&CustomerId, &LegalEntityId),
        group: GroupCode,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        let before = tx.assignments_of_customer(&tenant.id, customer).await?;
        if before.iter().any(|assignment| assignment.legal_entity == *entity) {
            return Ok(());
        }
        let new = NewAssignment {
            id: None,
            legal_entity: entity.clone(),
            customer: customer.clone(),
            kind: AssignmentKind::Contact,
            is_primary: false,
            group: Some(group),
        };
        self.assign_in(tx, tenant, &new, actor, origin).await?;
        Ok(())
    }
}
