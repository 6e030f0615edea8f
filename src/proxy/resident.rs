//! The resident process: phase 1 waits for start, phase 2 boots the processor and watches it.
//!
//! One thread. Every signal is blocked from the first moment on and read from a descriptor, so that none is lost and no
//! write to sysfs is cut short. After the boot nothing allocates.

use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use heapless::String;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::process::Signal;

use super::answer::Answer;
use super::args::ProxyArgs;
use super::boot::{boot, cut};
use super::reason::{EndReason, Reason, Told};
use super::running::Running;
use super::say::say;
use super::setup::{STOP_SIGNALS, is_committed, set_up};
use super::watch::{End, Verdict, Watch};
use crate::container::{KILL_FIFO, Phase, START_FIFO, note_stopped};
use crate::remoteproc::{self, KernelLog, RECORD, Record, Refusal};
use crate::sys::clock::timespec;
use crate::sys::files;
use crate::sys::signals::SignalQueue;

/// How we came to an end.
const ASKED: ExitCode = ExitCode::SUCCESS;
const FAILED: ExitCode = ExitCode::FAILURE;

/// Runs the proxy to its end. Its exit code is the container's: 0 when it was asked to end, 1 when the firmware failed.
pub fn resident(args: &ProxyArgs) -> ExitCode {
    let (queue, container) = match set_up(args) {
        Ok(ready) => ready,
        Err((setup, errno)) => {
            if let Ok(container) = files::open_directory(&args.container) {
                Answer::Unready(setup, errno).say(container, START_FIFO);
            }
            return FAILED;
        }
    };
    Phase::Created.announce();
    Answer::Ready.say(&container, START_FIFO);
    if !is_committed(&container) {
        return FAILED;
    }
    if !wait_for_start(&queue) {
        return ASKED;
    }
    if args.sandbox {
        return stand(&queue, &container);
    }
    Phase::Starting.announce();
    let mut running = match boot(args, &container) {
        Ok(running) => running,
        Err(answer) => {
            say(&args.name, format_args!("not booted: {}", Reason(answer)));
            answer.say(&container, START_FIFO);
            return FAILED;
        }
    };
    say(&args.name, format_args!("booted {}", args.firmware));
    running.follow_traces();
    let passed_over = running.claim.passed_over;
    if let Some(pid) = passed_over {
        say(&args.name, format_args!("passed over the lock of process {pid}, which is not root's"));
    }
    Phase::Running.announce();
    Answer::Running { passed_over }.say(&container, START_FIFO);
    watch(args, &mut running, &queue, &container)
}

/// Phase 1. Whether the end of it was a start.
fn wait_for_start(queue: &SignalQueue) -> bool {
    loop {
        while let Some(signal) = queue.next() {
            if signal == Signal::USR1.as_raw() {
                return true;
            }
            if STOP_SIGNALS.contains(&signal) {
                return false;
            }
        }
        let _ = rustix::event::poll(&mut [PollFd::new(queue, PollFlags::IN)], None);
    }
}

/// Phase 2 of a pod's sandbox, which keeps the pod's network and boots nothing: until it is asked to end.
fn stand(queue: &SignalQueue, container: &OwnedFd) -> ExitCode {
    Phase::Running.announce();
    Answer::Running { passed_over: None }.say(container, START_FIFO);
    // A further start is none.
    while wait_for_start(queue) {}
    ASKED
}

