//! Remote processors as the kernel shows them in sysfs; the only writer of sysfs.

mod attributes;
mod claim;
mod control;
mod kmsg;
mod processor;
mod shutdown;

pub use attributes::{Attributes, Coredump, ProcessorState, Recovery, firmware_name};
pub use claim::{Claim, Held};
pub use control::{BootFailure, Refusal, Step, boot, bring_back, stop};
pub use kmsg::{KernelLog, RECORD, Record, is_about, message};
pub use processor::{Identity, Processor};
pub use shutdown::ShutdownOnRelease;
