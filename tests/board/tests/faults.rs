//! Faults on demand, made and seen through files only.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on is to stop at that line")]

mod common;

use std::fs;
use std::time::Instant;

use common::{Bench, PATIENCE, errno, firmware, meanwhile};

/// Waits until one call hangs.
fn await_held_up(bench: &Bench) {
    let began = Instant::now();
    while bench.control("held-up").word() != "1" {
        assert!(began.elapsed() < PATIENCE, "no call hangs");
        std::thread::yield_now();
    }
}

#[test]
fn a_driver_error_reaches_the_writer_and_the_log() {
    let bench = Bench::stm32mp15();
    bench.control("start-error").write("EIO").unwrap();
    assert_eq!(bench.control("start-error").word(), "EIO");
    assert_eq!(bench.m4("state").errno("start"), libc::EIO);
    assert_eq!(bench.control("refcount").word(), "0");
    bench.await_line("can't start rproc m4: -5");
    bench.control("start-error").write("\n").unwrap();
    assert_eq!(bench.m4("state").errno("start"), 0);

    bench.control("stop-error").write("ETIMEDOUT").unwrap();
    assert_eq!(bench.m4("state").errno("stop"), libc::ETIMEDOUT);
    assert_eq!(bench.m4("state").word(), "running");
    assert_eq!(bench.control("stop-error").errno("ENONSENSE"), libc::EINVAL);
}

#[test]
fn a_stop_that_hangs_hangs_alone() {
    let bench = Bench::stm32mp15();
    bench.m4("state").write("start").unwrap();
    bench.control("stop-hangs").write("1").unwrap();
    let state = bench.m4("state");
    let stop = meanwhile(move || state.errno("stop"));
    await_held_up(&bench);
    assert_eq!(bench.m4("state").word(), "running");
    assert_eq!(bench.m4("firmware").word(), "good.elf");
    assert_eq!(bench.m4("state").errno("bogus"), libc::EINVAL, "another writer is served");
    assert!(!stop.is_finished());
    bench.control("stop-hangs").write("0").unwrap();
    assert_eq!(stop.join().unwrap(), 0);
    assert_eq!(bench.m4("state").word(), "offline");
}

#[test]
fn a_slow_start_delays_the_next_writer_but_no_reader() {
    let bench = Bench::stm32mp15();
    bench.control("start-hangs").write("1").unwrap();
    let (first, second) = (bench.m4("state"), bench.m4("state"));
    let starts = [meanwhile(move || first.errno("start")), meanwhile(move || second.errno("start"))];
    bench.await_line("Booting fw image good.elf");
    assert_eq!(bench.m4("state").word(), "offline");
    assert_eq!(bench.control("refcount").word(), "1", "the second start waits for the mutex");
    bench.control("start-hangs").write("0").unwrap();
    assert_eq!(starts.map(|start| start.join().unwrap()), [0, 0]);
    assert_eq!(bench.control("refcount").word(), "2");
}

#[test]
fn a_delay_lasts_as_long_as_it_says() {
    let bench = Bench::stm32mp15();
    bench.control("start-delay-ms").write("60").unwrap();
    let began = Instant::now();
    bench.m4("state").write("start").unwrap();
    let took = began.elapsed().as_millis();
    assert!(took >= 60 && took < PATIENCE.as_millis(), "{took} ms");
}

#[test]
fn a_crash_is_recovered_from() {
    let bench = Bench::stm32mp15();
    bench.m4("state").write("start").unwrap();
    let mut kmsg = bench.kmsg();
    kmsg.texts();
    bench.debug("crash").write("2").unwrap();
    bench.kmsg().await_line("handling crash #1 in m4");
    kmsg.await_line("remote processor m4 is now up");
    assert_eq!(bench.m4("state").word(), "running");
    bench.m4("state").write("stop").unwrap();
    assert_eq!(bench.m4("state").word(), "offline");
}

#[test]
fn a_slow_recovery_shows_crashed_then_offline_then_running() {
    let bench = Bench::stm32mp15();
    bench.m4("state").write("start").unwrap();
    bench.control("recovery-delay-ms").write("200").unwrap();
    bench.control("crash-now").write("1").unwrap();
    let mut seen = Vec::new();
    let began = Instant::now();
    while seen.last().is_none_or(|state| state != "running") || seen.len() < 2 {
        assert!(began.elapsed() < PATIENCE, "{seen:?}");
        let state = bench.m4("state").word();
        if seen.last() != Some(&state) {
            seen.push(state);
        }
    }
    seen.retain(|state| state != "running");
    assert_eq!(seen, ["crashed", "offline"]);
}

