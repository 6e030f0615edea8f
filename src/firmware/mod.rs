//! Firmware: what this kernel would take, and where it is kept for it.

mod elf;
mod image;
mod store;

pub use image::FirmwareImage;
pub use store::{FirmwareDirectory, StoredFirmware, sweep};
