//! The shop and the storefront at their front doors, with a scripted Prokura beside them.

mod fake;
mod shop;