#[test]
fn without_recovery_a_crash_stays_until_recover() {
    let bench = Bench::stm32mp15();
    bench.m4("recovery").write("disabled").unwrap();
    bench.m4("state").write("start").unwrap();
    bench.debug("crash").write("1").unwrap();
    bench.await_line("handling crash #1 in m4");
    assert_eq!(bench.m4("state").word(), "crashed");
    assert_eq!(bench.m4("state").errno("stop"), libc::EINVAL);
    assert_eq!(bench.m4("state").errno("start"), 0);
    assert_eq!(bench.m4("firmware").errno("x.elf"), libc::EBUSY);
    assert_eq!(bench.m4("coredump").errno("enabled"), libc::EBUSY);
    bench.m4("recovery").write("recover").unwrap();
    assert_eq!(bench.m4("state").word(), "running");
}

#[test]
fn recovery_of_a_vanished_firmware_is_the_wedge_until_a_rebind() {
    let bench = Bench::stm32mp15();
    bench.m4("state").write("start").unwrap();
    fs::remove_file(bench.firmware_path("good.elf")).unwrap();
    bench.debug("crash").write("1").unwrap();
    bench.await_line("request_firmware failed: -2");
    assert_eq!(bench.m4("state").word(), "offline");
    assert_eq!(bench.m4("state").errno("start"), 0);
    assert_eq!(bench.m4("state").word(), "offline");
    assert_eq!(bench.m4("state").errno("stop"), libc::EINVAL);

    bench.install("good.elf", &firmware().build());
    bench.control("plug").write("0").unwrap();
    bench.control("plug").write("1").unwrap();
    bench.m4("firmware").write("good.elf").unwrap();
    bench.m4("state").write("start").unwrap();
    assert_eq!(bench.m4("state").word(), "running");
}

#[test]
fn a_look_may_find_a_crash_that_has_just_happened() {
    let bench = Bench::stm32mp15();
    bench.install("fw.elf", &firmware().build());
    bench.m4("firmware").write("fw.elf").unwrap();
    bench.m4("state").write("start").unwrap();
    assert_eq!(bench.control("crash-at-look").errno("2"), libc::EINVAL);
    bench.control("crash-at-look").write("1").unwrap();
    assert_eq!(bench.m4("state").word(), "crashed");
    assert_eq!(
        (bench.control("crash-at-look").word().as_str(), bench.m4("state").word().as_str()),
        ("0", "crashed")
    );
}

#[test]
fn a_firmware_may_crash_as_soon_as_it_runs() {
    let bench = Bench::stm32mp15();
    bench.install("bad.elf", &firmware().build());
    bench.control("crashes").write("bad").unwrap();
    bench.m4("recovery").write("disabled").unwrap();
    for firmware in ["good.elf", "bad.elf"] {
        bench.m4("firmware").write(firmware).unwrap();
        bench.m4("state").write("start").unwrap();
        if firmware == "good.elf" {
            bench.m4("state").write("stop").unwrap();
        }
    }
    bench.await_line("handling crash #1 in m4");
    assert_eq!(bench.m4("state").word(), "crashed");
    bench.m4("recovery").write("recover").unwrap();
    bench.await_line("handling crash #2 in m4");
    bench.control("crashes").write("\n").unwrap();
    bench.m4("recovery").write("recover").unwrap();
    assert_eq!(bench.m4("state").word(), "running");
}

#[test]
fn a_firmware_name_that_hangs_keeps_the_next_writer_and_no_reader() {
    let bench = Bench::stm32mp15();
    bench.control("firmware-hangs").write("1").unwrap();
    bench.install("late.elf", &firmware().build());
    let (firmware, state) = (bench.m4("firmware"), bench.m4("state"));
    let name = meanwhile(move || firmware.errno("late.elf"));
    await_held_up(&bench);
    let start = meanwhile(move || state.errno("start"));
    assert_eq!(
        (bench.m4("state").word(), bench.m4("firmware").word()),
        ("offline".into(), "good.elf".into())
    );
    assert!(!name.is_finished());
    bench.control("firmware-hangs").write("0").unwrap();
    assert_eq!((name.join().unwrap(), start.join().unwrap()), (0, 0), "the start waited for its turn");
    bench.await_line("Booting fw image late.elf");
}

