//! What all pages share: the header with the company banner and the switcher, messages, and how values are written.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::session::{Customer, Notice, Visitor};
use super::visit::Visit;

/// The frame around a page.
pub(super) struct Frame {
    pub(super) shop_name: String,
    /// Which entry of the navigation is current: `products`, `orders`, `basket` or nothing.
    pub(super) section: &'static str,
    /// Whoever has logged in.
    pub(super) person: Option<String>,
    pub(super) acting: Acting,
    /// To switch to; empty for guests and for people without companies.
    pub(super) choices: Vec<Choice>,
    /// Different products in the basket; `None` when it could not be asked.
    pub(super) basket_count: Option<usize>,
    pub(super) notice: Option<Notice>,
    pub(super) form_token: String,
    /// Where the demo shows its mails.
    pub(super) mails_path: Option<String>,
    /// Where a switch of company leads: the list of what is shown, since one thing of it may not exist there.
    pub(super) after_switch: &'static str,
}

/// The banner.
pub(super) struct Acting {
    /// As forms spell it.
    pub(super) key: String,
    /// "Acting for", "Shopping as" or nothing.
    pub(super) verb: &'static str,
    pub(super) name: String,
    /// The company's color, 1 to 6; 0 for nobody's.
    pub(super) tone: u32,
    pub(super) is_customer: bool,
}

/// A company in the switcher or the chooser; with an empty id, the private person.
pub(super) struct Choice {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) tone: u32,
    pub(super) is_current: bool,
}

impl Acting {
    fn of(visitor: &Visitor) -> Self {
        let (verb, name, tone, is_customer) = match visitor {
            Visitor::Passerby | Visitor::Guest(_) => ("", "Guest".to_owned(), 0, false),
            Visitor::Customer(Customer { acting_for: None, .. }) => {
                ("Shopping as", "a private person".to_owned(), 0, true)
            }
            Visitor::Customer(Customer { acting_for: Some(company), .. }) => {
                ("Acting for", company.name.clone(), tone(&company.id), true)
            }
        };
        Self { key: visitor.acting_for(), verb, name, tone, is_customer }
    }
}

/// For whom a visitor acts, to be put into a sentence: "acting for …".
pub(super) fn acting_for_words(visitor: &Visitor) -> String {
    match visitor {
        Visitor::Passerby | Visitor::Guest(_) => "a guest".to_owned(),
        Visitor::Customer(Customer { acting_for: None, .. }) => "shopping as a private person".to_owned(),
        Visitor::Customer(Customer { acting_for: Some(company), .. }) => format!("acting for {}", company.name),
    }
}

impl Frame {
    /// The frame of a visit's page; takes the waiting message with it.
    pub(super) fn new(visit: &Visit, section: &'static str, basket_count: Option<usize>) -> Self {
        Self {
            shop_name: visit.app.config.shop_name.clone(),
            section,
            person: visit.customer().map(|customer| customer.name.clone()),
            acting: Acting::of(&visit.visitor),
            choices: choices(visit),
            basket_count,
            notice: visit.take_notice(),
            form_token: visit.form_token(),
            mails_path: visit.app.config.mails_path.clone(),
            after_switch: match section {
                "orders" => "/orders",
                "basket" => "/basket",
                _ => "/",
            },
        }
    }

    /// The frame with the number of products in the basket, which is asked at the same time as the page's own data.
    pub(super) async fn count_basket(visit: &Visit) -> Option<usize> {
        if matches!(visit.visitor, Visitor::Passerby) {
            return Some(0);
        }
        // A page is worth showing without this number; what is wrong will show in the page's own data.
        let baskets = visit.call(visit.app.gateway.baskets()).await.ok()?;
        Some(baskets.first().map_or(0, |basket| basket.items.len()))
    }
}

