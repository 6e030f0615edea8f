//! Texas Instruments K3: memories of the processor, at its own addresses and at the system's, and what is reserved,
//! without the first region, which is for messages (drivers/remoteproc/ti_k3_common.c, ti_k3_r5_remoteproc.c). None
//! recovers by itself; all want a resource table.
//!
//! Every cluster is in split mode here, which is a matter of the board's device tree: in lockstep only core 0 shows.

use crate::processor_spec::{Dumped, ProcessorSpec};
use crate::spec::BoardSpec;

/// A family's clusters of Cortex-R5F. TCM: bytes of each of a core's two memories, and from one to the other.
struct R5f {
    compatible: &'static str,
    bus: &'static str,
    /// The firmware's name without core and end: `am64-main-r5f0`.
    firmware: &'static str,
    cluster: u32,
    /// Core 0 and core 1.
    address: [u64; 2],
    tcm: [u64; 2],
    step: u64,
    /// Memory for messages, with that for code behind it.
    ddr: [u64; 2],
}

impl R5f {
    /// Both cores.
    fn cores(&self) -> [ProcessorSpec; 2] {
        [0, 1].map(|core| {
            let firmware = format!("{}_{core}-fw", self.firmware);
            let tcm = Tcm::new(self.address[core], self.tcm[core], self.step);
            let addresses = [self.address[0], self.address[core]];
            r5f(self.compatible, [self.bus, &firmware], addresses, &tcm, (self.ddr[core], 0xf0_0000))
                .core(self.cluster, core as u32)
        })
    }
}

/// The two memories of a Cortex-R5F, each of `len` bytes: where the system has the one that the core sees at 0, ATCM if
/// the node has `ti,loczrama`, and the other one.
struct Tcm {
    len: u64,
    at: [u64; 2],
}

impl Tcm {
    /// ATCM at 0.
    const fn new(address: u64, len: u64, step: u64) -> Self {
        Tcm { len, at: [address, address + step] }
    }
}

/// A core at `address`; `ddr` is where its memory for messages begins, and how long that for code behind it is.
fn r5f(
    compatible: &str,
    [bus, firmware]: [&str; 2],
    [cluster, address]: [u64; 2],
    &Tcm { len, at: [first, second] }: &Tcm,
    ddr: (u64, u64),
) -> ProcessorSpec {
    let name = format!("{address:x}.r5f");
    let last = bus.rsplit('/').next().unwrap_or(bus);
    k3(&name, &format!("{bus}/{last}:r5fss@{cluster:x}/{name}"), firmware)
        .driver("k3_r5_rproc")
        .compatible(&[compatible])
        .window_at(0x0, len, first)
        .window_at(0x4101_0000, len, second)
        .window_at(first, len, first)
        .window_at(second, len, second)
        .reserved(&[("r5f-dma-memory", ddr.0, 0x10_0000), ("r5f-memory", ddr.0 + 0x10_0000, ddr.1)])
}

/// A DSP with `memories`: its address, bytes, and where the system has them behind the DSP's own address.
struct Dsp {
    compatible: &'static str,
    bus: &'static str,
    kind: &'static str,
    memories: &'static [(u64, u64, u64)],
}

const C66: Dsp = Dsp {
    compatible: "ti,j721e-c66-dsp",
    bus: "bus@100000",
    kind: "c66",
    memories: &[(0x80_0000, 0x4_8000, 0), (0xe0_0000, 0x8000, 0x60_0000), (0xf0_0000, 0x8000, 0x70_0000)],
};

const C71: Dsp = Dsp {
    compatible: "ti,j721e-c71-dsp",
    bus: "bus@100000",
    kind: "c71",
    memories: &[(0x80_0000, 0x8_0000, 0), (0xe0_0000, 0xc000, 0x60_0000)],
};

const C71_J721S2: Dsp = Dsp { compatible: "ti,j721s2-c71-dsp", ..C71 };

const C7XV: Dsp = Dsp {
    compatible: "ti,am62a-c7xv-dsp",
    bus: "bus@f0000",
    kind: "c7x",
    memories: &[(0x80_0000, 0x10_0000, 0)],
};

impl Dsp {
    /// With its memory for messages at `dma`, and for code at `code`.
    fn at(&self, address: u64, firmware: &str, dma: u64, code: u64) -> ProcessorSpec {
        let name = format!("{address:x}.dsp");
        let (dma_name, code_name) = (format!("{}-dma-memory", self.kind), format!("{}-memory", self.kind));
        let spec = k3(&name, &format!("{}/{name}", self.bus), firmware)
            .driver("k3-dsp-rproc")
            .compatible(&[self.compatible])
            .reserved(&[(&dma_name, dma, 0x10_0000), (&code_name, code, 0xf0_0000)]);
        self.memories.iter().fold(spec, |spec, &(start, len, offset)| {
            spec.window_at(start, len, address + offset).window_at(address + offset, len, address + offset)
        })
    }
}

