//! JSON that is read property by property, and made piece by piece: what derive and macros would write for each object is
//! several times the code.

mod read;
mod write;

pub use read::{Object, Problem, Result};
pub use write::{harmless, lines, object, path, quoted, text, texts};
