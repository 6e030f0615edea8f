//! A lock that is given to whoever has waited longest, as a kernel's mutex is (kernel/locking/mutex.c).

use std::sync::{Condvar, Mutex, PoisonError};

/// The lock.
#[derive(Default)]
pub(crate) struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The number of who comes next.
    next: u64,
    /// Whose turn it is.
    now: u64,
}

/// Held until it is dropped.
pub(crate) struct Turn<'a>(&'a Turns);

impl Turns {
    /// Waits behind all who wait.
    pub(crate) fn wait(&self) -> Turn<'_> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = state.next;
        state.next += 1;
        while state.now != mine {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).now += 1;
        self.0.changed.notify_all();
    }
}
