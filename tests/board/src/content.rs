//! What files show, and what a write to one asks for.

use std::sync::Arc;
use std::time::Duration;

use fuser::Errno;

use crate::errno;
use crate::layout;
use crate::machine::{Faults, Machine, Slot, State};
use crate::spec::{KmsgMode, ProcessorState};
use crate::tree::{Attribute, Control, DeviceId, File};

/// The longest firmware_class.path (drivers/base/firmware_loader/main.c).
const CLASS_PATH_MAX: usize = 255;

impl State {
    /// What a read of `file` finds; EINVAL for files that are only written.
    pub(crate) fn show(&self, file: &File) -> Result<Vec<u8>, Errno> {
        match file {
            File::Fixed(content) => Ok(content.clone()),
            File::BootId => Ok(line(&self.boot_id)),
            File::ClassPath => Ok(line(&self.class_path)),
            File::Device(id, attribute) => self.show_attribute(*id, *attribute),
            File::Control(slot, control) => self.show_control(&self.slots[*slot], *control),
            File::KmsgMode => Ok(line(match self.kmsg {
                KmsgMode::On => "on",
                KmsgMode::Off => "off",
                KmsgMode::Denied => "denied",
            })),
            File::DumpsDisabled => Ok(line(if self.dumps_disabled() { "1" } else { "0" })),
            File::Dump(_)
            | File::Kmsg
            | File::Printk
            | File::CharacterDevice(_)
            | File::Bind
            | File::Unbind
            | File::Reboot => Err(Errno::EINVAL),
        }
    }

    fn show_attribute(&self, id: DeviceId, attribute: Attribute) -> Result<Vec<u8>, Errno> {
        let processor = &self.device(id).ok_or(Errno::ENODEV)?.processor;
        match attribute {
            Attribute::Name => Ok(line(processor.name())),
            Attribute::State => Ok(line(processor.state().word())),
            Attribute::Firmware => Ok(line(processor.firmware())),
            Attribute::Recovery => Ok(line(processor.recovery())),
            Attribute::Coredump => Ok(line(processor.coredump())),
            Attribute::Uevent => Ok(line("DEVTYPE=remoteproc")),
            Attribute::Crash => Err(Errno::EINVAL),
            Attribute::ResourceTable => Ok(processor.resource_table().into_bytes()),
            Attribute::Carveouts => Ok(Vec::new()),
            Attribute::Trace(index) => processor.trace(index).map(<[u8]>::to_vec).ok_or(Errno::ENODEV),
        }
    }

    fn show_control(&self, slot: &Slot, control: Control) -> Result<Vec<u8>, Errno> {
        let Faults {
            start_error,
            stop_error,
            start_delay,
            stop_delay,
            recovery_delay,
            start_hangs,
            stop_hangs,
            firmware_hangs,
            look_hangs,
            ref crashes,
            crash_at_look,
            dump_size,
        } = slot.faults;
        let name = |errno: Option<Errno>| line(errno.map_or("", errno::name_of));
        let ms = |delay: Duration| line(&delay.as_millis().to_string());
        let switch = |on: bool| line(if on { "1" } else { "0" });
        match control {
            Control::StartError => Ok(name(start_error)),
            Control::StopError => Ok(name(stop_error)),
            Control::StartDelay => Ok(ms(start_delay)),
            Control::StopDelay => Ok(ms(stop_delay)),
            Control::RecoveryDelay => Ok(ms(recovery_delay)),
            Control::StartHangs => Ok(switch(start_hangs)),
            Control::StopHangs => Ok(switch(stop_hangs)),
            Control::FirmwareHangs => Ok(switch(firmware_hangs)),
            Control::LookHangs => Ok(switch(look_hangs)),
            Control::Crashes => Ok(line(crashes)),
            Control::CrashAtLook => Ok(switch(crash_at_look)),
            Control::HeldUp => Ok(line(&slot.held_up.to_string())),
            Control::DumpSize => Ok(line(&dump_size.to_string())),
            Control::Plug => Ok(match &slot.device {
                Some(device) => line(&format!("remoteproc{}", device.index)),
                None => line("out"),
            }),
            Control::State | Control::References => {
                let processor = &slot.device.as_ref().ok_or(Errno::ENODEV)?.processor;
                Ok(match control {
                    Control::State => line(processor.state().word()),
                    _ => line(&processor.power().to_string()),
                })
            }
            Control::Crash | Control::Trace | Control::DumpExpired => Err(Errno::EINVAL),
        }
    }

    fn write_class_path(&mut self, text: &str) -> Result<(), Errno> {
        if text.len() > CLASS_PATH_MAX {
            return Err(Errno::ENOSPC);
        }
        self.class_path = text.into();
        Ok(())
    }
}

/// Whether a write to `file` may take its time, and so needs a thread of its own.
pub(crate) fn is_slow(file: &File) -> bool {
    matches!(
        file,
        File::Device(..)
            | File::CharacterDevice(_)
            | File::Bind
            | File::Unbind
            | File::Control(_, Control::Plug)
    )
}

