//! A company's administrators help themselves, and those they invite come in: on the pages, by browsers without scripts.

mod invitations;

use crate::{
    arrange::{PASSWORD, assign, customer, on_both_databases, origin, refresh},
    oauth::{
        Native,
        robot::{Robot, form, form_to, forms, location},
    },
};
use prokura_domain::{AssignmentId, CustomerId, GroupCode, LegalEntityId, Scopes};
use prokura_engine::{Actor, GroupFilter, PutGroup, PutMode};
use prokura_testkit::{Answer, Database};

pub(crate) const MEMBERS: &str = "account/company/members";
pub(crate) const INVITATIONS: &str = "account/company/invitations";

/// A native world in which boss manages le-1, rival manages le-3, and ann buys for le-1 and le-2.
pub(crate) struct Office {
    pub(crate) native: Native,
    pub(crate) boss: CustomerId,
    pub(crate) boss_assignment: AssignmentId,
}

impl Office {
    pub(crate) async fn open(database: Database) -> Self {
        let native = Native::new(database).await;
        let (engine, tenant) = (native.world.engine(), &native.world.tenant);
        let boss = customer(engine, tenant, "boss@a.example").await;
        let boss_assignment = assign(engine, tenant, &boss, "le-1", GroupCode::Admin).await;
        let rival = customer(engine, tenant, "rival@b.example").await;
        assign(engine, tenant, &rival, "le-3", GroupCode::Admin).await;
        Self { native, boss, boss_assignment }
    }

    /// A browser in which somebody is logged in and acts for `entity`.
    pub(crate) async fn browser(&self, email: &str, entity: &str) -> Robot<'_> {
        let mut robot = self.native.robot();
        let page = self.come_in(&mut robot, "account/companies", email).await;
        let form = form_to(&page, "/account/companies");
        let chosen = robot.submit(&form, &[("legal_entity_id", entity), ("action", "switch")]).await;
        assert_eq!(chosen.status, 303, "{}", chosen.text);
        robot
    }

    pub(crate) async fn come_in(&self, robot: &mut Robot<'_>, path: &str, email: &str) -> Answer {
        let answer = robot.get(&self.native.path(path)).await;
        let page = robot.follow(answer).await;
        self.log_in(robot, page, email).await
    }

    /// On from the first page of a login.
    pub(crate) async fn log_in(&self, robot: &mut Robot<'_>, page: Answer, email: &str) -> Answer {
        let page = robot.submit(&form(&page), &[("username", email), ("action", "continue")]).await;
        let answer = robot.submit(&form(&page), &[("password", PASSWORD), ("action", "log_in")]).await;
        robot.follow(answer).await
    }

    /// The company's group of a role.
    pub(crate) async fn group(&self, entity: &str, code: GroupCode) -> prokura_engine::Group {
        let filter = GroupFilter {
            legal_entity: Some(entity.parse().unwrap()),
            code: Some(code.as_str().to_owned()),
            ..GroupFilter::default()
        };
        self.native.world.engine().groups(&self.native.world.tenant, &filter, "", 1).await.unwrap().pop().unwrap()
    }

    /// Gives a role of a company further scopes; returns those it had.
    pub(crate) async fn add_scopes(&self, entity: &str, code: GroupCode, more: &str) -> Scopes {
        let before = self.group(entity, code).await.scopes;
        let mut scopes = before.clone();
        scopes.extend(&Scopes::parse(more).unwrap());
        self.set_scopes(entity, code, scopes).await;
        before
    }

    pub(crate) async fn set_scopes(&self, entity: &str, code: GroupCode, scopes: Scopes) {
        let group = self.group(entity, code).await;
        let put = PutGroup {
            id: Some(group.id),
            legal_entity: group.legal_entity,
            code: group.code,
            member_kind: group.member_kind,
            name: group.name,
            description: group.description,
            scopes,
            details: group.details,
        };
        let (engine, tenant) = (self.native.world.engine(), &self.native.world.tenant);
        engine.put_group(tenant, &put, PutMode::Upsert { version: None }, &Actor::System, &origin()).await.unwrap();
    }

    /// Posts to the page of the people as one of its forms would.
    pub(crate) async fn change(&self, robot: &mut Robot<'_>, fields: &[(&str, &str)]) -> Answer {
        let page = robot.get(&self.native.path("account")).await;
        let csrf = form(&page).fields.into_iter().find(|(name, _)| name == "csrf").unwrap();
        let mut sent = vec![csrf];
        sent.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        robot.post(&self.native.path(MEMBERS), &sent).await
    }

    async fn roles(&self, customer: &CustomerId) -> Vec<String> {
        let groups = self.native.world.engine().groups_of(&self.native.world.tenant, customer.as_str(), 50).await;
        let role = |group: prokura_engine::Group| Some(format!("{} {}", group.legal_entity?, group.code?));
        let mut roles: Vec<_> = groups.unwrap().into_iter().filter_map(role).collect();
        roles.sort();
        roles
    }
}

