//! A customer's own pages, by a browser without scripts: profile, password, sessions, companies, languages.

pub(crate) mod factors;
mod passkeys;
mod rules;

use crate::{
    arrange::{PASSWORD, on_both_databases, origin, page_login},
    oauth::{
        Native,
        robot::{Robot, form, form_to, location},
    },
};
use prokura_engine::Actor;
use prokura_testkit::{Answer, Database};

/// Logs ann in without a client; the answer is the page the login led to.
async fn come_in(native: &Native, robot: &mut Robot<'_>, start: &str, password: &str) -> Answer {
    let answer = robot.get(&native.path(start)).await;
    let page = robot.follow(answer).await;
    let page = robot.submit(&form(&page), &[("username", "ann@a.example"), ("action", "continue")]).await;
    let answer = robot.submit(&form(&page), &[("password", password), ("action", "log_in")]).await;
    robot.follow(answer).await
}

pub(crate) async fn logged_in(native: &Native) -> Robot<'_> {
    let mut robot = native.robot();
    let page = come_in(native, &mut robot, "account", PASSWORD).await;
    assert!(page.status == 200 && page.text.contains("<h1>Profile</h1>"), "{}", page.text);
    robot
}

/// Whether the browser is logged in.
async fn is_in(native: &Native, robot: &mut Robot<'_>) -> bool {
    robot.get(&native.path("account")).await.status == 200
}

on_both_databases!(
    a_profile_is_saved_by_its_form_and_nothing_else_of_it_changes,
    sessions_say_where_and_for_whom_and_end_one_by_one,
    a_company_is_chosen_for_this_browser_and_the_next_login_begins_with_it,
    pages_speak_the_language_that_was_chosen,
    what_is_no_page_is_told_so_in_the_looks_of_the_shop,
    pages_wear_the_colors_of_the_tenant,
);

async fn a_profile_is_saved_by_its_form_and_nothing_else_of_it_changes(database: Database) {
    let native = Native::new(database).await;
    let mut robot = logged_in(&native).await;
    let (engine, tenant, ann) = (native.world.engine(), &native.world.tenant, &native.world.ann);
    let mut profile = engine.customer(tenant, ann).await.unwrap().profile;
    profile.job_title = Some("Buyer".to_owned());
    engine.update_profile(tenant, ann, &profile, None, &Actor::System, &origin()).await.unwrap();

    let asked = robot.get(&native.path("account?given_name=Eve&family_name=Evil&action=save")).await;
    assert!(asked.status == 200 && !asked.text.contains("value=\"Evil\""), "{}", asked.text);
    let names = [("given_name", " Ann "), ("family_name", "Müller"), ("phone", "+49 30 1"), ("action", "save")];
    let saved = robot.submit(&form_to(&asked, "/account"), &names).await;
    assert_eq!((saved.status, location(&saved).as_deref()), (303, Some("/t/acme/account?done=profile-saved")));
    let page = robot.follow(saved).await;
    assert!(page.text.contains("Your profile is saved.") && page.text.contains("Ann Müller"), "{}", page.text);
    let now = engine.customer(tenant, ann).await.unwrap();
    assert_eq!((&*now.profile.given_name, now.profile.phone.as_deref()), ("Ann", Some("+49 30 1")));
    assert_eq!(now.profile.job_title.as_deref(), Some("Buyer"));

    let long = "x".repeat(201);
    for (name, wrong) in [("given_name", ""), ("family_name", long.as_str()), ("phone", "1\u{7}2")] {
        let answer = robot.submit(&form_to(&page, "/account"), &[(name, wrong)]).await;
        assert_eq!((answer.status, answer.text.contains("aria-invalid=\"true\"")), (422, true), "{name}");
    }
    assert_eq!(engine.customer(tenant, ann).await.unwrap().version, now.version);
}

