//! What the firmware writes to its trace buffers goes on to standard output, where engines keep it: without memory, and
//! without ever waiting for a reader.

use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::host::Host;
use crate::remoteproc::{Processor, Traces};
use crate::sys::files;

/// How soon to look again after something new, and after nothing new for a while: twice as late each time, so that what
/// comes after a silence is seen after as long again at most.
const SOON: Duration = Duration::from_millis(50);
const LATE: Duration = Duration::from_secs(5);

/// How long a byte keeps from looking again: 32 KiB a second are passed on in the long run, since a firmware that floods
/// its buffer is not to fill the flash with an engine's log. What it overwrites meanwhile is not seen.
const BYTE: Duration = Duration::from_nanos(1_000_000_000 / (32 << 10));

/// What is written at once, in bytes: a pipe that is ready takes it whole (`PIPE_BUF`, pipe(7)).
const PIECE: usize = 4096;

/// The trace buffers of the firmware that runs.
#[derive(Debug)]
pub(super) struct Tracing {
    traces: Traces,
    /// They are passed on; else they are only kept at the end.
    aloud: bool,
    looked: Instant,
    /// After a look, until the next.
    wait: Duration,
    pause: Duration,
}

impl Tracing {
    /// Those of a firmware that has just booted; `None` where it has none, or the kernel does not show them.
    pub(super) fn of(host: &Host, processor: &Processor, aloud: bool) -> Option<Self> {
        let traces = Traces::of(host, processor).ok()?;
        Some(Self { traces, aloud, looked: Instant::now(), wait: Duration::ZERO, pause: SOON })
    }

    /// How long until it is time to look; `None` if nothing is passed on.
    pub(super) fn next_look(&self, now: Instant) -> Option<Duration> {
        self.aloud.then(|| self.wait.saturating_sub(now.saturating_duration_since(self.looked)))
    }

    /// Passes on what is new, if it is time.
    pub(super) fn follow(&mut self, now: Instant) {
        if self.next_look(now) != Some(Duration::ZERO) {
            return;
        }
        let passed = match self.traces.pass_on(&mut put) {
            Ok(passed) => u32::try_from(passed).unwrap_or(u32::MAX),
            // It went with the firmware: what becomes of that is for others to see.
            Err(_) => 0,
        };
        self.pause = if passed > 0 { SOON } else { LATE.min(self.pause.saturating_mul(2)) };
        (self.looked, self.wait) = (now, self.pause.max(BYTE.saturating_mul(passed)));
    }

    /// The firmware is about to end, or has: passes on what is new, at once, and gives all there is to be kept.
    pub(super) fn finish(&mut self) -> &Traces {
        let aloud = self.aloud;
        // Gone already, it is what it was at the last look.
        let _ = self.traces.pass_on(&mut |text| if aloud { put(text) } else { text.len() });
        // What nobody took is given up: what is kept is to be the last that there was.
        self.traces.catch_up();
        &self.traces
    }
}

/// Writes to standard output what that takes at once; how many bytes it took. What nobody will ever read is taken as well.
fn put(text: &[u8]) -> usize {
    let stdout = std::io::stdout();
    let mut taken = 0;
    while let Some(rest) = text.get(taken..).filter(|rest| !rest.is_empty()) {
        if !files::takes_now(&stdout) {
            break;
        }
        match rustix::io::write(&stdout, rest.get(..PIECE).unwrap_or(rest)) {
            Ok(written) => taken = taken.saturating_add(written),
            Err(Errno::AGAIN | Errno::INTR) => break,
            Err(_) => return text.len(),
        }
    }
    taken
}
