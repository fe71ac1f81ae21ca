//! Logging in with an authorization code of a partner's identity provider: it is redeemed there, and the ID token says who
//! came (S-84, S-85). The provider is asked before any transaction begins (S-122).

use crate::{
    Actor, Bearer, Door, Engine, Error, Fault, Granted, Origin, Partner, PartnerIdp, Refusal, Tenant,
    audit::Entry,
    log_in::{Entrance, PartnerEntrance},
    partner::{Expected, Flaw, Found},
    provider::{CodeRequest, Provider, ProviderFault, ProviderTokens, Redeemed},
    retrying,
};
use prokura_jose::{Claims, PublicKey, Rejection, Secret, SecretHash};

/// A code, and what belongs to it.
#[derive(Clone, Debug)]
pub struct RedeemPartnerCode {
    /// The code.
    pub code: Secret,
    /// Where the provider sent the browser; may be left out where only one is registered.
    pub redirect_uri: Option<String>,
    /// The PKCE verifier, when the authorization request had a challenge.
    pub code_verifier: Option<Secret>,
    /// What the authorization request had as `nonce`, where the caller knows it.
    pub nonce: Option<String>,
}

/// What came of a code.
#[derive(Debug)]
pub struct PartnerLogin {
    /// Our tokens.
    pub granted: Granted,
    /// The provider's access token.
    pub partner_access_token: Secret,
    /// The provider's ID token.
    pub partner_id_token: Secret,
}

/// How long an ID token is remembered beyond its end, in seconds.
pub(crate) const REMEMBERED_SECONDS: i64 = 120;

/// An ID token that held.
pub(crate) struct Proven {
    pub(crate) partner: Partner,
    pub(crate) claims: Claims,
    pub(crate) tokens: ProviderTokens,
}

/// Why there is none.
pub(crate) enum Unproven {
    /// Somebody said no; the word for the trail.
    Refused(Refusal, &'static str),
    /// The provider was of no use.
    Fault(ProviderFault),
}

impl From<ProviderFault> for Unproven {
    fn from(fault: ProviderFault) -> Self {
        Self::Fault(fault)
    }
}

impl Engine {
    /// Logs somebody in whom a provider's code speaks for, in the guest's session of the bearer.
    ///
    /// # Errors
    /// [`Refusal::UnauthorizedClient`] for a client without the grant `token_exchange`; [`Refusal::Invalid`] for a redirect URI
    /// that is not one of the provider's; [`Refusal::InvalidGrant`] when the provider refuses the code, was switched off
    /// meanwhile, or handed out the same ID token before; [`Refusal::InvalidToken`], [`Refusal::NotFound`] and
    /// [`Refusal::Forbidden`] as for [`exchange_partner_token`](Self::exchange_partner_token); the state of the customer; and
    /// [`Fault::PartnerIdp`].
    pub async fn redeem_partner_code(
        &self,
        tenant: &Tenant,
        bearer: Bearer<'_>,
        idp: &PartnerIdp,
        request: &RedeemPartnerCode,
        origin: &Origin,
    ) -> Result<PartnerLogin, Error> {
        if Self::guest_session(&bearer).is_none() {
            return Err(Refusal::InvalidToken.into());
        }
        let client = self.client(tenant, &bearer.standing.client).await?;
        // Asked before the code is used up; asked again by the function that issues.
        if !client.is_active {
            return Err(Refusal::InvalidClient.into());
        }
        if !Door::PartnerCode.is_among(&client.grants) {
            return Err(Refusal::UnauthorizedClient.into());
        }
        let redirect_uri = redirect_uri(idp, request.redirect_uri.as_deref())?;
        let secret = self.open_partner_secret(tenant, idp)?;
        let provider = Provider::new(self, &tenant.id, idp);
        let entry = || {
            let id = idp.id.as_str();
            Entry::new(&Actor::Guest, Door::PartnerCode.verb(), "partner_idp", id).client(&bearer.standing.client)
        };
        let Proven { partner, claims, tokens } =
            match self.prove_by_code(&provider, idp, request, redirect_uri, &secret).await {
                Ok(proven) => proven,
                Err(Unproven::Refused(refusal, reason)) => {
                    let entry = entry().detail(serde_json::json!({ "reason": reason }));
                    return Err(self.audit_refusal(&tenant.id, origin, entry, refusal).await?);
                }
                Err(Unproven::Fault(fault)) => {
                    let entry = entry().failed().detail(serde_json::json!({ "reason": fault.to_string() }));
                    self.audit_alone(tenant, origin, entry).await?;
                    return Err(Fault::PartnerIdp(Box::new(fault)).into());
                }
            };
        let person = partner.person(&claims);
        let found = retrying!(self.customer_of_partner(tenant, &partner, Some(&idp.id), &person, origin))?;
        let customer = match found {
            Found::Customer(customer) => customer,
            Found::Refused(refusal, reason) => {
                let entry = entry().detail(serde_json::json!({ "reason": reason }));
                return Err(self.audit_refusal(&tenant.id, origin, entry, refusal).await?);
            }
        };
        let hash = SecretHash::of(&format!("{}/{}", idp.id, tokens.id_token));
        let until = claims.expires_at.max(self.clock.now()).plus_seconds(REMEMBERED_SECONDS);
        let by = PartnerEntrance {
            idp: Some(&idp.id),
            identity: (partner.name.as_str(), person.subject.as_str()),
            id_token: Some((&hash, until)),
        };
        let entrance =
            Entrance { bearer, door: Door::PartnerCode, customer: &customer, proof: None, partner: Some(by) };
        let granted = match retrying!(self.open_session(tenant, &entrance, origin)) {
            Err(Error::Refused(refusal)) => {
                return Err(self.audit_refusal(&tenant.id, origin, entry(), refusal).await?);
            }
            granted => granted?,
        };
        Ok(PartnerLogin {
            granted,
            partner_access_token: Secret::from(tokens.access_token),
            partner_id_token: Secret::from(tokens.id_token),
        })
    }

