//! Invitations (S-75): good once, for one address, one company and one role, for seven days; dead when the company is
//! switched off or whoever invited could not give the role any more.

use super::{INVITATIONS, MEMBERS, Office, cookie_of};
use crate::{
    arrange::{PASSWORD, company, customer, on_both_databases, origin, secret},
    oauth::robot::{Robot, form, form_to, location},
};
use prokura_domain::{CustomerKind, CustomerState, Email, GroupCode};
use prokura_engine::{
    Actor, CreateCustomer, Error, InvitationState, Invite, NewPassword, Profile, Refusal, SignUpRequest,
};
use prokura_testkit::{Answer, Database};

/// What somebody who is invited chooses, long enough for a password without a second factor.
const CHOSEN: &str = "seven lanterns in the fog";

on_both_databases!(
    s75_somebody_new_is_invited_and_comes_in_once,
    s75_who_has_an_account_accepts_as_themselves_and_nobody_else_does,
    s75_an_invitation_dies_with_what_it_rests_on,
    s75_fifty_accept_at_once_and_one_is_in,
    s102_inviting_tells_nothing_about_an_address,
    an_account_that_waits_for_confirmation_becomes_its_owners,
    invitations_are_counted_replaced_and_forgotten,
);

impl Office {
    /// Invites by the form of the page.
    async fn invite(&self, robot: &mut Robot<'_>, email: &str, code: GroupCode) -> Answer {
        let page = robot.get(&self.native.path(INVITATIONS)).await;
        let role = self.group("le-1", code).await.id.to_string();
        let fields = [("username", email), ("given_name", "Nina"), ("role", role.as_str()), ("action", "invite")];
        robot.submit(&form_to(&page, "/company/invitations"), &fields).await
    }

    /// The link of the newest mail, below the server.
    async fn link(&self) -> String {
        let mails = self.native.world.server.mails().await;
        let mail = mails.last().expect("a mail").replace("=\n", "").replace("=3D", "=");
        self.native.world.server.advance(1);
        let begin = mail.find("https://id.prokura.example/t/acme/invitation?token=").unwrap();
        let link = mail[begin..].split_whitespace().next().unwrap();
        link.strip_prefix("https://id.prokura.example").unwrap().to_owned()
    }

    /// Invites by an operator's word, and returns the token of the mail.
    async fn token(&self, email: &str, actor: &Actor) -> prokura_jose::Secret {
        let request = Invite {
            legal_entity: "le-1".parse().unwrap(),
            group: GroupCode::Buyer,
            email: Email::parse(email).unwrap(),
            given_name: String::new(),
            family_name: String::new(),
        };
        let (engine, tenant) = (self.native.world.engine(), &self.native.world.tenant);
        engine.invite(tenant, &request, actor, &origin()).await.unwrap();
        secret(self.link().await.split_once("token=").unwrap().1)
    }
}

async fn s75_somebody_new_is_invited_and_comes_in_once(database: Database) {
    let office = Office::open(database).await;
    let mut boss = office.browser("boss@a.example", "le-1").await;
    let sent = office.invite(&mut boss, "nina@new.example", GroupCode::Requester).await;
    assert_eq!(location(&sent).as_deref(), Some("/t/acme/account/company/members?done=invitation-sent"));
    let listed = boss.get(&office.native.path(MEMBERS)).await;
    assert!(listed.text.contains("nina@new.example") && listed.text.contains("withdraw"), "{}", listed.text);
    let link = office.link().await;

    let mut nina = office.native.robot();
    for _ in 0..3 {
        assert_eq!(nina.get(&link).await.status, 200, "looking uses nothing up");
    }
    let page = nina.get(&link).await;
    assert!(page.text.contains("boss@a.example has invited you.") && page.text.contains("LE-1"), "{}", page.text);
    let weak = nina.submit(&form(&page), &[("family_name", "New"), ("new_password", "x"), ("action", "join")]).await;
    assert_eq!(weak.status, 422);
    // Whatever else is sent along, the invitation says for which company and as what.
    let fields = [
        ("family_name", "New"),
        ("new_password", CHOSEN),
        ("username", "evil@b.example"),
        ("legal_entity_id", "le-3"),
        ("role", "B2B_ADMIN"),
        ("action", "join"),
    ];
    let joined = nina.submit(&form(&weak), &fields).await;
    assert!(joined.status == 200 && joined.text.contains("LE-1"), "{}", joined.text);
    let (engine, tenant) = (office.native.world.engine(), &office.native.world.tenant);
    let email = Email::parse("nina@new.example").unwrap();
    let made = engine.customer_by_email(tenant, &email).await.unwrap().unwrap();
    assert_eq!((made.state, &*made.profile.given_name), (CustomerState::Active, "Nina"));
    assert_eq!(office.roles(&made.id).await, ["le-1 B2B_REQUESTER"]);
    assert_eq!(nina.submit(&form(&page), &fields).await.status, 410, "once");
    assert_eq!(nina.get(&link).await.status, 410);
    let mut robot = office.native.robot();
    let answer = robot.get(&office.native.path("account")).await;
    let page = robot.follow(answer).await;
    let page = robot.submit(&form(&page), &[("username", "nina@new.example"), ("action", "continue")]).await;
    let entered = robot.submit(&form(&page), &[("password", CHOSEN), ("action", "log_in")]).await;
    assert!(entered.status == 303 && !robot.cookies.is_empty(), "{}", entered.text);
    let found = engine.invitations(tenant, None, Some(InvitationState::Accepted), "", 9).await.unwrap();
    assert_eq!(found[0].customer.as_ref(), Some(&made.id));
}

