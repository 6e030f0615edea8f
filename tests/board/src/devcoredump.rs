//! Crash dumps as devices (drivers/base/devcoredump.c). One is there until somebody writes to it; the kernel's five
//! minutes are over only when a control file says so.

use std::sync::Arc;

use fuser::Errno;

use crate::core_dump::CoreDump;
use crate::layout;
use crate::machine::{Machine, State};
use crate::tree::DeviceId;

/// All dumps there are.
#[derive(Debug, Default)]
pub(crate) struct Dumps {
    /// No more of them, for good.
    disabled: bool,
    last: u32,
    present: Vec<Present>,
}

#[derive(Debug)]
struct Present {
    number: u32,
    failing: DeviceId,
    dump: Arc<CoreDump>,
}

impl State {
    /// dev_coredumpm: a dump of a device that has one already is dropped. The number of a new one.
    fn add_dump(&mut self, failing: DeviceId, dump: CoreDump) -> Option<u32> {
        let has_one = self.dumps.present.iter().any(|present| present.failing == failing);
        let slot = self.slot_of(failing).filter(|_| !has_one && !self.dumps.disabled)?;
        self.dumps.last += 1;
        let number = self.dumps.last;
        let index = self.slots[slot].device.as_ref()?.index;
        layout::dump(&mut self.tree, &self.slots[slot].spec, index, number);
        self.dumps.present.push(Present { number, failing, dump: Arc::new(dump) });
        Some(number)
    }

    pub(crate) fn read_dump(&self, number: u32, offset: u64, size: usize) -> Result<Vec<u8>, Errno> {
        let present = self.dumps.present.iter().find(|present| present.number == number);
        present.map(|present| present.dump.read(offset, size)).ok_or(Errno::ENODEV)
    }

    fn has_dump(&self, number: u32) -> bool {
        self.dumps.present.iter().any(|present| present.number == number)
    }

    fn free_dumps(&mut self, which: impl Fn(u32, DeviceId) -> bool) {
        let (gone, left) = std::mem::take(&mut self.dumps.present)
            .into_iter()
            .partition(|present| which(present.number, present.failing));
        self.dumps.present = left;
        for Present { number, failing, .. } in gone {
            let slot = self.slot_of(failing);
            let failing =
                slot.and_then(|slot| Some((&self.slots[slot].spec, self.slots[slot].device.as_ref()?.index)));
            layout::remove_dump(&mut self.tree, failing, number);
        }
    }

    /// As after a reboot.
    pub(crate) fn forget_dumps(&mut self) {
        self.free_dumps(|_, _| true);
        self.dumps = Dumps::default();
    }

    pub(crate) fn dumps_disabled(&self) -> bool {
        self.dumps.disabled
    }
}

impl Machine {
    /// rproc_coredump: makes a dump of a processor that was stopped after a crash, and waits until it is freed if it
    /// is read straight from memory.
    pub(crate) fn dump(&self, id: DeviceId) -> Result<(), Errno> {
        let at_least = self.faults(id)?.dump_size;
        let Some((dump, waits)) = self.with(id, |processor| processor.dump(at_least))? else {
            return Ok(());
        };
        let mut state = self.lock();
        let Some(number) = state.add_dump(id, dump) else { return Ok(()) };
        while waits && state.has_dump(number) {
            if state.closing {
                return Err(Errno::ENODEV);
            }
            state = self.wait(state, None);
        }
        Ok(())
    }

    /// A write to a dump's `data`: whatever it is, the dump goes.
    pub(crate) fn free_dump(&self, number: u32) {
        self.lock().free_dumps(|present, _| present == number);
        self.notify();
    }

    /// The five minutes of a device's dump are over.
    pub(crate) fn expire_dump(&self, failing: DeviceId) {
        self.lock().free_dumps(|_, present| present == failing);
        self.notify();
    }

    /// `/sys/class/devcoredump/disabled`, which only takes 1.
    pub(crate) fn disable_dumps(&self, word: &str) -> Result<(), Errno> {
        if word.trim() != "1" {
            return Err(Errno::EINVAL);
        }
        let mut state = self.lock();
        state.dumps.disabled = true;
        state.free_dumps(|_, _| true);
        drop(state);
        self.notify();
        Ok(())
    }
}
