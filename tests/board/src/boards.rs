//! Boards that exist: one a family, as the kernel shows it with a device tree of the vendor's. A file a vendor.
//!
//! Sources: the drivers' tables of addresses (drivers/remoteproc), the vendors' device trees (arch/arm64/boot/dts,
//! arch/arm/boot/dts) for devices, memory, firmware names and what is reserved.

mod nxp;
mod st;
mod ti;
mod xilinx;

use crate::spec::BoardSpec;

impl BoardSpec {
    /// Every family's name with a board of it.
    pub fn all() -> Vec<(&'static str, BoardSpec)> {
        vec![
            ("am62a", BoardSpec::am62a()),
            ("am62x", BoardSpec::am62x()),
            ("am64x", BoardSpec::am64x()),
            ("am65x", BoardSpec::am65x()),
            ("imx7d", BoardSpec::imx7d()),
            ("imx8mm", BoardSpec::imx8mm()),
            ("imx8mn", BoardSpec::imx8mn()),
            ("imx8mp", BoardSpec::imx8mp()),
            ("imx8mq", BoardSpec::imx8mq()),
            ("imx8qm", BoardSpec::imx8qm()),
            ("imx8qxp", BoardSpec::imx8qxp()),
            ("imx8ulp", BoardSpec::imx8ulp()),
            ("imx93", BoardSpec::imx93()),
            ("imx95", BoardSpec::imx95()),
            ("j7200", BoardSpec::j7200()),
            ("j721e", BoardSpec::j721e()),
            ("j721s2", BoardSpec::j721s2()),
            ("j784s4", BoardSpec::j784s4()),
            ("stm32mp15", BoardSpec::stm32mp15()),
            ("stm32mp25", BoardSpec::stm32mp25()),
            ("zynqmp", BoardSpec::zynqmp()),
        ]
    }
}