    /// Redeems a code and checks what it brings.
    pub(crate) async fn prove_by_code(
        &self,
        provider: &Provider<'_>,
        idp: &PartnerIdp,
        request: &RedeemPartnerCode,
        redirect_uri: &str,
        secret: &Secret,
    ) -> Result<Proven, Unproven> {
        let endpoints = provider.endpoints().await?;
        let code = CodeRequest {
            code: request.code.expose(),
            redirect_uri,
            code_verifier: request.code_verifier.as_ref().map(Secret::expose),
        };
        // Without keys the code would be used up for nothing.
        let keys = provider.keys(&endpoints).await?;
        let tokens = match provider.redeem(&endpoints, &code, secret).await? {
            Redeemed::Tokens(tokens) => tokens,
            Redeemed::Refused(reason) => return Err(Unproven::Refused(Refusal::InvalidGrant, reason)),
        };
        let expected = Expected {
            nonce: request.nonce.as_deref(),
            code: code.code,
            access_token: &tokens.access_token,
            algorithms: &endpoints.algorithms,
        };
        let now = self.clock.now();
        let mut partner = idp.partner(&keys);
        let mut verified = partner.verify_id_token(&tokens.id_token, &expected, now);
        if verified == Err(Flaw::Rejected(Rejection::UnknownKey)) {
            partner = idp.partner(&provider.newer_keys(&endpoints, &keys).await?);
            verified = partner.verify_id_token(&tokens.id_token, &expected, now);
        }
        match verified {
            Ok(claims) => Ok(Proven { partner, claims, tokens }),
            Err(flaw) => Err(Unproven::Refused(Refusal::InvalidToken, flaw.word())),
        }
    }

    /// Writes an entry in a transaction of its own.
    pub(crate) async fn audit_alone(&self, tenant: &Tenant, origin: &Origin, entry: Entry<'_>) -> Result<(), Error> {
        let mut tx = self.store.write_decided().await?;
        self.audit(&mut tx, &tenant.id, origin, entry, self.clock.now()).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Where the browser was sent: one of the registered, byte for byte, or the only one.
pub(crate) fn redirect_uri<'a>(idp: &'a PartnerIdp, named: Option<&'a str>) -> Result<&'a str, Refusal> {
    match (named, idp.redirect_uris.as_slice()) {
        (Some(named), registered) if registered.iter().any(|uri| uri == named) => Ok(named),
        (None, [only]) => Ok(only),
        (Some(_), _) => Err(Refusal::invalid("redirect_uri", "not one that is registered for the identity provider")),
        (None, _) => Err(Refusal::invalid("redirect_uri", "needed, as the identity provider has several")),
    }
}

impl PartnerIdp {
    /// Whom it is trusted with, with these keys.
    pub(crate) fn partner(&self, keys: &[PublicKey]) -> Partner {
        Partner {
            name: self.id.to_string(),
            issuer: self.issuer.clone(),
            audiences: vec![self.client_id.clone()],
            authorized_party: None,
            keys: keys.to_vec(),
            email_domains: self.email_domains.clone(),
            identifier: self.identifier,
            creates_customers: self.creates_customers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partner_idp::tests::idp;

    #[test]
    fn s06_the_redirect_uri_is_one_of_the_registered_byte_for_byte() {
        let one = idp(&["https://shop.example/cb"]);
        let two = idp(&["https://shop.example/cb", "https://shop.example/other"]);
        let none = idp(&[]);
        for (provider, named, expected) in [
            (&one, None, Some("https://shop.example/cb")),
            (&one, Some("https://shop.example/cb"), Some("https://shop.example/cb")),
            (&one, Some("https://shop.example/cb/"), None),
            (&one, Some("https://evil.example/cb"), None),
            (&two, Some("https://shop.example/other"), Some("https://shop.example/other")),
            (&two, None, None),
            (&none, None, None),
            (&none, Some("https://shop.example/cb"), None),
        ] {
            assert_eq!(redirect_uri(provider, named).ok(), expected, "{named:?}");
        }
    }
}
