//! File systems that are small, read-only, or full.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Machine;

/// A small file system of a scenario's own, unmounted at its end, however that comes.
#[derive(Debug)]
pub struct Tmpfs(PathBuf);

impl Tmpfs {
    pub fn mount(path: &Path, options: &str) -> Self {
        std::fs::create_dir_all(path).unwrap();
        run("mount", &["-t", "tmpfs", "-o", options, "scenario", path.to_str().unwrap()]);
        Self(path.to_owned())
    }

    /// Below the state directory, and below the firmware directory behind the simulated kernel's view of it.
    pub fn for_state(machine: &Machine, options: &str) -> Self {
        // A tmpfs is for everybody where nothing is said.
        Self::mount(machine.state_root(), &format!("mode=700,{options}"))
    }

    pub fn for_firmware(machine: &Machine, options: &str) -> Self {
        Self::mount(&machine.firmware_directory().canonicalize().unwrap(), options)
    }

    pub fn remount(&self, options: &str) {
        run("mount", &["-o", &format!("remount,{options}"), self.0.to_str().unwrap()]);
    }

    /// Writes a file that takes all the space there is.
    pub fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let error =
            std::io::copy(&mut std::io::repeat(1), &mut std::fs::File::create(&path).unwrap()).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
        path
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: whoever still has a file of it open must not keep it mounted.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[track_caller]
fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}
