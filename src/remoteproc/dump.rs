//! The memory of a processor that crashed, as the kernel hands it out once: `/sys/class/devcoredump/devcdN/data`
//! (drivers/base/devcoredump.c). It keeps one for a device, drops further ones, and frees it when anything is written to
//! it, or after five minutes.
//!
//! Looking for one and copying it allocates nothing: the proxy does it while its firmware is recovered.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, RawDir, SeekFrom};
use rustix::io::Result;

use super::processor::Processor;
use crate::host::Host;
use crate::sys::files;

/// The dumps of one processor that are younger than a known one.
#[derive(Debug)]
pub struct Dumps {
    class: OwnedFd,
    /// The processor's directory: device and inode.
    processor: (u64, u64),
    /// The number of the last dump that is not to be looked at, or was already.
    last: u32,
}

/// A dump that the kernel still has.
#[derive(Debug)]
pub struct Dump(OwnedFd);

/// How much of a dump was copied, in bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Copied {
    /// Bytes.
    pub bytes: u64,
    /// There were more than the limit.
    pub cut: bool,
}

/// What is read at once, in bytes: sysfs gives no more (fs/kernfs/file.c, a page).
const PIECE: usize = 4096;

/// Room for the names of some thirty dumps; more are read in turn.
const NAMES: usize = 1024;

impl Dumps {
    /// The dumps of a processor behind number `last`, or behind those that there are now. `None` where the kernel has no
    /// dumps (CONFIG_DEV_COREDUMP).
    pub fn after(host: &Host, processor: &Processor, last: Option<u32>) -> Option<Self> {
        let class = files::open_directory(&host.devcoredump_class()).ok()?;
        let stat = rustix::fs::stat(&processor.path).ok()?;
        let mut dumps = Self { class, processor: (stat.st_dev, stat.st_ino), last: 0 };
        dumps.last = last.unwrap_or_else(|| dumps.newest(|_| true).unwrap_or(0));
        Some(dumps)
    }

    /// The number of the last dump that is not to be looked at, or was already.
    pub fn last(&self) -> u32 {
        self.last
    }

    /// A dump of the processor that was not seen yet.
    #[inline(never)]
    pub fn new_one(&mut self) -> Option<Dump> {
        let last = self.last;
        let number = self.newest(|number| number > last)?;
        // Whatever comes of it, it is not looked at again: one that was freed stays listed for a moment.
        self.last = number;
        let mut name = Name::of(number);
        name.push("/data");
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        rustix::fs::openat(&self.class, name.as_c_str(), flags, Mode::empty()).ok().map(Dump)
    }

    /// The highest number of the processor's dumps that are `wanted`.
    fn newest(&self, wanted: impl Fn(u32) -> bool) -> Option<u32> {
        rustix::fs::seek(&self.class, SeekFrom::Start(0)).ok()?;
        let mut names = [MaybeUninit::uninit(); NAMES];
        let mut entries = RawDir::new(&self.class, &mut names);
        let mut newest = None;
        while let Some(Ok(entry)) = entries.next() {
            let number = entry.file_name().to_str().ok().and_then(number);
            let ours = |number: &u32| wanted(*number) && self.is_ours(*number);
            newest = newest.max(number.filter(ours));
        }
        newest
    }

    fn is_ours(&self, number: u32) -> bool {
        let mut name = Name::of(number);
        name.push("/failing_device");
        rustix::fs::statat(&self.class, name.as_c_str(), AtFlags::empty())
            .is_ok_and(|stat| (stat.st_dev, stat.st_ino) == self.processor)
    }
}

impl Dump {
    /// Copies it to a file, as far as `limit` bytes.
    ///
    /// # Errors
    /// What reading and writing say; something may be written then.
    #[inline(never)]
    pub fn copy(&self, to: impl AsFd, limit: u64) -> Result<Copied> {
        let mut piece = [0; PIECE];
        let mut bytes = 0_u64;
        loop {
            let length = rustix::io::read(&self.0, &mut piece[..])?;
            let room = usize::try_from(limit.saturating_sub(bytes)).unwrap_or(usize::MAX);
            let cut = length > room;
            let wanted = piece.get(..length.min(room)).unwrap_or_default();
            files::write_all(&to, wanted)?;
            bytes = bytes.saturating_add(wanted.len() as u64);
            if cut || wanted.is_empty() {
                return Ok(Copied { bytes, cut });
            }
        }
    }

    /// Has the kernel free it; a recovery that waits for that goes on.
    pub fn free(&self) {
        // It fails only on a dump that is freed already.
        let _ = rustix::io::write(&self.0, b"0");
    }
}

/// The number of `devcd7`.
fn number(name: &str) -> Option<u32> {
    name.strip_prefix("devcd")?.parse().ok()
}

