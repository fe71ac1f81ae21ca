//! The frame around this storefront's pages.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::session::Visitor;
use super::visit::Visit;
use crate::site::pages::{self, Acting, Choice, Frame, MessagePage, page};

/// The frame of a visit's page; takes the waiting message with it.
pub(super) fn frame(visit: &Visit, section: &'static str, basket_count: Option<usize>) -> Frame {
    Frame {
        shop_name: visit.app.config.shop_name.clone(),
        base: "",
        has_script: true,
        section,
        person: visit.customer().map(|customer| customer.name.clone()),
        acting: Acting::from(visit.visitor.shops_for()),
        choices: choices(visit),
        basket_count,
        notice: visit.take_notice(),
        form_token: visit.form_token(),
        mails_path: visit.app.config.mails_path.clone(),
        developers_path: None,
    }
}

/// The number of products in the basket, which is asked at the same time as a page's own data.
pub(super) async fn count_basket(visit: &Visit) -> Option<usize> {
    if matches!(visit.visitor, Visitor::Passerby) {
        return Some(0);
    }
    // A page is worth showing without this number; what is wrong will show in the page's own data.
    let baskets = visit.call(visit.app.shop.baskets()).await.ok()?;
    Some(baskets.first().map_or(0, |basket| basket.items.len()))
}

/// The companies a visitor may act for and, last, the private person.
pub(super) fn choices(visit: &Visit) -> Vec<Choice> {
    let Some(customer) = visit.customer() else { return Vec::new() };
    pages::choices(&customer.companies, customer.acting_for.as_ref().map(|company| company.id.as_str()))
}

/// A page that only says something.
pub(super) fn message(visit: &Visit, status: StatusCode, title: &'static str, text: String) -> Response {
    (status, page(&MessagePage { frame: frame(visit, "", None), title, text })).into_response()
}
