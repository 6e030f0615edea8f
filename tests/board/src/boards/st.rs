//! STMicroelectronics: the driver finds its windows in `dma-ranges`, all memory in `memory-region`
//! (drivers/remoteproc/stm32_rproc.c).

use crate::processor_spec::{Dumped, ProcessorSpec};
use crate::spec::BoardSpec;

impl BoardSpec {
    /// STMicroelectronics STM32MP257F-DK: one Cortex-M33, `m33`, that takes unsigned firmware.
    pub fn stm32mp25() -> Self {
        let m33 = ProcessorSpec::new("m33", "ahb@1/0.m33")
            .driver("stm32-rproc")
            .compatible(&["st,stm32mp2-m33"])
            .dumped(Dumped::Memory(0))
            .windows(&[])
            .reserved(&[
                ("cm33-cube-fw", 0x8010_0000, 0x80_0000),
                ("cm33-cube-data", 0x80a0_0000, 0x80_0000),
                ("ipc-shmem-1", 0x8120_0000, 0xf_8000),
                ("vdev0vring0", 0x812f_8000, 0x1000),
                ("vdev0vring1", 0x812f_9000, 0x1000),
                ("vdev0buffer", 0x812f_a000, 0x6000),
            ]);
        BoardSpec::new(
            "STMicroelectronics STM32MP257F-DK Discovery Board",
            &["st,stm32mp257f-dk", "st,stm32mp257"],
        )
        .processor(m33)
    }

    /// STMicroelectronics STM32MP157C-DK2 under Linux 6.1: one Cortex-M4, `m4`.
    pub fn stm32mp15() -> Self {
        // stm32mp151.dtsi, and stm32mp15xx-dkx.dtsi for what is reserved.
        let m4 = ProcessorSpec::new("m4", "soc/10000000.m4")
            .driver("stm32-rproc")
            .compatible(&["st,stm32mp1-m4"])
            // As ELF for no machine.
            .dumped(Dumped::Memory(0))
            .windows(&[])
            .reach(0x0, 0x1_0000, 0x3800_0000)
            .reach(0x1000_0000, 0x6_0000, 0x1000_0000)
            .reach(0x3000_0000, 0x6_0000, 0x3000_0000)
            .reserved(&[
                ("retram", 0x3800_0000, 0x1_0000),
                ("mcuram", 0x3000_0000, 0x4_0000),
                ("mcuram2", 0x1000_0000, 0x4_0000),
                ("vdev0vring0", 0x1004_0000, 0x1000),
                ("vdev0vring1", 0x1004_1000, 0x1000),
                ("vdev0buffer", 0x1004_2000, 0x4000),
            ]);
        BoardSpec::new(
            "STMicroelectronics STM32MP157C-DK2 Discovery Board",
            &["st,stm32mp157c-dk2", "st,stm32mp157"],
        )
        .narrow()
        .osrelease("6.1.0-simulated")
        .path_keeps_newline(true)
        .processor(m4)
    }
}
