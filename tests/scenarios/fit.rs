//! Firmware that fits: what create refuses before it touches anything, what check tells of it, and that the kernel
//! agrees.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use simulated_board::{BoardSpec, FirmwareBuilder};

use crate::harness::{BLINK, Bundle, Machine, Outcome, binary, blink, is_cortex_m4, memory, names_in, skip};

const CHECK: &str = "remoteproc.firmware-check";

/// What is said of a processor to which nothing was compared.
const UNKNOWN: &str = "no board profile knows the processor";

/// A firmware of one segment of code.
fn code(address: u64, length: usize) -> FirmwareBuilder {
    FirmwareBuilder::new().segment(address, &vec![1; length])
}

fn check_bundle(machine: &Machine, bundle: &Bundle) -> Outcome {
    machine.run(&["check", bundle.path.to_str().unwrap()])
}

/// Whether the kernel boots it, if nobody has looked at it before.
fn boots(machine: &Machine, bundle: &Bundle) -> bool {
    machine.create("boots", bundle).ok();
    let started = machine.run(&["start", "boots"]);
    machine.run(&["delete", "--force", "boots"]).ok();
    started.code == 0
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// What can be wrong with the header of a resource table.
fn bad_headers() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("of 12 bytes", words(&[1, 0, 0])),
        ("of version 7", words(&[7, 0, 0, 0])),
        ("whose reserved words are not zero", words(&[1, 0, 0, 1])),
        ("that ends inside its list of 2 entries", words(&[1, 2, 0, 0, 16])),
    ]
}

/// What can be wrong with an entry of one: its kind, its words, bytes behind them.
fn bad_entries() -> Vec<(&'static str, u32, Vec<u32>, Vec<u8>)> {
    vec![
        ("(trace) is cut off", 2, vec![0; 3], vec![0; 31]),
        ("(trace) has reserved bytes", 2, vec![0, 0, 1], vec![0; 32]),
        ("(carveout) is cut off", 0, vec![0; 5], vec![0; 31]),
        ("(carveout) has reserved bytes", 0, vec![0, 0, 0, 0, 1], vec![0; 32]),
        ("(vdev) is cut off", 3, vec![7, 0, 0, 0, 0, 2 << 8], vec![0; 39]),
        ("(vdev) has reserved bytes", 3, vec![7, 0, 0, 0, 0, 1 << 24], vec![]),
        ("(vdev) has 3 vrings", 3, vec![7, 0, 0, 0, 0, 3 << 8], vec![0; 60]),
    ]
}

/// Where segments are tried: address, length, whether there is memory for them.
type Places = &'static [(u64, usize, bool)];

/// A processor, and firmware for it.
struct Trial {
    processor: &'static str,
    machine: u16,
    needs_table: bool,
    places: Places,
}

const STM32MP15: Trial = Trial {
    processor: "m4",
    machine: 40,
    needs_table: false,
    places: &[
        (0x0, 0x40, true),
        (0x0, 0x1_0000, true),
        (0xffc0, 0x80, false),
        (0x1000_0000, 0x4_0000, true),
        (0x1003_ffc0, 0x40, true),
        // Behind its end memory for messages begins.
        (0x1003_ffc0, 0x80, false),
        (0x1004_2000, 0x40, false),
        (0x1005_0000, 0x40, false),
        (0x2000_0000, 0x40, false),
        (0xffff_fff0, 0x40, false),
    ],
};

const IMX8MQ: Trial = Trial {
    processor: "imx-rproc",
    machine: 40,
    needs_table: false,
    places: &[
        (0x1ffe_0000, 0x40, true),
        (0x1ffe_0000, 0x3_ffff, true),
        (0x1ffe_0000, 0x4_0000, false),
        (0x0, 0x1_ffff, true),
        (0x0, 0x2_0000, false),
        (0x2020_0000, 0x2_0000, false),
        (0x8000_0000, 0x1000, true),
        // Reserved memory may be filled to its end.
        (0x8000_0000, 0x100_0000, true),
        (0x80ff_ffc0, 0x80, false),
        (0x8100_0000, 0x40, false),
        (0xb800_0000, 0x40, false),
        (0xe000_0000, 0x40, false),
    ],
};

