//! Logins at a partner's identity provider that the hint names, and back to the client's redirect URI with a code.

use super::{
    CALLBACK, Kind, ORGANIZATION, Shop,
    elsewhere::{begin, redeem, told, with},
    position, text, tokens,
};
use crate::{
    arrange::{on_both_databases, origin},
    oauth::robot::{Robot, location, query},
};
use prokura_engine::{Actor, AuditFilter, PartnerIdentifier, PartnerIdp, PartnerMetadata, PutPartnerIdp};
use prokura_jose::Secret;
use prokura_testkit::{Answer, Database, Endpoint, IdentityProvider, Trouble, claims};
use reqwest::Method;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

on_both_databases!(
    a_shopper_logs_in_at_a_partner_and_comes_back,
    s95_a_login_at_a_partner_belongs_to_the_browser_that_began_it,
    s84_a_code_of_another_login_or_another_provider_lets_nobody_in,
    what_goes_wrong_at_the_provider_is_an_error_at_the_redirect_uri,
    s86_a_provider_that_is_switched_off_lets_nobody_in_and_its_sessions_end,
    s06_a_hint_leads_to_providers_that_may_send_browsers_back,
);

const USID: &str = "a8a2b1c4-0f3e-4d55-9d5c-0123456789ab";

/// A shop with a provider beside it, under the name `okta`.
struct Fair {
    shop: Shop,
    provider: IdentityProvider,
}

impl Fair {
    async fn open(database: Database) -> Self {
        let shop = Shop::on(database).await;
        let provider = IdentityProvider::start(Arc::clone(&shop.world.server.clock)).await;
        let fair = Self { shop, provider };
        fair.save(fair.okta()).await;
        fair.provider.sign_in(Some(person("00u1", "nora@a.example")));
        fair
    }

    fn own(&self, step: &str) -> String {
        let base = self.shop.world.engine().public_url();
        format!("{base}/shopper/auth/v1/organizations/{ORGANIZATION}/oauth2/idp/{step}")
    }

    fn okta(&self) -> PutPartnerIdp {
        PutPartnerIdp {
            id: "okta".parse().unwrap(),
            name: "Okta".to_owned(),
            issuer: self.provider.issuer().to_owned(),
            client_id: IdentityProvider::CLIENT_ID.to_owned(),
            client_secret: Some(Secret::from(IdentityProvider::CLIENT_SECRET.to_owned())),
            metadata: PartnerMetadata::default(),
            redirect_uris: vec![self.own("callback")],
            email_domains: vec!["a.example".to_owned()],
            identifier: PartnerIdentifier::Email,
            creates_customers: true,
            is_active: true,
        }
    }

    /// Makes a provider, or replaces the one of that id.
    async fn save(&self, request: PutPartnerIdp) -> PartnerIdp {
        let (engine, tenant) = (self.shop.world.engine(), &self.shop.world.tenant);
        let seen = engine.partner_idp(tenant, &request.id).await.ok().map(|there| there.version);
        engine.save_partner_idp(tenant, &request, seen, &Actor::System, &origin()).await.unwrap()
    }

    /// The path of an address of our own host.
    fn path(&self, address: &str) -> String {
        let path = address.strip_prefix(self.shop.world.engine().public_url());
        path.unwrap_or_else(|| panic!("elsewhere: {address}")).to_owned()
    }

    /// Where `authorize` sends a browser first.
    async fn door(&self, parameters: &[(&str, &str)]) -> String {
        let answer = self.shop.authorize(parameters).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        self.path(&location(&answer).unwrap())
    }

    /// From there to the provider and back: the path the provider sends the browser to.
    async fn go(&self, robot: &mut Robot<'_>, door: &str) -> String {
        let answer = robot.get(door).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        let there = location(&answer).unwrap();
        assert!(there.starts_with(&format!("{}/authorize?", self.provider.issuer())), "{there}");
        let answer = self.shop.send(self.shop.request(Method::GET, &there)).await;
        self.path(&location(&answer).unwrap_or_else(|| panic!("{}", answer.text)))
    }

    /// A login all the way.
    async fn log_in(&self, parameters: &[(&str, &str)]) -> BTreeMap<String, String> {
        let mut robot = Robot::new(&self.shop.world.server);
        let door = self.door(parameters).await;
        let back = self.go(&mut robot, &door).await;
        told(&robot.get(&back).await)
    }
}

