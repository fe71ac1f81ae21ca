//! A machine asks for a token with its own credentials (RFC 6749 section 4.4).

use crate::{
    Actor, Engine, Error, Granted, Origin, Refusal, Tenant,
    audit::Entry,
    issue::{Chain, Door, Holder, Order},
    retrying,
    store::Tx,
};
use prokura_domain::{ClientId, ClientKind, Scope, Scopes};
use prokura_jose::{Secret, SecretHash};

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
    /// [`Refusal::InvalidClient`] for unknown, disabled and wrong alike; [`Refusal::UnauthorizedClient`] when the
    /// client is not registered for this grant.
    pub async fn client_credentials(
        &self,
        tenant: &Tenant,
        request: &ClientCredentials,
        origin: &Origin,
    ) -> Result<Granted, Error> {
        self.authenticate_client(tenant, &request.client, &request.secret, origin).await?;
        retrying!(self.client_credentials_once(tenant, request, origin))
    }

    async fn client_credentials_once(
        &self,
        tenant: &Tenant,
        request: &ClientCredentials,
        origin: &Origin,
    ) -> Result<Granted, Error> {
        let mut tx = self.store.write().await?;
        let order = Order {
            tenant,
            door: Door::ClientCredentials,
            client: &request.client,
            holder: Holder::Service { wanted: request.scopes.as_ref() },
            entity: None,
            chain: Chain::None,
            origin,
        };
        let draft = self.issue(&mut tx, order).await?;
        self.note_left_out(&mut tx, tenant, request, &draft.standing().scopes, origin).await?;
        tx.commit().await?;
        Self::sign(tenant, draft)
    }

    /// Scopes the client does not have are left out without an error; the trail says so, because the caller will wonder
    /// much later.
    async fn note_left_out(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        request: &ClientCredentials,
        given: &Scopes,
        origin: &Origin,
    ) -> Result<(), Error> {
        let wanted = request.scopes.iter().flat_map(Scopes::iter);
        let left_out: Vec<&str> =
            wanted.map(Scope::as_str).filter(|scope| !given.contains(scope)).take(MAX_NOTED_SCOPES).collect();
        if left_out.is_empty() {
            return Ok(());
        }
        let actor = Actor::Client(request.client.clone());
        let entry = Entry::new(&actor, "client.scopes_left_out", "client", request.client.as_str())
            .client(&request.client)
            .detail(serde_json::json!({ "scopes": left_out }));
        self.audit(tx, &tenant.id, origin, entry, self.clock.now()).await
    }

    /// Checks a client's secret. Secrets are 256 random bits, so a wrong one is refused by a throttled budget of its
    /// own only to keep the trail short; a right one never waits.
    ///
    /// # Errors
    /// [`Refusal::InvalidClient`] for unknown, disabled, public and wrong alike.
    pub async fn authenticate_client(
        &self,
        tenant: &Tenant,
        client: &ClientId,
        secret: &Secret,
        origin: &Origin,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let row = self.store.read().await?.client(&tenant.id, client).await?;
        let presented = SecretHash::of(secret.expose());
        let matches = |stored: Option<&str>| {
            stored.and_then(|text| text.parse::<SecretHash>().ok()).is_some_and(|stored| stored.matches(&presented))
        };
        let is_right = row.is_some_and(|row| {
            let is_previous_valid = row.previous_secret_until.is_some_and(|until| now < until);
            let is_current = matches(row.secret_hash.as_deref());
            let is_previous = is_previous_valid && matches(row.previous_secret_hash.as_deref());
            row.is_active && row.kind == ClientKind::Confidential && (is_current || is_previous)
        });
        if is_right {
            return Ok(());
        }
        self.take_attempt(tenant, "client_secret", client.as_str(), secret, origin).await?;
        Err(Refusal::InvalidClient.into())
    }
}
