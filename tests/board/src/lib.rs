//! A board with remoteproc processors, simulated as a FUSE file system.
//!
//! A [`Board`] stands for a machine's root directory: its sysfs, debugfs, kernel log and device
//! tree behave as a real kernel's remoteproc does, down to errnos, log lines and oddities. Faults
//! are made by writing to files below `board/`. See README.md for all of them.

mod board;
mod boards;
mod character_device;
mod content;
mod core_dump;
mod devcoredump;
mod device_tree;
mod elf;
mod errno;
mod error;
mod filesystem;
mod firmware_builder;
mod interrupts;
mod kmsg;
mod layout;
mod machine;
mod memory;
mod operations;
mod processor;
mod processor_spec;
mod readers;
mod request_firmware;
mod resource;
mod spec;
mod tree;
mod turns;

pub use board::Board;
pub use error::BoardError;
pub use firmware_builder::FirmwareBuilder;
pub use memory::Window;
pub use processor_spec::{Dumped, ProcessorSpec};
pub use spec::{BoardSpec, KmsgMode, ProcessorState};