#[test]
fn a_look_that_hangs_hangs_alone() {
    let bench = Bench::stm32mp15();
    bench.control("look-hangs").write("1").unwrap();
    let state = bench.m4("state");
    let look = meanwhile(move || state.word());
    await_held_up(&bench);
    assert_eq!(bench.m4("firmware").word(), "good.elf");
    bench.m4("state").write("start").unwrap();
    assert!(!look.is_finished());
    bench.control("look-hangs").write("0").unwrap();
    assert_eq!(look.join().unwrap(), "running");
}

#[test]
fn the_trace_is_what_the_firmware_holds_and_what_is_appended() {
    let bench = Bench::stm32mp15();
    let image = firmware().segment(0x1000_0000, b"boot ok\n\0").trace(0x1000_0000, 64).build();
    bench.install("trace.elf", &image);
    assert_eq!(bench.control("trace").errno("too early"), libc::EINVAL);
    bench.m4("firmware").write("trace.elf").unwrap();
    assert!(!bench.debug("trace0").exists());
    bench.m4("state").write("start").unwrap();
    assert_eq!(bench.debug("trace0").read().unwrap(), "boot ok\n");
    assert!(bench.debug("resource_table").read().unwrap().contains("Device Address 0x10000000\n"));
    bench.control("trace").write("tick\n").unwrap();
    assert_eq!(bench.debug("trace0").read().unwrap(), "boot ok\ntick\n");
    bench.control("trace").write(&"x".repeat(60)).unwrap();
    assert_eq!(
        bench.debug("trace0").read().unwrap(),
        "x".repeat(9) + "ick\n" + &"x".repeat(51),
        "round and round"
    );
    let held = bench.debug("trace0").open();
    bench.m4("state").write("stop").unwrap();
    assert!(!bench.debug("trace0").exists());
    assert_eq!(errno(std::io::read_to_string(held)), libc::ENODEV);
}

#[test]
fn a_forced_state_is_as_good_as_a_real_one() {
    let bench = Bench::stm32mp15();
    bench.control("state").write("detached").unwrap();
    assert_eq!(bench.m4("state").errno("stop"), libc::EINVAL);
    bench.m4("state").write("start").unwrap();
    assert_eq!(bench.m4("state").word(), "attached");
    assert_eq!(bench.m4("firmware").word(), "unknown");
    bench.m4("state").write("stop").unwrap();
    assert_eq!(bench.control("state").word(), "offline");
    assert_eq!(bench.control("state").errno("asleep"), libc::EINVAL);
}

#[test]
fn a_reboot_begins_anew() {
    let bench = Bench::stm32mp15();
    let boot_id = bench.path("proc/sys/kernel/random/boot_id").word();
    bench.m4("state").write("start").unwrap();
    let held = bench.m4("state").open();
    bench.path("board/reboot").write("now").unwrap();
    assert_ne!(bench.path("proc/sys/kernel/random/boot_id").word(), boot_id);
    assert_eq!(bench.m4("state").word(), "offline");
    assert_eq!(bench.m4("firmware").word(), "rproc-m4-fw");
    assert_eq!(bench.kmsg().texts(), ["m4 is available"]);
    assert_eq!(errno(std::io::read_to_string(held)), libc::ENODEV);
}

#[test]
fn taking_the_board_down_frees_whoever_hangs() {
    let mut bench = Bench::stm32mp15();
    bench.m4("state").write("start").unwrap();
    bench.control("stop-hangs").write("1").unwrap();
    let state = bench.m4("state");
    let stop = meanwhile(move || state.errno("stop"));
    while bench.control("refcount").word() != "0" {
        std::thread::yield_now();
    }
    let root = bench.board.as_ref().unwrap().root().to_owned();
    drop(bench.board.take());
    assert_eq!(stop.join().unwrap(), libc::ENODEV);
    assert_eq!(fs::read_dir(root).unwrap().count(), 0, "the mount is gone");
}
