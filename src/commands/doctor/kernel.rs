//! Whether the kernel shows processors.

use super::list;
use super::report::{Level, Report};
use crate::board::compatible;
use crate::commands::processors::Seen;
use crate::host::Host;

const ABOUT: &str = "kernel";

/// Vendors' prefixes in device trees, the modules of their drivers, and what builds these (drivers/remoteproc/Kconfig and
/// Makefile).
const DRIVERS: [(&str, &str, &str); 5] = [
    ("st,", "stm32_rproc", "CONFIG_STM32_RPROC"),
    ("fsl,", "imx_rproc", "CONFIG_IMX_REMOTEPROC"),
    ("ti,", "ti_k3_r5_remoteproc", "CONFIG_TI_K3_R5_REMOTEPROC"),
    ("xlnx,", "xlnx_r5_remoteproc", "CONFIG_XLNX_R5_REMOTEPROC"),
    ("mediatek,", "mtk_scp", "CONFIG_MTK_SCP"),
];

pub fn check(report: &mut Report, host: &Host, seen: &[Seen<'_>]) {
    let (class, mut names) = (host.remoteproc_class(), String::new());
    seen.iter().for_each(|seen| list(&mut names, seen.name()));
    let shown = class.display();
    if !names.is_empty() {
        report.say(Level::Ok, ABOUT, format_args!("{shown} lists {names}"));
        return;
    }
    let board = compatible(host);
    let driver = DRIVERS.iter().find(|(vendor, ..)| board.iter().any(|name| name.starts_with(vendor)));
    let config = driver.map_or("the driver of this system-on-chip", |(.., config)| *config);
    if class.is_dir() {
        report.say(Level::Error, ABOUT, format_args!(
            "{shown} is empty: no driver has a processor; {config} is not loaded, or the device tree has no enabled node for it"
        ));
    } else {
        report.say(
            Level::Error,
            ABOUT,
            format_args!(
                "{shown} is missing: the kernel needs CONFIG_REMOTEPROC and {config}, loaded or built in"
            ),
        );
    }
    match driver {
        Some((_, module, _)) => report.fix(format_args!("modprobe {module}")),
        None => report.fix(format_args!("load its driver; dmesg says what kept that from a processor")),
    }
}
