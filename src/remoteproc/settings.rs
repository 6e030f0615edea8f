//! What a container changes of a processor's settings for as long as its firmware runs: what it found is noted before,
//! and put back after. Nothing here allocates, but for reading a note.
//!
//! Two rules come from drivers/remoteproc/remoteproc_sysfs.c: `coredump` cannot be written while the processor is
//! crashed, and `enabled` written to the `recovery` of a crashed one recovers it at once. So both are written only to a
//! processor that is not crashed.

use std::fmt;

use rustix::io::Errno;

use super::attributes::{Attributes, Coredump, Recovery};
use super::control::{Refusal, Step, step};

/// The settings that a container asks for; what is `None` stays as it is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Settings {
    /// Of the attribute `recovery`.
    pub recovery: Option<Recovery>,
    /// Of the attribute `coredump`.
    pub coredump: Option<Coredump>,
}

impl Settings {
    /// Whether the kernel is asked for dumps, which are then the container's.
    pub fn wants_dumps(&self) -> bool {
        matches!(self.coredump, Some(Coredump::Enabled | Coredump::Inline))
    }
}

/// A setting that is changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Change<T> {
    /// What it was.
    pub before: T,
    /// What the container makes of it.
    pub ours: T,
}

/// What a container changes, and from which dump on dumps are its own. Written as
/// `recovery=enabled>disabled,coredump=disabled>inline,dumps>7`, each part only where it is needed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Note {
    /// Of the attribute `recovery`.
    pub recovery: Option<Change<Recovery>>,
    /// Of the attribute `coredump`.
    pub coredump: Option<Change<Coredump>>,
    /// The last dump of before, where the container asks for dumps: 0 for none.
    pub dumps: Option<u32>,
}

impl Note {
    /// What is to be changed for `wanted`: only what reads otherwise.
    ///
    /// # Errors
    /// [`Refusal`] of [`Step::Recovery`] or [`Step::Coredump`] when it cannot be read.
    pub fn of(processor: &Attributes, wanted: Settings) -> Result<Self, Refusal> {
        let recovery = wanted
            .recovery
            .map(|ours| step(Step::Recovery, processor.recovery()).map(|before| Change { before, ours }));
        let coredump = wanted
            .coredump
            .map(|ours| step(Step::Coredump, processor.coredump()).map(|before| Change { before, ours }));
        Ok(Self {
            recovery: recovery.transpose()?.filter(|change| change.before != change.ours),
            coredump: coredump.transpose()?.filter(|change| change.before != change.ours),
            dumps: None,
        })
    }

    /// Whether there is nothing to note.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Makes the changes.
    ///
    /// # Errors
    /// [`Refusal`]; some may be made.
    pub fn apply(&self, processor: &Attributes) -> Result<(), Refusal> {
        if let Some(change) = self.coredump {
            step(Step::Coredump, processor.write_coredump(change.ours))?;
        }
        if let Some(change) = self.recovery {
            step(Step::Recovery, processor.write_recovery(change.ours.word()))?;
        }
        Ok(())
    }

    /// Takes them back on a processor that is offline. What reads otherwise than the container made it was changed by
    /// somebody else meanwhile, or is new with its device, and stays.
    ///
    /// # Errors
    /// The first [`Refusal`]; the others are tried all the same.
    pub fn restore(&self, processor: &Attributes) -> Result<(), Refusal> {
        let coredump = self.restore_coredump(processor);
        coredump.and(self.restore_recovery(processor))
    }

    fn restore_recovery(&self, processor: &Attributes) -> Result<(), Refusal> {
        match self.recovery {
            Some(change) if reads(Step::Recovery, processor.recovery(), change.ours)? => {
                step(Step::Recovery, processor.write_recovery(change.before.word()))
            }
            _ => Ok(()),
        }
    }

    /// Takes back that of `coredump` alone.
    ///
    /// # Errors
    /// [`Refusal`], with `EBUSY` for a processor that is crashed.
    pub fn restore_coredump(&self, processor: &Attributes) -> Result<(), Refusal> {
        match self.coredump {
            Some(change) if reads(Step::Coredump, processor.coredump(), change.ours)? => {
                step(Step::Coredump, processor.write_coredump(change.before))
            }
            _ => Ok(()),
        }
    }

    /// Reads a note; `None` for what is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut note = Self::default();
        for part in text.split(',') {
            let (left, ours) = part.split_once('>')?;
            match left.split_once('=') {
                Some(("recovery", before)) => {
                    note.recovery = Some(Change {
                        before: Recovery::from_word(before)?,
                        ours: Recovery::from_word(ours)?,
                    });
                }
                Some(("coredump", before)) => {
                    note.coredump = Some(Change {
                        before: Coredump::from_word(before)?,
                        ours: Coredump::from_word(ours)?,
                    });
                }
                None if left == "dumps" => note.dumps = Some(ours.parse().ok()?),
                _ => return None,
            }
        }
        Some(note)
    }
}