/// The one of tests/qemu/boards/imx8mq.
const IMX8MQ_QEMU: Trial = Trial {
    places: &[
        (0x5010_0000, 0x40, true),
        (0x5010_0000, 0x10_0000, true),
        (0x501f_ffc0, 0x80, false),
        (0x5020_0000, 0x40, false),
        (0x6000_0000, 0x40, false),
        (0xe000_0000, 0x40, false),
    ],
    processor: "m4",
    ..IMX8MQ
};

const AM64X_R5F: Trial = Trial {
    processor: "r5f0-0",
    machine: 40,
    needs_table: true,
    places: &[
        (0x0, 0x8000, true),
        (0x4101_0000, 0x40, true),
        (0x7800_0000, 0x40, true),
        (0xa010_0000, 0x1000, true),
        // The first of its regions is for messages.
        (0xa000_0000, 0x40, false),
        (0xa0ff_ffc0, 0x80, false),
        (0x2000_0000, 0x40, false),
    ],
};

const AM64X_M4F: Trial = Trial {
    processor: "m4",
    machine: 40,
    needs_table: true,
    places: &[
        (0x0, 0x3_0000, true),
        // Into the next window, which is none of the same.
        (0x2_ffc0, 0x80, false),
        (0x3_0000, 0x1_0000, true),
        (0xa410_0000, 0x40, true),
        (0xa110_0000, 0x40, false),
    ],
};

const J721E_C66: Trial = Trial {
    processor: "4d80800000.dsp",
    machine: 140,
    needs_table: true,
    places: &[(0x80_0000, 0x4_8000, true), (0x84_7fc0, 0x80, false), (0xa610_0000, 0x40, true)],
};

const AM654_PRU: Trial = Trial {
    processor: "m4",
    machine: 144,
    needs_table: false,
    places: &[
        (0x0, 0x40, true),
        (0x0, 0x4000, true),
        (0x3fc0, 0x80, false),
        (0x5000, 0x40, false),
        (0x2000_0000, 0x40, true),
    ],
};

/// Check and the kernel agree on every firmware of a trial, and on what else can be wrong with one.
#[track_caller]
fn agree(machine: &Machine, trial: &Trial) {
    let verdict = |what: &str, firmware: &FirmwareBuilder, fits: bool| {
        let image = firmware.clone().machine(trial.machine).build();
        let bundle = machine.bundle_of("trial", trial.processor, &image).unchecked();
        let checked = check_bundle(machine, &bundle);
        assert_eq!(checked.code, i32::from(!fits), "{what}: {}{}", checked.stdout, checked.stderr);
        assert_eq!(boots(machine, &bundle), fits, "{what}: the kernel");
    };
    for (address, length, fits) in trial.places {
        let what = format!("{length:#x} bytes at {address:#x}");
        verdict(&what, &code(*address, *length).resource_table(), *fits);
    }
    let good = code(trial.places[0].0, 0x40);
    verdict("no table", &good, !trial.needs_table);
    for (what, table) in bad_headers() {
        verdict(what, &good.clone().raw_table(&table), !trial.needs_table);
    }
    for (what, kind, words, bytes) in bad_entries() {
        verdict(what, &good.clone().entry(kind, &words, &bytes), false);
    }
    verdict("an entry behind the end", &good.clone().raw_table(&words(&[1, 1, 0, 0, 21])), false);
    verdict("entries of later kernels", &good.entry(4, &[], &[]).entry(700, &[], &[]), true);
}

#[test]
fn check_says_what_the_kernel_then_does() {
    let machine = Machine::stm32mp15();
    if check_bundle(&machine, &machine.bundle("x", "m4")).ok().contains(UNKNOWN) {
        skip("no profile knows its processors");
    }
    // A real board by its memory.
    match (is_cortex_m4(), memory()) {
        (true, _) => agree(&machine, &STM32MP15),
        (_, 0x5010_0000) => agree(&machine, &IMX8MQ_QEMU),
        _ => agree(&machine, &AM654_PRU),
    }
}

#[test]
fn check_says_what_the_kernel_then_does_on_boards_of_other_families() {
    agree(&Machine::simulated(BoardSpec::imx8mq()), &IMX8MQ);
    let machine = Machine::simulated(BoardSpec::am64x());
    agree(&machine, &AM64X_R5F);
    agree(&machine, &AM64X_M4F);
    agree(&Machine::simulated(BoardSpec::j721e()), &J721E_C66);
}

