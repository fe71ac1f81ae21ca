//! The storefront.
