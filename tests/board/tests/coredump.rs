//! Crash dumps: when there is one, what is in it, who waits for its end.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on is to stop at that line")]

mod common;

use std::fs;
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::Instant;

use common::{Bench, Node, PATIENCE, errno, firmware, meanwhile};
use simulated_board::{BoardSpec, Dumped, FirmwareBuilder, ProcessorSpec};

const CLASS: &str = "sys/class/devcoredump";

impl Bench {
    /// A processor that runs firmware with the bytes "hello" at address 0 and a trace buffer behind them.
    fn running(spec: ProcessorSpec, coredump: &str) -> Self {
        let bench = Bench::new(BoardSpec::new("Dumping", &["test,dumping"]).processor(spec));
        bench.install("fw.elf", &image());
        bench.m4("firmware").write("fw.elf").unwrap();
        bench.m4("coredump").write(coredump).unwrap();
        bench.m4("state").write("start").unwrap();
        bench
    }

    fn dump(&self, number: u32, name: &str) -> Node {
        self.path(&format!("{CLASS}/devcd{number}/{name}"))
    }

    fn await_dump(&self, number: u32) -> Vec<u8> {
        self.until(|| self.dump(number, "").exists());
        fs::read(self.dump(number, "data").path()).unwrap()
    }

    fn until(&self, holds: impl Fn() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < PATIENCE);
            std::thread::yield_now();
        }
    }

    fn crash(&self) {
        self.debug("crash").write("2").unwrap();
    }

    /// Waits for the end of the N-th start: the log has as many lines.
    fn await_start(&self, nth: usize) {
        self.until(|| self.kmsg().texts().iter().filter(|line| line.ends_with("is now up")).count() == nth);
    }
}

fn image() -> Vec<u8> {
    FirmwareBuilder::new().segment(0, b"hello").segment(0x100, &[0; 64]).trace(0x100, 64).build()
}

