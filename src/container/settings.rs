//! ROOT/ID/settings: a link whose target says what the container changes of its processor's settings. One call makes it,
//! before the first change, so that whoever finds the container without a proxy can put them back.

use std::os::fd::AsFd;

use heapless::String;
use rustix::fs::AtFlags;
use rustix::io::{Errno, Result};

use crate::remoteproc::{Attributes, Note, ProcessorState, Refusal, Step};

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

/// The same if the processor is offline; where it is gone, its settings went with it. Of one that is left crashed, or that
/// cannot be read, the note stays for whoever brings it back. Allocates nothing.
///
/// # Errors
/// [`Refusal`]; then the note stays.
pub fn settle_settings(
    container: impl AsFd,
    note: &Note,
    processor: &Attributes,
) -> std::result::Result<(), Refusal> {
    match processor.state() {
        Ok(ProcessorState::Offline) => restore_settings(container, note, processor),
        Ok(ProcessorState::Deleted) | Err(Errno::NODEV | Errno::NOENT) => {
            forget_settings(container);
            Ok(())
        }
        Ok(_) => Ok(()),
        Err(errno) => Err(Refusal { step: Step::ReadState, errno }),
    }
}

/// Forgets the note: there is nothing to put back.
fn forget_settings(container: impl AsFd) {
    // One that is not there needs no forgetting, and one that stays does no harm: what reads otherwise is left alone.
    let _ = rustix::fs::unlinkat(container, SETTINGS, AtFlags::empty());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remoteproc::{Change, Recovery};

    /// A processor with this `state`, a pipe for one that cannot be read, and a container that disabled its recovery.
    fn settled(state: Option<&str>) -> (Option<Errno>, std::string::String, bool) {
        let dir = tempfile::tempdir().unwrap();
        let directory = crate::sys::files::open_directory(dir.path()).unwrap();
        let path = |name| dir.path().join(name);
        match state {
            Some(word) => std::fs::write(path("state"), word).unwrap(),
            None => rustix::fs::mkfifoat(&directory, "state", rustix::fs::Mode::RWXU).unwrap(),
        }
        std::fs::write(path("firmware"), "x\n").unwrap();
        std::fs::write(path("recovery"), "disabled").unwrap();
        let change = Change { before: Recovery::Enabled, ours: Recovery::Disabled };
        let note = Note { recovery: Some(change), ..Note::default() };
        note_settings(&directory, &note).unwrap();
        let refused = settle_settings(&directory, &note, &Attributes::open(dir.path()).unwrap()).err();
        let recovery = std::fs::read_to_string(path("recovery")).unwrap();
        let noted = noted_settings(&directory).unwrap() == Some(note);
        (refused.map(|refusal| refusal.errno), recovery, noted)
    }

    #[test]
    fn settings_are_noted_until_they_are_known_to_be_put_back_or_gone() {
        // An ordinary file keeps what is longer.
        assert_eq!(settled(Some("offline")), (None, "enabledd".to_owned(), false));
        assert_eq!(settled(Some("deleted")), (None, "disabled".to_owned(), false));
        assert_eq!(settled(Some("crashed")), (None, "disabled".to_owned(), true));
        assert_eq!(settled(None), (Some(Errno::SPIPE), "disabled".to_owned(), true));
    }
}
