//! Second factors: set up, asked for, used once, lost and taken away.

use super::{come_in, is_in, logged_in};
use crate::{
    arrange::{PASSWORD, log_in, on_both_databases, origin, page_login},
    oauth::{
        Native,
        robot::{Robot, form, form_to, location},
    },
};
use prokura_credentials::Totp;
use prokura_domain::Email;
use prokura_engine::{Actor, AuditFilter, ChangeEmail, DatabaseConfig, Error, Refusal};
use prokura_testkit::{Answer, Database};

on_both_databases!(
    s101_a_second_factor_is_asked_for_at_the_pages_and_guessed_on_a_budget,
    s106_a_code_is_good_once_and_so_is_a_recovery_code,
    s93_a_second_factor_ends_every_other_session,
    s95_a_login_waits_for_its_code_in_its_own_browser,
    s101_a_password_alone_is_not_enough_at_the_login_of_a_dialect,
    s101_whoever_changes_their_factors_has_just_logged_in,
    s106_a_reset_keeps_the_second_factor,
    a_lost_factor_is_taken_away_by_the_shop,
    the_owner_hears_by_mail_of_every_change_of_how_they_log_in,
);

/// The secret a page shows.
fn secret_of(page: &Answer) -> Totp {
    let text = page.text.split("<code class=\"secret\">").nth(1).unwrap_or_else(|| panic!("{}", page.text));
    totp_of(text.split('<').next().unwrap())
}

/// What an app makes of a secret it is shown (RFC 4648 section 6).
pub(crate) fn totp_of(secret: &str) -> Totp {
    let text = secret.replace(' ', "");
    let (mut bits, mut bytes) = (String::new(), Vec::new());
    for letter in text.bytes() {
        let value = if letter.is_ascii_digit() { letter - b'2' + 26 } else { letter - b'A' };
        bits.extend((0..5).rev().map(|bit| if value >> bit & 1 == 1 { '1' } else { '0' }));
    }
    while bits.len() >= 8 {
        bytes.push(u8::from_str_radix(&bits[..8], 2).unwrap());
        bits.drain(..8);
    }
    Totp::of_bytes(&bytes).unwrap()
}

fn code_now(native: &Native, totp: &Totp) -> String {
    totp.code_at(native.world.engine().now().seconds())
}

