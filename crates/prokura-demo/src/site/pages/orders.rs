//! The orders of the company acted for, or one's own private ones.

use askama::Template;
use serde::Deserialize;

use super::{Frame, Pager, day, money};
use crate::site::shop::{self, Listed};

/// So many orders are on a page.
pub(crate) const ORDERS_ON_A_PAGE: u32 = 20;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct OrdersQuery {
    page: u32,
}

impl OrdersQuery {
    pub(crate) fn number(&self) -> u32 {
        self.page.max(1)
    }
}

/// Who looks at orders, so that their own can be told from a colleague's.
#[derive(Clone, Copy)]
pub(crate) struct Buyer<'a> {
    /// As the shop spells it; `None` where a storefront knows another one only.
    pub(crate) id: Option<&'a str>,
    pub(crate) email: &'a str,
}

#[derive(Template)]
#[template(path = "orders.html")]
pub(crate) struct OrdersPage {
    frame: Frame,
    orders: Vec<Order>,
    total: u32,
    pager: Pager,
}

#[derive(Template)]
#[template(path = "order.html")]
pub(crate) struct OrderPage {
    frame: Frame,
    order: Order,
    lines: Vec<Line>,
}

struct Order {
    id: String,
    day: String,
    by: String,
    reference: Option<String>,
    line_count: i64,
    total: String,
}

struct Line {
    product_id: String,
    name: String,
    quantity: i64,
    unit_price: String,
    discount: Option<String>,
    total: String,
}

impl Order {
    fn seen_by(customer: Buyer<'_>, order: &shop::Order) -> Self {
        let by = match (&order.placed_by.customer_id, &order.placed_by.email) {
            (Some(id), _) if customer.id == Some(id) => "you".to_owned(),
            (_, Some(email)) if email == customer.email => "you".to_owned(),
            (_, Some(email)) => email.clone(),
            (Some(_), None) if customer.id.is_some() => "a colleague".to_owned(),
            (Some(_), None) => String::new(),
            (None, None) => String::new(),
        };
        Self {
            id: order.id.clone(),
            day: day(&order.placed_at),
            by,
            reference: order.reference.clone(),
            line_count: order.line_count,
            total: money(&order.total, &order.currency),
        }
    }
}

impl OrdersPage {
    pub(crate) fn new(frame: Frame, number: u32, buyer: Buyer<'_>, orders: &Listed<shop::Order>) -> Self {
        Self {
            frame,
            total: orders.total,
            pager: Pager::new(number, ORDERS_ON_A_PAGE, orders.total),
            orders: orders.rows.iter().map(|order| Order::seen_by(buyer, order)).collect(),
        }
    }
}

impl OrderPage {
    pub(crate) fn new(frame: Frame, buyer: Buyer<'_>, order: &shop::Order) -> Self {
        let lines = order.lines.iter().map(|line| Line {
            product_id: line.product_id.clone(),
            name: line.name.clone().unwrap_or_else(|| line.product_id.clone()),
            quantity: line.quantity,
            unit_price: money(&line.unit_price, &order.currency),
            discount: Some(line.discount_percent.clone()).filter(|percent| percent != "0"),
            total: money(&line.total, &order.currency),
        });
        Self { frame, lines: lines.collect(), order: Order::seen_by(buyer, order) }
    }
}
