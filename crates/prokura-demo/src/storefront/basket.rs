//! The basket and ordering what is in it.

use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};

use super::layout::frame;
use super::session::{GuestItem, Visitor};
use super::visit::{Posted, Stop, Visit};
use crate::site::pages::{BasketPage, CheckoutPage, FilledBasket, Notice, page, sentence};
use crate::site::shop;

async fn filled_basket(visit: &Visit) -> Result<Option<FilledBasket>, Stop> {
    let baskets = visit.call(visit.app.shop.baskets()).await?;
    Ok(baskets.into_iter().next().and_then(FilledBasket::of))
}

/// `GET /basket`
pub(super) async fn show(visit: Visit) -> Result<Response, Stop> {
    let basket = match visit.visitor {
        Visitor::Passerby => None,
        Visitor::Guest(_) | Visitor::Customer(_) => filled_basket(&visit).await?,
    };
    let frame = frame(&visit, "basket", Some(basket.as_ref().map_or(0, |basket| basket.items.len())));
    Ok(page(&BasketPage { frame, basket }))
}

/// `POST /basket/items`
pub(super) async fn add(posted: Posted) -> Result<Response, Stop> {
    let visit = posted.for_same_company()?.clone().into_guest().await?;
    let back = Redirect::to(posted.return_to()).into_response();
    let product_id = posted.fields.text("product");
    let Ok(quantity) = posted.fields.text("quantity").parse::<i64>() else {
        visit.notify(Notice::warning("Please enter a whole number of units."));
        return Ok(back);
    };
    let added = visit.call(visit.app.shop.add_to_basket(product_id, quantity)).await;
    match added {
        Ok(basket) => {
            let of = |item: &shop::Item| item.product_id == product_id;
            let name = basket.items.into_iter().find(of).and_then(|item| item.product).map(|product| product.name);
            let whose = visit.visitor.shops_for().basket_words();
            let name = name.unwrap_or_else(|| product_id.to_owned());
            visit.notify(Notice::good(format!("Added {quantity} × {name} to {whose}.")));
        }
        Err(Stop::Refused(words)) => visit.notify(Notice::warning(sentence(&words))),
        Err(stop @ (Stop::Go(_) | Stop::Say { .. })) => return Err(stop),
    }
    Ok(back)
}

/// `POST /basket/items/{item}`: another number of units, or none.
pub(super) async fn change(Path(item): Path<String>, posted: Posted) -> Result<Response, Stop> {
    let visit = posted.for_same_company()?;
    let client = &visit.app.shop;
    let basket = posted.fields.text("basket");
    let changed = if posted.fields.text("action") == "remove" {
        visit.call(client.remove_from_basket(basket, &item)).await
    } else {
        let quantity = posted.fields.text("quantity").parse().unwrap_or(0);
        visit.call(client.set_quantity(basket, &item, quantity)).await
    };
    match changed {
        Ok(()) => {}
        Err(Stop::Refused(words)) => visit.notify(Notice::warning(sentence(&words))),
        Err(stop @ (Stop::Go(_) | Stop::Say { .. })) => return Err(stop),
    }
    Ok(Redirect::to("/basket").into_response())
}

/// `GET /checkout`
pub(super) async fn review(visit: Visit) -> Result<Response, Stop> {
    visit.needs_customer()?;
    match filled_basket(&visit).await? {
        Some(basket) if basket.is_orderable => {
            let frame = frame(&visit, "basket", Some(basket.items.len()));
            Ok(page(&CheckoutPage { frame, basket }))
        }
        Some(_) | None => Ok(Redirect::to("/basket").into_response()),
    }
}

/// `POST /checkout`
pub(super) async fn order(posted: Posted) -> Result<Response, Stop> {
    let visit = posted.for_same_company()?;
    visit.needs_customer()?;
    let (basket, reference) = (posted.fields.text("basket"), posted.fields.text("reference"));
    let client = &visit.app.shop;
    match visit.call(client.order_basket(basket, reference)).await {
        Ok(order) => {
            let whom = visit.visitor.shops_for().words();
            visit.notify(Notice::good(format!("Thank you. Order {} was placed while {whom}.", order.id)));
            Ok(Redirect::to(&format!("/orders/{}", order.id)).into_response())
        }
        Err(Stop::Refused(words)) => {
            visit.notify(Notice::warning(format!("Nothing was ordered. {}", sentence(&words))));
            Ok(Redirect::to("/basket").into_response())
        }
        Err(stop @ (Stop::Go(_) | Stop::Say { .. })) => Err(stop),
    }
}

/// What is in a guest's basket, to be taken along through the login. Without an answer, nothing is.
pub(super) async fn guest_items(visit: &Visit) -> Vec<GuestItem> {
    if visit.guest_tokens().is_none() {
        return Vec::new();
    }
    let baskets = visit.call(visit.app.shop.baskets()).await.unwrap_or_default();
    let items = baskets.into_iter().flat_map(|basket| basket.items);
    let named = items.filter_map(|item| Some((item.product?.name, item.product_id, item.quantity)));
    named.map(|(name, product_id, quantity)| GuestItem { product_id, name, quantity }).collect()
}

/// Puts what a guest had chosen into the basket of whomever they act for now, as far as that is possible. The result is
/// to follow a sentence; it is empty when there was nothing.
pub(super) async fn bring_guest_items(visit: &Visit) -> String {
    let (mut brought, mut left) = (0, Vec::new());
    for item in visit.take_guest_items() {
        match visit.call(visit.app.shop.add_to_basket(&item.product_id, item.quantity)).await {
            Ok(_) => brought += 1,
            Err(_) => left.push(item.name),
        }
    }
    let came = match brought {
        0 => String::new(),
        1 => " What was in your basket came along.".to_owned(),
        _ => format!(" The {brought} products from your basket came along."),
    };
    let stayed = if left.is_empty() { String::new() } else { format!(" Not available here: {}.", left.join(", ")) };
    came + &stayed
}
