//! What every page keeps to: well-formed in every language, nothing that runs, forms with their tokens, fields with their
//! labels, and names of fields and buttons that others rely on.

use super::language::Language;
use super::texts::{Texts, source};
use super::view::{self, Chrome, FormTarget, Message, Page, render};
use super::{assets, theme::Theme};
use axum::Router;
use axum::body::Body;
use fluent_bundle::FluentResource;
use http::{Request, StatusCode};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tower::ServiceExt as _;

mod browser;
#[path = "../../examples/pages/samples.rs"]
mod samples;

fn chrome(language: Language) -> Chrome {
    Chrome {
        tenant_name: "Acme & Söhne".to_owned(),
        language,
        base: "/t/acme".to_owned(),
        support_code: "request-1".to_owned(),
        csrf: "csrf-1".to_owned(),
        flow: Some("flow 1".to_owned()),
        here: Some("/t/acme/login?flow=flow%201".to_owned()),
        ..Chrome::default()
    }
}

/// Every page in every language, with its name.
fn rendered() -> Vec<(String, Language, String)> {
    let mut pages = Vec::new();
    for language in Language::ALL {
        for (name, page) in samples::all() {
            // A missing text or argument panics in here.
            pages.push((name, language, page.html(&chrome(language)).unwrap()));
        }
    }
    pages
}

/// The tags of a page in order, as name and attributes.
fn tags(html: &str) -> Vec<(String, String)> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some(begin) = rest.find('<') {
        rest = &rest[begin + 1..];
        let end = rest.find('>').expect("every tag ends");
        let (name, attributes) = rest[..end].split_once(char::is_whitespace).unwrap_or((&rest[..end], ""));
        assert!(!attributes.contains('<'), "a tag inside of a tag: {attributes}");
        tags.push((name.to_owned(), attributes.to_owned()));
        rest = &rest[end + 1..];
    }
    tags
}

fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = format!(" {attributes}").find(&format!(" {name}=\"")).map(|at| attributes.split_at(at))?;
    rest.split('"').nth(1)
}

#[test]
fn every_page_is_well_nested_in_every_language() {
    const VOID: &[&str] = &["!doctype", "meta", "link", "input", "img", "br"];
    for (name, language, html) in rendered() {
        let mut open: Vec<String> = Vec::new();
        for (tag, attributes) in tags(&html) {
            if let Some(closed) = tag.strip_prefix('/') {
                assert_eq!(open.pop().as_deref(), Some(closed), "{name} in {language:?}");
            } else if !VOID.contains(&tag.as_str()) && !attributes.ends_with('/') {
                open.push(tag);
            }
        }
        assert!(open.is_empty(), "{name}: {open:?}");
        assert!(html.contains(&format!("<html lang=\"{}\">", language.tag())), "{name}");
        assert!(html.contains("<h1>") && html.matches("<h1").count() == 1, "{name}");
        assert!(html.contains("request-1"), "{name} has no support code");
    }
}

#[test]
fn s97_no_page_has_a_script_or_a_style_of_its_own_or_anything_from_elsewhere() {
    for (name, _, html) in rendered() {
        for (tag, attributes) in tags(&html) {
            assert!(!matches!(tag.as_str(), "style" | "iframe" | "base"), "{name}: <{tag}>");
            assert!(attribute(&attributes, "style").is_none(), "{name}: {attributes}");
            assert!(!attributes.contains(" on"), "{name}: {attributes}");
            if matches!(tag.as_str(), "link" | "img" | "form" | "script") {
                let target = ["href", "src", "action"].iter().find_map(|name| attribute(&attributes, name)).unwrap();
                assert!(target.starts_with('/'), "{name}: {target}");
            }
        }
        for script in html.split("<script").skip(1) {
            assert_eq!(script.split_once('>').unwrap().1.find("</script>"), Some(0), "{name} has a script of its own");
        }
    }
}

