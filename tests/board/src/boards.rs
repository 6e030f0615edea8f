//! Boards that exist: one a family, as the kernel shows it with a device tree of the vendor's. A file a vendor.
//!
//! Sources: the drivers' tables of addresses (drivers/remoteproc), the vendors' device trees (arch/arm64/boot/dts,
//! arch/arm/boot/dts) for devices, memory, firmware names and what is reserved.

mod nxp;
mod st;
mod ti;

use crate::spec::BoardSpec;

impl BoardSpec {
    /// Every family's name with a board of it.
    pub fn all() -> Vec<(&'static str, BoardSpec)> {
        vec![
            ("am64x", BoardSpec::am64x()),
            ("am65x", BoardSpec::am65x()),
            ("imx8mq", BoardSpec::imx8mq()),
            ("imx8qm", BoardSpec::imx8qm()),
            ("j721e", BoardSpec::j721e()),
            ("stm32mp15", BoardSpec::stm32mp15()),
        ]
    }
}
