//! What to make of what is seen of a processor that should be running. Pure: it is told what is seen, and when.
//!
//! With recovery enabled the kernel restarts a processor that crashed: crashed, offline, running again, mostly within a
//! few milliseconds (drivers/remoteproc/remoteproc_core.c, `rproc_trigger_recovery`). So neither of the first two is an
//! end by itself.

use std::time::{Duration, Instant};

use rustix::io::{Errno, Result};

use crate::remoteproc::{ProcessorState, Recovery};

/// How long a crash has to pass with recovery enabled.
const RECOVERY: Duration = Duration::from_secs(5);

/// How long an offline without a known crash has to pass, where no log tells of crashes.
const DOUBT: Duration = Duration::from_secs(1);

/// How soon to look again while something is happening.
const SOON: Duration = Duration::from_millis(20);

/// How often to look when nothing happens: with the kernel's log, which tells of what happens, and without.
const SLOW: Duration = Duration::from_secs(5);
const FAST: Duration = Duration::from_secs(1);

/// Why a firmware runs no longer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// It crashed, and recovery is disabled.
    Crashed,
    /// It crashed, and the kernel did not get it to run again in time.
    NotRecovered,
    /// Somebody else stopped it, or detached from it.
    Stopped(ProcessorState),
    /// The device is gone.
    Vanished,
    /// The state can be read no longer.
    Unreadable(Errno),
}

/// What one look gave.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It runs, or it is too early to say.
    Continue,
    /// It crashed, and recovery has its time now.
    CrashSeen,
    /// It runs again after a crash.
    Recovered,
    /// It is over.
    End(End),
}

/// What is known between two looks.
#[derive(Debug)]
pub struct Watch {
    log_serves: bool,
    trouble: Option<Trouble>,
}

#[derive(Debug)]
struct Trouble {
    since: Instant,
    /// A crash is certain, from the log or the state.
    crash: bool,
    /// The log said that the processor is up again.
    up: bool,
}

impl Watch {
    /// Begins with a processor that runs; `log_serves` when the kernel's log can be followed.
    pub fn new(log_serves: bool) -> Self {
        Self { log_serves, trouble: None }
    }

    /// The log can be followed no longer.
    pub fn lose_log(&mut self) {
        self.log_serves = false;
    }

    /// When to look next, if the log does not call earlier.
    pub fn next_look(&self) -> Duration {
        match (&self.trouble, self.log_serves) {
            (Some(_), _) => SOON,
            (None, true) => SLOW,
            (None, false) => FAST,
        }
    }

    /// Whether something was seen that is not explained yet.
    pub fn is_in_doubt(&self) -> bool {
        self.trouble.is_some()
    }

    /// Takes a message of the kernel's log about this processor; whether it tells of a crash.
    pub fn hear(&mut self, message: &str, now: Instant) -> bool {
        // Behind the device's name: further on there may be names that the firmware has chosen, such as of a carve-out.
        let told = message.split_once(": ").map_or("", |(_, told)| told);
        if told.starts_with("crash detected in ") {
            let since = self.trouble.as_ref().map_or(now, |trouble| trouble.since);
            self.trouble = Some(Trouble { since, crash: true, up: false });
            return true;
        }
        let up = told.starts_with("remote processor ") && told.ends_with(" is now up");
        if let Some(trouble) = self.trouble.as_mut().filter(|_| up) {
            trouble.up = true;
        }
        false
    }

    /// The memory of the processor was had after a crash, for which its recovery may have waited: that has its time anew.
    pub fn see_dump(&mut self, now: Instant) {
        let up = self.trouble.as_ref().is_some_and(|trouble| trouble.up);
        self.trouble = Some(Trouble { since: now, crash: true, up });
    }

