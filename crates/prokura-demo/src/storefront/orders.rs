//! The orders of the company acted for, or one's own private ones.

use axum::extract::Path;
use axum::response::Response;

use super::layout::{count_basket, frame};
use super::visit::{Stop, Visit};
use crate::site::form::Lenient;
use crate::site::pages::{Buyer, ORDERS_ON_A_PAGE, OrderPage, OrdersPage, OrdersQuery, page};

/// `GET /orders`
pub(super) async fn list(visit: Visit, query: Lenient<OrdersQuery>) -> Result<Response, Stop> {
    let customer = visit.needs_customer()?;
    let number = query.unwrap_or_default().number();
    let (orders, basket) =
        tokio::join!(visit.call(visit.app.shop.orders(number, ORDERS_ON_A_PAGE)), count_basket(&visit));
    let orders = orders?;
    let buyer = Buyer { id: Some(&customer.id), email: &customer.email };
    Ok(page(&OrdersPage::new(frame(&visit, "orders", basket), number, buyer, &orders)))
}

/// `GET /orders/{id}`
pub(super) async fn show(visit: Visit, Path(id): Path<String>) -> Result<Response, Stop> {
    let customer = visit.needs_customer()?;
    let (order, basket) = tokio::join!(visit.call(visit.app.shop.order(&id)), count_basket(&visit));
    let order = order?;
    let buyer = Buyer { id: Some(&customer.id), email: &customer.email };
    Ok(page(&OrderPage::new(frame(&visit, "orders", basket), buyer, &order)))
}
