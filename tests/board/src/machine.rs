//! The machine: its processors, its log and its tree, behind one lock that is never held while
//! something takes time.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fuser::Errno;

use crate::devcoredump::Dumps;
use crate::kmsg::{RecordLog, Subject};
use crate::layout;
use crate::processor::{Line, Origin, Processor};
use crate::processor_spec::ProcessorSpec;
use crate::readers::Readers;
use crate::spec::{BoardSpec, KmsgMode, ProcessorState};
use crate::tree::{DeviceId, Tree};
use crate::turns::Turns;

/// Faults and delays of one processor, set through its control files.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    pub(crate) start_error: Option<Errno>,
    pub(crate) stop_error: Option<Errno>,
    pub(crate) start_delay: Duration,
    pub(crate) stop_delay: Duration,
    pub(crate) recovery_delay: Duration,
    pub(crate) start_hangs: bool,
    pub(crate) stop_hangs: bool,
    /// A write to the attribute `firmware` is not answered.
    pub(crate) firmware_hangs: bool,
    /// A reading of the attribute `state` is not answered.
    pub(crate) look_hangs: bool,
    /// A part of the names of firmware that crashes as soon as it runs; none where it is empty.
    pub(crate) crashes: String,
    /// The next reading of the attribute `state` finds it just crashed.
    pub(crate) crash_at_look: bool,
    /// The least bytes a crash dump has.
    pub(crate) dump_size: u64,
}

impl Default for Faults {
    fn default() -> Self {
        Faults {
            start_error: None,
            stop_error: None,
            start_delay: Duration::ZERO,
            stop_delay: Duration::ZERO,
            recovery_delay: Duration::from_millis(1),
            start_hangs: false,
            stop_hangs: false,
            firmware_hangs: false,
            look_hangs: false,
            crashes: String::new(),
            crash_at_look: false,
            dump_size: 0,
        }
    }
}

/// A processor that is plugged in.
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    /// The N of remoteprocN.
    pub(crate) index: u32,
    pub(crate) processor: Processor,
    /// Whether it stops when a holder of its character device lets go (drivers/remoteproc/remoteproc_cdev.c).
    pub(crate) stops_on_release: bool,
    /// The kernel's mutex of this device: one operation at a time.
    pub(crate) mutex: Arc<Turns>,
}

/// A processor of the board, plugged in or not.
pub(crate) struct Slot {
    pub(crate) spec: ProcessorSpec,
    pub(crate) faults: Faults,
    /// How many calls wait because of a fault now.
    pub(crate) held_up: u32,
    pub(crate) device: Option<Device>,
}

/// Everything behind the machine's lock.
pub(crate) struct State {
    pub(crate) tree: Tree,
    pub(crate) slots: Vec<Slot>,
    pub(crate) log: RecordLog,
    pub(crate) readers: Readers,
    pub(crate) dumps: Dumps,
    pub(crate) class_path: String,
    pub(crate) path_keeps_newline: bool,
    pub(crate) kmsg: KmsgMode,
    pub(crate) osrelease: String,
    pub(crate) boot_id: String,
    /// The board is being taken down: nobody waits any longer.
    pub(crate) closing: bool,
    character_devices: bool,
    remoteproc: bool,
    last_device: u64,
}

/// The machine.
pub(crate) struct Machine {
    pub(crate) backing: PathBuf,
    state: Mutex<State>,
    /// Told whenever a wait may be over: a fault was changed, a device went, the board closes.
    changed: Condvar,
}

