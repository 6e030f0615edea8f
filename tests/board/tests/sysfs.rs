//! The files as a program meets them through system calls.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on is to stop at that line")]

mod common;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use common::{Bench, errno, firmware, meanwhile};
use rustix::fs::{FlockOperation, flock};
use simulated_board::{BoardSpec, ProcessorSpec, ProcessorState};

#[test]
fn the_class_directory_looks_like_the_kernels() {
    let bench = Bench::stm32mp15();
    assert_eq!(
        bench.path("sys/class/remoteproc/remoteproc0").link(),
        "../../devices/platform/soc/10000000.m4/remoteproc/remoteproc0"
    );
    assert_eq!(bench.m4("device").link(), "../../../10000000.m4");
    assert_eq!(bench.m4("subsystem").link(), "../../../../../../class/remoteproc");
    let resolved = |node: common::Node| fs::canonicalize(node.path()).unwrap();
    assert_eq!(resolved(bench.m4("subsystem")), resolved(bench.path("sys/class/remoteproc")));
    assert_eq!(
        resolved(bench.m4("device/driver")),
        resolved(bench.path("sys/bus/platform/drivers/stm32-rproc"))
    );
    assert_eq!(
        resolved(bench.path("sys/bus/platform/drivers/stm32-rproc/10000000.m4")),
        resolved(bench.m4("device"))
    );

    let modes = ["name", "state", "firmware", "recovery", "coredump", "uevent"]
        .map(|name| fs::metadata(bench.m4(name).path()).unwrap().mode() & 0o7777);
    assert_eq!(modes, [0o444, 0o644, 0o644, 0o644, 0o644, 0o644]);
    assert_eq!(bench.m4("name").read().unwrap(), "m4\n");
    assert_eq!(bench.m4("state").read().unwrap(), "offline\n");
    assert_eq!(bench.m4("recovery").read().unwrap(), "enabled\n");
    assert_eq!(bench.m4("coredump").read().unwrap(), "disabled\n");
    assert_eq!(bench.m4("uevent").read().unwrap(), "DEVTYPE=remoteproc\n");
    assert_eq!(errno(bench.m4("name").write("x")), libc::EACCES);
    assert_eq!(errno(File::create(bench.m4("new").path())), libc::EACCES);
}

#[test]
fn the_rest_of_the_machine_is_there() {
    let bench = Bench::stm32mp15();
    assert_eq!(
        bench.path("proc/device-tree/compatible").read().unwrap(),
        "st,stm32mp157c-dk2\0st,stm32mp157\0"
    );
    assert_eq!(bench.path("proc/sys/kernel/osrelease").read().unwrap(), "6.1.0-simulated\n");
    assert_eq!(bench.path("proc/sys/kernel/random/boot_id").word().len(), 36);
    assert_eq!(bench.path("sys/module/firmware_class/parameters/path").read().unwrap(), "\n");
    assert!(bench.path("lib/firmware/good.elf").exists());
    let root = bench.board.as_ref().unwrap().root();
    assert!(fs::read_dir(root).unwrap().count() >= 10);
}

#[test]
fn a_held_descriptor_reads_the_present_state() {
    let bench = Bench::stm32mp15();
    let state = bench.m4("state").open();
    let read = || {
        let mut buffer = [0; 32];
        let len = state.read_at(&mut buffer, 0).unwrap();
        String::from_utf8_lossy(&buffer[..len]).into_owned()
    };
    assert_eq!(read(), "offline\n");
    bench.m4("state").write("start").unwrap();
    assert_eq!(read(), "running\n");
    bench.m4("state").write("stop\n").unwrap();
    assert_eq!(read(), "offline\n");
}

#[test]
fn shell_redirection_works() {
    let bench = Bench::stm32mp15();
    let status = Command::new("sh")
        .arg("-c")
        .arg("echo start > \"$0\"/state && grep -q running \"$0\"/state && echo stop > \"$0\"/state")
        .arg(bench.m4("").path())
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(bench.m4("state").word(), "offline");
}

