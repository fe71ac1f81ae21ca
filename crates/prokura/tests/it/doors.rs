//! The matrix of S-23: every door, against everything that can be switched off. Cells come from the list of doors, so a
//! door that nobody wrote a knock for does not compile.

use crate::arrange::{
    PASSWORD, World, client_id, customer, log_in, on_both_databases, origin, page_login, permit, secret,
};
use crate::authenticator::Authenticator;
use prokura_domain::{ClientKind, CustomerId, CustomerState, Email, RefreshPolicy, Scopes, Standing};
use prokura_engine::{
    ActAsAgent, Actor, AskForCode, AuthorizationRequest, Bearer, BeginGuest, BridgeToTokens, ClientChange,
    ClientCredentials, CodeDigits, CodePurpose, CodeWay, DevicePoll, DirectWish, Door, EntityWish, Error,
    ExchangeToken, Granted, KnownBy, MadePasskey, Manner, Membership, OnBehalf, Partner, PartnerIdentifier, PartnerIdp,
    PartnerMetadata, PasskeyLogIn, Profile, Progress, Prompt, PutPartnerIdp, RedeemCode, RedeemPartnerCode,
    RelyingParty, ShownCode, SignUpRequest, VisitorWish,
};
use prokura_jose::{AccessToken, Algorithm, Secret, SecretHash, SigningKey, sign_jwt};
use prokura_testkit::{Database, IdentityProvider};
use serde_json::json;
use std::{collections::VecDeque, sync::Arc};

/// What can be switched off. The identity provider of [`Door::PartnerToken`] is not among them: it is a part of the
/// configuration that the door is handed, and whether an absent one is refused is asked where that is read (E-39).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Off {
    Tenant,
    Client,
    Grant,
    Customer,
    Assignment,
    Entity,
    EntityForGood,
    Session,
    Partner,
}

const OFFS: [Off; 9] = [
    Off::Tenant,
    Off::Client,
    Off::Grant,
    Off::Customer,
    Off::Assignment,
    Off::Entity,
    Off::EntityForGood,
    Off::Session,
    Off::Partner,
];

/// Whether a door asks for the thing at all.
fn concerns(door: Door, off: Off) -> bool {
    match (door, off) {
        (_, Off::Tenant | Off::Client | Off::Grant) => true,
        (door, Off::Partner) => door == Door::PartnerCode,
        (Door::Guest | Door::GuestRefresh | Door::ClientCredentials, Off::Customer) => false,
        (Door::Guest | Door::ClientCredentials | Door::OnBehalf | Door::OneTimeCode | Door::Passkey, Off::Session) => {
            false
        }
        (Door::OnBehalf | Door::OneTimeCode | Door::Passkey, Off::Customer) => true,
        (Door::GuestRefresh, Off::Session) => true,
        (
            Door::Refresh
            | Door::Password
            | Door::SignUpConfirmation
            | Door::PartnerToken
            | Door::PartnerCode
            | Door::AuthorizationCode
            | Door::TokenExchange
            | Door::DeviceCode
            | Door::Bridge
            | Door::Agent,
            Off::Customer | Off::Session,
        ) => true,
        (
            Door::Refresh | Door::AuthorizationCode | Door::TokenExchange | Door::DeviceCode | Door::Bridge,
            Off::Assignment | Off::Entity | Off::EntityForGood,
        ) => true,
        // Nobody chooses a company here yet.
        (
            Door::Guest
            | Door::GuestRefresh
            | Door::ClientCredentials
            | Door::Password
            | Door::SignUpConfirmation
            | Door::PartnerToken
            | Door::PartnerCode
            | Door::OnBehalf
            | Door::Agent
            | Door::OneTimeCode
            | Door::Passkey,
            Off::Assignment | Off::Entity | Off::EntityForGood,
        ) => false,
    }
}

/// What an agent has a right to.
const ACTING: &str = "acting";