#[test]
fn a_segment_outside_is_refused_before_anything_is_stored_with_the_nearest_window_and_the_way_on() {
    let machine = Machine::simulated(BoardSpec::stm32mp15());
    let firmware = code(0x1005_fff0, 0x20).data(0x5000_0000, &[0; 4]).segment(0x0, &[0; 4]).build();
    let bundle = machine.bundle_of("x", "m4", &firmware);
    machine.create_is_refused(
        &bundle,
        &[
            "firmware: fw.elf: segment 0 (code, 0x1005_fff0-0x1006_000f) does not lie wholly in a window of m4; \
             the nearest is MCU SRAM, code (0x1000_0000-0x1005_ffff) (and 1 more)",
            &format!("hint: remoteproc-runtime check {} shows all of it; ", bundle.path.display()),
            "the annotation remoteproc.firmware-check=off leaves the check out",
        ],
    );
    let chosen = machine.run(&["--board", "stm32mp15", "create", "-b", bundle.path.to_str().unwrap(), "x"]);
    assert!(chosen.hint().contains("remoteproc-runtime check --board stm32mp15 "), "{}", chosen.stderr);
    let seen = check_bundle(&machine, &bundle);
    assert_eq!(seen.code, 1);
    assert_eq!(seen.stdout.matches("error: fw.elf: segment ").count(), 2, "{}", seen.stdout);
    assert!(seen.stdout.contains("error: fw.elf: segment 1 (data, 0x5000_0000-0x5000_0003) "));
}

#[test]
fn good_firmware_is_taken_on_boards_of_all_vendors_without_a_word() {
    for (board, processor, firmware) in [
        (BoardSpec::stm32mp15(), "m4", BLINK.to_vec()),
        (BoardSpec::imx8mq(), "m4", code(0x1ffe_0000, 64).trace(0x2000_0000, 64).build()),
        (BoardSpec::am64x(), "r5f0-0", code(0, 64).resource_table().build()),
    ] {
        let machine = Machine::simulated(board);
        let created = machine.create("x", &machine.bundle_of("x", processor, &firmware));
        assert_eq!((created.code, created.stderr.as_str()), (0, ""), "{processor}");
        machine.run(&["start", "x"]).ok();
    }
}

#[test]
fn a_window_of_an_imx_that_is_full_to_its_end_is_refused() {
    let machine = Machine::simulated(BoardSpec::imx8mq());
    let full = machine.bundle_of("x", "m4", &code(0x2020_0000, 0x2_0000).build());
    machine.create_is_refused(
        &full,
        &["segment 0 (code, 0x2020_0000-0x2021_ffff) ends where window OCRAM, data (0x2020_0000-0x2021_ffff) does"],
    );
}

#[test]
fn memory_that_the_device_tree_does_not_reserve_is_refused_with_what_it_does() {
    let machine = Machine::simulated(BoardSpec::imx8mq());
    machine.create_is_refused(
        &machine.bundle_of("x", "m4", &code(0x8100_0000, 64).build()),
        &[
            "segment 0 (code, 0x8100_0000-0x8100_003f) lies in DDR (0x4000_0000-0xbfff_ffff), but not wholly in memory",
            "reserves for the processor: 0xb80f_f000-0xb80f_ffff, 0x8000_0000-0x80ff_ffff",
        ],
    );
}

#[test]
fn firmware_for_another_machine_or_class_is_refused() {
    let machine = Machine::stm32mp15();
    let class = check_bundle(&machine, &machine.bundle("x", "m4")).ok();
    assert!(class.contains("32-bit ELF"), "{class}");
    let foreign = code(memory(), 64).machine(94).build();
    if !class.contains(UNKNOWN) {
        machine.create_is_refused(&machine.bundle_of("x", "m4", &foreign), &["fw.elf: is for xtensa, and "]);
        let wide = code(memory(), 64).wide().machine(94).build();
        machine.create_is_refused(&machine.bundle_of("x", "m4", &wide), &[" (and 1 more)"]);
    }
}

#[test]
fn a_ti_core_without_a_resource_table_is_refused() {
    let machine = Machine::simulated(BoardSpec::am64x());
    machine.create_is_refused(
        &machine.bundle_of("x", "r5f0-0", &code(0, 64).build()),
        &["has no resource table, and the driver takes no firmware without"],
    );
}

