//! What scenarios about the life of a processor share: proxies that are listened to, boards of several processors,
//! things that happen at the same time.

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use simulated_board::{BoardSpec, ProcessorSpec};

use super::machine::names_in;
use super::{Bundle, Machine, Outcome, eventually, exit_code, real};

/// A container's proxy, and where it writes.
#[derive(Debug)]
pub struct Resident {
    pub pid: i32,
    log: PathBuf,
    out: PathBuf,
}

impl Resident {
    /// What it has said on its standard error.
    pub fn said(&self) -> String {
        real::in_scenarios_words(std::fs::read_to_string(&self.log).unwrap())
    }

    /// What it has passed on of its firmware's traces.
    pub fn passed_on(&self) -> String {
        std::fs::read_to_string(&self.out).unwrap()
    }

    /// Waits until that is `text`.
    #[track_caller]
    pub fn await_trace(&self, text: &str) {
        eventually(&format!("{text:?} is passed on, not {:?}", self.passed_on()), || {
            self.passed_on() == text
        });
    }

    /// Waits until it has said `words`.
    #[track_caller]
    pub fn await_words(&self, words: &str) {
        eventually(&format!("the proxy says {words:?}"), || self.said().contains(words));
    }

    /// Waits for its end; its exit code, or 128 and the signal.
    #[track_caller]
    pub fn ends(&self) -> i32 {
        exit_code(self.pid)
    }

    /// Sends it a signal, past all verbs.
    #[track_caller]
    pub fn signal(&self, signal: &str) {
        send(self.pid, signal);
    }
}

/// A driver that does not answer, until this is dropped.
#[derive(Debug)]
pub struct Hang<'a> {
    machine: &'a Machine,
    number: usize,
    fault: &'static str,
}

impl Drop for Hang<'_> {
    fn drop(&mut self) {
        // Also when a scenario fails: who waits in the driver must not be waited for forever.
        let _ = self.machine.try_write(&format!("board/remoteproc{}/{}", self.number, self.fault), "0");
    }
}

/// Sends a signal to a process, by number or by name without SIG.
#[track_caller]
pub fn send(pid: i32, signal: &str) {
    // The shell's own kill: it takes the numbers of real-time signals, for which no safe call is at hand.
    let sent = Command::new("sh").arg("-c").arg(format!("kill -{signal} {pid}")).status().unwrap();
    assert!(sent.success(), "kill -{signal} {pid}");
}

/// A board whose processors are called `names`, each like the Cortex-M4 of an STM32MP15.
pub fn processors(names: &[&str]) -> BoardSpec {
    let windows = [(0x0, 0x1_0000), (0x1000_0000, 0x6_0000), (0x3000_0000, 0x6_0000)];
    names.iter().fold(BoardSpec::new("Several", &["test,several"]), |board, name| {
        board.processor(ProcessorSpec::new(name, &format!("soc/{name}.rproc")).windows(&windows))
    })
}

impl Machine {
    /// Creates a container called `id` on `processor`.
    #[track_caller]
    pub fn resident_on(&self, id: &str, processor: &str) -> Resident {
        self.resident_of(id, &self.bundle(id, processor))
    }

    /// Creates a container of any bundle.
    #[track_caller]
    pub fn resident_of(&self, id: &str, bundle: &Bundle) -> Resident {
        let created = self.create(id, bundle);
        let (log, out) = (created.log.clone(), created.out.clone());
        created.ok();
        Resident { pid: self.pid(id), log, out }
    }

    /// Creates a container on m4.
    #[track_caller]
    pub fn created_resident(&self, id: &str) -> Resident {
        self.resident_on(id, "m4")
    }

    /// Creates and starts one.
    #[track_caller]
    pub fn running_resident(&self, id: &str) -> Resident {
        let resident = self.created_resident(id);
        self.run(&["start", id]).ok();
        assert_eq!(self.processor(), "running");
        resident
    }

    /// Starts a container whose proxy is then killed past all verbs: its processor runs on without an owner.
    #[track_caller]
    pub fn orphaned(&self, id: &str) {
        let resident = self.running_resident(id);
        resident.signal("KILL");
        assert_eq!((resident.ends(), self.status(id).as_str()), (137, "stopped"));
    }

    /// Somebody else's firmware, other.elf, is booted on remoteproc0 past all verbs.
    #[track_caller]
    pub fn run_something_else(&self) {
        std::fs::write(self.firmware_directory().join("other.elf"), real::blink()).unwrap();
        self.set(0, "firmware", "other.elf");
        self.set(0, "state", "start");
        assert_eq!(self.processor(), "running");
    }

    /// The processor was started before Linux, or by something else on it: `running`, `attached` or `detached`.
    pub fn started_by_something_else(&self, state: &str) {
        match self.real {
            None => self.fault(0, "state", state),
            Some(_) if state == "running" => self.run_something_else(),
            Some(board) => board.start_before_linux(state),
        }
        assert_eq!(self.processor(), state);
    }

    /// The processor's watchdog rings.
    pub fn ring_watchdog(&self) {
        self.real.unwrap().ring_watchdog();
    }

    /// The dumps of crashed processors that nobody has freed.
    pub fn dumps(&self) -> Vec<PathBuf> {
        let class = self.path("sys/class/devcoredump");
        let data = names_in(&class).into_iter().map(|name| class.join(name).join("data"));
        data.filter(|path| path.exists()).collect()
    }

