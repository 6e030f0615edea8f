//! A machine with processors, a state directory, and the binary.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use simulated_board::{Board, BoardSpec};

use super::bundle::Bundle;
use super::command::{Outcome, binary, copy_binary};
use super::real::{self, Ability, Real};
use super::scene::processors;
use super::{eventually, process};

/// The kernel's log, and where it is while a scenario has none.
const KMSG: &str = "/dev/kmsg";
const KMSG_AWAY: &str = "/dev/kmsg.away";

/// With the kernel's log, without it, and with one that may not be read, which nobody keeps from a real kernel's root.
pub fn log_modes() -> &'static [&'static str] {
    if real::chosen().is_some() { &["on", "off"] } else { &["on", "off", "denied"] }
}

/// A real Cortex-M4 firmware with a resource table and a trace buffer.
pub const BLINK: &[u8] = include_bytes!("../../firmware/blink.elf");

/// A machine of a scenario's own. When it is dropped, whatever is left of its containers is ended first.
#[derive(Debug)]
pub struct Machine {
    host_root: PathBuf,
    state_root: PathBuf,
    board: Option<Board>,
    pub(super) real: Option<&'static Real>,
    directory: tempfile::TempDir,
}

impl Machine {
    /// An STM32MP15 with its Cortex-M4 `m4`; or the real board, whose first processor stands for it.
    pub fn stm32mp15() -> Self {
        real::chosen().map_or_else(|| Self::simulated(BoardSpec::stm32mp15()), Self::real)
    }

    /// A machine with two processors that know nothing of each other, `m4` and `other`.
    pub fn with_two_processors() -> Self {
        match real::chosen() {
            Some(board) if board.len() < 2 => real::skip("this board has one processor"),
            Some(board) => Self::real(board),
            None => Self::simulated(processors(&["m4", "other"])),
        }
    }

    /// A machine with an STM32MP15's processor whose kernel takes a newline in firmware_class.path for a part of it, or
    /// not; none if the real one is not like that.
    pub fn that_keeps_newlines(keeps: bool) -> Option<Self> {
        let Some(board) = real::chosen() else {
            return Some(Self::simulated(BoardSpec::stm32mp15().path_keeps_newline(keeps)));
        };
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        (release.starts_with("6.1.") == keeps).then(|| Self::real(board))
    }

    /// A machine whose processor m4 has what the simulated board has not, and not every real one: else says so.
    pub fn with(ability: Ability) -> Option<Self> {
        let board = real::chosen().filter(|board| board.has(ability));
        if board.is_none() {
            println!("\nskipped: this board has no {ability:?}");
        }
        board.map(Self::real)
    }

    /// The machine that this process runs on.
    fn real(board: &'static Real) -> Self {
        process::adopt_orphans();
        board.reset();
        let directory = tempfile::tempdir().unwrap();
        // By this name scenarios reach the machine's root from the directory of their own.
        std::os::unix::fs::symlink("/", directory.path().join("host")).unwrap();
        let (host_root, state_root) = ("/".into(), directory.path().join("state"));
        Self { host_root, state_root, board: None, real: Some(board), directory }
    }

    /// A simulated machine, of which a real board has not the like.
    pub fn simulated(spec: BoardSpec) -> Self {
        if real::chosen().is_some() {
            real::skip("a board that only the simulation has");
        }
        process::adopt_orphans();
        let directory = tempfile::tempdir().unwrap();
        let (host_root, files) = (directory.path().join("host"), directory.path().join("files"));
        for dir in [&host_root, &files.join("lib/firmware")] {
            std::fs::create_dir_all(dir).unwrap();
        }
        let board = Board::mount(&host_root, &files, spec)
            .unwrap_or_else(|error| panic!("no simulated board: {error}"));
        Self {
            host_root,
            state_root: directory.path().join("state"),
            board: Some(board),
            real: None,
            directory,
        }
    }

    /// Whether it is no real board.
    pub fn is_simulated(&self) -> bool {
        self.real.is_none()
    }

    /// A machine whose processor m4 leaves dumps: a simulated one, or a real one that does.
    pub fn that_dumps() -> Option<Self> {
        match real::chosen() {
            Some(_) => Self::with(Ability::Dumps),
            None => Some(Self::stm32mp15()),
        }
    }

    /// Whether its processor m4 leaves dumps.
    pub fn has_dumps(&self) -> bool {
        self.real.is_none_or(|board| board.has(Ability::Dumps))
    }

    /// A directory of the scenario's own.
    pub fn scratch(&self) -> &Path {
        self.directory.path()
    }

    pub fn host_root(&self) -> &Path {
        &self.host_root
    }