#[test]
fn malformed_resource_tables_are_refused_or_warned_about_where_the_driver_goes_on_without() {
    let ti = Machine::simulated(BoardSpec::am64x());
    let st = Machine::simulated(BoardSpec::stm32mp15());
    for (words, table) in bad_headers() {
        let firmware = code(0, 64).raw_table(&table).build();
        ti.create_is_refused(&ti.bundle_of("x", "r5f0-0", &firmware), &["has a resource table ", words]);
        let created = st.create("x", &st.bundle_of("x", "m4", &firmware));
        let said = &created.stderr;
        assert!(said.starts_with("warning: firmware: fw.elf: has a resource table "), "{said}");
        assert!(
            said.contains(words) && said.ends_with("; the kernel goes on as if there were none\n"),
            "{said}"
        );
        assert_eq!(created.code, 0);
        st.run(&["delete", "--force", "x"]).ok();
    }
    for (words, kind, numbers, bytes) in bad_entries() {
        let firmware = code(0, 64).entry(kind, &numbers, &bytes).build();
        for (machine, processor) in [(&ti, "r5f0-0"), (&st, "m4")] {
            let bundle = machine.bundle_of("x", processor, &firmware);
            machine.create_is_refused(&bundle, &["entry 0 of the resource table ", words]);
        }
    }
}

#[test]
fn the_annotation_off_leaves_all_of_it_to_the_kernel_and_other_values_are_refused() {
    let machine = Machine::stm32mp15();
    // Signed images are no ELF files.
    let signed = machine.bundle_of("x", "m4", b"STM2 and so on");
    machine.create_is_refused(&signed, &["firmware: fw.elf: is too small for an ELF file"]);
    machine.create("x", &signed.clone().unchecked()).ok();
    machine.run(&["start", "x"]).refused(&["(EINVAL)"]);
    machine.run(&["delete", "x"]).ok();
    for value in ["", "On", "true", "no\u{1b}[2J"] {
        let bundle = machine.bundle("x", "m4");
        bundle.annotate(CHECK, value);
        let expected = format!("annotations.{CHECK}: {value:?} is none of its values: on, off");
        machine.create_is_refused(&bundle, &["config.json: ", &expected]);
    }
    let bundle = machine.bundle("x", "m4");
    bundle.annotate(CHECK, "on");
    machine.create("x", &bundle).ok();
}

#[test]
fn check_shows_what_goes_where_and_touches_nothing() {
    let machine = Machine::simulated(BoardSpec::stm32mp15());
    let seen = check_bundle(&machine, &machine.bundle("x", "cm4"));
    assert_eq!((seen.code, seen.stderr.as_str()), (0, ""));
    for line in [
        "fw.elf: 32-bit ELF for arm, 1664 bytes, entry 0x1000_0145",
        "processor m4: m4",
        "reserved for it by this machine's device tree, as Linux sees it: 0x3800_0000-0x3800_ffff, ",
        "1        code   0x1000_0000-0x1000_0183  388   388     r-x    MCU SRAM, code",
        "RETRAM          0x0000_0000-0x0000_ffff  64    65536   0%    #...................",
        "resource table at 0x1001_0200-0x1001_0243, 68 bytes",
        "0      trace  trace0  0x1001_0000  512",
    ] {
        assert!(seen.stdout.lines().any(|shown| shown.starts_with(line)), "{line}: {}", seen.stdout);
    }
    assert!(seen.stdout.ends_with("\nfw.elf fits m4 of stm32mp15\n"), "{}", seen.stdout);
    machine.assert_clean();
    assert!(!machine.state_root().exists());
    assert_eq!(machine.attribute(0, "firmware"), "rproc-m4-fw");
}

/// A firmware file in a directory of its own, and a machine without a processor or device tree.
struct Workstation {
    directory: tempfile::TempDir,
}

impl Workstation {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("root")).unwrap();
        Self { directory }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Runs the binary without a state directory, as a user without XDG_RUNTIME_DIR has none.
    fn run(&self, args: &[&str], path: &Path) -> Outcome {
        let mut command = Command::new(binary());
        command.env_remove("XDG_RUNTIME_DIR").arg("--host-root").arg(self.directory.path().join("root"));
        command.args(args).arg(path);
        Outcome::of(command, self.directory.path())
    }
}