/// The recovery codes a page shows.
fn recovery_codes(page: &Answer) -> Vec<String> {
    let list = page.text.split("<ul class=\"recovery\">").nth(1).unwrap_or_else(|| panic!("{}", page.text));
    let list = list.split("</ul>").next().unwrap();
    list.split("<code>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
}

async fn begin(native: &Native, robot: &mut Robot<'_>) -> Answer {
    let page = robot.get(&native.path("account/security")).await;
    let answer = robot.submit(&form_to(&page, "/account/totp"), &[("action", "begin")]).await;
    robot.follow(answer).await
}

/// Sets an app up; the answer shows the recovery codes.
pub(crate) async fn enrol(native: &Native, robot: &mut Robot<'_>) -> (Totp, Answer) {
    let page = begin(native, robot).await;
    let totp = secret_of(&page);
    let code = code_now(native, &totp);
    let answer = robot.submit(&form_to(&page, "/account/totp"), &[("code", &code), ("action", "confirm")]).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    (totp, answer)
}

/// What follows a right password.
async fn after_password(native: &Native, robot: &mut Robot<'_>) -> Answer {
    come_in(native, robot, "account", PASSWORD).await
}

async fn enter(robot: &mut Robot<'_>, page: &Answer, code: &str) -> Answer {
    robot.submit(&form_to(page, "/login/code"), &[("code", code), ("action", "log_in")]).await
}

async fn s101_a_second_factor_is_asked_for_at_the_pages_and_guessed_on_a_budget(database: Database) {
    let native = Native::new(database).await;
    let mut robot = logged_in(&native).await;
    let page = begin(&native, &mut robot).await;
    assert!(page.text.contains("<svg class=\"qr\"") && page.text.contains("Enter the code"), "{}", page.text);
    let mut other = native.robot();
    let before = after_password(&native, &mut other).await;
    assert!(before.text.contains("<h1>Profile</h1>"), "an app that showed no code yet is asked for nothing");
    let wrong = robot.submit(&form_to(&page, "/account/totp"), &[("code", "000000"), ("action", "confirm")]).await;
    assert!(wrong.status == 422 && wrong.text.contains("That code is not right"), "{}", wrong.text);
    let totp = secret_of(&page);
    let code = code_now(&native, &totp);
    let codes = robot.submit(&form_to(&page, "/account/totp"), &[("code", &code), ("action", "confirm")]).await;
    assert!(codes.text.contains("From now on we ask for a code"), "{}", codes.text);
    assert_eq!(recovery_codes(&codes).len(), 10);
    let page = robot.get(&native.path("account/security")).await;
    assert!(page.text.contains("You have 10 recovery codes left"), "{}", page.text);

    native.world.server.advance(30);
    let mut thief = native.robot();
    let mut page = after_password(&native, &mut thief).await;
    assert!(page.text.contains("<h1>Confirm that it is you</h1>"), "{}", page.text);
    assert!(!is_in(&native, &mut thief).await, "the password alone lets nobody in");
    for guess in 0..5 {
        let answer = enter(&mut thief, &page, &format!("{guess:06}")).await;
        assert!(answer.status == 422 && answer.text.contains("aria-invalid"), "{}", answer.text);
        page = answer;
    }
    let over = enter(&mut thief, &page, &code_now(&native, &totp)).await;
    assert_eq!(location(&over).as_deref(), Some("/t/acme/login?to=%2Faccount"), "no sixth try");
    let mut page = after_password(&native, &mut thief).await;
    let mut answer = enter(&mut thief, &page, "999999").await;
    for guess in 0..5 {
        if answer.status == 429 {
            break;
        }
        page = after_password(&native, &mut thief).await;
        answer = enter(&mut thief, &page, &format!("{:06}", 500_000 + guess)).await;
    }
    assert_eq!(answer.status, 429, "{}", answer.text);
    let wait: u32 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(wait > 60, "a code is short, so its budget comes back slower than that of a password: {wait}");
}

async fn s106_a_code_is_good_once_and_so_is_a_recovery_code(database: Database) {
    let native = Native::new(database).await;
    let mut robot = logged_in(&native).await;
    let (totp, page) = enrol(&native, &mut robot).await;
    let codes = recovery_codes(&page);
    let used_to_enrol = code_now(&native, &totp);
    let mut one = native.robot();
    let page = after_password(&native, &mut one).await;
    let answer = enter(&mut one, &page, &used_to_enrol).await;
    assert_eq!(answer.status, 422, "the code that set it up is used");

    native.world.server.advance(30);
    let code = code_now(&native, &totp);
    let answer = enter(&mut one, &page, &code).await;
    assert_eq!(location(&answer).as_deref(), Some("/t/acme/account"));
    assert!(is_in(&native, &mut one).await);
    let mut two = native.robot();
    let page = after_password(&native, &mut two).await;
    assert_eq!(enter(&mut two, &page, &code).await.status, 422, "twice");
    let answer = enter(&mut two, &page, &codes[0].to_uppercase()).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    assert!(is_in(&native, &mut two).await);
    let mut three = native.robot();
    let page = after_password(&native, &mut three).await;
    assert_eq!(enter(&mut three, &page, &codes[0]).await.status, 422, "a recovery code twice");
    let page = two.get(&native.path("account/security")).await;
    assert!(page.text.contains("You have 9 recovery codes left"), "{}", page.text);
    let made = two.submit(&form_to(&page, "/account/recovery-codes"), &[("action", "renew")]).await;
    assert_eq!(recovery_codes(&made).len(), 10);
    let page = after_password(&native, &mut three).await;
    assert_eq!(enter(&mut three, &page, &codes[1]).await.status, 422, "the ones before are void");
    assert_eq!(enter(&mut three, &page, &recovery_codes(&made)[9]).await.status, 303);
}

async fn s93_a_second_factor_ends_every_other_session(database: Database) {
    let native = Native::new(database).await;
    let (mut robot, mut other) = (logged_in(&native).await, logged_in(&native).await);
    let handle = robot.cookies["__Host-prokura-acme"].clone();
    enrol(&native, &mut robot).await;
    assert!(is_in(&native, &mut robot).await && !is_in(&native, &mut other).await);
    assert_ne!(robot.cookies["__Host-prokura-acme"], handle, "a surer session has a secret of its own");
    other.cookies.insert("__Host-prokura-acme".to_owned(), handle);
    assert!(!is_in(&native, &mut other).await);
    // Turning it off ends the others again, and the password alone is enough.
    let page = robot.get(&native.path("account/security")).await;
    let off = robot.submit(&form_to(&page, "/account/totp"), &[("action", "remove")]).await;
    let page = robot.follow(off).await;
    assert!(page.text.contains("We do not ask for a code any more."), "{}", page.text);
    assert!(after_password(&native, &mut other).await.text.contains("<h1>Profile</h1>"));
}

async fn s95_a_login_waits_for_its_code_in_its_own_browser(database: Database) {
    let native = Native::new(database).await;
    let mut robot = logged_in(&native).await;
    let (totp, _) = enrol(&native, &mut robot).await;
    native.world.server.advance(30);
    let mut ann = native.robot();
    let page = after_password(&native, &mut ann).await;
    let mut stranger = native.robot();
    let login = stranger.get(&native.path("login/code")).await;
    assert_eq!(location(&login).as_deref(), Some("/t/acme/login?to=%2Faccount"), "nothing waits here");
    let own = stranger.get(&native.path("login")).await;
    let mut fields = form(&own).fields;
    fields.push(("code".to_owned(), code_now(&native, &totp)));
    let answer = stranger.post(&native.path("login/code"), &fields).await;
    assert_eq!(location(&answer).as_deref(), Some("/t/acme/login?to=%2Faccount"));
    assert!(!is_in(&native, &mut stranger).await);
    // Another password while the login waits, and it is over.
    let (engine, tenant) = (native.world.engine(), &native.world.tenant);
    let new = prokura_engine::NewPassword::Plain(crate::arrange::secret("battery staple battery"));
    engine.set_password(tenant, &native.world.ann, &new, false, None, &Actor::System, &origin()).await.unwrap();
    let answer = enter(&mut ann, &page, &code_now(&native, &totp)).await;
    assert_eq!(location(&answer).as_deref(), Some("/t/acme/login?to=%2Faccount"));
    assert!(!is_in(&native, &mut ann).await);
    // And so it is after ten minutes.
    let page = come_in(&native, &mut ann, "account", "battery staple battery").await;
    native.world.server.advance(601);
    let answer = enter(&mut ann, &page, &code_now(&native, &totp)).await;
    assert_eq!(location(&answer).as_deref(), Some("/t/acme/login?to=%2Faccount"));
}

async fn s101_a_password_alone_is_not_enough_at_the_login_of_a_dialect(database: Database) {
    let mut native = Native::new(database).await;
    let mut robot = logged_in(&native).await;
    enrol(&native, &mut robot).await;
    let refused = native.world.log_in(PASSWORD).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::ProofNeeded))), "{refused:?}");
    let wrong = native.world.log_in("wrong wrong").await;
    assert!(matches!(wrong, Err(Error::Refused(Refusal::InvalidCredentials))), "told only after the password");
    let mut settings = native.world.tenant.settings.clone();
    settings.second_factor_at_api = false;
    let changed = native
        .world
        .engine()
        .update_tenant(&native.world.tenant, "acme", true, &settings, None, &Actor::System, &origin())
        .await;
    native.world.tenant = changed.unwrap();
    let guest = native.world.guest().await;
    let engine = native.world.engine();
    assert!(log_in(engine, &native.world.tenant, guest.standing(), "ann@a.example", PASSWORD).await.is_ok());
}