impl Machine {
    /// Powers a board on; its files belong to `uid` and `gid`.
    pub(crate) fn new(spec: BoardSpec, backing: PathBuf, uid: u32, gid: u32) -> Self {
        let mut tree = Tree::new(uid, gid);
        layout::machine(&mut tree, &spec, &backing.to_string_lossy());
        let slot = |spec: ProcessorSpec| Slot { spec, faults: Faults::default(), held_up: 0, device: None };
        let mut state = State {
            tree,
            slots: spec.processors.into_iter().map(slot).collect(),
            log: RecordLog::default(),
            readers: Readers::default(),
            dumps: Dumps::default(),
            class_path: String::new(),
            path_keeps_newline: spec.path_keeps_newline,
            kmsg: spec.kmsg,
            osrelease: spec.osrelease,
            boot_id: new_boot_id(),
            closing: false,
            character_devices: spec.character_devices,
            remoteproc: spec.remoteproc,
            last_device: 0,
        };
        state.plug_all();
        Machine { backing, state: Mutex::new(state), changed: Condvar::new() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets everybody in [`Machine::wait`] look again.
    pub(crate) fn notify(&self) {
        self.changed.notify_all();
    }

    /// Waits for a notification, at most `limit`.
    pub(crate) fn wait<'a>(
        &self,
        guard: MutexGuard<'a, State>,
        limit: Option<Duration>,
    ) -> MutexGuard<'a, State> {
        match limit {
            Some(limit) => self.changed.wait_timeout(guard, limit).unwrap_or_else(PoisonError::into_inner).0,
            None => self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Does `change` to the processor and lets the world see what came of it; ENODEV if the device
    /// is gone.
    pub(crate) fn with<T>(&self, id: DeviceId, change: impl FnOnce(&mut Processor) -> T) -> Result<T, Errno> {
        let mut state = self.lock();
        let slot = state.slot_of(id).ok_or(Errno::ENODEV)?;
        let device = state.slots[slot].device.as_mut().ok_or(Errno::ENODEV)?;
        let result = change(&mut device.processor);
        state.publish(slot);
        Ok(result)
    }

    /// Takes the board down: whoever waits is answered.
    pub(crate) fn close(&self) {
        self.lock().closing = true;
        self.notify();
    }
}

impl State {
    /// firmware_class.path as the kernel uses it. It reads as it was written in any case.
    pub(crate) fn class_path_used(&self) -> &str {
        match self.path_keeps_newline {
            true => &self.class_path,
            false => self.class_path.split('\n').next().unwrap_or_default(),
        }
    }

    /// The slot of a device that is still there.
    pub(crate) fn slot_of(&self, id: DeviceId) -> Option<usize> {
        self.slots.iter().position(|slot| slot.device.as_ref().is_some_and(|device| device.id == id))
    }

    pub(crate) fn device(&self, id: DeviceId) -> Option<&Device> {
        self.slots.iter().filter_map(|slot| slot.device.as_ref()).find(|device| device.id == id)
    }

    /// Plugs the processor of `slot` in as remoteproc`wanted`, or under the lowest free number.
    pub(crate) fn plug(&mut self, slot: usize, wanted: Option<u32>) -> Result<(), Errno> {
        if !self.remoteproc {
            return Err(Errno::ENODEV);
        }
        if self.slots[slot].device.is_some() {
            return Err(Errno::EBUSY);
        }
        let taken = |index: u32| {
            self.slots.iter().filter_map(|slot| slot.device.as_ref()).any(|device| device.index == index)
        };
        let index = match wanted {
            Some(index) if taken(index) => return Err(Errno::EBUSY),
            Some(index) => index,
            None => (0..).find(|&index| !taken(index)).unwrap_or_default(),
        };
        self.last_device += 1;
        let id = DeviceId(self.last_device);
        let spec = &self.slots[slot].spec;
        layout::plug(&mut self.tree, spec, index, id, self.character_devices);
        let processor = Processor::new(spec);
        self.slots[slot].device =
            Some(Device { id, index, processor, stops_on_release: false, mutex: Arc::default() });
        self.publish(slot);
        Ok(())
    }

    /// Takes the device of `slot` away, whatever it was doing.
    pub(crate) fn unplug(&mut self, slot: usize) {
        self.publish(slot);
        if let Some(device) = self.slots[slot].device.take() {
            layout::unplug(&mut self.tree, &self.slots[slot].spec, device.index);
        }
    }

    fn plug_all(&mut self) {
        for slot in 0..self.slots.len() {
            // Nothing is plugged in yet, so the number is free; without remoteproc nothing ever is.
            self.plug(slot, u32::try_from(slot).ok()).ok();
        }
    }

    /// Power off and on: new devices, a new boot id, an empty log. Faults stay as they are set.
    pub(crate) fn reboot(&mut self) {
        self.forget_dumps();
        for slot in 0..self.slots.len() {
            self.unplug(slot);
        }
        self.log.clear();
        self.readers.wake(&self.log);
        self.boot_id = new_boot_id();
        self.class_path.clear();
        self.plug_all();
    }

    /// Logs what the processor of `slot` said, and shows the trace buffers it has now.
    pub(crate) fn publish(&mut self, slot: usize) {
        let Some(device) = self.slots[slot].device.as_mut() else { return };
        let (index, id, traces) = (device.index, device.id, device.processor.traces());
        for line in device.processor.take_lines() {
            self.log_line(slot, index, line);
        }
        layout::traces(&mut self.tree, index, id, traces);
        self.readers.wake(&self.log);
    }

    fn log_line(&mut self, slot: usize, index: u32, line: Line) {
        let Line { level, origin, text } = line;
        let spec = &self.slots[slot].spec;
        let (subsystem, device, who) = match origin {
            Origin::Remoteproc => {
                let device = format!("remoteproc{index}");
                ("remoteproc", device.clone(), format!("remoteproc {device}"))
            }
            Origin::Parent => {
                let device = spec.device_name().to_owned();
                ("platform", device.clone(), format!("{} {device}", spec.driver))
            }
        };
        let subject = Subject { subsystem, device: &device };
        self.log.append(u32::from(level), uptime_usec(), &format!("{who}: {text}"), Some(subject));
    }

    /// Appends a line as the kernel itself does.
    pub(crate) fn log_as_kernel(&mut self, text: &str) {
        const INFO: u32 = 6;
        self.log.append(INFO, uptime_usec(), text, None);
        self.readers.wake(&self.log);
    }

    /// Appends what a program wrote to the log.
    pub(crate) fn log_written(&mut self, bytes: &[u8]) {
        self.log.append_written(uptime_usec(), bytes);
        self.readers.wake(&self.log);
    }

    /// The state of core `number` of the cluster, if the board has it.
    pub(crate) fn core_state(&self, cluster: u32, number: u32) -> Option<ProcessorState> {
        self.slots
            .iter()
            .filter(|slot| {
                slot.spec.core.is_some_and(|core| core.cluster == cluster && core.number == number)
            })
            .find_map(|slot| slot.device.as_ref())
            .map(|device| device.processor.state())
    }
}

/// Microseconds on the clock the kernel stamps its log with, near enough.
fn uptime_usec() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000 + now.tv_nsec.unsigned_abs() / 1000
}

/// A random UUID, made by the real kernel.
fn new_boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/uuid").map_or_else(
        |_| format!("00000000-0000-4000-8000-{:012x}", uptime_usec()),
        |id| id.trim_end().to_owned(),
    )
}
