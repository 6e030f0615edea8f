//! The tour of `cargo demo`: a firmware container from create to delete on a simulated STM32MP15.
//!
//! Every line after a `$` is given to a shell as it stands, and what it prints is what the program prints. Each step is
//! checked; the first one that does not do what it should ends the tour with exit code 1.
#![allow(clippy::print_stderr, clippy::print_stdout)]

mod terminal;

use std::process::ExitCode;

use simulated_board::{Board, BoardSpec};
use terminal::{Outcome, Terminal};

/// A real Cortex-M4 firmware, as a user would have it.
const FIRMWARE: &[u8] = include_bytes!("../firmware/blink.elf");

/// What the tour types for short, as anybody would who tries another root than `/`.
const ALIAS: &str = "alias remoteproc-runtime='remoteproc-runtime --root state --host-root host'";

fn main() -> ExitCode {
    match tour() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("demo: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn tour() -> Outcome {
    let directory = tempfile::Builder::new()
        .prefix("demo-")
        .tempdir()
        .map_err(|e| format!("no directory to work in: {e}"))?;
    let place = directory.path();
    std::fs::write(place.join("blink.elf"), FIRMWARE).map_err(|e| format!("{}: {e}", place.display()))?;
    let board = Board::mount(&place.join("host"), &place.join("files"), BoardSpec::stm32mp15())
        .map_err(|e| format!("no simulated board: {e}"))?;
    let mut terminal = Terminal::open(place, ALIAS)?;
    let told = tell(&mut terminal);
    // Whatever is left after a step that failed; what still hangs in a driver is let go with the board.
    terminal.end_proxies(["blink", "second", "third"]);
    drop(board);
    told
}

fn tell(t: &mut Terminal) -> Outcome {
    t.remark(
        "A simulated STM32MP157C-DK2: below host/ are its sysfs, debugfs, kernel log and /lib/firmware.",
    );
    t.show(ALIAS);

    t.remark("A bundle for the Cortex-M4, and a container of it. Its proxy waits, the processor is off.");
    t.run("remoteproc-runtime spec --bundle blink --processor m4 --firmware blink.elf", 0, &[])?;
    t.run("remoteproc-runtime create --bundle blink blink", 0, &[])?;
    t.run(
        "remoteproc-runtime state blink",
        0,
        &["\"status\": \"created\"", "\"remoteproc.resolved-path\"", "\"remoteproc.firmware\"", "\"pid\""],
    )?;
    t.expect_processor("offline")?;
    let pid = t.pid("blink")?;

    t.remark("start answers when the firmware runs; the proxy speaks on the standard error of its create.");
    t.run("remoteproc-runtime start blink", 0, &["m4: booted blink.elf-"])?;
    t.expect_processor("running")?;
    t.run("remoteproc-runtime list", 0, &["ID", "blink", "running"])?;
    t.run("cat host/sys/kernel/debug/remoteproc/remoteproc0/trace0", 0, &["blink 1.0 on cortex-m4: hello"])?;

    t.remark("A crash that the kernel recovers from is no end; without recovery it is one.");
    t.run(
        "echo 1 > host/sys/kernel/debug/remoteproc/remoteproc0/crash",
        0,
        &["m4: recovered by the kernel after a crash (crash detected in m4: type watchdog)"],
    )?;
    t.expect_processor("running")?;
    t.run("echo disabled > host/sys/class/remoteproc/remoteproc0/recovery", 0, &[])?;
    t.run("echo 1 > host/sys/kernel/debug/remoteproc/remoteproc0/crash", 0, &["m4: ended: crashed"])?;
    t.expect_exit_code("blink", pid, 1)?;
    t.remark("The proxy of blink has ended with exit code 1, which engines report and restart on.");
    t.run("remoteproc-runtime state blink | grep status", 0, &["\"status\": \"stopped\""])?;
    t.expect_processor("crashed")?;

    t.remark("start brings the crashed processor back. While it has an owner, another start is refused.");
    t.run(
        "remoteproc-runtime create --bundle blink second && remoteproc-runtime start second",
        0,
        &["booted"],
    )?;
    t.expect_processor("running")?;
    t.run(
        "remoteproc-runtime create --bundle blink third && remoteproc-runtime start third",
        1,
        &["not booted", "error: ", "owned by container second", "hint: ", "kill second"],
    )?;

    t.remark("kill returns when the processor is off. After delete nothing is left.");
    let pid = t.pid("second")?;
    t.run("remoteproc-runtime kill second", 0, &["m4: stopped"])?;
    t.expect_processor("offline")?;
    t.expect_exit_code("second", pid, 0)?;
    t.run("for id in blink second third; do remoteproc-runtime delete $id; done", 0, &[])?;
    t.run("find state host/lib/firmware -mindepth 1 | wc -l", 0, &["0"])?;
    t.expect_empty(&["state", "host/lib/firmware"])
}
