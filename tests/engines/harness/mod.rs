//! What scenarios are written with.

mod containerd;
mod cri;
mod docker;
mod engine;
mod machine;
mod outcome;
mod podman;
mod user;

pub use cri::{Cri, EXITED, NOT_READY, Pod, READY, RUNNING, cri, documented_labels};
pub use engine::{Container, Engine, Network, Status, engine, rootless};
pub use machine::{Machine, settings, wrapper};
pub use outcome::Outcome;
pub use user::Rights;

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