    pub fn state_root(&self) -> &Path {
        &self.state_root
    }

    /// A file of the machine.
    pub fn path(&self, path: &str) -> PathBuf {
        self.host_root.join(path.trim_start_matches('/'))
    }

    /// The firmware directory as an ordinary one, beside the simulated kernel.
    pub fn firmware_directory(&self) -> PathBuf {
        self.path("lib/firmware")
    }

    /// The binary with the machine's global options and `args`.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.arg("--root").arg(&self.state_root).arg("--host-root").arg(&self.host_root).args(args);
        command
    }

    /// Runs the binary.
    pub fn run(&self, args: &[&str]) -> Outcome {
        Outcome::of(self.command(args), self.scratch())
    }

    /// Runs the binary as a user without rights and without a state directory. Takes root.
    pub fn run_as_nobody(&self, args: &[&str]) -> Outcome {
        let binary = self.scratch().join("binary");
        if !binary.exists() {
            copy_binary(&binary);
        }
        std::fs::set_permissions(self.scratch(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(binary);
        command.arg("--host-root").arg(&self.host_root).args(args).env_remove("XDG_RUNTIME_DIR");
        Outcome::of(command, self.scratch())
    }

    /// A bundle called `name` for `processor` with the firmware [`BLINK`], or one that the real processor takes.
    pub fn bundle(&self, name: &str, processor: &str) -> Bundle {
        self.bundle_of(name, processor, &real::blink())
    }

    /// A bundle with any firmware.
    pub fn bundle_of(&self, name: &str, processor: &str, firmware: &[u8]) -> Bundle {
        Bundle::new(&self.scratch().join("bundles").join(name), processor, firmware)
    }

    /// Tries to create a container.
    pub fn create(&self, id: &str, bundle: &Bundle) -> Outcome {
        self.run(&["create", "--bundle", bundle.path.to_str().unwrap(), id])
    }

    /// Creates a container of [`BLINK`] on processor m4; its proxy's pid.
    #[track_caller]
    pub fn created(&self, id: &str) -> i32 {
        self.create(id, &self.bundle(id, "m4")).ok();
        self.pid(id)
    }

    /// Creates and starts one; its proxy's pid.
    #[track_caller]
    pub fn running(&self, id: &str) -> i32 {
        let pid = self.created(id);
        self.run(&["start", id]).ok();
        assert_eq!(self.status(id), "running");
        pid
    }

    /// The state document of a container.
    #[track_caller]
    pub fn state(&self, id: &str) -> Value {
        serde_json::from_str(&self.run(&["state", id]).ok()).unwrap()
    }

    #[track_caller]
    pub fn status(&self, id: &str) -> String {
        self.state(id)["status"].as_str().unwrap().to_owned()
    }

    /// The proxy's pid of a created or running container.
    #[track_caller]
    pub fn pid(&self, id: &str) -> i32 {
        i32::try_from(self.state(id)["pid"].as_i64().expect("a pid")).unwrap()
    }

    /// Waits until a container has a status.
    #[track_caller]
    pub fn await_status(&self, id: &str, status: &str) {
        eventually(&format!("{id} is {status}"), || self.status(id) == status);
    }

    /// An attribute of remoteprocN, without its newline.
    #[track_caller]
    pub fn attribute(&self, number: usize, name: &str) -> String {
        let path = self.path(&format!("sys/class/remoteproc/remoteproc{number}/{name}"));
        std::fs::read_to_string(&path)
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
            .trim_end()
            .to_owned()
    }

    /// The state of remoteproc0.
    #[track_caller]
    pub fn processor(&self) -> String {
        self.attribute(0, "state")
    }

    /// Writes an attribute of remoteprocN, as somebody else on the machine would.
    pub fn set(&self, number: usize, name: &str, value: &str) {
        self.write(&format!("sys/class/remoteproc/remoteproc{number}/{name}"), value);
    }

    /// Writes a file of the machine in one write, without truncating it.
    #[track_caller]
    pub fn write(&self, path: &str, value: &str) {
        self.try_write(path, value).unwrap_or_else(|e| panic!("{path} = {value:?}: {e}"));
    }

    pub fn try_write(&self, path: &str, value: &str) -> std::io::Result<()> {
        use std::io::Write;
        if let (Some(board), Some(file)) = (self.real, path.strip_prefix("board/")) {
            let fault = file.strip_prefix("remoteproc").and_then(|file| file.split_once('/'));
            match fault.map(|(number, name)| (number.parse().unwrap(), name)) {
                Some((number, name)) if board.has_faults(name) => board.set_fault(number, name, value),
                _ => real::skip(&format!("only a simulated board has {path}")),
            }
            return Ok(());
        }
        std::fs::OpenOptions::new().write(true).open(self.path(path))?.write_all(value.as_bytes())
    }

    /// Whether there is a kernel log: one of [`log_modes`].
    pub fn set_log(&self, mode: &str) {
        match (self.real, mode) {
            (None, _) => self.write("board/kmsg", mode),
            (Some(_), "on") => {}
            (Some(_), "off") => std::fs::rename(KMSG, KMSG_AWAY).unwrap(),
            (Some(_), _) => real::skip("root may read the kernel's log"),
        }
    }

    /// Sets a fault of the simulated board (see its README), for the N-th processor.
    #[track_caller]
    pub fn fault(&self, number: usize, name: &str, value: &str) {
        match (self.real, name, value) {
            (Some(board), "plug", "out") => board.unbind(number),
            (Some(board), "plug", "in") => board.bind(number),
            (Some(board), _, _) if !board.has_faults(name) => {
                real::skip(&format!("its driver has no {name}"))
            }
            _ => self.write(&format!("board/remoteproc{number}/{name}"), value),
        }
    }

    /// The last part of the path of the N-th processor's device.
    pub fn device(&self, number: usize) -> String {
        let device = self.path(&format!("sys/class/remoteproc/remoteproc{number}/device"));
        real::in_scenarios_words(file_name(&device.canonicalize().unwrap()))
    }

    /// Takes the N-th processor away through its driver.
    #[track_caller]
    pub fn unbind(&self, number: usize) {
        match self.real {
            Some(board) => board.unbind(number),
            None => {
                let device = self.path(&format!("sys/class/remoteproc/remoteproc{number}/device"));
                let name = file_name(&device.canonicalize().unwrap());
                self.write(&format!("sys/class/remoteproc/remoteproc{number}/device/driver/unbind"), &name);
            }
        }
    }

    /// Crashes remoteprocN, as the debugfs of a real kernel does.
    #[track_caller]
    pub fn crash(&self, number: usize) {
        self.write(&format!("sys/kernel/debug/remoteproc/remoteproc{number}/crash"), "1");
    }

    /// The names in the firmware directory, sorted.
    pub fn stored_firmware(&self) -> Vec<String> {
        names_in(&self.firmware_directory())
    }

    /// The names in the state directory, sorted.
    pub fn state_entries(&self) -> Vec<String> {
        names_in(&self.state_root)
    }

    /// Nothing is left of any container: no directory, no firmware file, no running processor.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert_eq!(self.state_entries(), Vec::<String>::new(), "state directory");
        assert_eq!(self.stored_firmware(), Vec::<String>::new(), "firmware directory");
        assert_eq!(self.processor(), "offline");
    }

    /// Nothing is left of a create that failed: no directory, no firmware file, no process.
    #[track_caller]
    pub fn assert_no_trace(&self) {
        assert_eq!(self.state_entries(), Vec::<String>::new(), "state directory");
        assert_eq!(self.stored_firmware(), Vec::<String>::new(), "firmware directory");
        assert_eq!(self.processes(), Vec::<i32>::new(), "processes");
    }

    /// Create fails with `words`, and leaves no trace.
    #[track_caller]
    pub fn create_is_refused(&self, bundle: &Bundle, words: &[&str]) {
        let pid_file = self.scratch().join("refused.pid");
        let (bundle, file) = (bundle.path.to_str().unwrap(), pid_file.to_str().unwrap());
        let outcome = self.run(&["create", "--bundle", bundle, "--pid-file", file, "refused"]);
        outcome.refused(&[&["container refused: "], words].concat());
        assert!(!pid_file.exists(), "a pid file");
        self.assert_no_trace();
    }

    /// The pids of this machine's living proxies and helpers.
    pub fn processes(&self) -> Vec<i32> {
        let root = self.host_root.to_string_lossy().into_owned();
        let pids = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter(|&pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let args: Vec<String> =
                line.split(|b| *b == 0).map(|a| String::from_utf8_lossy(a).into_owned()).collect();
            matches!(args.get(1).map(String::as_str), Some("proxy" | "release")) && args.contains(&root)
        })
        .collect()
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// The names in a directory, sorted; none where it is missing.
pub fn names_in(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

impl Drop for Machine {
    fn drop(&mut self) {
        // A driver that a scenario left hanging answers now, and whoever waited in it can end.
        drop(self.board.take());
        if self.real.is_some() {
            let _ = std::fs::rename(KMSG_AWAY, KMSG);
        }
        for pid in self.processes() {
            if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}
