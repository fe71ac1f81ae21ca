//! Redeeming an authorization code. Everything is checked before the one write that uses it up, so a wrong attempt burns
//! nothing (S-20); a second right one ends what the first one got (S-21).

use crate::{
    Actor, BeginGuest, Engine, Error, Granted, Manner, Origin, Refusal, Tenant, VisitorWish, Wishes,
    audit::Entry,
    direct_code::{Direct, DirectWish, Purpose},
    id_token::{IdTokenFacts, amr, asked_for, company},
    issue::{Chain, Door, Holder, Order, Terms},
    retrying,
    store::{AuthorizationRow, Tx},
    target::narrower,
};
use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use prokura_domain::{ClientId, Scopes};
use prokura_jose::{Secret, SecretHash};
use subtle::ConstantTimeEq as _;

/// How long a used code is remembered, so that a replay is known for what it is, in seconds.
pub(crate) const REMEMBER_SECONDS: i64 = 86_400;

/// A code, presented by a client that proved who it is.
#[derive(Clone, Debug)]
pub struct RedeemCode {
    /// Who presents it.
    pub client: ClientId,
    /// The code.
    pub code: Secret,
    /// The redirect URI, when the client repeats it.
    pub redirect_uri: Option<String>,
    /// The PKCE verifier.
    pub code_verifier: Option<Secret>,
    /// The resources the tokens are for (RFC 8707); what was asked for at the authorization endpoint when there are none.
    pub resources: Vec<String>,
    /// Whom and where the client believes the code to be for, of codes that no page gave out.
    pub direct: DirectWish,
    /// What the dialect wants otherwise.
    pub manner: Manner,
}

impl Engine {
    /// Redeems a code for tokens of a new family that acts for the company chosen on the way.
    ///
    /// # Errors
    /// [`Refusal::InvalidGrant`]; [`Refusal::NotAssigned`] when the company was taken away meanwhile; the state of the
    /// customer.
    pub async fn redeem_code(&self, tenant: &Tenant, request: &RedeemCode, origin: &Origin) -> Result<Granted, Error> {
        retrying!(self.redeem_code_once(tenant, request, origin))
    }

