//! What a processor of a board is made of.

use crate::memory::{Memory, Region, Window};
use crate::spec::ProcessorState;

/// Place of a core in a cluster whose cores start and stop in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Core {
    pub(crate) cluster: u32,
    pub(crate) number: u32,
}

/// What a crash dump has of the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dumped {
    /// The segments the firmware was loaded to, under its class and machine.
    Firmware,
    /// The windows the driver maps and the memory that is reserved, all of it, as ELF32 for this machine
    /// (drivers/remoteproc/stm32_rproc.c, xlnx_r5_remoteproc.c).
    Memory(u16),
    /// Nothing, since the driver has not told an ELF class: the kernel logs that
    /// (drivers/remoteproc/imx_rproc.c).
    Classless,
    /// Nothing, since the driver has not told what to dump (drivers/remoteproc/ti_k3_common.c).
    Nothing,
}

/// One processor of a board.
#[derive(Clone, Debug)]
pub struct ProcessorSpec {
    pub(crate) name: String,
    pub(crate) device: String,
    node: Option<String>,
    pub(crate) driver: String,
    pub(crate) compatible: Vec<String>,
    pub(crate) firmware: String,
    pub(crate) windows: Option<Vec<Window>>,
    pub(crate) regions: Vec<Region>,
    pub(crate) full_windows_refused: bool,
    pub(crate) recovery: bool,
    pub(crate) needs_resource_table: bool,
    pub(crate) read_only: bool,
    pub(crate) dumped: Dumped,
    pub(crate) initial: ProcessorState,
    pub(crate) core: Option<Core>,
}

impl ProcessorSpec {
    /// A processor called `name` whose parent device is `device`: a path below
    /// `/sys/devices/platform`, such as `soc/10000000.m4`. Its node in the device tree has the same place,
    /// there `/soc/m4@10000000`.
    ///
    /// It is offline, recovers by itself, has 64 KiB at address 0, takes firmware without a
    /// resource table and starts on `rproc-NAME-fw`, until the methods below say otherwise.
    pub fn new(name: &str, device: &str) -> Self {
        ProcessorSpec {
            name: name.into(),
            device: device.into(),
            node: None,
            driver: "simulated-rproc".into(),
            compatible: vec!["simulated,rproc".into()],
            firmware: default_firmware(name),
            windows: None,
            regions: Vec::new(),
            full_windows_refused: false,
            recovery: true,
            needs_resource_table: false,
            read_only: false,
            dumped: Dumped::Firmware,
            initial: ProcessorState::Offline,
            core: None,
        }
    }

    /// Path of its node below the device tree's root, where it is not that of the device.
    #[must_use]
    pub fn node(mut self, path: &str) -> Self {
        self.node = Some(path.into());
        self
    }

    /// The platform driver's name.
    #[must_use]
    pub fn driver(mut self, driver: &str) -> Self {
        self.driver = driver.into();
        self
    }

    /// The `compatible` list of its node in the device tree.
    #[must_use]
    pub fn compatible(mut self, names: &[&str]) -> Self {
        self.compatible = names.iter().map(|&name| name.into()).collect();
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
        self.windows = Some(Vec::new());
        windows.iter().fold(self, |spec, &(start, len)| spec.window_at(start, len, start))
    }

    /// Adds `len` bytes at `start` to where firmware may lie; the system has them at `system`.
    #[must_use]
    pub fn window_at(self, start: u64, len: u64, system: u64) -> Self {
        self.window(Window { start, len, system, mapped: true })
    }

    /// Adds `len` bytes at `start`, the system's `system`, of which firmware may lie in what is
    /// [reserved](Self::reserved), and in what another window has at the same place of the system.
    #[must_use]
    pub fn reach(self, start: u64, len: u64, system: u64) -> Self {
        self.window(Window { start, len, system, mapped: false })
    }

    fn window(mut self, window: Window) -> Self {
        self.windows.get_or_insert_default().push(window);
        self
    }