    /// Takes a reading of `state`, and one of `recovery` where it matters: an idle proxy reads only the first.
    pub fn look(
        &mut self,
        state: Result<ProcessorState>,
        recovery: impl Fn() -> Result<Recovery>,
        now: Instant,
    ) -> Verdict {
        let recovers = || recovery() == Ok(Recovery::Enabled);
        match state {
            Ok(ProcessorState::Running | ProcessorState::Attached | ProcessorState::Suspended) => {
                self.runs(recovers, now)
            }
            Ok(ProcessorState::Crashed) if recovers() => self.crashed(now),
            Ok(ProcessorState::Crashed) => Verdict::End(End::Crashed),
            Ok(ProcessorState::Offline) if recovers() => self.offline(now),
            Ok(state @ (ProcessorState::Offline | ProcessorState::Detached)) => {
                Verdict::End(End::Stopped(state))
            }
            Ok(ProcessorState::Deleted) | Err(Errno::NODEV | Errno::NOENT) => Verdict::End(End::Vanished),
            // A word of a later kernel: it says nothing of an end.
            Ok(ProcessorState::Unknown) | Err(Errno::INTR) => Verdict::Continue,
            Err(errno) => Verdict::End(End::Unreadable(errno)),
        }
    }

    fn runs(&mut self, recovers: impl FnOnce() -> bool, now: Instant) -> Verdict {
        let Some(trouble) = &self.trouble else { return Verdict::Continue };
        // The log tells of a crash before the state does: running may still be the running of before.
        let settled = trouble.up || !trouble.crash || now.duration_since(trouble.since) >= DOUBT;
        if !settled {
            return Verdict::Continue;
        }
        let recovered = trouble.crash && recovers();
        self.trouble = None;
        if recovered { Verdict::Recovered } else { Verdict::Continue }
    }

    fn crashed(&mut self, now: Instant) -> Verdict {
        match &mut self.trouble {
            Some(trouble) if trouble.crash && now.duration_since(trouble.since) >= RECOVERY => {
                Verdict::End(End::NotRecovered)
            }
            Some(trouble) if trouble.crash => Verdict::Continue,
            _ => {
                self.trouble = Some(Trouble { since: now, crash: true, up: false });
                Verdict::CrashSeen
            }
        }
    }