/// Somebody as the provider knows them.
fn person(subject: &str, email: &str) -> Value {
    json!({ "sub": subject, "email": email, "email_verified": true, "given_name": "Nora", "family_name": "Neu" })
}

fn asked(client: &str) -> Vec<(&str, &str)> {
    with(begin(client), &[("hint", "okta"), ("state", "a b&c"), ("scope", "openid email")])
}

async fn a_shopper_logs_in_at_a_partner_and_comes_back(database: Database) {
    let fair = Fair::open(database).await;
    let shop = &fair.shop;
    let guest = shop.guest(Kind::Public, None).await;
    let usid = text(&guest, "usid");
    let parameters = with(asked("pub"), &[("usid", usid)]);
    let mut robot = Robot::new(&shop.world.server);
    let door = fair.door(&parameters).await;
    let answer = robot.get(&door).await;
    let sent = query(&location(&answer).unwrap());
    assert_eq!((sent["response_type"].as_str(), sent["code_challenge_method"].as_str()), ("code", "S256"));
    assert_eq!((&sent["redirect_uri"], sent["scope"].as_str()), (&fair.own("callback"), "openid email profile"));
    assert!(sent["nonce"].len() == 43 && sent["code_challenge"].len() == 43 && sent["nonce"] != sent["state"]);
    let back = fair.go(&mut robot, &door).await;
    let answer = robot.get(&back).await;
    let back = told(&answer);
    assert_eq!(
        (back["usid"].as_str(), back["state"].as_str(), back["scope"].as_str()),
        (usid, "a b&c", "openid email")
    );
    assert_eq!(back["iss"], claims(text(&guest, "access_token"))["iss"]);
    assert_eq!(answer.headers["cache-control"], "no-store");
    let buyer = tokens(&redeem(shop, Kind::Public, &back["code"], &[("usid", usid)]).await);
    let access = text(&buyer, "access_token");
    assert_eq!(position(access, 1), "upn:nora@a.example");
    assert_eq!(position(access, 3), format!("gcid:{}", text(&guest, "customer_id")), "they were this guest");
    assert_eq!(buyer["usid"], usid);
    assert_eq!(shop.refresh(Kind::Public, text(&guest, "refresh_token"), &[]).await.status, 400, "the guest is over");
    let next = tokens(&shop.refresh(Kind::Public, text(&buyer, "refresh_token"), &[]).await);
    assert_eq!((&next["usid"], &next["customer_id"]), (&buyer["usid"], &buyer["customer_id"]));
    // The code is good once (S-21), and the same person is the same customer for a private client as well.
    assert_eq!(redeem(shop, Kind::Public, &back["code"], &[]).await.status, 400);
    assert!(!shop.world.is_good(text(&next, "access_token")));
    let mut parameters = asked("priv");
    parameters.retain(|(name, _)| *name != "code_challenge");
    let back = fair.log_in(&parameters).await;
    let same = tokens(&redeem(shop, Kind::Private, &back["code"], &[("usid", &back["usid"])]).await);
    assert_eq!(same["customer_id"], buyer["customer_id"]);
    // A code that nobody redeems in time is over, and so is what began with it.
    let back = fair.log_in(&asked("pub")).await;
    shop.world.server.advance(61);
    assert_eq!(redeem(shop, Kind::Public, &back["code"], &[]).await.status, 400);
}

