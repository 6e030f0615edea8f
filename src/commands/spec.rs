//! spec: writes a bundle for a firmware, ready for create.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use argh::FromArgs;
use serde_json::json;

use crate::bundle::{OCI_VERSION, PROCESSOR_ANNOTATION};
use crate::error::{Error, Result};

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
    let mut firmware = File::open(&args.firmware).map_err(|e| Error::io("open", &args.firmware, e))?;
    if !firmware.metadata().map_err(|e| Error::io("inspect", &args.firmware, e))?.is_file() {
        return Err(refuse("is not a regular file"));
    }
    let rootfs = args.bundle.join("rootfs");
    DirBuilder::new().recursive(true).create(&rootfs).map_err(|e| Error::io("make", &rootfs, e))?;

    let config = json!({
        "ociVersion": OCI_VERSION,
        "root": { "path": "rootfs", "readonly": true },
        "process": { "args": [name], "cwd": "/" },
        "annotations": { PROCESSOR_ANNOTATION: args.processor },
    });
    // As runc's: a config that is there was meant by somebody.
    let path = args.bundle.join("config.json");
    write_new(&path, format!("{config:#}\n").as_bytes())?;
    let copy = rootfs.join(name);
    let copied = File::create(&copy).and_then(|mut to| std::io::copy(&mut firmware, &mut to));
    if let Err(e) = copied {
        // A bundle without its firmware is none.
        let _ = (std::fs::remove_file(&path), std::fs::remove_file(&copy));
        return Err(Error::io("write", &copy, e));
    }
    Ok(())
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(|e| Error::io("write", path, e))?;
    file.write_all(bytes).map_err(|e| Error::io("write", path, e))
}