#[test]
fn a_workstation_checks_for_any_board() {
    let here = Workstation::new();
    let good = here.file("good.elf", &code(0x1000_0000, 0x3_0000).segment(0, &[0; 0x1_0000]).build());
    for args in [
        &["check", "--board", "stm32mp15"][..],
        &["--board=stm32mp15", "check"],
        &["--board", "am64x", "check", "--board", "stm32mp15"],
    ] {
        let seen = here.run(args, &good).ok();
        assert!(seen.contains("  196608  393216  50%   ##########.........."), "{seen}");
        assert!(seen.contains("  65536   65536   100%  ####################"), "{seen}");
        assert!(
            seen.contains("note: good.elf: only the board tells whether its device tree reserves"),
            "{seen}"
        );
        assert!(seen.ends_with("\ngood.elf fits m4 of stm32mp15\n"), "{seen}");
    }
    let bad = here.run(&["check", "--board", "am64x", "--processor", "main-r5f0-0"], &good);
    assert_eq!(bad.code, 1);
    assert!(bad.stdout.ends_with("\ngood.elf does not fit r5f0-0 of am64x: 2 errors\n"), "{}", bad.stdout);
    // Without a board there is the file alone.
    let seen = here.run(&["check"], &good).ok();
    assert!(seen.contains("note: good.elf: no board profile knows the processor: "), "{seen}");
    assert!(seen.contains("note: a board is chosen by --board, and its processor by --processor"), "{seen}");
    assert!(names_in(&here.directory.path().join("root")).is_empty());
}

#[test]
fn a_processor_that_is_missing_or_not_known_is_refused_with_those_that_are() {
    let here = Workstation::new();
    let file = here.file("fw.elf", &code(0, 64).build());
    let missing = here.run(&["check", "--board", "imx8qm"], &file);
    assert_eq!(missing.code, 2);
    assert!(
        missing.stderr.contains("--processor is missing: board imx8qm has: m4-0, m4-1, dsp"),
        "{}",
        missing.stderr
    );
    for (name, problem) in
        [("r5f0-0", "no processor of this name on board imx8qm"), ("imx-rproc", "more than one")]
    {
        let refused = here.run(&["check", "--board", "imx8qm", "--processor", name], &file);
        refused
            .refused(&[&format!("processor {name}: {problem}"), "hint: board imx8qm has: m4-0, m4-1, dsp"]);
    }
    here.run(&["check", "--board", "nosuch"], &file)
        .refused(&["there is no board \"nosuch\"; the boards are: "]);
    assert_eq!(here.run(&["check", "--format", "xml"], &file).code, 2);
    assert_eq!(here.run(&["check", "--frobnicate"], &file).code, 2);
    let machine = Machine::simulated(
        BoardSpec::new("Nobody's", &["nobody,knows"])
            .processor(simulated_board::ProcessorSpec::new("m4", "soc/m4.rproc")),
    );
    let path = file.to_str().unwrap();
    machine.run(&["check", "--processor", "m5", path]).refused(&["processor m5: no processor of this name"]);
    machine.run(&["check", "--processor", "m4", path]).ok();
}

#[test]
fn a_bundle_is_checked_for_its_processor_or_another() {
    let here = Workstation::new();
    let firmware = code(0x4101_0000, 64).resource_table().build();
    let bundle = Bundle::new(&here.directory.path().join("bundle"), "r5f0-0", &firmware);
    here.run(&["check", "--board", "am64x"], &bundle.path).ok();
    let other = here.run(&["check", "--board", "am64x", "--processor", "pru0-0"], &bundle.path);
    assert!(other.code == 1 && other.stdout.contains("is for arm, and pru0-0 is ti-pru"), "{}", other.stdout);
    let bundle = bundle.unchecked();
    let seen = here.run(&["check", "--board", "am64x"], &bundle.path).ok();
    assert!(seen.contains("note: create does not look at this: remoteproc.firmware-check is off"), "{seen}");
    std::fs::remove_file(bundle.rootfs("fw.elf")).unwrap();
    here.run(&["check"], &bundle.path)
        .refused(&["firmware: fw.elf: cannot be opened in the root file system"]);
    std::fs::remove_file(bundle.config()).unwrap();
    here.run(&["check"], &bundle.path).refused(&["config.json"]);
}