async fn sessions_say_where_and_for_whom_and_end_one_by_one(database: Database) {
    let native = Native::new(database).await;
    let mut shop = native.robot();
    let code = native.code(&mut shop, "web", "le-2").await;
    let tokens = native.redeem("web", &code).await.json();
    let access = tokens["access_token"].as_str().unwrap();
    native.world.server.advance(60);
    let mut robot = logged_in(&native).await;
    // Somebody else's is not shown, and cannot be ended.
    let bob = crate::arrange::customer(native.world.engine(), &native.world.tenant, "bob@a.example").await;
    let (engine, tenant) = (native.world.engine(), &native.world.tenant);
    let bobs = page_login(engine, tenant, None, "bob@a.example", PASSWORD).await.unwrap();
    assert_eq!(bobs.page.customer, bob);

    let page = robot.get(&native.path("account/sessions")).await;
    assert_eq!(page.text.matches("<li>\n      <div class=\"what\">").count(), 2, "{}", page.text);
    for word in ["this device", "The web", "LE-2", "127.0.0.1"] {
        assert!(page.text.contains(word), "{word}: {}", page.text);
    }
    let end = form_to(&page, "/account/sessions");
    let foreign = robot.submit(&end, &[("session", bobs.page.session.as_str()), ("action", "end")]).await;
    assert_eq!(foreign.status, 404);
    assert!(engine.page_session(tenant, &bobs.cookie).await.unwrap().is_some());

    assert_eq!(native.userinfo(access).await.status, 200);
    let ended = robot.submit(&end, &[("action", "end")]).await;
    let page = robot.follow(ended).await;
    assert!(page.text.contains("The session is over."), "{}", page.text);
    assert_eq!(native.userinfo(access).await.status, 401);
    assert!(!is_in(&native, &mut shop).await && is_in(&native, &mut robot).await);
    // Twice is fine, and there is nothing left to end.
    assert_eq!(robot.submit(&end, &[("action", "end")]).await.status, 303);
    assert!(!page.text.contains("end_others"));
}

async fn a_company_is_chosen_for_this_browser_and_the_next_login_begins_with_it(database: Database) {
    let native = Native::new(database).await;
    let mut robot = logged_in(&native).await;
    let mut other = logged_in(&native).await;
    let page = robot.get(&native.path("account/companies")).await;
    let switch = form_to(&page, "/account/companies");
    let nothing = robot.submit(&switch, &[("action", "switch")]).await;
    assert!(nothing.status == 422 && nothing.text.contains("Please choose one."), "{}", nothing.text);
    let chosen = |page: &Answer| page.text.contains("value=\"le-2\" required checked");
    assert!(!chosen(&page));
    for foreign in ["le-3", "no-such", "%00"] {
        let answer = robot.submit(&switch, &[("legal_entity_id", foreign), ("action", "switch")]).await;
        assert_eq!(answer.status, 422, "{foreign}");
    }
    let answer = robot.submit(&switch, &[("legal_entity_id", "le-2"), ("action", "switch")]).await;
    let page = robot.follow(answer).await;
    assert!(chosen(&page) && page.text.contains("<strong><bdi>LE-2</bdi></strong>"), "{}", page.text);
    let elsewhere = other.get(&native.path("account/companies")).await;
    assert!(!chosen(&elsewhere), "another browser keeps its own");
    // The chooser of an application begins with it, and so does this browser after another login.
    let answer = robot.get(&native.authorize("web", "")).await;
    let chooser = robot.follow(answer).await;
    assert!(chosen(&chooser), "{}", chooser.text);
    native.world.server.advance(1);
    native.log_in(&mut robot, &native.authorize("web", "&prompt=login"), "le-1").await;
    let page = robot.get(&native.path("account")).await;
    assert!(page.text.contains("<strong><bdi>LE-1</bdi></strong>"), "the last choice counts: {}", page.text);
    // Who may not act for it any more is themselves.
    let (engine, tenant) = (native.world.engine(), &native.world.tenant);
    let gone = &native.world.assignments[0];
    engine.unassign(tenant, gone, &Actor::System, &origin()).await.unwrap();
    let page = robot.get(&native.path("account")).await;
    assert!(page.text.contains("<strong>yourself</strong>"), "{}", page.text);
    // And back to oneself.
    let page = other.get(&native.path("account/companies")).await;
    let answer = other.submit(&form_to(&page, "/account/companies"), &[("legal_entity_id", "")]).await;
    assert_eq!(answer.status, 303);
}

