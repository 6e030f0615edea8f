//! The kernel's own interfaces: signals, processes, files, terminals, error numbers, the clock.

pub mod clock;
pub mod errno;
pub mod files;
pub mod own;
pub mod process;
pub mod signals;
pub mod sorted;
pub mod terminal;
