//! The kernel log: positions, waiting, and boards without one.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on is to stop at that line")]

mod common;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{Bench, PATIENCE, errno, meanwhile};
use rustix::event::epoll;
use simulated_board::{BoardSpec, KmsgMode};

#[test]
fn a_record_is_read_at_a_time_and_then_none() {
    let bench = Bench::stm32mp15();
    let mut kmsg = bench.kmsg();
    let record = kmsg.next().unwrap();
    let (head, rest) = record.split_once(';').unwrap();
    assert_eq!(
        rest,
        "remoteproc remoteproc0: m4 is available\n SUBSYSTEM=remoteproc\n DEVICE=+remoteproc:remoteproc0\n"
    );
    assert!(head.starts_with("6,0,") && head.ends_with(",-"), "{head}");
    assert_eq!(kmsg.next(), None);
    kmsg.0.seek(SeekFrom::Start(0)).unwrap();
    assert_eq!(kmsg.next(), Some(record));
}

#[test]
fn a_seek_to_the_end_skips_what_was() {
    let bench = Bench::stm32mp15();
    let mut kmsg = bench.kmsg();
    assert!(kmsg.poll(Duration::ZERO));
    kmsg.0.seek(SeekFrom::End(0)).unwrap();
    assert!(!kmsg.poll(Duration::ZERO));
    assert_eq!(kmsg.next(), None);
    bench.m4("state").write("start").unwrap();
    assert!(kmsg.poll(Duration::ZERO));
    assert_eq!(kmsg.texts()[0], "powering up m4");
}

#[test]
fn poll_wakes_when_a_record_arrives() {
    let bench = Bench::stm32mp15();
    bench.m4("state").write("start").unwrap();
    let mut kmsg = bench.kmsg();
    kmsg.texts();
    let waiter = meanwhile(move || (kmsg.poll(PATIENCE), kmsg.next()));
    // The wake-up is to come from the crash: it is written only once the other thread sleeps.
    while !bench_threads_sleep_in_poll() {
        std::thread::yield_now();
    }
    bench.debug("crash").write("0").unwrap();
    let (woken, record) = waiter.join().unwrap();
    assert!(woken);
    assert!(record.unwrap().contains("crash detected in m4: type mmufault"));
}

/// Whether a thread of this process sits in poll(2).
fn bench_threads_sleep_in_poll() -> bool {
    std::fs::read_dir("/proc/self/task").unwrap().flatten().any(|task| {
        let call = std::fs::read_to_string(task.path().join("syscall")).unwrap_or_default();
        let number = call.split(' ').next().and_then(|number| number.parse::<i64>().ok());
        number == Some(libc::SYS_ppoll)
    })
}

#[test]
fn epoll_wakes_again_for_each_record() {
    let bench = Bench::stm32mp15();
    let mut kmsg = bench.kmsg();
    kmsg.texts();
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    epoll::add(&epoll, &kmsg.0, epoll::EventData::new_u64(7), epoll::EventFlags::IN).unwrap();
    let mut events = Vec::with_capacity(4);
    let mut wait = |limit: Duration| {
        events.clear();
        let limit = rustix::event::Timespec::try_from(limit).unwrap();
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), Some(&limit)).unwrap()
    };
    assert_eq!(wait(Duration::ZERO), 0);
    for _ in 0..3 {
        bench.path("dev/kmsg").write("<6>hello").unwrap();
        assert_eq!(wait(PATIENCE), 1);
        assert!(kmsg.next().unwrap().contains("hello"));
        assert_eq!(wait(Duration::ZERO), 0);
    }
}

#[test]
fn a_blocking_read_waits_while_others_are_served() {
    let bench = Bench::stm32mp15();
    let mut file = File::open(bench.path("dev/kmsg").path()).unwrap();
    file.seek(SeekFrom::End(0)).unwrap();
    let reader = meanwhile(move || {
        let mut buffer = [0; 1024];
        let len = file.read(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..len]).into_owned()
    });
    assert_eq!(bench.m4("state").word(), "offline");
    bench.path("dev/kmsg").write("<3>good morning\n").unwrap();
    let record = reader.join().unwrap();
    assert!(record.starts_with("11,1,") && record.ends_with(",-;good morning\n"), "{record}");
}

#[test]
fn a_reader_that_waits_can_be_killed() {
    let bench = Bench::stm32mp15();
    let path = bench.path("dev/kmsg");
    let mut child = Command::new("cat").arg(path.path()).stdout(Stdio::piped()).spawn().unwrap();
    // Its first output shows that it has come to the log; it goes on to wait in the next read.
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 8]).unwrap();
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
}

#[test]
fn a_board_may_have_no_log_or_a_forbidden_one() {
    let off = Bench::new(BoardSpec::stm32mp15().kmsg(KmsgMode::Off));
    assert_eq!(errno(File::open(off.path("dev/kmsg").path())), libc::ENOENT);
    let denied = Bench::new(BoardSpec::stm32mp15().kmsg(KmsgMode::Denied));
    assert_eq!(errno(File::open(denied.path("dev/kmsg").path())), libc::EPERM);
    denied.path("board/kmsg").write("on").unwrap();
    assert!(denied.kmsg().next().is_some());
    denied.path("board/kmsg").write("off").unwrap();
    assert!(!denied.path("dev/kmsg").exists());
}
