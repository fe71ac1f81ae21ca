//! The pages of the server: how they look and what they say, in three languages, without a line of JavaScript. Handlers
//! fill the plain structs of [`view`]; what a page looks like is decided in `templates/`, what it says in `locales/`.

#![expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass everything by reference")]

pub mod assets;
mod headers;
pub mod language;
mod qr;
mod texts;
pub mod theme;
pub mod view;

#[cfg(test)]
mod tests;
