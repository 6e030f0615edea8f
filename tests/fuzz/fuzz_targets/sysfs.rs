//! What the machine shows: attributes of a processor, trace buffers, dumps, the device tree, the kernel's parameters.
//!
//! The input: pieces, each a byte that picks the file, and what is in it; files that are not named have what they should.
#![no_main]

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use remoteproc_runtime::board;
use remoteproc_runtime::firmware::FirmwareDirectory;
use remoteproc_runtime::host::Host;
use remoteproc_runtime::remoteproc::{
    Attributes, Dumps, Note, Processor, ProcessorState, Settings, Traces, firmware_name,
};
use remoteproc_runtime_fuzz::Input;

const PROCESSOR: &str = "sys/class/remoteproc/remoteproc0";
const DUMP: &str = "sys/class/devcoredump/devcd1";
const COMPATIBLE: &str = "proc/device-tree/compatible";
const DEVICE: &str = "sys/devices/m4";

/// Files, and what they should have in them.
const FILES: [(&str, &[u8]); 15] = [
    ("sys/class/remoteproc/remoteproc0/state", b"offline\n"),
    ("sys/class/remoteproc/remoteproc0/name", b"m4\n"),
    ("sys/class/remoteproc/remoteproc0/firmware", b"rproc-m4-fw\n"),
    ("sys/class/remoteproc/remoteproc0/recovery", b"enabled\n"),
    ("sys/class/remoteproc/remoteproc0/coredump", b"disabled\n"),
    ("sys/kernel/debug/remoteproc/remoteproc0/trace0", b"hello\n"),
    ("sys/kernel/debug/remoteproc/remoteproc0/trace1", b""),
    ("sys/class/devcoredump/devcd1/data", b"dump"),
    ("sys/module/firmware_class/parameters/path", b"\n"),
    ("sys/devices/m4/of_node/memory-region", &[0, 0, 0, 1]),
    (COMPATIBLE, b"st,stm32mp157c-dk2\0st,stm32mp157\0"),
    ("proc/device-tree/reserved-memory/#address-cells", &[0, 0, 0, 1]),
    ("proc/device-tree/reserved-memory/#size-cells", &[0, 0, 0, 1]),
    ("proc/device-tree/reserved-memory/mcu@10040000/reg", &[0x10, 4, 0, 0, 0, 0, 0x40, 0]),
    ("proc/device-tree/reserved-memory/mcu@10040000/phandle", &[0, 0, 0, 1]),
];

/// How much of a dump is copied, in bytes.
const LONGEST: u64 = 100;

fuzz_target!(|bytes: &[u8]| {
    let machine = machine();
    let mut input = Input(bytes);
    let mut changed = BTreeSet::new();
    while !input.0.is_empty() {
        let (path, _) = FILES[usize::from(input.byte()) % FILES.len()];
        std::fs::write(machine.path(path), input.piece()).unwrap();
        changed.insert(path);
    }
    looks(machine, changed.contains(COMPATIBLE));
    for (path, good) in FILES.iter().filter(|(path, _)| changed.contains(path)) {
        std::fs::write(machine.path(path), good).unwrap();
    }
});

/// A machine with one processor, in a folder of its own.
fn machine() -> &'static Host {
    static MACHINE: OnceLock<Host> = OnceLock::new();
    MACHINE.get_or_init(|| {
        let root = std::env::temp_dir().join(format!("remoteproc-runtime-fuzz-{}", std::process::id()));
        for (path, good) in FILES {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, good).unwrap();
        }
        symlink(root.join(DEVICE), root.join(PROCESSOR).join("device")).unwrap();
        symlink(root.join(PROCESSOR), root.join(DUMP).join("failing_device")).unwrap();
        Host::new(&root).unwrap()
    })
}

fn looks(machine: &Host, another_board: bool) {
    if let Ok(directory) = FirmwareDirectory::of(machine) {
        assert!(directory.path().is_absolute());
    }
    FirmwareDirectory::path_with_newline(machine);
    // What takes most of the time.
    let board = if another_board { board::find(machine, None) } else { Ok(None) };
    assert!(board::compatible(machine).iter().all(|string| !string.is_empty()));
    // One whose name is no text is not listed.
    let Some(processor) = Processor::list(machine).unwrap().into_iter().next() else { return };
    assert!(!processor.identity.name.ends_with(char::is_whitespace));
    if let Ok(Some(board)) = &board {
        board.profile_of(&processor);
    }
    if let Some(regions) = board::reserved(machine, &processor) {
        let wanted = std::fs::read(machine.path(FILES[9].0)).unwrap();
        assert!(regions.len() <= wanted.len() / 4);
    }
    attributes(&processor);
    traces(machine, &processor);
    dumps(machine, &processor);
}

fn attributes(processor: &Processor) {
    let attributes = Attributes::open(&processor.path).unwrap();
    assert_eq!(attributes.state(), ProcessorState::read(&processor.path));
    if let Ok(name) = firmware_name(&processor.path) {
        assert_eq!(attributes.firmware_is(&name), Ok(true));
    }
    for recovery in [None, attributes.recovery().ok()] {
        let wanted = Settings { recovery, coredump: attributes.coredump().ok() };
        let note = Note::of(&attributes, wanted).unwrap();
        assert!(note.is_empty(), "what is there already is not changed");
    }
}

/// What the buffers hold comes once, as it is; of several under titles.
fn traces(machine: &Host, processor: &Processor) {
    let mut traces = Traces::of(machine, processor).unwrap();
    let mut all = Vec::new();
    let mut take = |piece: &[u8]| {
        all.extend_from_slice(piece);
        piece.len()
    };
    let passed = traces.pass_on(&mut take).unwrap();
    assert_eq!(traces.pass_on(&mut take), Ok(0));
    assert_eq!((passed, traces.size()), (text_of(machine, 5).len() + text_of(machine, 6).len(), passed));
    for file in [5, 6] {
        let text = text_of(machine, file);
        assert!(all.windows(text.len().max(1)).any(|part| part == text) || text.is_empty());
    }
}

fn text_of(machine: &Host, file: usize) -> Vec<u8> {
    std::fs::read(machine.path(FILES[file].0)).unwrap()
}

fn dumps(machine: &Host, processor: &Processor) {
    let mut dumps = Dumps::after(machine, processor, Some(0)).unwrap();
    let Some(dump) = dumps.new_one() else { return };
    let to: PathBuf = machine.path("copy");
    let copied = dump.copy(std::fs::File::create(&to).unwrap(), LONGEST).unwrap();
    let (copy, whole) =
        (std::fs::read(&to).unwrap(), std::fs::read(machine.path(Path::new(FILES[7].0))).unwrap());
    assert_eq!((copied.bytes, copied.cut), (copy.len() as u64, whole.len() as u64 > LONGEST));
    assert!(whole.starts_with(&copy) && dumps.new_one().is_none());
}
