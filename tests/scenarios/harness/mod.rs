//! What scenarios are written with.

mod bundle;
mod command;
mod machine;
mod process;
mod real;
mod scene;
mod tmpfs;

pub use bundle::Bundle;
pub use command::{Outcome, binary, copy_binary};
pub use machine::{BLINK, Machine, log_modes, names_in};
pub use process::{A_WHILE, Companion, exit_code, is_alive, memory_of, wait_for_end};
pub use real::{
    Ability, alias, blink, chosen, early_states, in_scenarios_words, is_cortex_m4, memory, name_on_board,
    skip, traced,
};
pub use scene::{Holder, Resident, at_once, processors, send, timed};
pub use tmpfs::Tmpfs;

use std::time::{Duration, Instant};

/// How long anything may take that needs no limit of its own: far longer than it does on a slow, busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How long kill and delete try before they say what is pending, with room for a slow machine.
pub const KILL_LIMIT: std::ops::Range<Duration> = Duration::from_secs(9)..Duration::from_secs(20);

/// Waits until `what` holds. For what happens in another process and wakes nobody here.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a scenario cannot be played, since what it `needs` takes root; then it says so.
pub fn skipped_without_root(needs: &str) -> bool {
    let skipped = !rustix::process::geteuid().is_root();
    if skipped {
        println!("skipped: {needs} takes root");
    }
    skipped
}
