//! Remote processors as the kernel shows them in sysfs; the only writer of sysfs.

mod attributes;
mod claim;
mod control;
mod dump;
mod kmsg;
mod processor;
mod settings;
mod shutdown;
mod trace;

pub use attributes::{Attributes, Coredump, ProcessorState, Recovery, firmware_name, recovers};
// For tests/fuzz.
#[doc(hidden)]
pub use claim::find_holder;
pub use claim::{Claim, Held, holder_of};
pub use control::{BootFailure, Refusal, Step, boot, bring_back, make_ready, stop};
pub use dump::{Copied, Dump, Dumps};
pub use kmsg::{KernelLog, RECORD, Record, is_about, message};
pub use processor::{Identity, Processor};
pub use settings::{Change, Note, Settings};
pub use shutdown::ShutdownOnRelease;
pub use trace::Traces;
// For tests/fuzz.
#[doc(hidden)]
pub use trace::news;
