//! A machine asks for a token with its own credentials (RFC 6749 section 4.4).

use crate::{
    Engine, Error, Granted, Origin, Refusal, Tenant,
    issue::{Chain, Door, Holder, Order},
    retrying,
};
use prokura_domain::{ClientId, ClientKind, Scopes};
use prokura_jose::{Secret, SecretHash};

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
        tx.commit().await?;
        self.sign(tenant, draft)
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
