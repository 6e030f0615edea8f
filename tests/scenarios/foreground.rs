//! run: a container in the foreground, or left behind with --detach.

use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Companion, Machine, eventually, exit_code, in_scenarios_words, is_alive, wait_for_end};

/// A `run` at work.
struct Foreground {
    process: Companion,
    stderr: PathBuf,
}

impl Foreground {
    /// Runs container x of a bundle for m4, with more options.
    fn begin(machine: &Machine, options: &[&str]) -> Self {
        Self::begin_with(machine, &[], options)
    }

    fn begin_with(machine: &Machine, global: &[&str], options: &[&str]) -> Self {
        let bundle = machine.bundle("x", "m4");
        let stderr = machine.scratch().join("run.err");
        let args = [global, &["run", "--bundle", bundle.path.to_str().unwrap()], options, &["x"]].concat();
        let mut command = machine.command(&args);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&stderr).unwrap());
        Self { process: Companion(command.spawn().unwrap()), stderr }
    }

    /// Runs it until the firmware runs; the proxy's pid as well.
    #[track_caller]
    fn running(machine: &Machine, options: &[&str]) -> (Self, i32) {
        Self::begin(machine, options).until_running(machine)
    }

    #[track_caller]
    fn until_running(self, machine: &Machine) -> (Self, i32) {
        eventually("the firmware runs", || machine.run(&["state", "x"]).stdout.contains("\"running\""));
        let pid = machine.pid("x");
        (self, pid)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process.0), signal).unwrap();
    }

    /// Waits for its end; its exit code.
    #[track_caller]
    fn code(&mut self) -> i32 {
        wait_for_end(i32::try_from(self.process.0.id()).unwrap());
        self.process.0.wait().unwrap().code().unwrap_or(-1)
    }

    fn stderr(&self) -> String {
        in_scenarios_words(std::fs::read_to_string(&self.stderr).unwrap())
    }
}

#[track_caller]
fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

#[test]
fn while_it_goes_on_others_are_created_and_deleted() {
    let machine = Machine::stm32mp15();
    let (mut run, _) = Foreground::running(&machine, &[]);
    machine.created("y");
    machine.run(&["delete", "--force", "y"]).ok();
    run.signal(Signal::TERM);
    assert_eq!(run.code(), 0);
    machine.assert_clean();
}

#[test]
fn run_lasts_as_long_as_the_firmware_and_leaves_nothing() {
    let machine = Machine::stm32mp15();
    let (mut run, proxy) = Foreground::running(&machine, &[]);
    assert_eq!((machine.processor().as_str(), run.process.0.try_wait().unwrap()), ("running", None));
    machine.run(&["kill", "x"]).ok();
    assert_eq!(run.code(), 0, "{}", run.stderr());
    assert!(!is_alive(proxy));
    assert!(run.stderr().contains("m4: booted fw.elf-"), "the proxy speaks on run's standard error");
    machine.assert_clean();
}

#[test]
fn signals_to_run_stop_the_firmware() {
    let machine = Machine::stm32mp15();
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        let (mut run, _) = Foreground::running(&machine, &[]);
        run.signal(signal);
        assert_eq!(run.code(), 0, "{signal:?}: {}", run.stderr());
        assert!(run.stderr().contains("m4: stopped"), "{signal:?}: {}", run.stderr());
        machine.assert_clean();
    }
}

#[test]
fn a_signal_while_the_driver_boots_stops_what_it_booted() {
    let machine = Machine::stm32mp15();
    machine.fault(0, "start-hangs", "1");
    let mut run = Foreground::begin(&machine, &[]);
    eventually("the proxy boots the processor", || {
        machine.processes().iter().any(|pid| {
            std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm == "rproc:starting\n")
        })
    });
    run.signal(Signal::TERM);
    machine.fault(0, "start-hangs", "0");
    assert_eq!(run.code(), 0, "{}", run.stderr());
    machine.assert_clean();
}

#[test]
fn run_ends_with_1_after_a_crash() {
    let machine = Machine::stm32mp15();
    machine.set(0, "recovery", "disabled");
    let (mut run, _) = Foreground::running(&machine, &[]);
    machine.crash(0);
    assert_eq!(run.code(), 1);
    assert!(run.stderr().contains("m4: ended: crashed"), "{}", run.stderr());
    machine.assert_clean();
}

#[test]
fn a_crash_that_the_kernel_recovers_from_does_not_end_run() {
    let machine = Machine::stm32mp15();
    let (mut run, proxy) = Foreground::running(&machine, &[]);
    machine.crash(0);
    eventually("the recovery is told", || run.stderr().contains("m4: recovered by the kernel"));
    assert_eq!((machine.pid("x"), run.process.0.try_wait().unwrap()), (proxy, None));
    run.signal(Signal::TERM);
    assert_eq!(run.code(), 0);
    machine.assert_clean();
}

