//! The proxy as a process: its terminal, its standard streams, its session, and what it keeps open.

use std::io::{IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use serde_json::Value;
use simulated_board::{BoardSpec, FirmwareBuilder};

use crate::harness::{
    Bundle, Machine, Outcome, PATIENCE, binary, eventually, exit_code, in_scenarios_words, traced,
    wait_for_end,
};

/// An engine's side of a console socket.
struct Console {
    listener: UnixListener,
    path: PathBuf,
}

impl Console {
    fn listen(machine: &Machine) -> Self {
        let path = machine.scratch().join("console");
        Self { listener: UnixListener::bind(&path).unwrap(), path }
    }

    /// The terminal's master side, from whoever has connected, and the name that came with it.
    fn master(&self) -> (std::fs::File, String) {
        let (stream, _) = self.listener.accept().unwrap();
        let mut name = [0; 256];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::net::recvmsg(
            &stream,
            &mut [IoSliceMut::new(&mut name)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )
        .unwrap();
        let mut descriptors: Vec<OwnedFd> = control
            .drain()
            .filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
                _ => None,
            })
            .flatten()
            .collect();
        assert_eq!(descriptors.len(), 1, "one descriptor is handed over");
        let name = String::from_utf8(name[..received.bytes].to_vec()).unwrap();
        (descriptors.remove(0).into(), name)
    }
}

/// A bundle called x that wants a terminal.
fn bundle_with_terminal(machine: &Machine) -> Bundle {
    let bundle = machine.bundle("x", "m4");
    bundle.edit(|config| config["process"]["terminal"] = Value::Bool(true));
    bundle
}

fn create_with_console(machine: &Machine, bundle: &Bundle, socket: &Path) -> Outcome {
    let bundle = bundle.path.to_str().unwrap();
    machine.run(&["create", "--bundle", bundle, "--console-socket", socket.to_str().unwrap(), "x"])
}

/// A container x with a terminal: its master side, and the proxy's pid.
fn created_with_terminal(machine: &Machine) -> (std::fs::File, i32) {
    let console = Console::listen(machine);
    create_with_console(machine, &bundle_with_terminal(machine), &console.path).ok();
    (console.master().0, machine.pid("x"))
}

/// Reads from a terminal until `word` has come.
#[track_caller]
fn read_until(master: &mut std::fs::File, word: &str) -> String {
    let limit = Timespec { tv_sec: i64::try_from(PATIENCE.as_secs()).unwrap(), tv_nsec: 0 };
    let mut text = String::new();
    while !text.contains(word) {
        let mut fds = [PollFd::new(&*master, PollFlags::IN)];
        assert_eq!(
            rustix::event::poll(&mut fds, Some(&limit)).unwrap(),
            1,
            "{word:?} has not come: {text:?}"
        );
        let mut buffer = [0; 1024];
        let read =
            master.read(&mut buffer).unwrap_or_else(|e| panic!("{word:?} has not come: {text:?}: {e}"));
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        text = in_scenarios_words(text);
    }
    text
}

fn descriptor(pid: i32, number: u32) -> PathBuf {
    std::fs::read_link(format!("/proc/{pid}/fd/{number}")).unwrap()
}

/// Has container x, which is created, reach a phase.
#[track_caller]
fn reach(machine: &Machine, phase: &str) {
    if phase == "running" {
        machine.run(&["start", "x"]).ok();
    }
    assert_eq!(machine.status("x"), phase);
}

/// Fields of /proc/PID/stat, numbered as proc_pid_stat(5) does.
fn stat_field(pid: i32, number: usize) -> i32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, tail) = stat.rsplit_once(") ").unwrap();
    tail.split(' ').nth(number - 3).unwrap().parse().unwrap()
}

#[test]
fn the_console_socket_gets_the_terminal_that_the_proxy_writes_to() {
    let machine = Machine::stm32mp15();
    let console = Console::listen(&machine);
    create_with_console(&machine, &bundle_with_terminal(&machine), &console.path).ok();
    let (mut master, name) = console.master();
    assert!(rustix::termios::isatty(&master));
    assert_eq!(name, "/dev/ptmx", "engines log it");
    let slave = rustix::pty::ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let pid = machine.pid("x");
    assert_eq!((descriptor(pid, 1), descriptor(pid, 2)), (slave.clone().into(), slave.into()));
    // Once it has read there that its container is recorded.
    eventually("its standard input is closed", || descriptor(pid, 0) == Path::new("/dev/null"));

    machine.run(&["start", "x"]).ok();
    read_until(&mut master, "m4: booted fw.elf-");
    machine.run(&["kill", "x"]).ok();
    read_until(&mut master, "m4: stopped");
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
}

