//! The orders of the company acted for, or one's own private ones.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use serde::Deserialize;

use super::gateway;
use super::layout::{Frame, Pager, day, money, page};
use super::session::Customer;
use super::visit::{Lenient, Stop, Visit};

const PAGE_SIZE: u32 = 20;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct OrdersQuery {
    page: u32,
}

#[derive(Template)]
#[template(path = "orders.html")]
struct OrdersPage {
    frame: Frame,
    orders: Vec<Order>,
    total: u32,
    pager: Pager,
}

#[derive(Template)]
#[template(path = "order.html")]
struct OrderPage {
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
    fn seen_by(customer: &Customer, order: &gateway::Order) -> Self {
        let by = match (&order.placed_by.customer_id, &order.placed_by.email) {
            (Some(id), _) if *id == customer.id => "you".to_owned(),
            (_, Some(email)) if *email == customer.email => "you".to_owned(),
            (_, Some(email)) => email.clone(),
            (Some(_), None) => "a colleague".to_owned(),
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

/// `GET /orders`
pub(super) async fn list(visit: Visit, query: Lenient<OrdersQuery>) -> Result<Response, Stop> {
    let customer = visit.needs_customer()?;
    let number = query.unwrap_or_default().page.max(1);
    let (orders, basket) =
        tokio::join!(visit.call(visit.app.gateway.orders(number, PAGE_SIZE)), Frame::count_basket(&visit));
    let orders = orders?;
    Ok(page(&OrdersPage {
        frame: Frame::new(&visit, "orders", basket),
        total: orders.total,
        pager: Pager::new(number, PAGE_SIZE, orders.total),
        orders: orders.rows.iter().map(|order| Order::seen_by(customer, order)).collect(),
    }))
}

/// `GET /orders/{id}`
pub(super) async fn show(visit: Visit, Path(id): Path<String>) -> Result<Response, Stop> {
    let customer = visit.needs_customer()?;
    let (order, basket) = tokio::join!(visit.call(visit.app.gateway.order(&id)), Frame::count_basket(&visit));
    let order = order?;
    let lines = order.lines.iter().map(|line| Line {
        product_id: line.product_id.clone(),
        name: line.name.clone().unwrap_or_else(|| line.product_id.clone()),
        quantity: line.quantity,
        unit_price: money(&line.unit_price, &order.currency),
        discount: Some(line.discount_percent.clone()).filter(|percent| percent != "0"),
        total: money(&line.total, &order.currency),
    });
    let lines = lines.collect();
    let frame = Frame::new(&visit, "orders", basket);
    Ok(page(&OrderPage { frame, order: Order::seen_by(customer, &order), lines }))
}