    /// Memory that the device tree reserves for it (`memory-region`): name, the system's first address, length.
    ///
    /// Firmware may lie there, unless it is for messages: names that begin with `vdev` or have `dma-` in them. Where
    /// there is no [`reach`](Self::reach), the processor has a region at the system's address.
    #[must_use]
    pub fn reserved(mut self, regions: &[(&str, u64, u64)]) -> Self {
        let region = |&(name, address, size): &(&str, u64, u64)| Region { name: name.into(), address, size };
        self.regions = regions.iter().map(region).collect();
        self
    }

    /// Whether a segment that ends exactly where its window does is refused, as by i.MX
    /// (`da + len < end`, drivers/remoteproc/imx_rproc.c).
    #[must_use]
    pub fn full_windows_refused(mut self, refused: bool) -> Self {
        self.full_windows_refused = refused;
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

    /// Whether its attributes take no writes, not even root's (`sysfs_read_only`, since 5.18): EACCES.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// What is in its crash dumps.
    #[must_use]
    pub fn dumped(mut self, dumped: Dumped) -> Self {
        self.dumped = dumped;
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

    /// Takes the name of its device-tree node, which a default firmware name follows.
    pub(crate) fn named_after_node(mut self) -> Self {
        let name = self.node_name().split('@').next().unwrap_or_default().to_owned();
        if self.firmware == default_firmware(&self.name) {
            self.firmware = default_firmware(&name);
        }
        self.name = name;
        self
    }

    /// What firmware can be loaded to.
    pub(crate) fn memory(&self) -> Memory {
        let small = Window { start: 0, len: 0x1_0000, system: 0, mapped: true };
        let windows = self.windows.clone().unwrap_or_else(|| vec![small]);
        Memory::new(&windows, &self.regions, self.full_windows_refused)
    }

    /// Last component of the parent device's path.
    pub(crate) fn device_name(&self) -> &str {
        self.device.rsplit('/').next().unwrap_or(&self.device)
    }

    /// Path of its node below the device tree's root.
    pub(crate) fn node_path(&self) -> String {
        self.node.clone().unwrap_or_else(|| {
            let nodes: Vec<String> = self.device.split('/').map(node_of).collect();
            nodes.join("/")
        })
    }

    fn node_name(&self) -> String {
        self.node_path().rsplit('/').next().map(String::from).unwrap_or_default()
    }
}

/// rproc_alloc_firmware (drivers/remoteproc/remoteproc_core.c).
fn default_firmware(name: &str) -> String {
    format!("rproc-{name}-fw")
}

/// The node that has given a platform device its name (of_device_make_bus_id in drivers/of/device.c):
/// `m4@10000000` of `10000000.m4`, `r5fss@78000000` of `bus@f4000:r5fss@78000000`.
fn node_of(device: &str) -> String {
    let is_address = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match device.split_once('.') {
        Some((address, name)) if is_address(address) => format!("{name}@{address}"),
        _ => device.rsplit(':').next().unwrap_or(device).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::ProcessorSpec;

    #[test]
    fn the_node_has_the_devices_place() {
        let path = |device: &str| ProcessorSpec::new("p", device).node_path();
        assert_eq!(path("imx8mq-cm4"), "imx8mq-cm4");
        assert_eq!(path("soc/10000000.m4"), "soc/m4@10000000");
        assert_eq!(
            path("bus@f4000/bus@f4000:r5fss@78000000/78000000.r5f"),
            "bus@f4000/r5fss@78000000/r5f@78000000"
        );
        assert_eq!(path("soc/m4.rproc"), "soc/m4.rproc");
    }

    #[test]
    fn a_name_after_the_node_is_followed_by_the_firmwares() {
        let spec = ProcessorSpec::new("imx-rproc", "imx8mm-cm4").named_after_node();
        assert_eq!((&*spec.name, &*spec.firmware), ("imx8mm-cm4", "rproc-imx8mm-cm4-fw"));
        let spec = ProcessorSpec::new("imx-rproc", "imx8mm-cm4").firmware("a.elf").named_after_node();
        assert_eq!(spec.firmware, "a.elf");
    }
}
