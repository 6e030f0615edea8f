//! A machine of a scenario's own: a simulated board, and namespaces of mounts, network and processes.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::{Outcome, eventually};

/// What tests/engines/run says in the environment.
#[derive(Debug)]
pub struct Settings {
    /// Which engine to play with.
    pub engine: String,
    /// The folder with images and the board's program.
    pub files: PathBuf,
    /// The root folder that the engine is in, if it is not this machine's.
    pub root: Option<PathBuf>,
}

/// What was said. Without it there is nothing to play with.
pub fn settings() -> &'static Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    SETTINGS.get_or_init(|| {
        let said = |name| std::env::var(name).unwrap_or_else(|_| panic!("{name}: start tests/engines/run"));
        Settings {
            engine: said("ENGINE"),
            files: said("ENGINE_FILES").into(),
            root: std::env::var_os("ENGINE_ROOT").filter(|root| !root.is_empty()).map(PathBuf::from),
        }
    })
}

/// The machine. Everything in it ends when it is dropped, or when the test ends in whatever way.
#[derive(Debug)]
pub struct Machine {
    /// The one that made the namespaces and waits for process 1.
    keeper: Child,
    /// Process 1, as this process sees it.
    init: i32,
    directory: tempfile::TempDir,
}

impl Machine {
    /// A machine with an STM32MP15's board, whose processor is called m4.
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("engine-").tempdir().unwrap();
        std::fs::create_dir(directory.path().join("board")).unwrap();
        let mut keeper = Command::new("unshare");
        keeper
            .args([
                "--mount",
                "--propagation",
                "private",
                "--net",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
            ])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/engines/machine"))
            .arg(settings().files.join("simulated-board"))
            .arg(directory.path());
        if let Some(root) = &settings().root {
            // The programs that are tried out, and the images.
            keeper.arg(root).arg(binary().parent().unwrap()).arg(&settings().files);
        }
        // Its standard input is closed with this process, however that ends.
        let mut keeper = keeper.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("ready "), "tests/engines/machine: {line:?}");
        let children = format!("/proc/{0}/task/{0}/children", keeper.id());
        let init = std::fs::read_to_string(&children).unwrap().trim().parse().unwrap();
        Self { keeper, init, directory }
    }

    /// A directory that the machine and the test see under the same name.
    pub fn scratch(&self) -> &Path {
        self.directory.path()
    }

    /// The root directory of the board, as the machine sees it.
    pub fn host_root(&self) -> PathBuf {
        self.scratch().join("board")
    }

    /// A file of the machine as the test sees it: the board is mounted there and nowhere else.
    fn seen(&self, path: &Path) -> PathBuf {
        Path::new("/proc").join(self.init.to_string()).join("root").join(path.strip_prefix("/").unwrap())
    }

    /// A program in the machine, which is ended when it takes too long.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.init.to_string(), "--mount", "--net", "--pid", "--"])
            .args(["timeout", "--foreground", "--kill-after=5", "90", program])
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.scratch());
        command
    }

    /// A program in the machine that goes on; what it writes goes to the file `log` in scratch.
    pub fn spawn(&self, program: &str, args: &[&str], log: &str) {
        let log = std::fs::File::options().create(true).append(true).open(self.scratch().join(log)).unwrap();
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.init.to_string(), "--mount", "--net", "--pid", "--"])
            .args(["setsid", "--fork", program])
            .args(args)
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.scratch());
        let status =
            command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).status().unwrap();
        assert!(status.success(), "{command:?}");
    }

    pub fn run(&self, mut command: Command, args: &[&str]) -> Outcome {
        command.args(args);
        Outcome::of(command, self.scratch())
    }

    /// Runs a line of the shell.
    pub fn shell(&self, line: &str) -> Outcome {
        self.run(self.command("bash"), &["-c", line])
    }

    /// Whether a process of the machine, by its number there, is gone. A zombie is none.
    pub fn is_gone(&self, pid: i32) -> bool {
        self.process_name(pid).is_none()
    }

    /// The name of a process of the machine that is alive.
    pub fn process_name(&self, pid: i32) -> Option<String> {
        let stat = std::fs::read_to_string(self.seen(Path::new(&format!("/proc/{pid}/stat")))).ok()?;
        let (name, rest) = stat.split_once(" (")?.1.rsplit_once(") ")?;
        (!rest.starts_with(['Z', 'X'])).then(|| name.to_owned())
    }

    /// Ends a process of the machine at once, and waits until it is gone.
    pub fn kill(&self, pid: i32) {
        self.shell(&format!("kill -KILL {pid}")).ok();
        eventually(&format!("process {pid} is gone"), || self.is_gone(pid));
    }

    /// The network that a process of the machine is in.
    pub fn network_of(&self, pid: i32) -> PathBuf {
        std::fs::read_link(self.seen(Path::new(&format!("/proc/{pid}/ns/net")))).unwrap()
    }

    /// A file of the board, without the newline at its end.
    #[track_caller]
    pub fn read(&self, path: &str) -> String {
        let path = self.seen(&self.host_root()).join(path);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        text.trim_end().to_owned()
    }

    /// Writes a file of the board in one write, without truncating it.
    #[track_caller]
    pub fn write(&self, path: &str, value: &str) {
        use std::io::Write;
        let path = self.seen(&self.host_root()).join(path);
        let file = std::fs::OpenOptions::new().write(true).open(&path);
        file.and_then(|mut file| file.write_all(value.as_bytes()))
            .unwrap_or_else(|e| panic!("{} = {value:?}: {e}", path.display()));
    }

    /// The state of the processor.
    #[track_caller]
    pub fn processor(&self) -> String {
        self.read("sys/class/remoteproc/remoteproc0/state")
    }

    #[track_caller]
    pub fn await_processor(&self, state: &str) {
        eventually(&format!("the processor is {state}"), || self.processor() == state);
    }

    /// Nothing that crashes comes back.
    pub fn without_recovery(&self) {
        self.write("sys/class/remoteproc/remoteproc0/recovery", "disabled");
    }

    /// The firmware crashes.
    pub fn crash(&self) {
        self.write("board/remoteproc0/crash-now", "1");
    }

    /// How many lines of the kernel's log have these words.
    pub fn kernel_said(&self, words: &str) -> usize {
        let log =
            self.shell(&format!("dd if={}/dev/kmsg iflag=nonblock 2>/dev/null", self.host_root().display()));
        log.stdout.lines().filter(|line| line.contains(words)).count()
    }

    /// The firmware files that are stored.
    pub fn stored(&self) -> Vec<String> {
        let named = self.read("sys/module/firmware_class/parameters/path");
        let directory = if named.is_empty() { "lib/firmware" } else { named.trim_start_matches('/') };
        let entries = std::fs::read_dir(self.seen(&self.host_root()).join(directory)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Deletes what engines have forgotten in the runtime's own state directory, which must have ended.
    pub fn delete_forgotten(&self) {
        let runtime = wrapper(self);
        let delete = format!("for id in $({runtime} list --quiet); do {runtime} delete $id || exit 1; done");
        self.shell(&delete).ok();
    }

    /// The processor is off, and no firmware, no process and no state of a container is left.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert_eq!(self.processor(), "offline");
        assert_eq!(self.stored(), [""; 0]);
        let proxies = self.shell("cat /proc/[0-9]*/comm | grep -c '^rproc:'");
        assert_eq!(proxies.stdout.trim(), "0", "proxies");
        let records = self.shell(&format!(
            "find /run {} -xdev -name record.json 2>/dev/null || true",
            self.scratch().display()
        ));
        assert_eq!(records.ok(), "", "records");
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // With the keeper process 1 is killed, which takes all others with it: when that is gone, all is.
        let init = pidfd_open(Pid::from_raw(self.init).unwrap(), PidfdFlags::empty());
        let _ = (self.keeper.kill(), self.keeper.wait());
        if let Ok(init) = init {
            let _ = poll(&mut [PollFd::new(&init, PollFlags::IN)], None);
        }
    }
}

/// The runtime under test.
pub fn binary() -> PathBuf {
    std::env::var_os("REMOTEPROC_RUNTIME")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_remoteproc-runtime")), PathBuf::from)
}

/// Where engines that give a runtime no options of its own find one that knows the board.
pub fn wrapper(machine: &Machine) -> String {
    machine.scratch().join("remoteproc-runtime").to_str().unwrap().to_owned()
}

/// Puts it there.
pub fn wrap(machine: &Machine) {
    let line = format!("exec {} --host-root {} \"$@\"", binary().display(), machine.host_root().display());
    script(&wrapper(machine), &line);
}

/// Makes a script that can be executed at once: by a process of its own, since a child that is just being forked would
/// hold a file that is open for writing here.
pub fn script(path: &str, lines: &str) {
    let mut command = Command::new("install");
    command.args(["-m", "755", "/dev/stdin", path]).stdin(Stdio::piped());
    let mut install = command.spawn().unwrap();
    let text = format!("#!/bin/sh\n{lines}\n");
    std::io::Write::write_all(&mut install.stdin.take().unwrap(), text.as_bytes()).unwrap();
    assert!(install.wait().unwrap().success(), "{command:?}");
}
