//! ROOT/ID/settings: a link whose target says what the container changes of its processor's settings. One call makes it,
//! before the first change, so that whoever finds the container without a proxy can put them back.

use std::os::fd::AsFd;

use heapless::String;
use rustix::fs::AtFlags;
use rustix::io::{Errno, Result};

use crate::remoteproc::{Attributes, Note, Refusal};

/// Its name in the container's directory.
pub(super) const SETTINGS: &str = "settings";

/// The longest note, in bytes.
const LENGTH: usize = 96;

/// Notes what is about to be changed; nothing where there is nothing.
///
/// # Errors
/// What the file system says.
pub fn note_settings(container: impl AsFd, note: &Note) -> Result<()> {
    use std::fmt::Write;
    if note.is_empty() {
        return Ok(());
    }
    let mut text: String<LENGTH> = String::new();
    // The longest has 69.
    let _ = write!(text, "{note}");
    rustix::fs::symlinkat(text.as_str(), container, SETTINGS)
}

/// What is noted; nothing also where nobody can have noted that.
///
/// # Errors
/// What the file system says: then nobody knows what is to be put back.
pub fn noted_settings(container: impl AsFd) -> Result<Option<Note>> {
    match rustix::fs::readlinkat(container, SETTINGS, Vec::new()) {
        Ok(text) => Ok(text.to_str().ok().and_then(Note::parse)),
        // No note, or no link.
        Err(Errno::NOENT | Errno::INVAL) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Puts the settings of a processor that is offline back, and forgets the note. Allocates nothing.
///
/// # Errors
/// [`Refusal`]; then the note stays for whoever tries again.
pub fn restore_settings(
    container: impl AsFd,
    note: &Note,
    processor: &Attributes,
) -> std::result::Result<(), Refusal> {
    note.restore(processor)?;
    forget_settings(container);
    Ok(())
}

/// Forgets the note: there is nothing to put back.
pub fn forget_settings(container: impl AsFd) {
    // One that is not there needs no forgetting, and one that stays does no harm: what reads otherwise is left alone.
    let _ = rustix::fs::unlinkat(container, SETTINGS, AtFlags::empty());
}