#[test]
fn s94_every_form_that_posts_carries_its_token_and_the_running_login() {
    for (name, _, html) in rendered() {
        for form in html.split("<form").skip(1).map(|rest| rest.split("</form>").next().unwrap()) {
            if form.contains("method=\"post\"") {
                assert!(form.contains("name=\"csrf\" value=\"csrf-1\""), "{name}");
                assert!(form.contains("name=\"flow\" value=\"flow 1\""), "{name}");
                assert!(form.contains("<button"), "{name} cannot be sent");
            }
        }
    }
}

#[test]
fn every_field_has_a_label_and_every_id_is_there_once() {
    for (name, _, html) in rendered() {
        let tags = tags(&html);
        let values = |wanted: &str| -> Vec<String> {
            tags.iter().filter_map(|(_, attributes)| attribute(attributes, wanted).map(ToOwned::to_owned)).collect()
        };
        let ids = values("id");
        let unique: BTreeSet<&String> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "{name}: {ids:?}");
        for wanted in ["for", "aria-describedby", "aria-labelledby"] {
            for id in values(wanted).iter().flat_map(|list| list.split(' ')) {
                assert!(unique.contains(&id.to_owned()), "{name}: nothing is called {id}");
            }
        }
        let labels = values("for");
        for (tag, attributes) in &tags {
            let is_field = tag == "select" || (tag == "input" && attribute(attributes, "type") != Some("hidden"));
            if is_field && attribute(attributes, "type") != Some("radio") {
                let has_label = attribute(attributes, "id").is_some_and(|id| labels.iter().any(|label| label == id));
                assert!(has_label || attribute(attributes, "aria-label").is_some(), "{name}: {attributes}");
            }
        }
    }
}

#[test]
fn a_wrong_field_says_so_and_has_the_cursor() {
    let wrong = |name: &str| rendered().into_iter().find(|(sample, ..)| sample == name).unwrap().2;
    let html = wrong("sign-up-wrong");
    let fields: BTreeMap<String, String> = tags(&html)
        .into_iter()
        .filter_map(|(_, attributes)| Some((attribute(&attributes, "id")?.to_owned(), attributes)))
        .collect();
    assert!(fields["family_name"].contains("autofocus"));
    assert_eq!(html.matches("autofocus").count(), 1);
    assert!(fields["family_name"].contains("aria-invalid=\"true\""));
    assert!(fields["password"].contains("aria-describedby=\"password-problem password-hint\""));
    assert!(!fields["given_name"].contains("aria-invalid"));
    assert!(html.contains("at least 10 characters"));
}

#[test]
fn a_password_or_code_is_never_shown_again() {
    let secret = || view::Field::of("hunter2").with(view::Problem::WrongLogin);
    let pages: [Box<dyn Page>; 5] = [
        Box::new(view::Password { password: secret(), ..view::Password::default() }),
        Box::new(view::SignUp { password: secret(), ..view::SignUp::default() }),
        Box::new(view::ChangePassword { password: secret(), new_password: secret(), ..Default::default() }),
        Box::new(view::ResetPassword { new_password: secret(), ..view::ResetPassword::default() }),
        Box::new(view::SecondFactor { code: secret(), ..view::SecondFactor::default() }),
    ];
    for page in pages {
        assert!(!page.html(&chrome(Language::English)).unwrap().contains("hunter2"));
    }
}

#[test]
fn what_people_enter_is_text_and_never_markup() {
    let evil = "\"><script>alert(1)</script>";
    let page = view::Consent {
        client_name: evil.to_owned(),
        username: evil.to_owned(),
        company: Some(view::CompanyBadge::new(evil, evil)),
        scopes: vec![view::ScopeView { name: evil.to_owned(), description: None }],
        client_host: Some(evil.to_owned()),
    };
    let chrome = Chrome { flow: Some(evil.to_owned()), csrf: evil.to_owned(), ..chrome(Language::German) };
    let html = page.html(&chrome).unwrap();
    assert!(!html.contains("<script"), "{html}");
    let link = view::Identifier { is_sign_up_open: true, ..view::Identifier::default() };
    assert!(link.html(&chrome).unwrap().contains("/t/acme/sign-up?flow=%22%3E%3Cscript%3E"));
}

