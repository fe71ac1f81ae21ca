//! The basket, ordering what is in it, and the orders.

use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};

use super::visit::{Posted, Said, Stop, Visit};
use crate::site::form::Lenient;
use crate::site::pages::{
    BasketPage, Buyer, CheckoutPage, FilledBasket, ORDERS_ON_A_PAGE, OrderPage, OrdersPage, OrdersQuery, page,
};

const BASKET: &str = "/classic/basket";

async fn filled_basket(visit: &Visit) -> Result<Option<FilledBasket>, Stop> {
    let baskets = visit.call(visit.app.shop.baskets()).await?;
    Ok(baskets.into_iter().next().and_then(FilledBasket::of))
}

/// `GET /classic/basket`
pub(super) async fn show(visit: Visit) -> Result<Response, Stop> {
    let basket = filled_basket(&visit).await?;
    let frame = visit.frame("basket", Some(basket.as_ref().map_or(0, |basket| basket.items.len())));
    Ok(page(&BasketPage { frame, basket }))
}

/// `POST /classic/basket/items`
pub(super) async fn add(posted: Posted) -> Result<Response, Stop> {
    let visit = posted.for_same_company()?;
    let Ok(quantity) = posted.fields.text("quantity").parse::<i64>() else {
        return Ok(Said::NotANumber.at(posted.return_to()));
    };
    visit.call(visit.app.shop.add_to_basket(posted.fields.text("product"), quantity)).await?;
    Ok(Said::Added.at(posted.return_to()))
}

/// `POST /classic/basket/items/{item}`: another number of units, or none.
pub(super) async fn change(Path(item): Path<String>, posted: Posted) -> Result<Response, Stop> {
    let visit = posted.for_same_company()?;
    let (shop, basket) = (&visit.app.shop, posted.fields.text("basket"));
    if posted.fields.text("action") == "remove" {
        visit.call(shop.remove_from_basket(basket, &item)).await?;
    } else {
        let Ok(quantity) = posted.fields.text("quantity").parse() else { return Ok(Said::NotANumber.at(BASKET)) };
        visit.call(shop.set_quantity(basket, &item, quantity)).await?;
    }
    Ok(Redirect::to(BASKET).into_response())
}

/// `GET /classic/checkout`
pub(super) async fn review(visit: Visit) -> Result<Response, Stop> {
    visit.needs_customer()?;
    match filled_basket(&visit).await? {
        Some(basket) if basket.is_orderable => {
            Ok(page(&CheckoutPage { frame: visit.frame("basket", Some(basket.items.len())), basket }))
        }
        Some(_) | None => Ok(Redirect::to(BASKET).into_response()),
    }
}

/// `POST /classic/checkout`
pub(super) async fn order(posted: Posted) -> Result<Response, Stop> {
    let visit = posted.for_same_company()?;
    visit.needs_customer()?;
    let (basket, reference) = (posted.fields.text("basket"), posted.fields.text("reference"));
    let order = visit.call(visit.app.shop.order_basket(basket, reference)).await?;
    Ok(Said::Ordered.at(&format!("/classic/orders/{}", order.id)))
}

/// `GET /classic/orders`
pub(super) async fn orders(visit: Visit, query: Lenient<OrdersQuery>) -> Result<Response, Stop> {
    visit.needs_customer()?;
    let number = query.unwrap_or_default().number();
    let (orders, basket) =
        tokio::join!(visit.call(visit.app.shop.orders(number, ORDERS_ON_A_PAGE)), visit.count_basket());
    Ok(page(&OrdersPage::new(visit.frame("orders", basket), number, buyer(&visit), &orders?)))
}

/// `GET /classic/orders/{id}`
pub(super) async fn placed(visit: Visit, Path(id): Path<String>) -> Result<Response, Stop> {
    visit.needs_customer()?;
    let (order, basket) = tokio::join!(visit.call(visit.app.shop.order(&id)), visit.count_basket());
    Ok(page(&OrderPage::new(visit.frame("orders", basket), buyer(&visit), &order?)))
}

fn buyer(visit: &Visit) -> Buyer<'_> {
    // Salesforce's ids of customers are not those that the shop is told.
    Buyer { id: None, email: visit.shopper.login.as_deref().unwrap_or_default() }
}
