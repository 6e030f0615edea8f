//! create opens, checks and stores the firmware: what is taken, and under which name.

use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::Path;
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::json;
use simulated_board::FirmwareBuilder;

use crate::harness::{BLINK, Bundle, Machine, Outcome, blink, is_cortex_m4, memory, skipped_without_root};

const RPMSG: &[u8] = include_bytes!("../firmware/rpmsg.elf");
const BARE: &[u8] = include_bytes!("../firmware/bare.elf");

/// Makes `path` the only entry of args.
fn set_firmware(bundle: &Bundle, path: &str) {
    bundle.edit(|config| config["process"]["args"] = json!([path]));
}

/// A bundle whose firmware is called `name`.
fn bundle_named(machine: &Machine, name: &str) -> Bundle {
    let bundle = machine.bundle("x", "m4");
    std::fs::write(bundle.rootfs(name), blink()).unwrap();
    set_firmware(&bundle, name);
    bundle
}

/// Creates, starts, stops and deletes a container; the name of its stored firmware.
#[track_caller]
fn lives(machine: &Machine, bundle: &Bundle) -> String {
    machine.create("x", bundle).ok();
    let stored = machine.stored_firmware();
    machine.run(&["start", "x"]).ok();
    assert_eq!(
        (machine.processor().as_str(), machine.attribute(0, "firmware").as_str()),
        ("running", stored[0].as_str())
    );
    machine.run(&["kill", "x"]).ok();
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
    stored.into_iter().next().unwrap()
}