on_both_databases!(
    an_administrator_sees_changes_and_ends_the_access_of_colleagues,
    s73_an_administrator_of_one_company_reaches_nobody_of_another,
    s73_nobody_gives_or_takes_more_than_they_have,
    a_company_keeps_an_administrator_whatever_happens_at_once,
    who_acted_for_the_company_is_shown_to_its_administrators_alone,
);

async fn an_administrator_sees_changes_and_ends_the_access_of_colleagues(database: Database) {
    let office = Office::open(database).await;
    let (engine, tenant) = (office.native.world.engine(), &office.native.world.tenant);
    let ann = &office.native.world.ann;
    let mut robot = office.browser("boss@a.example", "le-1").await;
    let page = robot.get(&office.native.path(MEMBERS)).await;
    assert!(page.text.contains("ann@a.example") && page.text.contains("boss@a.example"), "{}", page.text);
    assert!(!page.text.contains("rival@b.example"));
    let sought = robot.get(&office.native.path(&format!("{MEMBERS}?q=ANN"))).await;
    assert!(sought.text.contains("ann@a.example") && !sought.text.contains("tag good"), "{}", sought.text);
    let nothing = robot.get(&office.native.path(&format!("{MEMBERS}?q=%25_&page=99"))).await;
    assert!(nothing.status == 200 && !nothing.text.contains("ann@a.example"), "a pattern is only its letters");

    let requester = office.group("le-1", GroupCode::Requester).await.id.to_string();
    let changed =
        robot.submit(&form_to(&page, "/company/members"), &[("role", &requester), ("action", "change")]).await;
    assert_eq!(location(&changed).as_deref(), Some("/t/acme/account/company/members?done=role-changed"));
    assert_eq!(office.roles(ann).await, ["le-1 B2B_REQUESTER", "le-2 B2B_BUYER"]);

    // The end reaches tokens that were issued, at once and for this company alone.
    let here = office.native.world.acting("le-1").await;
    let there = office.native.world.acting("le-2").await;
    let page = robot.get(&office.native.path(MEMBERS)).await;
    let ended = robot.submit(&form_to(&page, "/company/members"), &[("action", "remove")]).await;
    assert_eq!(location(&ended).as_deref(), Some("/t/acme/account/company/members?done=member-removed"));
    assert!(
        engine.verify(&here.access_token().unwrap()).is_err() && engine.verify(&there.access_token().unwrap()).is_ok()
    );
    assert!(refresh(engine, tenant, &here.refresh.unwrap().token, Some("le-1")).await.is_err());
    let page = robot.get(&office.native.path(MEMBERS)).await;
    assert!(!page.text.contains("ann@a.example"));
    assert_eq!(office.roles(ann).await, ["le-2 B2B_BUYER"]);
    let assignment = office.native.world.assignments[0].to_string();
    assert_eq!(office.change(&mut robot, &[("member", &assignment), ("action", "remove")]).await.status, 404);
}