#[test]
fn names_of_fields_and_buttons_are_stable() {
    let mut found = BTreeSet::new();
    for (_, _, html) in rendered() {
        for form in html.split("<form").skip(1).map(|rest| rest.split("</form>").next().unwrap()) {
            let (head, body) = form.split_once('>').unwrap();
            let names: BTreeSet<String> = tags(&format!("<form{head}>{body}"))
                .iter()
                .filter_map(|(tag, attributes)| {
                    let name = attribute(attributes, "name")?;
                    Some(match attribute(attributes, "value").filter(|_| tag == "button") {
                        Some(value) => format!("{name}={value}"),
                        None => name.to_owned(),
                    })
                })
                .filter(|name| name != "csrf" && name != "flow")
                .collect();
            let path = attribute(head, "action").unwrap().trim_start_matches("/t/acme");
            let method = attribute(head, "method").unwrap();
            found.insert(format!("{method} {path}: {}", names.into_iter().collect::<Vec<_>>().join(" ")));
        }
    }
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(
        found,
        [
            "get /account/companies: q",
            "get /account/company/members: q",
            "get /company: q",
            "post /account/companies: action=switch legal_entity_id",
            "post /account/company/invitations: action=invite family_name given_name role username",
            "post /account/company/members: action=change member role",
            "post /account/company/members: action=remove member",
            "post /account/company/members: action=withdraw invitation",
            "post /account/email: action=change new_email password",
            "post /account/passkeys: action=add ceremony credential name",
            "post /account/passkeys: action=remove passkey",
            "post /account/password: action=change new_password password",
            "post /account/recovery-codes: action=renew",
            "post /account/sessions: action=end session",
            "post /account/sessions: action=end_others",
            "post /account/totp: action=confirm code",
            "post /account/totp: action=remove",
            "post /account: action=save family_name given_name phone",
            "post /company: action=choose legal_entity_id",
            "post /consent: action=allow action=deny",
            "post /device: action=allow action=deny user_code",
            "post /device: action=continue user_code",
            "post /email/confirm: action=confirm token",
            "post /invitation: action=accept customer token",
            "post /invitation: action=join family_name given_name new_password token",
            "post /login/code: action=log_in code",
            "post /login/passkey: action=log_in ceremony credential",
            "post /login/password: action=log_in password username",
            "post /login: action=continue username",
            "post /logout: action=log_out",
            "post /logout: action=log_out action=stay",
            "post /password/forgotten: action=send username",
            "post /password/reset: action=set new_password token",
            "post /sign-up/confirm: action=confirm token",
            "post /sign-up: action=sign_up company_name family_name given_name password username",
        ]
    );
}

#[test]
fn s102_a_mail_that_was_sent_and_one_that_was_not_are_the_same_page() {
    // The page knows only the address as entered; there is nothing else it could tell.
    let html =
        |username: &str| Message::ResetSent { username: username.to_owned() }.html(&chrome(Language::English)).unwrap();
    assert_eq!(html("a@x.example").replace("a@x.example", "b@x.example"), html("b@x.example"));
}

/// The keys of a language with the arguments each uses.
fn keys(language: Language) -> BTreeMap<String, BTreeSet<String>> {
    let resource = FluentResource::try_new(source(language).to_owned()).unwrap();
    let text = source(language);
    let entries = resource.entries().filter(|entry| format!("{entry:?}").starts_with("Message")).count();
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some((key, _)) = line.split_once(" =").filter(|_| !line.starts_with([' ', '}'])) {
            current = key.to_owned();
            keys.entry(current.clone()).or_default();
        }
        for argument in line.split("{ $").skip(1) {
            let name = argument.split([' ', '}']).next().unwrap();
            keys.get_mut(&current).unwrap().insert(name.to_owned());
        }
    }
    assert_eq!(keys.len(), entries, "{language:?}");
    keys
}

#[test]
fn every_text_is_there_in_every_language_with_the_same_arguments() {
    let english = keys(Language::English);
    assert!(english.len() > 200);
    for language in [Language::German, Language::French] {
        assert_eq!(keys(language), english, "{language:?}");
    }
}