/// The parts of a stored name: original name, timestamp, mark of the boot, random part.
#[track_caller]
fn parts(name: &str) -> (&str, &str, &str, &str) {
    let (rest, suffix) = name.rsplit_once('-').unwrap();
    let (original, time) = rest.rsplit_once('-').unwrap();
    assert_eq!(suffix.len(), 16, "{name}");
    assert!(suffix.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{name}");
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    assert_eq!(shape, "99999999T999999Z", "{name}");
    (original, time, &suffix[..8], &suffix[8..])
}

/// The first eight digits of the board's boot id.
fn boot_mark(machine: &Machine) -> String {
    std::fs::read_to_string(machine.path("proc/sys/kernel/random/boot_id")).unwrap()[..8].to_owned()
}

fn utc_now() -> String {
    let output = Command::new("date").args(["-u", "+%Y%m%dT%H%M%SZ"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Firmware of every kind: with a trace buffer, with rpmsg and without a resource table.
fn real_firmware() -> Vec<Vec<u8>> {
    match is_cortex_m4() {
        true => [BLINK, RPMSG, BARE].map(<[u8]>::to_vec).into(),
        false => vec![blink()],
    }
}

fn patched(elf: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut elf = elf.to_vec();
    elf[at..at + bytes.len()].copy_from_slice(bytes);
    elf
}

#[test]
fn real_firmware_runs_with_a_trace_buffer_with_rpmsg_and_without_a_resource_table() {
    let machine = Machine::stm32mp15();
    for firmware in real_firmware() {
        lives(&machine, &machine.bundle_of("x", "m4", &firmware));
    }
}

#[test]
fn firmware_for_another_machine_or_of_64_bits_is_taken_as_by_the_kernel_where_nobody_looks() {
    let machine = Machine::stm32mp15();
    for machine_number in [0_u16, 3, 62, 183, 243, 0xffff] {
        let firmware = patched(&blink(), 18, &machine_number.to_le_bytes());
        lives(&machine, &machine.bundle_of("x", "m4", &firmware).unchecked());
    }
    let wide = FirmwareBuilder::new().wide().machine(183).segment(memory(), &[7; 64]).build();
    lives(&machine, &machine.bundle_of("x", "m4", &wide).unchecked());
}

/// What can be wrong with an ELF file, made of a good one, with a word of the error.
fn broken(elf: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let section_headers = u32::from_le_bytes(elf[32..36].try_into().unwrap()) as usize;
    vec![
        ("is not an ELF file", patched(elf, 0, b"\x7fELG")),
        ("is not an ELF file", patched(elf, 0, b"#!/bin/sh\n")),
        ("ELF class that is neither 32 nor 64 bits", patched(elf, 4, &[0])),
        ("ELF class that is neither 32 nor 64 bits", patched(elf, 4, &[3])),
        ("is big-endian, and this kernel loads only little-endian", patched(elf, 5, &[2])),
        ("ends inside its ELF header", elf[..51].to_vec()),
        ("ends before its section headers: it is cut off", elf[..section_headers + 39].to_vec()),
        ("ends before its section headers: it is cut off", elf[..elf.len() / 2].to_vec()),
        ("ends before its section headers: it is cut off", patched(elf, 32, &[0xff; 4])),
        ("has no program headers", patched(elf, 44, &[0, 0])),
        ("ends inside its program headers: it is cut off", patched(elf, 28, &[0xff; 4])),
        ("ends inside its segment number 0: it is cut off", patched(elf, 52 + 4, &[0xff; 4])),
        ("segment (number 0) with more bytes in the file than in memory", patched(elf, 52 + 16, &[0xff; 4])),
    ]
}

/// Whether the kernel boots an image that is put before it without this runtime.
fn kernel_boots(machine: &Machine, image: &[u8]) -> bool {
    let path = machine.firmware_directory().join("by-hand.elf");
    std::fs::write(&path, image).unwrap();
    machine.set(0, "firmware", "by-hand.elf");
    let booted = machine.try_write("sys/class/remoteproc/remoteproc0/state", "start").is_ok();
    if booted {
        machine.set(0, "state", "stop");
    }
    std::fs::remove_file(path).unwrap();
    booted
}

#[test]
fn broken_elf_files_are_refused_as_by_the_kernel() {
    let machine = Machine::stm32mp15();
    for firmware in real_firmware() {
        assert!(kernel_boots(&machine, &firmware));
        for (word, image) in broken(&firmware) {
            let bundle = machine.bundle_of("x", "m4", &image);
            machine.create_is_refused(&bundle, &["firmware: fw.elf: ", word]);
            // The driver of PRUs adds offset and size of a segment in 32 bits, reads far behind the file, and takes the
            // kernel down (drivers/remoteproc/pru_rproc.c, pru_rproc_load_elf_segments, Linux 6.12).
            if is_cortex_m4() {
                assert!(!kernel_boots(&machine, &image), "the kernel takes what is refused here: {word}");
            }
        }
    }
}

#[test]
fn program_headers_behind_the_end_are_refused_although_the_kernel_would_read_them() {
    let machine = Machine::stm32mp15();
    let image = patched(BLINK, 44, &[0xff, 0xff]);
    machine.create_is_refused(&machine.bundle_of("x", "m4", &image), &["ends inside its program headers"]);
}

#[test]
fn empty_short_and_textual_files_are_refused() {
    let machine = Machine::stm32mp15();
    for (content, word) in [
        (&b""[..], "is too small for an ELF file"),
        (b"\x7fELF", "is too small for an ELF file"),
        (b"just some text, longer than any header of a file", "is not an ELF file"),
    ] {
        let bundle = machine.bundle_of("x", "m4", content);
        machine.create_is_refused(&bundle, &["firmware: fw.elf: ", word]);
    }
}

#[test]
fn a_firmware_over_256_mib_is_refused() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    let file = std::fs::OpenOptions::new().write(true).open(bundle.rootfs("fw.elf")).unwrap();
    file.set_len((256 << 20) + 1).unwrap();
    machine.create_is_refused(&bundle, &["firmware: fw.elf: is larger than 256 MiB"]);
    // At the limit it is the content that counts.
    std::fs::write(bundle.rootfs("fw.elf"), "no ELF").unwrap();
    std::fs::OpenOptions::new()
        .write(true)
        .open(bundle.rootfs("fw.elf"))
        .unwrap()
        .set_len(256 << 20)
        .unwrap();
    machine.create_is_refused(&bundle, &["firmware: fw.elf: is not an ELF file"]);
}

#[test]
fn a_firmware_is_found_by_every_path_inside_the_root() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    std::fs::create_dir_all(bundle.rootfs("lib/sub")).unwrap();
    std::fs::copy(bundle.rootfs("fw.elf"), bundle.rootfs("lib/real.elf")).unwrap();
    symlink("/lib/real.elf", bundle.rootfs("absolute.elf")).unwrap();
    symlink("../real.elf", bundle.rootfs("lib/sub/relative.elf")).unwrap();
    symlink("../../../../lib/real.elf", bundle.rootfs("above.elf")).unwrap();
    for (path, name) in [
        ("fw.elf", "fw.elf"),
        ("/fw.elf", "fw.elf"),
        ("./fw.elf", "fw.elf"),
        ("//lib//real.elf", "real.elf"),
        ("lib/sub/../real.elf", "real.elf"),
        ("../../fw.elf", "fw.elf"),
        ("absolute.elf", "absolute.elf"),
        ("lib/sub/relative.elf", "relative.elf"),
        ("above.elf", "above.elf"),
    ] {
        set_firmware(&bundle, path);
        assert_eq!(parts(&lives(&machine, &bundle)).0, name, "{path}");
    }
}

#[test]
fn neither_dots_nor_links_lead_out_of_the_root() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    // An outside file that would be taken, so that only the path can be what is refused.
    let outside = machine.scratch().join("outside.elf");
    std::fs::write(&outside, BLINK).unwrap();
    symlink(&outside, bundle.rootfs("absolute.elf")).unwrap();
    symlink("../../../outside.elf", bundle.rootfs("relative.elf")).unwrap();
    assert!(bundle.rootfs("relative.elf").exists(), "the link leads where it should not be followed");
    symlink(machine.scratch(), bundle.rootfs("directory")).unwrap();
    symlink("/etc/shadow", bundle.rootfs("shadow")).unwrap();
    symlink("/dev/zero", bundle.rootfs("zero")).unwrap();
    let outside = outside.to_str().unwrap();
    for path in [
        "../../etc/passwd",
        "/etc/passwd",
        "../../../outside.elf",
        outside,
        "absolute.elf",
        "relative.elf",
        "directory/outside.elf",
        "shadow",
        "zero",
    ] {
        set_firmware(&bundle, path);
        let problem = format!("firmware: {path}: cannot be opened in the root file system: ");
        machine.create_is_refused(&bundle, &[&problem, "(ENOENT)"]);
    }
}

#[test]
fn a_file_that_is_missing_or_has_no_name_is_refused() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    symlink("loop", bundle.rootfs("loop")).unwrap();
    let long = "x".repeat(256);
    for (path, word) in [
        ("missing.elf", "(ENOENT)"),
        ("fw.elf/", "(ENOTDIR)"),
        ("fw.elf/more", "(ENOTDIR)"),
        ("loop", "(ELOOP)"),
        (&long, "(ENAMETOOLONG)"),
        ("", "is no file name"),
        ("/", "is no file name"),
        ("..", "is no file name"),
        (".", "is no file name"),
        ("sub/..", "is no file name"),
    ] {
        set_firmware(&bundle, path);
        machine.create_is_refused(&bundle, &[&format!("firmware: {path}: "), word]);
    }
}