#[test]
fn what_a_start_and_its_log_say_about_each_firmware() {
    let bench = Bench::stm32mp15();
    let good = firmware().build();
    bench.install("tiny.elf", b"tiny");
    bench.install("empty.elf", b"");
    bench.install("notelf.bin", &[b'x'; 400]);
    bench.install("badda.elf", &firmware().segment(0xe000_0000, &[0; 0x40]).build());
    bench.install("x86.elf", &firmware().machine(62).build());
    let no_table = simulated_board::FirmwareBuilder::new().segment(0, b"code").build();
    bench.install("plain.elf", &no_table);

    let mut kmsg = bench.kmsg();
    kmsg.texts();
    let mut outcome = |name: &str| {
        bench.m4("firmware").write(name).unwrap();
        let errno = bench.m4("state").errno("start");
        if errno == 0 {
            bench.m4("state").write("stop").unwrap();
        }
        (errno, kmsg.texts())
    };
    let up = ["remote processor m4 is now up", "stopped remote processor m4"];
    let booting = |name: &str, size: usize| format!("Booting fw image {name}, size {size}");
    let good_boot = |name: &str| {
        let mut lines = vec!["powering up m4".to_owned(), booting(name, good.len())];
        lines.extend(up.map(String::from));
        lines
    };
    assert_eq!(outcome("good.elf"), (0, good_boot("good.elf")));
    assert_eq!(outcome("x86.elf"), (0, good_boot("x86.elf")));
    let (errno, lines) = outcome("plain.elf");
    assert_eq!((errno, &*lines[2]), (0, "no resource table found for this firmware"));
    for (name, errno, last) in [
        ("missing.elf", libc::ENOENT, &["request_firmware failed: -2", "Boot failed: -2"][..]),
        ("empty.elf", libc::EINVAL, &["request_firmware failed: -22", "Boot failed: -22"]),
        ("tiny.elf", libc::EINVAL, &["Image is too small", "Boot failed: -22"]),
        ("notelf.bin", libc::EINVAL, &["Image is corrupted (bad magic)", "Boot failed: -22"]),
        (
            "badda.elf",
            libc::EINVAL,
            &["bad phdr da 0xe0000000 mem 0x40", "Failed to load program segments: -22", "Boot failed: -22"],
        ),
        ("../firmware/good.elf", libc::EINVAL, &["request_firmware failed: -22", "Boot failed: -22"]),
    ] {
        let (found, lines) = outcome(name);
        assert_eq!(
            (found, &lines[lines.len() - last.len()..]),
            (errno, &last.iter().map(|&line| line.to_owned()).collect::<Vec<_>>()[..]),
            "{name}"
        );
    }
    assert_eq!(bench.m4("state").word(), "offline");
}

#[test]
fn names_and_words_that_are_refused() {
    let bench = Bench::stm32mp15();
    assert_eq!(bench.m4("firmware").errno("\n"), libc::EINVAL);
    assert_eq!(bench.m4("firmware").errno(""), 0);
    assert_eq!(bench.m4("state").errno("bogus"), libc::EINVAL);
    assert_eq!(bench.m4("state").errno("stop"), libc::EINVAL);
    assert_eq!(bench.m4("state").errno("detach"), libc::EINVAL);
    assert_eq!(bench.m4("recovery").errno("bogus"), libc::EINVAL);
    assert_eq!(bench.debug("recovery").errno("bogus"), libc::EINVAL);
    assert_eq!(bench.m4("firmware").errno("good.elf\nsecond line"), 0);
    assert_eq!(bench.m4("firmware").word(), "good.elf");
    bench.m4("state").write("start").unwrap();
    assert_eq!(bench.m4("firmware").errno("other.elf"), libc::EBUSY);
    bench.await_line("stm32-rproc 10000000.m4: can't change firmware while running");
}

#[test]
fn an_attribute_takes_a_page_at_most() {
    let bench = Bench::stm32mp15();
    let firmware = fs::OpenOptions::new().write(true).open(bench.m4("firmware").path()).unwrap();
    assert_eq!(firmware.write_at(&[b'0'; 5000], 0).unwrap(), 4096);
    assert_eq!(bench.m4("firmware").read().unwrap().len(), 4095);
    assert_eq!(bench.m4("state").errno("start"), libc::ENAMETOOLONG);
}

#[test]
fn another_user_may_read_and_write_what_the_modes_allow() {
    let bench = Bench::stm32mp15();
    let state = bench.m4("state");
    // Only root can become somebody else; anybody else is already not root.
    if !rustix::process::geteuid().is_root() {
        return state.write("start").unwrap();
    }
    let directory = bench.board.as_ref().unwrap().root().parent().unwrap().to_owned();
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    let nobody = |script: &str| {
        Command::new("sh").args(["-c", script]).arg(state.path()).uid(65534).status().unwrap().success()
    };
    assert!(nobody("grep -q offline \"$0\""));
    assert!(!nobody("echo start 2>/dev/null > \"$0\""));
    fs::set_permissions(state.path(), fs::Permissions::from_mode(0o666)).unwrap();
    assert!(nobody("echo start > \"$0\""));
    assert_eq!(state.word(), "running");
}