async fn s73_an_administrator_of_one_company_reaches_nobody_of_another(database: Database) {
    let office = Office::open(database).await;
    let (engine, tenant) = (office.native.world.engine(), &office.native.world.tenant);
    let pages = [MEMBERS, INVITATIONS, "account/company/activity"];
    // A buyer of the company, an administrator who acts for nobody, and one who lost the role: none of them.
    let mut buyer = office.browser("ann@a.example", "le-1").await;
    let mut nobody = office.native.robot();
    office.come_in(&mut nobody, "account", "boss@a.example").await;
    for page in pages {
        assert_eq!(buyer.get(&office.native.path(page)).await.status, 403, "{page}");
        assert_eq!(nobody.get(&office.native.path(page)).await.status, 403, "{page}");
    }
    let account = buyer.get(&office.native.path("account")).await;
    assert!(!account.text.contains(MEMBERS), "the way there is not shown either");
    let mut rival = office.browser("rival@b.example", "le-3").await;
    let of_boss = office.boss_assignment.to_string();
    let of_ann = office.native.world.assignments[0].to_string();
    let role_at_home = office.group("le-3", GroupCode::Admin).await.id.to_string();
    let role_elsewhere = office.group("le-1", GroupCode::Admin).await.id.to_string();
    for member in [&of_boss, &of_ann] {
        for role in [&role_at_home, &role_elsewhere] {
            let fields = [("member", member.as_str()), ("role", role), ("action", "change")];
            assert_eq!(office.change(&mut rival, &fields).await.status, 404);
            assert_eq!(office.change(&mut buyer, &fields).await.status, 403);
        }
        assert_eq!(office.change(&mut rival, &[("member", member), ("action", "remove")]).await.status, 404);
        assert_eq!(office.change(&mut buyer, &[("member", member), ("action", "remove")]).await.status, 403);
    }
    // A parameter that names another company is ignored.
    let form = rival.get(&office.native.path(INVITATIONS)).await;
    let form = form_to(&form, "/company/invitations");
    let more =
        [("username", "x@a.example"), ("legal_entity_id", "le-1"), ("role", &role_elsewhere), ("action", "invite")];
    assert_eq!(rival.submit(&form, &more).await.status, 422, "a role of another company");
    let role = office.group("le-3", GroupCode::Buyer).await.id.to_string();
    let more = [("username", "x@a.example"), ("legal_entity_id", "le-1"), ("role", &role), ("action", "invite")];
    assert_eq!(rival.submit(&form, &more).await.status, 303);
    let made = engine.invitations(tenant, None, None, "", 9).await.unwrap();
    assert_eq!((made.len(), made[0].legal_entity.as_str()), (1, "le-3"));
    // Somebody else's invitation cannot be taken back.
    let mut boss = office.browser("boss@a.example", "le-1").await;
    let id = made[0].id.to_string();
    assert_eq!(office.change(&mut boss, &[("invitation", &id), ("action", "withdraw")]).await.status, 404);
    // Who loses the role loses the pages, in the browser that is open.
    engine.unassign(tenant, &office.boss_assignment, &Actor::System, &origin()).await.unwrap();
    assert_eq!(boss.get(&office.native.path(MEMBERS)).await.status, 403);
    assert_eq!(office.change(&mut boss, &[("member", &of_ann), ("action", "remove")]).await.status, 403);
    assert!(office.roles(&office.native.world.ann).await.contains(&"le-1 B2B_BUYER".to_owned()));
}

async fn s73_nobody_gives_or_takes_more_than_they_have(database: Database) {
    let office = Office::open(database).await;
    let ann = &office.native.world.ann;
    office.add_scopes("le-1", GroupCode::Buyer, "order.unlimited").await;
    let mut boss = office.browser("boss@a.example", "le-1").await;
    let buyer = office.group("le-1", GroupCode::Buyer).await.id.to_string();
    let requester = office.group("le-1", GroupCode::Requester).await.id.to_string();
    let member = office.native.world.assignments[0].to_string();
    let page = boss.get(&office.native.path(MEMBERS)).await;
    assert!(!page.text.contains(&member), "whoever has more rights is not changed here");
    for fields in [
        vec![("member", member.as_str()), ("role", &requester), ("action", "change")],
        vec![("member", member.as_str()), ("action", "remove")],
    ] {
        assert_eq!(office.change(&mut boss, &fields).await.status, 403, "{fields:?}");
    }
    let form = boss.get(&office.native.path(INVITATIONS)).await;
    assert!(!form.text.contains(&buyer), "a role beyond one's own is not offered");
    let form = form_to(&form, "/company/invitations");
    let refused = boss.submit(&form, &[("username", "x@a.example"), ("role", &buyer), ("action", "invite")]).await;
    assert_eq!(refused.status, 422, "and not given");
    // With the same scopes of their own they may.
    office.add_scopes("le-1", GroupCode::Admin, "order.unlimited").await;
    let changed = [("member", member.as_str()), ("role", &requester), ("action", "change")];
    let answer = office.change(&mut boss, &changed).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    assert!(office.roles(ann).await.contains(&"le-1 B2B_REQUESTER".to_owned()));
    // Nobody changes themselves.
    let own = office.boss_assignment.to_string();
    for fields in [
        vec![("member", own.as_str()), ("role", &requester), ("action", "change")],
        vec![("member", own.as_str()), ("action", "remove")],
    ] {
        assert_eq!(office.change(&mut boss, &fields).await.status, 403, "{fields:?}");
    }
    // A group that is no role of the company is none to give.
    for role in ["no-such", "", "a b", "\u{0}"] {
        let fields = [("member", member.as_str()), ("role", role), ("action", "change")];
        assert!(matches!(office.change(&mut boss, &fields).await.status, 403 | 422), "{role:?}");
    }
}