#[test]
fn templates_ask_for_texts_that_are_there_and_no_text_is_there_for_nobody() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut asking = String::new();
    let mut folders = vec![root.join("templates"), root.join("src/pages")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if !entry.ends_with("tests.rs") {
                asking.push_str(&std::fs::read_to_string(entry).unwrap());
            }
        }
    }
    let known = keys(Language::English);
    for call in ["t.text(\"", "t.with(\"", "t.count(\"", "t.page_of(\""] {
        for key in asking.split(call).skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(known.contains_key(key), "there is no text `{key}`");
        }
    }
    // Put together while running: the days, errors and notices, and the verbs of the audit trail.
    let is_composed = |key: &str| ["month-", "error-", "notice-", "verb-"].iter().any(|start| key.starts_with(start));
    for key in known.keys().filter(|key| !is_composed(key)) {
        assert!(asking.contains(&format!("\"{key}\"")), "nobody asks for `{key}`");
    }
}

#[test]
fn moments_are_written_as_each_language_writes_them() {
    let moment = prokura_domain::Timestamp::from_seconds(1_795_269_900);
    for (language, day, to_the_minute) in [
        (Language::English, "November 21, 2026", "November 21, 2026, 14:05 UTC"),
        (Language::German, "21. November 2026", "21. November 2026, 14:05 Uhr (UTC)"),
        (Language::French, "21 novembre 2026", "21 novembre 2026 à 14:05 (UTC)"),
    ] {
        let texts = Texts::of(language);
        assert_eq!((texts.day(&moment).as_str(), texts.moment(&moment).as_str()), (day, to_the_minute));
        assert_eq!(texts.iso(&moment), "2026-11-21T14:05:00Z");
    }
}

#[tokio::test]
async fn a_page_is_an_answer_with_its_headers_and_the_clients_origin() {
    let chrome = Chrome {
        form_target: FormTarget::of_redirect_uri("https://shop.example/cb"),
        is_https: true,
        theme: Theme::checked(Some("/t/acme/logo.svg"), Some("#0b57a0"), None).unwrap(),
        ..chrome(Language::French)
    };
    let response = render(StatusCode::UNPROCESSABLE_ENTITY, &chrome, &view::Identifier::default());
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let policy = response.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("form-action 'self' https://shop.example;"), "{policy}");
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let html = std::str::from_utf8(&body).unwrap();
    let file = chrome.theme.file().unwrap();
    assert!(html.contains(&format!("href=\"/t/acme/theme/{file}\"")), "{html}");
    assert!(html.contains("<img src=\"/t/acme/logo.svg\" alt=\"Acme &#38; Söhne\""), "{html}");
}

#[tokio::test]
async fn a_file_is_kept_by_browsers_under_the_name_of_its_content_only() {
    let router: Router = assets::routes();
    let ask = async |path: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let caching = response.headers().get("cache-control").map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), caching)
    };
    for (path, _) in assets::files() {
        assert_eq!(ask(path).await, (200, Some("public, max-age=31536000, immutable".to_owned())), "{path}");
    }
    // Another node may run another version, and its pages need their style too.
    assert_eq!(ask("/assets/pages-000000000000.css").await, (200, Some("no-store".to_owned())));
    assert_eq!(ask("/assets/pages.css").await.0, 404);
    assert_eq!(ask("/assets/..%2Fpages.rs").await.0, 404);
}

#[test]
fn the_colors_of_a_theme_are_kept_under_the_name_of_their_content_only() {
    let theme = Theme::checked(None, Some("#0b57a0"), None).unwrap();
    let other = Theme::checked(None, Some("#8a0f3c"), None).unwrap();
    assert_ne!(theme.file(), other.file());
    let caching = |file: &str| theme.response(file).headers()["cache-control"].to_str().unwrap().to_owned();
    assert!(caching(&theme.file().unwrap()).contains("immutable"));
    assert_eq!(caching(&other.file().unwrap()), "no-store");
    assert_eq!(Theme::default().file(), None);
}

#[test]
fn a_list_of_companies_can_be_searched_once_it_is_long() {
    let html = |total| {
        let page = view::Companies { total, is_myself_allowed: true, ..view::Companies::default() };
        page.html(&chrome(Language::English)).unwrap()
    };
    assert!(!html(8).contains("name=\"q\""));
    assert!(html(9).contains("name=\"q\""));
}
