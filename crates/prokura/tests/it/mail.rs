//! Mails through a mail server: what they look like when they arrive, in whose language, and what happens while the server
//! is not there.

use crate::arrange::{on_both_databases, origin};
use mail_parser::{MessageParser, MimeHeaders as _};
use prokura_domain::{Clock as _, Email};
use prokura_engine::{Actor, Invite, MailTransport, Site, Tenant, TenantSettings};
use prokura_jose::Secret;
use prokura_testkit::{Acme, Database, Options, TestServer};
use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

on_both_databases!(
    a_mail_arrives_in_two_forms_and_in_the_readers_language,
    a_mail_waits_for_its_server_and_arrives_once,
);

/// A mail server on loopback: it keeps what it takes, and says no while it is told to.
#[derive(Clone, Default)]
struct Postbox {
    mails: Arc<Mutex<Vec<String>>>,
    verdicts: Arc<Mutex<Vec<&'static str>>>,
}

impl Postbox {
    async fn start() -> (Self, MailTransport) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Secret::from(format!("smtp://{}", listener.local_addr().unwrap()));
        let postbox = Self::default();
        let taken = postbox.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(taken.clone().talk(stream));
            }
        });
        (postbox, MailTransport::Smtp { url })
    }

    /// One connection: any number of mails (RFC 5321).
    async fn talk(self, stream: TcpStream) -> std::io::Result<()> {
        let (reader, mut writer) = stream.into_split();
        let mut lines = BufReader::new(reader).lines();
        let mut data: Option<String> = None;
        writer.write_all(b"220 ready\r\n").await?;
        while let Some(line) = lines.next_line().await? {
            let answer = match (&mut data, line.as_str()) {
                (Some(text), ".") => {
                    self.mails.lock().unwrap().push(std::mem::take(text));
                    data = None;
                    "250 taken"
                }
                (Some(text), line) => {
                    text.push_str(line.strip_prefix('.').unwrap_or(line));
                    text.push_str("\r\n");
                    continue;
                }
                (None, "DATA") => {
                    data = Some(String::new());
                    "354 go on"
                }
                (None, "QUIT") => "221 bye",
                (None, line) if line.starts_with("MAIL") => self.verdicts.lock().unwrap().pop().unwrap_or("250 fine"),
                (None, _) => "250 fine",
            };
            writer.write_all(format!("{answer}\r\n").as_bytes()).await?;
        }
        Ok(())
    }

    fn mails(&self) -> Vec<String> {
        self.mails.lock().unwrap().clone()
    }
}

async fn start(database: Database) -> (Acme, Postbox) {
    let (postbox, transport) = Postbox::start().await;
    let options = Options { database, mail: Some(transport), ..Options::default() };
    (Acme::move_in(TestServer::start_with(options).await).await, postbox)
}

/// Changes settings of the tenant.
async fn set(acme: &Acme, change: impl FnOnce(&mut TenantSettings)) -> Arc<Tenant> {
    let engine = &acme.server.engine;
    let tenant = engine.tenant(&acme.tenant.id).await.unwrap();
    let mut settings = tenant.settings.clone();
    change(&mut settings);
    engine.update_tenant(&tenant, &tenant.name, true, &settings, None, &Actor::System, &origin()).await.unwrap()
}