fn m4() -> ProcessorSpec {
    ProcessorSpec::new("m4", "soc/10000000.m4")
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Segments of an ELF32 core: address, content.
fn segments(core: &[u8]) -> Vec<(u32, Vec<u8>)> {
    assert_eq!(&core[..7], b"\x7fELF\x01\x01\x01");
    assert_eq!(&core[16..18], [4, 0], "ET_CORE");
    let count = u16::from_le_bytes(core[44..46].try_into().unwrap()) as usize;
    let segment = |index: usize| {
        let header = 52 + 32 * index;
        let (offset, size) = (word(core, header + 4) as usize, word(core, header + 16) as usize);
        assert_eq!(word(core, header + 20) as usize, size);
        (word(core, header + 12), core[offset..offset + size].to_vec())
    };
    (0..count).map(segment).collect()
}

#[test]
fn a_crash_leaves_the_firmwares_memory() {
    let bench = Bench::running(m4(), "enabled");
    bench.control("trace").write("tick\n").unwrap();
    bench.crash();
    let core = bench.await_dump(1);
    bench.await_start(2);
    let mut trace = b"tick\n".to_vec();
    trace.resize(64, 0);
    assert_eq!(segments(&core), [(0, b"hello".to_vec()), (0x100, trace)]);
    assert_eq!(&core[18..20], [40, 0], "the firmware's machine");

    let data = bench.dump(1, "data");
    assert_eq!(fs::metadata(data.path()).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(fs::metadata(data.path()).unwrap().size(), 0, "the kernel does not say");
    let held = data.open();
    data.write("x").unwrap();
    assert!(!bench.dump(1, "").exists());
    assert_eq!(errno(held.read_at(&mut [0; 16], 0)), libc::ENODEV);
    assert!(!bench.m4("devcoredump").exists());
}

#[test]
fn a_dump_is_a_device_that_leads_to_the_one_that_failed() {
    let bench = Bench::running(m4(), "enabled");
    bench.crash();
    bench.await_dump(1);
    let resolved = |node: Node| fs::canonicalize(node.path()).unwrap();
    assert_eq!(bench.path(&format!("{CLASS}/devcd1")).link(), "../../devices/virtual/devcoredump/devcd1");
    assert_eq!(resolved(bench.dump(1, "failing_device")), resolved(bench.m4("")));
    assert_eq!(resolved(bench.m4("devcoredump")), resolved(bench.dump(1, "")));
    assert_eq!(resolved(bench.dump(1, "subsystem")), resolved(bench.path(CLASS)));
}

#[test]
fn one_dump_a_device_and_a_number_of_its_own_each() {
    let bench = Bench::running(m4(), "enabled");
    bench.crash();
    bench.await_dump(1);
    bench.await_start(2);
    bench.crash();
    bench.await_start(3);
    assert!(!bench.dump(2, "").exists(), "dropped while the first is there");
    bench.control("dump-expired").write("1").unwrap();
    assert!(!bench.dump(1, "").exists());
    bench.crash();
    bench.await_dump(2);
}

#[test]
fn an_inline_dump_holds_the_recovery_up() {
    let bench = Bench::running(m4(), "inline");
    bench.crash();
    let core = bench.await_dump(1);
    assert_eq!(segments(&core)[0], (0, b"hello".to_vec()));
    assert_eq!(bench.m4("state").word(), "offline");
    let stop = bench.m4("state");
    let stop = meanwhile(move || stop.errno("stop"));
    bench.m4("coredump").write("enabled").unwrap();
    assert!(!stop.is_finished(), "the device's mutex is held");
    bench.dump(1, "data").write("1").unwrap();
    assert_eq!(stop.join().unwrap(), 0, "it ran again before");
    assert_eq!(bench.m4("state").word(), "offline");
}

#[test]
fn an_inline_dump_ends_by_itself_in_time() {
    let bench = Bench::running(m4(), "inline");
    bench.crash();
    bench.await_dump(1);
    bench.control("dump-expired").write("1").unwrap();
    bench.await_start(2);
}

#[test]
fn no_recovery_no_dump() {
    let bench = Bench::running(m4(), "enabled");
    bench.m4("recovery").write("disabled").unwrap();
    bench.crash();
    bench.await_line("handling crash #1 in m4");
    assert!(!bench.dump(1, "").exists());
    assert_eq!(bench.m4("coredump").errno("disabled"), libc::EBUSY);
    bench.m4("recovery").write("recover").unwrap();
    assert!(bench.dump(1, "").exists());
    assert_eq!(bench.m4("state").word(), "running");
}

#[test]
fn a_stop_that_fails_leaves_no_dump_and_a_firmware_that_is_gone_leaves_one() {
    let bench = Bench::running(m4(), "enabled");
    bench.control("stop-error").write("EIO").unwrap();
    bench.crash();
    bench.await_line("can't stop rproc: -5");
    assert!(!bench.dump(1, "").exists());
    bench.control("stop-error").write("\n").unwrap();
    fs::remove_file(bench.firmware_path("fw.elf")).unwrap();
    bench.m4("recovery").write("recover").unwrap();
    bench.await_line("request_firmware failed: -2");
    assert!(bench.dump(1, "").exists());
}

#[test]
fn words_of_coredump() {
    let bench = Bench::running(m4(), "enabled");
    assert_eq!(bench.m4("coredump").errno("default"), libc::EINVAL);
    bench.await_line("Invalid coredump configuration");
    bench.m4("coredump").write("disabled\n").unwrap();
    bench.crash();
    bench.await_start(2);
    assert!(!bench.dump(1, "").exists());
}

#[test]
fn a_dump_has_the_size_that_is_asked_for() {
    let bench = Bench::running(m4(), "enabled");
    bench.control("dump-size").write("3000000").unwrap();
    assert_eq!(bench.control("dump-size").word(), "3000000");
    assert_eq!(bench.control("dump-size").errno("large"), libc::EINVAL);
    bench.crash();
    let core = bench.await_dump(1);
    assert_eq!(core.len(), 3_000_000);
    assert_eq!(segments(&core)[1].1.len(), 3_000_000 - 52 - 64 - 5);
    let mut page = [0; 8192];
    assert_eq!(bench.dump(1, "data").open().read(&mut page).unwrap(), 4096, "a page at a time");
}

#[test]
fn drivers_differ_in_what_they_have_dumped() {
    let bench = Bench::stm32mp15();
    bench.m4("coredump").write("enabled").unwrap();
    bench.install("good.elf", &firmware().segment(0x1000_0000, b"data\n\0").trace(0x1000_0002, 4).build());
    bench.m4("state").write("start").unwrap();
    bench.crash();
    let segments = segments(&bench.await_dump(1));
    let found: Vec<_> = segments.iter().map(|(address, bytes)| (*address, bytes.len())).collect();
    assert_eq!(found, [(0, 0x1_0000), (0x3000_0000, 0x4_0000), (0x1000_0000, 0x4_0000), (0x1000_0002, 4)]);
    assert_eq!(&segments[2].1[..6], b"data\n\0");

    let bench = Bench::running(m4().dumped(Dumped::Classless), "enabled");
    bench.crash();
    bench.await_start(2);
    bench.await_line("Elf class is not set");
    assert!(!bench.dump(1, "").exists());

    let bench = Bench::running(m4().dumped(Dumped::Nothing), "inline");
    bench.crash();
    bench.await_start(2);
    assert!(!bench.dump(1, "").exists());
}

#[test]
fn dumps_can_be_forbidden_for_good() {
    let bench = Bench::running(m4(), "enabled");
    let disabled = bench.path(&format!("{CLASS}/disabled"));
    assert_eq!(disabled.word(), "0");
    assert_eq!(disabled.errno("0"), libc::EINVAL);
    bench.crash();
    bench.await_dump(1);
    bench.await_start(2);
    disabled.write("1").unwrap();
    assert_eq!(disabled.word(), "1");
    assert!(!bench.dump(1, "").exists());
    bench.crash();
    bench.await_start(3);
    assert_eq!(fs::read_dir(bench.path(CLASS).path()).unwrap().count(), 1);
}

#[test]
fn a_dump_outlives_its_device_but_not_a_reboot() {
    let bench = Bench::running(m4(), "enabled");
    bench.crash();
    bench.await_dump(1);
    bench.await_start(2);
    bench.control("plug").write("out").unwrap();
    assert!(!bench.await_dump(1).is_empty());
    bench.path("board/reboot").write("now").unwrap();
    assert!(!bench.dump(1, "").exists());
}

#[test]
fn a_board_that_is_taken_down_does_not_wait_for_a_dump() {
    let mut bench = Bench::running(m4(), "inline");
    bench.m4("recovery").write("disabled").unwrap();
    bench.crash();
    bench.await_line("handling crash #1 in m4");
    let recovery = bench.m4("recovery");
    let recover = meanwhile(move || recovery.errno("recover"));
    bench.until(|| bench.dump(1, "").exists());
    drop(bench.board.take());
    recover.join().unwrap();
}