#[test]
fn what_is_no_regular_file_is_refused_unopened() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    std::fs::create_dir(bundle.rootfs("directory")).unwrap();
    mknodat(CWD, bundle.rootfs("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(bundle.rootfs("socket")).unwrap();
    symlink("fifo", bundle.rootfs("link")).unwrap();
    for path in ["directory", "fifo", "socket", "link"] {
        set_firmware(&bundle, path);
        machine.create_is_refused(&bundle, &[&format!("firmware: {path}: is not a regular file")]);
    }
}

#[test]
fn the_machines_own_devices_and_processes_are_no_firmware() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    bundle.edit(|config| config["root"]["path"] = json!("/"));
    for (path, word) in [
        ("dev/zero", "is not a regular file"),
        ("dev/null", "is not a regular file"),
        ("proc/self/exe", "(ELOOP)"),
        ("proc/self/fd/0", "(ELOOP)"),
        ("proc/self/mem", "is too small for an ELF file"),
        ("etc/passwd", "is not an ELF file"),
    ] {
        set_firmware(&bundle, path);
        machine.create_is_refused(&bundle, &[&format!("firmware: {path}: "), word]);
    }
}

#[test]
fn a_device_node_in_the_root_is_refused() {
    if skipped_without_root("mknod") {
        return;
    }
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    mknodat(
        CWD,
        bundle.rootfs("fw.elf.zero"),
        FileType::CharacterDevice,
        Mode::RWXU,
        rustix::fs::makedev(1, 5),
    )
    .unwrap();
    assert!(std::fs::metadata(bundle.rootfs("fw.elf.zero")).unwrap().file_type().is_char_device());
    set_firmware(&bundle, "fw.elf.zero");
    machine.create_is_refused(&bundle, &["firmware: fw.elf.zero: is not a regular file"]);
}