async fn s75_who_has_an_account_accepts_as_themselves_and_nobody_else_does(database: Database) {
    let office = Office::open(database).await;
    let (engine, tenant) = (office.native.world.engine(), &office.native.world.tenant);
    let dora = customer(engine, tenant, "dora@a.example").await;
    let mut boss = office.browser("boss@a.example", "le-1").await;
    office.invite(&mut boss, "dora@a.example", GroupCode::Buyer).await;
    let link = office.link().await;
    // Somebody else is logged in: they are told, and a form they make up is refused.
    let mut rival = office.browser("rival@b.example", "le-3").await;
    let page = rival.get(&link).await;
    assert!(page.text.contains("rival@b.example") && page.text.contains("dora@a.example"), "{}", page.text);
    assert!(!page.text.contains("value=\"accept\""));
    let token = link.split_once("token=").unwrap().1;
    let rival_id =
        engine.customer_by_email(tenant, &Email::parse("rival@b.example").unwrap()).await.unwrap().unwrap().id;
    let csrf = form(&rival.get(&office.native.path("account")).await).fields.remove(0);
    assert_eq!(csrf.0, "csrf");
    for seen_as in [rival_id.as_str(), dora.as_str(), ""] {
        let mut fields = vec![csrf.clone()];
        for (name, value) in [("token", token), ("customer", seen_as), ("action", "accept")] {
            fields.push((name.to_owned(), value.to_owned()));
        }
        assert_eq!(rival.post(&office.native.path("invitation"), &fields).await.status, 403, "{seen_as}");
    }
    // And no account is made beside the one that is there.
    let mut stranger = office.native.robot();
    let page = stranger.get(&link).await;
    assert!(page.text.contains("dora@a.example") && !page.text.contains("new_password"), "{}", page.text);
    let way = page.text.split("href=\"").find(|rest| rest.contains("/login?to=")).unwrap();
    let way = way[..way.find('"').unwrap()].to_owned();
    let login = stranger.get(&way).await;
    let shown = office.log_in(&mut stranger, login, "dora@a.example").await;
    assert!(shown.text.contains("value=\"accept\""), "the login leads back: {}", shown.text);
    // Shown to dora, answered by another login in the same browser: refused.
    let accept = form_to(&shown, "/invitation");
    let dora_cookies = std::mem::take(&mut stranger.cookies);
    stranger.cookies.clone_from(&dora_cookies);
    let other = rival.cookies.iter().find(|(name, _)| name.ends_with("prokura-acme")).unwrap();
    stranger.cookies.insert(other.0.clone(), other.1.clone());
    assert_eq!(stranger.submit(&accept, &[("action", "accept")]).await.status, 403);
    stranger.cookies = dora_cookies;
    let accepted = stranger.submit(&accept, &[("action", "accept")]).await;
    assert_eq!(location(&accepted).as_deref(), Some("/t/acme/account/companies?done=invitation-accepted"));
    assert_eq!(office.roles(&dora).await, ["le-1 B2B_BUYER"]);
    assert_eq!(stranger.submit(&accept, &[("action", "accept")]).await.status, 410);
    let again = office.invite(&mut boss, "dora@a.example", GroupCode::Buyer).await;
    assert_eq!(again.status, 422, "who is there is not invited again");
}

