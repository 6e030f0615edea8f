//! Containers as they lie in the state directory, and what they are now.

mod directory;
mod evidence;
mod id;
mod record;
mod settings;
mod status;
mod store;
mod trust;

pub use directory::{Container, KILL_FIFO, START_FIFO, Seen, is_noted_stopped, is_recorded, note_stopped};
pub use evidence::{COREDUMP, TRACE, keep, keep_trace, kept_trace};
pub use id::ContainerId;
pub use record::{ProxyProcess, Record, STOP_TIMEOUT};
pub use settings::{note_settings, noted_settings, restore_settings, settle_settings};
pub use status::{Phase, Status};
pub use store::Store;