/// AM62x and AM64x have the same Cortex-M4F.
fn m4f(bus: &str, firmware: &str, dma: u64, code: u64) -> ProcessorSpec {
    k3("5000000.m4fss", &format!("{bus}/{bus}:bus@4000000/5000000.m4fss"), firmware)
        .driver("k3-m4-rproc")
        .compatible(&["ti,am64-m4fss"])
        .window_at(0x0, 0x3_0000, 0x500_0000)
        .window_at(0x3_0000, 0x1_0000, 0x504_0000)
        .window_at(0x500_0000, 0x3_0000, 0x500_0000)
        .window_at(0x504_0000, 0x1_0000, 0x504_0000)
        .reserved(&[("m4f-dma-memory", dma, 0x10_0000), ("m4f-memory", dma + 0x10_0000, code)])
}

fn k3(name: &str, device: &str, firmware: &str) -> ProcessorSpec {
    ProcessorSpec::new(name, device)
        .windows(&[])
        .firmware(firmware)
        .recovery(false)
        .needs_resource_table(true)
        .dumped(Dumped::Nothing)
}

const MCU_BUS: &str = "bus@100000/bus@100000:bus@28380000";
const WAKEUP_BUS: &str = "bus@f0000/bus@f0000:bus@b00000";

const AM64: R5f = R5f {
    compatible: "ti,am64-r5f",
    bus: "bus@f4000",
    firmware: "am64-main-r5f0",
    cluster: 0,
    address: [0x7800_0000, 0x7820_0000],
    // In split mode core 0 has half of what its node says (k3_r5_adjust_tcm_sizes).
    tcm: [0x8000; 2],
    step: 0x10_0000,
    ddr: [0xa000_0000, 0xa100_0000],
};

/// The cluster that is the same on all of J7's like.
const J7_MCU: R5f = R5f {
    compatible: "ti,j721e-r5f",
    bus: MCU_BUS,
    firmware: "j7-mcu-r5f0",
    cluster: 0,
    address: [0x4100_0000, 0x4140_0000],
    tcm: [0x8000; 2],
    step: 0x1_0000,
    ddr: [0xa000_0000, 0xa100_0000],
};

const J7_MAIN_0: R5f = R5f {
    bus: "bus@100000",
    firmware: "j7-main-r5f0",
    cluster: 1,
    address: [0x5c0_0000, 0x5d0_0000],
    ddr: [0xa200_0000, 0xa300_0000],
    ..J7_MCU
};

const J7_MAIN_1: R5f = R5f {
    firmware: "j7-main-r5f1",
    cluster: 2,
    address: [0x5e0_0000, 0x5f0_0000],
    ddr: [0xa400_0000, 0xa500_0000],
    ..J7_MAIN_0
};

/// J721S2 and J784S4: core 1 has all that its node says.
const S2_MCU: R5f = R5f { compatible: "ti,j721s2-r5f", tcm: [0x8000, 0x1_0000], ..J7_MCU };
const S2_MAIN_0: R5f = R5f { compatible: S2_MCU.compatible, tcm: S2_MCU.tcm, ..J7_MAIN_0 };
const S2_MAIN_1: R5f = R5f { compatible: S2_MCU.compatible, tcm: S2_MCU.tcm, ..J7_MAIN_1 };

impl BoardSpec {
    fn clusters(self, clusters: &[R5f]) -> Self {
        clusters.iter().flat_map(R5f::cores).fold(self, BoardSpec::processor)
    }

    /// Texas Instruments AM625 SK: a Cortex-R5F and a Cortex-M4F.
    pub fn am62x() -> Self {
        let wakeup = r5f(
            "ti,am62-r5f",
            [WAKEUP_BUS, "am62-wkup-r5f0_0-fw"],
            [0x7800_0000; 2],
            &Tcm::new(0x7800_0000, 0x8000, 0x10_0000),
            (0x9da0_0000, 0xc0_0000),
        );
        BoardSpec::new("Texas Instruments AM625 SK", &["ti,am625-sk", "ti,am625"])
            .processor(wakeup)
            .processor(m4f("bus@f0000", "am62-mcu-m4f0_0-fw", 0x9cb0_0000, 0xe0_0000))
    }

    /// Texas Instruments AM62A7 SK: two Cortex-R5F that know nothing of each other, and a C7x.
    pub fn am62a() -> Self {
        let wakeup = r5f(
            "ti,am62-r5f",
            [WAKEUP_BUS, "am62a-wkup-r5f0_0-fw"],
            [0x7800_0000; 2],
            &Tcm::new(0x7800_0000, 0x8000, 0x10_0000),
            (0x9c80_0000, 0xf0_0000),
        );
        let mcu = r5f(
            "ti,am62-r5f",
            ["bus@f0000/bus@f0000:bus@4000000", "am62a-mcu-r5f0_0-fw"],
            [0x7900_0000; 2],
            &Tcm { len: 0x8000, at: [0x7902_0000, 0x7900_0000] },
            (0x9b80_0000, 0xf0_0000),
        );
        BoardSpec::new("Texas Instruments AM62A7 SK", &["ti,am62a7-sk", "ti,am62a7"])
            .processor(wakeup)
            .processor(mcu)
            .processor(C7XV.at(0x7e00_0000, "am62a-c71_0-fw", 0x9980_0000, 0x9990_0000))
    }