    fn offline(&mut self, now: Instant) -> Verdict {
        let Some(trouble) = &self.trouble else {
            // It may be the middle of a recovery whose crash was not seen, or not read from the log yet.
            self.trouble = Some(Trouble { since: now, crash: false, up: false });
            return Verdict::Continue;
        };
        let waited = now.duration_since(trouble.since);
        match (trouble.crash, self.log_serves) {
            (true, _) if waited >= RECOVERY => Verdict::End(End::NotRecovered),
            (true, _) => Verdict::Continue,
            // The log was read once more since, and knows of no crash.
            (false, true) => Verdict::End(End::Stopped(ProcessorState::Offline)),
            (false, false) if waited >= DOUBT => Verdict::End(End::Stopped(ProcessorState::Offline)),
            (false, false) => Verdict::Continue,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ProcessorState::{Attached, Crashed, Deleted, Detached, Offline, Running};

    const CRASH: &str = "remoteproc remoteproc0: crash detected in m4: type watchdog";
    const UP: &str = "remoteproc remoteproc0: remote processor m4 is now up";

    struct Seen {
        watch: Watch,
        begin: Instant,
        recovery: Recovery,
    }

    fn seen(log_serves: bool, recovery: Recovery) -> Seen {
        Seen { watch: Watch::new(log_serves), begin: Instant::now(), recovery }
    }

    impl Seen {
        fn at(&self, millis: u64) -> Instant {
            self.begin + Duration::from_millis(millis)
        }

        fn look(&mut self, millis: u64, state: ProcessorState) -> Verdict {
            self.watch.look(Ok(state), || Ok(self.recovery), self.at(millis))
        }

        fn hear(&mut self, millis: u64, message: &str) -> bool {
            self.watch.hear(message, self.at(millis))
        }
    }

    #[test]
    fn a_recovery_is_no_end_with_the_log_or_without() {
        let mut with_log = seen(true, Recovery::Enabled);
        assert!(with_log.hear(0, CRASH));
        assert_eq!(with_log.look(0, Running), Verdict::Continue, "the state comes after the log");
        assert_eq!(with_log.look(1, Crashed), Verdict::Continue);
        assert_eq!(with_log.look(2, Offline), Verdict::Continue);
        assert!(!with_log.hear(3, UP));
        assert_eq!(with_log.look(3, Running), Verdict::Recovered);
        assert_eq!(with_log.watch.next_look(), SLOW);

        let mut without = seen(false, Recovery::Enabled);
        assert_eq!(without.look(0, Crashed), Verdict::CrashSeen);
        assert_eq!(without.watch.next_look(), SOON);
        assert_eq!(without.look(20, Offline), Verdict::Continue);
        assert_eq!(without.look(1040, Attached), Verdict::Recovered);
        assert_eq!(without.watch.next_look(), FAST);
    }

    #[test]
    fn a_recovery_faster_than_a_look_is_seen_in_the_log() {
        let mut seen = seen(true, Recovery::Enabled);
        assert!(seen.hear(0, CRASH));
        // A firmware may be called so.
        seen.hear(1, "remoteproc remoteproc0: Direct firmware load for it is now up");
        assert_eq!(seen.look(1, Running), Verdict::Continue);
        seen.hear(1, UP);
        assert_eq!(seen.look(1, Running), Verdict::Recovered);
        assert_eq!(seen.look(2, Running), Verdict::Continue);
    }

    #[test]
    fn a_crash_ends_at_once_without_recovery_and_after_its_time_with() {
        assert_eq!(seen(true, Recovery::Disabled).look(0, Crashed), Verdict::End(End::Crashed));
        let mut seen = seen(true, Recovery::Enabled);
        assert_eq!(seen.look(0, Crashed), Verdict::CrashSeen);
        assert_eq!(seen.look(4999, Crashed), Verdict::Continue);
        assert_eq!(seen.look(5000, Crashed), Verdict::End(End::NotRecovered));
    }

    #[test]
    fn a_recovery_that_waited_for_its_dump_has_its_time_after_it() {
        let mut seen = seen(false, Recovery::Enabled);
        assert_eq!(seen.look(0, Offline), Verdict::Continue, "nothing tells of a crash yet");
        seen.watch.see_dump(seen.at(900));
        assert_eq!(seen.look(5800, Offline), Verdict::Continue);
        assert_eq!(seen.look(5900, Offline), Verdict::End(End::NotRecovered));
        seen.watch.see_dump(seen.at(6000));
        assert_eq!(seen.look(7000, Running), Verdict::Recovered);
    }

    #[test]
    fn a_recovery_that_ends_offline_is_an_end_after_its_time() {
        let mut seen = seen(true, Recovery::Enabled);
        seen.hear(0, CRASH);
        assert_eq!(seen.look(10, Offline), Verdict::Continue);
        assert_eq!(seen.look(5000, Offline), Verdict::End(End::NotRecovered));
    }

    #[test]
    fn a_stop_from_elsewhere_is_confirmed_once() {
        let stopped = Verdict::End(End::Stopped(Offline));
        assert_eq!(seen(true, Recovery::Disabled).look(0, Offline), stopped);
        let mut with_log = seen(true, Recovery::Enabled);
        assert_eq!(with_log.look(0, Offline), Verdict::Continue);
        assert_eq!(with_log.look(20, Offline), stopped);
        let mut without = seen(false, Recovery::Enabled);
        assert_eq!(without.look(0, Offline), Verdict::Continue);
        assert_eq!(without.look(999, Offline), Verdict::Continue);
        assert_eq!(without.look(1000, Offline), stopped);
        assert_eq!(seen(true, Recovery::Enabled).look(0, Detached), Verdict::End(End::Stopped(Detached)));
    }

    #[test]
    fn an_offline_that_passes_was_none() {
        let mut seen = seen(false, Recovery::Enabled);
        assert_eq!(seen.look(0, Offline), Verdict::Continue);
        assert_eq!(seen.look(20, Running), Verdict::Continue);
        assert_eq!(seen.look(5000, Offline), Verdict::Continue, "doubt begins anew");
    }

    #[test]
    fn a_device_that_is_gone_or_unreadable_is_an_end() {
        assert_eq!(seen(true, Recovery::Enabled).look(0, Deleted), Verdict::End(End::Vanished));
        for (errno, end) in [
            (Errno::NODEV, End::Vanished),
            (Errno::NOENT, End::Vanished),
            (Errno::IO, End::Unreadable(Errno::IO)),
        ] {
            let mut watch = Watch::new(true);
            assert_eq!(watch.look(Err(errno), || Err(errno), Instant::now()), Verdict::End(end));
        }
    }
}