struct Keys {
    guest: Standing,
    acting: AccessToken,
    /// What names a session of a shop's own pages that ann is on for `le-1`.
    handle: SecretHash,
    guest_refresh: Secret,
    refresh: Secret,
    client_secret: Secret,
    partner: Partner,
    partner_token: String,
    /// A provider with a row, and itself.
    provider: Option<(PartnerIdp, IdentityProvider)>,
    /// Who signed up and the token of their mail, in the order they are used.
    sign_ups: VecDeque<(CustomerId, Secret)>,
    /// Codes of the authorization endpoint, one for each knock.
    codes: Vec<Secret>,
    /// Codes of devices ann let in, one for each knock.
    devices: Vec<Secret>,
    /// Who was sent which code, in the order they are used.
    digits: VecDeque<(&'static str, Secret)>,
    /// Ann's passkey, and her user handle.
    passkey: Option<(Authenticator, String)>,
}

async fn prepare(world: &mut World, door: Door) -> Keys {
    let guest = world.guest().await;
    let acting = world.acting("le-1").await;
    let client_secret = world
        .server
        .client(&world.tenant, "bk", ClientKind::Confidential, "client_credentials", "a b", RefreshPolicy::Reuse)
        .await
        .unwrap();
    let (partner, partner_token) = partner(world);
    let provider = if door == Door::PartnerCode { Some(provider(world).await) } else { None };
    let mut sign_ups = VecDeque::new();
    if door == Door::SignUpConfirmation {
        // One for the knock before anything is switched off, one for the knock after.
        for email in ["eva@n.example", "fay@n.example"] {
            sign_ups.push_back(sign_up(world, email).await);
        }
    }
    if door == Door::Agent {
        permit(world.engine(), &world.tenant, &world.ann, ACTING).await;
    }
    let has_codes = matches!(door, Door::AuthorizationCode | Door::Agent);
    let codes = if has_codes { vec![code(world).await, code(world).await] } else { Vec::new() };
    let devices = if door == Door::DeviceCode { vec![device(world).await, device(world).await] } else { Vec::new() };
    let mut digits = VecDeque::new();
    if door == Door::OneTimeCode {
        // Only the newest code of each counts.
        customer(world.engine(), &world.tenant, "dan@a.example").await;
        for email in ["dan@a.example", "ann@a.example"] {
            digits.push_back((email, digits_of(world, email, CodePurpose::LogIn).await));
        }
    }
    let passkey = if door == Door::Passkey { Some(passkey(world, acting.standing()).await) } else { None };
    let from = origin();
    let pages = world.engine().bridge_to_pages(&world.tenant, acting.standing(), None, &from).await.unwrap();
    Keys {
        handle: pages.handle,
        codes,
        devices,
        digits,
        passkey,
        guest: guest.standing().clone(),
        guest_refresh: guest.refresh.unwrap().token,
        acting: acting.token,
        refresh: acting.refresh.unwrap().token,
        client_secret,
        partner,
        partner_token,
        provider,
        sign_ups,
    }
}

/// A code that ann got on the way to `sf`, for `le-1`.
async fn code(world: &World) -> Secret {
    let (engine, tenant, from) = (world.engine(), &world.tenant, origin());
    let wanted = AuthorizationRequest {
        redirect_uri: "https://app.example/cb".to_owned(),
        legal_entity: Some("le-1".to_owned()),
        prompt: Prompt { login: true, ..Prompt::default() },
        ..AuthorizationRequest::default()
    };
    let browser = secret("a browser's own secret");
    let id = engine.begin_authorization(tenant, &client_id("sf"), &wanted, &browser).await.unwrap();
    let login = page_login(engine, tenant, Some(&client_id("sf")), "ann@a.example", PASSWORD).await.unwrap();
    let next = || engine.continue_authorization(tenant, &id, &browser, Some(&login.cookie), &from);
    assert!(matches!(next().await.unwrap(), Progress::Consent));
    engine.consent_to_authorization(tenant, &id, &browser, &login.cookie, &from).await.unwrap();
    match next().await.unwrap() {
        Progress::Answer(answer) => answer.outcome.unwrap(),
        page @ (Progress::LogIn | Progress::StepUp | Progress::ChooseEntity | Progress::Consent) => {
            panic!("a page more: {page:?}")
        }
    }
}

/// The code of a device that ann let in for `le-1`.
async fn device(world: &World) -> Secret {
    let (engine, tenant, from) = (world.engine(), &world.tenant, origin());
    let client = engine.client(tenant, &client_id("sf")).await.unwrap();
    let entity = "le-1".parse().unwrap();
    let begun = engine.begin_device_grant(tenant, &client, &Scopes::default(), Some(&entity)).await.unwrap();
    let login = page_login(engine, tenant, None, "ann@a.example", PASSWORD).await.unwrap();
    engine.decide_device(tenant, &login.cookie, &begun.user_code, true, Some(&entity), &from).await.unwrap();
    begun.device_code
}

/// An identity provider that vouches for ann's address, and its token for her.
fn partner(world: &World) -> (Partner, String) {
    let key = SigningKey::generate(Algorithm::Es256, "idp-1".parse().unwrap()).unwrap();
    let issuer = "https://idp.example";
    let now = world.engine().now().seconds();
    let claims = json!({
        "iss": issuer, "sub": "subject-1", "aud": "shop", "iat": now, "exp": now + 60,
        "email": "ann@a.example", "email_verified": true,
    });
    let partner = Partner {
        name: "idp".to_owned(),
        issuer: issuer.to_owned(),
        audiences: vec!["shop".to_owned()],
        authorized_party: None,
        keys: vec![key.public().clone()],
        email_domains: Vec::new(),
        identifier: PartnerIdentifier::Email,
        creates_customers: false,
    };
    (partner, sign_jwt(&key, "JWT", &claims).unwrap())
}

/// The same with a row, and a place where its codes are redeemed.
async fn provider(world: &World) -> (PartnerIdp, IdentityProvider) {
    let provider = IdentityProvider::start(Arc::clone(&world.server.clock)).await;
    let saved = world.engine().save_partner_idp(&world.tenant, &row(&provider), None, &Actor::System, &origin()).await;
    (saved.unwrap(), provider)
}

fn row(provider: &IdentityProvider) -> PutPartnerIdp {
    PutPartnerIdp {
        id: "idp".parse().unwrap(),
        name: "Partner".to_owned(),
        issuer: provider.issuer().to_owned(),
        client_id: IdentityProvider::CLIENT_ID.to_owned(),
        client_secret: Some(secret(IdentityProvider::CLIENT_SECRET)),
        metadata: PartnerMetadata::default(),
        redirect_uris: vec![IdentityProvider::REDIRECT_URI.to_owned()],
        email_domains: vec!["a.example".to_owned()],
        identifier: PartnerIdentifier::Email,
        creates_customers: false,
        is_active: true,
    }
}

/// Somebody who still has to confirm their address.
async fn sign_up(world: &mut World, email: &str) -> (CustomerId, Secret) {
    let mut settings = world.tenant.settings.clone();
    settings.sign_up.needs_confirmation = true;
    let (tenant, from) = (&world.tenant, origin());
    world.tenant =
        world.engine().update_tenant(tenant, &tenant.name, true, &settings, None, &Actor::System, &from).await.unwrap();
    let request = SignUpRequest {
        email: Email::parse(email).unwrap(),
        password: secret(PASSWORD),
        profile: Profile::default(),
        address: None,
        must_confirm: false,
    };
    let customer = world.engine().sign_up(&world.tenant, &request, &from).await.unwrap();
    let token = world.server.mailed_token().await;
    // Mails are told apart by the second they were sent in.
    world.server.advance(1);
    (customer, secret(&token))
}

/// One of the codes of the authorization endpoint.
fn redeem(keys: &mut Keys) -> RedeemCode {
    RedeemCode {
        client: client_id("sf"),
        code: keys.codes.pop().expect("a code that was not used"),
        redirect_uri: None,
        code_verifier: None,
        resources: Vec::new(),
        direct: DirectWish::default(),
        manner: Manner::default(),
    }
}

/// A code that somebody was sent.
async fn digits_of(world: &World, email: &str, purpose: CodePurpose) -> Secret {
    let request = AskForCode {
        purpose,
        client: client_id("sf"),
        is_client_proven: false,
        email: Email::parse(email).unwrap(),
        digits: CodeDigits::Eight,
        way: CodeWay::Mail,
        language: None,
        visitor: None,
        site: None,
        code_challenge: None,
        newcomer: None,
    };
    world.engine().ask_for_code(&world.tenant, &request, &origin()).await.unwrap();
    let mails = world.server.mails().await;
    world.server.advance(1);
    let is_code = |line: &&str| line.len() == 8 && line.bytes().all(|b| b.is_ascii_digit());
    secret(mails.last().and_then(|mail| mail.lines().find(is_code)).expect("a mail with a code"))
}

/// Where passkeys are made and used.
fn pages() -> RelyingParty {
    RelyingParty { host: "localhost".to_owned(), origins: vec!["http://localhost:3000".to_owned()] }
}

/// A passkey of ann's, made where she is logged in.
async fn passkey(world: &World, here: &Standing) -> (Authenticator, String) {
    let (engine, tenant, client, from) = (world.engine(), &world.tenant, client_id("sf"), origin());
    let code = digits_of(world, "ann@a.example", CodePurpose::Passkey).await;
    let shown = ShownCode {
        purpose: CodePurpose::Passkey,
        client: client.clone(),
        email: None,
        code: code.clone(),
        site: None,
        code_verifier: None,
    };
    let options = engine.begin_shop_passkey(tenant, &pages(), &shown, None, &from).await.unwrap();
    let authenticator = Authenticator::new("localhost", "http://localhost:3000");
    let credential = authenticator.make(&options["publicKey"]).to_string();
    let made = MadePasskey {
        client: &client,
        code: &code,
        credential: &credential,
        name: "Laptop",
        keep: here.session.as_ref(),
    };
    engine.add_shop_passkey(tenant, &pages(), &made, &from).await.unwrap();
    (authenticator, options["publicKey"]["user"]["id"].as_str().unwrap().to_owned())
}

/// Shows ann's passkey.
async fn show_passkey(world: &World, keys: &Keys) -> Result<Granted, Error> {
    let (authenticator, handle) = keys.passkey.as_ref().expect("a passkey");
    let (engine, tenant, client) = (world.engine(), &world.tenant, client_id("sf"));
    let options = engine.begin_shop_passkey_login(tenant, &pages(), &client).await?;
    let request = PasskeyLogIn {
        client: &client,
        credential: &authenticator.show(&options["publicKey"], handle).to_string(),
        visitor: VisitorWish::New,
        site: None,
        manner: Manner::default(),
    };
    engine.log_in_by_shop_passkey(tenant, &pages(), &request, &origin()).await
}

/// The next of the codes that were sent.
fn shown(keys: &mut Keys) -> ShownCode {
    let (email, code) = keys.digits.pop_front().expect("a code that was not used");
    ShownCode {
        purpose: CodePurpose::LogIn,
        client: client_id("sf"),
        email: Some(Email::parse(email).unwrap()),
        code,
        site: None,
        code_verifier: None,
    }
}

/// Knocks at a door.
async fn knock(world: &World, door: Door, keys: &mut Keys) -> Result<Granted, Error> {
    let (engine, tenant, from) = (world.engine(), &world.tenant, origin());
    let bearer = Bearer { standing: &keys.guest };
    match door {
        Door::Guest => {
            let request = BeginGuest::nameless(client_id("sf"), prokura_engine::Wishes::default());
            engine.begin_guest(tenant, &request, &from).await
        }
        Door::GuestRefresh => {
            engine.refresh_guest(tenant, &client_id("sf"), &keys.guest_refresh, &Manner::default(), &from).await
        }
        Door::Password => {
            log_in(engine, tenant, &keys.guest, "ann@a.example", PASSWORD).await.map(|logged_in| logged_in.granted)
        }
        Door::Refresh => world.refresh(&keys.refresh, Some("le-1")).await,
        Door::ClientCredentials => {
            let request = ClientCredentials {
                client: client_id("bk"),
                secret: secret(keys.client_secret.expose()),
                scopes: Some(Scopes::parse("a").unwrap()),
            };
            engine.client_credentials(tenant, &request, &from).await
        }
        Door::SignUpConfirmation => {
            let (_, token) = keys.sign_ups.pop_front().expect("somebody who signed up");
            engine.confirm_sign_up(tenant, bearer, &token, &from).await.map(|logged_in| logged_in.granted)
        }
        Door::DeviceCode => {
            let code = keys.devices.pop().expect("a device that was not let in yet");
            match engine.poll_device(tenant, &client_id("sf"), &code, &from).await? {
                DevicePoll::Granted(granted) => Ok(*granted),
                poll @ (DevicePoll::Pending | DevicePoll::TooOften | DevicePoll::Denied | DevicePoll::Expired) => {
                    panic!("the device was let in: {poll:?}")
                }
            }
        }
        Door::TokenExchange => {
            let client = engine.client(tenant, &client_id("sf")).await.unwrap();
            let subject = &keys.acting;
            let request = ExchangeToken {
                subject,
                legal_entity: EntityWish::Keep,
                scopes: None,
                resources: Vec::new(),
                actor: None,
            };
            engine.exchange_token(tenant, &client, &request, &from).await
        }
        Door::AuthorizationCode => engine.redeem_code(tenant, &redeem(keys), &from).await,
        Door::PartnerCode => {
            let (idp, provider) = keys.provider.as_ref().expect("a provider");
            let request = RedeemPartnerCode {
                code: secret(&provider.code("subject-1", "ann@a.example")),
                redirect_uri: None,
                code_verifier: None,
                nonce: None,
            };
            engine.redeem_partner_code(tenant, bearer, idp, &request, &from).await.map(|login| login.granted)
        }
        Door::Bridge => {
            let request = BridgeToTokens {
                client: client_id("sf"),
                handle: keys.handle.clone(),
                customer: Some(world.ann.clone()),
                code: None,
                manner: Manner::default(),
            };
            engine.bridge_to_tokens(tenant, &request, &from).await
        }
        Door::Agent => {
            let request = ActAsAgent {
                code: redeem(keys),
                permission: ACTING.parse().unwrap(),
                agent: None,
                who: Some(Email::parse("ann@a.example").unwrap()),
                visitor: VisitorWish::New,
                site: None,
                manner: Manner::default(),
            };
            engine.act_as_agent(tenant, &request, &from).await
        }
        Door::OnBehalf => {
            let request = OnBehalf {
                client: client_id("sf"),
                who: KnownBy::Address(Email::parse("ann@a.example").unwrap()),
                visitor: VisitorWish::New,
                site: None,
                manner: Manner::default(),
                pause_seconds: 0,
            };
            engine.log_in_on_behalf(tenant, &request, &from).await
        }
        Door::Passkey => show_passkey(world, keys).await,
        Door::OneTimeCode => engine.log_in_by_code(tenant, &shown(keys), &Manner::default(), &from).await,
        Door::PartnerToken => {
            engine.exchange_partner_token(tenant, bearer, &keys.partner, &keys.partner_token, &from).await
        }
    }
}

async fn switch_off(world: &World, door: Door, off: Off, keys: &Keys) {
    let (engine, tenant, system, from) = (world.engine(), &world.tenant, Actor::System, origin());
    let client = client_id(if door == Door::ClientCredentials { "bk" } else { "sf" });
    match off {
        Off::Tenant => {
            engine.update_tenant(tenant, &tenant.name, false, &tenant.settings, None, &system, &from).await.unwrap();
        }
        Off::Client => {
            let change = ClientChange { is_active: Some(false), ..ClientChange::default() };
            engine.update_client(tenant, &client, &change, None, &system, &from).await.unwrap();
        }
        Off::Grant => {
            let change = ClientChange { grants: Some(String::new()), ..ClientChange::default() };
            engine.update_client(tenant, &client, &change, None, &system, &from).await.unwrap();
        }
        Off::Customer => {
            let who = match door {
                Door::SignUpConfirmation => &keys.sign_ups.front().unwrap().0,
                Door::Guest
                | Door::GuestRefresh
                | Door::Password
                | Door::Refresh
                | Door::ClientCredentials
                | Door::PartnerToken
                | Door::PartnerCode
                | Door::AuthorizationCode
                | Door::TokenExchange
                | Door::DeviceCode
                | Door::Bridge
                | Door::OnBehalf
                | Door::Agent
                | Door::OneTimeCode
                | Door::Passkey => &world.ann,
            };
            engine.set_customer_state(tenant, who, CustomerState::Inactive, &system, &from).await.unwrap();
        }
        Off::Assignment => engine.unassign(tenant, world.assignments.first().unwrap(), &system, &from).await.unwrap(),
        Off::Entity => {
            engine.set_legal_entity_active(tenant, &"le-1".parse().unwrap(), false, &system, &from).await.unwrap();
        }
        Off::EntityForGood => {
            engine.delete_legal_entity(tenant, &"le-1".parse().unwrap(), &system, &from).await.unwrap();
        }
        Off::Partner => {
            if let Some((idp, provider)) = &keys.provider {
                let off = PutPartnerIdp { is_active: false, ..row(provider) };
                engine.save_partner_idp(tenant, &off, Some(idp.version), &system, &from).await.unwrap();
            }
        }
        Off::Session => {
            for session in engine.sessions(tenant, Some(&world.ann), "", 50).await.unwrap() {
                engine.end_session(tenant, &session.id, &system, &from).await.unwrap();
            }
            engine.end_session(tenant, keys.guest.session.as_ref().unwrap(), &system, &from).await.unwrap();
        }
    }
}

on_both_databases!(s23_no_door_issues_for_what_is_switched_off, s23_a_scope_that_was_taken_away_is_in_no_new_token);

async fn s23_no_door_issues_for_what_is_switched_off(database: Database) {
    for &door in Door::ALL {
        for off in OFFS {
            let mut world = World::new(database, RefreshPolicy::Family).await;
            let mut keys = prepare(&mut world, door).await;
            let open = knock(&world, door, &mut keys).await;
            assert!(open.is_ok(), "{door:?} is open before anything is switched off: {open:?}");
            switch_off(&world, door, off, &keys).await;
            let result = knock(&world, door, &mut keys).await;
            if concerns(door, off) {
                assert!(matches!(result, Err(Error::Refused(_))), "{door:?} × {off:?}: {result:?}");
            } else {
                assert!(result.is_ok(), "{door:?} × {off:?}: {result:?}");
            }
        }
    }
}

async fn s23_a_scope_that_was_taken_away_is_in_no_new_token(database: Database) {
    let mut world = World::new(database, RefreshPolicy::Family).await;
    let mut keys = prepare(&mut world, Door::Refresh).await;
    let (engine, system, from) = (world.engine(), Actor::System, origin());

    let machine = knock(&world, Door::ClientCredentials, &mut keys).await.unwrap().token.standing;
    assert_eq!(machine.scopes, Scopes::parse("a").unwrap());
    let change = ClientChange { scopes: Some("b".to_owned()), ..ClientChange::default() };
    engine.update_client(&world.tenant, &client_id("bk"), &change, None, &system, &from).await.unwrap();
    let machine = knock(&world, Door::ClientCredentials, &mut keys).await.unwrap().token.standing;
    assert_eq!(machine.scopes, Scopes::default());

    let buyer = knock(&world, Door::Refresh, &mut keys).await.unwrap().token.standing.scopes;
    let groups = engine.groups_of(&world.tenant, world.ann.as_str(), 50).await.unwrap();
    let own = groups.iter().find(|group| group.legal_entity.as_ref().is_some_and(|id| id.as_str() == "le-1")).unwrap();
    let membership = Membership { group: own.id.clone(), member: world.ann.to_string(), kind: None, confined_to: None };
    engine.leave_group(&world.tenant, &membership, &system, &from).await.unwrap();
    let nobody = knock(&world, Door::Refresh, &mut keys).await.unwrap().token.standing.scopes;
    assert_ne!(buyer.intersection(&own.scopes), nobody.intersection(&own.scopes));
    assert!(buyer.intersection(&nobody) == nobody, "nothing is gained: {nobody:?}");
}
