//! `/dev/remoteprocN` (drivers/remoteproc/remoteproc_cdev.c): the words of `state`, and a processor that stops when
//! whoever holds the file lets go of it.

use std::sync::Arc;

use fuser::Errno;

use crate::machine::Machine;
use crate::spec::ProcessorState;
use crate::tree::DeviceId;

/// `RPROC_SET_SHUTDOWN_ON_RELEASE` and `RPROC_GET_SHUTDOWN_ON_RELEASE` (include/uapi/linux/remoteproc_cdev.h).
const SET: u32 = 0x4004_b701;
const GET: u32 = 0x8004_b702;

impl Machine {
    /// An ioctl; what it gives back.
    pub(crate) fn control_device(
        &self,
        id: DeviceId,
        command: u32,
        argument: &[u8],
    ) -> Result<Vec<u8>, Errno> {
        let mut state = self.lock();
        let slot = state.slot_of(id).ok_or(Errno::ENODEV)?;
        let device = state.slots[slot].device.as_mut().ok_or(Errno::ENODEV)?;
        match command {
            SET => {
                let argument = argument.first_chunk().ok_or(Errno::EFAULT)?;
                device.stops_on_release = i32::from_ne_bytes(*argument) != 0;
                Ok(Vec::new())
            }
            GET => Ok(i32::from(device.stops_on_release).to_ne_bytes().to_vec()),
            _ => Err(Errno::EINVAL),
        }
    }

    /// A holder has let go (`rproc_cdev_release`).
    pub(crate) fn release_device(self: &Arc<Self>, id: DeviceId) {
        let state = {
            let state = self.lock();
            state.device(id).filter(|device| device.stops_on_release).map(|device| device.processor.state())
        };
        let word = match state {
            Some(ProcessorState::Running) => "stop",
            Some(ProcessorState::Attached) => "detach",
            _ => return,
        };
        let machine = Arc::clone(self);
        // As any operation it may take its time. Nobody hears its result.
        std::thread::Builder::new().name("release".into()).spawn(move || machine.write_state(id, word)).ok();
    }
}
