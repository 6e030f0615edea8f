//! What a board is made of: its name, its kernel, its processors.

/// Addresses a processor's driver maps for firmware, as the processor sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First address.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
}

impl Window {
    /// Whether `len` bytes from `start` on lie inside.
    pub(crate) fn holds(&self, start: u64, len: u64) -> bool {
        start >= self.start
            && start.checked_add(len).is_some_and(|end| end <= self.start.saturating_add(self.len))
    }
}

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

/// Place of a core in a cluster whose cores start and stop in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Core {
    pub(crate) cluster: u32,
    pub(crate) number: u32,
}

/// One processor of a board.
#[derive(Clone, Debug)]
pub struct ProcessorSpec {
    pub(crate) name: String,
    pub(crate) device: String,
    pub(crate) driver: String,
    pub(crate) firmware: String,
    pub(crate) windows: Vec<Window>,
    pub(crate) recovery: bool,
    pub(crate) needs_resource_table: bool,
    pub(crate) initial: ProcessorState,
    pub(crate) core: Option<Core>,
}

impl ProcessorSpec {
    /// A processor called `name` whose parent device is `device`: a path below
    /// `/sys/devices/platform`, such as `soc/10000000.m4`.
    ///
    /// It is offline, recovers by itself, has 64 KiB at address 0, takes firmware without a
    /// resource table and starts on `rproc-NAME-fw`, until the methods below say otherwise.
    pub fn new(name: &str, device: &str) -> Self {
        ProcessorSpec {
            name: name.into(),
            device: device.into(),
            driver: "simulated-rproc".into(),
            firmware: format!("rproc-{name}-fw"),
            windows: vec![Window { start: 0, len: 0x1_0000 }],
            recovery: true,
            needs_resource_table: false,
            initial: ProcessorState::Offline,
            core: None,
        }
    }

    /// The platform driver's name.
    #[must_use]
    pub fn driver(mut self, driver: &str) -> Self {
        self.driver = driver.into();
        self
    }

    /// What `firmware` reads before anybody wrote it.
    #[must_use]
    pub fn firmware(mut self, name: &str) -> Self {
        self.firmware = name.into();
        self
    }

    /// Where firmware may lie: pairs of first address and length in bytes.
    #[must_use]
    pub fn windows(mut self, windows: &[(u64, u64)]) -> Self {
        self.windows = windows.iter().map(|&(start, len)| Window { start, len }).collect();
        self
    }

    /// Whether the kernel restarts it after a crash, until `recovery` is written.
    #[must_use]
    pub fn recovery(mut self, enabled: bool) -> Self {
        self.recovery = enabled;
        self
    }

    /// Whether firmware without a resource table is refused (EINVAL), as by drivers that leave
    /// parsing to rproc_elf_load_rsc_table (drivers/remoteproc/remoteproc_elf_loader.c).
    #[must_use]
    pub fn needs_resource_table(mut self, needed: bool) -> Self {
        self.needs_resource_table = needed;
        self
    }

    /// The state it is in after boot; `Running` and `Attached` count as one start.
    #[must_use]
    pub fn initial(mut self, state: ProcessorState) -> Self {
        self.initial = state;
        self
    }

    /// Makes it core `number` of `cluster`: core 1 starts only after core 0, core 0 stops only
    /// after core 1, otherwise EPERM (drivers/remoteproc/ti_k3_r5_remoteproc.c, split mode).
    #[must_use]
    pub fn core(mut self, cluster: u32, number: u32) -> Self {
        self.core = Some(Core { cluster, number });
        self
    }

    /// Last component of the parent device's path.
    pub(crate) fn device_name(&self) -> &str {
        self.device.rsplit('/').next().unwrap_or(&self.device)
    }
}

/// A whole board.
#[derive(Clone, Debug)]
pub struct BoardSpec {
    pub(crate) model: String,
    pub(crate) compatible: Vec<String>,
    pub(crate) osrelease: String,
    pub(crate) path_keeps_newline: bool,
    pub(crate) kmsg: KmsgMode,
    pub(crate) character_devices: bool,
    pub(crate) processors: Vec<ProcessorSpec>,
}

impl BoardSpec {
    /// A board without processors; `compatible` is its device tree's list, most specific first.
    pub fn new(model: &str, compatible: &[&str]) -> Self {
        BoardSpec {
            model: model.into(),
            compatible: compatible.iter().map(|&name| name.into()).collect(),
            osrelease: "6.12.0-simulated".into(),
            path_keeps_newline: false,
            kmsg: KmsgMode::On,
            character_devices: false,
            processors: Vec::new(),
        }
    }

    /// STMicroelectronics STM32MP157C-DK2 under Linux 6.1: one Cortex-M4, `m4`.
    pub fn stm32mp15() -> Self {
        let m4 = ProcessorSpec::new("m4", "soc/10000000.m4").driver("stm32-rproc").windows(&[
            (0x0, 64 * 1024),
            (0x1000_0000, 384 * 1024),
            (0x3000_0000, 384 * 1024),
        ]);
        BoardSpec::new(
            "STMicroelectronics STM32MP157C-DK2 Discovery Board",
            &["st,stm32mp157c-dk2", "st,stm32mp157"],
        )
        .osrelease("6.1.0-simulated")
        .path_keeps_newline(true)
        .processor(m4)
    }

    /// Texas Instruments AM642 EVM under Linux 6.12: two clusters of two Cortex-R5F and a
    /// Cortex-M4F, none of which recovers by itself; all want a resource table.
    pub fn am64x() -> Self {
        let r5f = |address: u64, cluster: u32, number: u32| {
            let cluster_address = 0x7800_0000 + u64::from(cluster) * 0x40_0000;
            let ddr = 0xa000_0000 + u64::from(cluster * 2 + number) * 0x100_0000;
            let name = format!("{address:x}.r5f");
            ProcessorSpec::new(&name, &format!("bus@f4000/bus@f4000:r5fss@{cluster_address:x}/{name}"))
                .driver("k3_r5_rproc")
                .firmware(&format!("am64-main-r5f{cluster}_{number}-fw"))
                .windows(&[(0x0, 32 * 1024), (0x4101_0000, 32 * 1024), (ddr, 0x100_0000)])
                .recovery(false)
                .needs_resource_table(true)
                .core(cluster, number)
        };
        let m4f = ProcessorSpec::new("5000000.m4fss", "bus@f4000/bus@f4000:bus@4000000/5000000.m4fss")
            .driver("k3-m4-rproc")
            .firmware("am64-mcu-m4f0_0-fw")
            .windows(&[(0x0, 192 * 1024), (0x3_0000, 64 * 1024), (0xa400_0000, 0x100_0000)])
            .recovery(false)
            .needs_resource_table(true);
        BoardSpec::new("Texas Instruments AM642 EVM", &["ti,am642-evm", "ti,am642"])
            .processor(r5f(0x7800_0000, 0, 0))
            .processor(r5f(0x7820_0000, 0, 1))
            .processor(r5f(0x7840_0000, 1, 0))
            .processor(r5f(0x7860_0000, 1, 1))
            .processor(m4f)
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

    /// Whether there is a kernel log; `board/kmsg` changes it later.
    #[must_use]
    pub fn kmsg(mut self, mode: KmsgMode) -> Self {
        self.kmsg = mode;
        self
    }
}
