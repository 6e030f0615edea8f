//! The trace buffers of a firmware: passed on by the proxy, kept at its end, shown by `logs`.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::Instant;

use simulated_board::{BoardSpec, FirmwareBuilder};

use crate::harness::{Bundle, Machine, Resident, eventually, is_alive, memory, traced, wait_for_end};

const HELLO: &str = "hello from the other side\n";

/// A container x whose firmware says hello.
fn greeting(machine: &Machine) -> Resident {
    started(machine, &machine.bundle_of("x", "m4", &traced(HELLO)))
}

fn started(machine: &Machine, bundle: &Bundle) -> Resident {
    let resident = machine.resident_of("x", bundle);
    machine.run(&["start", "x"]).ok();
    resident
}

/// A firmware with trace buffers of `sizes` bytes, which begin with `hello N`.
fn with_buffers(sizes: &[u32]) -> Vec<u8> {
    let mut address = memory();
    let mut builder = FirmwareBuilder::new().segment(address + 0x3_0000, &[0; 64]);
    for (number, size) in sizes.iter().enumerate() {
        let mut text = format!("hello {number}\n").into_bytes();
        text.resize(usize::try_from(*size).unwrap(), 0);
        builder = builder.data(address, &text).trace(u32::try_from(address).unwrap(), *size);
        address += u64::from(size.next_multiple_of(4096));
    }
    builder.build()
}

/// The firmware on m4 writes.
fn write(machine: &Machine, text: &str) {
    // As much as a file of sysfs takes at once.
    for piece in text.as_bytes().chunks(4000) {
        machine.fault(0, "trace", std::str::from_utf8(piece).unwrap());
    }
}

#[test]
fn what_a_firmware_says_at_its_boot_is_passed_on_and_kept() {
    let machine = Machine::stm32mp15();
    let resident = greeting(&machine);
    resident.await_trace(HELLO);
    assert_eq!(machine.run(&["logs", "x"]).ok(), HELLO);
    machine.run(&["kill", "x"]).ok();
    assert_eq!((resident.ends(), resident.passed_on().as_str()), (0, HELLO));
    assert_eq!(
        resident.said().lines().count(),
        2,
        "its own lines are on standard error: {}",
        resident.said()
    );
    assert_eq!(machine.run(&["logs", "x"]).ok(), HELLO);
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
}

#[test]
fn what_it_writes_later_comes_once_also_when_its_buffer_is_full_and_written_over() {
    let machine = Machine::simulated(BoardSpec::stm32mp15());
    let resident = started(&machine, &machine.bundle_of("x", "m4", &with_buffers(&[256])));
    let mut expected = "hello 0\n".to_owned();
    resident.await_trace(&expected);
    for line in 0..40 {
        let letter = char::from(b'a' + u8::try_from(line % 26).unwrap());
        let line = letter.to_string().repeat(5 + line * 7 % 50) + "\n";
        write(&machine, &line);
        expected.push_str(&line);
        // A last byte that was there before comes with what is written next.
        eventually("the line is passed on", || resident.passed_on().trim_end() == expected.trim_end());
    }
    let kept = machine.run(&["logs", "x"]).ok();
    assert_eq!(kept.len(), 256, "a reader who comes late finds what the buffer holds: {kept}");
    machine.run(&["kill", "x"]).ok();
    resident.ends();
    assert!(expected.ends_with(&machine.run(&["logs", "x"]).ok()), "the oldest first");
}

#[test]
fn last_words_before_a_crash_are_passed_on_and_kept() {
    let machine = Machine::simulated(BoardSpec::stm32mp15());
    machine.set(0, "recovery", "disabled");
    let resident = started(&machine, &machine.bundle_of("x", "m4", &with_buffers(&[4096])));
    resident.await_trace("hello 0\n");
    write(&machine, "assertion failed: x > 0\n");
    machine.crash(0);
    assert_eq!(resident.ends(), 1);
    let text = "hello 0\nassertion failed: x > 0\n";
    assert_eq!(resident.passed_on(), text);
    assert_eq!(machine.run(&["logs", "x"]).ok(), text);
}

#[test]
fn after_a_recovery_it_goes_on() {
    let machine = Machine::simulated(BoardSpec::stm32mp15());
    let resident = started(&machine, &machine.bundle_of("x", "m4", &with_buffers(&[4096])));
    resident.await_trace("hello 0\n");
    machine.crash(0);
    resident.await_words("recovered by the kernel");
    write(&machine, "again\n");
    eventually("the text after the recovery", || resident.passed_on().ends_with("again\n"));
}

#[test]
fn several_buffers_are_told_apart() {
    let machine = Machine::simulated(BoardSpec::stm32mp15());
    let bundle = machine.bundle_of("x", "m4", &with_buffers(&[256, 256]));
    let resident = started(&machine, &bundle);
    let mut expected = "==> trace0 <==\nhello 0\n==> trace1 <==\nhello 1\n".to_owned();
    resident.await_trace(&expected);
    assert_eq!(machine.run(&["logs", "x"]).ok(), expected);
    write(&machine, "more\n");
    expected.push_str("==> trace0 <==\nmore\n");
    resident.await_trace(&expected);
}

#[test]
fn switched_off_they_are_only_kept() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle_of("x", "m4", &traced(HELLO));
    bundle.annotate("remoteproc.trace", "off");
    let resident = started(&machine, &bundle);
    assert_eq!(machine.run(&["logs", "x"]).ok(), HELLO);
    machine.run(&["kill", "x"]).ok();
    assert_eq!((resident.ends(), resident.passed_on().as_str()), (0, ""));
    assert_eq!(machine.run(&["logs", "x"]).ok(), HELLO);
}