impl Machine {
    /// A write of `bytes` to `file`.
    pub(crate) fn store(self: &Arc<Self>, file: &File, bytes: &[u8]) -> Result<(), Errno> {
        let text = String::from_utf8_lossy(bytes);
        // Words may end with one newline, as for sysfs_streq.
        let word = text.strip_suffix('\n').unwrap_or(&text);
        match file {
            File::Fixed(_) => Ok(()),
            File::BootId => Err(Errno::EINVAL),
            File::ClassPath => self.lock().write_class_path(&text),
            File::Kmsg => {
                self.lock().log_written(bytes);
                Ok(())
            }
            File::Printk => {
                self.lock().log_as_kernel(word);
                Ok(())
            }
            File::Device(id, attribute) => self.store_attribute(*id, *attribute, word, &text),
            File::CharacterDevice(id) => self.write_state(*id, word),
            File::Bind => self.plug_by_name(word, |machine, slot| machine.lock().plug(slot, None)),
            File::Unbind => self.plug_by_name(word, Self::unplug),
            File::Control(slot, control) => self.store_control(*slot, *control, word, bytes),
            File::Dump(number) => {
                self.free_dump(*number);
                Ok(())
            }
            File::DumpsDisabled => self.disable_dumps(word),
            File::Reboot => {
                self.lock().reboot();
                self.notify();
                Ok(())
            }
            File::KmsgMode => self.store_kmsg_mode(word),
        }
    }

    fn store_attribute(
        self: &Arc<Self>,
        id: DeviceId,
        attribute: Attribute,
        word: &str,
        text: &str,
    ) -> Result<(), Errno> {
        match attribute {
            Attribute::State => self.write_state(id, word),
            Attribute::Firmware => self.write_firmware(id, text),
            Attribute::Recovery => self.write_recovery(id, word),
            Attribute::Coredump => self.write_coredump(id, word),
            Attribute::Crash => self.crash(id, word.trim().parse().map_err(|_| Errno::EINVAL)?),
            Attribute::Uevent => Ok(()),
            Attribute::Name | Attribute::ResourceTable | Attribute::Carveouts | Attribute::Trace(_) => {
                Err(Errno::EINVAL)
            }
        }
    }

    fn store_control(
        self: &Arc<Self>,
        slot: usize,
        control: Control,
        word: &str,
        bytes: &[u8],
    ) -> Result<(), Errno> {
        match control {
            Control::Plug => self.store_plug(slot, word),
            Control::Crash => {
                let id = self.device_in(slot)?;
                self.crash(id, word.trim().parse().map_err(|_| Errno::EINVAL)?)
            }
            Control::Trace => {
                let written = self.with(self.device_in(slot)?, |processor| processor.append_trace(bytes))?;
                if written { Ok(()) } else { Err(Errno::EINVAL) }
            }
            Control::State => {
                let state = ProcessorState::from_word(word).ok_or(Errno::EINVAL)?;
                self.with(self.device_in(slot)?, |processor| processor.force(state))
            }
            Control::References | Control::HeldUp => Err(Errno::EINVAL),
            Control::DumpExpired => {
                self.expire_dump(self.device_in(slot)?);
                Ok(())
            }
            _ => {
                set_fault(&mut self.lock().slots[slot].faults, control, word)?;
                self.notify();
                Ok(())
            }
        }
    }

    /// `0` or `out`, `1` or `in`, or the name to come back under.
    fn store_plug(&self, slot: usize, word: &str) -> Result<(), Errno> {
        match word {
            "0" | "out" => self.unplug(slot),
            "1" | "in" => self.lock().plug(slot, None),
            _ => {
                let index = word.strip_prefix("remoteproc").and_then(|index| index.parse().ok());
                self.lock().plug(slot, Some(index.ok_or(Errno::EINVAL)?))
            }
        }
    }

    fn unplug(&self, slot: usize) -> Result<(), Errno> {
        self.remove(self.device_in(slot)?)
    }

    /// Finds the slot of the platform device `name` for a driver's `bind` or `unbind`.
    fn plug_by_name(
        &self,
        name: &str,
        change: impl Fn(&Self, usize) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let slot = self.lock().slots.iter().position(|slot| slot.spec.device_name() == name);
        change(self, slot.ok_or(Errno::ENODEV)?)
    }

    fn device_in(&self, slot: usize) -> Result<DeviceId, Errno> {
        self.lock().slots[slot].device.as_ref().map(|device| device.id).ok_or(Errno::ENODEV)
    }

    fn store_kmsg_mode(&self, word: &str) -> Result<(), Errno> {
        let mode = match word {
            "on" => KmsgMode::On,
            "off" => KmsgMode::Off,
            "denied" => KmsgMode::Denied,
            _ => return Err(Errno::EINVAL),
        };
        let mut state = self.lock();
        state.kmsg = mode;
        layout::kmsg(&mut state.tree, mode);
        Ok(())
    }
}

fn set_fault(faults: &mut Faults, control: Control, word: &str) -> Result<(), Errno> {
    let error = || match word {
        "" => Ok(None),
        name => errno::by_name(name).map(Some).ok_or(Errno::EINVAL),
    };
    let delay = || word.parse().map(Duration::from_millis).map_err(|_| Errno::EINVAL);
    let switch = || match word {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err(Errno::EINVAL),
    };
    match control {
        Control::StartError => faults.start_error = error()?,
        Control::StopError => faults.stop_error = error()?,
        Control::StartDelay => faults.start_delay = delay()?,
        Control::StopDelay => faults.stop_delay = delay()?,
        Control::RecoveryDelay => faults.recovery_delay = delay()?,
        Control::StartHangs => faults.start_hangs = switch()?,
        Control::StopHangs => faults.stop_hangs = switch()?,
        Control::FirmwareHangs => faults.firmware_hangs = switch()?,
        Control::LookHangs => faults.look_hangs = switch()?,
        Control::Crashes => word.clone_into(&mut faults.crashes),
        Control::CrashAtLook => faults.crash_at_look = switch()?,
        Control::DumpSize => faults.dump_size = word.parse().map_err(|_| Errno::EINVAL)?,
        _ => return Err(Errno::EINVAL),
    }
    Ok(())
}

fn line(text: &str) -> Vec<u8> {
    format!("{text}\n").into_bytes()
}
