//! The processors of the kernel that this very process runs on: the other kind of machine that scenarios are played on.
//!
//! `REMOTEPROC_BOARD` names the file that describes them (tests/qemu/boards/*/processors). Scenarios are then played one
//! by one, with `/` as the machine's root, by tests/qemu/guest/init. They stay as they are: what they call m4 is the
//! first processor of the board, and other the second, whatever the kernel calls these; names are exchanged where text
//! goes to the binary and comes from it. What a real kernel cannot be made to do ends a scenario with the line
//! `skipped: REASON`.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use simulated_board::FirmwareBuilder;

use super::BLINK;

/// What scenarios call the processors of a board, in their order.
const CALLED: [&str; 2] = ["m4", "other"];

/// A processor of the board.
#[derive(Clone, Debug)]
struct Processor {
    /// What sysfs prints.
    name: String,
    /// Its device on the platform bus, which a driver is bound to.
    device: String,
}

/// The board that this process runs on.
#[derive(Clone, Debug, Default)]
pub struct Real {
    processors: Vec<Processor>,
    driver: String,
    /// The ELF machine of a firmware, and an address that it may be loaded to.
    machine: u16,
    memory: u32,
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

/// A firmware of the processor that scenarios call m4, with a trace buffer and a resource table.
pub fn firmware() -> Vec<u8> {
    match chosen() {
        Some(board) if board.machine != 40 => board.image(b"blink 1.0: hello\n\0"),
        _ => BLINK.to_vec(),
    }
}

impl Real {
    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut board = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["processor", name, device] => {
                    board.processors.push(Processor { name: name.into(), device: device.into() });
                }
                ["driver", name] => board.driver = name.into(),
                ["machine", number] => board.machine = number.parse().unwrap(),
                ["memory", address] => {
                    board.memory = u32::from_str_radix(address.trim_start_matches("0x"), 16).unwrap();
                }
                [] => {}
                _ => panic!("{}: {line:?} is unknown", path.display()),
            }
        }
        assert!(!board.processors.is_empty(), "{}: no processor", path.display());
        board
    }

    fn image(&self, trace: &[u8]) -> Vec<u8> {
        let builder = FirmwareBuilder::new().machine(self.machine).segment(self.memory.into(), trace);
        builder.trace(self.memory, u32::try_from(trace.len()).unwrap()).build()
    }

    /// How many processors it has.
    pub fn len(&self) -> usize {
        self.processors.len()
    }

    /// Every processor as after a boot, and remoteproc0 the first of them. Whatever is in /lib/firmware goes.
    pub fn reset(&self) {
        for data in paths("/sys/class/devcoredump", "data") {
            // Its device keeps its number for as long as it is there.
            std::fs::write(data, "1").unwrap();
        }
        for number in 0..self.len() {
            if self.is_bound(number) {
                self.unbind(number);
            }
        }
        for number in 0..self.len() {
            self.bind(number);
            let name = format!("/sys/class/remoteproc/remoteproc{number}/name");
            assert_eq!(std::fs::read_to_string(name).unwrap().trim_end(), self.processors[number].name);
        }
        std::fs::write("/sys/module/firmware_class/parameters/path", "").unwrap();
        for path in paths("/lib/firmware", "") {
            std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path)).unwrap();
        }
    }

    fn driver(&self, file: &str) -> PathBuf {
        Path::new("/sys/bus/platform/drivers").join(&self.driver).join(file)
    }

    pub fn device(&self, number: usize) -> &str {
        &self.processors[number].device
    }

    pub fn is_bound(&self, number: usize) -> bool {
        self.driver(self.device(number)).exists()
    }

    pub fn unbind(&self, number: usize) {
        std::fs::write(self.driver("unbind"), self.device(number)).unwrap();
    }

    pub fn bind(&self, number: usize) {
        std::fs::write(self.driver("bind"), self.device(number)).unwrap();
    }
}

/// FILE in each entry of DIRECTORY, where it is.
fn paths(directory: &str, file: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path().join(file))).filter(|path| path.exists()).collect()
}
