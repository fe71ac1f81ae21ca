//! A machine asks for a token with its own credentials (RFC 6749 section 4.4).

use crate::{
    Actor, Engine, Error, Granted, Origin, Tenant,
    audit::Entry,
    issue::{Chain, Door, Holder, Order, Terms},
    retrying,
    store::Tx,
};
use prokura_domain::{ClientId, Scope, Scopes, Standing};
use prokura_jose::Secret;

/// The most scopes the trail names as left out of one answer.
const MAX_NOTED_SCOPES: usize = 32;

/// A machine's request.
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    /// Which client.
    pub client: ClientId,
    /// Its secret.
    pub secret: Secret,
    /// The scopes it asks for; `None` for all it has. What it does not have is left out.
    pub scopes: Option<Scopes>,
}

impl Engine {
    /// Issues a service token.
    ///
    /// # Errors
    /// [`crate::Refusal::InvalidClient`] for unknown, disabled and wrong alike; [`crate::Refusal::UnauthorizedClient`] when the
    /// client is not registered for this grant.
    pub async fn client_credentials(
        &self,
        tenant: &Tenant,
        request: &ClientCredentials,
        origin: &Origin,
    ) -> Result<Granted, Error> {
        self.authenticate_client(tenant, &request.client, &request.secret, origin).await?;
        self.service_token(tenant, &request.client, request.scopes.as_ref(), &[], origin).await
    }

    /// The same for a client that proved who it is before; with `resources`, for them alone (RFC 8707).
    ///
    /// # Errors
    /// [`crate::Refusal::InvalidClient`], [`crate::Refusal::UnauthorizedClient`].
    pub async fn service_token(
        &self,
        tenant: &Tenant,
        client: &ClientId,
        wanted: Option<&Scopes>,
        resources: &[String],
        origin: &Origin,
    ) -> Result<Granted, Error> {
        retrying!(self.service_token_once(tenant, client, wanted, resources, origin))
    }

    async fn service_token_once(
        &self,
        tenant: &Tenant,
        client: &ClientId,
        wanted: Option<&Scopes>,
        resources: &[String],
        origin: &Origin,
    ) -> Result<Granted, Error> {
        let mut tx = self.store.write_for(origin).await?;
        let order = Order {
            tenant,
            door: Door::ClientCredentials,
            client,
            holder: Holder::Service { wanted },
            entity: None,
            chain: Chain::None,
            terms: Terms { audience: resources, ..Terms::default() },
            origin,
        };
        let draft = self.issue(&mut tx, order).await?;
        self.note_left_out(&mut tx, tenant, client, wanted, draft.standing(), origin).await?;
        tx.commit().await?;
        Ok(Self::grant(tenant, draft))
    }

    /// Scopes the client does not have are left out without an error; the trail says so, because the caller will wonder
    /// much later.
    async fn note_left_out(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        client: &ClientId,
        wanted: Option<&Scopes>,
        given: &Standing,
        origin: &Origin,
    ) -> Result<(), Error> {
        let wanted = wanted.into_iter().flat_map(Scopes::iter);
        let left_out: Vec<&str> =
            wanted.map(Scope::as_str).filter(|scope| !given.scopes.contains(scope)).take(MAX_NOTED_SCOPES).collect();
        if left_out.is_empty() {
            return Ok(());
        }
        let actor = Actor::Client(client.clone());
        let entry = Entry::new(&actor, "client.scopes_left_out", "client", client.as_str())
            .client(client)
            .detail(serde_json::json!({ "scopes": left_out }));
        self.audit(tx, &tenant.id, origin, entry, self.clock.now()).await
    }
}