#[test]
fn the_object_for_build_systems_has_all_of_it_with_numbers_as_numbers() {
    let here = Workstation::new();
    let firmware = code(0x1000_0000, 0x100).data(0x5000_0000, &[0; 4]).trace(0x1000_0010, 16).build();
    let file = here.file("fw.elf", &firmware);
    let seen = here.run(&["check", "--board", "stm32mp15", "--format", "json"], &file);
    assert_eq!(seen.code, 1);
    let object: Value = serde_json::from_str(&seen.stdout).unwrap();
    for (pointer, value) in [
        ("/fits", Value::from(false)),
        ("/file/size", firmware.len().into()),
        ("/file/class", 32.into()),
        ("/file/machine", "arm".into()),
        ("/file/entry", 0x1000_0000.into()),
        ("/board/name", "stm32mp15".into()),
        ("/board/origin", "built in".into()),
        ("/processor/alias", "m4".into()),
        ("/segments/0/address", 0x1000_0000.into()),
        ("/segments/0/memorySize", 0x100.into()),
        ("/segments/0/window", "MCU SRAM, code".into()),
        ("/segments/1/window", Value::Null),
        ("/segments/1/flags", "rw-".into()),
        ("/windows/1/used", 0x100.into()),
        ("/windows/1/size", 0x6_0000.into()),
        ("/reservedMemory", Value::Null),
        ("/resourceTable/entries/0/kind", "trace".into()),
        ("/resourceTable/entries/0/size", 16.into()),
        ("/findings/0/level", "error".into()),
    ] {
        assert_eq!(object.pointer(pointer), Some(&value), "{pointer} of {object:#}");
    }
    let keys: Vec<&String> = object.as_object().unwrap().keys().collect();
    assert!(keys.is_sorted(), "{keys:?}");
    // What is no ELF file is told in the same form.
    let seen =
        here.run(&["check", "--format=json"], &here.file("text", b"just some text, longer than a header"));
    let object: Value = serde_json::from_str(&seen.stdout).unwrap();
    assert_eq!((seen.code, object["findings"][0]["text"].as_str()), (1, Some("is not an ELF file")));
    assert_eq!((&object["file"]["class"], &object["board"]), (&Value::Null, &Value::Null));
}

#[test]
fn the_object_tells_what_the_board_reserves() {
    let machine = Machine::simulated(BoardSpec::imx8mq());
    let file = machine.scratch().join("fw.elf");
    std::fs::write(&file, code(0x8000_0000, 64).build()).unwrap();
    let seen = machine.run(&["check", "--format", "json", file.to_str().unwrap()]).ok();
    let object: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(
        object["reservedMemory"][1],
        serde_json::json!({ "system": 0x8000_0000_u64, "size": 0x100_0000 })
    );
}

#[test]
fn files_that_are_none_are_errors_with_their_name() {
    let here = Workstation::new();
    let fifo = here.directory.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
    here.run(&["check"], &fifo).refused(&["fifo: is not a regular file"]);
    here.run(&["check"], Path::new("/dev/null")).refused(&["/dev/null: is not a regular file"]);
    here.run(&["check"], &here.directory.path().join("none")).refused(&[
        "cannot open ",
        "/none: ",
        "(ENOENT)",
    ]);
    let large = here.file("large", b"");
    std::fs::OpenOptions::new().write(true).open(&large).unwrap().set_len((256 << 20) + 1).unwrap();
    here.run(&["check"], &large).refused(&["large: is larger than 256 MiB"]);
}

#[test]
fn nothing_of_a_file_speaks_to_the_terminal() {
    let here = Workstation::new();
    let mut name = *b"\x1b[2Jfake\nerror: line";
    name[6] = b'\r';
    let firmware = code(0, 64).entry(2, &[0, 0, 0], &[&name[..], &[0; 12]].concat()).build();
    let file = here.file("a\nb\u{1b}.elf", &firmware);
    let seen = here.run(&["check"], &file).ok();
    assert!(seen.bytes().all(|byte| byte == b'\n' || byte >= b' '), "{seen:?}");
    assert!(seen.contains("a\\nb\\u{1b}.elf"), "{seen}");
}

#[test]
fn hints_of_a_profile_are_shown() {
    let here = Workstation::new();
    let mine = "name = 'mine'\ndescription = 'Mine'\ncompatible = ['me,mine']\n[[processor]]\naliases = ['m4']\n\
                names = ['m4']\nhints = ['press the button']\n";
    let folder = here.directory.path().join("root/etc/remoteproc-runtime/boards");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("mine.toml"), mine).unwrap();
    let seen = here.run(&["check", "--board", "mine"], &here.file("fw.elf", &blink())).ok();
    assert!(seen.contains("\nhint: press the button\n"), "{seen}");
    assert!(
        seen.contains("warning: fw.elf: the profile of m4 does not tell the machine, the class, "),
        "{seen}"
    );
    assert!(
        seen.contains(&format!("board mine: Mine ({}", folder.canonicalize().unwrap().display())),
        "{seen}"
    );
}
