//! What scenarios are written with.

mod containerd;
mod cri;
mod docker;
mod engine;
mod machine;
mod outcome;
mod podman;

pub use cri::{Cri, EXITED, NOT_READY, Pod, READY, RUNNING, cri, documented_labels};
pub use engine::{Container, Network, Status, engine};
pub use machine::{Machine, settings};
pub use outcome::Outcome;

use std::time::{Duration, Instant};

/// How long anything may take: far longer than it does on a slow, busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `what` holds. For what happens in another process and wakes nobody here.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