async fn a_mail_arrives_in_two_forms_and_in_the_readers_language(database: Database) {
    let (acme, postbox) = start(database).await;
    let engine = &acme.server.engine;
    let tenant = set(&acme, |settings| {
        "\"Müller & Söhne\" <shop@acme.example>".clone_into(&mut settings.mail.from);
        "#7a1f5c".clone_into(&mut settings.pages.accent);
    })
    .await;
    let ann = Email::parse(&Acme::email("ann")).unwrap();
    let id = engine.customer_by_email(&tenant, &ann).await.unwrap().unwrap().id;
    for (language, subject, button) in [
        (Some("de_AT"), "Neues Passwort wählen", "Die Schaltfläche"),
        (Some("fr"), "Choisir un nouveau mot de passe", "bouton"),
        (None, "Choose a new password", "button"),
    ] {
        let mut profile = engine.customer(&tenant, &id).await.unwrap().profile;
        profile.language = language.map(str::to_owned);
        engine.update_profile(&tenant, &id, &profile, None, &Actor::System, &origin()).await.unwrap();
        engine.request_password_reset(&tenant, &ann, &origin()).await.unwrap();
        engine.run_errands().await.unwrap();
        let text = postbox.mails().pop().expect("a mail");
        let mail = MessageParser::default().parse(text.as_bytes()).unwrap();
        assert_eq!(mail.subject(), Some(subject));
        let from = mail.from().and_then(|from| from.first()).unwrap();
        assert_eq!((from.name(), from.address()), (Some("Müller & Söhne"), Some("shop@acme.example")));
        assert_eq!(mail.to().and_then(|to| to.first()).and_then(|to| to.address()), Some(ann.as_str()));
        assert_eq!(mail.date().unwrap().to_timestamp(), acme.server.clock.now().seconds());
        assert!(mail.message_id().is_some_and(|id| id.ends_with("@acme.example")), "{:?}", mail.message_id());
        let kind = mail.content_type().unwrap();
        assert_eq!((kind.ctype(), kind.subtype()), ("multipart", Some("alternative")));
        let (plain, html) = (mail.body_text(0).unwrap(), mail.body_html(0).unwrap());
        let link = plain.split_whitespace().find(|word| word.starts_with("https://")).unwrap();
        assert!(link.contains("/password/reset?token=pkr_lt_"), "{plain}");
        assert!(html.contains(&format!("href=\"{link}\"")) && html.contains("#7a1f5c"), "{html}");
        assert!(html.contains(&format!("<html lang=\"{}\">", &language.unwrap_or("en")[..2])), "{html}");
        assert!(html.to_lowercase().contains(&button.to_lowercase()[..6]), "{html}");
        assert!(!html.contains("<script") && !html.contains("<img"), "nothing is fetched");
    }
    // Who has no account is written to in the tenant's language, and names are text in the HTML.
    let tenant = set(&acme, |settings| "fr".clone_into(&mut settings.mail.language)).await;
    let entity = prokura_engine::CreateLegalEntity {
        id: Some("odd".parse().unwrap()),
        name: "<b>A & B</b>\u{2028}GmbH".to_owned(),
        kind: prokura_domain::CompanyKind::Company,
        parent: None,
        details: prokura_engine::LegalEntityDetails::default(),
    };
    engine.create_legal_entity(&tenant, &entity, &Actor::System, &origin()).await.unwrap();
    let invite = Invite {
        legal_entity: "odd".parse().unwrap(),
        group: prokura_domain::GroupCode::Buyer,
        email: Email::parse("new@new.example").unwrap(),
        given_name: String::new(),
        family_name: String::new(),
    };
    engine.invite(&tenant, &invite, &Actor::System, &origin()).await.unwrap();
    engine.run_errands().await.unwrap();
    let text = postbox.mails().pop().unwrap();
    let mail = MessageParser::default().parse(text.as_bytes()).unwrap();
    assert!(mail.subject().unwrap().starts_with("Invitation : acheter pour <b>A & B</b>"), "{:?}", mail.subject());
    let html = mail.body_html(0).unwrap();
    assert!(html.contains("&#60;b&#62;A &#38; B") && !html.contains("<b>A"), "{html}");
    // Without one, in the language of the default site.
    let site = engine.sites(&tenant).await.unwrap().pop().unwrap();
    engine.put_site(&tenant, &Site { language: "de".to_owned(), ..site }, &Actor::System, &origin()).await.unwrap();
    let tenant = set(&acme, |settings| settings.mail.language.clear()).await;
    acme.server.advance(3_600);
    engine.invite(&tenant, &invite, &Actor::System, &origin()).await.unwrap();
    engine.run_errands().await.unwrap();
    assert!(
        MessageParser::default()
            .parse(postbox.mails().pop().unwrap().as_bytes())
            .unwrap()
            .subject()
            .unwrap()
            .starts_with("Einladung")
    );
}

async fn a_mail_waits_for_its_server_and_arrives_once(database: Database) {
    let (acme, postbox) = start(database).await;
    let (engine, tenant) = (&acme.server.engine, &acme.tenant);
    let ann = Email::parse(&Acme::email("ann")).unwrap();
    postbox.verdicts.lock().unwrap().extend(["451 4.3.0 later", "421 4.3.2 busy"]);
    engine.request_password_reset(tenant, &ann, &origin()).await.unwrap();
    for wait in [15, 30] {
        engine.run_errands().await.unwrap();
        assert!(postbox.mails().is_empty());
        acme.server.advance(wait);
    }
    engine.run_errands().await.unwrap();
    acme.server.advance(100_000);
    engine.run_errands().await.unwrap();
    assert_eq!(postbox.mails().len(), 1);
    // One that is refused for ever is given up at once, and the trail says so without the address.
    postbox.verdicts.lock().unwrap().push("550 5.1.1 ann@ is unknown");
    engine.request_password_reset(tenant, &ann, &origin()).await.unwrap();
    engine.run_errands().await.unwrap();
    let events = engine.audit_events(tenant, "", None, Some("errand.give_up"), 9).await.unwrap();
    assert_eq!(events.len(), 1);
    assert!(events[0].detail_json.contains("550") && !events[0].detail_json.contains("ann"), "{:?}", events[0]);
}
