//! NXP i.MX: a driver's table translates addresses, and says which of them it maps itself
//! (drivers/remoteproc/imx_rproc.c, imx_dsp_rproc.c). The rest is loadable where `memory-region` has it.

use crate::processor_spec::{Dumped, ProcessorSpec};
use crate::spec::BoardSpec;

/// A row: the processor's address, the system's, bytes, who maps it.
type Row = (u64, u64, u64, Maps);

#[derive(Clone, Copy, PartialEq)]
enum Maps {
    /// The driver does (`ATT_OWN`).
    Driver,
    /// The device tree may.
    Tree,
}
use Maps::{Driver, Tree};

const IMX8MQ: &[Row] = &[
    (0x0000_0000, 0x007e_0000, 0x2_0000, Tree),
    (0x0018_0000, 0x0018_0000, 0x8000, Tree),
    (0x0090_0000, 0x0090_0000, 0x2_0000, Tree),
    (0x0092_0000, 0x0092_0000, 0x2_0000, Tree),
    (0x0800_0000, 0x0800_0000, 0x800_0000, Tree),
    (0x1000_0000, 0x4000_0000, 0xffe_0000, Tree),
    (0x1ffe_0000, 0x007e_0000, 0x4_0000, Driver),
    (0x2018_0000, 0x0018_0000, 0x8000, Driver),
    (0x2020_0000, 0x0090_0000, 0x2_0000, Driver),
    (0x2022_0000, 0x0092_0000, 0x2_0000, Driver),
    (0x4000_0000, 0x4000_0000, 0x8000_0000, Tree),
];

const IMX8QM_0: &[Row] = &[
    (0x0800_0000, 0x0800_0000, 0x1000_0000, Tree),
    (0x1ffe_0000, 0x34fe_0000, 0x2_0000, Driver),
    (0x2000_0000, 0x3500_0000, 0x2_0000, Driver),
    (0x8000_0000, 0x8000_0000, 0x6000_0000, Tree),
];

const IMX8QM_1: &[Row] = &[
    (0x0800_0000, 0x0800_0000, 0x1000_0000, Tree),
    (0x1ffe_0000, 0x38fe_0000, 0x2_0000, Driver),
    (0x2000_0000, 0x3900_0000, 0x2_0000, Driver),
    (0x8000_0000, 0x8000_0000, 0x6000_0000, Tree),
];

const IMX8QM_DSP: &[Row] = &[
    (0x596e_8000, 0x556e_8000, 0x8000, Driver),
    (0x596f_0000, 0x556f_0000, 0x8000, Driver),
    (0x596f_8000, 0x556f_8000, 0x800, Driver),
    (0x5570_0000, 0x5570_0000, 0x7_0000, Driver),
    (0x8000_0000, 0x8000_0000, 0x6000_0000, Tree),
];

/// What is reserved: name, address, length.
type Reserved = &'static [(&'static str, u64, u64)];

/// imx8mq-evk-rpmsg.dts, with the memory for code that NXP's documents tell to add.
const RPMSG_B8: Reserved = &[
    ("vdevbuffer", 0xb840_0000, 0x10_0000),
    ("vdev0vring0", 0xb800_0000, 0x8000),
    ("vdev0vring1", 0xb800_8000, 0x8000),
    ("rsc-table", 0xb80f_f000, 0x1000),
    ("m4", 0x8000_0000, 0x100_0000),
];

/// imx8qm-mek.dts.
const IMX8QM_RPMSG_0: Reserved = &[
    ("vdevbuffer", 0x9040_0000, 0x10_0000),
    ("vdev0vring0", 0x9000_0000, 0x8000),
    ("vdev0vring1", 0x9000_8000, 0x8000),
    ("vdev1vring0", 0x9001_0000, 0x8000),
    ("vdev1vring1", 0x9001_8000, 0x8000),
    ("rsc-table", 0x900f_f000, 0x1000),
    ("m4", 0x8800_0000, 0x800_0000),
];

const IMX8QM_RPMSG_1: Reserved = &[
    ("vdevbuffer", 0x9040_0000, 0x10_0000),
    ("vdev2vring0", 0x9010_0000, 0x8000),
    ("vdev2vring1", 0x9010_8000, 0x8000),
    ("vdev3vring0", 0x9011_0000, 0x8000),
    ("vdev3vring1", 0x9011_8000, 0x8000),
    ("rsc-table", 0x901f_f000, 0x1000),
    ("m4", 0x8800_0000, 0x800_0000),
];

const DSP_92: Reserved = &[
    ("vdev0buffer", 0x9430_0000, 0x10_0000),
    ("vdev0vring0", 0x942f_0000, 0x8000),
    ("vdev0vring1", 0x942f_8000, 0x8000),
    ("dsp", 0x9240_0000, 0x100_0000),
];

fn spec(name: &str, device: &str, table: &[Row], reserved: Reserved) -> ProcessorSpec {
    let row = |spec: ProcessorSpec, &(start, system, len, maps): &Row| match maps {
        Driver => spec.window_at(start, len, system),
        Tree => spec.reach(start, len, system),
    };
    table
        .iter()
        .fold(ProcessorSpec::new(name, device).windows(&[]), row)
        .reserved(reserved)
        .driver(name)
        .dumped(Dumped::Classless)
}

/// A Cortex-M. Its driver takes a window's end for its last byte.
fn core(device: &str, compatible: &str, table: &[Row], reserved: Reserved) -> ProcessorSpec {
    spec("imx-rproc", device, table, reserved).compatible(&[compatible]).full_windows_refused(true)
}

/// A HiFi DSP.
fn dsp(device: &str, compatible: &str, firmware: &str, table: &[Row], reserved: Reserved) -> ProcessorSpec {
    spec("imx-dsp-rproc", device, table, reserved).compatible(&[compatible]).firmware(firmware)
}

impl BoardSpec {
    /// NXP i.MX8MQ EVK: one Cortex-M4.
    pub fn imx8mq() -> Self {
        BoardSpec::new("NXP i.MX8MQ EVK", &["fsl,imx8mq-evk", "fsl,imx8mq"]).processor(core(
            "imx8mq-cm4",
            "fsl,imx8mq-cm4",
            IMX8MQ,
            RPMSG_B8,
        ))
    }

    /// NXP i.MX8QM MEK: two Cortex-M4, which older kernels give the same name, and a DSP.
    pub fn imx8qm() -> Self {
        BoardSpec::new("Freescale i.MX8QM MEK", &["fsl,imx8qm-mek", "fsl,imx8qm"])
            .processor(core("imx8qm-cm4-0", "fsl,imx8qm-cm4", IMX8QM_0, IMX8QM_RPMSG_0))
            .processor(core("imx8qm-cm4-1", "fsl,imx8qm-cm4", IMX8QM_1, IMX8QM_RPMSG_1))
            .processor(dsp(
                "bus@55000000/556e8000.dsp",
                "fsl,imx8qm-hifi4",
                "imx/dsp/hifi4.bin",
                IMX8QM_DSP,
                DSP_92,
            ))
    }
}
