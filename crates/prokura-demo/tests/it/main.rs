//! The shop and the storefront at their front doors, with a scripted Prokura beside them.

#[cfg(test)]
mod baskets;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod hybrid;
#[cfg(test)]
mod hybrid_fake;
#[cfg(test)]
mod shop;
#[cfg(test)]
mod storefront;