#[test]
fn an_annotation_that_is_neither_stdout_nor_off_is_refused() {
    let machine = Machine::stm32mp15();
    for value in ["", "on", "STDOUT", "stderr"] {
        let bundle = machine.bundle("x", "m4");
        bundle.annotate("remoteproc.trace", value);
        machine.create_is_refused(&bundle, &["annotations.remoteproc.trace", "stdout, off"]);
    }
}

#[test]
fn a_reader_who_does_not_read_holds_nothing_up_and_gets_all_that_its_pipe_takes() {
    let machine = Machine::simulated(BoardSpec::stm32mp15());
    let bundle = machine.bundle_of("x", "m4", &with_buffers(&[128 << 10]));
    let mut create = machine.command(&["create", "--bundle", bundle.path.to_str().unwrap(), "x"]);
    let mut child = create.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    assert!(child.wait().unwrap().success());
    machine.run(&["start", "x"]).ok();
    let lines =
        |range: std::ops::Range<u32>| range.map(|line| format!("line {line:6}\n")).collect::<String>();
    // More than a pipe holds.
    write(&machine, &lines(0..9_000));
    eventually("the proxy has filled the pipe", || {
        rustix::io::ioctl_fionread(&stdout).is_ok_and(|waiting| waiting > 30_000)
    });
    assert_eq!(machine.status("x"), "running");
    write(&machine, &lines(9_000..9_500));
    let pid = machine.pid("x");
    machine.run(&["kill", "x"]).ok();
    wait_for_end(pid);
    let mut text = String::new();
    stdout.read_to_string(&mut text).unwrap();
    let whole = "hello 0\n".to_owned() + &lines(0..9_500);
    assert!(whole.starts_with(&text), "from the begin on, nothing is missing: {} bytes", text.len());
    let kept = machine.run(&["logs", "x"]).ok();
    assert!(whole.ends_with(&kept), "kept is what came last: ...{}", &kept[kept.len() - 30..]);
}

#[test]
fn a_reader_who_is_gone_is_no_trouble() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle_of("x", "m4", &traced(HELLO));
    let mut create = machine.command(&["create", "--bundle", bundle.path.to_str().unwrap(), "x"]);
    let mut child = create.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    machine.run(&["start", "x"]).ok();
    assert_eq!(machine.run(&["logs", "x"]).ok(), HELLO);
    machine.run(&["kill", "x"]).ok();
}

#[test]
fn a_firmware_that_floods_its_buffer_does_not_flood_the_log() {
    const SIZE: u32 = 16 << 10;
    let machine = Machine::simulated(BoardSpec::stm32mp15());
    let resident = started(&machine, &machine.bundle_of("x", "m4", &with_buffers(&[SIZE])));
    let begin = Instant::now();
    let mut rounds = 0..;
    while begin.elapsed().as_millis() < 1500 {
        let round = rounds.next().unwrap();
        write(&machine, &format!("{round:63}\n").repeat(256));
    }
    machine.run(&["kill", "x"]).ok();
    resident.ends();
    let (passed, seconds) =
        (u32::try_from(resident.passed_on().len()).unwrap(), begin.elapsed().as_secs_f64());
    let most = f64::from(32 << 10) * seconds + 3.0 * f64::from(SIZE);
    assert!(f64::from(passed) < most, "{passed} bytes in {seconds:.1} s of {rounds:?} x {SIZE}");
    assert!(passed >= SIZE, "{passed}");
}

#[test]
fn logs_follows_until_the_container_ends() {
    let machine = Machine::simulated(BoardSpec::stm32mp15());
    let resident = machine.resident_of("x", &machine.bundle_of("x", "m4", &with_buffers(&[4096])));
    let mut command = machine.command(&["logs", "--follow", "x"]);
    let mut follower = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines().map(Result::unwrap);
    machine.run(&["start", "x"]).ok();
    assert_eq!(lines.next().as_deref(), Some("hello 0"));
    write(&machine, "more\n");
    assert_eq!(lines.next().as_deref(), Some("more"));
    machine.run(&["kill", "x"]).ok();
    resident.ends();
    assert_eq!((lines.next(), follower.wait().unwrap().code()), (None, Some(0)));
}

#[test]
fn logs_whose_reader_is_gone_ends() {
    let machine = Machine::stm32mp15();
    let resident = greeting(&machine);
    let mut command = machine.command(&["logs", "--follow", "x"]);
    let mut follower = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    drop(follower.stdout.take());
    assert_eq!(follower.wait().unwrap().code(), Some(0));
    assert!(is_alive(resident.pid));
}

#[test]
fn logs_says_why_there_is_nothing() {
    let machine = Machine::simulated(BoardSpec::stm32mp15());
    machine.run(&["logs", "x"]).refused(&["container x: container does not exist"]);
    let silent = FirmwareBuilder::new().segment(memory(), &[0; 64]).resource_table().build();
    let bundle = machine.bundle_of("x", "m4", &silent);
    machine.create("x", &bundle).ok();
    let says = |words: &str| {
        let outcome = machine.run(&["logs", "x"]);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (0, ""), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(words), "{words:?} is not in: {}", outcome.stderr);
    };
    says("not started");
    machine.run(&["start", "x"]).ok();
    says("the firmware on m4 has no trace buffer");
    machine.run(&["kill", "x"]).ok();
    says("left no trace");
    for line in [&["logs"][..], &["logs", "x", "y"], &["logs", "--nonsense", "x"], &["logs", "../x"]] {
        assert_ne!(machine.run(line).code, 0, "{line:?}");
    }
}