/// Whether a setting is still what we made it. Those of a device that is gone went with it.
fn reads<T: PartialEq>(what: Step, now: rustix::io::Result<T>, ours: T) -> Result<bool, Refusal> {
    match now {
        Err(Errno::NODEV) => Ok(false),
        now => Ok(step(what, now)? == ours),
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        if let Some(Change { before, ours }) = self.recovery {
            write!(f, "recovery={}>{}", before.word(), ours.word())?;
            comma = ",";
        }
        if let Some(Change { before, ours }) = self.coredump {
            write!(f, "{comma}coredump={}>{}", before.word(), ours.word())?;
            comma = ",";
        }
        match self.dumps {
            Some(number) => write!(f, "{comma}dumps>{number}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn processor(values: &[(&str, &str)]) -> (tempfile::TempDir, Attributes) {
        let dir = tempfile::tempdir().unwrap();
        for (name, value) in [("state", "offline\n"), ("firmware", "x\n")].iter().chain(values) {
            std::fs::write(dir.path().join(name), value).unwrap();
        }
        let attributes = Attributes::open(dir.path()).unwrap();
        (dir, attributes)
    }

    const WANTED: Settings =
        Settings { recovery: Some(Recovery::Disabled), coredump: Some(Coredump::Inline) };

    #[test]
    fn notes_come_back_as_they_were_written() {
        let recovery = Some(Change { before: Recovery::Enabled, ours: Recovery::Disabled });
        let coredump = Some(Change { before: Coredump::Disabled, ours: Coredump::Inline });
        for (note, text) in [
            (
                Note { recovery, coredump, dumps: Some(7) },
                "recovery=enabled>disabled,coredump=disabled>inline,dumps>7",
            ),
            (Note { recovery, ..Note::default() }, "recovery=enabled>disabled"),
            (Note { coredump, dumps: Some(0), ..Note::default() }, "coredump=disabled>inline,dumps>0"),
            (Note { dumps: Some(u32::MAX), ..Note::default() }, "dumps>4294967295"),
        ] {
            assert_eq!((note.to_string().as_str(), Note::parse(text)), (text, Some(note)));
        }
        for nothing in
            ["", "recovery", "recovery=enabled", "recovery=on>off", "dumps>", "dumps>-1", "x=1>2", "dumps>1,"]
        {
            assert_eq!(Note::parse(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn what_is_there_already_is_not_changed() {
        let (_dir, attributes) = processor(&[("recovery", "disabled\n"), ("coredump", "inline\n")]);
        assert!(Note::of(&attributes, WANTED).unwrap().is_empty());
        assert!(Note::of(&attributes, Settings::default()).unwrap().is_empty());
    }

    #[test]
    fn changes_are_taken_back_unless_somebody_else_changed_it_since() {
        let (dir, attributes) = processor(&[("recovery", "enabled\n"), ("coredump", "enabled\n")]);
        let note = Note::of(&attributes, WANTED).unwrap();
        // An attribute takes each write as a value of its own, an ordinary file does not.
        let set = |name: &str, value: &str| std::fs::write(dir.path().join(name), value).unwrap();
        let get = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        set("recovery", "");
        set("coredump", "");
        note.apply(&attributes).unwrap();
        assert_eq!((get("recovery").as_str(), get("coredump").as_str()), ("disabled", "inline"));
        set("coredump", "disabled\n");
        note.restore(&attributes).unwrap();
        assert_eq!((&get("recovery")[..7], get("coredump").as_str()), ("enabled", "disabled\n"));
    }

    #[test]
    fn a_kernel_without_the_attributes_refuses() {
        let (_dir, attributes) = processor(&[]);
        let coredump = Note::of(&attributes, WANTED).unwrap_err();
        assert_eq!((coredump.step, coredump.errno), (Step::Coredump, Errno::NOENT));
        let wanted = Settings { coredump: None, ..WANTED };
        let recovery = Note::of(&attributes, wanted).unwrap().apply(&attributes).unwrap_err();
        assert_eq!((recovery.step, recovery.errno), (Step::Recovery, Errno::NOENT));
        // What it does by itself is no change.
        let enabled = Settings { recovery: Some(Recovery::Enabled), coredump: None };
        assert!(Note::of(&attributes, enabled).unwrap().is_empty());
    }
}
