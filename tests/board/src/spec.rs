//! What a board is made of: its name, its kernel, its processors.

use crate::processor_spec::ProcessorSpec;

/// The states a processor can be in (drivers/remoteproc/remoteproc_sysfs.c).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessorState {
    /// Not powered.
    Offline,
    /// Asleep.
    Suspended,
    /// Runs what the kernel loaded.
    Running,
    /// Has crashed and was not recovered.
    Crashed,
    /// Runs what somebody else loaded, watched by the kernel.
    Attached,
    /// Runs what somebody else loaded, the kernel keeps away.
    Detached,
}

impl ProcessorState {
    const ALL: [ProcessorState; 6] = [
        ProcessorState::Offline,
        ProcessorState::Suspended,
        ProcessorState::Running,
        ProcessorState::Crashed,
        ProcessorState::Attached,
        ProcessorState::Detached,
    ];

    /// The word the `state` file shows.
    pub(crate) fn word(self) -> &'static str {
        match self {
            ProcessorState::Offline => "offline",
            ProcessorState::Suspended => "suspended",
            ProcessorState::Running => "running",
            ProcessorState::Crashed => "crashed",
            ProcessorState::Attached => "attached",
            ProcessorState::Detached => "detached",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// Whether the board has a kernel log to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KmsgMode {
    /// `dev/kmsg` is there.
    On,
    /// `dev/kmsg` does not exist.
    Off,
    /// `dev/kmsg` exists, opening it gives EPERM, as under kernel.dmesg_restrict.
    Denied,
}

/// A whole board.
#[derive(Clone, Debug)]
pub struct BoardSpec {
    pub(crate) model: String,
    pub(crate) compatible: Vec<String>,
    /// How many cells of four bytes an address in the device tree has.
    pub(crate) cells: u32,
    pub(crate) osrelease: String,
    pub(crate) path_keeps_newline: bool,
    pub(crate) kmsg: KmsgMode,
    pub(crate) character_devices: bool,
    pub(crate) debugfs: bool,
    pub(crate) remoteproc: bool,
    pub(crate) firmware_class_path: bool,
    pub(crate) processors: Vec<ProcessorSpec>,
}

impl BoardSpec {
    /// A board without processors; `compatible` is its device tree's list, most specific first.
    pub fn new(model: &str, compatible: &[&str]) -> Self {
        BoardSpec {
            model: model.into(),
            compatible: compatible.iter().map(|&name| name.into()).collect(),
            cells: 2,
            osrelease: "6.12.0-simulated".into(),
            path_keeps_newline: false,
            kmsg: KmsgMode::On,
            character_devices: false,
            debugfs: true,
            remoteproc: true,
            firmware_class_path: true,
            processors: Vec::new(),
        }
    }

    /// Adds a processor; the first is remoteproc0. Two may have the same name, not the same device.
    #[must_use]
    pub fn processor(mut self, processor: ProcessorSpec) -> Self {
        self.processors.push(processor);
        self
    }

    /// The kernel's release, as `uname -r` prints it.
    #[must_use]
    pub fn osrelease(mut self, release: &str) -> Self {
        self.osrelease = release.into();
        self
    }

    /// Makes it a 32-bit machine: numbers in the device tree have one cell instead of two.
    #[must_use]
    pub fn narrow(mut self) -> Self {
        self.cells = 1;
        self
    }

    /// Whether imx_rproc names its processors after their device-tree nodes, as from 7.2 on, and no longer all of them
    /// `imx-rproc`.
    #[must_use]
    pub fn node_names(mut self, after_nodes: bool) -> Self {
        let named = |processor: ProcessorSpec| match after_nodes && processor.driver == "imx-rproc" {
            true => processor.named_after_node(),
            false => processor,
        };
        self.processors = self.processors.into_iter().map(named).collect();
        self
    }

    /// Whether a newline written to firmware_class.path is taken for a part of the path, as up to 6.1. It reads with the
    /// newline ever after, as 6.12's does too.
    #[must_use]
    pub fn path_keeps_newline(mut self, keeps: bool) -> Self {
        self.path_keeps_newline = keeps;
        self
    }

    /// Whether processors have a `/dev/remoteprocN` (CONFIG_REMOTEPROC_CDEV, which distributions leave out).
    #[must_use]
    pub fn character_devices(mut self, exist: bool) -> Self {
        self.character_devices = exist;
        self
    }

    /// Nothing is mounted on `/sys/kernel/debug`.
    #[must_use]
    pub fn without_debugfs(mut self) -> Self {
        self.debugfs = false;
        self
    }

    /// The kernel has no remoteproc: the processors' devices have no driver, and there is no class for them.
    #[must_use]
    pub fn without_remoteproc(mut self) -> Self {
        self.remoteproc = false;
        self
    }

    /// The kernel has no firmware_class.path.
    #[must_use]
    pub fn without_firmware_class_path(mut self) -> Self {
        self.firmware_class_path = false;
        self
    }

    /// Whether there is a kernel log; `board/kmsg` changes it later.
    #[must_use]
    pub fn kmsg(mut self, mode: KmsgMode) -> Self {
        self.kmsg = mode;
        self
    }
}