async fn s95_a_login_at_a_partner_belongs_to_the_browser_that_began_it(database: Database) {
    let fair = Fair::open(database).await;
    let server = &fair.shop.world.server;
    let door = fair.door(&asked("pub")).await;
    let mut mine = Robot::new(server);
    assert_eq!(mine.get(&door.replace("client_id=pub", "client_id=priv")).await.status, 400);
    let back = fair.go(&mut mine, &door).await;
    let cookie = mine.set_cookies.iter().find(|line| line.contains("-login=")).unwrap();
    assert!(cookie.starts_with("__Host-") && cookie.contains("; Secure") && cookie.contains("; HttpOnly"), "{cookie}");
    assert!(cookie.contains("; SameSite=Lax") && !cookie.contains("Domain"), "{cookie}");
    // Another browser has no way in, at either step, and takes nothing away.
    let refused = async |robot: &mut Robot<'_>, path: &str| {
        let answer = robot.get(path).await;
        assert_eq!((answer.status, location(&answer)), (400, None), "{}", answer.text);
    };
    let mut theirs = Robot::new(server);
    refused(&mut theirs, &back).await;
    refused(&mut theirs, &door).await;
    let own = fair.door(&asked("pub")).await;
    fair.go(&mut theirs, &own).await;
    refused(&mut theirs, &back).await;
    refused(&mut mine, &back.replace("state=", "state=x")).await;
    refused(&mut mine, &format!("{}?state=pkr_pr_nobody&code=code-1", back.split('?').next().unwrap())).await;
    assert_eq!(fair.provider.asked(Endpoint::Token), 0);
    // The pages are no way around the provider.
    let state = query(&door)["state"].clone();
    let pages = format!("/t/acme/authorize?client_id=pub&request_uri=urn:ietf:params:oauth:request_uri:{state}");
    assert!(mine.get(&pages).await.status >= 400);
    let fresh = query(&fair.door(&asked("pub")).await)["state"].clone();
    assert!(mine.get(&pages.replace(&state, &fresh)).await.status >= 400);
    // Two logins of one browser do not disturb each other; each comes back once.
    let second = fair.door(&asked("pub")).await;
    let second = fair.go(&mut mine, &second).await;
    for back in [&back, &second] {
        let heard = told(&mine.get(back).await);
        tokens(&redeem(&fair.shop, Kind::Public, &heard["code"], &[]).await);
        refused(&mut mine, back).await;
    }
    // Too late for the first step, and for the way back.
    let door = fair.door(&asked("pub")).await;
    let other = fair.door(&asked("pub")).await;
    let back = fair.go(&mut mine, &door).await;
    server.advance(91);
    refused(&mut mine, &other).await;
    server.advance(3_600);
    refused(&mut mine, &back).await;
}

async fn s84_a_code_of_another_login_or_another_provider_lets_nobody_in(database: Database) {
    let fair = Fair::open(database).await;
    let server = &fair.shop.world.server;
    let mut mine = Robot::new(server);
    let mut theirs = Robot::new(server);
    let (one, two) = (fair.door(&asked("pub")).await, fair.door(&asked("pub")).await);
    let (mine_back, theirs_back) = (fair.go(&mut mine, &one).await, fair.go(&mut theirs, &two).await);
    // Somebody else's code in my login: it is bound to their verifier.
    let code = query(&theirs_back)["code"].clone();
    let own = query(&mine_back)["code"].clone();
    let heard = told(&mine.get(&mine_back.replace(&format!("code={own}"), &format!("code={code}"))).await);
    assert_eq!((heard["error"].as_str(), heard["state"].as_str()), ("access_denied", "a b&c"));
    // An answer in another provider's name; the code is not even shown to anybody (RFC 9207).
    let asked_before = fair.provider.asked(Endpoint::Token);
    let door = fair.door(&asked("pub")).await;
    let back = fair.go(&mut mine, &door).await;
    let lie = back
        .split('&')
        .map(|pair| if pair.contains("iss=") { pair.replace("127.0.0.1", "evil.example") } else { pair.to_owned() });
    let lie: Vec<String> = lie.collect();
    let lie = lie.join("&");
    assert_ne!(lie, back);
    assert_eq!(told(&mine.get(&lie).await)["error"], "access_denied");
    assert_eq!(fair.provider.asked(Endpoint::Token), asked_before);
    // An ID token with another nonce.
    fair.provider.sign_in(Some({
        let mut claims = person("00u1", "nora@a.example");
        claims["nonce"] = json!("of another login");
        claims
    }));
    assert_eq!(fair.log_in(&asked("pub")).await["error"], "access_denied");
    let filter = AuditFilter { verb: Some("customer.redeem_partner_code".to_owned()), ..AuditFilter::default() };
    let trail = fair.shop.world.engine().audit_trail(&fair.shop.world.tenant.id, &filter, "", 50).await.unwrap();
    assert_eq!(trail.len(), 3, "each is in the trail: {trail:?}");
}