    /// Texas Instruments AM642 EVM under Linux 6.12: two clusters of two Cortex-R5F and a
    /// Cortex-M4F, none of which recovers by itself; all want a resource table.
    pub fn am64x() -> Self {
        let second = R5f {
            firmware: "am64-main-r5f1",
            cluster: 1,
            address: [0x7840_0000, 0x7860_0000],
            ddr: [0xa200_0000, 0xa300_0000],
            ..AM64
        };
        BoardSpec::new("Texas Instruments AM642 EVM", &["ti,am642-evm", "ti,am642"])
            .clusters(&[AM64, second])
            .processor(m4f("bus@f4000", "am64-mcu-m4f0_0-fw", 0xa400_0000, 0xf0_0000))
    }

    /// Texas Instruments AM654 base board: a cluster of two Cortex-R5F.
    pub fn am65x() -> Self {
        BoardSpec::new("Texas Instruments AM654 Base Board", &["ti,am654-evm", "ti,am654"]).clusters(&[R5f {
            compatible: "ti,am654-r5f",
            firmware: "am65x-mcu-r5f0",
            ..J7_MCU
        }])
    }

    /// Texas Instruments J721E EVM: three clusters of two Cortex-R5F, two C66x and a C71x.
    pub fn j721e() -> Self {
        BoardSpec::new("Texas Instruments J721e EVM", &["ti,j721e-evm", "ti,j721e"])
            .clusters(&[J7_MCU, J7_MAIN_0, J7_MAIN_1])
            // The memories of the two C66x are crossed, since they share a cache.
            .processor(C66.at(0x4d_8080_0000, "j7-c66_0-fw", 0xa700_0000, 0xa610_0000))
            .processor(C66.at(0x4d_8180_0000, "j7-c66_1-fw", 0xa600_0000, 0xa710_0000))
            .processor(C71.at(0x6480_0000, "j7-c71_0-fw", 0xa800_0000, 0xa810_0000))
    }

    /// Texas Instruments J7200 EVM: two clusters of two Cortex-R5F.
    pub fn j7200() -> Self {
        let compatible = "ti,j7200-r5f";
        BoardSpec::new("Texas Instruments J7200 EVM", &["ti,j7200-evm", "ti,j7200"]).clusters(&[
            R5f { compatible, firmware: "j7200-mcu-r5f0", ..J7_MCU },
            R5f { compatible, firmware: "j7200-main-r5f0", ..J7_MAIN_0 },
        ])
    }

    /// Texas Instruments J721S2 EVM: three clusters of two Cortex-R5F and two C71x.
    pub fn j721s2() -> Self {
        BoardSpec::new("Texas Instruments J721S2 EVM", &["ti,j721s2-evm", "ti,j721s2"])
            .clusters(&[
                R5f { firmware: "j721s2-mcu-r5f0", ..S2_MCU },
                R5f { firmware: "j721s2-main-r5f0", ..S2_MAIN_0 },
                R5f { firmware: "j721s2-main-r5f1", ..S2_MAIN_1 },
            ])
            .processor(C71_J721S2.at(0x6480_0000, "j721s2-c71_0-fw", 0xa600_0000, 0xa610_0000))
            .processor(C71_J721S2.at(0x6580_0000, "j721s2-c71_1-fw", 0xa700_0000, 0xa710_0000))
    }

    /// Texas Instruments J784S4 EVM: four clusters of two Cortex-R5F and four C71x.
    pub fn j784s4() -> Self {
        let third = R5f {
            firmware: "j784s4-main-r5f2",
            cluster: 3,
            address: [0x590_0000, 0x5a0_0000],
            ddr: [0xa600_0000, 0xa700_0000],
            ..S2_MAIN_0
        };
        let board =
            BoardSpec::new("Texas Instruments J784S4 EVM", &["ti,j784s4-evm", "ti,j784s4"]).clusters(&[
                R5f { firmware: "j784s4-mcu-r5f0", ..S2_MCU },
                R5f { firmware: "j784s4-main-r5f0", ..S2_MAIN_0 },
                R5f { firmware: "j784s4-main-r5f1", ..S2_MAIN_1 },
                third,
            ]);
        (0..4).fold(board, |board, dsp| {
            let ddr = 0xa800_0000 + dsp * 0x100_0000;
            let (address, firmware) = (0x6480_0000 + dsp * 0x100_0000, format!("j784s4-c71_{dsp}-fw"));
            board.processor(C71_J721S2.at(address, &firmware, ddr, ddr + 0x10_0000))
        })
    }
}
