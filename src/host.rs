//! Every path outside the bundle, built once from `--host-root` and passed down.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::sys::files;

/// The machine whose processors are driven: the one we run on, or a tree that stands for one.
#[derive(Clone, Debug)]
pub struct Host {
    root: PathBuf,
}

impl Host {
    /// The machine below `root`; `/` is the one we run on.
    ///
    /// # Errors
    /// When `root` is no directory.
    pub fn new(root: &Path) -> Result<Self> {
        let real = files::real_path(root).map_err(|e| Error::io("open the host root", root, e))?;
        if !real.is_dir() {
            return Err(Error::invalid(format!("--host-root {}: not a directory", root.display())));
        }
        Ok(Self { root: real })
    }

    /// The machine below a root that [`Host::new`] gave once, and that may be gone by now.
    pub fn known(root: PathBuf) -> Self {
        Self { root }
    }

    /// The directory that stands for `/`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// An absolute path of the machine, below the host root.
    ///
    /// ```
    /// use remoteproc_runtime::host::Host;
    /// use std::path::Path;
    ///
    /// let board = Host::new(Path::new("/tmp")).unwrap();
    /// assert!(board.path("/sys/class/remoteproc").ends_with("tmp/sys/class/remoteproc"));
    /// ```
    pub fn path(&self, absolute: impl AsRef<Path>) -> PathBuf {
        let path = absolute.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Where the kernel lists its remote processors (drivers/remoteproc/remoteproc_sysfs.c).
    pub fn remoteproc_class(&self) -> PathBuf {
        self.path("sys/class/remoteproc")
    }

    /// The kernel's log, one record a read (Documentation/ABI/testing/dev-kmsg).
    pub fn kmsg(&self) -> PathBuf {
        self.path("dev/kmsg")
    }

    /// Where debugfs is mounted.
    pub fn debugfs(&self) -> PathBuf {
        self.path("sys/kernel/debug")
    }

    /// Where the kernel shows what firmware writes to its trace buffers (drivers/remoteproc/remoteproc_debugfs.c).
    pub fn remoteproc_debugfs(&self) -> PathBuf {
        self.debugfs().join("remoteproc")
    }

    /// Where the kernel lists the dumps of crashed devices (drivers/base/devcoredump.c).
    pub fn devcoredump_class(&self) -> PathBuf {
        self.path("sys/class/devcoredump")
    }

    /// The character device of a processor, where the kernel has them (CONFIG_REMOTEPROC_CDEV).
    pub fn remoteproc_device(&self, kernel_name: &str) -> PathBuf {
        self.path("dev").join(kernel_name)
    }

    /// The parameter that names a firmware directory of the integrator's (drivers/base/firmware_loader/main.c).
    pub fn firmware_class_path(&self) -> PathBuf {
        self.path("sys/module/firmware_class/parameters/path")
    }

    /// The identity of this boot, a UUID that the kernel draws anew each time.
    ///
    /// # Errors
    /// When neither the host root nor the running kernel tells it.
    pub fn boot_id(&self) -> Result<String> {
        const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
        // A host root that stands for a machine without a /proc of its own boots when the real machine does.
        let text = std::fs::read_to_string(self.path(BOOT_ID))
            .or_else(|error| match error.kind() {
                ErrorKind::NotFound => std::fs::read_to_string(BOOT_ID),
                // Another id would make every container one of another boot.
                _ => Err(error),
            })
            .map_err(|e| Error::io("read", BOOT_ID, e))?;
        let id = text.trim();
        if id.len() < 8 || !id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
            return Err(Error::invalid(format!("{BOOT_ID} holds no boot id: {id:?}")));
        }
        Ok(id.to_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lie_below_the_host_root() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::new(dir.path()).unwrap();
        assert_eq!(host.path("/lib/firmware"), host.root().join("lib/firmware"));
        assert_eq!(host.path("lib/firmware"), host.root().join("lib/firmware"));
        assert!(Host::new(Path::new("/")).unwrap().kmsg() == Path::new("/dev/kmsg"));
    }

    #[test]
    fn a_missing_root_and_a_malformed_boot_id_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Host::new(&dir.path().join("missing")).is_err());
        let random = dir.path().join("proc/sys/kernel/random");
        std::fs::create_dir_all(&random).unwrap();
        for (text, ok) in
            [("0123ABCD-aa\n", true), ("short\n", false), ("not hexadecimal", false), ("", false)]
        {
            std::fs::write(random.join("boot_id"), text).unwrap();
            assert_eq!(Host::new(dir.path()).unwrap().boot_id().is_ok(), ok, "{text:?}");
        }
    }
}
