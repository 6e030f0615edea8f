//! The tour of `cargo demo`: a firmware container from create to delete on a simulated STM32MP15, and of
//! `cargo demo --board stm32mp1`: the same in QEMU, with the kernel's own driver.
//!
//! Every line after a `$` is given to a shell as it stands, and what it prints is what the program prints. Each step is
//! checked; the first one that does not do what it should ends the tour with exit code 1.
#![allow(clippy::print_stderr, clippy::print_stdout)]

mod terminal;

use std::path::Path;
use std::process::{Command, ExitCode};

use simulated_board::{Board, BoardSpec};
use terminal::{Outcome, Terminal};

/// A real Cortex-M4 firmware, as a user would have it.
const FIRMWARE: &[u8] = include_bytes!("../firmware/blink.elf");

/// Where the tour takes place.
struct Stage {
    /// What it types for short.
    alias: &'static str,
    /// The machine's root as the lines name it.
    host: &'static str,
    about: String,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let told = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => tour(),
        ["--board", board] => in_qemu(board),
        _ => Err("the options are: --board NAME".into()),
    };
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("demo: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Has the tour told by this very program, in a guest with a real kernel.
fn in_qemu(board: &str) -> Outcome {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/qemu/run");
    let status = Command::new(script).args(["--demo", board]).status();
    match status.map_err(|e| format!("{script}: {e}"))? {
        status if status.success() => Ok(()),
        status => Err(format!("{script}: {status}")),
    }
}

fn tour() -> Outcome {
    let directory = tempfile::Builder::new()
        .prefix("demo-")
        .tempdir()
        .map_err(|e| format!("no directory to work in: {e}"))?;
    let place = directory.path();
    std::fs::write(place.join("blink.elf"), FIRMWARE).map_err(|e| format!("{}: {e}", place.display()))?;
    // Set by tests/qemu/guest/demo: then the machine is the one that this runs on.
    if std::env::var_os("REMOTEPROC_BOARD").is_some() {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        return tell_on(
            place,
            Stage {
                alias: "alias remoteproc-runtime='remoteproc-runtime --root state'",
                host: "",
                about: format!(
                    "Linux {} in QEMU, with its own driver of an STM32MP1's Cortex-M4.",
                    release.trim_end()
                ),
            },
        );
    }
    let board = Board::mount(&place.join("host"), &place.join("files"), BoardSpec::stm32mp15())
        .map_err(|e| format!("no simulated board: {e}"))?;
    let told = tell_on(place, Stage {
        alias: "alias remoteproc-runtime='remoteproc-runtime --root state --host-root host'",
        host: "host",
        about: "A simulated STM32MP157C-DK2: below host/ are its sysfs, debugfs, kernel log and /lib/firmware.".into(),
    });
    drop(board);
    told
}

fn tell_on(place: &Path, stage: Stage) -> Outcome {
    let mut terminal = Terminal::open(place, stage.alias, stage.host)?;
    let told = tell(&mut terminal, &stage);
    // Whatever is left after a step that failed; what still hangs in a driver is let go with the board.
    terminal.end_proxies(["blink", "second", "third"]);
    told
}

fn tell(t: &mut Terminal, stage: &Stage) -> Outcome {
    let Stage { alias, host, about } = stage;
    t.remark(about);
    t.show(alias);

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

    t.remark(
        "start answers when the firmware runs; what the proxy and the firmware say is the output of create.",
    );
    t.run("remoteproc-runtime start blink", 0, &["m4: booted blink.elf-"])?;
    t.expect_processor("running")?;
    t.run("remoteproc-runtime list", 0, &["ID", "blink", "running"])?;
    t.run("remoteproc-runtime logs blink", 0, &["blink 1.0 on cortex-m4: hello"])?;

    t.remark("A crash that the kernel recovers from is no end; without recovery it is one.");
    t.run(
        &format!("echo 1 > {host}/sys/kernel/debug/remoteproc/remoteproc0/crash"),
        0,
        &["m4: recovered by the kernel after a crash (crash detected in m4: type watchdog)"],
    )?;
    t.expect_processor("running")?;
    t.run(&format!("echo disabled > {host}/sys/class/remoteproc/remoteproc0/recovery"), 0, &[])?;
    t.run(
        &format!("echo 1 > {host}/sys/kernel/debug/remoteproc/remoteproc0/crash"),
        0,
        &["m4: ended: crashed"],
    )?;
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
    t.run(&format!("find state {host}/lib/firmware -mindepth 1 | wc -l"), 0, &["0"])?;
    t.expect_empty(&["state", &format!("{host}/lib/firmware")])
}
