//! A mounted board.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fuser::{BackgroundSession, Config, MountOption, SessionACL};
use rustix::mount::UnmountFlags;

use crate::error::BoardError;
use crate::filesystem::BoardFilesystem;
use crate::interrupts;
use crate::layout::BACKED;
use crate::machine::Machine;
use crate::spec::BoardSpec;

/// A simulated board, mounted on a directory that stands for the machine's root.
///
/// Dropping it answers whoever still waits for a processor, and unmounts; it never waits. A process
/// must not end while one of its own threads waits in a file of its own board: drop the board
/// first, or let another process do what may hang.
pub struct Board {
    root: PathBuf,
    backing: PathBuf,
    machine: Arc<Machine>,
    session: Option<BackgroundSession>,
}

impl Board {
    /// Mounts a board described by `spec` on `dir`; `lib`, `etc`, `usr`, `run`, `var` and `tmp`
    /// become links into `backing`. Both directories are made where they do not exist.
    ///
    /// # Errors
    /// If a directory cannot be made, or if FUSE is not to be had: the message names the package.
    pub fn mount(dir: &Path, backing: &Path, spec: BoardSpec) -> Result<Board, BoardError> {
        let backing = prepare_backing(backing)
            .map_err(|source| BoardError::Backing { path: backing.into(), source })?;
        let failed = |source| BoardError::Mount { path: dir.into(), source };
        let root = prepare_mount_point(dir).map_err(failed)?;

        let user = rustix::process::geteuid();
        let group = rustix::process::getegid();
        let machine = Arc::new(Machine::new(spec, backing.clone(), user.as_raw(), group.as_raw()));
        let mut config = Config::default();
        config.mount_options =
            vec![MountOption::FSName("simulated-board".into()), MountOption::DefaultPermissions];
        // Others than root would need a line in /etc/fuse.conf for this.
        config.acl = if user.is_root() { SessionACL::All } else { SessionACL::Owner };
        let session =
            fuser::spawn_mount(BoardFilesystem::new(Arc::clone(&machine)), &root, &config).map_err(failed)?;

        let watcher = Arc::clone(&machine);
        std::thread::Builder::new()
            .name("kmsg interrupts".into())
            .spawn(move || interrupts::watch(watcher))
            .map_err(failed)?;
        Ok(Board { root, backing, machine, session: Some(session) })
    }

    /// The machine's root directory: the mount point, without links in its path.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The ordinary directory behind `lib`, `etc`, `usr`, `run`, `var` and `tmp`.
    pub fn backing(&self) -> &Path {
        &self.backing
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.machine.close();
        drop(self.session.take());
        // Still there if somebody has a file open. As an ordinary user, the library has already
        // asked fusermount3 for a lazy unmount.
        if is_mounted(&self.root) {
            rustix::mount::unmount(&self.root, UnmountFlags::DETACH).ok();
        }
    }
}

impl std::fmt::Debug for Board {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Board").field("root", &self.root).finish_non_exhaustive()
    }
}

fn prepare_backing(backing: &Path) -> io::Result<PathBuf> {
    for name in BACKED {
        fs::create_dir_all(backing.join(name))?;
    }
    fs::create_dir_all(backing.join("lib/firmware"))?;
    backing.canonicalize()
}

fn prepare_mount_point(dir: &Path) -> io::Result<PathBuf> {
    // What is left of a board whose process died.
    if fs::metadata(dir).is_err_and(|error| error.raw_os_error() == Some(libc::ENOTCONN)) {
        rustix::mount::unmount(dir, UnmountFlags::DETACH)?;
    }
    fs::create_dir_all(dir)?;
    dir.canonicalize()
}

fn is_mounted(root: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let root = root.to_string_lossy().replace(' ', "\\040");
    mounts.lines().any(|line| {
        let mut words = line.split(' ');
        words.next() == Some("simulated-board") && words.next() == Some(&root)
    })
}
