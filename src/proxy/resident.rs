//! The resident process: phase 1 waits for start, phase 2 boots the processor and watches it.
//!
//! One thread. Every signal is blocked from the first moment on and read from a descriptor, so that none is lost and no
//! write to sysfs is cut short. After the boot nothing allocates.

use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::time::Instant;

use heapless::String;
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::Signal;

use super::answer::{Answer, Setup};
use super::args::ProxyArgs;
use super::say::say;
use super::watch::{End, Verdict, Watch};
use crate::bundle::Network;
use crate::container::{KILL_FIFO, Phase, START_FIFO};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::remoteproc::{
    self, Attributes, BootFailure, Claim, Held, KernelLog, Processor, ProcessorState, RECORD, Record,
    Recovery, Refusal, Step,
};
use crate::sys::clock::{Deadline, timespec};
use crate::sys::signals::{self, SignalQueue};
use crate::sys::{errno, files};

/// Signals that end the proxy in phase 1 and stop the processor in phase 2.
const STOP_SIGNALS: [i32; 5] =
    [Signal::TERM.as_raw(), Signal::INT.as_raw(), Signal::HUP.as_raw(), Signal::QUIT.as_raw(), signals::HALT];

/// What create writes to our standard input when the record is in place.
pub const COMMIT: &[u8] = b"commit\n";

/// How long a processor that crashed right after its start has to come up by recovery.
const SETTLE: std::time::Duration = std::time::Duration::from_secs(1);

/// How we came to an end.
const ASKED: ExitCode = ExitCode::SUCCESS;
const FAILED: ExitCode = ExitCode::FAILURE;

/// A processor that runs our firmware.
struct Running {
    attributes: Attributes,
    log: Option<KernelLog>,
    kernel_name: String<32>,
    device_name: String<64>,
    _claim: Claim,
}

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
    if !is_committed() {
        return FAILED;
    }
    if !wait_for_start(&queue) {
        return ASKED;
    }
    Phase::Starting.announce();
    let running = match boot(args) {
        Ok(running) => running,
        Err(answer) => {
            say(&args.name, format_args!("not booted: {}", Reason(answer)));
            answer.say(&container, START_FIFO);
            return FAILED;
        }
    };
    say(&args.name, format_args!("booted {}", args.firmware));
    let passed_over = running._claim.passed_over;
    if let Some(pid) = passed_over {
        say(&args.name, format_args!("passed over the lock of process {pid}, which is not root's"));
    }
    Phase::Running.announce();
    Answer::Running { passed_over }.say(&container, START_FIFO);
    watch(args, &running, &queue, &container)
}

/// Makes this process what a proxy is, before anything can reach it.
fn set_up(args: &ProxyArgs) -> std::result::Result<(SignalQueue, OwnedFd), (Setup, Errno)> {
    let process = |errno| (Setup::Process, errno);
    signals::block_all().map_err(process)?;
    signals::close_from(3).map_err(process)?;
    let wanted = [STOP_SIGNALS.as_slice(), &[Signal::USR1.as_raw()]].concat();
    let queue = SignalQueue::take(&wanted).map_err(process)?;
    rustix::process::setsid().map_err(process)?;
    if args.terminal {
        // So that Ctrl-C in an attached terminal reaches us as SIGINT.
        rustix::process::ioctl_tiocsctty(std::io::stdout()).map_err(|errno| (Setup::Terminal, errno))?;
    }
    enter_network(&args.network()).map_err(|errno| (Setup::Network, errno))?;
    Ok((queue, files::open_directory(&args.container).map_err(process)?))
}

fn enter_network(network: &Network) -> rustix::io::Result<()> {
    use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
    let entered = match network {
        Network::Host => return Ok(()),
        Network::Fresh => signals::leave_network(),
        Network::Join(path) => rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .and_then(|namespace| {
                use std::os::fd::AsFd;
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
            }),
    };
    match entered {
        // Without privilege an engine cannot have put anything into our network either.
        Err(Errno::PERM | Errno::ACCESS) => Ok(()),
        other => other,
    }
}

