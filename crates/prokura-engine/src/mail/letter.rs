//! A mail, written: the same words as plain text and as HTML, with one link or one code. Whatever people or companies are called,
//! the HTML escapes it, and header fields keep to their line.

use super::words::{Language, Topic, Words, words};
use crate::{Tenant, outbox::Undone};
use askama::Template;
use lettre::{
    Message,
    message::{Mailbox, MultiPart},
};
use prokura_domain::{Email, Timestamp};
use std::time::Duration;

/// The color of buttons where the tenant names none.
const ACCENT: &str = "#0f6b5c";

/// A mail to be written.
pub(crate) struct Letter<'a> {
    /// The errand's id: sending it twice is recognized.
    pub(crate) id: &'a str,
    pub(crate) to: &'a Email,
    pub(crate) language: Language,
    pub(crate) topic: Topic,
    /// What it is sent for.
    pub(crate) way: Way,
}

/// What a mail hands out.
pub(crate) enum Way {
    /// Where its link leads.
    Link(String),
    /// A code to be typed in.
    Code(String),
}

#[derive(Template)]
#[template(path = "mail.html")]
struct Html<'a> {
    language: &'static str,
    shop: &'a str,
    accent: &'a str,
    words: &'a Words,
    link: Option<&'a str>,
    code: Option<&'a str>,
}

/// Writes the mail in the tenant's name.
pub(crate) fn compose(tenant: &Tenant, letter: &Letter<'_>, now: Timestamp) -> Result<Message, Undone> {
    let from: Mailbox = tenant
        .settings
        .mail
        .from
        .parse()
        .map_err(|_| Undone::ForNow("the sender in the tenant's settings is no address".to_owned()))?;
    let to: Mailbox = letter
        .to
        .as_str()
        .parse()
        .map_err(|_| Undone::Forever("mails cannot be written to an address of that form".to_owned()))?;
    let words = words(&letter.topic, letter.language, &tenant.name);
    let (link, code) = match &letter.way {
        Way::Link(link) => (Some(link.as_str()), None),
        Way::Code(code) => (None, Some(code.as_str())),
    };
    let middle = match &letter.way {
        Way::Link(link) => format!("{}:\n\n{link}", words.button),
        Way::Code(code) => code.clone(),
    };
    let plain = format!("{}\n\n{middle}\n\n{}\n", words.lead, words.ending);
    let accent = match tenant.settings.pages.accent.as_str() {
        "" => ACCENT,
        accent => accent,
    };
    let html = Html { language: letter.language.tag(), shop: &tenant.name, accent, words: &words, link, code };
    let unwritten = |error: String| Undone::ForNow(format!("the mail could not be written: {error}"));
    let html = html.render().map_err(|error| unwritten(error.to_string()))?;
    let seconds = u64::try_from(now.seconds()).unwrap_or_default();
    let host = from.email.domain().to_owned();
    // Names of companies come from people; a header field ends with its line.
    let subject: String = words.subject.chars().filter(|c| !c.is_control()).collect();
    Message::builder()
        .from(from)
        .to(to)
        .subject(subject)
        .date(std::time::UNIX_EPOCH + Duration::from_secs(seconds))
        .message_id(Some(format!("<{}@{host}>", letter.id)))
        .multipart(MultiPart::alternative_plain_html(plain, html))
        .map_err(|error| unwritten(error.to_string()))
}