/// `devcdN` and a file in it.
struct Name(heapless::String<40>);

impl Name {
    fn of(number: u32) -> Self {
        use std::fmt::Write;
        let mut name = heapless::String::new();
        // Ten digits at most.
        let _ = write!(name, "devcd{number}");
        Self(name)
    }

    fn push(&mut self, file: &str) {
        let _ = self.0.push_str(file);
        let _ = self.0.push('\0');
    }

    fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(self.0.as_bytes()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;
    use crate::remoteproc::Identity;

    struct Machine {
        dir: tempfile::TempDir,
        host: Host,
        processor: Processor,
    }

    fn machine() -> Machine {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::new(dir.path()).unwrap();
        let path = host.path("processor");
        std::fs::create_dir_all(&path).unwrap();
        std::fs::create_dir_all(host.path("other")).unwrap();
        std::fs::create_dir_all(host.devcoredump_class()).unwrap();
        std::fs::write(host.devcoredump_class().join("disabled"), "0\n").unwrap();
        let identity = Identity { name: "m4".into(), device: "/d".into() };
        Machine { dir, host, processor: Processor { identity, path } }
    }

    impl Machine {
        fn dump(&self, number: u32, of: &str) -> PathBuf {
            let dump = self.host.devcoredump_class().join(format!("devcd{number}"));
            std::fs::create_dir(&dump).unwrap();
            symlink(self.host.path(of), dump.join("failing_device")).unwrap();
            std::fs::write(dump.join("data"), format!("dump {number}")).unwrap();
            dump.join("data")
        }

        fn copied(&self, dump: &Dump, limit: u64) -> (String, Copied) {
            let path = self.dir.path().join("copy");
            let copied = dump.copy(std::fs::File::create(&path).unwrap(), limit).unwrap();
            (std::fs::read_to_string(path).unwrap(), copied)
        }
    }

    #[test]
    fn only_new_dumps_of_the_processor_are_found_and_each_once() {
        let machine = machine();
        machine.dump(3, "processor");
        let mut dumps = Dumps::after(&machine.host, &machine.processor, None).unwrap();
        assert_eq!((dumps.last(), dumps.new_one().is_none()), (3, true));
        machine.dump(12, "other");
        machine.dump(2, "processor");
        assert!(dumps.new_one().is_none());
        machine.dump(100, "processor");
        let found = dumps.new_one().unwrap();
        assert_eq!(machine.copied(&found, 1000), ("dump 100".into(), Copied { bytes: 8, cut: false }));
        assert!(dumps.new_one().is_none());
        let mut all = Dumps::after(&machine.host, &machine.processor, Some(0)).unwrap();
        assert!(all.new_one().is_some() && all.new_one().is_none());
    }

    #[test]
    fn many_dumps_hide_none() {
        let machine = machine();
        for number in 1..300 {
            machine.dump(number, if number == 150 { "processor" } else { "other" });
        }
        let mut dumps = Dumps::after(&machine.host, &machine.processor, Some(0)).unwrap();
        assert_eq!(machine.copied(&dumps.new_one().unwrap(), 1000).0, "dump 150");
    }

    #[test]
    fn a_dump_is_cut_at_the_limit_and_freed_by_a_write() {
        let machine = machine();
        let data = machine.dump(1, "processor");
        std::fs::write(&data, "x".repeat(10_000)).unwrap();
        for (limit, cut) in [(0, true), (5000, true), (9999, true), (10_000, false), (1 << 40, false)] {
            let mut dumps = Dumps::after(&machine.host, &machine.processor, Some(0)).unwrap();
            let (text, copied) = machine.copied(&dumps.new_one().unwrap(), limit);
            assert_eq!((copied.bytes, copied.cut), (limit.min(10_000), cut), "{limit}");
            assert_eq!(text.len() as u64, copied.bytes);
        }
        Dumps::after(&machine.host, &machine.processor, Some(0)).unwrap().new_one().unwrap().free();
        assert!(std::fs::read_to_string(&data).unwrap().starts_with('0'));
    }

    #[test]
    fn a_kernel_without_dumps_and_entries_that_are_none_are_no_trouble() {
        let machine = machine();
        for name in ["devcd", "devcd-1", "devcdx", "devcd99999999999"] {
            std::fs::create_dir(machine.host.devcoredump_class().join(name)).unwrap();
        }
        // Freed while it was looked at.
        std::fs::create_dir(machine.host.devcoredump_class().join("devcd7")).unwrap();
        assert!(Dumps::after(&machine.host, &machine.processor, Some(0)).unwrap().new_one().is_none());
        std::fs::remove_dir_all(machine.host.devcoredump_class()).unwrap();
        assert!(Dumps::after(&machine.host, &machine.processor, None).is_none());
    }
}
