//! Boards: what is known of them and their processors beyond what the kernel shows.

mod find;
mod machine;
mod order;
mod profile;
mod read;
mod reserved;
mod resolve;
mod rules;
mod toml;

pub use find::{Board, Candidate, Origin, candidates, compatible, find};
pub use machine::Machine;
pub use order::Order;
pub use profile::{BoardProfile, ProcessorProfile, Window};
pub use read::read;
pub use reserved::{Region, reserved};
pub use resolve::{Target, resolve};
