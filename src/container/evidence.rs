//! What is left of a firmware that has ended: ROOT/ID/coredump, the memory of its processor as it was after its last crash,
//! and ROOT/ID/trace, the last that it wrote to its trace buffers.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::Mode;
use rustix::io::{Errno, Result};

use crate::remoteproc::{Copied, Dump, Traces};
use crate::sys::files;

/// Its name in the container's directory.
pub const COREDUMP: &str = "coredump";
const COREDUMP_PART: &str = "coredump.part";
/// The name of the last trace in the container's directory.
pub const TRACE: &str = "trace";
const TRACE_PART: &str = "trace.part";

/// The largest dump that is kept, in bytes: the carve-outs of DSPs have some 30 MiB, and the state directory lies in
/// memory (a tmpfs), where for a moment there are two, since the earlier one goes only when the later one is whole.
const LIMIT: u64 = 64 << 20;

/// It may hold what the firmware kept secret.
const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

/// How much of a trace is kept, in bytes.
const TRACE_LIMIT: usize = 64 << 10;

/// Keeps a dump, in place of an earlier one, and frees the kernel's, whatever comes of it. Allocates nothing.
///
/// # Errors
/// What the kernel or the file system says; an earlier dump is still there then.
pub fn keep(dump: &Dump, container: impl AsFd) -> Result<Copied> {
    let mut copied = Copied { bytes: 0, cut: false };
    let kept = files::make_whole(container.as_fd(), COREDUMP_PART, COREDUMP, PRIVATE, &mut |part| {
        copied = match limit(part) {
            0 => return Err(Errno::NOSPC),
            limit => dump.copy(part, limit)?,
        };
        // A recovery may wait for this, and is not to wait for the disk.
        dump.free();
        Ok(())
    });
    if kept.is_err() {
        dump.free();
    }
    kept.map(|()| copied)
}

/// Keeps the text of trace buffers; of long ones the end. Allocates nothing.
///
/// # Errors
/// What the file system says; then there is no such file.
pub fn keep_trace(traces: &Traces, container: impl AsFd) -> Result<()> {
    files::make_whole(container.as_fd(), TRACE_PART, TRACE, PRIVATE, &mut |part| {
        let mut excess = traces.size().saturating_sub(TRACE_LIMIT);
        let mut result = Ok(());
        traces.give_all(&mut |text| {
            let left_out = excess.min(text.len());
            excess = excess.saturating_sub(left_out);
            if result.is_ok() {
                result = files::write_all(part, text.get(left_out..).unwrap_or_default());
            }
        });
        result
    })
}

/// The text that was kept.
///
/// # Errors
/// What the file system says; a link, or anything but a regular file, is refused.
pub fn kept_trace(container: impl AsFd) -> std::io::Result<Vec<u8>> {
    // What tells the buffers apart comes on top.
    files::read_here(container, TRACE, (TRACE_LIMIT as u64).saturating_mul(2))
}

/// As much as is kept of one: others need what is free of the file system, too.
fn limit(file: &OwnedFd) -> u64 {
    match rustix::fs::fstatvfs(file) {
        // A tmpfs without a limit has no blocks.
        Ok(stat) if stat.f_blocks > 0 => LIMIT.min(stat.f_bavail.saturating_mul(stat.f_frsize) / 2),
        _ => LIMIT,
    }
}

/// The files that are removed with the container.
pub(super) const FILES: [&str; 4] = [COREDUMP, COREDUMP_PART, TRACE, TRACE_PART];
