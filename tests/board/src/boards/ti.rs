//! Texas Instruments K3: memories of the processor, at its own addresses and at the system's, and what is reserved,
//! without the first region, which is for messages (drivers/remoteproc/ti_k3_common.c, ti_k3_r5_remoteproc.c). None
//! recovers by itself; all want a resource table. Clusters are in split mode.

use crate::processor_spec::{Dumped, ProcessorSpec};
use crate::spec::BoardSpec;

/// Where a Cortex-R5F is, and what it has.
struct R5f {
    /// The bus's path below /sys/devices/platform, which is the name of its last part as well.
    bus: &'static str,
    compatible: &'static str,
    firmware: &'static str,
    address: u64,
    /// Bytes of each of its two memories; the second one's address behind the first's.
    tcm: u64,
    second: u64,
    /// Its memory for messages, with that for code behind it.
    ddr: u64,
}

/// A core of a cluster at `cluster`.
fn r5f(core: &R5f, cluster: u64) -> ProcessorSpec {
    let &R5f { bus, compatible, firmware, address, tcm, second, ddr } = core;
    let name = format!("{address:x}.r5f");
    let last = bus.rsplit('/').next().unwrap_or(bus);
    // `ti,loczrama`: ATCM at 0, BTCM behind.
    k3(&name, &format!("{bus}/{last}:r5fss@{cluster:x}/{name}"), firmware)
        .driver("k3_r5_rproc")
        .compatible(&[compatible])
        .window_at(0x0, tcm, address)
        .window_at(0x4101_0000, tcm, address + second)
        .window_at(address, tcm, address)
        .window_at(address + second, tcm, address + second)
        .reserved(&[("r5f-dma-memory", ddr, 0x10_0000), ("r5f-memory", ddr + 0x10_0000, 0xf0_0000)])
}