#[test]
fn ctrl_c_in_the_terminal_stops_the_firmware() {
    let machine = Machine::stm32mp15();
    let (mut master, pid) = created_with_terminal(&machine);
    machine.run(&["start", "x"]).ok();
    master.write_all(b"\x03").unwrap();
    assert_eq!(exit_code(pid), 0);
    assert_eq!((machine.status("x").as_str(), machine.processor().as_str()), ("stopped", "offline"));
    read_until(&mut master, "m4: stopped");
}

#[test]
fn ctrl_c_before_start_ends_the_container() {
    let machine = Machine::stm32mp15();
    let (mut master, pid) = created_with_terminal(&machine);
    master.write_all(b"\x03").unwrap();
    assert_eq!(exit_code(pid), 0);
    assert_eq!(machine.status("x"), "stopped");
}

#[test]
fn a_terminal_that_nobody_reads_holds_nothing_up() {
    let machine = Machine::stm32mp15();
    let (master, pid) = created_with_terminal(&machine);
    // Full: what is typed is echoed, up to what a terminal holds.
    rustix::io::ioctl_fionbio(&master, true).unwrap();
    let mut writer = &master;
    while writer.write(b"echo echo echo\n").is_ok() {}
    machine.run(&["start", "x"]).ok();
    machine.run(&["kill", "x"]).ok();
    wait_for_end(pid);
    assert_eq!(machine.processor(), "offline");
}

#[test]
fn the_terminal_shows_what_the_firmware_writes() {
    let machine = Machine::stm32mp15();
    let console = Console::listen(&machine);
    let bundle = machine.bundle_of("x", "m4", &traced("hello from the other side\n"));
    bundle.edit(|config| config["process"]["terminal"] = Value::Bool(true));
    create_with_console(&machine, &bundle, &console.path).ok();
    machine.run(&["start", "x"]).ok();
    // As a terminal has it.
    let text = read_until(&mut console.master().0, "hello from the other side\r\n");
    assert!(text.contains("m4: booted"), "{text:?}");
}

#[test]
fn more_than_a_terminal_holds_keeps_no_firmware_from_being_stopped() {
    let machine = Machine::simulated(BoardSpec::stm32mp15());
    let console = Console::listen(&machine);
    let text = "more than a terminal holds\n".repeat(6000);
    let trace = FirmwareBuilder::new().segment(0x1003_0000, &[0; 64]).data(0x1000_0000, text.as_bytes());
    let firmware = trace.trace(0x1000_0000, u32::try_from(text.len()).unwrap()).build();
    let bundle = machine.bundle_of("x", "m4", &firmware);
    bundle.edit(|config| config["process"]["terminal"] = Value::Bool(true));
    create_with_console(&machine, &bundle, &console.path).ok();
    let (_master, pid) = (console.master(), machine.pid("x"));
    machine.run(&["start", "x"]).ok();
    machine.run(&["kill", "x"]).ok();
    wait_for_end(pid);
    assert_eq!(machine.run(&["logs", "x"]).ok().len(), 64 << 10, "what is kept is the end");
}

#[test]
fn run_hands_a_terminal_over_too() {
    let machine = Machine::stm32mp15();
    let console = Console::listen(&machine);
    let bundle = bundle_with_terminal(&machine);
    let options = ["run", "--detach", "--console-socket", console.path.to_str().unwrap()];
    machine.run(&[options.as_slice(), &["--bundle", bundle.path.to_str().unwrap(), "x"]].concat()).ok();
    read_until(&mut console.master().0, "m4: booted fw.elf-");
}

#[test]
fn a_terminal_without_a_socket_and_a_socket_without_a_terminal_are_errors() {
    let machine = Machine::stm32mp15();
    let console = Console::listen(&machine);
    machine.create("x", &bundle_with_terminal(&machine)).refused(&["process.terminal", "--console-socket"]);
    for change in
        [|_: &mut Value| {}, |config: &mut Value| config["process"]["terminal"] = Value::Bool(false)]
    {
        let bundle = machine.bundle("x", "m4");
        bundle.edit(change);
        create_with_console(&machine, &bundle, &console.path)
            .refused(&["process.terminal", "--console-socket"]);
    }
    machine.assert_clean();
    assert_eq!(machine.processes(), [0; 0]);
}

