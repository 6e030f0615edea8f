//! The processors of the kernel that this very process runs on: the other kind of machine that scenarios are played on.
//!
//! `REMOTEPROC_BOARD` names the file that describes them (tests/qemu/boards/*/processors). Scenarios are then played one
//! by one, with `/` as the machine's root, by tests/qemu/guest/init. They stay as they are: what they call m4 is the
//! first processor of the board, and other the second, whatever the kernel calls these; names are exchanged where text
//! goes to the binary and comes from it. What a real kernel cannot be made to do ends a scenario with the line
//! `skipped: REASON`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use simulated_board::FirmwareBuilder;

use super::BLINK;

/// What the guests of tests/qemu have, and no other machine.
const GUEST: &str = "/guest/scenarios";

/// What scenarios call the processors of a board, in their order.
const CALLED: [&str; 2] = ["m4", "other"];

/// A processor of the board.
#[derive(Clone, Debug)]
struct Processor {
    /// What sysfs prints.
    name: String,
    /// What is unbound so that it vanishes: a driver of the platform bus, and the device that it drives.
    driver: String,
    device: String,
}

/// The board that this process runs on.
#[derive(Clone, Debug, Default)]
pub struct Real {
    processors: Vec<Processor>,
    /// What the board's profile calls the first of them.
    alias: Option<String>,
    /// The ELF machine of a firmware, and an address that it may be loaded to.
    machine: u16,
    memory: u32,
    /// Names of [`Ability`]s beside those that have lines of their own.
    has: Vec<String>,
    /// Registers and their values with which the driver finds its processor started already.
    started: Vec<(String, String)>,
    /// Registers and their values with which the driver finds its processor stopped, whatever it has left in them.
    stopped: Vec<(String, String)>,
    /// A directory with a folder for each processor, whose files say what its driver does.
    faults: Option<PathBuf>,
    /// A register and its value that make the watchdog ring.
    watchdog: Option<(String, String)>,
}

/// What a board may have.
#[derive(Clone, Copy, Debug)]
pub enum Ability {
    Rpmsg,
    Dumps,
    Watchdog,
}

/// The board that scenarios are to be played on, if it is not a simulated one.
pub fn chosen() -> Option<&'static Real> {
    static CHOSEN: OnceLock<Option<Real>> = OnceLock::new();
    CHOSEN
        .get_or_init(|| std::env::var_os("REMOTEPROC_BOARD").map(|path| Real::read(Path::new(&path))))
        .as_ref()
}

/// Ends a scenario that the board cannot play.
pub fn skip(reason: &str) -> ! {
    // On a line of its own: libtest has begun one.
    println!("\nskipped: {reason}");
    // No panic, whose message would be in the way; libtest counts it as a failure, whoever reads the line does not.
    std::panic::resume_unwind(Box::new("skipped"))
}

/// What the board calls a processor that scenarios call `name`.
pub fn name_on_board(name: &str) -> String {
    let board = chosen();
    let index = CALLED.iter().position(|called| *called == name);
    let processor = board.zip(index).and_then(|(board, index)| board.processors.get(index));
    processor.map_or_else(|| name.to_owned(), |processor| processor.name.clone())
}

/// Text of the binary in the scenarios' own words.
pub fn in_scenarios_words(text: String) -> String {
    let processors = chosen().into_iter().flat_map(|board| &board.processors);
    processors.zip(CALLED).fold(text, |text, (processor, called)| text.replace(&processor.name, called))
}

/// What the board's profile calls the processor that scenarios call m4.
pub fn alias() -> String {
    match chosen() {
        None => "cm4".to_owned(),
        Some(board) => board.alias.clone().unwrap_or_else(|| skip("this board has no profile")),
    }
}

/// Whether the processor that scenarios call m4 has the memory of an STM32MP15's Cortex-M4, which the test firmware is for.
pub fn is_cortex_m4() -> bool {
    chosen().is_none_or(|board| board.machine == 40 && board.memory == 0x1000_0000)
}

