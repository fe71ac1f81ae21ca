//! Clients that register themselves (RFC 7591). Off unless a tenant says otherwise, and then behind an initial access
//! token, unless it says that, too. What they may have is bounded by the tenant, what they name is checked by the one rule
//! for every client, and nobody who registered themselves belongs to the shop: people are asked for consent.

use crate::{Actor, AuthMethod, CreateClient, CreatedClient, Engine, Error, Origin, Refusal, Registration, Tenant};
use prokura_domain::{ClientKind, DEFAULT_LEEWAY_SECONDS, RefreshPolicy, Scopes};
use prokura_jose::{Secret, SecretHash};

/// The grants a client may register itself for.
const GRANTS: [&str; 2] = ["authorization_code", "refresh_token"];

/// What a client says about itself.
#[derive(Clone, Debug, Default)]
pub struct RegisterClient {
    /// Its name, as people read it on the page that asks for consent.
    pub name: String,
    /// How it proves who it is; `None` for a public client.
    pub auth_method: Option<AuthMethod>,
    /// The grants it wants; `authorization_code` when empty.
    pub grants: Vec<String>,
    /// The scopes it wants, blank separated; all it may have when absent. What it may not have is left out.
    pub scopes: Option<String>,
    /// Everything else.
    pub registration: Registration,
}

impl Engine {
    /// Registers a client that came by itself, with `token` if it has one.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] where nobody may register; [`Refusal::InvalidToken`] without the token that is asked for;
    /// [`Refusal::Invalid`]; [`Refusal::Throttled`] for who guesses tokens.
    pub async fn register_client(
        &self,
        tenant: &Tenant,
        token: Option<&Secret>,
        request: RegisterClient,
        origin: &Origin,
    ) -> Result<CreatedClient, Error> {
        let rules = &tenant.settings.client_registration;
        if !rules.is_open {
            return Err(Refusal::NotFound("registration").into());
        }
        if rules.needs_token {
            let token = token.ok_or(Refusal::InvalidToken)?;
            let hash = SecretHash::of(token.expose());
            let is_known = rules
                .token_hashes
                .iter()
                .filter_map(|known| known.parse::<SecretHash>().ok())
                .fold(false, |found, known| known.matches(&hash) | found);
            if !is_known {
                self.take_attempt(tenant, "registration_token", "registration", token, origin).await?;
                return Err(Refusal::InvalidToken.into());
            }
        }
        let kind = if request.auth_method.is_some() { ClientKind::Confidential } else { ClientKind::Public };
        let grants = if request.grants.is_empty() { vec!["authorization_code".to_owned()] } else { request.grants };
        if let Some(grant) = grants.iter().find(|grant| !GRANTS.contains(&grant.as_str())) {
            return Err(Refusal::invalid("grant_types", format!("{grant} is not one of {}", GRANTS.join(", "))).into());
        }
        if !grants.iter().any(|grant| grant == "authorization_code") || request.registration.redirect_uris.is_empty() {
            return Err(Refusal::invalid("redirect_uris", "authorization_code, with at least one of them").into());
        }
        let allowed = Scopes::parse(&rules.scopes).unwrap_or_default();
        let scopes = match &request.scopes {
            None => allowed,
            Some(wanted) => {
                let wanted =
                    Scopes::parse(wanted).map_err(|_| Refusal::invalid("scope", "scopes separated by blanks"))?;
                allowed.intersection(&wanted)
            }
        };
        // Whatever it says: it is somebody else's, it leaves nothing out, and nobody acts through it.
        let registration = Registration {
            auth_method: request.auth_method.unwrap_or_default(),
            is_first_party: false,
            may_omit_pkce: false,
            may_act: false,
            resources: Vec::new(),
            ..request.registration
        };
        let new = CreateClient {
            id: None,
            name: request.name,
            kind,
            scopes: scopes.to_string(),
            grants: grants.join(" "),
            refresh_policy: RefreshPolicy::Rotate { leeway_seconds: DEFAULT_LEEWAY_SECONDS },
            access_seconds: None,
            refresh_seconds: None,
            registration,
        };
        self.create_client(tenant, &new, &Actor::Guest, origin).await
    }
}
