//! What the program prints on a command line that needs no board: help, version, what it refuses, and what docs show.
//!
//! After a change that is meant, `TRYCMD=overwrite cargo test --test golden` writes the files anew; read the difference.
#![allow(missing_docs)]

#[test]
fn the_command_line_prints_what_the_files_in_golden_say() {
    trycmd::TestCases::new().env("RUST_LOG", "warn").case("tests/golden/*.trycmd").case("docs/check.md");
}
