//! The Prokura binary.
fn main() {}
