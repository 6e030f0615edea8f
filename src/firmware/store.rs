//! The firmware directory: unique files for the kernel to load, and no litter of earlier boots.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use super::image::FirmwareImage;
use crate::error::{Error, Result};
use crate::host::Host;
use crate::remoteproc::{Processor, ProcessorState, firmware_name};
use crate::sys::{clock, errno, files};

/// The longest name of a stored file, in bytes: the kernel takes 255 and some file systems less.
const NAME_LIMIT: usize = 200;

/// Hexadecimal digits of the suffix that come from the boot id, and as many random ones follow.
const MARK: usize = 8;

/// `-20261123T221500Z-0123456789abcdef`.
const TAIL: usize = 1 + 16 + 1 + 2 * MARK;

/// Ends the name of a file that is still being copied.
pub const PART: &str = ".part";

/// Where the kernel looks for firmware first.
#[derive(Debug)]
pub struct FirmwareDirectory {
    path: PathBuf,
}

impl FirmwareDirectory {
    /// The directory of the parameter `firmware_class.path`, else `/lib/firmware` (drivers/base/firmware_loader/main.c).
    ///
    /// # Errors
    /// When the parameter is there and cannot be read.
    pub fn of(host: &Host) -> Result<Self> {
        let parameter = host.firmware_class_path();
        let configured = match std::fs::read_to_string(&parameter) {
            // A kernel without the loader as a module lists it all the same, a plain folder may not.
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            other => other.map_err(|e| Error::io("read", parameter, e))?,
        };
        // Linux 6.1 keeps the newline that somebody's echo wrote; it is none of the path.
        let path = match configured.trim_end_matches('\n') {
            "" => host.path("lib/firmware"),
            path => host.path(path),
        };
        Ok(Self { path })
    }

    /// The path that a newline has got into, which Linux 6.1 takes for a part of it; the kernel shows a parameter with a
    /// newline of its own behind (kernel/params.c, `param_get_string`).
    pub fn path_with_newline(host: &Host) -> Option<String> {
        let shown = std::fs::read_to_string(host.firmware_class_path()).ok()?;
        Some(shown.strip_suffix("\n\n")?.to_owned())
    }

    /// The directory, below the host root.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A name that no other container and no other boot uses, for a firmware called `original`.
    ///
    /// # Errors
    /// When the kernel gives no boot id or random numbers.
    pub fn unique_name(&self, host: &Host, original: &str) -> Result<String> {
        let mut random = [0_u8; MARK / 2];
        getrandom(&mut random, GetRandomFlags::empty()).map_err(|e| Error::io("read", "/dev/urandom", e))?;
        let random: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let original = shorten(original, NAME_LIMIT - TAIL);
        Ok(format!("{original}-{}-{}{random}", clock::now_compact(), boot_mark(host)?))
    }

    /// Copies `image` here as `name`: whole, readable by the kernel, or not at all.
    ///
    /// # Errors
    /// [`Error::Firmware`] naming the directory; nothing is left behind.
    pub fn store(&self, image: &mut FirmwareImage, name: &str) -> Result<StoredFirmware> {
        let stored = StoredFirmware { path: self.path.join(name) };
        let directory = files::open_directory(&self.path).map_err(|e| self.refusal(e.into()))?;
        self.copy(&directory, image, name).inspect_err(|_| {
            // What matters is the first error.
            let _ = stored.remove();
        })?;
        Ok(stored)
    }

    fn copy(&self, directory: &OwnedFd, image: &mut FirmwareImage, name: &str) -> Result<()> {
        let part = format!("{name}{PART}");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
        let copied: std::io::Result<()> = (|| {
            let mut file = File::from(rustix::fs::openat(directory, &part, flags, mode)?);
            // Whatever the umask: the kernel reads it as root, people look at it as they like.
            rustix::fs::fchmod(&file, mode)?;
            image.copy_to(&mut file)?;
            file.sync_all()?;
            rustix::fs::renameat(directory, &part, directory, name)?;
            Ok(rustix::fs::fsync(directory)?)
        })();
        copied.map_err(|e| self.refusal(e))
    }

    fn refusal(&self, error: std::io::Error) -> Error {
        let hint = match Errno::from_io_error(&error) {
            Some(Errno::ROFS) => {
                "make it writable, or name a writable directory in /sys/module/firmware_class/parameters/path"
            }
            Some(Errno::NOSPC | Errno::DQUOT) => "free some space on its file system",
            Some(Errno::NOENT) => "make this directory: the kernel looks for firmware in it",
            Some(Errno::ACCESS | Errno::PERM) => "run as root, or as a user that may write there",
            _ => "the firmware must be stored there for the kernel to find it",
        };
        Error::Firmware {
            path: self.path.clone(),
            problem: format!("cannot store a firmware in this directory: {}", errno::io_in_words(&error)),
            hint: Some(hint.to_owned()),
        }
    }
}