/// The firmware [`BLINK`], or one like it that the processor takes.
pub fn blink() -> Vec<u8> {
    if is_cortex_m4() { BLINK.to_vec() } else { traced("blink 1.0: hello") }
}

/// A firmware whose trace buffer holds `text`.
pub fn traced(text: &str) -> Vec<u8> {
    let (machine, address) = (chosen().map_or(40, |board| board.machine), memory());
    let mut trace = text.as_bytes().to_vec();
    // PRUs are loaded word by word.
    trace.resize(trace.len().next_multiple_of(4) + 4, 0);
    let length = u32::try_from(trace.len()).unwrap();
    let builder = FirmwareBuilder::new().machine(machine).segment(address + CODE_AFTER, &[0; 64]);
    builder.data(address, &trace).trace(u32::try_from(address).unwrap(), length).build()
}

/// The states in which something else than this runtime can have left the processor.
pub fn early_states() -> &'static [&'static str] {
    match chosen() {
        Some(board) if board.started.is_empty() && board.faults.is_none() => &["running"],
        _ => &["running", "attached", "detached"],
    }
}

/// An address that firmware may be loaded to.
pub fn memory() -> u64 {
    chosen().map_or(0x1000_0000, |board| board.memory.into())
}

/// Where code comes behind the trace buffer, if both share a memory.
const CODE_AFTER: u64 = 0x1000;

impl Real {
    fn read(path: &Path) -> Self {
        // Scenarios stop processors and empty /lib/firmware: only a guest that was made for them may be so treated.
        assert!(
            Path::new(GUEST).exists(),
            "REMOTEPROC_BOARD is for the guests of tests/qemu/run, which have {GUEST}"
        );
        let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut board = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["processor", name, driver, device] => {
                    let [name, driver, device] = [name, driver, device].map(str::to_owned);
                    board.processors.push(Processor { name, driver, device });
                }
                ["alias", name] => board.alias = Some(name.into()),
                ["machine", number] => board.machine = number.parse().unwrap(),
                ["memory", address] => {
                    board.memory = u32::from_str_radix(address.trim_start_matches("0x"), 16).unwrap();
                }
                ["has", ref names @ ..] => board.has.extend(names.iter().map(|&name| name.to_owned())),
                ["started", register, value] => board.started.push((register.into(), value.into())),
                ["stopped", register, value] => board.stopped.push((register.into(), value.into())),
                ["watchdog", register, value] => board.watchdog = Some((register.into(), value.into())),
                ["faults", directory] => board.faults = Some(directory.into()),
                [] => {}
                _ => panic!("{}: {line:?} is unknown", path.display()),
            }
        }
        assert!(!board.processors.is_empty(), "{}: no processor", path.display());
        board
    }

    /// What a scenario needs.
    pub fn has(&self, ability: Ability) -> bool {
        match ability {
            Ability::Watchdog => self.watchdog.is_some(),
            Ability::Rpmsg | Ability::Dumps => self.has.iter().any(|name| *name == format!("{ability:?}")),
        }
    }

    /// The driver finds the processor started, and it is left `detached` or `attached` to.
    pub fn start_before_linux(&self, state: &str) {
        if self.has_faults("state") {
            self.set_fault(0, "state", state);
            return;
        }
        self.unbind(0);
        for (register, value) in &self.started {
            set_register(register, value);
        }
        self.bind(0);
        if state == "attached" {
            std::fs::write("/sys/class/remoteproc/remoteproc0/state", "start").unwrap();
        }
    }

    /// Whether its driver can be made to have this fault.
    pub fn has_faults(&self, name: &str) -> bool {
        self.faults.as_ref().is_some_and(|faults| faults.join("0").join(name).exists())
    }

    /// Has the driver of a processor do what the simulated board's file of this name says.
    pub fn set_fault(&self, number: usize, name: &str, value: &str) {
        let path = self.faults.as_ref().unwrap().join(number.to_string()).join(name);
        let number = match value.trim_end() {
            "" => 0,
            // A part of a firmware's name there, a switch here.
            _ if name == "crashes" => 1,
            // enum rproc_state (include/linux/remoteproc.h).
            "offline" => 0,
            "suspended" => 1,
            "running" => 2,
            "crashed" => 3,
            "attached" => 5,
            "detached" => 6,
            word => word.parse().unwrap_or_else(|_| errno_of(word)),
        };
        std::fs::write(&path, number.to_string()).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }

    /// Where its driver shows how many starts of a processor count, if it does.
    pub fn refcount(&self, number: usize) -> Option<PathBuf> {
        self.faults.as_ref().map(|faults| faults.join(number.to_string()).join("refcount"))
    }

    pub fn ring_watchdog(&self) {
        let (register, value) = self.watchdog.as_ref().unwrap();
        set_register(register, value);
    }

    /// How many processors it has.
    pub fn len(&self) -> usize {
        self.processors.len()
    }

    /// Every processor as after a boot, and remoteproc0 the first of them. Whatever is in /lib/firmware goes.
    pub fn reset(&self) {
        for dump in entries("/sys/class/devcoredump").into_iter().filter(|path| path.is_dir()) {
            // Its device keeps its number for as long as it is there.
            std::fs::write(dump.join("data"), "1").unwrap();
        }
        for processor in &self.processors {
            processor.unbind();
        }
        for (register, _) in &self.started {
            set_register(register, "0");
        }
        for (register, value) in &self.stopped {
            set_register(register, value);
        }
        for (number, processor) in self.processors.iter().enumerate() {
            processor.bind();
            let name = format!("/sys/class/remoteproc/remoteproc{number}/name");
            assert_eq!(std::fs::read_to_string(name).unwrap().trim_end(), processor.name);
            // As an STM32MP15's driver has it, and scenarios expect; others disable it.
            std::fs::write(format!("/sys/class/remoteproc/remoteproc{number}/recovery"), "enabled").unwrap();
        }
        // An empty write would change nothing, and a newline be a part of the path.
        std::fs::write("/sys/module/firmware_class/parameters/path", "\0").unwrap();
        for path in entries("/lib/firmware") {
            std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir_all(&path)).unwrap();
        }
    }

    /// Takes a processor away, and whichever else its driver has.
    pub fn unbind(&self, number: usize) {
        self.processors[number].unbind();
    }

    pub fn bind(&self, number: usize) {
        self.processors[number].bind();
    }
}

