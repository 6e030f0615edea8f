//! What the kernel refused, in words: its errno, its own log about the processor, and a hint for the known causes.

use rustix::io::Errno;

use crate::error::Error;
use crate::firmware::{FirmwareDirectory, StoredFirmware};
use crate::host::Host;
use crate::remoteproc::{Identity, KernelLog, Processor, Refusal, Step};
use crate::sys::process;

/// Kernel lines shown with a refusal.
const LINES: usize = 5;

/// What the kernel refused, with its own words on it.
pub fn refusal_error(
    host: &Host,
    identity: &Identity,
    stored: &StoredFirmware,
    refusal: Refusal,
    log: Option<&KernelLog>,
) -> Error {
    let processor = Processor::of(host, identity).ok().flatten();
    let path = processor.as_ref().map_or(&identity.device, |processor| &processor.path).display();
    let firmware = stored.name();
    let action = match refusal.step {
        Step::Open => format!("open {path}"),
        Step::ReadState => format!("read {path}/state"),
        Step::Note => "note the processor's settings in the container's directory".to_owned(),
        Step::Recovery => format!("set {path}/recovery"),
        Step::Coredump => format!("set {path}/coredump"),
        Step::Firmware => format!("write {firmware:?} to {path}/firmware"),
        Step::Start => format!("write \"start\" to {path}/state"),
        Step::Stop => format!("write \"stop\" to {path}/state"),
        Step::Recover => format!("write \"recover\" to {path}/recovery"),
    };
    let lines = match (log, &processor) {
        (Some(log), Some(processor)) => log.about(processor, LINES),
        _ => Vec::new(),
    };
    let hint = refusal_hint(host, stored, refusal, &lines);
    Error::Kernel { processor: identity.name.clone(), action, errno: refusal.errno, lines, hint }
}

/// Known causes (drivers/remoteproc, seen on real kernels).
fn refusal_hint(host: &Host, stored: &StoredFirmware, refusal: Refusal, lines: &[String]) -> Option<String> {
    let said = |words: &str| lines.iter().any(|line| line.contains(words));
    let firmware = stored.path.display();
    Some(match (refusal.step, refusal.errno) {
        (Step::Recovery | Step::Coredump, Errno::NOENT) => {
            "this kernel has no such setting (Linux 5.10 has): leave the annotation out".to_owned()
        }
        (Step::Start, Errno::INVAL) if said("bad phdr da") => {
            "a segment of the firmware lies outside the processor's memory: link it for this processor"
                .to_owned()
        }
        (Step::Start, Errno::INVAL) if said("resource table") => {
            "the firmware needs a valid resource table for this processor".to_owned()
        }
        (Step::Start, Errno::NOENT) => match FirmwareDirectory::path_with_newline(host) {
            // Later kernels drop it when they look (6.12), so it need not be the cause.
            Some(path) => format!(
                "the kernel does not find {firmware}: a newline ends its firmware directory, which Linux 6.1 takes \
                 for a part of it; write it without: printf %s {path} > /sys/module/firmware_class/parameters/path"
            ),
            None => format!(
                "the kernel does not find {firmware}: it looks in its own root file system, below \
                 /sys/module/firmware_class/parameters/path first"
            ),
        },
        (Step::Start, Errno::INVAL) => {
            "the kernel or its driver does not take this firmware: its log says why".to_owned()
        }
        (Step::Start | Step::Stop, Errno::PERM) => {
            "on TI K3 in split mode core 0 must start before core 1, and stop after it".to_owned()
        }
        (Step::Start, Errno::NOMEM) => {
            "the processor's carve-outs could not be allocated: see its reserved memory".to_owned()
        }
        (Step::Start, Errno::TIMEDOUT) => "the firmware did not answer its driver in time".to_owned(),
        // Even for root: the attributes themselves are read-only.
        (Step::Open, Errno::ACCESS | Errno::PERM) if process::is_root() => {
            "this processor's driver keeps user space from controlling it (sysfs_read_only)".to_owned()
        }
        (Step::Open, Errno::ACCESS | Errno::PERM) => {
            "run as root, or as a user that may write there".to_owned()
        }
        (Step::Open, Errno::ROFS) => "sysfs is mounted read-only".to_owned(),
        (_, Errno::NODEV) => "the processor's driver was unbound: bind it again".to_owned(),
        _ => return None,
    })
}