async fn s101_whoever_changes_their_factors_has_just_logged_in(database: Database) {
    let native = Native::new(database).await;
    let mut robot = logged_in(&native).await;
    native.world.server.advance(601);
    let page = robot.get(&native.path("account/security")).await;
    let answer = robot.submit(&form_to(&page, "/account/totp"), &[("action", "begin")]).await;
    assert_eq!(location(&answer).as_deref(), Some("/t/acme/login/again?to=%2Faccount%2Fsecurity"));
    let page = robot.follow(answer).await;
    assert!(
        page.text.contains("show once more that it is you") && page.text.contains("ann@a.example"),
        "{}",
        page.text
    );
    let handle = robot.cookies["__Host-prokura-acme"].clone();
    let answer = robot.submit(&form_to(&page, "/login/password"), &[("password", PASSWORD)]).await;
    assert_eq!(location(&answer).as_deref(), Some("/t/acme/account/security"));
    assert_ne!(robot.cookies["__Host-prokura-acme"], handle);
    let (totp, _) = enrol(&native, &mut robot).await;
    // With a second factor, the password alone is no proof of it any more, however fresh.
    native.world.server.advance(601);
    for (path, action) in [("/account/totp", "remove"), ("/account/recovery-codes", "renew")] {
        let page = robot.get(&native.path("account/security")).await;
        let answer = robot.submit(&form_to(&page, path), &[("action", action)]).await;
        assert_eq!(location(&answer).as_deref(), Some("/t/acme/login/again?to=%2Faccount%2Fsecurity"), "{path}");
    }
    let page = robot.get(&native.path("login/again?to=%2Faccount%2Fsecurity")).await;
    let answer = robot.submit(&form_to(&page, "/login/password"), &[("password", PASSWORD)]).await;
    assert_eq!(location(&answer).as_deref(), Some("/t/acme/login/code?to=%2Faccount%2Fsecurity"));
    let page = robot.follow(answer).await;
    let answer = enter(&mut robot, &page, &code_now(&native, &totp)).await;
    assert_eq!(location(&answer).as_deref(), Some("/t/acme/account/security"));
    let page = robot.follow(answer).await;
    let off = robot.submit(&form_to(&page, "/account/totp"), &[("action", "remove")]).await;
    assert_eq!(location(&off).as_deref(), Some("/t/acme/account/security?done=totp-off"));
    assert_eq!(
        native.robot().get(&native.path("login/again")).await.status,
        303,
        "nobody is asked again who is not in"
    );
}

