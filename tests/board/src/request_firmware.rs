//! Where the kernel looks for a firmware file and what it says when it does not find one
//! (drivers/base/firmware_loader/main.c, without compressed files).

use std::io;
use std::path::{Path, PathBuf};

use fuser::Errno;

use crate::processor::{ERR, WARNING};

/// Why there is no firmware: the errno, and lines with their levels for the kernel log.
pub(crate) struct Refusal {
    pub(crate) errno: Errno,
    pub(crate) lines: Vec<(u8, String)>,
}

/// The directories searched, in the kernel's order, as paths from the machine's root.
pub(crate) fn search_path(class_path: &str, osrelease: &str) -> Vec<String> {
    let custom = (!class_path.is_empty()).then(|| class_path.to_owned());
    custom
        .into_iter()
        .chain([
            format!("/lib/firmware/updates/{osrelease}"),
            "/lib/firmware/updates".into(),
            format!("/lib/firmware/{osrelease}"),
            "/lib/firmware".into(),
        ])
        .collect()
}

/// Reads the file called `name` from the first directory of `search` below `root` that has it.
pub(crate) fn request(name: &str, search: &[String], root: &Path) -> Result<Vec<u8>, Refusal> {
    let mut lines = Vec::new();
    match find(name, search, root, &mut lines) {
        Ok(bytes) => Ok(bytes),
        Err(errno) => {
            lines.push((ERR, format!("request_firmware failed: {}", -errno.code())));
            Err(Refusal { errno, lines })
        }
    }
}

fn find(name: &str, search: &[String], root: &Path, lines: &mut Vec<(u8, String)>) -> Result<Vec<u8>, Errno> {
    if name.is_empty() {
        return Err(Errno::EINVAL);
    }
    if name.split('/').any(|component| component == "..") {
        lines.push((WARNING, format!("Firmware load for '{name}' refused, path contains '..' component")));
        return Err(Errno::EINVAL);
    }

    let mut errno = Errno::ENOENT;
    for directory in search {
        let path = format!("{directory}/{name}");
        match read(&below(root, &path)) {
            Ok(bytes) => return Ok(bytes),
            Err(found) => {
                errno = found;
                if errno != Errno::ENOENT {
                    lines.push((WARNING, format!("loading {path} failed with error {}", -errno.code())));
                }
            }
        }
    }
    lines.push((WARNING, format!("Direct firmware load for {name} failed with error {}", -errno.code())));
    Err(errno)
}

/// An absolute name is just appended, so it ends up below the directory.
fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

/// Empty files and directories are EINVAL to the kernel (fs/kernel_read_file.c).
fn read(path: &Path) -> Result<Vec<u8>, Errno> {
    if std::fs::metadata(path).map_err(errno_of)?.is_dir() {
        return Err(Errno::EINVAL);
    }
    let bytes = std::fs::read(path).map_err(errno_of)?;
    if bytes.is_empty() { Err(Errno::EINVAL) } else { Ok(bytes) }
}

fn errno_of(error: io::Error) -> Errno {
    Errno::from_i32(error.raw_os_error().unwrap_or(libc::EIO))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{request, search_path};

    #[test]
    fn directories_are_searched_in_order() -> std::io::Result<()> {
        let root = tempfile::tempdir()?;
        let search = search_path("/other", "6.1");
        let mut found = Vec::new();
        for directory in search.iter().rev() {
            let directory = root.path().join(&directory[1..]);
            fs::create_dir_all(&directory)?;
            fs::write(directory.join("a.elf"), directory.display().to_string())?;
            found.push(request("a.elf", &search, root.path()).ok() == fs::read(directory.join("a.elf")).ok());
        }
        assert_eq!(found, [true; 5]);
        Ok(())
    }

    #[test]
    fn refusals_have_the_kernels_errno_and_lines() -> std::io::Result<()> {
        let root = tempfile::tempdir()?;
        fs::create_dir_all(root.path().join("lib/firmware/sub"))?;
        fs::write(root.path().join("lib/firmware/empty.elf"), "")?;
        let refusal = |name: &str| {
            request(name, &search_path("", "6.1"), root.path())
                .err()
                .map(|refusal| (refusal.errno.code(), refusal.lines.len()))
        };
        assert_eq!(refusal("missing.elf"), Some((libc::ENOENT, 2)));
        assert_eq!(refusal("/lib/firmware/empty.elf"), Some((libc::ENOENT, 2)));
        assert_eq!(refusal("../firmware/empty.elf"), Some((libc::EINVAL, 2)));
        assert_eq!(refusal("empty.elf"), Some((libc::EINVAL, 3)));
        assert_eq!(refusal("sub"), Some((libc::EINVAL, 3)));
        assert_eq!(refusal(&"0".repeat(256)).map(|(errno, _)| errno), Some(libc::ENAMETOOLONG));
        Ok(())
    }
}
