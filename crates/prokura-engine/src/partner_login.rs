//! A login at a partner's identity provider that leads to a code of a dialect. The browser takes what was asked there and
//! back; nonce and PKCE verifier are made of its own secret, so that no row and no address holds them (S-84, S-95). It is
//! redeemed once, at the provider that was asked, and no transaction is open meanwhile (S-122).

use crate::{
    Actor, AuthorizationAnswer, Engine, Error, Origin, PartnerIdp, RedeemPartnerCode, Refusal, Tenant,
    arrival::Arrival,
    audit::Entry,
    authorize::CODE_PREFIX,
    direct_code::{CODE_SECONDS, Purpose},
    issue::Door,
    log_in::PartnerEntrance,
    partner::Found,
    partner_code::{REMEMBERED_SECONDS, Unproven, redirect_uri},
    provider::{FORM, Provider},
    retrying,
    store::AuthorizationRow,
};
use percent_encoding::utf8_percent_encode;
use prokura_domain::{ClientId, CustomerId, PartnerIdpId};
use prokura_jose::{Secret, SecretHash};
use serde_json::json;

/// What is asked of the provider: who it is, and their name and address.
const SCOPE: &str = "openid email profile";
/// What a provider may say instead of a code (RFC 6749 section 4.1.2.1, OpenID Connect Core section 3.1.2.6) that a client
/// understands as well. The rest is between us and the provider.
const ERRORS: [&str; 6] = [
    "access_denied",
    "login_required",
    "interaction_required",
    "consent_required",
    "account_selection_required",
    "temporarily_unavailable",
];

/// A browser that comes back from a provider.
#[derive(Clone, Debug)]
pub struct PartnerReturn<'a> {
    /// What it took there.
    pub state: &'a Secret,
    /// Its own secret.
    pub browser: &'a Secret,
    /// Where it came to.
    pub redirect_uri: &'a str,
    /// The code it brings, or the provider's error.
    pub outcome: Result<Secret, &'a str>,
    /// Who says that (RFC 9207), where it does.
    pub issuer: Option<&'a str>,
}

/// Somebody a provider vouched for.
struct Vouched<'a> {
    idp: &'a PartnerIdp,
    customer: CustomerId,
    identity: (&'a str, &'a str),
    id_token: (&'a SecretHash, prokura_domain::Timestamp),
}

/// What a browser's secret is good for beside its state; whoever knows one of them knows nothing of the others.
fn made_of(what: &str, browser: &Secret, state: &Secret) -> Secret {
    let hash = SecretHash::of(&format!("{what} of {} for {}", browser.expose(), state.expose()));
    Secret::from(hash.to_string())
}

impl Engine {
    /// The address at the partner's identity provider where a browser is to log in for a pushed request.
    ///
    /// # Errors
    /// [`Refusal::InvalidGrant`] when the request is unknown, over, another client's or another browser's, or the provider
    /// was switched off; [`Refusal::Invalid`] for a redirect URI that is not one of the provider's; and
    /// [`Fault::PartnerIdp`](crate::Fault::PartnerIdp).
    pub async fn begin_partner_login(
        &self,
        tenant: &Tenant,
        client: &ClientId,
        (state, browser): (&Secret, &Secret),
        callback: &str,
    ) -> Result<String, Error> {
        let id = self.open_pushed_authorization(tenant, client, state, browser).await?;
        let row = self.store.read().await?.authorization(&tenant.id, &id).await?.ok_or(Refusal::InvalidGrant)?;
        let idp = self.partner_of(tenant, &row).await?.ok_or(Refusal::InvalidGrant)?;
        let callback = redirect_uri(&idp, Some(callback))?;
        let endpoint = Provider::new(self, &tenant.id, &idp).authorization_endpoint().await;
        let endpoint = endpoint.map_err(|fault| crate::Fault::PartnerIdp(Box::new(fault)))?;
        let challenge = SecretHash::of(made_of("verifier", browser, state).expose()).to_string();
        let mut address = endpoint;
        for (name, value) in [
            ("response_type", "code"),
            ("client_id", &idp.client_id),
            ("redirect_uri", callback),
            ("scope", SCOPE),
            ("state", state.expose()),
            ("nonce", made_of("nonce", browser, state).expose()),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ] {
            address.push(if address.contains('?') { '&' } else { '?' });
            address.extend([name, "="]);
            address.extend(utf8_percent_encode(value, FORM));
        }
        Ok(address)
    }