async fn what_goes_wrong_at_the_provider_is_an_error_at_the_redirect_uri(database: Database) {
    let fair = Fair::open(database).await;
    let provider = &fair.provider;
    let check = |heard: &BTreeMap<String, String>, error: &str| {
        assert_eq!((heard["error"].as_str(), heard["state"].as_str()), (error, "a b&c"), "{heard:?}");
        assert!(!heard["error_description"].is_empty() && !heard.contains_key("code") && !heard.contains_key("usid"));
    };
    // Nobody logged in there.
    provider.sign_in(None);
    check(&fair.log_in(&asked("pub")).await, "login_required");
    // What they say goes no further than words a client knows.
    let mut robot = Robot::new(&fair.shop.world.server);
    for (said, heard) in
        [("access_denied", "access_denied"), ("unauthorized_client", "server_error"), ("<b>", "server_error")]
    {
        let door = fair.door(&asked("pub")).await;
        let back = fair.go(&mut robot, &door).await.replace("login_required", said);
        check(&told(&robot.get(&back).await), heard);
    }
    provider.sign_in(Some(person("00u1", "nora@a.example")));
    provider.fails(Endpoint::Token, Some(Trouble::Status(500)));
    check(&fair.log_in(&asked("pub")).await, "temporarily_unavailable");
    provider.fails(Endpoint::Token, Some(Trouble::Error("invalid_grant")));
    check(&fair.log_in(&asked("pub")).await, "access_denied");
    provider.fails(Endpoint::Token, None);
    // Whom the provider may not bring.
    fair.save(PutPartnerIdp { creates_customers: false, client_secret: None, ..fair.okta() }).await;
    check(&fair.log_in(&asked("pub")).await, "access_denied");
    fair.save(PutPartnerIdp { client_secret: None, ..fair.okta() }).await;
    let heard = fair.log_in(&asked("pub")).await;
    tokens(&redeem(&fair.shop, Kind::Public, &heard["code"], &[]).await);
}

async fn s86_a_provider_that_is_switched_off_lets_nobody_in_and_its_sessions_end(database: Database) {
    let fair = Fair::open(database).await;
    let shop = &fair.shop;
    let switch = async |is_active: bool| {
        fair.save(PutPartnerIdp { is_active, client_secret: None, ..fair.okta() }).await;
    };
    let heard = fair.log_in(&with(asked("pub"), &[("usid", USID)])).await;
    let buyer = tokens(&redeem(shop, Kind::Public, &heard["code"], &[]).await);
    let waiting = fair.log_in(&asked("pub")).await;
    let mut robot = Robot::new(&shop.world.server);
    let door = fair.door(&asked("pub")).await;
    let back = fair.go(&mut robot, &door).await;
    switch(false).await;
    assert!(!shop.world.is_good(text(&buyer, "access_token")));
    assert_eq!(shop.refresh(Kind::Public, text(&buyer, "refresh_token"), &[]).await.status, 400);
    assert_eq!(redeem(shop, Kind::Public, &waiting["code"], &[]).await.status, 400);
    assert_eq!(told(&robot.get(&back).await)["error"], "access_denied");
    let answer: Answer = shop.authorize(&asked("pub")).await;
    assert_eq!((answer.status, location(&answer)), (400, None));
    switch(true).await;
    let heard = fair.log_in(&asked("pub")).await;
    tokens(&redeem(shop, Kind::Public, &heard["code"], &[]).await);
}

async fn s06_a_hint_leads_to_providers_that_may_send_browsers_back(database: Database) {
    let fair = Fair::open(database).await;
    for (name, value) in
        [("hint", "nobody"), ("hint", "o k"), ("redirect_uri", "https://evil.example/cb"), ("channel_id", "x")]
    {
        let answer = fair.shop.authorize(&with(asked("pub"), &[(name, value)])).await;
        assert_eq!((answer.status, location(&answer)), (400, None), "{name}={value}: {}", answer.text);
    }
    let elsewhere = vec![IdentityProvider::REDIRECT_URI.to_owned()];
    fair.save(PutPartnerIdp { redirect_uris: elsewhere, client_secret: None, ..fair.okta() }).await;
    let answer = fair.shop.authorize(&asked("pub")).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text.contains(&fair.own("callback")), "an operator reads what to register: {}", answer.text);
    assert!(!CALLBACK.starts_with(fair.shop.world.engine().public_url()));
}
