//! The products a visitor may see, and one of them.

use axum::extract::{Path, Query};
use axum::response::Response;

use super::layout::{count_basket, frame};
use super::visit::{Stop, Visit};
use crate::site::form::Lenient;
use crate::site::pages::{ProductPage, ProductsPage, ProductsQuery, page};

/// `GET /`
pub(super) async fn products(visit: Visit, query: Lenient<ProductsQuery>) -> Result<Response, Stop> {
    let Query(query) = query.unwrap_or_default();
    let shop = &visit.app.shop;
    let wanted = query.wanted();
    let (products, categories, basket) =
        tokio::join!(visit.call(shop.products(&wanted)), visit.call(shop.categories()), count_basket(&visit));
    // A message that waits is taken by the page that is shown, so what may end this one comes first.
    let (products, categories) = (products?, categories?);
    let frame = frame(&visit, "products", basket);
    Ok(page(&ProductsPage::new(frame, &query, categories, products, visit.location)))
}

/// `GET /products/{id}`
pub(super) async fn product(visit: Visit, Path(id): Path<String>) -> Result<Response, Stop> {
    let (product, basket) = tokio::join!(visit.call(visit.app.shop.product(&id)), count_basket(&visit));
    let product = product?;
    Ok(page(&ProductPage::new(frame(&visit, "products", basket), product, visit.location)))
}