/// Phase 2, after the boot: until the firmware ends, or is asked to.
fn watch(args: &ProxyArgs, running: &mut Running, queue: &SignalQueue, container: &OwnedFd) -> ExitCode {
    let mut log = running.log.take();
    let mut watch = Watch::new(log.is_some());
    let mut crash: String<160> = String::new();
    let name = args.name.as_str();
    loop {
        let next_look = watch.next_look().min(next_trace(running));
        let woken = wait(queue, log.as_ref(), next_look);
        while let Some(signal) = woken.by_signal.then(|| queue.next()).flatten() {
            if STOP_SIGNALS.contains(&signal) && stop(args, running, container) {
                running.let_go();
                running.restore(args, container);
                note_stopped(container);
                return ASKED;
            }
        }
        running.follow_traces();
        // In doubt it is read whatever poll said: the state may be younger than that.
        let read_log = woken.by_log || watch.is_in_doubt();
        if log.as_ref().is_some_and(|log| read_log && !listen(log, running, &mut watch, &mut crash)) {
            log = None;
            watch.lose_log();
        }
        if watch.is_in_doubt() && running.collect(args, container) {
            watch.see_dump(Instant::now());
        }
        match watch.look(running.attributes.state(), || running.attributes.recovery(), Instant::now()) {
            Verdict::Continue => {}
            Verdict::CrashSeen => say(name, format_args!("crashed, the kernel's recovery has 5 s")),
            Verdict::Recovered => {
                say(name, format_args!("recovered by the kernel after a crash{}", Told(&crash)));
                // A later end has nothing to do with it.
                crash.clear();
            }
            Verdict::End(end) => {
                // What led to it may be younger than the last reading of the log.
                if let Some(log) = &log {
                    listen(log, running, &mut watch, &mut crash);
                }
                running.collect(args, container);
                running.keep_last_words(container);
                say(name, format_args!("ended: {}{}", EndReason(end), Told(&crash)));
                // What cannot be seen any longer may still run, and is not to do so without us.
                let stopped = !matches!(end, End::Unreadable(_)) || running.halt(args, container) == Ok(true);
                if stopped {
                    running.let_go();
                    running.restore(args, container);
                }
                return FAILED;
            }
        }
    }
}

/// When to look into the trace buffers.
fn next_trace(running: &Running) -> Duration {
    let tracing = running.tracing.as_ref();
    tracing.and_then(|tracing| tracing.next_look(Instant::now())).unwrap_or(Duration::MAX)
}

struct Woken {
    by_signal: bool,
    by_log: bool,
}

/// Waits for a signal, a record of the kernel's log, or the time to look.
fn wait(queue: &SignalQueue, log: Option<&KernelLog>, at_most: Duration) -> Woken {
    let timeout = timespec(at_most);
    let signals = PollFd::new(queue, PollFlags::IN);
    // An error of poll(2) leaves nothing known: then everything is looked at.
    match log {
        Some(log) => {
            let mut fds = [signals, PollFd::new(log, PollFlags::IN)];
            let failed = rustix::event::poll(&mut fds, Some(&timeout)).is_err();
            let ready = |fd: &PollFd<'_>| failed || !fd.revents().is_empty();
            Woken { by_signal: ready(&fds[0]), by_log: ready(&fds[1]) }
        }
        None => {
            let mut fds = [signals];
            let failed = rustix::event::poll(&mut fds, Some(&timeout)).is_err();
            Woken { by_signal: failed || !fds[0].revents().is_empty(), by_log: false }
        }
    }
}

/// Reads what is new in the kernel's log; whether it can be followed further.
fn listen(log: &KernelLog, running: &Running, watch: &mut Watch, crash: &mut String<160>) -> bool {
    let mut buffer = [0; RECORD];
    loop {
        match log.next(&mut buffer) {
            Record::Text(record)
                if remoteproc::is_about(record, &running.kernel_name, &running.device_name) =>
            {
                let message = remoteproc::message(record);
                if watch.hear(message, Instant::now()) {
                    // Without the device's name, which our line has in its own way.
                    *crash = cut(message.split_once(": ").map_or(message, |(_, told)| told));
                }
            }
            Record::Text(_) | Record::Skipped => {}
            Record::None => return true,
            Record::Ended => return false,
        }
    }
}

/// Stops the processor as asked; whether it is offline now.
fn stop(args: &ProxyArgs, running: &mut Running, container: &OwnedFd) -> bool {
    Phase::Stopping.announce();
    // They go with the stop.
    running.keep_last_words(container);
    match running.halt(args, container) {
        Ok(true) => {
            say(&args.name, format_args!("stopped"));
            true
        }
        // The next look ends us.
        Ok(false) => false,
        // Nothing runs where nothing is. The next look ends us.
        Err(Refusal { errno: Errno::NODEV | Errno::NOENT, .. }) => false,
        Err(refusal) => {
            Phase::Running.announce();
            say(&args.name, format_args!("not stopped: {}", Reason(Answer::Refused(refusal))));
            Answer::Refused(refusal).say(container, KILL_FIFO);
            false
        }
    }
}
