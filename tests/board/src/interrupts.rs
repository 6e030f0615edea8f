//! Signals for threads that wait in a read of /dev/kmsg.
//!
//! The library does not pass on FUSE's own interrupts, and without an answer a killed reader
//! would stay. So, only while somebody waits, the threads are asked for pending signals.

use std::sync::Arc;
use std::time::Duration;

use crate::machine::Machine;

const PERIOD: Duration = Duration::from_millis(20);

/// Watches until the board closes.
pub(crate) fn watch(machine: Arc<Machine>) {
    let mut state = machine.lock();
    while !state.closing {
        let limit = state.readers.anyone_waits().then_some(PERIOD);
        state = machine.wait(state, limit);
        state.readers.interrupt(is_interrupted);
    }
    state.readers.interrupt(|_| true);
}

fn is_interrupted(thread: u32) -> bool {
    // A thread of a PID namespace that is not ours to see: it waits until there is a record.
    if thread == 0 {
        return false;
    }
    // A thread that is not there is not waiting either.
    std::fs::read_to_string(format!("/proc/{thread}/status")).map_or(true, |status| has_signal(&status))
}

/// Whether a signal is pending that is not blocked.
fn has_signal(status: &str) -> bool {
    let mask = |field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
        u64::from_str_radix(line.trim(), 16).unwrap_or(0)
    };
    (mask("SigPnd:") | mask("ShdPnd:")) & !mask("SigBlk:") != 0
}

#[cfg(test)]
mod tests {
    use super::has_signal;

    #[test]
    fn only_signals_that_are_not_blocked_count() {
        let status = |pending: &str, blocked: &str| {
            has_signal(&format!("SigPnd:\t0\nShdPnd:\t{pending}\nSigBlk:\t{blocked}\n"))
        };
        assert!(!status("0000000000000000", "0000000000000000"));
        assert!(status("0000000000004000", "0000000000000000"));
        assert!(!status("0000000000004000", "0000000000004000"));
    }
}
