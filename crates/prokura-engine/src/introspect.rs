//! Asking about a token and taking one back, for clients that proved who they are (RFC 7662, RFC 7009).

use crate::{
    Actor, Client, Engine, Error, Origin, Tenant, Unverified, assurance::is_multi_factor, audit::Entry,
    backchannel_logout::GIVEN_BACK, retrying, target,
};
use prokura_domain::{ClientKind, RefreshTokenState, RevocationKind, Scopes, Standing, Subject, Timestamp};
use prokura_jose::{AccessToken, ActorClaim, Audience, SecretHash, dpop::Thumbprint, sign_jwt};

/// What there is to say about a token that holds.
#[derive(Clone, Debug)]
pub struct Introspection {
    /// Who it is for and by what right, as of this moment.
    pub standing: Standing,
    /// The scopes it counts for.
    pub scopes: Scopes,
    /// `jti`, of an access token.
    pub id: Option<String>,
    /// When it was issued, of an access token.
    pub issued_at: Option<Timestamp>,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Whether it is an access token.
    pub is_access_token: bool,
    /// The key it is bound to.
    pub bound_to: Option<Thumbprint>,
    /// Whom it is for.
    pub audience: Audience,
    /// Who acts for the subject, the latest first.
    pub actors: Vec<ActorClaim>,
}

impl Engine {
    /// What a token counts for now; `None` for everything the client may not know of, whatever the reason (S-30).
    ///
    /// # Errors
    /// Only faults.
    pub async fn introspect(
        &self,
        tenant: &Tenant,
        client: &Client,
        token: &str,
    ) -> Result<Option<Introspection>, Error> {
        if client.kind != ClientKind::Confidential {
            return Ok(None);
        }
        let verified = match self.examine(token) {
            Ok(verified) => Some(verified),
            Err(Unverified::Rejected(_)) => None,
            Err(Unverified::Stale) => return Err(Unverified::Stale.into()),
        };
        if let Some(verified) = verified {
            let token = &verified.token;
            if token.standing.tenant != tenant.id || !concerns(tenant, client, token) {
                return Ok(None);
            }
            let scopes = self.scopes_now(tenant, &token.standing).await?;
            return Ok(Some(Introspection {
                standing: token.standing.clone(),
                scopes,
                id: Some(token.id.to_string()),
                issued_at: Some(token.issued_at),
                expires_at: token.expires_at,
                is_access_token: true,
                bound_to: token.bound_to.clone(),
                audience: token.audience.clone(),
                actors: token.actors.clone(),
            }));
        }
        let now = self.clock.now();
        let mut reader = self.store.read().await?;
        let Some(row) = reader.refresh_token(&tenant.id, &SecretHash::of(token)).await? else { return Ok(None) };
        let until = row.expires_at.min(row.family_expires_at);
        let is_alive = row.is_family_active && row.state == RefreshTokenState::Active && until > now;
        let session = reader.session(&tenant.id, &row.session).await?;
        let is_session_alive = session.as_ref().is_some_and(|session| session.is_active && session.expires_at > now);
        if row.client != client.id || !is_alive || !is_session_alive {
            return Ok(None);
        }
        let scopes = row.scope.as_deref().map(Scopes::parse).transpose().ok().flatten().unwrap_or_default();
        Ok(Some(Introspection {
            standing: Standing {
                tenant: tenant.id.clone(),
                site: None,
                client: row.client,
                subject: row.customer.map_or(Subject::Guest, Subject::Customer),
                acting_for: row.acting_for,
                scopes: scopes.clone(),
                is_scope_limited: row.scope.is_some(),
                segments: Vec::new(),
                has_more_segments: false,
                session: Some(row.session),
                visitor: None,
                family: Some(row.family),
                epoch: row.epoch,
                authenticated_at: session.as_ref().and_then(|session| session.authenticated_at),
                is_multi_factor: is_multi_factor(session.as_ref().and_then(|session| session.amr.as_deref())),
                is_entity_locked: false,
            },
            scopes,
            id: None,
            issued_at: None,
            expires_at: until,
            is_access_token: false,
            bound_to: row.bound_to,
            audience: Audience::of(&target::read(row.audience.as_deref()))
                .unwrap_or_else(|| tenant.minter.audience().clone()),
            actors: Vec::new(),
        }))
    }

    /// The answer to a question about a token, signed for who asked (RFC 9701 section 5): its type keeps it from being
    /// taken for a token, and its audience for somebody else's answer.
    ///
    /// # Errors
    /// Only faults.
    pub fn sign_introspection(
        &self,
        tenant: &Tenant,
        client: &Client,
        answer: &serde_json::Value,
    ) -> Result<String, Error> {
        let claims = serde_json::json!({
            "iss": &*tenant.issuer,
            "aud": client.id.as_str(),
            "iat": self.clock.now().seconds(),
            "token_introspection": answer,
        });
        sign_jwt(tenant.minter.key(), "token-introspection+jwt", &claims).map_err(Error::crypto)
    }

    /// Takes a token back with everything of its family. Another client's, an unknown and a dead one change nothing, and
    /// nobody learns which it was (RFC 7009 section 2.2).
    ///
    /// # Errors
    /// Only faults.
    pub async fn revoke(&self, tenant: &Tenant, client: &Client, token: &str, origin: &Origin) -> Result<(), Error> {
        retrying!(self.revoke_once(tenant, client, token, origin))
    }

    async fn revoke_once(&self, tenant: &Tenant, client: &Client, token: &str, origin: &Origin) -> Result<(), Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let actor = Actor::Client(client.id.clone());
        // What is to end may be known by its signature alone: no news makes that wrong (S-71).
        let family = match self.verifier().examine(token, now) {
            Ok(verified) => {
                let standing = &verified.token.standing;
                if standing.tenant != tenant.id || standing.client != client.id {
                    return Ok(());
                }
                if standing.family.is_none() {
                    // A machine's token stands alone.
                    let id = verified.token.id.to_string();
                    self.publish(&mut tx, tenant, RevocationKind::Token, &id, verified.token.expires_at, now).await?;
                    let entry = Entry::new(&actor, "token.revoke", "token", &id).client(&client.id);
                    self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
                    tx.commit().await?;
                    return Ok(());
                }
                standing.family.clone()
            }
            Err(_) => tx
                .refresh_token(&tenant.id, &SecretHash::of(token))
                .await?
                .filter(|row| row.client == client.id)
                .map(|row| row.family),
        };
        if let Some(family) = family
            && self.give_back_family(&mut tx, tenant, &family, GIVEN_BACK, now).await?.is_some()
        {
            let entry = Entry::new(&actor, "token.revoke", "family", family.as_str()).client(&client.id);
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

/// Whether a client may hear about a token: it is for everything of the tenant, for a resource of the client's, or its own
/// (RFC 7662 section 4).
fn concerns(tenant: &Tenant, client: &Client, token: &AccessToken) -> bool {
    token.audience.is_only(&tenant.issuer)
        || token.standing.client == client.id
        || client.registration.resources.iter().any(|resource| token.audience.contains(resource))
}