#[test]
fn the_stored_name_tells_the_original_the_time_and_the_boot() {
    let machine = Machine::stm32mp15();
    let mark = boot_mark(&machine);
    let before = utc_now();
    for id in ["a", "b"] {
        machine.create(id, &machine.bundle("x", "m4")).ok();
    }
    let after = utc_now();
    let names = machine.stored_firmware();
    let (first, second) = (parts(&names[0]), parts(&names[1]));
    for (original, time, boot, _) in [first, second] {
        assert_eq!((original, boot), ("fw.elf", mark.as_str()));
        assert!((before.as_str()..=after.as_str()).contains(&time), "{before} {time} {after}");
    }
    assert_ne!(first.3, second.3, "the random part");
}

#[test]
fn every_boot_has_its_mark() {
    let machine = Machine::stm32mp15();
    let first = boot_mark(&machine);
    machine.write("board/reboot", "1");
    let second = boot_mark(&machine);
    assert_ne!(first, second);
    machine.create("x", &machine.bundle("x", "m4")).ok();
    assert_eq!(parts(&machine.stored_firmware()[0]).2, second);
}

#[test]
fn unusual_names_are_stored_as_they_are() {
    let machine = Machine::stm32mp15();
    for name in [
        "no-extension",
        "-leading-dash.elf",
        "--host-root",
        ".hidden",
        "two words.elf",
        "trailing space ",
        "ünï.elf",
        "%s%n.elf",
        "a.part",
        "x-20261123T221500Z-0123456789abcdef",
        "$(reboot);'\"`\\.elf",
    ] {
        assert_eq!(parts(&lives(&machine, &bundle_named(&machine, name))).0, name);
    }
}

#[test]
fn long_names_are_cut_to_200_bytes_and_keep_their_extension() {
    let machine = Machine::stm32mp15();
    let room = 200 - "-20261123T221500Z-0123456789abcdef".len();
    let longest = format!("{}.elf", "x".repeat(room - 4));
    assert_eq!(parts(&lives(&machine, &bundle_named(&machine, &longest))).0, longest, "not cut");
    for (stem, extension) in [
        ("x".repeat(251), ".elf"),
        ("x".repeat(room - 3), ".elf"),
        ("ü".repeat(125), ".elf"),
        ("x".repeat(255), ""),
    ] {
        let stored = lives(&machine, &bundle_named(&machine, &format!("{stem}{extension}")));
        let original = parts(&stored).0;
        let kept = original.strip_suffix(extension).expect("the extension");
        assert!(stem.starts_with(kept) && stored.len() <= 200 && stored.len() > 198, "{stored}");
    }
    // An extension without room for anything else is cut as well.
    let stored = lives(&machine, &bundle_named(&machine, &format!("a.{}", "e".repeat(240))));
    assert!(stored.len() <= 200 && parts(&stored).0.starts_with("a.ee"), "{stored}");
}

#[test]
fn control_characters_in_the_name_are_refused_and_not_shown_raw() {
    let machine = Machine::stm32mp15();
    for name in
        ["fw\n.elf", "fw\u{1b}[31m.elf", "\tfw.elf", "fw.elf\r", "fw\u{7f}.elf", "fw\u{85}.elf", "d\n/fw.elf"]
    {
        let bundle = machine.bundle("x", "m4");
        let path = bundle.rootfs(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, BLINK).unwrap();
        set_firmware(&bundle, name);
        machine.create_is_refused(&bundle, &["has control characters in its name"]);
        let stderr = machine.create("x", &bundle).failed();
        assert_eq!(stderr.lines().count(), 1, "{stderr:?}");
        assert!(!stderr.trim_end().chars().any(char::is_control), "{stderr:?}");
    }
    let bundle = machine.bundle("x", "m4");
    set_firmware(&bundle, "fw.elf\0");
    machine.create_is_refused(&bundle, &["has control characters in its name"]);
}