    /// Waits until remoteprocN is in a state.
    #[track_caller]
    pub fn await_processor(&self, number: usize, state: &str) {
        eventually(&format!("remoteproc{number} is {state}"), || self.attribute(number, "state") == state);
    }

    /// Has the N-th processor's driver not answer: `start-hangs` or `stop-hangs`.
    #[track_caller]
    pub fn hang(&self, number: usize, fault: &'static str) -> Hang<'_> {
        self.fault(number, fault, "1");
        Hang { machine: self, number, fault }
    }

    /// Waits until a container's proxy is `starting` or `stopping` its processor.
    #[track_caller]
    pub fn await_phase(&self, id: &str, phase: &str) {
        let name = format!("/proc/{}/comm", self.pid(id));
        // The name that proxies show in ps, as docs say; the kernel tells of a pending start or stop nowhere.
        eventually(&format!("{id} is {phase}"), || {
            std::fs::read_to_string(&name).is_ok_and(|name| name.trim_end() == format!("rproc:{phase}"))
        });
    }

    /// Takes a fault back that was set by name.
    #[track_caller]
    pub fn heal(&self, number: usize, name: &str) {
        self.fault(number, name, "\n");
    }

    /// What the kernel's log holds, without waiting for more.
    pub fn kernel_log(&self) -> String {
        use std::io::Read;
        use std::os::unix::fs::OpenOptionsExt;
        let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap();
        let log = std::fs::OpenOptions::new().read(true).custom_flags(nonblock).open(self.path("dev/kmsg"));
        let (mut log, mut text, mut record) = (log.unwrap(), String::new(), [0; 2048]);
        while let Ok(length @ 1..) = log.read(&mut record) {
            text.push_str(&String::from_utf8_lossy(&record[..length]));
        }
        text
    }

    /// So many starts of the N-th processor count: as many stops it takes. A real kernel tells them nowhere, what comes
    /// of them is seen when it stops.
    #[track_caller]
    pub fn assert_starts(&self, number: usize, count: u32) {
        if let Some(seen) = self.starts(number) {
            assert_eq!(seen, count, "starts that count");
        }
    }

    /// How many starts of the N-th processor count, where that is shown.
    pub fn starts(&self, number: usize) -> Option<u32> {
        let path = match self.real {
            None => self.path(&format!("board/remoteproc{number}/refcount")),
            Some(board) => board.refcount(number)?,
        };
        Some(std::fs::read_to_string(path).unwrap().trim_end().parse().unwrap())
    }

    /// The stored firmware of a container, as `state` tells it.
    #[track_caller]
    pub fn firmware_of(&self, id: &str) -> PathBuf {
        self.state(id)["annotations"]["remoteproc.firmware"].as_str().unwrap().into()
    }

    /// Changes the record of a container behind the binary's back.
    pub fn edit_record(&self, id: &str, change: impl FnOnce(&mut Value)) {
        let path = self.state_root().join(id).join("record.json");
        let mut record: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        change(&mut record);
        std::fs::write(path, record.to_string()).unwrap();
    }

    /// Holds the lock on remoteprocN, as any process may.
    pub fn lock_processor(&self, number: usize) -> OwnedFd {
        lock(&self.path(&format!("sys/class/remoteproc/remoteproc{number}")))
    }
}

/// Holds the lock on a directory for as long as the value lives.
pub fn lock(directory: &Path) -> OwnedFd {
    let file = OwnedFd::from(std::fs::File::open(directory).unwrap());
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    file
}

impl Outcome {
    /// The lines of standard error that begin with `prefix`, without it.
    pub fn lines(&self, prefix: &str) -> Vec<String> {
        self.stderr.lines().filter_map(|line| line.strip_prefix(prefix)).map(str::to_owned).collect()
    }

    /// The one hint.
    #[track_caller]
    pub fn hint(&self) -> String {
        let [hint] = self.lines("hint: ").try_into().unwrap_or_else(|all| panic!("hints: {all:?}"));
        hint
    }
}

/// A result, and how long it took.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begin = Instant::now();
    (work(), begin.elapsed())
}

/// Does all of it at the same time.
pub fn at_once(work: Vec<Box<dyn FnOnce() + Send + '_>>) {
    std::thread::scope(|scope| {
        let threads: Vec<_> = work.into_iter().map(|work| scope.spawn(work)).collect();
        for thread in threads {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
}

/// A process that holds the lock on remoteproc0, as `user`.
#[derive(Debug)]
pub struct Holder(Child);

impl Holder {
    pub fn of(machine: &Machine, user: u32) -> Self {
        let processor = machine.path("sys/class/remoteproc/remoteproc0");
        let mut command = Command::new("flock");
        command.arg("--no-fork").arg(processor).args(["sleep", "1000"]).stdin(Stdio::null());
        if user != 0 {
            command.uid(user).gid(user);
        }
        let child = command.spawn().unwrap();
        let comm = format!("/proc/{}/comm", child.id());
        // It becomes `sleep` once it has the lock.
        eventually("the lock is held", || {
            std::fs::read_to_string(&comm).is_ok_and(|name| name.trim_end() == "sleep")
        });
        Self(child)
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