async fn s106_a_reset_keeps_the_second_factor(database: Database) {
    let native = Native::new(database).await;
    let mut robot = logged_in(&native).await;
    enrol(&native, &mut robot).await;
    let (engine, tenant) = (native.world.engine(), &native.world.tenant);
    engine.send_password_mail(tenant, &native.world.ann, &Actor::System, &origin()).await.unwrap();
    let token = &native.world.server.mailed_token().await;
    let new = "battery staple battery";
    engine
        .reset_password(tenant, &crate::arrange::secret(token), &crate::arrange::secret(new), &origin())
        .await
        .unwrap();
    let page = come_in(&native, &mut robot, "account", new).await;
    assert!(page.text.contains("<h1>Confirm that it is you</h1>"), "{}", page.text);
}

#[tokio::test]
async fn s140_the_secret_of_an_app_is_sealed() {
    let native = Native::new(Database::Sqlite).await;
    let mut robot = logged_in(&native).await;
    let (totp, page) = enrol(&native, &mut robot).await;
    let DatabaseConfig::Sqlite { path, .. } = native.world.server.database.clone() else { panic!("a file") };
    let mut kept = Vec::new();
    for file in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        kept.extend(std::fs::read(file.unwrap().path()).unwrap_or_default());
    }
    let holds = |what: &[u8]| kept.windows(what.len()).any(|window| window == what);
    assert!(holds(b"totp_factors") && holds(native.world.ann.as_str().as_bytes()), "the right files");
    let code = &recovery_codes(&page)[0];
    for secret in [totp.expose(), totp.base32().as_bytes(), code.as_bytes(), code.replace('-', "").as_bytes()] {
        assert!(!holds(secret));
    }
    let trail = native.world.engine().audit_trail(&native.world.tenant.id, &AuditFilter::default(), "", 200).await;
    let verbs: Vec<_> = trail.unwrap().into_iter().map(|event| event.verb).collect();
    assert!(verbs.contains(&"customer.begin_totp".to_owned()) && verbs.contains(&"customer.add_totp".to_owned()));
}

async fn a_lost_factor_is_taken_away_by_the_shop(database: Database) {
    let native = Native::new(database).await;
    let mut robot = logged_in(&native).await;
    enrol(&native, &mut robot).await;
    let (engine, tenant, ann) = (native.world.engine(), &native.world.tenant, &native.world.ann);
    engine.remove_factors(tenant, ann, &Actor::System, &origin()).await.unwrap();
    assert!(!is_in(&native, &mut robot).await, "every session ends");
    assert!(after_password(&native, &mut robot).await.text.contains("<h1>Profile</h1>"));
    let none = engine.remove_factors(tenant, ann, &Actor::System, &origin()).await;
    assert!(matches!(none, Err(Error::Refused(Refusal::NotFound(_)))), "{none:?}");
}

/// The mails that came since `seen` were looked at, decoded, with their subjects.
async fn mails_since(native: &Native, seen: &mut usize) -> Vec<(String, String)> {
    let mails = native.world.server.mails().await;
    // Mails are told apart by the second they were sent in.
    native.world.server.advance(1);
    let new = mails.iter().skip(std::mem::replace(seen, mails.len()));
    new.map(|text| {
        let mail = mail_parser::MessageParser::default().parse(text.as_bytes()).unwrap();
        let to = mail.to().and_then(|to| to.first()).and_then(|to| to.address()).unwrap();
        assert_eq!(to, "ann@a.example");
        let (plain, html) = (mail.body_text(0).unwrap(), mail.body_html(0).unwrap());
        let link = "https://id.prokura.example/t/acme/account/security";
        assert!(plain.contains(link) && html.contains(&format!("href=\"{link}\"")), "{plain}");
        assert!(!plain.contains("pkr_") && !plain.contains("token="), "it opens nothing: {plain}");
        (mail.subject().unwrap().to_owned(), plain.into_owned())
    })
    .collect()
}

