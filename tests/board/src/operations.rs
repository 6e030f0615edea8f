//! Operations that take time: what the remoteproc core does under the device's mutex, with the
//! driver's delays and errors in between. Each runs on a thread of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fuser::Errno;

use crate::machine::{Faults, Machine};
use crate::processor::{Recovery, Start, Stop};
use crate::request_firmware::{self, Refusal, search_path};
use crate::spec::ProcessorState;
use crate::tree::{DeviceId, File};
use crate::turns::Place;

impl Machine {
    /// A write to `state` (state_store).
    pub(crate) fn write_state(self: &Arc<Self>, id: DeviceId, word: &str) -> Result<(), Errno> {
        match word {
            "start" => self.start(id),
            "stop" => self.stop(id),
            "detach" => self.detach(id),
            _ => Err(self.with(id, |processor| processor.unknown_word(word))?),
        }
    }

    /// A write to `firmware` (firmware_store).
    pub(crate) fn write_firmware(&self, id: DeviceId, name: &str) -> Result<(), Errno> {
        self.exclusively(id, || {
            self.pause(id, |_| Duration::ZERO, |faults| faults.firmware_hangs)?;
            self.with(id, |processor| processor.set_firmware(name))?
        })
    }

    /// A write to `coredump` (coredump_store), which does not wait for the mutex.
    pub(crate) fn write_coredump(&self, id: DeviceId, word: &str) -> Result<(), Errno> {
        self.with(id, |processor| processor.set_coredump(word))?
    }

    /// A write to `recovery` (recovery_store): its result says nothing about the recovery's.
    pub(crate) fn write_recovery(self: &Arc<Self>, id: DeviceId, word: &str) -> Result<(), Errno> {
        if self.with(id, |processor| processor.set_recovery(word))?? == Recovery::Trigger {
            self.recover(id).ok();
        }
        Ok(())
    }

    fn start(self: &Arc<Self>, id: DeviceId) -> Result<(), Errno> {
        self.exclusively(id, || match self.with(id, |processor| processor.begin_start())? {
            Start::AlreadyPowered => Ok(()),
            Start::Attach => {
                let driver = self.driver_start(id);
                self.with(id, |processor| processor.finish_attach(driver))?
            }
            Start::Boot(firmware) => self
                .boot(id, &firmware)
                .or_else(|errno| Err(self.with(id, |processor| processor.boot_failed(errno))?)),
        })
    }

    fn boot(self: &Arc<Self>, id: DeviceId, firmware: &str) -> Result<(), Errno> {
        let image = self.request_firmware(id, firmware)?;
        self.with(id, |processor| processor.load(&image))??;
        let driver = self.driver_start(id);
        self.with(id, |processor| processor.driver_started(driver))??;
        self.crash_if_it_does(id, firmware)
    }

    /// Some firmware crashes as soon as it runs.
    fn crash_if_it_does(self: &Arc<Self>, id: DeviceId, firmware: &str) -> Result<(), Errno> {
        let crashes = self.faults(id)?.crashes;
        if crashes.is_empty() || !firmware.contains(&crashes) {
            return Ok(());
        }
        self.crash(id, 1)
    }

    fn stop(&self, id: DeviceId) -> Result<(), Errno> {
        self.exclusively(id, || match self.with(id, |processor| processor.begin_stop())?? {
            Stop::StillNeeded => Ok(()),
            Stop::Proceed => {
                let driver = self.driver_stop(id);
                self.with(id, |processor| processor.finish_stop(driver))?
            }
        })
    }

    fn detach(&self, id: DeviceId) -> Result<(), Errno> {
        self.exclusively(id, || match self.with(id, |processor| processor.begin_detach())?? {
            Stop::StillNeeded => Ok(()),
            Stop::Proceed => {
                let driver = self.driver_stop(id);
                self.with(id, |processor| processor.finish_detach(driver))?
            }
        })
    }

    /// A crash, as a driver reports it; handled on another thread, as by the kernel's workqueue, before whatever is asked for
    /// from now on.
    pub(crate) fn crash(self: &Arc<Self>, id: DeviceId, kind: u32) -> Result<(), Errno> {
        self.with(id, |processor| processor.report_crash(kind))?;
        let machine = Arc::clone(self);
        let place = self.queue(id)?;
        std::thread::Builder::new()
            .name("crash handler".into())
            .spawn(move || {
                place.wait();
                let handled = machine.with(id, |processor| processor.handle_crash());
                drop(place);
                if handled == Ok(true) {
                    // A recovery that fails shows in the log and in the state.
                    machine.recover(id).ok();
                }
            })
            .map(drop)
            .map_err(|_| Errno::EAGAIN)
    }

    /// Whoever looks at `state` is to find it crashed by something that happened just before: it is reported and handled,
    /// but not recovered.
    pub(crate) fn crash_at_look(&self, id: DeviceId) {
        let due = {
            let mut state = self.lock();
            let slot = state.slot_of(id);
            slot.is_some_and(|slot| std::mem::take(&mut state.slots[slot].faults.crash_at_look))
        };
        if due {
            // A device that is gone by now has no state.
            self.with(id, |processor| processor.report_crash(1)).ok();
            self.exclusively(id, || self.with(id, |processor| processor.handle_crash())).ok();
        }
    }

