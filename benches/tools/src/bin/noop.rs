//! A program that does nothing: what any static program of this toolchain costs.

fn main() {}