#[test]
fn a_socket_that_nobody_listens_on_leaves_nothing() {
    let machine = Machine::stm32mp15();
    let bundle = bundle_with_terminal(&machine);
    let console = Console::listen(&machine);
    let abandoned = console.path.clone();
    drop(console);
    let file = machine.scratch().join("file");
    std::fs::write(&file, "").unwrap();
    let long = machine.scratch().join("a".repeat(200));
    for socket in [&abandoned, &machine.scratch().join("missing"), &file, &long] {
        create_with_console(&machine, &bundle, socket).refused(&["container x", socket.to_str().unwrap()]);
        machine.assert_clean();
        assert_eq!(machine.processes(), [0; 0]);
    }
}

#[test]
fn without_a_terminal_the_proxy_keeps_the_creates_output_and_no_input() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    let outcome = machine.create("x", &bundle);
    let pid = machine.pid("x");
    // The create ends with its word that the record is written; the proxy takes it a moment later.
    eventually("no input", || descriptor(pid, 0) == Path::new("/dev/null"));
    assert_eq!(descriptor(pid, 2), outcome.log);
    assert_eq!(descriptor(pid, 1).extension().unwrap(), "out");
    machine.run(&["start", "x"]).ok();
    let said = in_scenarios_words(std::fs::read_to_string(&outcome.log).unwrap());
    assert!(said.contains("m4: booted fw.elf-"), "{said}");
    assert_eq!(descriptor(pid, 0), Path::new("/dev/null"), "still");
}

#[test]
fn a_proxy_has_its_own_session_the_root_directory_one_thread_and_no_environment() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    let mut command = machine.command(&["create", "--bundle", bundle.path.to_str().unwrap(), "x"]);
    command.env("SECRET", "of the engine").current_dir(machine.scratch());
    Outcome::of(command, machine.scratch()).ok();
    let pid = machine.pid("x");
    for phase in ["created", "running"] {
        reach(&machine, phase);
        assert_eq!((stat_field(pid, 5), stat_field(pid, 6)), (pid, pid), "group and session");
        assert_eq!(stat_field(pid, 7), 0, "no terminal");
        assert_eq!(stat_field(pid, 20), 1, "threads");
        assert_eq!(std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), Path::new("/"));
        assert_eq!(std::fs::read(format!("/proc/{pid}/environ")).unwrap(), b"");
    }
}

#[test]
fn a_proxy_keeps_open_only_what_it_needs() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    let held = machine.scratch().join("held-by-the-engine");
    std::fs::write(&held, "").unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "exec 3<\"$0\" 5<\"$0\" 9<\"$0\"; exec \"$@\""]).arg(&held).arg(binary());
    let create = ["create", "--preserve-fds", "2", "--bundle", bundle.path.to_str().unwrap(), "x"];
    command.args(machine.command(&create).get_args());
    Outcome::of(command, machine.scratch()).ok();
    let pid = machine.pid("x");
    for phase in ["created", "running"] {
        reach(&machine, phase);
        let mut others = Vec::new();
        for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
            let number: u32 = entry.unwrap().file_name().to_str().unwrap().parse().unwrap();
            if number > 2 {
                others.push(descriptor(pid, number));
            }
        }
        // Its signals and its container's directory; once it runs, its processor's directory and attributes as well,
        // the kernel's log, and the firmware's trace buffer.
        let own = |path: &PathBuf| {
            path.starts_with(machine.host_root()) && phase == "running"
                || *path == machine.state_root().join("x")
                || *path == Path::new("anon_inode:[signalfd]")
        };
        assert!(others.iter().all(own), "{phase}: {others:?}");
        assert!(others.len() <= 9, "{phase}: {others:?}");
    }
}

#[test]
fn a_bundle_can_be_unmounted_while_its_container_runs() {
    let machine = Machine::stm32mp15();
    let pid = machine.running("x");
    let bundle = machine.scratch().join("bundles/x");
    let files = ["cwd", "root", "exe"].map(|name| std::fs::read_link(format!("/proc/{pid}/{name}")).unwrap());
    assert!(files.iter().all(|file| !file.starts_with(&bundle)), "{files:?}");
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    assert!(!maps.contains(bundle.to_str().unwrap()));
    std::fs::remove_dir_all(bundle).unwrap();
    machine.run(&["kill", "x"]).ok();
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
}
