//! Firmware: what is in it, whether a processor takes it, and where it is kept for the kernel.

mod bytes;
mod elf;
mod fit;
mod image;
mod resource_table;
mod span;
mod store;
#[cfg(test)]
mod tests;
mod windows;

pub use elf::{Elf, Section, Segment};
pub use fit::{Examination, Finding, Level, examine};
pub use image::FirmwareImage;
pub use resource_table::{Entry, ResourceTable};
pub use span::{Address, Span};
pub use store::{Boot, FirmwareDirectory, PART, StoredFirmware, sweep, unneeded};
// For tests/fuzz.
#[doc(hidden)]
pub use store::{boot_mark_of, shorten};
pub use windows::{span as window_span, used};
