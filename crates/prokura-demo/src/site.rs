//! What the storefronts share: the shop as a token sees it, calling other servers, cookies, pages and the trace of what
//! each request did. Nothing here knows how a storefront learns who its visitor is.

pub(crate) mod assets;
pub(crate) mod companies;
pub(crate) mod cookies;
pub(crate) mod form;
pub(crate) mod pages;
pub(crate) mod shop;
pub(crate) mod trace;
pub(crate) mod upstream;