async fn s75_an_invitation_dies_with_what_it_rests_on(database: Database) {
    let office = Office::open(database).await;
    let (engine, tenant) = (office.native.world.engine(), &office.native.world.tenant);
    let (system, le_1) = (Actor::System, "le-1".parse().unwrap());
    let boss = Actor::Customer(office.boss.clone());
    let profile = Profile { given_name: "N".to_owned(), family_name: "N".to_owned(), ..Profile::default() };
    let is_open = async |token: &prokura_jose::Secret| {
        let is_open = engine.open_invitation(tenant, token).await.unwrap().is_some();
        if !is_open {
            let joined = engine.join_by_invitation(tenant, token, &profile, &secret(PASSWORD), &origin()).await;
            assert!(matches!(joined, Err(Error::Refused(Refusal::Invalid(_)))), "{joined:?}");
        }
        is_open
    };
    // The company.
    let token = office.token("a@new.example", &boss).await;
    assert!(is_open(&token).await);
    engine.set_legal_entity_active(tenant, &le_1, false, &system, &origin()).await.unwrap();
    assert!(!is_open(&token).await);
    engine.set_legal_entity_active(tenant, &le_1, true, &system, &origin()).await.unwrap();
    assert!(is_open(&token).await, "and with it it lives again");
    // The rights of whoever invited: the role has more than theirs, they are on hold, they are out.
    let before = office.add_scopes("le-1", GroupCode::Buyer, "order.unlimited").await;
    assert!(!is_open(&token).await);
    office.set_scopes("le-1", GroupCode::Buyer, before).await;
    assert!(is_open(&token).await);
    engine.set_customer_state(tenant, &office.boss, CustomerState::OnHold, &system, &origin()).await.unwrap();
    assert!(!is_open(&token).await);
    engine.set_customer_state(tenant, &office.boss, CustomerState::Active, &system, &origin()).await.unwrap();
    assert!(is_open(&token).await);
    engine.unassign(tenant, &office.boss_assignment, &system, &origin()).await.unwrap();
    assert!(!is_open(&token).await);
    // An operator who is gone.
    let made = engine.create_operator("Op", &[("acme", "admin")], &system, &origin()).await.unwrap();
    let token = office.token("b@new.example", &Actor::Operator(made.id.clone())).await;
    assert!(is_open(&token).await);
    engine.delete_operator(&made.id, &system, &origin()).await.unwrap();
    assert!(!is_open(&token).await);
    // Taken back, replaced, and seven days.
    let token = office.token("c@new.example", &system).await;
    let open = engine.invitations(tenant, Some(&le_1), Some(InvitationState::Open), "", 50).await.unwrap();
    let id = open.iter().find(|invitation| invitation.email == "c@new.example").unwrap().id.clone();
    engine.withdraw_invitation(tenant, &id, &system, &origin()).await.unwrap();
    assert!(!is_open(&token).await);
    let twice = engine.withdraw_invitation(tenant, &id, &system, &origin()).await;
    assert!(matches!(twice, Err(Error::Refused(Refusal::StaleVersion))), "{twice:?}");
    let first = office.token("d@new.example", &system).await;
    let second = office.token("d@new.example", &system).await;
    assert!(!is_open(&first).await && is_open(&second).await, "the newest counts");
    office.native.world.server.advance(7 * 86_400 - 10);
    assert!(is_open(&second).await);
    office.native.world.server.advance(10);
    assert!(!is_open(&second).await);
    // Another tenant's page does not know it.
    let other = office.native.world.server.tenant("other").await;
    let token = office.token("e@new.example", &system).await;
    assert!(engine.open_invitation(&other, &token).await.unwrap().is_none());
    assert!(is_open(&token).await);
}

async fn s75_fifty_accept_at_once_and_one_is_in(database: Database) {
    let office = Office::open(database).await;
    let world = &office.native.world;
    let other = if database == Database::Postgres { Some(world.server.start_second_node().await) } else { None };
    let second = other.as_ref().map_or(world.engine(), |node| &node.engine);
    customer(world.engine(), &world.tenant, "dora@a.example").await;
    let mut robot = office.native.robot();
    office.come_in(&mut robot, "account", "dora@a.example").await;
    let cookie = cookie_of(&robot);
    let dora = world.engine().customer_by_email(&world.tenant, &Email::parse("dora@a.example").unwrap()).await;
    let dora = dora.unwrap().unwrap().id;
    for round in 0..4 {
        let token = office.token("dora@a.example", &Actor::System).await;
        let attempts = (0..50).map(|number| {
            let engine = if number % 2 == 0 { world.engine() } else { second };
            let (token, cookie, seen_as) = (&token, &cookie, dora.as_str());
            async move { engine.accept_invitation(&world.tenant, token, cookie, seen_as, &origin()).await }
        });
        let answers = futures_util::future::join_all(attempts).await;
        let (in_time, late): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!(in_time.len(), 1, "round {round}");
        assert!(late.iter().all(|answer| matches!(answer, Err(Error::Refused(Refusal::Invalid(_))))), "{late:?}");
        let there = world.engine().assignments_of(&world.tenant, &dora).await.unwrap();
        assert_eq!(there.len(), 1);
        world.engine().unassign(&world.tenant, &there[0].0.id, &Actor::System, &origin()).await.unwrap();
        world.server.advance(600);
    }
    // Taking back and accepting at once: whoever is second is told so.
    let token = office.token("dora@a.example", &Actor::System).await;
    let open = world.engine().invitations(&world.tenant, None, Some(InvitationState::Open), "", 9).await.unwrap();
    let from = origin();
    let (accepted, withdrawn) = tokio::join!(
        world.engine().accept_invitation(&world.tenant, &token, &cookie, dora.as_str(), &from),
        second.withdraw_invitation(&world.tenant, &open[0].id, &Actor::System, &from),
    );
    assert_ne!(accepted.is_ok(), withdrawn.is_ok(), "{accepted:?} {withdrawn:?}");
    let there = world.engine().assignments_of(&world.tenant, &dora).await.unwrap();
    assert_eq!(there.len(), usize::from(accepted.is_ok()));
}

