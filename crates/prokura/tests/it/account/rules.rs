//! The rules of the account and of the ways back into it, each by its number.

use super::{come_in, is_in, logged_in};
use crate::{
    arrange::{PASSWORD, on_both_databases, origin, page_login, secret},
    oauth::{
        Native,
        robot::{Robot, form, form_to, location},
    },
};
use prokura_domain::Email;
use prokura_engine::{Actor, ChangeEmail, Error, Oneself, Refusal};
use prokura_testkit::{Answer, Database};

const NEW: &str = "battery staple battery";

on_both_databases!(
    s93_another_password_ends_every_other_session,
    s93_a_password_changed_with_a_token_ends_the_cookies_of_others,
    s93_all_other_sessions_end_at_once,
    s94_every_form_is_ours_or_refused_and_looking_changes_nothing,
    s95_a_link_is_good_for_its_own_step_alone,
    s96_a_login_leads_back_to_a_page_of_the_account_and_nowhere_else,
    s97_every_html_route_has_its_headers,
    s99_links_in_mails_lead_to_the_pages_of_the_issuer,
    s101_the_present_password_is_guessed_on_a_budget,
    s102_asking_for_a_mail_or_an_account_tells_nothing,
    s106_a_reset_link_is_used_once_by_its_button_and_ends_sessions,
    an_account_made_on_the_pages_begins_with_its_mail,
    s106_another_address_is_confirmed_by_a_button_within_ten_minutes,
    s106_a_tenant_can_make_a_link_live_longer_where_it_opens_nothing,
    s105_a_password_chosen_on_the_pages_is_long_and_nobodys,
    an_address_counts_as_verified_once_a_link_to_it_was_followed,
);

/// The address in the newest mail with a one-time link, below the host.
async fn mailed_path(native: &Native) -> String {
    let mails = native.world.server.mails().await;
    let decoded = |mail: &String| mail.replace("=\n", "").replace("=3D", "=");
    let mail = mails.iter().rev().map(decoded).find(|mail| mail.contains("token=pkr_lt_")).expect("a mail with a link");
    let begin = mail.find("https://id.prokura.example").unwrap_or_else(|| panic!("no link in {mail}"));
    let link = mail[begin..].split_whitespace().next().unwrap();
    // Mails are told apart by the second they were sent in.
    native.world.server.advance(1);
    link.strip_prefix("https://id.prokura.example").unwrap().to_owned()
}

async fn forget(native: &Native, robot: &mut Robot<'_>, username: &str) -> Answer {
    let page = robot.get(&native.path("password/forgotten")).await;
    robot.submit(&form_to(&page, "/password/forgotten"), &[("username", username), ("action", "send")]).await
}

async fn change(native: &Native, robot: &mut Robot<'_>, present: &str, new: &str) -> Answer {
    let page = robot.get(&native.path("account/password")).await;
    let fields = [("password", present), ("new_password", new), ("action", "change")];
    robot.submit(&form_to(&page, "/account/password"), &fields).await
}

/// A tenant where anybody may make an account.
async fn open(database: Database) -> Native {
    let mut native = Native::new(database).await;
    let mut settings = native.world.tenant.settings.clone();
    settings.sign_up.is_open = true;
    let (tenant, from) = (&native.world.tenant, origin());
    let changed =
        native.world.engine().update_tenant(tenant, "acme", true, &settings, None, &Actor::System, &from).await;
    native.world.tenant = changed.unwrap();
    native
}

async fn sign_up(native: &Native, robot: &mut Robot<'_>, username: &str) -> Answer {
    let page = robot.get(&native.path("sign-up")).await;
    let fields = [("username", username), ("given_name", "Eve"), ("family_name", "Adams"), ("password", NEW)];
    robot.submit(&form_to(&page, "/sign-up"), &fields).await
}