    /// rproc_trigger_recovery and rproc_boot_recovery, with a dump between stop and load: half of the recovery delay passes before the stop, half after.
    fn recover(self: &Arc<Self>, id: DeviceId) -> Result<(), Errno> {
        self.exclusively(id, || {
            if !self.with(id, |processor| processor.begin_recovery())? {
                return Ok(());
            }
            let half = |faults: &Faults| faults.recovery_delay / 2;
            self.pause(id, half, |_| false)?;
            let driver = self.faults(id)?.stop_error.map_or(Ok(()), Err);
            let Some(firmware) = self.with(id, |processor| processor.recovery_stopped(driver))? else {
                return Ok(());
            };
            self.dump(id)?;
            self.pause(id, half, |_| false)?;
            let image = self.request_firmware(id, &firmware)?;
            self.with(id, |processor| processor.reload(&image))??;
            let driver = self.faults(id)?.start_error.map_or(Ok(()), Err);
            self.with(id, |processor| processor.driver_started(driver))??;
            self.crash_if_it_does(id, &firmware)
        })
    }

    /// Unbinds the driver: the device goes, after a running processor was stopped.
    pub(crate) fn remove(&self, id: DeviceId) -> Result<(), Errno> {
        self.exclusively(id, || {
            if self.with(id, |processor| processor.begin_removal())? {
                let driver = self.driver_stop(id);
                // The device goes whether or not the driver could stop the processor.
                self.with(id, |processor| processor.finish_stop(driver))?.ok();
            }
            let mut state = self.lock();
            let slot = state.slot_of(id).ok_or(Errno::ENODEV)?;
            if let Some(device) = state.slots[slot].device.as_mut() {
                device.processor.finish_removal();
            }
            state.unplug(slot);
            drop(state);
            self.notify();
            Ok(())
        })
    }

    /// What a reader of `state` finds who had to wait for it.
    pub(crate) fn look_late(&self, id: DeviceId, file: &File) -> Result<Vec<u8>, Errno> {
        self.pause(id, |_| Duration::ZERO, |faults| faults.look_hangs)?;
        self.lock().show(file)
    }

    /// Holds the device's mutex during `operation`.
    fn exclusively<T>(&self, id: DeviceId, operation: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
        let place = self.queue(id)?;
        place.wait();
        operation()
    }

    /// A place among those who wait for the device's mutex.
    fn queue(&self, id: DeviceId) -> Result<Place, Errno> {
        self.lock().device(id).map(|device| device.mutex.queue()).ok_or(Errno::ENODEV)
    }

    fn driver_start(&self, id: DeviceId) -> Result<(), Errno> {
        self.pause(id, |faults| faults.start_delay, |faults| faults.start_hangs)?;
        self.check_order(id, "start", 1, 0, |state| state == ProcessorState::Offline)?;
        self.faults(id)?.start_error.map_or(Ok(()), Err)
    }

    fn driver_stop(&self, id: DeviceId) -> Result<(), Errno> {
        self.pause(id, |faults| faults.stop_delay, |faults| faults.stop_hangs)?;
        self.check_order(id, "stop", 0, 1, |state| state != ProcessorState::Offline)?;
        self.faults(id)?.stop_error.map_or(Ok(()), Err)
    }

    /// EPERM for core `number` of a cluster while its core `other` is in a `wrong` state.
    fn check_order(
        &self,
        id: DeviceId,
        verb: &str,
        number: u32,
        other: u32,
        wrong: impl Fn(ProcessorState) -> bool,
    ) -> Result<(), Errno> {
        let forbidden = {
            let state = self.lock();
            let core = state.slot_of(id).and_then(|slot| state.slots[slot].spec.core);
            core.is_some_and(|core| {
                core.number == number && state.core_state(core.cluster, other).is_some_and(wrong)
            })
        };
        if !forbidden {
            return Ok(());
        }
        let line = format!("can not {verb} core {number} before core {other}");
        self.with(id, |processor| processor.parent_says(&line))?;
        Err(Errno::EPERM)
    }

    fn request_firmware(&self, id: DeviceId, name: &str) -> Result<Vec<u8>, Errno> {
        let search = {
            let state = self.lock();
            search_path(state.class_path_used(), &state.osrelease)
        };
        request_firmware::request(name, &search, &self.backing).or_else(|refusal| {
            let Refusal { errno, lines } = refusal;
            self.with(id, |processor| {
                for (level, line) in lines {
                    processor.say(level, line);
                }
            })?;
            Err(errno)
        })
    }

    /// Waits as the driver does: `delay`, and for as long as it `hangs`.
    fn pause(
        &self,
        id: DeviceId,
        delay: impl Fn(&Faults) -> Duration,
        hangs: impl Fn(&Faults) -> bool,
    ) -> Result<(), Errno> {
        let began = Instant::now();
        let mut state = self.lock();
        loop {
            let slot = state.slot_of(id).filter(|_| !state.closing).ok_or(Errno::ENODEV)?;
            let faults = &state.slots[slot].faults;
            let left = delay(faults).saturating_sub(began.elapsed());
            let limit = match hangs(faults) {
                true => None,
                false if left > Duration::ZERO => Some(left),
                false => return Ok(()),
            };
            state.slots[slot].held_up += 1;
            state = self.wait(state, limit);
            state.slots[slot].held_up -= 1;
        }
    }

    pub(crate) fn faults(&self, id: DeviceId) -> Result<Faults, Errno> {
        let state = self.lock();
        let slot = state.slot_of(id).filter(|_| !state.closing).ok_or(Errno::ENODEV)?;
        Ok(state.slots[slot].faults.clone())
    }
}