    /// Redeems what a browser brings back from a provider; the answer is for the client that asked.
    ///
    /// # Errors
    /// [`Refusal::InvalidGrant`] for a state that is unknown, over, used or another browser's: nobody knows then where an
    /// answer should go.
    pub async fn finish_partner_login(
        &self,
        tenant: &Tenant,
        back: &PartnerReturn<'_>,
        origin: &Origin,
    ) -> Result<AuthorizationAnswer, Error> {
        let row = retrying!(async {
            let now = self.clock.now();
            let (state, browser) = (SecretHash::of(back.state.expose()), SecretHash::of(back.browser.expose()));
            let mut tx = self.store.write().await?;
            let row = tx.take_authorization(&tenant.id, &state, &browser, now).await?.ok_or(Refusal::InvalidGrant)?;
            tx.commit().await?;
            Ok::<_, Error>(row)
        })?;
        let Some(idp) = self.partner_of(tenant, &row).await? else {
            return self.end_partner_login(tenant, &row, "access_denied").await;
        };
        // Somebody else's answer at the right address (RFC 9207 section 2.4).
        if back.issuer.is_some_and(|issuer| issuer != idp.issuer) {
            self.note_partner_refusal(tenant, (&row, &idp), Refusal::InvalidToken, "wrong_issuer", origin).await?;
            return self.end_partner_login(tenant, &row, "access_denied").await;
        }
        let code = match &back.outcome {
            Ok(code) => code,
            Err(error) => {
                let known = ERRORS.iter().find(|known| *known == error);
                return self.end_partner_login(tenant, &row, known.unwrap_or(&"server_error")).await;
            }
        };
        let request = RedeemPartnerCode {
            code: code.clone(),
            redirect_uri: Some(back.redirect_uri.to_owned()),
            code_verifier: Some(made_of("verifier", back.browser, back.state)),
            nonce: Some(made_of("nonce", back.browser, back.state).expose().to_owned()),
        };
        match self.redeem_for_login(tenant, (&row, &idp), &request, origin).await? {
            Ok(answer) => Ok(answer),
            Err(error) => self.end_partner_login(tenant, &row, error).await,
        }
    }