#[test]
fn firmware_class_path_is_searched_first() {
    let bench = Bench::new(BoardSpec::stm32mp15().path_keeps_newline(false));
    let path = bench.path("sys/module/firmware_class/parameters/path");
    fs::create_dir(bench.path("run").path().join("firmware")).unwrap();
    fs::write(bench.path("run/firmware/good.elf").path(), b"truncated").unwrap();
    bench.m4("firmware").write("good.elf").unwrap();
    path.write("/run/firmware\n").unwrap();
    // As on a real 6.12, which only drops the newline when it looks for a file.
    assert_eq!(path.read().unwrap(), "/run/firmware\n\n");
    assert_eq!(bench.m4("state").errno("start"), libc::EINVAL);
    fs::remove_file(bench.path("run/firmware/good.elf").path()).unwrap();
    assert_eq!(bench.m4("state").errno("start"), 0);
    assert_eq!(path.errno(&"x".repeat(255)), 0);
    assert_eq!(path.errno(&"x".repeat(256)), libc::ENOSPC);
}

#[test]
fn linux_6_1_keeps_a_newline_in_firmware_class_path() {
    let bench = Bench::stm32mp15();
    let path = bench.path("sys/module/firmware_class/parameters/path");
    fs::create_dir(bench.path("run").path().join("firmware")).unwrap();
    fs::rename(bench.path("lib/firmware/good.elf").path(), bench.path("run/firmware/good.elf").path())
        .unwrap();
    bench.m4("firmware").write("good.elf").unwrap();
    path.write("/run/firmware\n").unwrap();
    assert_eq!(path.read().unwrap(), "/run/firmware\n\n");
    assert_eq!(bench.m4("state").errno("start"), libc::ENOENT);
}