/// A file that a create has stored, or is about to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredFirmware {
    /// Its whole path, below the host root.
    pub path: PathBuf,
}

impl StoredFirmware {
    /// The file at a path that was noted; `None` for a name that none of ours has.
    pub fn noted(path: PathBuf) -> Option<Self> {
        let stored = Self { path };
        boot_mark_of(stored.name()).is_some().then_some(stored)
    }

    /// The name by which the kernel is told of it.
    pub fn name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Removes it, whole or half copied. One that is gone is no error.
    ///
    /// # Errors
    /// What the file system says; and a path that is none of ours is refused.
    pub fn remove(&self) -> Result<()> {
        if boot_mark_of(self.name()).is_none() {
            return Err(Error::invalid(format!("{} is no stored firmware", self.path.display())));
        }
        let part = self.path.with_file_name(format!("{}{PART}", self.name()));
        for path in [&part, &self.path] {
            files::remove_path_if_there(path).map_err(|e| Error::io("remove", path, e))?;
        }
        Ok(())
    }
}

/// Which boot of the machine stored a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Boot {
    /// This one.
    This,
    /// Another one.
    Another,
}

/// Removes what another boot left in the firmware directory. State lies on a tmpfs and is gone after a reboot, the
/// firmware directory mostly is not.
///
/// Best effort: a create must not fail for the litter of an earlier one. Returns the names removed.
pub fn sweep(host: &Host, directory: &FirmwareDirectory) -> Vec<String> {
    let stale = unneeded(host, directory, Boot::Another).unwrap_or_default();
    stale.into_iter().filter(|name| files::remove_path_if_there(&directory.path.join(name)).is_ok()).collect()
}

/// The files of exactly our pattern that `boot` stored and that no processor which is not offline names. `None` where
/// that cannot be told.
pub fn unneeded(host: &Host, directory: &FirmwareDirectory, boot: Boot) -> Option<Vec<String>> {
    let this_boot = boot_mark(host).ok()?;
    let of = |mark: &str| if mark == this_boot { Boot::This } else { Boot::Another };
    let mut names: Vec<String> = files::entries(&directory.path)
        .ok()?
        .into_iter()
        .filter(|entry| !entry.is_directory())
        .filter_map(|entry| entry.name.into_string().ok())
        .filter(|name| {
            boot_mark_of(name.strip_suffix(PART).unwrap_or(name)).is_some_and(|mark| of(mark) == boot)
        })
        .collect();
    if names.is_empty() {
        return Some(names);
    }
    for processor in Processor::list(host).ok()? {
        match (ProcessorState::read(&processor.path), firmware_name(&processor.path)) {
            (Ok(ProcessorState::Offline), _) => {}
            (Ok(_), Ok(in_use)) => names.retain(|name| *name != in_use),
            // A processor that cannot be read may be running anything: then nothing is known to be unneeded.
            _ => return None,
        }
    }
    Some(names)
}

/// The mark of this boot: clocks of boards cannot be trusted to tell one boot from another.
fn boot_mark(host: &Host) -> Result<String> {
    Ok(host.boot_id()?.chars().filter(char::is_ascii_hexdigit).take(MARK).collect())
}

/// The mark in a name of our pattern; `None` for any other name.
pub fn boot_mark_of(name: &str) -> Option<&str> {
    let split = name.len().checked_sub(TAIL).filter(|&length| length > 0)?;
    let tail = name.get(split..)?;
    let (time, suffix) = tail.strip_prefix('-')?.split_once('-')?;
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let (date, clock) = time.strip_suffix('Z')?.split_once('T')?;
    let hex = suffix.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    (digits(date, 8) && digits(clock, 6) && hex).then(|| suffix.get(..MARK)).flatten()
}

