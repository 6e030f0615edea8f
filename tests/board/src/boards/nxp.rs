//! NXP i.MX: a driver's table translates addresses, and says which of them it maps itself
//! (drivers/remoteproc/imx_rproc.c, imx_dsp_rproc.c). The rest is loadable where `memory-region` has it.

use crate::processor_spec::{Dumped, ProcessorSpec};
use crate::spec::{BoardSpec, ProcessorState};

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

const IMX8MN: &[Row] = &[
    (0x0000_0000, 0x007e_0000, 0x2_0000, Driver),
    (0x0018_0000, 0x0018_0000, 0x9000, Tree),
    (0x0090_0000, 0x0090_0000, 0x2_0000, Tree),
    (0x0092_0000, 0x0092_0000, 0x2_0000, Tree),
    (0x0094_0000, 0x0094_0000, 0x5_0000, Tree),
    (0x0800_0000, 0x0800_0000, 0x800_0000, Tree),
    (0x1000_0000, 0x4000_0000, 0xffe_0000, Tree),
    (0x2000_0000, 0x0080_0000, 0x2_0000, Driver),
    (0x2018_0000, 0x0018_0000, 0x8000, Driver),
    (0x2020_0000, 0x0090_0000, 0x2_0000, Driver),
    (0x2022_0000, 0x0092_0000, 0x2_0000, Driver),
    (0x2024_0000, 0x0094_0000, 0x4_0000, Driver),
    (0x4000_0000, 0x4000_0000, 0x8000_0000, Tree),
];

const IMX8QXP: &[Row] = &[
    (0x0800_0000, 0x0800_0000, 0x1000_0000, Tree),
    (0x1ffe_0000, 0x34fe_0000, 0x4_0000, Driver),
    (0x2100_0000, 0x0010_0000, 0x1_8000, Tree),
    (0x2110_0000, 0x0010_0000, 0x4_0000, Tree),
    (0x8000_0000, 0x8000_0000, 0x6000_0000, Tree),
];

const IMX8ULP: &[Row] = &[
    (0x1ffc_0000, 0x1ffc_0000, 0xc_0000, Driver),
    (0x2100_0000, 0x2100_0000, 0x1_0000, Driver),
    (0x8000_0000, 0x8000_0000, 0x6000_0000, Tree),
];

const IMX7D: &[Row] = &[
    (0x0000_0000, 0x0018_0000, 0x8000, Tree),
    (0x0018_0000, 0x0018_0000, 0x8000, Driver),
    (0x0090_0000, 0x0090_0000, 0x2_0000, Tree),
    (0x0092_0000, 0x0092_0000, 0x2_0000, Tree),
    (0x0094_0000, 0x0094_0000, 0x8000, Tree),
    (0x1fff_8000, 0x007f_8000, 0x8000, Driver),
    (0x1000_0000, 0x8000_0000, 0xfff_0000, Tree),
    (0x2000_0000, 0x0080_0000, 0x8000, Driver),
    (0x2020_0000, 0x0090_0000, 0x2_0000, Tree),
    (0x2022_0000, 0x0092_0000, 0x2_0000, Tree),
    (0x2024_0000, 0x0094_0000, 0x8000, Tree),
    (0x8000_0000, 0x8000_0000, 0x6000_0000, Tree),
];

const IMX93: &[Row] = &[
    (0x0ffc_0000, 0x201c_0000, 0x4_0000, Driver),
    (0x1ffc_0000, 0x201c_0000, 0x4_0000, Driver),
    (0x2000_0000, 0x2020_0000, 0x4_0000, Driver),
    (0x3000_0000, 0x2020_0000, 0x4_0000, Driver),
    (0x8000_0000, 0x8000_0000, 0x1000_0000, Tree),
    (0x9000_0000, 0x8000_0000, 0x1000_0000, Tree),
    (0xc000_0000, 0xc000_0000, 0x1000_0000, Tree),
    (0xd000_0000, 0xc000_0000, 0x1000_0000, Tree),
];

const IMX95: &[Row] = &[
    (0x0000_0000, 0x203c_0000, 0x4_0000, Driver),
    (0x2000_0000, 0x2040_0000, 0x4_0000, Driver),
    (0x8000_0000, 0x8000_0000, 0x5000_0000, Tree),
];

const IMX8MP_DSP: &[Row] = &[
    (0x3b6e_8000, 0x3b6e_8000, 0x8000, Driver),
    (0x3b6f_0000, 0x3b6f_0000, 0x8000, Driver),
    (0x3b6f_8000, 0x3b6f_8000, 0x800, Driver),
    (0x3b70_0000, 0x3b70_0000, 0x4_0000, Driver),
    (0x4000_0000, 0x4000_0000, 0x8000_0000, Tree),
];

