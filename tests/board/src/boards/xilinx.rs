//! AMD (Xilinx) Zynq UltraScale+: the driver knows the memories of the Cortex-R5F, the rest is reserved
//! (drivers/remoteproc/xlnx_r5_remoteproc.c).

use crate::processor_spec::{Dumped, ProcessorSpec};
use crate::spec::BoardSpec;

/// The machine in dumps, ARM.
const EM_ARM: u16 = 40;

/// Core `number` in split mode, with its memory at `tcm`.
fn r5f(number: u32, tcm: u64, image: u64) -> ProcessorSpec {
    let name = format!("{tcm:x}.r5f");
    ProcessorSpec::new(&name, &format!("remoteproc-split@ffe00000/{name}"))
        .node(&format!("remoteproc-split@ffe00000/r5f@{number}"))
        .driver("zynqmp_r5_remoteproc")
        .compatible(&["xlnx,zynqmp-r5f"])
        .recovery(false)
        .dumped(Dumped::Memory(EM_ARM))
        .windows(&[])
        .window_at(0x0, 0x1_0000, tcm)
        .window_at(0x2_0000, 0x1_0000, tcm + 0x2_0000)
        .reserved(&[("memory", image, 0x4_0000)])
}

impl BoardSpec {
    /// AMD ZCU102: two Cortex-R5F in split mode, which start and stop in any order.
    pub fn zynqmp() -> Self {
        BoardSpec::new(
            "ZynqMP ZCU102 Rev1.0",
            &["xlnx,zynqmp-zcu102-rev1.0", "xlnx,zynqmp-zcu102", "xlnx,zynqmp"],
        )
        .processor(r5f(0, 0xffe0_0000, 0x3ed0_0000))
        .processor(r5f(1, 0xffe9_0000, 0x3ef0_0000))
    }
}
