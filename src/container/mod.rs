//! Containers as they lie in the state directory, and what they are now.

mod id;
mod record;
mod status;
mod store;

pub use id::ContainerId;
pub use record::{ProxyProcess, Record};
pub use status::{Phase, Status};
pub use store::{Container, KILL_FIFO, START_FIFO, Seen, Store, is_recorded};