    /// The client's answer, or the word for why there is no code.
    async fn redeem_for_login(
        &self,
        tenant: &Tenant,
        (row, idp): (&AuthorizationRow, &PartnerIdp),
        request: &RedeemPartnerCode,
        origin: &Origin,
    ) -> Result<Result<AuthorizationAnswer, &'static str>, Error> {
        let redirect_uri = redirect_uri(idp, request.redirect_uri.as_deref())?;
        let secret = self.open_partner_secret(tenant, idp)?;
        let provider = Provider::new(self, &tenant.id, idp);
        let proven = match self.prove_by_code(&provider, idp, request, redirect_uri, &secret).await {
            Ok(proven) => proven,
            Err(Unproven::Refused(refusal, reason)) => {
                self.note_partner_refusal(tenant, (row, idp), refusal, reason, origin).await?;
                return Ok(Err("access_denied"));
            }
            Err(Unproven::Fault(fault)) => {
                let entry = Entry::new(&Actor::Guest, Door::PartnerCode.verb(), "partner_idp", idp.id.as_str());
                let entry = entry.client(&row.client).failed().detail(json!({ "reason": fault.to_string() }));
                self.audit_alone(tenant, origin, entry).await?;
                return Ok(Err("temporarily_unavailable"));
            }
        };
        let person = proven.partner.person(&proven.claims);
        let found = retrying!(self.customer_of_partner(tenant, &proven.partner, Some(&idp.id), &person, origin))?;
        let customer = match found {
            Found::Customer(customer) => customer,
            Found::Refused(refusal, reason) => {
                self.note_partner_refusal(tenant, (row, idp), refusal, reason, origin).await?;
                return Ok(Err("access_denied"));
            }
        };
        let hash = SecretHash::of(&format!("{}/{}", idp.id, proven.tokens.id_token));
        let until = proven.claims.expires_at.max(self.clock.now()).plus_seconds(REMEMBERED_SECONDS);
        let identity = (proven.partner.name.as_str(), person.subject.as_str());
        let vouched = Vouched { idp, customer, identity, id_token: (&hash, until) };
        match retrying!(self.fulfil_partner_login(tenant, row, &vouched, origin)) {
            Ok(answer) => Ok(Ok(answer)),
            Err(Error::Refused(refusal)) => {
                self.note_partner_refusal(tenant, (row, idp), refusal, "not_let_in", origin).await?;
                Ok(Err("access_denied"))
            }
            Err(fault @ Error::Fault(_)) => Err(fault),
        }
    }

    /// The shop's session of somebody a provider vouched for, and the code for it.
    async fn fulfil_partner_login(
        &self,
        tenant: &Tenant,
        row: &AuthorizationRow,
        vouched: &Vouched<'_>,
        origin: &Origin,
    ) -> Result<AuthorizationAnswer, Error> {
        let now = self.clock.now();
        let (customer, idp) = (&vouched.customer, &vouched.idp.id);
        let mut row = row.clone();
        let mut tx = self.store.write().await?;
        self.authorizing_client(&mut tx, tenant, &row.client).await?;
        let by = PartnerEntrance { idp: Some(idp), identity: vouched.identity, id_token: Some(vouched.id_token) };
        Self::enter_by_partner(&mut tx, tenant, customer, by, now).await?;
        if !tx.note_login(&tenant.id, customer, now).await? {
            return Err(Refusal::CustomerInactive.into());
        }
        if let Some(direct) = &mut row.request.direct {
            // From here on it is a code as of any login, whose session is there.
            direct.purpose = Purpose::LogIn;
        }
        self.name_visitor(&mut tx, tenant, &mut row, customer, now).await?;
        let direct = row.request.direct.as_ref().ok_or(Refusal::InvalidGrant)?;
        let visitor = direct.visitor.parse().map_err(|_| Refusal::InvalidGrant)?;
        let site = direct.site.as_deref().and_then(|site| site.parse().ok());
        let arrival = Arrival {
            client: &row.client,
            customer,
            visitor: &visitor,
            site: site.as_ref(),
            door: Door::PartnerCode,
            proven: None,
            // Until the code is redeemed.
            expires_at: now.plus_seconds(CODE_SECONDS),
        };
        let session = self.new_shop_session(&mut tx, tenant, &arrival, origin).await?;
        // The session ends when the provider is switched off (S-86).
        let came = (Door::PartnerCode.verb(), None, Some(idp));
        let is_theirs = tx.adopt_session(&tenant.id, &session, customer, came, arrival.expires_at, now).await?
            && tx.bind_authorization(&tenant.id, &row.id, &session, now).await?;
        let code = Secret::generate(&*self.entropy, CODE_PREFIX)?;
        let hash = SecretHash::of(code.expose());
        let until = arrival.expires_at;
        if !is_theirs || !tx.fulfil_authorization(&tenant.id, &row.id, &session, &hash, until, now).await? {
            return Err(Refusal::InvalidGrant.into());
        }
        let actor = Actor::Customer(customer.clone());
        let entry = Entry::new(&actor, Door::PartnerCode.verb(), "session", session.as_str())
            .client(&row.client)
            .session(Some(&session))
            .detail(json!({ "partner": idp.as_str() }));
        self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
        tx.commit().await?;
        Ok(row.answer(Ok(code)))
    }

    /// Ends a login without a code.
    async fn end_partner_login(
        &self,
        tenant: &Tenant,
        row: &AuthorizationRow,
        error: &'static str,
    ) -> Result<AuthorizationAnswer, Error> {
        retrying!(async {
            let mut tx = self.store.write().await?;
            tx.cancel_authorization(&tenant.id, &row.id, self.clock.now()).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })?;
        Ok(row.answer(Err(error)))
    }

    /// Writes down that somebody was not let in, and why.
    async fn note_partner_refusal(
        &self,
        tenant: &Tenant,
        (row, idp): (&AuthorizationRow, &PartnerIdp),
        refusal: Refusal,
        reason: &str,
        origin: &Origin,
    ) -> Result<(), Error> {
        let entry = Entry::new(&Actor::Guest, Door::PartnerCode.verb(), "partner_idp", idp.id.as_str());
        let entry = entry.client(&row.client).detail(json!({ "reason": reason }));
        self.audit_refusal(&tenant.id, origin, entry, refusal).await?;
        Ok(())
    }

    /// The provider a login is at, while it is switched on.
    async fn partner_of(&self, tenant: &Tenant, row: &AuthorizationRow) -> Result<Option<PartnerIdp>, Error> {
        let named = row.request.direct.as_ref().and_then(|direct| direct.idp.as_deref());
        let Some(id) = named.and_then(|id| id.parse::<PartnerIdpId>().ok()) else { return Ok(None) };
        let found = self.store.read().await?.partner_idp(&tenant.id, &id).await?;
        Ok(found.filter(|idp| idp.is_active))
    }
}