/// The companies a visitor may act for and, last, the private person.
pub(super) fn choices(visit: &Visit) -> Vec<Choice> {
    let Some(customer) = visit.customer() else { return Vec::new() };
    if customer.companies.is_empty() {
        return Vec::new();
    }
    let current = customer.acting_for.as_ref().map(|company| company.id.as_str());
    let companies = customer.companies.iter().map(|company| Choice {
        id: company.id.clone(),
        name: company.name.clone(),
        tone: tone(&company.id),
        is_current: current == Some(company.id.as_str()),
    });
    let private =
        Choice { id: String::new(), name: "Private person".to_owned(), tone: 0, is_current: current.is_none() };
    companies.chain([private]).collect()
}

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage {
    frame: Frame,
    title: &'static str,
    text: String,
}

/// A page that only says something.
pub(super) fn message(visit: &Visit, status: StatusCode, title: &'static str, text: String) -> Response {
    let frame = Frame::new(visit, "", None);
    (status, page(&MessagePage { frame, title, text })).into_response()
}

/// A rendered page.
pub(super) fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A stable number for a text (FNV-1a), for everything that should look the same each time.
fn stable_number(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// A company's or category's color, 1 to 6.
pub(super) fn tone(text: &str) -> u32 {
    stable_number(text) % 6 + 1
}

/// The picture of a product: a pattern of quarter circles, the same one each time.
pub(super) struct Picture {
    pub(super) tone: u32,
    pub(super) cells: Vec<Cell>,
}

/// One square of a picture: where it is, how it is turned and how it is filled.
pub(super) struct Cell {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) turn: u32,
    pub(super) shade: u32,
    pub(super) is_circle: bool,
}

impl Picture {
    pub(super) fn of(product: &str, category: &str) -> Self {
        let cells = (0..8).map(|position| {
            let number = stable_number(&format!("{position}{product}")) >> 7;
            Cell {
                x: position % 4 * 40,
                y: position / 4 * 40,
                turn: number % 4 * 90,
                shade: number / 4 % 4,
                is_circle: (number / 16).is_multiple_of(5),
            }
        });
        Self { tone: tone(category), cells: cells.collect() }
    }
}

/// An amount as people write it: `€1,234.50`.
pub(super) fn money(amount: &str, currency: &str) -> String {
    let (whole, cents) = amount.split_once('.').unwrap_or((amount, "00"));
    let mut grouped = String::new();
    for (position, digit) in whole.chars().enumerate() {
        if position > 0 && (whole.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match currency {
        "EUR" => format!("€{grouped}.{cents}"),
        "USD" => format!("${grouped}.{cents}"),
        "GBP" => format!("£{grouped}.{cents}"),
        other => format!("{other} {grouped}.{cents}"),
    }
}

/// A date or a moment as people write it: `Sep 23, 2026`.
pub(super) fn day(text: &str) -> String {
    let moment = || text.parse::<Timestamp>().map(|moment| moment.to_zoned(TimeZone::UTC).date());
    match text.parse::<Date>().or_else(|_| moment()) {
        Ok(date) => date.strftime("%b %-d, %Y").to_string(),
        Err(_) => text.to_owned(),
    }
}

/// The numbers below a list that has several pages.
pub(super) struct Pager {
    pub(super) current: u32,
    pub(super) last: u32,
}

impl Pager {
    pub(super) fn new(current: u32, page_size: u32, total: u32) -> Self {
        Self { current, last: total.div_ceil(page_size).max(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_grouped_and_carry_their_currency() {
        for (amount, currency, expected) in [
            ("5.00", "EUR", "€5.00"),
            ("123.45", "USD", "$123.45"),
            ("1234.50", "EUR", "€1,234.50"),
            ("1234567.00", "CHF", "CHF 1,234,567.00"),
        ] {
            assert_eq!(money(amount, currency), expected);
        }
    }

    #[test]
    fn days_are_written_out() {
        assert_eq!(day("2026-09-03"), "Sep 3, 2026");
        assert_eq!(day("2026-11-21T12:00:00Z"), "Nov 21, 2026");
        assert_eq!(day("yesterday"), "yesterday");
    }

    #[test]
    fn the_companies_of_the_sample_buyer_have_different_colors() {
        let [one, other] = crate::data::BUYER.legal_entities else { panic!("two companies") };
        assert_ne!(tone(one), tone(other));
    }
}
