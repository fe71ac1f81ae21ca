//! The basket, and what is about to be ordered.

use askama::Template;

use super::catalog::Product;
use super::{Frame, money};
use crate::site::shop;

#[derive(Template)]
#[template(path = "basket.html")]
/// The open basket, if there is something in it.
pub(crate) struct BasketPage {
    pub(crate) frame: Frame,
    pub(crate) basket: Option<FilledBasket>,
}

#[derive(Template)]
#[template(path = "checkout.html")]
/// What is ordered, to be confirmed.
pub(crate) struct CheckoutPage {
    pub(crate) frame: Frame,
    pub(crate) basket: FilledBasket,
}

/// A basket with something in it.
pub(crate) struct FilledBasket {
    id: String,
    pub(crate) items: Vec<Item>,
    total: String,
    /// Nothing in it has left the assortment.
    pub(crate) is_orderable: bool,
}

pub(crate) struct Item {
    id: String,
    product_id: String,
    quantity: i64,
    /// `None` when the product cannot be seen any more.
    product: Option<Product>,
    total: String,
}

impl FilledBasket {
    /// The basket, unless it is empty.
    pub(crate) fn of(basket: shop::Basket) -> Option<Self> {
        let currency = basket.currency;
        let items: Vec<Item> = basket
            .items
            .into_iter()
            .map(|item| Item {
                id: item.id,
                product_id: item.product_id,
                quantity: item.quantity,
                product: item.product.map(Product::from),
                total: item.total.map(|total| money(&total, &currency)).unwrap_or_default(),
            })
            .collect();
        let is_orderable = items.iter().all(|item| item.product.as_ref().is_some_and(|product| product.is_orderable));
        let total = money(&basket.total, &currency);
        (!items.is_empty()).then_some(Self { id: basket.id, items, total, is_orderable })
    }
}
