//! Which processors there are, and finding one again by its device.

use std::path::{Path, PathBuf};

use rustix::io::Errno;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::host::Host;
use crate::sys::{files, sorted};

/// What stays the same of a processor when its number changes: its driver was unbound and bound, or another came first.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Identity {
    /// The attribute `name`; not unique on every board.
    pub name: String,
    /// Where the link `device` leads, below the host root.
    pub device: PathBuf,
}

/// A processor as it is listed now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Processor {
    /// What it is.
    pub identity: Identity,
    /// `/sys/class/remoteproc/remoteprocN`, below the host root.
    pub path: PathBuf,
}

impl Processor {
    /// All processors, by number. A kernel without remoteproc has none.
    ///
    /// # Errors
    /// When the class directory cannot be read.
    pub fn list(host: &Host) -> Result<Vec<Self>> {
        // One that cannot be read does not hide the others.
        Ok(Self::look(host)?.0)
    }

    /// Those that can be read, and what was said of one that cannot.
    fn look(host: &Host) -> Result<(Vec<Self>, Option<Error>)> {
        let class = host.remoteproc_class();
        let (mut found, mut unread) = (Vec::new(), None);
        for entry in files::entries(&class).map_err(|e| Error::io("list", &class, e))? {
            let path = entry.path;
            match identity(&path) {
                Ok(identity) => {
                    let processor = Self { identity, path };
                    let number = processor.number();
                    sorted::insert(&mut found, processor, |known: &Self| known.number() <= number);
                }
                // One that disappears meanwhile is not there.
                Err(Errno::NOENT | Errno::NODEV | Errno::NOTDIR) => {}
                Err(errno) => unread = Some(Error::io("read", path, errno)),
            }
        }
        Ok((found, unread))
    }

    /// The processor of this identity, under whatever number it has now; `None` while its device is gone.
    ///
    /// # Errors
    /// When the class directory cannot be read, or one that may be it.
    pub fn of(host: &Host, identity: &Identity) -> Result<Option<Self>> {
        let (found, unread) = Self::look(host)?;
        match (found.into_iter().find(|processor| processor.identity == *identity), unread) {
            (None, Some(error)) => Err(error),
            (found, _) => Ok(found),
        }
    }

    /// `remoteprocN`, as the kernel's log calls it.
    pub fn kernel_name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// The device's own name, as the kernel's log calls it: `10000000.m4`.
    pub fn device_name(&self) -> &str {
        self.identity.device.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    fn number(&self) -> u64 {
        self.kernel_name().trim_start_matches("remoteproc").parse().unwrap_or(u64::MAX)
    }
}

fn identity(path: &Path) -> rustix::io::Result<Identity> {
    let name = std::fs::read_to_string(path.join("name"));
    let name = name.map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::ILSEQ))?.trim_end().to_owned();
    // A tree that only looks like sysfs may lack the link: then the directory itself is the device.
    let device = match files::real_path(&path.join("device")) {
        Err(Errno::NOENT) => files::real_path(path)?,
        other => other?,
    };
    Ok(Identity { name, device })
}
