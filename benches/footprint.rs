//! What the program costs: its size, its verbs in time and memory, its resident proxy, and how soon a crash is noticed.
//!
//! `cargo bench` builds nothing but this: it measures the static binary that `cross/build` leaves in target/dist, and
//! prints every figure in one run beside what it is compared with. It judges nothing: machines differ, ratios less so.
#![allow(clippy::print_stdout, clippy::print_stderr)]

#[path = "footprint/crash.rs"]
mod crash;
#[path = "footprint/machine.rs"]
mod machine;
#[path = "footprint/measure.rs"]
mod measure;
#[path = "footprint/proxy.rs"]
mod proxy;
#[path = "footprint/scale.rs"]
mod scale;
#[path = "footprint/verbs.rs"]
mod verbs;

use std::process::ExitCode;

use machine::Programs;

/// What can go wrong, in words.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    match report() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("footprint: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn report() -> Outcome {
    let programs = Programs::find()?;
    println!("{}: {} bytes", programs.runtime.display(), std::fs::metadata(&programs.runtime)?.len());
    verbs::report(&programs)?;
    proxy::report(&programs)?;
    crash::report(&programs)?;
    scale::report(&programs)
}