/// `name` in at most `limit` bytes: the end of its stem is cut, its extension kept where there is room.
pub fn shorten(name: &str, limit: usize) -> String {
    if name.len() <= limit {
        return name.to_owned();
    }
    let parts = name.rfind('.').and_then(|dot| name.split_at_checked(dot));
    let (stem, extension) = parts.filter(|(_, extension)| extension.len() < limit).unwrap_or((name, ""));
    let room = limit.saturating_sub(extension.len());
    // Back to the end of a character.
    let stem = (0..=room).rev().find_map(|end| stem.get(..end)).unwrap_or_default();
    format!("{stem}{extension}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> (tempfile::TempDir, Host) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("proc/sys/kernel/random")).unwrap();
        std::fs::create_dir_all(dir.path().join("lib/firmware")).unwrap();
        boot(dir.path(), "0123abcd-0000-0000-0000-000000000000");
        let host = Host::new(dir.path()).unwrap();
        (dir, host)
    }

    fn boot(root: &Path, id: &str) {
        std::fs::write(root.join("proc/sys/kernel/random/boot_id"), format!("{id}\n")).unwrap();
    }

    #[test]
    fn names_are_unique_and_of_our_pattern() {
        let (_dir, host) = host();
        let directory = FirmwareDirectory::of(&host).unwrap();
        let names: Vec<String> = (0..2).map(|_| directory.unique_name(&host, "fw.elf").unwrap()).collect();
        assert_ne!(names[0], names[1]);
        for name in &names {
            assert!(name.starts_with("fw.elf-2"), "{name}");
            assert_eq!(boot_mark_of(name), Some("0123abcd"), "{name}");
        }
        let long = directory.unique_name(&host, &format!("{}.elf", "ü".repeat(200))).unwrap();
        assert!(long.len() <= NAME_LIMIT && long.contains(".elf-2"), "{long}");
    }

    #[test]
    fn other_names_are_not_ours() {
        for name in [
            "",
            "fw.elf",
            "-20261123T221500Z-0123456789abcdef",
            "x-20261123T221500Z-0123456789ABCDEF",
            "x-20261123T221500-0123456789abcdef",
            "x-20261123T22150Z-0123456789abcdef0",
            "x-20261123T221500Z-0123456789abcde",
            "x_20261123T221500Z-0123456789abcdef",
            "ü20261123T221500Z-0123456789abcdef",
        ] {
            assert_eq!(boot_mark_of(name), None, "{name}");
        }
        assert_eq!(boot_mark_of("x-20261123T221500Z-0123456789abcdef"), Some("01234567"));
    }

    #[test]
    fn extensions_survive_shortening() {
        assert_eq!(shorten("short.elf", 20), "short.elf");
        assert_eq!(shorten("quite-a-long-name.elf", 10), "quite-.elf");
        assert_eq!(shorten("a.very-long-extension", 10), "a.very-lon");
        assert_eq!(shorten("üüüüüü", 5), "üü");
        for (name, limit, short) in
            [("ü.elf", 5, ".elf"), ("ü.elf", 4, "ü.e"), ("ü", 1, ""), ("a", 0, ""), (".elf", 3, ".el")]
        {
            assert_eq!(shorten(name, limit), short, "{name} in {limit}");
        }
    }

    #[test]
    fn the_parameter_of_the_kernel_comes_first_without_its_newline() {
        let (dir, host) = host();
        assert_eq!(FirmwareDirectory::of(&host).unwrap().path(), host.path("lib/firmware"));
        std::fs::create_dir_all(dir.path().join("sys/module/firmware_class/parameters")).unwrap();
        for (value, path) in [("\n", "lib/firmware"), ("/data/fw\n", "data/fw"), ("/data/fw\n\n", "data/fw")]
        {
            std::fs::write(host.firmware_class_path(), value).unwrap();
            assert_eq!(FirmwareDirectory::of(&host).unwrap().path(), host.path(path));
        }
    }

    #[test]
    fn only_files_of_another_boot_that_nothing_uses_are_swept() {
        let (dir, host) = host();
        let directory = FirmwareDirectory::of(&host).unwrap();
        let name = |n: u32| format!("a-20261123T22150{n}Z-ffffffff00000000");
        let ours = "a-20261123T221500Z-0123abcd00000000".to_owned();
        for file in
            [&name(1), &format!("{}.part", name(2)), &name(3), &name(4), &ours, "a.elf", "other-ffffffff"]
        {
            std::fs::write(directory.path().join(file), "").unwrap();
        }
        for (number, state, file) in [(0, "running", name(3)), (1, "offline", name(1))] {
            let processor = host.remoteproc_class().join(format!("remoteproc{number}"));
            std::fs::create_dir_all(&processor).unwrap();
            for (attribute, value) in [("name", "m4"), ("state", state), ("firmware", &file)] {
                std::fs::write(processor.join(attribute), format!("{value}\n")).unwrap();
            }
        }
        assert_eq!(unneeded(&host, &directory, Boot::This), Some(vec![ours.clone()]));
        let mut swept = sweep(&host, &directory);
        swept.sort();
        assert_eq!(swept, [name(1), format!("{}.part", name(2)), name(4)]);
        assert!(sweep(&host, &directory).is_empty());
        boot(dir.path(), "ffffffff-0000-0000-0000-000000000000");
        assert_eq!(sweep(&host, &directory), [ours]);
    }

    #[test]
    fn what_is_not_ours_is_not_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("precious");
        std::fs::write(&path, "").unwrap();
        assert!(StoredFirmware { path: path.clone() }.remove().is_err());
        assert!(path.exists());
    }
}