impl Processor {
    fn driver(&self, file: &str) -> PathBuf {
        Path::new("/sys/bus/platform/drivers").join(&self.driver).join(file)
    }

    fn is_bound(&self) -> bool {
        self.driver(&self.device).exists()
    }

    fn unbind(&self) {
        if self.is_bound() {
            std::fs::write(self.driver("unbind"), &self.device).unwrap();
        }
    }

    fn bind(&self) {
        if !self.is_bound() {
            std::fs::write(self.driver("bind"), &self.device).unwrap();
        }
    }
}

fn errno_of(name: &str) -> i32 {
    match name {
        "EPERM" => libc::EPERM,
        "EIO" => libc::EIO,
        "ENXIO" => libc::ENXIO,
        "EAGAIN" => libc::EAGAIN,
        "ENOMEM" => libc::ENOMEM,
        "EACCES" => libc::EACCES,
        "EBUSY" => libc::EBUSY,
        "ENODEV" => libc::ENODEV,
        "EINVAL" => libc::EINVAL,
        "EOPNOTSUPP" => libc::EOPNOTSUPP,
        "ETIMEDOUT" => libc::ETIMEDOUT,
        "EREMOTEIO" => libc::EREMOTEIO,
        _ => panic!("{name}: which errno is this?"),
    }
}

/// Writes a word of the machine's physical memory.
fn set_register(register: &str, value: &str) {
    let done = Command::new("devmem").args([register, "32", value]).status().unwrap();
    assert!(done.success(), "devmem {register} 32 {value}");
}

fn entries(directory: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}