/// A page without what differs between two requests for it.
fn alike(answer: &Answer, more: &[&str]) -> (u16, String) {
    let mut text = answer.text.clone();
    let code = answer.headers["x-request-id"].to_str().unwrap();
    let csrf = text.split("name=\"csrf\" value=\"").nth(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    for own in more.iter().copied().chain([code]).chain(csrf.as_deref()) {
        text = text.replace(own, "…");
    }
    (answer.status, text)
}

async fn s93_another_password_ends_every_other_session(database: Database) {
    let native = Native::new(database).await;
    let mut shop = native.robot();
    let code = native.code(&mut shop, "web", "le-1").await;
    let tokens = native.redeem("web", &code).await.json();
    let mut robot = logged_in(&native).await;

    let short = change(&native, &mut robot, PASSWORD, "short").await;
    assert!(short.status == 422 && short.text.contains("at least 15 characters"), "{}", short.text);
    let same = change(&native, &mut robot, PASSWORD, PASSWORD).await;
    assert!(same.status == 422 && same.text.contains("This is your present password"), "{}", same.text);
    let wrong = change(&native, &mut robot, "wrong wrong", NEW).await;
    assert!(wrong.status == 422 && wrong.text.contains("That is not your present password"), "{}", wrong.text);
    assert!(is_in(&native, &mut shop).await, "nothing was changed yet");

    let changed = change(&native, &mut robot, PASSWORD, NEW).await;
    assert_eq!(location(&changed).as_deref(), Some("/t/acme/account/security?done=password-changed"));
    let page = robot.follow(changed).await;
    assert!(
        page.text.contains("Your password is changed.") && page.text.contains("Set up an authenticator app"),
        "{}",
        page.text
    );
    assert!(page.text.contains("/account/passkeys"), "{}", page.text);
    assert!(is_in(&native, &mut robot).await && !is_in(&native, &mut shop).await);
    assert_eq!(native.userinfo(tokens["access_token"].as_str().unwrap()).await.status, 401);
    let refused = native.refresh("web", tokens["refresh_token"].as_str().unwrap(), &[]).await;
    assert_eq!(refused.json()["error"].as_str(), Some("invalid_grant"));
    assert_eq!(come_in(&native, &mut shop, "account", PASSWORD).await.status, 422);
    assert_eq!(come_in(&native, &mut shop, "account", NEW).await.status, 200);
}

async fn s93_a_password_changed_with_a_token_ends_the_cookies_of_others(database: Database) {
    let native = Native::new(database).await;
    let mut robot = logged_in(&native).await;
    let token = native.world.log_in(PASSWORD).await.unwrap().granted;
    let (engine, tenant) = (native.world.engine(), &native.world.tenant);
    let oneself = Oneself::of(&token.token).unwrap();
    engine.change_password(tenant, oneself, &secret(PASSWORD), &secret(NEW), &origin()).await.unwrap();
    assert!(!is_in(&native, &mut robot).await);
    let refresh = token.refresh.expect("a refresh token").token;
    assert!(native.world.refresh(&refresh, Some("le-1")).await.is_ok(), "who asked stays");
}

async fn s93_all_other_sessions_end_at_once(database: Database) {
    let native = Native::new(database).await;
    let mut shop = native.robot();
    let code = native.code(&mut shop, "web", "le-1").await;
    let tokens = native.redeem("web", &code).await.json();
    let (mut robot, mut other) = (logged_in(&native).await, logged_in(&native).await);
    let page = robot.get(&native.path("account/sessions")).await;
    let ended = robot.submit(&form_to(&page, "/account/sessions"), &[("action", "end_others")]).await;
    let page = robot.follow(ended).await;
    assert!(page.text.contains("All other sessions are over.") && !page.text.contains("end_others"), "{}", page.text);
    assert!(!is_in(&native, &mut shop).await && !is_in(&native, &mut other).await);
    assert_eq!(native.userinfo(tokens["access_token"].as_str().unwrap()).await.status, 401);
}

async fn s94_every_form_is_ours_or_refused_and_looking_changes_nothing(database: Database) {
    let native = open(database).await;
    let mut robot = logged_in(&native).await;
    let page = robot.get(&native.path("account")).await;
    let csrf = form_to(&page, "/account").fields.into_iter().find(|(name, _)| name == "csrf").unwrap().1;
    let paths = [
        "login",
        "login/password",
        "account",
        "account/password",
        "account/email",
        "account/totp",
        "account/recovery-codes",
        "login/code",
        "login/passkey",
        "login/passkey/options",
        "account/passkeys",
        "account/passkeys/options",
        "account/sessions",
        "account/companies",
        "password/forgotten",
        "password/reset",
        "sign-up",
        "sign-up/confirm",
        "email/confirm",
        "logout",
    ];
    let fields = |csrf: &str| {
        let more = [
            ("action", "end_others"),
            ("given_name", "Eve"),
            ("family_name", "Evil"),
            ("password", PASSWORD),
            ("new_password", NEW),
            ("legal_entity_id", "le-1"),
            ("username", "ann@a.example"),
            ("csrf", csrf),
        ];
        more.map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let mut stranger = native.robot();
    stranger.get(&native.path("login")).await;
    let mut without_cookies = native.robot();
    for path in paths.map(|path| native.path(path)) {
        let action = if path.ends_with("logout") { "log_out" } else { "end_others" };
        let with = |csrf: &str| {
            fields(csrf).map(|(name, value)| if name == "action" { (name, action.to_owned()) } else { (name, value) })
        };
        assert_eq!(robot.post(&path, &with("")).await.status, 403, "{path}: no token");
        assert_eq!(robot.post(&path, &with("wrong")).await.status, 403, "{path}: a wrong token");
        assert_eq!(stranger.post(&path, &with(&csrf)).await.status, 403, "{path}: another browser's token");
        assert_eq!(without_cookies.post(&path, &with(&csrf)).await.status, 403, "{path}: no cookies");
        for header in [("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
            assert_eq!(robot.post_with(&path, &with(&csrf), header).await.status, 403, "{path}: {header:?}");
        }
        let query: Vec<String> = with(&csrf).iter().map(|(name, value)| format!("{name}={value}")).collect();
        robot.get(&format!("{path}?{}", query.join("&").replace(' ', "+"))).await;
    }
    assert!(is_in(&native, &mut robot).await);
    let (engine, tenant) = (native.world.engine(), &native.world.tenant);
    assert_eq!(engine.customer(tenant, &native.world.ann).await.unwrap().profile.given_name, "");
    assert!(native.world.log_in(PASSWORD).await.is_ok());
    assert!(native.world.server.mails().await.is_empty());
}

async fn s95_a_link_is_good_for_its_own_step_alone(database: Database) {
    let native = Native::new(database).await;
    let mut robot = native.robot();
    forget(&native, &mut robot, "ann@a.example").await;
    let link = mailed_path(&native).await;
    let token = link.split("token=").nth(1).unwrap();
    for other in ["sign-up/confirm", "email/confirm"] {
        assert_eq!(robot.get(&native.path(&format!("{other}?token={token}"))).await.status, 410, "{other}");
        let page = robot.get(&link).await;
        let mut form = form_to(&page, "/password/reset");
        form.action = native.path(other);
        assert_eq!(robot.submit(&form, &[]).await.status, 410, "{other}");
    }
    // The form of a reset counts in the browser that saw it only.
    let page = robot.get(&link).await;
    let mut other = logged_in(&native).await;
    let answer = other.submit(&form_to(&page, "/password/reset"), &[("new_password", NEW)]).await;
    assert_eq!(answer.status, 403);
    // A login that is over elsewhere leads nobody anywhere.
    assert_eq!(other.get(&native.path("login?flow=no-such")).await.status, 400);
    assert_eq!(other.get(&native.path("password/forgotten?flow=no-such")).await.status, 200);
}

async fn s96_a_login_leads_back_to_a_page_of_the_account_and_nowhere_else(database: Database) {
    let native = Native::new(database).await;
    for path in ["account", "account/sessions", "account/companies", "account/security", "account/password"] {
        let mut robot = native.robot();
        let to_login = robot.get(&native.path(path)).await;
        assert_eq!(to_login.status, 303, "{path}");
        assert!(location(&to_login).unwrap().starts_with("/t/acme/login?to="), "{path}");
        come_in(&native, &mut robot, path, PASSWORD).await;
        let again = robot.get(&location(&to_login).unwrap()).await;
        assert_eq!(location(&again), Some(native.path(path)), "who is logged in goes on at once");
    }
    for evil in [
        "//evil",
        "/\\evil",
        "https:evil",
        "/%09/evil",
        "javascript:alert(1)",
        "https://app.example@evil",
        "/account/../../../evil",
        "/account//evil",
        "/authorize",
        "https://id.prokura.example/t/acme/account",
    ] {
        let mut robot = native.robot();
        let to: Vec<String> = evil.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let to = to.concat();
        let page = robot.get(&native.path(&format!("login?to={to}"))).await;
        let page = robot.submit(&form(&page), &[("username", "ann@a.example"), ("to", evil)]).await;
        let answer = robot.submit(&form(&page), &[("password", PASSWORD), ("to", evil)]).await;
        assert_eq!(location(&answer).as_deref(), Some("/t/acme/account"), "{evil}");
    }
}

async fn s97_every_html_route_has_its_headers(database: Database) {
    let native = open(database).await;
    let mut out = native.robot();
    forget(&native, &mut out, "ann@a.example").await;
    let reset = mailed_path(&native).await;
    let mut robot = logged_in(&native).await;
    let mut pages = Vec::new();
    for path in [
        "account",
        "account/password",
        "account/security",
        "account/sessions",
        "account/companies",
        "no-such",
        "logout",
        "login?flow=no-such",
        "company?flow=no-such",
        "consent?flow=no-such",
        "email/confirm?token=x",
    ] {
        pages.push((path, robot.get(&native.path(path)).await));
    }
    for path in ["login", "password/forgotten", "sign-up", "sign-up/confirm?token=x", "authorize"] {
        pages.push((path, out.get(&native.path(path)).await));
    }
    pages.push(("reset", out.get(&reset).await));
    pages.push(("unknown tenant", out.get("/t/no-such/account").await));
    pages.push(("chooser", {
        let answer = robot.get(&native.authorize("web", "")).await;
        robot.follow(answer).await
    }));
    pages.push(("forbidden", out.post(&native.path("account"), &[]).await));
    pages.push(("sent", forget(&native, &mut out, "eve@a.example").await));
    for (path, page) in pages {
        assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"), "{path}: {page:?}");
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        let words = ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'"];
        assert!(words.iter().all(|word| policy.contains(word)) && !policy.contains("unsafe"), "{path}: {policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cache-control", "no-store"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(page.headers[name], value, "{path}");
        }
        assert!(page.headers.contains_key("strict-transport-security"), "{path}");
        for word in ["<script>", " onclick", " style=", "http://", "https://"] {
            assert!(!page.text.contains(word), "{path} has {word}: {}", page.text);
        }
    }
}

async fn s99_links_in_mails_lead_to_the_pages_of_the_issuer(database: Database) {
    let native = open(database).await;
    let mut robot = native.robot();
    for (path, beginning) in [
        ("password/forgotten", "/t/acme/password/reset?token=pkr_lt_"),
        ("sign-up", "/t/acme/sign-up/confirm?token=pkr_lt_"),
    ] {
        let page = robot.get(&native.path(path)).await;
        let mut fields = form_to(&page, path).fields;
        let username = if path == "sign-up" { "eve@a.example" } else { "ann@a.example" };
        for (name, value) in
            [("username", username), ("given_name", "Eve"), ("family_name", "Adams"), ("password", NEW)]
        {
            fields.retain(|(known, _)| known != name);
            fields.push((name.to_owned(), value.to_owned()));
        }
        for header in
            [("host", "evil.example"), ("x-forwarded-host", "evil.example"), ("forwarded", "host=evil.example")]
        {
            assert_eq!(robot.post_with(&native.path(path), &fields, header).await.status, 200, "{path} {header:?}");
            let link = mailed_path(&native).await;
            assert!(link.starts_with(beginning), "{path} {header:?}: {link}");
        }
    }
    let mails = native.world.server.mails().await;
    assert!(mails.len() >= 4 && mails.iter().all(|mail| !mail.contains("evil")), "{mails:?}");
}

async fn s101_the_present_password_is_guessed_on_a_budget(database: Database) {
    let native = Native::new(database).await;
    let mut robot = logged_in(&native).await;
    let mut last = 0;
    for guess in 0..20 {
        last = change(&native, &mut robot, &format!("wrong guess {guess}"), NEW).await.status;
    }
    assert_eq!(last, 429);
    assert_eq!(change(&native, &mut robot, PASSWORD, NEW).await.status, 429, "the right one has to wait as well");
    assert!(native.world.log_in(PASSWORD).await.is_ok(), "the login has a budget of its own");
}

async fn s102_asking_for_a_mail_or_an_account_tells_nothing(database: Database) {
    let native = open(database).await;
    let names = ["ann@a.example", "eve@a.example"];
    let (mut forgotten, mut signed_up) = (Vec::new(), Vec::new());
    for name in names {
        let mut robot = native.robot();
        forgotten.push(alike(&forget(&native, &mut robot, name).await, &[name]));
        signed_up.push(alike(&sign_up(&native, &mut robot, name).await, &[name]));
        assert_eq!(robot.cookies.len(), 1);
    }
    assert_eq!(forgotten[0], forgotten[1]);
    assert_eq!(signed_up[0], signed_up[1]);
    assert!(forgotten[0].0 == 200 && signed_up[0].0 == 200);
    // Ann's account is as it was.
    assert!(native.world.log_in(PASSWORD).await.is_ok());
    let not_one = forget(&native, &mut native.robot(), "nobody").await;
    assert_eq!(not_one.status, 422);
}

async fn s106_a_reset_link_is_used_once_by_its_button_and_ends_sessions(database: Database) {
    let native = Native::new(database).await;
    let mut there = logged_in(&native).await;
    let mut robot = native.robot();
    let sent = forget(&native, &mut robot, "ann@a.example").await;
    assert!(sent.status == 200 && sent.text.contains("<h1>Check your mail</h1>"), "{}", sent.text);
    let link = mailed_path(&native).await;
    // Whoever looks through mails does not use it up.
    let mut page = robot.get(&link).await;
    for _ in 0..2 {
        page = robot.get(&link).await;
    }
    let reset = form_to(&page, "/password/reset");
    let short = robot.submit(&reset, &[("new_password", "short")]).await;
    assert_eq!((short.status, short.text.contains("at least 15 characters")), (422, true));
    assert!(is_in(&native, &mut there).await);
    let done = robot.submit(&reset, &[("new_password", NEW), ("action", "set")]).await;
    assert!(done.status == 200 && done.text.contains("<h1>Your password is set</h1>"), "{}", done.text);
    assert!(!is_in(&native, &mut there).await && !is_in(&native, &mut robot).await);
    for again in [robot.submit(&reset, &[("new_password", NEW)]).await, robot.get(&link).await] {
        assert!(again.status == 410 && again.text.contains("This link does not work any more"), "{}", again.text);
    }
    // A link from before a change of the password is over, and so is one that waited too long.
    forget(&native, &mut robot, "ann@a.example").await;
    let before = mailed_path(&native).await;
    come_in(&native, &mut there, "account", NEW).await;
    assert_eq!(change(&native, &mut there, NEW, "another long password").await.status, 303);
    assert_eq!(robot.get(&before).await.status, 410);
    forget(&native, &mut robot, "ann@a.example").await;
    let late = mailed_path(&native).await;
    native.world.server.advance(i64::from(native.world.tenant.settings.lifetimes.reset_link));
    assert_eq!(robot.get(&late).await.status, 410);
    assert_eq!(robot.get(&native.path("password/reset")).await.status, 410, "no token at all");
}

async fn an_account_made_on_the_pages_begins_with_its_mail(database: Database) {
    let native = open(database).await;
    let mut robot = native.robot();
    let page = robot.get(&native.path("sign-up")).await;
    for (name, wrong) in [("username", "nobody"), ("given_name", ""), ("password", "short")] {
        let fields = [("username", "eve@a.example"), ("given_name", "E"), ("family_name", "A"), ("password", NEW)];
        let fields: Vec<_> = fields.into_iter().map(|(n, v)| if n == name { (n, wrong) } else { (n, v) }).collect();
        let answer = robot.submit(&form_to(&page, "/sign-up"), &fields).await;
        assert_eq!((answer.status, answer.text.contains("aria-invalid=\"true\"")), (422, true), "{name}");
    }
    let sent = sign_up(&native, &mut robot, "eve@a.example").await;
    assert!(sent.status == 200 && sent.text.contains("eve@a.example"), "{}", sent.text);
    let link = mailed_path(&native).await;
    let (engine, tenant) = (native.world.engine(), &native.world.tenant);
    let page = robot.get(&link).await;
    assert!(page.status == 200 && page.text.contains("<h1>Confirm your account</h1>"), "{}", page.text);
    assert!(page_login(engine, tenant, None, "eve@a.example", NEW).await.is_err(), "looking confirms nothing");
    // Whose link is over signs up again and gets another one; only the newest counts (S-106).
    native.world.server.advance(599);
    assert_eq!(robot.get(&link).await.status, 410);
    assert_eq!(sign_up(&native, &mut robot, "eve@a.example").await.status, 200);
    let link = mailed_path(&native).await;
    let page = robot.get(&link).await;
    let confirm = form_to(&page, "/sign-up/confirm");
    let confirmed = robot.submit(&confirm, &[("action", "confirm")]).await;
    assert!(confirmed.status == 200 && confirmed.text.contains("You can log in now"), "{}", confirmed.text);
    assert!(page_login(engine, tenant, None, "eve@a.example", NEW).await.is_ok());
    assert_eq!(robot.submit(&confirm, &[]).await.status, 410);
    assert_eq!(robot.get(&link).await.status, 410);
    let mails = native.world.server.mails().await.len();
    sign_up(&native, &mut native.robot(), "eve@a.example").await;
    assert_eq!(native.world.server.mails().await.len(), mails, "who is confirmed gets no mail");
    // The door is on the login page, where it is open.
    let door = native.robot().get(&native.path("login")).await;
    assert!(door.text.contains("/t/acme/sign-up"), "{}", door.text);
}

async fn s106_another_address_is_confirmed_by_a_button_within_ten_minutes(database: Database) {
    let native = Native::new(database).await;
    let login = native.world.log_in(PASSWORD).await.unwrap().granted;
    let (engine, tenant) = (native.world.engine(), &native.world.tenant);
    let [email, new_email] = ["ann@a.example", "ann@b.example"].map(|text| Email::parse(text).unwrap());
    let wish = ChangeEmail { email, password: secret(PASSWORD), new_email, sync_contact: true };
    engine.request_email_change(tenant, Oneself::of(&login.token).unwrap(), &wish, &origin()).await.unwrap();
    let late = mailed_path(&native).await;
    native.world.server.advance(599);
    assert_eq!(native.robot().get(&late).await.status, 410);
    engine.request_email_change(tenant, Oneself::of(&login.token).unwrap(), &wish, &origin()).await.unwrap();
    let link = mailed_path(&native).await;
    assert!(link.starts_with("/t/acme/email/confirm?token="), "{link}");
    let mut robot = native.robot();
    let page = robot.get(&link).await;
    let email_of = async || engine.customer(tenant, &native.world.ann).await.unwrap().email;
    assert_eq!(email_of().await.as_deref(), Some("ann@a.example"));
    let answer = robot.submit(&form_to(&page, "/email/confirm"), &[("action", "confirm")]).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(email_of().await.as_deref(), Some("ann@b.example"));
    assert_eq!(robot.get(&link).await.status, 410);
}

async fn s106_a_tenant_can_make_a_link_live_longer_where_it_opens_nothing(database: Database) {
    let native = open(database).await;
    let (engine, tenant) = (native.world.engine(), &native.world.tenant);
    let with = async |reset: u32, email: u32, sign_up: u32| {
        let mut settings = tenant.settings.clone();
        (settings.lifetimes.reset_link, settings.lifetimes.email_link) = (reset, email);
        settings.lifetimes.sign_up_link = sign_up;
        engine.update_tenant(tenant, &tenant.name, true, &settings, None, &Actor::System, &origin()).await
    };
    for (reset, email, sign_up, field) in [
        (601, 600, 600, "lifetimes.reset_link"),
        (600, 3_601, 600, "lifetimes.email_link"),
        (600, 600, 604_801, "lifetimes.sign_up_link"),
        (29, 600, 600, "lifetimes.reset_link"),
    ] {
        let Err(Error::Refused(Refusal::Invalid(faults))) = with(reset, email, sign_up).await else {
            panic!("{field}")
        };
        assert_eq!(faults[0].field, field);
    }
    with(600, 3_600, 604_800).await.unwrap();
    sign_up(&native, &mut native.robot(), "eve@a.example").await;
    let link = mailed_path(&native).await;
    native.world.server.advance(604_700);
    assert_eq!(native.robot().get(&link).await.status, 200);
    native.world.server.advance(100);
    assert_eq!(native.robot().get(&link).await.status, 410);
}

async fn an_address_counts_as_verified_once_a_link_to_it_was_followed(database: Database) {
    let native = Native::new(database).await;
    let mut robot = logged_in(&native).await;
    let verified = async |robot: &mut Robot<'_>| {
        let code = native.code(robot, "web", "le-1").await;
        let tokens = native.redeem("web", &code).await.json();
        native.userinfo(tokens["access_token"].as_str().unwrap()).await.json()["email_verified"].as_bool()
    };
    assert_eq!(verified(&mut native.robot()).await, Some(false), "the shop made the account");
    let page = robot.get(&native.path("account")).await;
    assert!(page.text.contains("not confirmed") || page.text.contains("not verified"), "{}", page.text);
    let page = robot.get(&native.path("account/email")).await;
    let form = form_to(&page, "/account/email");
    for (new_email, password) in
        [("", PASSWORD), ("nonsense", PASSWORD), ("ann@a.example", PASSWORD), ("ann@b.example", "")]
    {
        let fields = [("new_email", new_email), ("password", password), ("action", "change")];
        assert_eq!(robot.submit(&form, &fields).await.status, 422, "{new_email} {password}");
    }
    let wrong = robot.submit(&form, &[("new_email", "ann@b.example"), ("password", "wrong wrong")]).await;
    assert!(wrong.status == 422 && wrong.text.contains("That is not your present password"), "{}", wrong.text);
    let asked = robot.submit(&form, &[("new_email", "ann@b.example"), ("password", PASSWORD)]).await;
    assert_eq!(location(&asked).as_deref(), Some("/t/acme/account?done=email-asked"));
    let page = robot.follow(asked).await;
    assert!(page.text.contains("on its way") && page.text.contains("ann@a.example"), "{}", page.text);
    let link = mailed_path(&native).await;
    let page = robot.get(&link).await;
    let answer = robot.submit(&form_to(&page, "/email/confirm"), &[("action", "confirm")]).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let customer = native.world.engine().customer(&native.world.tenant, &native.world.ann).await.unwrap();
    assert!(customer.email.as_deref() == Some("ann@b.example") && customer.email_verified_at.is_some());
    // A link to choose a password proves the address as well.
    let engine = native.world.engine();
    let bob = crate::arrange::customer(engine, &native.world.tenant, "bob@a.example").await;
    forget(&native, &mut robot, "bob@a.example").await;
    let link = mailed_path(&native).await;
    let page = robot.get(&link).await;
    robot.submit(&form_to(&page, "/password/reset"), &[("new_password", NEW)]).await;
    assert!(engine.customer(&native.world.tenant, &bob).await.unwrap().email_verified_at.is_some());
}

async fn s105_a_password_chosen_on_the_pages_is_long_and_nobodys(database: Database) {
    let native = Native::new(database).await;
    let mut robot = logged_in(&native).await;
    for (password, reason) in [
        ("fourteen chars", "at least 15 characters"),
        ("passwordpassword", "easy to guess"),
        ("prokura-acme-2026", "without your name"),
        ("ann@a.example-2026!", "without your name"),
    ] {
        let answer = change(&native, &mut robot, PASSWORD, password).await;
        assert!(answer.status == 422 && answer.text.contains("aria-invalid"), "{password}: {}", answer.text);
        let problem = answer.text.split("id=\"new_password-problem\"").nth(1).unwrap().split("</p>").next().unwrap();
        assert!(problem.contains(reason), "{password}: {problem}");
    }
    let emoji: String = (0..64).filter_map(|number| char::from_u32(0x1f600 + number)).collect();
    assert_eq!(change(&native, &mut robot, PASSWORD, &emoji).await.status, 303, "nothing is too long at 64 characters");
    assert_eq!(change(&native, &mut robot, &emoji, "Zu\u{308}rich im Regen").await.status, 303);
    // However the keyboard composes it.
    assert_eq!(come_in(&native, &mut native.robot(), "account", "Z\u{fc}rich im Regen").await.status, 200);
    // With a second factor, fewer characters do; never too common ones.
    super::factors::enrol(&native, &mut robot).await;
    let page = robot.get(&native.path("account/password")).await;
    for (new, status) in [("password1", 422), ("elevenchars", 303)] {
        let fields = [("password", "Z\u{fc}rich im Regen"), ("new_password", new), ("action", "change")];
        assert_eq!(robot.submit(&form_to(&page, "/account/password"), &fields).await.status, status, "{new}");
    }
}
