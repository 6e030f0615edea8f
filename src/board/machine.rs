//! ELF machines of auxiliary processors (include/uapi/linux/elf-em.h, and the ELF registry where Linux has none).

use std::fmt;

/// `e_machine`. The kernel does not look at it when it loads a firmware.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Machine(pub u16);

/// Those with a name that profiles use.
const NAMES: [(u16, &str); 7] = [
    (40, "arm"),
    (94, "xtensa"),
    (140, "ti-c6000"),
    (144, "ti-pru"),
    (183, "aarch64"),
    (189, "microblaze"),
    (243, "riscv"),
];

impl Machine {
    /// The machine of a name.
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, known)| *known == name).map(|(number, _)| Self(*number))
    }

    /// All names, for whoever wrote another.
    pub(super) fn names() -> String {
        NAMES.map(|(_, name)| name).join(", ")
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(number, _)| *number == self.0) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "machine {}", self.0),
        }
    }
}