async fn s102_inviting_tells_nothing_about_an_address(database: Database) {
    let office = Office::open(database).await;
    let (engine, tenant) = (office.native.world.engine(), &office.native.world.tenant);
    customer(engine, tenant, "known@a.example").await;
    let contact = CreateCustomer {
        id: None,
        kind: CustomerKind::Contact,
        email: Some(Email::parse("contact@a.example").unwrap()),
        profile: Profile::default(),
        state: CustomerState::Active,
        password: Some((NewPassword::Plain(secret(PASSWORD)), false)),
    };
    engine.create_customer(tenant, &contact, &Actor::System, &origin()).await.unwrap();
    let mut boss = office.browser("boss@a.example", "le-1").await;
    let mut seen = Vec::new();
    for email in ["known@a.example", "unknown@a.example", "contact@a.example"] {
        let answer = office.invite(&mut boss, email, GroupCode::Buyer).await;
        seen.push((answer.status, location(&answer), answer.text));
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
    assert_eq!(office.native.world.server.mails().await.len(), 3);
}

async fn an_account_that_waits_for_confirmation_becomes_its_owners(database: Database) {
    let office = Office::open(database).await;
    let (engine, tenant) = (office.native.world.engine(), &office.native.world.tenant);
    // Somebody signed up with an address that is not theirs, hoping its owner confirms.
    let email = Email::parse("nina@new.example").unwrap();
    let request = SignUpRequest {
        email: email.clone(),
        password: secret("the attacker knows"),
        profile: Profile::default(),
        address: None,
        must_confirm: true,
    };
    engine.sign_up(tenant, &request, &origin()).await.unwrap();
    let confirmation = office.native.world.server.mailed_token().await;
    office.native.world.server.advance(1);
    let token = office.token("nina@new.example", &Actor::System).await;
    let profile = Profile { given_name: "N".to_owned(), family_name: "N".to_owned(), ..Profile::default() };
    engine.join_by_invitation(tenant, &token, &profile, &secret(PASSWORD), &origin()).await.unwrap();
    let confirmed = engine.confirm_account(tenant, &secret(&confirmation), &origin()).await;
    assert!(confirmed.is_err(), "what waited before is over");
    let mut robot = office.native.robot();
    let page = office.come_in(&mut robot, "account", "nina@new.example").await;
    assert!(page.text.contains("<h1>Profile</h1>"), "with the owner's password: {}", page.text);
}

async fn invitations_are_counted_replaced_and_forgotten(database: Database) {
    let office = Office::open(database).await;
    let (engine, tenant) = (office.native.world.engine(), &office.native.world.tenant);
    company(engine, tenant, "le-4").await;
    let request = |number: u32| Invite {
        legal_entity: "le-4".parse().unwrap(),
        group: GroupCode::Buyer,
        email: Email::parse(&format!("n{number}@new.example")).unwrap(),
        given_name: String::new(),
        family_name: String::new(),
    };
    for number in 0..200 {
        engine.invite(tenant, &request(number), &Actor::System, &origin()).await.unwrap();
        office.native.world.server.advance(60);
    }
    let refused = engine.invite(tenant, &request(200), &Actor::System, &origin()).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::InUse(_)))), "{refused:?}");
    engine.invite(tenant, &request(0), &Actor::System, &origin()).await.expect("one takes the place of another");
    // One address is not written to as often as somebody likes.
    let mut last = Ok(());
    for _ in 0..10 {
        last = engine.invite(tenant, &request(0), &Actor::System, &origin()).await.map(drop);
    }
    assert!(matches!(last, Err(Error::Refused(Refusal::Throttled { .. }))), "{last:?}");
    office.native.world.server.advance(38 * 86_400);
    engine.sweep().await.unwrap();
    let left = engine.invitations(tenant, None, None, "", 9).await.unwrap();
    // By a clock that is not the database's nothing is swept (S-136); this test's is not.
    assert_eq!(left.is_empty(), database == Database::Sqlite);
    engine.delete_legal_entity(tenant, &"le-4".parse().unwrap(), &Actor::System, &origin()).await.unwrap();
}