async fn the_owner_hears_by_mail_of_every_change_of_how_they_log_in(database: Database) {
    let native = Native::new(database).await;
    let (engine, tenant, ann) = (native.world.engine(), &native.world.tenant, &native.world.ann);
    let mut robot = logged_in(&native).await;
    let mut seen = 0;
    let subjects = async |seen: &mut usize| {
        let mails = mails_since(&native, seen).await;
        mails.into_iter().map(|(subject, _)| subject).collect::<Vec<_>>()
    };
    // What only begins, or fails, changes nothing.
    let page = begin(&native, &mut robot).await;
    robot.submit(&form_to(&page, "/account/totp"), &[("code", "000000"), ("action", "confirm")]).await;
    assert!(subjects(&mut seen).await.is_empty());
    let code = code_now(&native, &secret_of(&page));
    let codes = robot.submit(&form_to(&page, "/account/totp"), &[("code", &code), ("action", "confirm")]).await;
    let mails = mails_since(&native, &mut seen).await;
    assert_eq!((mails.len(), &*mails[0].0), (1, "An authenticator app was added"));
    assert!(recovery_codes(&codes).iter().all(|code| !mails[0].1.contains(code)), "{}", mails[0].1);
    let page = robot.get(&native.path("account/security")).await;
    robot.submit(&form_to(&page, "/account/recovery-codes"), &[("action", "renew")]).await;
    assert_eq!(subjects(&mut seen).await, ["New recovery codes were made"]);
    robot.submit(&form_to(&page, "/account/totp"), &[("action", "remove")]).await;
    assert_eq!(subjects(&mut seen).await, ["The authenticator app was removed"]);
    // By the shop, in the owner's language.
    enrol(&native, &mut robot).await;
    subjects(&mut seen).await;
    let mut profile = engine.customer(tenant, ann).await.unwrap().profile;
    profile.language = Some("de_AT".to_owned());
    engine.update_profile(tenant, ann, &profile, None, &Actor::System, &origin()).await.unwrap();
    engine.remove_factors(tenant, ann, &Actor::System, &origin()).await.unwrap();
    assert!(engine.remove_factors(tenant, ann, &Actor::System, &origin()).await.is_err());
    assert_eq!(subjects(&mut seen).await, ["Ihre zweiten Faktoren wurden entfernt"]);
    // Passwords: changed, reset, set; and no mail for one that is wrong.
    let mut robot = logged_in(&native).await;
    let change = async |robot: &mut Robot<'_>, present: &str| {
        let page = robot.get(&native.path("account/password")).await;
        let fields = [("password", present), ("new_password", "battery staple battery"), ("action", "change")];
        robot.submit(&form_to(&page, "/account/password"), &fields).await.status
    };
    assert_eq!(change(&mut robot, "a wrong horse").await, 422);
    assert!(subjects(&mut seen).await.is_empty());
    assert_eq!(change(&mut robot, PASSWORD).await, 303);
    assert_eq!(subjects(&mut seen).await, ["Ihr Passwort wurde geändert"]);
    engine.send_password_mail(tenant, ann, &Actor::System, &origin()).await.unwrap();
    let link = crate::arrange::secret(&native.world.server.mailed_token().await);
    seen += 1;
    native.world.server.advance(1);
    engine.reset_password(tenant, &link, &crate::arrange::secret(PASSWORD), &origin()).await.unwrap();
    assert_eq!(subjects(&mut seen).await, ["Ihr Passwort wurde geändert"]);
    let new = prokura_engine::NewPassword::Plain(crate::arrange::secret("battery staple battery"));
    engine.set_password(tenant, ann, &new, false, None, &Actor::System, &origin()).await.unwrap();
    assert_eq!(subjects(&mut seen).await, ["Ihr Passwort wurde geändert"]);
    // Another address: told at the one before, whatever the new one is.
    let login = page_login(engine, tenant, None, "ann@a.example", "battery staple battery").await.unwrap();
    let [email, new_email] = ["ann@a.example", "ann@b.example"].map(|text| Email::parse(text).unwrap());
    let password = crate::arrange::secret("battery staple battery");
    let wish = ChangeEmail { email, password, new_email, sync_contact: true };
    engine.request_email_change(tenant, login.page.oneself(), &wish, &origin()).await.unwrap();
    let link = crate::arrange::secret(&native.world.server.mailed_token().await);
    seen += 1;
    native.world.server.advance(1);
    engine.confirm_email_change(tenant, &link, &origin()).await.unwrap();
    assert_eq!(subjects(&mut seen).await, ["Ihre E-Mail-Adresse wurde geändert"]);
}