#[test]
fn the_stored_file_is_equal_and_readable_under_every_umask() {
    let (machine, image) = (Machine::stm32mp15(), blink());
    for umask in ["077", "777", "000"] {
        let bundle = machine.bundle_of("x", "m4", &image);
        std::fs::set_permissions(
            bundle.rootfs("fw.elf"),
            std::os::unix::fs::PermissionsExt::from_mode(0o600),
        )
        .unwrap();
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "umask $0 && exec \"$@\"", umask]);
        let command = machine.command(&["create", "--bundle", bundle.path.to_str().unwrap(), "x"]);
        shell.arg(command.get_program()).args(command.get_args());
        Outcome::of(shell, machine.scratch()).ok();
        let stored = machine.firmware_directory().join(&machine.stored_firmware()[0]);
        assert_eq!(std::fs::metadata(&stored).unwrap().mode() & 0o7777, 0o644, "umask {umask}");
        let container = std::fs::metadata(machine.state_root().join("x")).unwrap();
        assert_eq!(container.mode() & 0o7777, 0o700, "umask {umask}");
        assert!(std::fs::read(&stored).unwrap() == image);
        assert_eq!(machine.state("x")["annotations"]["remoteproc.firmware"], stored.to_str().unwrap());
        machine.run(&["delete", "--force", "x"]).ok();
    }
    machine.assert_clean();
}

/// Creates a container while firmware_class.path reads `value`; the names then in `directory`.
fn stored_with_class_path(machine: &Machine, value: &str, directory: &str) -> Vec<String> {
    machine.write("sys/module/firmware_class/parameters/path", value);
    std::fs::create_dir_all(machine.path(directory)).unwrap();
    machine.create("x", &machine.bundle("x", "m4")).ok();
    let entries = std::fs::read_dir(machine.path(directory)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn the_kernels_own_firmware_directory_is_used_below_the_host_root() {
    // Linux 6.1 takes the newline of an echo for a part of the path, and 6.12 does not.
    for (keeps_newline, value) in
        [(true, "/var/fw"), (true, "/var/fw\n"), (false, "/var/fw"), (false, "/var/fw\n")]
    {
        let Some(machine) = Machine::that_keeps_newlines(keeps_newline) else { continue };
        let names = stored_with_class_path(&machine, value, "var/fw");
        assert_eq!((names.len(), parts(&names[0]).0), (1, "fw.elf"));
        assert_eq!(machine.stored_firmware(), Vec::<String>::new(), "not in the usual directory");
        let path = machine.state("x")["annotations"]["remoteproc.firmware"].as_str().unwrap().to_owned();
        assert_eq!(
            Path::new(&path),
            machine.host_root().canonicalize().unwrap().join("var/fw").join(&names[0])
        );
        let outcome = machine.run(&["start", "x"]);
        if keeps_newline && value.ends_with('\n') {
            outcome.clone().refused(&["(ENOENT)"]);
            assert!(
                outcome.hint().contains("newline") && outcome.hint().contains("printf %s /var/fw > /sys/")
            );
        } else {
            outcome.ok();
            assert_eq!(machine.processor(), "running");
        }
        machine.run(&["delete", "--force", "x"]).ok();
        assert_eq!(std::fs::read_dir(machine.path("var/fw")).unwrap().count(), 0);
    }
}

#[test]
fn without_a_directory_of_the_kernels_own_it_is_lib_firmware() {
    let machine = Machine::stm32mp15();
    for value in ["", "\n"] {
        // An empty write changes nothing, on a real kernel too; the parameter is empty at first.
        let names = stored_with_class_path(&machine, value, "lib/firmware");
        assert_eq!(names.len(), 1);
        machine.run(&["delete", "--force", "x"]).ok();
    }
}

#[test]
fn a_container_finds_its_firmware_although_the_directory_has_changed() {
    let machine = Machine::stm32mp15();
    machine.created("x");
    let stored = machine.stored_firmware();
    machine.write("sys/module/firmware_class/parameters/path", "/var/fw");
    std::fs::create_dir_all(machine.path("var/fw")).unwrap();
    machine.run(&["start", "x"]).ok();
    assert_eq!(machine.attribute(0, "firmware"), stored[0]);
    machine.run(&["kill", "x"]).ok();
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
}
