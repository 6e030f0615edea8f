//! A lock that is given to whoever has waited longest, as a kernel's mutex is (kernel/locking/mutex.c).

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The lock: the first of the queue holds it.
#[derive(Default)]
pub(crate) struct Turns {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    numbers: VecDeque<u64>,
    last: u64,
}

/// A place in the queue, until it is dropped.
pub(crate) struct Place {
    turns: Arc<Turns>,
    number: u64,
}

impl Turns {
    /// Queues behind all who wait.
    pub(crate) fn queue(self: &Arc<Self>) -> Place {
        let mut queue = self.lock();
        queue.last += 1;
        let number = queue.last;
        queue.numbers.push_back(number);
        Place { turns: Arc::clone(self), number }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Waits until the lock is ours.
    pub(crate) fn wait(&self) {
        let mut queue = self.turns.lock();
        while queue.numbers.front() != Some(&self.number) {
            queue = self.turns.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.turns.lock().numbers.retain(|number| *number != self.number);
        self.turns.changed.notify_all();
    }
}
