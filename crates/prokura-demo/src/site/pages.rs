//! Pages, as far as they do not depend on how a storefront knows its visitor: the frame with the company banner and the
//! switcher, what is shown in it, and how values are written.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use reqwest::Url;
use serde::Deserialize;

mod account;
mod basket;
mod catalog;
mod orders;

pub(crate) use account::{CompanyPage, LoginPage};
pub(crate) use basket::{BasketPage, CheckoutPage, FilledBasket};
pub(crate) use catalog::{ProductPage, ProductsPage, ProductsQuery};
pub(crate) use orders::{Buyer, ORDERS_ON_A_PAGE, OrderPage, OrdersPage, OrdersQuery};

/// The frame around a page.
pub(crate) struct Frame {
    pub(crate) shop_name: String,
    /// What the addresses of this storefront's pages begin with: nothing, or a path without a slash at its end.
    pub(crate) base: &'static str,
    /// Whether the comforts that need JavaScript are offered.
    pub(crate) has_script: bool,
    /// Which entry of the navigation is current: `products`, `orders`, `basket` or nothing.
    pub(crate) section: &'static str,
    /// Whoever has logged in.
    pub(crate) person: Option<String>,
    pub(crate) acting: Acting,
    /// To switch to; empty for guests and for people without companies.
    pub(crate) choices: Vec<Choice>,
    /// Different products in the basket; `None` when it could not be asked.
    pub(crate) basket_count: Option<usize>,
    pub(crate) notice: Option<Notice>,
    pub(crate) form_token: String,
    /// Where the demo shows its mails.
    pub(crate) mails_path: Option<String>,
    /// Where the page for developers is.
    pub(crate) developers_path: Option<&'static str>,
}

impl Frame {
    /// Where a switch of company leads: the list of what is shown, since one thing of it may not exist there.
    pub(crate) fn after_switch(&self) -> String {
        let list = match self.section {
            "orders" => "/orders",
            "basket" => "/basket",
            _ => "/",
        };
        format!("{}{list}", self.base)
    }
}

/// A message for the next page.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    pub(crate) is_warning: bool,
    pub(crate) text: String,
}

impl Notice {
    pub(crate) fn good(text: impl Into<String>) -> Self {
        Self { is_warning: false, text: text.into() }
    }

    pub(crate) fn warning(text: impl Into<String>) -> Self {
        Self { is_warning: true, text: text.into() }
    }
}

/// A company that somebody may act for.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq)]
pub(crate) struct Company {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// For whom somebody shops.
#[derive(Debug, Clone, Copy)]
pub(crate) enum For<'a> {
    Guest,
    PrivatePerson,
    Company(&'a Company),
}

impl For<'_> {
    /// As forms spell it: two texts are equal only when an action meant for one may be done for the other.
    pub(crate) fn key(self) -> String {
        match self {
            Self::Guest => "guest".to_owned(),
            Self::PrivatePerson => "private".to_owned(),
            Self::Company(company) => format!("company:{}", company.id),
        }
    }

    /// To be put into a sentence: "acting for …".
    pub(crate) fn words(self) -> String {
        match self {
            Self::Guest => "a guest".to_owned(),
            Self::PrivatePerson => "shopping as a private person".to_owned(),
            Self::Company(company) => format!("acting for {}", company.name),
        }
    }

    /// Whose basket it is, to be put into a sentence.
    pub(crate) fn basket_words(self) -> String {
        match self {
            Self::Guest | Self::PrivatePerson => "your basket".to_owned(),
            Self::Company(company) => format!("the basket of {}", company.name),
        }
    }
}

/// The banner.
pub(crate) struct Acting {
    /// As forms spell it.
    pub(crate) key: String,
    /// "Acting for", "Shopping as" or nothing.
    pub(crate) verb: &'static str,
    pub(crate) name: String,
    /// The company's color, 1 to 6; 0 for nobody's.
    pub(crate) tone: u32,
    pub(crate) is_customer: bool,
}

/// A company in the switcher or the chooser; with an empty id, the private person.
pub(crate) struct Choice {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) tone: u32,
    pub(crate) is_current: bool,
}

impl From<For<'_>> for Acting {
    fn from(whom: For<'_>) -> Self {
        let (verb, name, tone, is_customer) = match whom {
            For::Guest => ("", "Guest".to_owned(), 0, false),
            For::PrivatePerson => ("Shopping as", "a private person".to_owned(), 0, true),
            For::Company(company) => ("Acting for", company.name.clone(), tone(&company.id), true),
        };
        Self { key: whom.key(), verb, name, tone, is_customer }
    }
}

/// The companies somebody may act for and, last, the private person; nothing when there are no companies.
pub(crate) fn choices(companies: &[Company], current: Option<&str>) -> Vec<Choice> {
    if companies.is_empty() {
        return Vec::new();
    }
    let companies = companies.iter().map(|company| Choice {
        id: company.id.clone(),
        name: company.name.clone(),
        tone: tone(&company.id),
        is_current: current == Some(company.id.as_str()),
    });
    let private =
        Choice { id: String::new(), name: "Private person".to_owned(), tone: 0, is_current: current.is_none() };
    companies.chain([private]).collect()
}

/// A page that only says something.
#[derive(Template)]
#[template(path = "message.html")]
pub(crate) struct MessagePage {
    pub(crate) frame: Frame,
    pub(crate) title: &'static str,
    pub(crate) text: String,
}

/// A message of the shop as a sentence of a page.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// A path on this site, or the home page: `//host` and `/\host` would lead elsewhere.
pub(crate) fn local<'a>(path: &'a str, home: &'a str) -> &'a str {
    let is_local = path.starts_with('/') && !path.starts_with("//") && !path.contains(['\\', '\r', '\n', '\t']);
    if is_local { path } else { home }
}

/// The address of a page that leads back to another.
pub(crate) fn with_return(page: &str, return_to: &str) -> String {
    let mut url = Url::parse("http://localhost").expect("this is an address");
    url.set_path(page);
    url.query_pairs_mut().append_pair("return_to", return_to);
    format!("{}?{}", url.path(), url.query().unwrap_or_default())
}

/// A rendered page.
pub(crate) fn page(template: &impl Template) -> Response {
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
pub(crate) fn tone(text: &str) -> u32 {
    stable_number(text) % 6 + 1
}

/// The picture of a product: a pattern of quarter circles, the same one each time.
pub(crate) struct Picture {
    pub(crate) tone: u32,
    pub(crate) cells: Vec<Cell>,
}

/// One square of a picture: where it is, how it is turned and how it is filled.
pub(crate) struct Cell {
    pub(crate) x: u32,
    pub(crate) y: u32,
    pub(crate) turn: u32,
    pub(crate) shade: u32,
    pub(crate) is_circle: bool,
}

impl Picture {
    pub(crate) fn of(product: &str, category: &str) -> Self {
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
pub(crate) fn money(amount: &str, currency: &str) -> String {
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
pub(crate) fn day(text: &str) -> String {
    let moment = || text.parse::<Timestamp>().map(|moment| moment.to_zoned(TimeZone::UTC).date());
    match text.parse::<Date>().or_else(|_| moment()) {
        Ok(date) => date.strftime("%b %-d, %Y").to_string(),
        Err(_) => text.to_owned(),
    }
}

/// The numbers below a list that has several pages.
pub(crate) struct Pager {
    pub(crate) current: u32,
    pub(crate) last: u32,
}

impl Pager {
    pub(crate) fn new(current: u32, page_size: u32, total: u32) -> Self {
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
