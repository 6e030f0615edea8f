//! kill: stops the firmware through the proxy, or ends the proxy and then stops what it left.

use argh::FromArgs;
use rustix::io::Errno;
use rustix::process::Signal;

use super::occupant::processor_error;
use super::refusal::refusal_error;
use super::{Context, order};
use crate::container::{Container, ContainerId, KILL_FIFO, Record, Status};
use crate::error::{Error, Result};
use crate::firmware::StoredFirmware;
use crate::host::Host;
use crate::proxy::{self, Answer, Answers, Heard};
use crate::remoteproc::{Identity, KernelLog};
use crate::sys::clock::Deadline;
use crate::sys::process::Process;

/// stop a container's firmware (TERM, INT, HUP, QUIT, 37), or end its proxy at once (KILL)
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "kill", help_triggers("-h", "--help"))]
pub struct Kill {
    /// accepted: a container has one process
    #[argh(switch, short = 'a')]
    pub all: bool,
    /// signal to send (default: TERM)
    #[argh(option, short = 's', arg_name = "signal")]
    pub signal: Option<String>,
    /// container id
    #[argh(positional)]
    pub id: String,
    /// the signal, in place of --signal
    #[argh(positional, arg_name = "signal")]
    pub positional_signal: Option<String>,
}

impl Kill {
    /// The signal as it was written; TERM where none was.
    pub fn signal_text(&self) -> &str {
        self.positional_signal.as_deref().or(self.signal.as_deref()).unwrap_or("TERM")
    }
}

/// What can be asked of a container.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Wish {
    /// Nothing: only whether it is there.
    Test,
    /// Stop the firmware, by this signal to the proxy.
    Stop(Signal),
    /// End the proxy at once.
    Kill,
}

/// The signals that are taken, by number and name. 37 is SIGRTMIN+3, a request to halt, and is passed on as TERM.
const SIGNALS: [(i32, &str, Wish); 7] = [
    (15, "TERM", Wish::Stop(Signal::TERM)),
    (2, "INT", Wish::Stop(Signal::INT)),
    (1, "HUP", Wish::Stop(Signal::HUP)),
    (3, "QUIT", Wish::Stop(Signal::QUIT)),
    (37, "RTMIN+3", Wish::Stop(Signal::TERM)),
    (9, "KILL", Wish::Kill),
    (0, "0", Wish::Test),
];

pub fn run(context: &Context, args: &Kill) -> Result<()> {
    let id = ContainerId::new(&args.id)?;
    let wish = parse(args.signal_text())?;
    let (container, record) = context.store.load(&id, "kill")?;
    let (host, deadline) = (record.host(), Deadline::after(record.stop_timeout()));
    let status = Status::of(&host, &record.proxy)?;
    if status == Status::Stopped {
        return Err(Error::NotRunning);
    }
    if status == Status::Running && wish != Wish::Test {
        order::check_stop(&record)?;
    }
    let Some(proxy) = record.proxy.open(&host)? else { return Err(Error::NotRunning) };
    match wish {
        Wish::Test => Ok(()),
        Wish::Stop(signal) => stop(&container, &record, &proxy, signal, deadline),
        Wish::Kill => {
            end(&record, &proxy, deadline)?;
            let Some((processor, stored)) = record.deployed() else { return Ok(()) };
            release(&host, processor, &stored, Some(&container), true, deadline)
        }
    }
}

/// A number, a name, or a name with SIG before it, in either case.
fn parse(text: &str) -> Result<Wish> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let number: Option<i32> = name.parse().ok();
    SIGNALS
        .iter()
        .find(|(known, known_name, _)| *known_name == name || Some(*known) == number)
        .map(|(_, _, wish)| *wish)
        .ok_or_else(|| {
            let shown: String = text.escape_debug().take(20).collect();
            Error::invalid(format!(
                "signal \"{shown}\" means nothing to a firmware: TERM, INT, HUP, QUIT and 37 stop it, KILL ends its \
                 proxy at once, 0 only tests"
            ))
        })
}