    async fn redeem_code_once(&self, tenant: &Tenant, request: &RedeemCode, origin: &Origin) -> Result<Granted, Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let row = tx.authorization_by_code(&tenant.id, &SecretHash::of(request.code.expose())).await?;
        let row = row.filter(|row| is_for(row, request, origin)).ok_or(Refusal::InvalidGrant)?;
        let direct = row.request.direct.clone();
        if direct.as_ref().is_some_and(|direct| direct.purpose == Purpose::Bridge) {
            return Err(Refusal::InvalidGrant.into());
        }
        if row.state == "exchanged" {
            self.punish_replay(tx, tenant, &row, origin).await?;
            return Err(Refusal::InvalidGrant.into());
        }
        if let Some(direct) = direct.as_ref().filter(|direct| direct.purpose == Purpose::Guest) {
            return self.redeem_guest_code(tx, tenant, (&row, direct), request, origin).await;
        }
        let session = row.session.as_ref().ok_or(Refusal::InvalidGrant)?;
        let customer = tx.session(&tenant.id, session).await?.and_then(|session| session.customer);
        let customer = customer.ok_or(Refusal::InvalidGrant)?;
        if !tx.exchange_authorization(&tenant.id, &row.id, now.plus_seconds(REMEMBER_SECONDS), now).await? {
            return Err(Refusal::InvalidGrant.into());
        }
        let begun = match direct.as_ref().filter(|direct| direct.purpose == Purpose::Pages) {
            Some(direct) => {
                let from = (&row.client, session, &customer);
                Some(self.begin_shop_session_of(&mut tx, tenant, (direct, direct.site(request)), from, origin).await?)
            }
            None => None,
        };
        let session = begun.as_ref().unwrap_or(session);
        if let Some(direct) = &direct {
            self.settle_direct_session(&mut tx, tenant, direct, (session, &customer), now).await?;
        }
        let scopes = Scopes::parse(&row.request.scope).map_err(|_| Refusal::InvalidScope)?;
        let client = tx.client(&tenant.id, &row.client).await?.ok_or(Refusal::InvalidClient)?;
        let is_refreshable = Door::Refresh.is_among(&client.grants);
        let audience = narrower(&row.request.resources, &request.resources)?;
        let order = Order {
            tenant,
            door: Door::AuthorizationCode,
            client: &row.client,
            holder: Holder::Customer { session, customer: &customer, scopes: direct.is_none().then_some(&scopes) },
            entity: row.legal_entity.as_ref(),
            chain: Chain::Begin { is_refreshable },
            terms: Terms { audience: &audience, manner: request.manner.clone(), ..Terms::default() },
            origin,
        };
        let draft = match self.issue(&mut tx, order).await {
            Ok(draft) => draft,
            Err(Error::Refused(refusal)) => {
                drop(tx);
                let actor = Actor::Customer(customer.clone());
                let entry = Entry::new(&actor, Door::AuthorizationCode.verb(), "authorization", row.id.as_str())
                    .entity(row.legal_entity.as_ref())
                    .client(&row.client)
                    .session(Some(session));
                return Err(self.audit_refusal(&tenant.id, origin, entry, refusal).await?);
            }
            Err(fault) => return Err(fault),
        };
        if let Some(family) = &draft.standing().family {
            tx.set_authorization_family(&tenant.id, &row.id, family).await?;
        }
        let mut company = company(&mut tx, tenant, draft.standing(), &draft.standing().scopes).await?;
        company.extend(asked_for(&mut tx, tenant, draft.standing(), &row.request.id_token_claims).await?);
        let amr = amr(&mut tx, tenant, draft.standing()).await?;
        tx.commit().await?;
        let facts = IdTokenFacts { nonce: row.request.nonce, company, amr };
        let mut granted = Self::grant(tenant, draft);
        granted.id_token = self.id_token(tenant, granted.standing(), facts, granted.access_seconds)?;
        Ok(granted)
    }

    /// A visitor's session begins when their code is redeemed.
    async fn redeem_guest_code(
        &self,
        mut tx: Tx<'_>,
        tenant: &Tenant,
        (row, direct): (&AuthorizationRow, &Direct),
        request: &RedeemCode,
        origin: &Origin,
    ) -> Result<Granted, Error> {
        let now = self.clock.now();
        if !tx.exchange_authorization(&tenant.id, &row.id, now.plus_seconds(REMEMBER_SECONDS), now).await? {
            return Err(Refusal::InvalidGrant.into());
        }
        let session = self.new_session_id(now)?;
        let sites = tx.sites(&tenant.id).await?;
        let guest = BeginGuest {
            client: row.client.clone(),
            wishes: Wishes { site: direct.site(request), ..Wishes::default() },
            visitor: VisitorWish::Keep(direct.visitor.parse().map_err(|_| Refusal::InvalidGrant)?),
            manner: request.manner.clone(),
        };
        let draft = self.begin_guest_in(&mut tx, tenant, &guest, (&session, &sites), origin).await?;
        if let Some(family) = &draft.standing().family {
            tx.set_authorization_family(&tenant.id, &row.id, family).await?;
        }
        tx.commit().await?;
        Ok(Self::grant(tenant, draft))
    }

    /// A code that comes back was copied on its way: what it led to ends, durably, before the refusal is returned.
    pub(crate) async fn punish_replay(
        &self,
        mut tx: Tx<'_>,
        tenant: &Tenant,
        row: &AuthorizationRow,
        origin: &Origin,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        if let Some(family) = &row.family {
            self.end_family(&mut tx, tenant, family, "code_replay", now).await?;
        }
        let entry = Entry::new(&Actor::Guest, "authorization.replay_detected", "authorization", row.id.as_str())
            .client(&row.client)
            .session(row.session.as_ref())
            .refused(&Refusal::InvalidGrant);
        self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Whether a verifier answers a challenge (RFC 7636 section 4.6); neither alone is right.
pub(crate) fn is_challenged_by(challenge: Option<&str>, verifier: Option<&Secret>) -> bool {
    match (challenge, verifier) {
        (None, None) => true,
        (Some(challenge), Some(verifier)) => {
            let digest = digest::digest(&digest::SHA256, verifier.expose().as_bytes());
            URL_SAFE_NO_PAD.encode(digest).as_bytes().ct_eq(challenge.as_bytes()).into()
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// Whether the one who presents the code is the one it was made for.
pub(crate) fn is_for(row: &AuthorizationRow, request: &RedeemCode, origin: &Origin) -> bool {
    let is_same_uri = request.redirect_uri.as_ref().is_none_or(|uri| *uri == row.request.redirect_uri);
    let is_verified = is_challenged_by(row.request.code_challenge.as_deref(), request.code_verifier.as_ref());
    let has_key = row
        .request
        .dpop_jkt
        .as_ref()
        .is_none_or(|wanted| origin.key_proof.as_ref().is_some_and(|shown| shown.thumbprint.as_str() == wanted));
    row.client == request.client
        && request.direct.fits(row.request.direct.as_ref())
        && has_key
        && is_same_uri
        && is_verified
        && matches!(row.state.as_str(), "fulfilled" | "exchanged")
}
