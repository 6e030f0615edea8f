//! The tour of `cargo demo`.

fn main() {}
