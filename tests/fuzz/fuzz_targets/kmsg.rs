//! Records of the kernel's log about a processor, and what the watch makes of them between looks at its state.
//!
//! The input: a byte of options, then events of a byte each, with a record behind where it is one of the log.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use remoteproc_runtime::proxy::{End, Verdict, Watch};
use remoteproc_runtime::remoteproc::{ProcessorState, Recovery, is_about, message};
use remoteproc_runtime_fuzz::Input;
use rustix::io::Errno;

const STATES: [Result<ProcessorState, Errno>; 10] = [
    Ok(ProcessorState::Running),
    Ok(ProcessorState::Offline),
    Ok(ProcessorState::Crashed),
    Ok(ProcessorState::Attached),
    Ok(ProcessorState::Suspended),
    Ok(ProcessorState::Unknown),
    Ok(ProcessorState::Detached),
    Ok(ProcessorState::Deleted),
    Err(Errno::INTR),
    Err(Errno::IO),
];

/// How long a crash has to pass with recovery enabled, at least.
const RECOVERY: Duration = Duration::from_secs(5);

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let options = input.byte();
    let mut model = Model::new(options & 1 != 0, options & 2 != 0);
    while !input.0.is_empty() {
        let event = input.byte();
        model.now += Duration::from_millis(250) * u32::from(event >> 5);
        let ended = match usize::from(event & 0x1f) {
            index @ 0..10 => model.look(STATES[index]),
            10 => {
                model.watch.see_dump(model.now);
                model.trouble = true;
                model.crash = true;
                false
            }
            11 => {
                model.watch.lose_log();
                false
            }
            _ => model.record(input.piece()),
        };
        if ended {
            return;
        }
    }
    model.comes_to_an_end();
});

/// What must hold whatever comes.
struct Model {
    watch: Watch,
    now: Instant,
    recovers: bool,
    /// Something else than a processor that runs was seen or heard of.
    trouble: bool,
    /// A crash was, and no recovery since.
    crash: bool,
    begin: Instant,
}

impl Model {
    fn new(log_serves: bool, recovers: bool) -> Self {
        let begin = Instant::now();
        Self { watch: Watch::new(log_serves), now: begin, recovers, trouble: false, crash: false, begin }
    }

    /// A look; whether it was the last.
    fn look(&mut self, state: Result<ProcessorState, Errno>) -> bool {
        let recovery = if self.recovers { Recovery::Enabled } else { Recovery::Disabled };
        self.trouble |= matches!(state, Ok(ProcessorState::Crashed | ProcessorState::Offline));
        self.crash |= state == Ok(ProcessorState::Crashed);
        let verdict = self.watch.look(state, || Ok(recovery), self.now);
        match verdict {
            Verdict::Continue => {}
            Verdict::CrashSeen => assert!(state == Ok(ProcessorState::Crashed) && self.recovers),
            Verdict::Recovered => {
                assert!(self.crash && self.recovers);
                assert!(runs(state));
                (self.trouble, self.crash) = (false, false);
            }
            Verdict::End(end) => self.is_an_end(end, state),
        }
        assert!(!runs(state) || !matches!(verdict, Verdict::End(_)), "what runs has not ended");
        assert!(self.trouble || !self.watch.is_in_doubt());
        matches!(verdict, Verdict::End(_))
    }

    fn is_an_end(&self, end: End, state: Result<ProcessorState, Errno>) {
        match end {
            End::Crashed => assert!(state == Ok(ProcessorState::Crashed) && !self.recovers),
            End::NotRecovered => {
                assert!(self.crash && self.recovers && self.now.duration_since(self.begin) >= RECOVERY);
            }
            End::Stopped(read) => assert_eq!(state, Ok(read)),
            End::Vanished => assert_eq!(state, Ok(ProcessorState::Deleted)),
            End::Unreadable(errno) => assert_eq!(state, Err(errno)),
        }
    }

    /// A record of the log; it ends nothing.
    fn record(&mut self, bytes: &[u8]) -> bool {
        let Ok(record) = std::str::from_utf8(bytes) else { return false };
        let message = message(record);
        // The kernel writes control characters as `\x0d`; what is shown is escaped once more.
        assert!(!message.contains('\n') && record.contains(message));
        if is_about(record, "remoteproc0", "10000000.m4") {
            assert!(record.contains("remoteproc0") || record.contains("10000000.m4"));
            let priority =
                record.split_once(',').map(|(priority, _)| priority.trim_start_matches(['+', '0']));
            assert!(matches!(priority, Some("" | "1" | "2" | "3" | "4" | "5" | "6" | "7")), "a program's");
            let told = self.watch.hear(message, self.now);
            assert!(!told || message.contains(": crash detected in "));
            assert!(told || !message.starts_with("remoteproc remoteproc0: crash detected in "));
            self.crash |= told;
            self.trouble |= told;
        }
        assert!(!is_about(record, "", ""), "a processor without names is nobody's");
        false
    }

    /// Neither a crash nor a processor that runs leaves the watch in doubt for good.
    fn comes_to_an_end(mut self) {
        let state = STATES[if self.crash { 2 } else { 0 }];
        for _ in 0..8 {
            self.now += Duration::from_secs(1);
            if self.look(state) {
                return;
            }
        }
        assert!(runs(state) && !self.watch.is_in_doubt());
    }
}

fn runs(state: Result<ProcessorState, Errno>) -> bool {
    matches!(state, Ok(ProcessorState::Running | ProcessorState::Attached | ProcessorState::Suspended))
}