#[test]
fn run_ends_with_137_when_its_proxy_is_killed_and_stops_the_firmware() {
    let machine = Machine::stm32mp15();
    let (mut run, proxy) = Foreground::running(&machine, &[]);
    kill(proxy);
    assert_eq!(run.code(), 137, "{}", run.stderr());
    machine.assert_clean();

    let (mut run, _) = Foreground::running(&machine, &[]);
    machine.run(&["kill", "x", "KILL"]).ok();
    assert_eq!(run.code(), 137, "{}", run.stderr());
    machine.assert_clean();
}

#[test]
fn a_stop_that_the_kernel_refuses_does_not_end_run() {
    let machine = Machine::stm32mp15();
    let log = machine.scratch().join("log");
    let (mut run, proxy) =
        Foreground::begin_with(&machine, &["--log", log.to_str().unwrap()], &[]).until_running(&machine);
    machine.fault(0, "stop-error", "EIO");
    run.signal(Signal::TERM);
    eventually("the refusal is told", || run.stderr().contains("error: container x: processor m4: "));
    let told = run.stderr();
    assert!(told.contains("EIO") && told.contains("; kernel: "), "{told}");
    assert_eq!((machine.status("x").as_str(), machine.pid("x")), ("running", proxy));
    machine.fault(0, "stop-error", "\n");
    run.signal(Signal::TERM);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    machine.assert_clean();
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "", "in the end it was no failure");
}

#[test]
fn a_start_that_fails_leaves_nothing() {
    let machine = Machine::stm32mp15();
    machine.fault(0, "start-error", "EIO");
    let bundle = machine.bundle("x", "m4");
    for options in [&[][..], &["--detach"]] {
        let args = [&["run", "--bundle", bundle.path.to_str().unwrap()], options, &["x"]].concat();
        machine.run(&args).refused(&["container x", "processor m4", "EIO", "kernel: "]);
        machine.assert_clean();
        assert_eq!(machine.processes(), [0; 0]);
    }
}

#[test]
fn a_create_that_fails_touches_no_container_of_that_id() {
    let machine = Machine::stm32mp15();
    let proxy = machine.running("x");
    let bundle = machine.bundle("other", "m4");
    let args = ["run", "--bundle", bundle.path.to_str().unwrap(), "x"];
    machine.run(&args).refused(&["container x", "already exists"]);
    assert_eq!((machine.pid("x"), machine.processor().as_str()), (proxy, "running"));
    assert_eq!(machine.stored_firmware().len(), 1);
}

#[test]
fn a_processor_in_use_is_refused_and_what_runs_there_goes_on() {
    let machine = Machine::stm32mp15();
    let proxy = machine.running("first");
    let bundle = machine.bundle("x", "m4");
    machine
        .run(&["run", "--bundle", bundle.path.to_str().unwrap(), "x"])
        .refused(&["owned by container first", "hint: "]);
    assert_eq!((machine.pid("first"), machine.processor().as_str()), (proxy, "running"));
    assert_eq!((machine.state_entries(), machine.stored_firmware().len()), (vec!["first".to_owned()], 1));
}

#[test]
fn detached_the_container_stays() {
    let machine = Machine::stm32mp15();
    for option in ["--detach", "-d"] {
        let mut run = Foreground::begin(&machine, &[option]);
        assert_eq!(run.code(), 0, "{}", run.stderr());
        let proxy = machine.pid("x");
        assert_eq!((machine.status("x").as_str(), machine.processor().as_str()), ("running", "running"));
        machine.run(&["kill", "x"]).ok();
        assert_eq!(exit_code(proxy), 0);
        machine.run(&["delete", "x"]).ok();
        machine.assert_clean();
    }
}

#[test]
fn the_pid_file_is_there_while_the_firmware_runs() {
    let machine = Machine::stm32mp15();
    let file = machine.scratch().join("pid");
    let (mut run, proxy) = Foreground::running(&machine, &["--pid-file", file.to_str().unwrap()]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), proxy.to_string());
    run.signal(Signal::INT);
    assert_eq!(run.code(), 0);
}

#[test]
fn a_run_that_is_killed_leaves_a_container_that_can_be_ended() {
    let machine = Machine::stm32mp15();
    let (mut run, proxy) = Foreground::running(&machine, &[]);
    run.signal(Signal::KILL);
    run.code();
    assert_eq!((machine.status("x").as_str(), machine.pid("x")), ("running", proxy));
    machine.run(&["kill", "x"]).ok();
    assert_eq!(exit_code(proxy), 0);
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
}