#[test]
fn a_lock_on_the_directory_is_seen_by_other_processes() {
    let bench = Bench::stm32mp15();
    for name in ["", "state"] {
        let node = bench.m4(name);
        // Holds the lock until its standard input ends.
        let mut child = Command::new("flock")
            .arg(node.path())
            .args(["sh", "-c", "echo held; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");

        let file = node.open();
        let inode = file.metadata().unwrap().ino();
        assert_eq!(
            flock(&file, FlockOperation::NonBlockingLockExclusive),
            Err(rustix::io::Errno::WOULDBLOCK)
        );
        let listed = |locks: &str| {
            locks.lines().any(|lock| {
                lock.contains(&format!(" {} ", child.id())) && lock.contains(&format!(":{inode} "))
            })
        };
        let locks = fs::read_to_string("/proc/locks").unwrap();
        assert!(listed(&locks), "{locks}");

        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
        assert_eq!(flock(&file, FlockOperation::NonBlockingLockExclusive), Ok(()));
    }
}

#[test]
fn a_held_descriptor_of_a_removed_device_gives_enodev() {
    let bench = Bench::stm32mp15();
    bench.m4("state").write("start").unwrap();
    let (state, firmware) = (
        bench.m4("state").open(),
        fs::OpenOptions::new().write(true).open(bench.m4("firmware").path()).unwrap(),
    );
    bench.control("plug").write("out").unwrap();
    assert_eq!(errno(state.read_at(&mut [0; 16], 0)), libc::ENODEV);
    assert_eq!(errno(firmware.write_at(b"x.elf", 0)), libc::ENODEV);
    assert!(!bench.m4("").exists());
    assert!(!bench.debug("").exists());

    bench.control("plug").write("1").unwrap();
    assert_eq!(errno(state.read_at(&mut [0; 16], 0)), libc::ENODEV);
    assert_eq!(bench.m4("state").word(), "offline");
    for line in ["stopped remote processor m4", "releasing m4", "m4 is available"] {
        bench.await_line(line);
    }
}

#[test]
fn a_device_comes_back_under_another_number() {
    let bench = Bench::stm32mp15();
    bench.control("plug").write("0").unwrap();
    assert_eq!(bench.control("plug").word(), "out");
    bench.control("plug").write("remoteproc3").unwrap();
    assert_eq!(bench.control("plug").word(), "remoteproc3");
    assert!(!bench.m4("").exists());
    assert_eq!(bench.path("sys/class/remoteproc/remoteproc3/name").word(), "m4");
    assert_eq!(bench.control("plug").errno("1"), libc::EBUSY);
}

#[test]
fn a_driver_is_unbound_and_bound_as_on_a_real_kernel() {
    let bench = Bench::stm32mp15();
    bench.m4("state").write("start").unwrap();
    bench.path("sys/bus/platform/drivers/stm32-rproc/unbind").write("10000000.m4\n").unwrap();
    assert!(!bench.m4("").exists());
    bench.path("sys/bus/platform/drivers/stm32-rproc/bind").write("10000000.m4").unwrap();
    assert_eq!(bench.m4("state").word(), "offline");
    assert_eq!(bench.m4("firmware").word(), "rproc-m4-fw");
}

#[test]
fn processors_may_share_a_name_and_start_in_any_state() {
    let spec = BoardSpec::new("Two", &["acme,two"])
        .processor(ProcessorSpec::new("imx-rproc", "imx8x-cm4-0").initial(ProcessorState::Attached))
        .processor(ProcessorSpec::new("imx-rproc", "imx8x-cm4-1").initial(ProcessorState::Detached));
    let bench = Bench::new(spec);
    let file = |index: u32, name: &str| bench.path(&format!("sys/class/remoteproc/remoteproc{index}/{name}"));
    assert_eq!([file(0, "name").word(), file(1, "name").word()], ["imx-rproc"; 2]);
    assert_eq!([file(0, "state").word(), file(1, "state").word()], ["attached", "detached"]);
    assert_eq!(file(0, "firmware").word(), "unknown");
    assert_eq!(file(1, "device").link(), "../../../imx8x-cm4-1");
    file(0, "state").write("stop").unwrap();
    assert_eq!(file(0, "state").word(), "offline");
}

#[test]
fn cores_of_a_cluster_start_and_stop_in_order() {
    let bench = Bench::new(BoardSpec::am64x());
    let state = |core: u32| bench.path(&format!("sys/class/remoteproc/remoteproc{core}/state"));
    for core in 0..4 {
        bench.path(&format!("sys/class/remoteproc/remoteproc{core}/firmware")).write("good.elf").unwrap();
    }
    assert_eq!(bench.m4("recovery").word(), "disabled");
    assert_eq!(state(1).errno("start"), libc::EPERM);
    assert_eq!(state(0).errno("start"), 0);
    assert_eq!(state(1).errno("start"), 0);
    assert_eq!(state(0).errno("stop"), libc::EPERM);
    assert_eq!(state(3).errno("start"), libc::EPERM, "the other cluster has an order of its own");
    assert_eq!(state(1).errno("stop"), 0);
    assert_eq!(state(0).errno("stop"), 0);
}

#[test]
fn concurrent_starts_all_succeed_and_count() {
    let bench = Bench::stm32mp15();
    let starts: Vec<_> = (0..4)
        .map(|_| {
            let state = bench.m4("state");
            meanwhile(move || state.errno("start"))
        })
        .collect();
    for start in starts {
        assert_eq!(start.join().unwrap(), 0);
    }
    assert_eq!(bench.control("refcount").word(), "4");
}

#[test]
fn a_character_device_is_there_on_demand_and_takes_the_words_of_state() {
    let bench = Bench::stm32mp15();
    assert!(!bench.path("dev/remoteproc0").path().exists());

    let bench = Bench::new(BoardSpec::stm32mp15().character_devices(true));
    bench.install("fw.elf", &firmware().build());
    bench.m4("firmware").write("fw.elf").unwrap();
    let device = bench.path("dev/remoteproc0");
    assert_eq!(fs::metadata(device.path()).unwrap().mode() & 0o7777, 0o600);
    device.write("start").unwrap();
    assert_eq!(bench.m4("state").read().unwrap(), "running\n", "a close alone does not stop it");
    assert_eq!(errno(device.write("detach")), libc::EINVAL);
    device.write("stop").unwrap();
    assert_eq!(bench.m4("state").read().unwrap(), "offline\n");
    bench.path("board/remoteproc0/plug").write("out").unwrap();
    assert!(!device.path().exists());
}