/// Has the proxy stop the processor, and waits for both.
pub fn stop(
    container: &Container,
    record: &Record,
    proxy: &Process,
    signal: Signal,
    deadline: Deadline,
) -> Result<()> {
    let path = container.path.join(KILL_FIFO);
    let failed = |e| Error::io("wait on", &path, e);
    // One kill at a time hears the answer; another one only waits for the end.
    let answers = match Answers::listen(container, KILL_FIFO) {
        // Deleted by force since it was found: its proxy ends.
        Err(Errno::NOENT) => None,
        other => other.map_err(failed)?,
    };
    let host = record.host();
    let log = KernelLog::from_now(&host);
    proxy.signal(signal).map_err(|e| Error::io("signal", format!("/proc/{}", record.proxy.pid), e))?;
    let heard = match answers {
        Some(answers) => answers.wait(proxy, deadline).map_err(failed)?,
        None if proxy.wait_until(deadline).map_err(failed)? => Heard::Ended,
        None => Heard::Nothing,
    };
    let problem = match (heard, record.deployed()) {
        (Heard::Ended, None) => return Ok(()),
        // It may have been killed before it had stopped the processor.
        (Heard::Ended, Some((processor, stored))) => {
            return release(&host, processor, &stored, Some(container), true, deadline);
        }
        (Heard::Answer(Answer::Refused(refusal)), Some((processor, stored))) => {
            return Err(refusal_error(&host, processor, &stored, refusal, log.as_ref()));
        }
        (Heard::Answer(other), _) => {
            format!("the proxy gave an unexpected answer: {}", other.to_line().trim_end())
        }
        (Heard::Nothing, _) => format!(
            "its driver has not answered in {} s, and is still being waited for",
            record.stop_timeout().as_secs()
        ),
    };
    Err(processor_error(record, problem, Some(STILL.to_owned())))
}

const STILL: &str = "the processor stops once its driver answers; state tells when";

fn still(processor: &Identity, problem: &str) -> Error {
    Error::Processor {
        name: processor.name.clone(),
        problem: problem.to_owned(),
        hint: Some(STILL.to_owned()),
    }
}

/// Ends the proxy at once.
pub fn end(record: &Record, proxy: &Process, deadline: Deadline) -> Result<()> {
    let failed = |e| Error::io("kill", format!("/proc/{}", record.proxy.pid), e);
    proxy.signal(Signal::KILL).map_err(failed)?;
    if proxy.wait_until(deadline).map_err(failed)? {
        return Ok(());
    }
    let problem = format!(
        "its driver has not answered in {} s, and until it does the proxy cannot be killed",
        record.stop_timeout().as_secs()
    );
    let hint = "try again later; if the driver never comes back, reboot the board";
    Err(processor_error(record, problem, Some(hint.to_owned())))
}

/// Stops what a proxy that is dead left of its firmware on the processor, and puts the settings back that its `container`
/// noted.
pub fn release(
    host: &Host,
    processor: &Identity,
    stored: &StoredFirmware,
    container: Option<&Container>,
    keep_crashed: bool,
    deadline: Deadline,
) -> Result<()> {
    let log = KernelLog::from_now(host);
    match proxy::release(host, processor, stored.name(), container, keep_crashed, deadline)? {
        Answer::Released => Ok(()),
        Answer::Unrestored(refusal) => {
            let error = refusal_error(host, processor, stored, refusal, log.as_ref());
            log::warn!("{}", error.in_one_line());
            Ok(())
        }
        Answer::Refused(refusal) => Err(refusal_error(host, processor, stored, refusal, log.as_ref())),
        Answer::Owned(pid) => {
            Err(still(processor, &format!("process {pid} owns it while it still has our firmware")))
        }
        other => Err(still(processor, &format!("it could not be stopped: {}", other.to_line().trim_end()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_taken_by_number_and_name() {
        for text in ["15", "TERM", "SIGTERM", "sigterm", "Term"] {
            assert_eq!(parse(text).unwrap(), Wish::Stop(Signal::TERM), "{text}");
        }
        for (text, wish) in
            [("9", Wish::Kill), ("KILL", Wish::Kill), ("0", Wish::Test), ("37", Wish::Stop(Signal::TERM))]
        {
            assert_eq!(parse(text).unwrap(), wish, "{text}");
        }
    }

    #[test]
    fn what_would_start_or_harm_the_proxy_is_refused() {
        for text in ["USR1", "10", "SIGUSR1", "STOP", "19", "", "SIG", "-1", "999", "TERMX", "15x"] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains("TERM, INT, HUP, QUIT and 37"), "{text}: {error}");
        }
    }
}