/// A DSP with `memories`: its address, the system's, bytes.
struct Dsp {
    bus: &'static str,
    compatible: &'static str,
    firmware: &'static str,
    address: u64,
    memories: &'static [(u64, u64, u64)],
    reserved: [(&'static str, u64, u64); 2],
}

fn dsp(core: &Dsp) -> ProcessorSpec {
    let &Dsp { bus, compatible, firmware, address, memories, reserved } = core;
    let name = format!("{address:x}.dsp");
    let spec = k3(&name, &format!("{bus}/{name}"), firmware)
        .driver("k3-dsp-rproc")
        .compatible(&[compatible])
        .reserved(&reserved);
    memories.iter().fold(spec, |spec, &(start, system, len)| {
        spec.window_at(start, len, system).window_at(system, len, system)
    })
}

/// AM62x and AM64x have the same Cortex-M4F.
fn m4f(bus: &str, firmware: &str, dma: u64, code: (u64, u64)) -> ProcessorSpec {
    k3("5000000.m4fss", &format!("{bus}/{bus}:bus@4000000/5000000.m4fss"), firmware)
        .driver("k3-m4-rproc")
        .compatible(&["ti,am64-m4fss"])
        .window_at(0x0, 0x3_0000, 0x500_0000)
        .window_at(0x3_0000, 0x1_0000, 0x504_0000)
        .window_at(0x500_0000, 0x3_0000, 0x500_0000)
        .window_at(0x504_0000, 0x1_0000, 0x504_0000)
        .reserved(&[("m4f-dma-memory", dma, 0x10_0000), ("m4f-memory", code.0, code.1)])
}

fn k3(name: &str, device: &str, firmware: &str) -> ProcessorSpec {
    ProcessorSpec::new(name, device)
        .windows(&[])
        .firmware(firmware)
        .recovery(false)
        .needs_resource_table(true)
        .dumped(Dumped::Nothing)
}

impl BoardSpec {
    /// Texas Instruments AM642 EVM under Linux 6.12: two clusters of two Cortex-R5F and a
    /// Cortex-M4F, none of which recovers by itself; all want a resource table.
    pub fn am64x() -> Self {
        let core = |address, firmware, ddr| R5f {
            bus: "bus@f4000",
            compatible: "ti,am64-r5f",
            firmware,
            address,
            tcm: 0x8000,
            second: 0x10_0000,
            ddr,
        };
        BoardSpec::new("Texas Instruments AM642 EVM", &["ti,am642-evm", "ti,am642"])
            .processor(r5f(&core(0x7800_0000, "am64-main-r5f0_0-fw", 0xa000_0000), 0x7800_0000).core(0, 0))
            .processor(r5f(&core(0x7820_0000, "am64-main-r5f0_1-fw", 0xa100_0000), 0x7800_0000).core(0, 1))
            .processor(r5f(&core(0x7840_0000, "am64-main-r5f1_0-fw", 0xa200_0000), 0x7840_0000).core(1, 0))
            .processor(r5f(&core(0x7860_0000, "am64-main-r5f1_1-fw", 0xa300_0000), 0x7840_0000).core(1, 1))
            .processor(m4f("bus@f4000", "am64-mcu-m4f0_0-fw", 0xa400_0000, (0xa410_0000, 0xf0_0000)))
    }

    /// Texas Instruments AM654 base board: a cluster of two Cortex-R5F.
    pub fn am65x() -> Self {
        let core = |address, firmware, ddr| R5f {
            bus: "bus@100000/bus@100000:bus@28380000",
            compatible: "ti,am654-r5f",
            firmware,
            address,
            tcm: 0x8000,
            second: 0x1_0000,
            ddr,
        };
        BoardSpec::new("Texas Instruments AM654 Base Board", &["ti,am654-evm", "ti,am654"])
            .processor(r5f(&core(0x4100_0000, "am65x-mcu-r5f0_0-fw", 0xa000_0000), 0x4100_0000).core(0, 0))
            .processor(r5f(&core(0x4140_0000, "am65x-mcu-r5f0_1-fw", 0xa100_0000), 0x4100_0000).core(0, 1))
    }

    /// Texas Instruments J721E EVM: three clusters of two Cortex-R5F, two C66x and a C71x.
    pub fn j721e() -> Self {
        let core = |bus, address, firmware, ddr| R5f {
            bus,
            compatible: "ti,j721e-r5f",
            firmware,
            address,
            tcm: 0x8000,
            second: 0x1_0000,
            ddr,
        };
        let mcu = |address, firmware, ddr| core("bus@100000/bus@100000:bus@28380000", address, firmware, ddr);
        let main = |address, firmware, ddr| core("bus@100000", address, firmware, ddr);
        // The memories of the two C66x are crossed, since they share a cache.
        let c66 = |firmware, address, memories, dma, code| Dsp {
            bus: "bus@100000",
            compatible: "ti,j721e-c66-dsp",
            firmware,
            address,
            memories,
            reserved: [("c66-dma-memory", dma, 0x10_0000), ("c66-memory", code, 0xf0_0000)],
        };
        let c71 = Dsp {
            bus: "bus@100000",
            compatible: "ti,j721e-c71-dsp",
            firmware: "j7-c71_0-fw",
            address: 0x6480_0000,
            memories: &[(0x80_0000, 0x6480_0000, 0x8_0000), (0xe0_0000, 0x64e0_0000, 0xc000)],
            reserved: [("c71-dma-memory", 0xa800_0000, 0x10_0000), ("c71-memory", 0xa810_0000, 0xf0_0000)],
        };
        BoardSpec::new("Texas Instruments J721e EVM", &["ti,j721e-evm", "ti,j721e"])
            .processor(r5f(&mcu(0x4100_0000, "j7-mcu-r5f0_0-fw", 0xa000_0000), 0x4100_0000).core(0, 0))
            .processor(r5f(&mcu(0x4140_0000, "j7-mcu-r5f0_1-fw", 0xa100_0000), 0x4100_0000).core(0, 1))
            .processor(r5f(&main(0x5c0_0000, "j7-main-r5f0_0-fw", 0xa200_0000), 0x5c0_0000).core(1, 0))
            .processor(r5f(&main(0x5d0_0000, "j7-main-r5f0_1-fw", 0xa300_0000), 0x5c0_0000).core(1, 1))
            .processor(r5f(&main(0x5e0_0000, "j7-main-r5f1_0-fw", 0xa400_0000), 0x5e0_0000).core(2, 0))
            .processor(r5f(&main(0x5f0_0000, "j7-main-r5f1_1-fw", 0xa500_0000), 0x5e0_0000).core(2, 1))
            .processor(dsp(&c66("j7-c66_0-fw", 0x4d_8080_0000, C66_0, 0xa700_0000, 0xa610_0000)))
            .processor(dsp(&c66("j7-c66_1-fw", 0x4d_8180_0000, C66_1, 0xa600_0000, 0xa710_0000)))
            .processor(dsp(&c71))
    }
}

const C66_0: &[(u64, u64, u64)] = &[
    (0x80_0000, 0x4d_8080_0000, 0x4_8000),
    (0xe0_0000, 0x4d_80e0_0000, 0x8000),
    (0xf0_0000, 0x4d_80f0_0000, 0x8000),
];

const C66_1: &[(u64, u64, u64)] = &[
    (0x80_0000, 0x4d_8180_0000, 0x4_8000),
    (0xe0_0000, 0x4d_81e0_0000, 0x8000),
    (0xf0_0000, 0x4d_81f0_0000, 0x8000),
];
