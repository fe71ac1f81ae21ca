//! The products a shopper may see, and one of them.

use axum::extract::{Path, Query};
use axum::response::Response;

use super::visit::{Stop, Visit};
use crate::site::form::Lenient;
use crate::site::pages::{ProductPage, ProductsPage, ProductsQuery, page};

/// `GET /classic/`
pub(super) async fn products(visit: Visit, query: Lenient<ProductsQuery>) -> Result<Response, Stop> {
    let Query(query) = query.unwrap_or_default();
    let shop = &visit.app.shop;
    let wanted = query.wanted();
    let (products, categories, basket) =
        tokio::join!(visit.call(shop.products(&wanted)), visit.call(shop.categories()), visit.count_basket());
    let frame = visit.frame("products", basket);
    Ok(page(&ProductsPage::new(frame, &query, categories?, products?, visit.location)))
}

/// `GET /classic/products/{id}`
pub(super) async fn product(visit: Visit, Path(id): Path<String>) -> Result<Response, Stop> {
    let (product, basket) = tokio::join!(visit.call(visit.app.shop.product(&id)), visit.count_basket());
    Ok(page(&ProductPage::new(visit.frame("products", basket), product?, visit.location)))
}