async fn pages_speak_the_language_that_was_chosen(database: Database) {
    let native = Native::new(database).await;
    let mut robot = native.robot();
    let answer = robot.get(&native.authorize("web", "&ui_locales=it%20fr&login_hint=ann%40a.example")).await;
    let page = robot.follow(answer).await;
    assert!(page.text.contains("<html lang=\"fr\">") && page.text.contains("value=\"ann@a.example\""), "{}", page.text);
    // The footer's link leads to the same page, and what was chosen holds from then on.
    let link = page.text.split("href=\"").find(|rest| rest.contains("ui_locales=de")).unwrap();
    let link = link.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    let page = robot.get(&link).await;
    assert!(page.text.contains("<html lang=\"de\">") && page.text.contains("name=\"flow\""), "{}", page.text);
    let page = robot.submit(&form(&page), &[("username", "ann@a.example")]).await;
    assert!(page.text.contains("<html lang=\"de\">"), "{}", page.text);
    // A browser that says nothing sees the tenant's language; one that does, its own.
    let (engine, tenant) = (native.world.engine(), &native.world.tenant);
    let mut site = engine.sites(tenant).await.unwrap().remove(0);
    "de_DE".clone_into(&mut site.language);
    engine.put_site(tenant, &site, &Actor::System, &origin()).await.unwrap();
    let path = native.path("login");
    assert!(native.robot().get(&path).await.text.contains("<html lang=\"de\">"));
    let french = native.robot().get_with(&path, ("accept-language", "fr-CA, en;q=0.5")).await;
    assert!(french.text.contains("<html lang=\"fr\">"));
}

async fn what_is_no_page_is_told_so_in_the_looks_of_the_shop(database: Database) {
    let native = Native::new(database).await;
    let mut robot = native.robot();
    for path in ["/t/acme/no-such", "/t/acme/account/no/such", "/t/acme/sign-up", "/t/no-such/account", "/t/%00/login"]
    {
        let page = robot.get(path).await;
        assert_eq!(page.status, 404, "{path}");
        assert!(page.text.contains("<h1>This page does not exist</h1>"), "{path}: {}", page.text);
    }
    let start = robot.get("/t/acme").await;
    assert_eq!(location(&start).as_deref(), Some("/t/acme/account"));
    let answer = robot.get("/t/acme/login/password").await;
    assert_eq!(location(&answer).as_deref(), Some("/t/acme/login"));
}

async fn pages_wear_the_colors_of_the_tenant(database: Database) {
    let native = Native::new(database).await;
    let mut settings = native.world.tenant.settings.clone();
    "#7a1f5c".clone_into(&mut settings.pages.accent);
    "/assets/acme.svg".clone_into(&mut settings.pages.logo);
    let (engine, tenant, from) = (native.world.engine(), &native.world.tenant, origin());
    engine.update_tenant(tenant, "acme", true, &settings, None, &Actor::System, &from).await.unwrap();
    let mut robot = native.robot();
    let page = robot.get("/t/acme/login").await;
    assert!(page.text.contains("<img src=\"/assets/acme.svg\" alt=\"acme\""), "{}", page.text);
    let sheet = page.text.split("href=\"").find(|rest| rest.starts_with("/t/acme/theme/")).unwrap();
    let sheet = robot.get(sheet.split('"').next().unwrap()).await;
    assert_eq!((sheet.status, sheet.headers["content-type"].to_str().unwrap()), (200, "text/css; charset=utf-8"));
    assert!(
        sheet.text.contains("--accent:#7a1f5c")
            && sheet.headers["cache-control"].to_str().unwrap().contains("immutable")
    );
}