const IMX8QXP_DSP: &[Row] = &[
    (0x596e_8000, 0x596e_8000, 0x8000, Driver),
    (0x596f_0000, 0x596f_0000, 0x8000, Driver),
    (0x596f_8000, 0x596f_8000, 0x800, Driver),
    (0x5970_0000, 0x5970_0000, 0x7_0000, Driver),
    (0x8000_0000, 0x8000_0000, 0x6000_0000, Tree),
];

const IMX8ULP_DSP: &[Row] = &[
    (0x2117_0000, 0x2117_0000, 0x1_0000, Driver),
    (0x2118_0000, 0x2118_0000, 0x1_0000, Driver),
    (0x0c00_0000, 0x8000_0000, 0x1000_0000, Tree),
    (0x3000_0000, 0x9000_0000, 0x1000_0000, Tree),
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

/// imx8mq-evk-rpmsg.dts and its like for i.MX8MM and i.MX8MN, where the memory for code stays to be added to the list.
const RPMSG_B8: Reserved = &[
    ("vdevbuffer", 0xb840_0000, 0x10_0000),
    ("vdev0vring0", 0xb800_0000, 0x8000),
    ("vdev0vring1", 0xb800_8000, 0x8000),
    ("rsc-table", 0xb80f_f000, 0x1000),
    ("mcore", 0x8000_0000, 0x100_0000),
];

/// imx8mp-evk-rpmsg.dts.
const RPMSG_55: Reserved = &[
    ("vdevbuffer", 0x5540_0000, 0x10_0000),
    ("vdev0vring0", 0x5500_0000, 0x8000),
    ("vdev0vring1", 0x5500_8000, 0x8000),
    ("rsc-table", 0x550f_f000, 0x1000),
    ("mcore", 0x8000_0000, 0x100_0000),
];

/// imx8ulp-evk.dts.
const IMX8ULP_RPMSG: Reserved = &[
    ("vdevbuffer", 0xa840_0000, 0x10_0000),
    ("vdev0vring0", 0xaff0_0000, 0x8000),
    ("vdev0vring1", 0xaff0_8000, 0x8000),
    ("vdev1vring0", 0xaff1_0000, 0x8000),
    ("vdev1vring1", 0xaff1_8000, 0x8000),
    ("rsc-table", 0x1fff_8000, 0x1000),
];

const IMX8ULP_DSP_RPMSG: Reserved = &[
    ("vdev0buffer", 0x8ff0_0000, 0x10_0000),
    ("vdev0vring0", 0x8fef_0000, 0x8000),
    ("vdev0vring1", 0x8fef_8000, 0x8000),
    ("dsp", 0x8e00_0000, 0x100_0000),
];

/// Documentation/devicetree/bindings/remoteproc/fsl,imx-rproc.yaml.
const IMX7D_CODE: Reserved = &[("cm4", 0x8000_0000, 0x8_0000), ("cm4", 0x8100_0000, 0x8_0000)];

/// imx93-11x11-evk.dts.
const IMX93_RPMSG: Reserved = &[
    ("vdevbuffer", 0xa402_0000, 0x10_0000),
    ("vdev0vring0", 0xa400_0000, 0x8000),
    ("vdev0vring1", 0xa400_8000, 0x8000),
    ("vdev1vring0", 0xa401_0000, 0x8000),
    ("vdev1vring1", 0xa401_8000, 0x8000),
    ("rsc-table", 0x2021_e000, 0x1000),
];

/// imx95-toradex-smarc.dtsi.
const IMX95_RPMSG: Reserved = &[
    ("vdevbuffer", 0x8802_0000, 0x10_0000),
    ("vdev0vring0", 0x8800_0000, 0x8000),
    ("vdev0vring1", 0x8800_8000, 0x8000),
    ("vdev1vring0", 0x8801_0000, 0x8000),
    ("vdev1vring1", 0x8801_8000, 0x8000),
    ("rsc-table", 0x8822_0000, 0x1000),
    ("mcore", 0x8000_0000, 0x100_0000),
];

/// imx8qm-mek.dts, and imx8qxp-mek.dts with the same; the memory for code stays to be added.
const IMX8QM_RPMSG_0: Reserved = &[
    ("vdevbuffer", 0x9040_0000, 0x10_0000),
    ("vdev0vring0", 0x9000_0000, 0x8000),
    ("vdev0vring1", 0x9000_8000, 0x8000),
    ("vdev1vring0", 0x9001_0000, 0x8000),
    ("vdev1vring1", 0x9001_8000, 0x8000),
    ("rsc-table", 0x900f_f000, 0x1000),
    ("mcore", 0x8800_0000, 0x800_0000),
];

const IMX8QM_RPMSG_1: Reserved = &[
    ("vdevbuffer", 0x9040_0000, 0x10_0000),
    ("vdev2vring0", 0x9010_0000, 0x8000),
    ("vdev2vring1", 0x9010_8000, 0x8000),
    ("vdev3vring0", 0x9011_0000, 0x8000),
    ("vdev3vring1", 0x9011_8000, 0x8000),
    ("rsc-table", 0x901f_f000, 0x1000),
    ("mcore", 0x8800_0000, 0x800_0000),
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

const HIFI4: &str = "imx/dsp/hifi4.bin";

impl BoardSpec {
    /// NXP i.MX7D SABRE: one Cortex-M4.
    pub fn imx7d() -> Self {
        BoardSpec::new("Freescale i.MX7 SabreSD Board", &["fsl,imx7d-sdb", "fsl,imx7d"])
            .narrow()
            .processor(core("imx7d-cm4", "fsl,imx7d-cm4", IMX7D, IMX7D_CODE))
    }

    /// NXP i.MX8MM EVK: one Cortex-M4.
    pub fn imx8mm() -> Self {
        BoardSpec::new("FSL i.MX8MM EVK board", &["fsl,imx8mm-evk", "fsl,imx8mm"]).processor(core(
            "imx8mm-cm4",
            "fsl,imx8mm-cm4",
            IMX8MQ,
            RPMSG_B8,
        ))
    }

    /// NXP i.MX8MN EVK: one Cortex-M7.
    pub fn imx8mn() -> Self {
        BoardSpec::new("NXP i.MX8MNano EVK board", &["fsl,imx8mn-evk", "fsl,imx8mn"]).processor(core(
            "imx8mn-cm7",
            "fsl,imx8mn-cm7",
            IMX8MN,
            RPMSG_B8,
        ))
    }

    /// NXP i.MX8MP EVK: a Cortex-M7 and a DSP.
    pub fn imx8mp() -> Self {
        let dsp = dsp("soc@0/3b6e8000.dsp", "fsl,imx8mp-hifi4", HIFI4, IMX8MP_DSP, DSP_92);
        BoardSpec::new("NXP i.MX8MPlus EVK board", &["fsl,imx8mp-evk", "fsl,imx8mp"])
            .processor(core("imx8mp-cm7", "fsl,imx8mp-cm7", IMX8MN, RPMSG_55))
            .processor(dsp)
    }

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
        let dsp = dsp("bus@55000000/556e8000.dsp", "fsl,imx8qm-hifi4", HIFI4, IMX8QM_DSP, DSP_92);
        BoardSpec::new("Freescale i.MX8QM MEK", &["fsl,imx8qm-mek", "fsl,imx8qm"])
            .processor(core("imx8qm-cm4-0", "fsl,imx8qm-cm4", IMX8QM_0, IMX8QM_RPMSG_0))
            .processor(core("imx8qm-cm4-1", "fsl,imx8qm-cm4", IMX8QM_1, IMX8QM_RPMSG_1))
            .processor(dsp)
    }

    /// NXP i.MX8QXP MEK: a Cortex-M4 and a DSP.
    pub fn imx8qxp() -> Self {
        let dsp = dsp("bus@59000000/596e8000.dsp", "fsl,imx8qxp-hifi4", HIFI4, IMX8QXP_DSP, DSP_92);
        BoardSpec::new("Freescale i.MX8QXP MEK", &["fsl,imx8qxp-mek", "fsl,imx8qxp"])
            .processor(core("imx8x-cm4", "fsl,imx8qxp-cm4", IMX8QXP, IMX8QM_RPMSG_0))
            .processor(dsp)
    }

    /// NXP i.MX8ULP EVK: a Cortex-M33, which runs before Linux does and which Linux can only attach to, and a DSP.
    pub fn imx8ulp() -> Self {
        let m33 = core("remoteproc-cm33", "fsl,imx8ulp-cm33", IMX8ULP, IMX8ULP_RPMSG);
        let dsp = dsp("soc@0/21170000.dsp", "fsl,imx8ulp-hifi4", HIFI4, IMX8ULP_DSP, IMX8ULP_DSP_RPMSG);
        BoardSpec::new("NXP i.MX8ULP EVK", &["fsl,imx8ulp-evk", "fsl,imx8ulp"])
            .processor(m33.initial(ProcessorState::Attached))
            .processor(dsp)
    }

    /// NXP i.MX93 EVK: one Cortex-M33.
    pub fn imx93() -> Self {
        BoardSpec::new("NXP i.MX93 11X11 EVK board", &["fsl,imx93-11x11-evk", "fsl,imx93"]).processor(core(
            "remoteproc-cm33",
            "fsl,imx93-cm33",
            IMX93,
            IMX93_RPMSG,
        ))
    }

    /// NXP i.MX95 EVK: one Cortex-M7.
    pub fn imx95() -> Self {
        BoardSpec::new("NXP i.MX95 19X19 board", &["fsl,imx95-19x19-evk", "fsl,imx95"]).processor(core(
            "remoteproc-cm7",
            "fsl,imx95-cm7",
            IMX95,
            IMX95_RPMSG,
        ))
    }
}
