//! Passkeys in a real browser with a virtual authenticator, and what is refused to whoever has none.

use super::logged_in;
use crate::{
    arrange::{PASSWORD, World, client_id, on_both_databases, origin, page_login},
    oauth::{
        Native,
        robot::{form, form_to, location},
    },
    webdriver::Chromium,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use prokura_domain::RefreshPolicy;
use prokura_engine::{Actor, AuditFilter, AuthorizationRequest, Progress, Weight};
use prokura_testkit::{Database, Options, TestServer};
use serde_json::json;

on_both_databases!(
    people_log_in_by_a_passkey_and_a_copied_one_is_refused,
    s95_a_ceremony_ends_once_and_in_its_own_browser,
    s102_what_a_login_by_passkey_begins_with_is_the_same_for_everybody,
);

async fn enter(browser: &Chromium, base: &str) {
    browser.open(&format!("{base}/login")).await;
    browser.fill("#username", "ann@a.example").await;
    browser.click("button[value=continue]").await;
    browser.fill("#password", PASSWORD).await;
    browser.click("button[value=log_in]").await;
    browser.wait_for("Telephone").await;
}

async fn leave(browser: &Chromium) {
    browser.click("button[value=log_out]").await;
    browser.wait_for("logged out").await;
}

async fn by_passkey(browser: &Chromium, base: &str) {
    browser.open(&format!("{base}/login")).await;
    browser.click("form.passkey button").await;
}

async fn people_log_in_by_a_passkey_and_a_copied_one_is_refused(database: Database) {
    let options = Options { database, is_own_issuer: true, own_host: "localhost", ..Options::default() };
    let world = World::on(TestServer::start_with(options).await, RefreshPolicy::Family).await;
    let base = format!("{}/t/acme", world.engine().public_url());
    let browser = Chromium::start().await;
    let authenticator = browser.authenticator().await;

    enter(&browser, &base).await;
    browser.open(&format!("{base}/account/passkeys")).await;
    browser.fill("#name", "The laptop").await;
    browser.click("button[value=add]").await;
    browser.wait_for("The passkey is added.").await;
    browser.wait_for("The laptop").await;
    let made = browser.passkeys(&authenticator).await;
    assert_eq!(made.len(), 1);
    let handle = URL_SAFE_NO_PAD.decode(made[0]["userHandle"].as_str().unwrap()).unwrap();
    assert_eq!(handle.len(), 16);
    let text = String::from_utf8_lossy(&handle).into_owned();
    assert!(!text.contains(world.ann.as_str()) && !text.contains("ann"), "a handle says nothing of who it is");

    // Who could be surer than by a password is asked to be, where a client wants it.
    let (engine, tenant, from) = (world.engine(), &world.tenant, origin());
    let wanted = AuthorizationRequest { multi_factor: Some(Weight::Essential), ..AuthorizationRequest::default() };
    let secret = crate::arrange::secret("a browser");
    let flow = engine.begin_authorization(tenant, &client_id("sf"), &wanted, &secret).await.unwrap();
    let login = page_login(engine, tenant, None, "ann@a.example", PASSWORD).await.unwrap();
    let next = engine.continue_authorization(tenant, &flow, &secret, Some(&login.cookie), &from).await.unwrap();
    assert!(matches!(next, Progress::StepUp), "{next:?}");

    // The browser offers it beside the address; this authenticator's owner always says yes to that.
    leave(&browser).await;
    browser.open(&format!("{base}/login")).await;
    browser.wait_for("Telephone").await;
    browser.before_pages("PublicKeyCredential.isConditionalMediationAvailable = async () => false").await;
    leave(&browser).await;
    by_passkey(&browser, &base).await;
    browser.wait_for("Telephone").await;
    let filter = AuditFilter { verb: Some("customer.log_in_to_pages".to_owned()), ..AuditFilter::default() };
    let trail = world.engine().audit_trail(&world.tenant.id, &filter, "", 9).await.unwrap();
    assert_eq!(trail.iter().filter(|event| event.detail_json.contains("pop user mfa")).count(), 2, "{trail:?}");
    browser.open(&format!("{base}/account/security")).await;
    browser.wait_for("last used on").await;

    // Who copied it has an older counter.
    leave(&browser).await;
    let mut copy = browser.passkeys(&authenticator).await.remove(0);
    copy["signCount"] = json!(0);
    browser.forget_passkeys(&authenticator).await;
    browser.put_passkey(&authenticator, &copy).await;
    by_passkey(&browser, &base).await;
    browser.wait_for("That did not work with the passkey.").await;
    assert_eq!(browser.run("return document.querySelector('#username').value").await, "", "nobody is named");

    // Taken away, it is as good as none.
    enter(&browser, &base).await;
    browser.open(&format!("{base}/account/security")).await;
    browser.click("#passkeys ~ ul summary").await;
    browser.click("button[value=remove]").await;
    browser.wait_for("The passkey is removed.").await;
    let mails = world.server.mails().await;
    let mut subjects: Vec<_> =
        mails.iter().filter_map(|mail| mail.lines().find(|line| line.starts_with("Subject"))).collect();
    subjects.sort_unstable();
    assert_eq!(subjects, ["Subject: A passkey was added", "Subject: A passkey was removed"]);
    leave(&browser).await;
    by_passkey(&browser, &base).await;
    browser.wait_for("That did not work with the passkey.").await;
    browser.stop().await;
}

async fn s95_a_ceremony_ends_once_and_in_its_own_browser(database: Database) {
    let native = Native::new(database).await;
    let mut robot = logged_in(&native).await;
    let page = robot.get(&native.path("account/passkeys")).await;
    assert!(page.text.contains("Passkeys need JavaScript"), "{}", page.text);
    let add = form_to(&page, "/account/passkeys");
    let without = robot.submit(&add, &[("name", "Laptop"), ("action", "add")]).await;
    assert!(without.status == 422 && without.text.contains("That did not work with the passkey."), "{}", without.text);
    let begun = robot.post(&native.path("account/passkeys/options"), &add.fields).await.json();
    let ceremony = begun["ceremony"].as_str().unwrap();
    assert_eq!(begun["options"]["publicKey"]["user"]["name"], "ann@a.example");
    let fields = [("name", "Laptop"), ("ceremony", ceremony), ("credential", "{}"), ("action", "add")];
    assert_eq!(robot.submit(&add, &fields).await.status, 422);
    // Ten minutes after the login it takes another one.
    native.world.server.advance(601);
    let old = robot.post(&native.path("account/passkeys/options"), &add.fields).await;
    assert_eq!(old.status, 403);
    assert_eq!(old.json()["location"], "/t/acme/login/again?to=%2Faccount%2Fpasskeys");
    let answer = robot.get(&native.path("account/passkeys")).await;
    assert_eq!(location(&answer).as_deref(), Some("/t/acme/login/again?to=%2Faccount%2Fpasskeys"));
    let (engine, tenant, from) = (native.world.engine(), &native.world.tenant, origin());
    let none = engine.remove_factors(tenant, &native.world.ann, &Actor::System, &from).await;
    assert!(none.is_err(), "nothing was kept");
    // Not one of our forms: no ceremony.
    let foreign = robot.post(&native.path("login/passkey/options"), &[]).await;
    assert_eq!(foreign.status, 403);
}

async fn s102_what_a_login_by_passkey_begins_with_is_the_same_for_everybody(database: Database) {
    let native = Native::new(database).await;
    let mut robot = native.robot();
    let page = robot.get(&native.path("login")).await;
    let fields = form(&page).fields;
    let mut begun = robot.post(&native.path("login/passkey/options"), &fields).await.json();
    let mut other = robot.post(&native.path("login/passkey/options"), &fields).await.json();
    for told in [&mut begun, &mut other] {
        assert_eq!(told["options"]["publicKey"]["allowCredentials"], json!([]));
        assert_eq!(told["options"]["publicKey"]["rpId"], "id.prokura.example");
        told["options"]["publicKey"]["challenge"] = json!(null);
    }
    assert_eq!(begun["options"], other["options"]);
    let ceremony = begun["ceremony"].as_str().unwrap();
    let nonsense = "{\"id\":\"AA\",\"rawId\":\"AA\",\"type\":\"public-key\",\"response\":{\"authenticatorData\":\"AA\",\
                    \"clientDataJSON\":\"AA\",\"signature\":\"AA\",\"userHandle\":\"BwcHBwcHBwcHBwcHBwcHBw\"}}";
    let mut answers = Vec::new();
    for credential in [nonsense, "{}", "", nonsense] {
        let fields = [("ceremony", ceremony), ("credential", credential), ("action", "log_in")];
        let answer = robot.submit(&form_to(&page, "/login/passkey"), &fields).await;
        assert_eq!(answer.status, 422, "{credential}");
        answers.push(answer.text.replace(answer.headers["x-request-id"].to_str().unwrap(), ""));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "one answer, whatever is wrong");
}
