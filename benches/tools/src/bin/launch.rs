//! `launch PROGRAM [ARG...]`: runs a program to its end and prints one line: its wall time in ns, its peak memory in kB,
//! its exit code.
//!
//! It stands between the benchmark and what is measured because the kernel counts the memory of whoever called exec(2)
//! into the peak of what was executed (fs/exec.c, `setmax_mm_hiwater_rss`): so that has to be a small program.

use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use wait4::Wait4;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let Some(program) = args.next() else {
        eprintln!("usage: launch PROGRAM [ARG...]");
        return ExitCode::from(2);
    };
    let mut command = Command::new(&program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begin = Instant::now();
    match command.spawn().and_then(|mut child| child.wait4()) {
        Ok(used) => {
            let wall = begin.elapsed().as_nanos();
            let kilobytes = used.rusage.maxrss / 1024;
            println!("{wall} {kilobytes} {}", used.status.code().unwrap_or(-1));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("launch: {}: {error}", program.display());
            ExitCode::FAILURE
        }
    }
}
