//! spec: writes a bundle for a firmware, ready for create.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use argh::FromArgs;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::bundle::{OCI_VERSION, PROCESSOR_ANNOTATION};
use crate::error::{Error, Result};
use crate::json;
use crate::sys::files;

/// write a bundle for a firmware, ready for create
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "spec", help_triggers("-h", "--help"))]
pub struct Spec {
    /// directory to write to, made if missing (default: the working directory)
    #[argh(option, short = 'b', arg_name = "dir", default = "PathBuf::from(\".\")")]
    pub bundle: PathBuf,
    /// the processor's name, as in /sys/class/remoteproc/remoteprocN/name
    #[argh(option, arg_name = "name")]
    pub processor: String,
    /// the firmware's ELF file
    #[argh(option, arg_name = "file")]
    pub firmware: PathBuf,
}

pub fn run(args: &Spec) -> Result<()> {
    let refuse = |problem: &str| Error::Firmware {
        path: args.firmware.clone(),
        problem: problem.to_owned(),
        hint: None,
    };
    let name =
        args.firmware.file_name().and_then(|name| name.to_str()).ok_or_else(|| refuse("is no file name"))?;
    if args.processor.is_empty() {
        return Err(Error::invalid("--processor must not be empty"));
    }
    // Without waiting for the writer of a FIFO.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut firmware: File = rustix::fs::open(&args.firmware, flags, Mode::empty())
        .map_err(|e| Error::io("open", &args.firmware, e))?
        .into();
    let metadata = firmware.metadata().map_err(|e| Error::io("inspect", &args.firmware, e))?;
    if !metadata.is_file() {
        return Err(refuse("is not a regular file"));
    }
    let rootfs = args.bundle.join("rootfs");
    let (path, copy) = (args.bundle.join("config.json"), rootfs.join(name));
    // What is there was meant by somebody; the firmware may lie in its place already.
    let in_place = copy
        .symlink_metadata()
        .is_ok_and(|there| (there.dev(), there.ino()) == (metadata.dev(), metadata.ino()));
    for file in [Some(&path), Some(&copy).filter(|_| !in_place)].into_iter().flatten() {
        if file.symlink_metadata().is_ok() {
            return Err(Error::io("write", file, Errno::EXIST));
        }
    }
    files::make_directories(&rootfs, Mode::from_raw_mode(0o755))
        .map_err(|e| Error::io("make", &rootfs, e))?;

    let user = json::object(vec![("uid", 0.into()), ("gid", 0.into())]);
    let arguments = vec![json::text(name)].into();
    let config = json::object(vec![
        ("ociVersion", json::text(OCI_VERSION)),
        ("root", json::object(vec![("path", json::text("rootfs")), ("readonly", true.into())])),
        ("process", json::object(vec![("user", user), ("args", arguments), ("cwd", json::text("/"))])),
        ("annotations", json::object(vec![(PROCESSOR_ANNOTATION, json::text(&args.processor))])),
    ]);
    if !in_place {
        write_new(&copy, &mut firmware)?;
    }
    // Last: a config is what makes a bundle.
    write_new(&path, &mut json::lines(&config).as_bytes())
}

/// Writes a file that is not there yet, whole or not at all.
fn write_new(path: &Path, from: &mut dyn Read) -> Result<()> {
    let failed = |e| Error::io("write", path, e);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path).map_err(failed)?;
    std::io::copy(from, &mut file).map(drop).map_err(|e| {
        let _ = std::fs::remove_file(path);
        failed(e)
    })
}
