//! Codes of a dialect for whoever logs in elsewhere than at the client's own form. What was asked is kept like
//! every request at the authorization endpoint, belongs to one browser from its first page on (S-95), and ends at the
//! client's redirect URI. The session of the shop begins when the code is redeemed, beside that of the pages (S-90).

use crate::{
    AuthorizationRequest, Client, CodeOrder, Engine, Error, Origin, Prompt, Refusal, Tenant, VisitorWish,
    arrival::Arrival,
    direct_code::{Direct, Purpose, Told},
    grantable_scopes,
    issue::Door,
    store::{AuthorizationRow, Tx},
};
use prokura_domain::{ClientId, CustomerId, PartnerIdpId, SessionId, SiteId, Timestamp};
use prokura_jose::Secret;

/// A login that leads to a code of a dialect.
#[derive(Clone, Debug)]
pub struct DirectLogin {
    /// What the code is bound to.
    pub order: CodeOrder,
    /// The partner's identity provider they log in at; `None` for our own pages.
    pub idp: Option<PartnerIdpId>,
    /// Handed back untouched.
    pub state: Option<String>,
    /// The languages of the pages, best first, blank separated.
    pub ui_locales: Option<String>,
    /// How the client hears of it.
    pub told: Told,
}

impl Direct {
    /// What the client is told beside `outcome`; `None` where it asked at our own endpoint.
    pub(crate) fn told(&self, outcome: &Result<Secret, &'static str>) -> Option<Vec<(String, String)>> {
        let told = self.told.as_ref()?;
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut pairs = Vec::new();
        match outcome {
            Ok(_) => {
                pairs.push(pair(&told.visitor_as, &self.visitor));
                pairs.extend(told.scope.as_ref().map(|scope| pair("scope", scope)));
            }
            Err(error) => pairs.push(pair("error_description", explanation(error))),
        }
        pairs.push(pair("iss", &told.issuer));
        Some(pairs)
    }
}

fn explanation(error: &str) -> &'static str {
    match error {
        "access_denied" => "Nobody logged in, or they said no.",
        "invalid_target" => "Who logged in may not act for this company.",
        "temporarily_unavailable" => "The identity provider is not available; try again.",
        _ => "The login did not come to its end.",
    }
}

impl Engine {
    /// Keeps what a dialect's client asked for until its browser comes, which is soon. Whoever comes to the pages proves who
    /// they are there, also when the browser is logged in: a logout of the shop must not be undone by a click.
    ///
    /// # Errors
    /// [`Refusal::InvalidClient`], [`Refusal::UnauthorizedClient`].
    pub async fn push_direct_login(
        &self,
        tenant: &Tenant,
        client: &Client,
        login: &DirectLogin,
    ) -> Result<Secret, Error> {
        let order = &login.order;
        let request = AuthorizationRequest {
            redirect_uri: order.redirect_uri.clone(),
            // What the tokens may do; the pages ask for consent to it where the client is somebody else's.
            scope: grantable_scopes(client, None).to_string(),
            state: login.state.clone(),
            code_challenge: order.code_challenge.clone(),
            prompt: Prompt { login: true, ..Prompt::default() },
            ui_locales: login.ui_locales.clone(),
            direct: Some(Direct {
                purpose: Purpose::Pages,
                visitor: match &order.visitor {
                    VisitorWish::Keep(visitor) => visitor.to_string(),
                    VisitorWish::New | VisitorWish::Nameless => String::new(),
                },
                site: order.site.as_ref().map(ToString::to_string),
                told: Some(login.told.clone()),
                idp: login.idp.as_ref().map(ToString::to_string),
            }),
            ..AuthorizationRequest::default()
        };
        self.push_authorization(tenant, &client.id, &request).await
    }

    /// Settles the name of the visitor who turned out to be `customer`, where the code is a dialect's.
    pub(crate) async fn name_visitor(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        row: &mut AuthorizationRow,
        customer: &CustomerId,
        now: Timestamp,
    ) -> Result<(), Error> {
        let Some(direct) = &mut row.request.direct else { return Ok(()) };
        let wish = direct.visitor.parse().map_or(VisitorWish::New, VisitorWish::Keep);
        let visitor = self.settle_visitor(tx, tenant, &wish, Some(customer), now).await?;
        direct.visitor = visitor.ok_or(Refusal::InvalidGrant)?.to_string();
        if tx.amend_authorization(&tenant.id, &row.id, &row.request, now).await? {
            Ok(())
        } else {
            Err(Refusal::NotFound("authorization").into())
        }
    }

    /// The shop's session of whoever logged in on the pages for its code. It knows what they proved there.
    pub(crate) async fn begin_shop_session_of(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        (direct, site): (&Direct, Option<SiteId>),
        (client, pages, customer): (&ClientId, &SessionId, &CustomerId),
        origin: &Origin,
    ) -> Result<SessionId, Error> {
        let now = self.clock.now();
        let visitor = direct.visitor.parse().map_err(|_| Refusal::InvalidGrant)?;
        let arrival = Arrival {
            client,
            customer,
            visitor: &visitor,
            site: site.as_ref(),
            door: Door::AuthorizationCode,
            proven: None,
            expires_at: now.plus_seconds(tenant.settings.lifetimes.session.into()),
        };
        let session = self.new_shop_session(tx, tenant, &arrival, origin).await?;
        if tx.inherit_session(&tenant.id, &session, (pages, customer), now).await? {
            Ok(session)
        } else {
            // They logged out there since the code was made.
            Err(Refusal::InvalidGrant.into())
        }
    }
}