/// Waits until create has written its record. One that died before leaves us without a container: then we end as well.
fn is_committed() -> bool {
    let mut word = [0; COMMIT.len()];
    let stdin = std::io::stdin();
    let mut length = 0;
    while length < word.len() {
        match rustix::io::read(&stdin, &mut word[length..]) {
            Ok(0) | Err(_) => return false,
            Ok(read) => length += read,
        }
    }
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    word == COMMIT && null.and_then(rustix::stdio::dup2_stdin).is_ok()
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

/// Claims the processor and boots our firmware on it.
fn boot(args: &ProxyArgs) -> std::result::Result<Running, Answer> {
    let open = |errno| Answer::Refused(Refusal { step: Step::Open, errno });
    let processor = find(args).map_err(|_| Answer::Gone)?.ok_or(Answer::Gone)?;
    let claim = Claim::take(&processor).map_err(|held| match held {
        Held::By(pid) => Answer::Owned(pid),
        Held::Failed(errno) => open(errno),
    })?;
    let attributes = Attributes::open(&processor.path).map_err(open)?;
    let log = KernelLog::from_now(&Host::new(&args.host_root).map_err(|_| Answer::Gone)?);
    match remoteproc::boot(&attributes, &args.firmware) {
        Ok(()) => {}
        Err(BootFailure::Busy(state)) => return Err(Answer::Busy(state)),
        Err(BootFailure::Refused(refusal)) => return Err(Answer::Refused(refusal)),
        Err(BootFailure::NotRunning(state)) => settle(&attributes, state)?,
    }
    Ok(Running {
        attributes,
        log,
        // Names of the kernel, which are short; one that is cut only finds no messages in the log.
        kernel_name: cut(processor.kernel_name()),
        device_name: cut(processor.device_name()),
        _claim: claim,
    })
}

fn find(args: &ProxyArgs) -> Result<Option<Processor>, Error> {
    Processor::of(&Host::new(&args.host_root)?, &args.identity())
}

/// A firmware that crashed at once may be in its recovery; what does not come up is not left to come up later.
fn settle(attributes: &Attributes, mut state: ProcessorState) -> std::result::Result<(), Answer> {
    let deadline = Deadline::after(SETTLE);
    let pause = std::time::Duration::from_millis(10);
    while attributes.recovery() == Ok(Recovery::Enabled) && !deadline.passed() {
        match attributes.state() {
            Ok(ProcessorState::Running) => return Ok(()),
            Ok(other) => state = other,
            Err(errno) => return Err(Answer::Refused(Refusal { step: Step::ReadState, errno })),
        }
        let _ = rustix::event::poll(&mut [], Some(&timespec(pause)));
    }
    if state != ProcessorState::Crashed {
        let _ = remoteproc::stop(attributes);
    }
    Err(Answer::NotRunning(state))
}

fn cut<const N: usize>(text: &str) -> String<N> {
    let mut short = String::new();
    for c in text.chars() {
        if short.push(c).is_err() {
            break;
        }
    }
    short
}

/// Phase 2, after the boot: until the firmware ends, or is asked to.
fn watch(args: &ProxyArgs, running: &Running, queue: &SignalQueue, container: &OwnedFd) -> ExitCode {
    let mut watch = Watch::new(running.log.is_some());
    let mut log = running.log.as_ref();
    let mut crash: String<160> = String::new();
    let name = args.name.as_str();
    loop {
        while let Some(signal) = queue.next() {
            if STOP_SIGNALS.contains(&signal) && stop(name, running, container) {
                return ASKED;
            }
        }
        if log.is_some_and(|log| !listen(log, running, &mut watch, &mut crash)) {
            log = None;
            watch.lose_log();
        }
        match watch.look(running.attributes.state(), running.attributes.recovery(), Instant::now()) {
            Verdict::Continue => {}
            Verdict::CrashSeen => say(name, format_args!("crashed, the kernel's recovery has 5 s")),
            Verdict::Recovered => say(name, format_args!("recovered by the kernel after a crash {crash}")),
            Verdict::End(end) => {
                say(name, format_args!("ended: {} {crash}", EndReason(end)));
                return FAILED;
            }
        }
        let timeout = timespec(watch.next_look());
        let signals = PollFd::new(queue, PollFlags::IN);
        // Errors of poll(2) only make the next look come at once.
        let _ = match log {
            Some(log) => rustix::event::poll(&mut [signals, PollFd::new(log, PollFlags::IN)], Some(&timeout)),
            None => rustix::event::poll(&mut [signals], Some(&timeout)),
        };
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
                    *crash = cut(message);
                }
            }
            Record::Text(_) | Record::Skipped => {}
            Record::None => return true,
            Record::Ended => return false,
        }
    }
}

/// Stops the processor as asked; whether it is offline now.
fn stop(name: &str, running: &Running, container: &OwnedFd) -> bool {
    Phase::Stopping.announce();
    match remoteproc::stop(&running.attributes) {
        Ok(()) => {
            say(name, format_args!("stopped"));
            true
        }
        // Nothing runs where nothing is. The next look ends us.
        Err(Refusal { errno: Errno::NODEV | Errno::NOENT, .. }) => false,
        Err(refusal) => {
            Phase::Running.announce();
            say(name, format_args!("not stopped: {}", Reason(Answer::Refused(refusal))));
            Answer::Refused(refusal).say(container, KILL_FIFO);
            false
        }
    }
}

/// An answer in words, without memory.
struct Reason(Answer);

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Answer::Busy(state) => write!(f, "the processor is {}", state.word()),
            Answer::Owned(pid) => write!(f, "process {pid} owns the processor"),
            Answer::NotRunning(state) => {
                write!(f, "the kernel accepted the start, but the state reads {}", state.word())
            }
            Answer::Gone => f.write_str("the processor's device is gone"),
            Answer::Refused(Refusal { step, errno }) => {
                let what = match step {
                    Step::Open => "open the processor's attributes",
                    Step::ReadState => "read its state",
                    Step::Firmware => "set its firmware",
                    Step::Start => "start it",
                    Step::Stop => "stop it",
                    Step::Recover => "recover it",
                };
                write!(f, "the kernel refused to {what}: {}", ErrnoName(errno))
            }
            _ => f.write_str("see the log"),
        }
    }
}

struct EndReason(End);

impl std::fmt::Display for EndReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            End::Crashed => f.write_str("crashed, and its recovery is disabled"),
            End::NotRecovered => f.write_str("crashed, and the kernel did not recover it"),
            End::Stopped(ProcessorState::Detached) => f.write_str("detached by something else"),
            End::Stopped(_) => f.write_str("stopped by something else"),
            End::Vanished => f.write_str("its device is gone"),
            End::Unreadable(errno) => write!(f, "its state cannot be read: {}", ErrnoName(errno)),
        }
    }
}

struct ErrnoName(Errno);

impl std::fmt::Display for ErrnoName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match errno::name(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", self.0.raw_os_error()),
        }
    }
}