async fn a_company_keeps_an_administrator_whatever_happens_at_once(database: Database) {
    let office = Office::open(database).await;
    let (engine, tenant) = (office.native.world.engine(), &office.native.world.tenant);
    let le_1: LegalEntityId = "le-1".parse().unwrap();
    let second = customer(engine, tenant, "second@a.example").await;
    let of_second = assign(engine, tenant, &second, "le-1", GroupCode::Admin).await.to_string();
    let of_boss = office.boss_assignment.to_string();
    let mut boss = office.browser("boss@a.example", "le-1").await;
    let mut other = office.browser("second@a.example", "le-1").await;
    // Each throws the other out in the same moment: one of them is first.
    let out_with_second = [("member", of_second.as_str()), ("action", "remove")];
    let out_with_boss = [("member", of_boss.as_str()), ("action", "remove")];
    let (one, two) =
        tokio::join!(office.change(&mut boss, &out_with_second), office.change(&mut other, &out_with_boss),);
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 403]);
    let contacts = engine
        .contacts(tenant, &prokura_engine::ContactFilter { legal_entity: Some(le_1), ..Default::default() }, "", 9)
        .await
        .unwrap();
    let left = contacts
        .iter()
        .filter(|contact| contact.assignment.customer == office.boss || contact.assignment.customer == second);
    assert_eq!(left.count(), 1);
}

async fn who_acted_for_the_company_is_shown_to_its_administrators_alone(database: Database) {
    let office = Office::open(database).await;
    let mut robot = office.browser("boss@a.example", "le-1").await;
    let switched = office.native.world.acting("le-1").await;
    for _ in 0..3 {
        let token = &switched.refresh.as_ref().unwrap().token;
        office.native.world.refresh(token, Some("le-1")).await.unwrap();
    }
    office.native.world.acting("le-2").await;
    let mut shop = office.native.robot();
    let code = office.native.code(&mut shop, "web", "le-1").await;
    office.native.redeem("web", &code).await;
    let page = robot.get(&office.native.path("account/company/activity")).await;
    assert_eq!(page.status, 200);
    for expected in ["acts for the company", "logged in for the company", "gave access", "The web", "ann@a.example"] {
        assert!(page.text.contains(expected), "{expected} in {}", page.text);
    }
    assert_eq!(page.text.matches("acts for the company").count(), 1, "refreshing is not repeated");
    assert!(!page.text.contains("rival@b.example"), "only this company");
    assert!(forms(&page).iter().all(|form| !form.action.contains("activity")), "nobody edits it");
    // Older entries are on the next page, and each is on one of them.
    let (engine, tenant) = (office.native.world.engine(), &office.native.world.tenant);
    for _ in 0..60 {
        office.native.world.server.advance(1);
        engine.choose_for_browser(tenant, &cookie_of(&robot), Some(&"le-1".parse().unwrap()), &origin()).await.unwrap();
    }
    let first = robot.get(&office.native.path("account/company/activity")).await;
    assert_eq!(first.text.matches("chose the company").count(), 50);
    let older = first.text.split("href=\"").find(|rest| rest.contains("before=")).unwrap();
    let older = robot.get(&older[..older.find('"').unwrap()].replace("&#38;", "&")).await;
    assert_eq!(older.text.matches("chose the company").count(), 11);
}

/// The session's cookie of a browser.
pub(crate) fn cookie_of(robot: &Robot<'_>) -> prokura_jose::Secret {
    let found = robot.cookies.iter().find(|(name, _)| name.ends_with("prokura-acme")).unwrap();
    crate::arrange::secret(found.1)
}
