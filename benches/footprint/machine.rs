//! The programs that are measured, and a simulated board to measure them on.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use simulated_board::{Board, BoardSpec};

use crate::Outcome;

const FIRMWARE: &[u8] = include_bytes!("../../tests/firmware/blink.elf");

/// Where the programs are.
#[derive(Debug)]
pub struct Programs {
    /// The runtime.
    pub runtime: PathBuf,
    /// A program that does nothing, linked as the runtime is.
    pub noop: PathBuf,
    /// What starts and measures the others.
    pub launch: PathBuf,
}

impl Programs {
    /// The static ones of this machine's architecture, which cross/build makes; `FOOTPRINT_PROGRAMS` names another folder.
    pub fn find() -> Outcome<Self> {
        let architecture = std::env::consts::ARCH;
        let built = format!("target/dist/{architecture}-unknown-linux-musl");
        let folder = match std::env::var_os("FOOTPRINT_PROGRAMS") {
            Some(folder) => PathBuf::from(folder),
            None => Path::new(env!("CARGO_MANIFEST_DIR")).join(&built),
        };
        let program = |name: &str| -> Outcome<PathBuf> {
            let path = folder.join(name);
            let missing = |e| format!("{}: {e}: cross/build --bench makes it", path.display());
            let path = path.canonicalize().map_err(missing)?;
            // Pages that the disk does not have yet would count as dirty ones of each process that runs them.
            std::fs::File::open(&path)?.sync_all()?;
            Ok(path)
        };
        Ok(Self {
            runtime: program("remoteproc-runtime")?,
            noop: program("noop")?,
            launch: program("launch")?,
        })
    }
}

/// An STM32MP15 with a state directory and a bundle.
pub struct Machine<'a> {
    runtime: &'a Path,
    pub root: PathBuf,
    pub state: PathBuf,
    pub bundle: PathBuf,
    _board: Option<Board>,
    _directory: tempfile::TempDir,
}

impl<'a> Machine<'a> {
    /// The simulated board: its processor runs and stops, and each of its files takes an answer from another process.
    pub fn simulated(programs: &'a Programs) -> Outcome<Self> {
        Self::new(programs, false)
    }

    /// The files of the simulated board without its program: they answer as fast as a kernel's own, and change nothing.
    pub fn at_rest(programs: &'a Programs) -> Outcome<Self> {
        Self::new(programs, true)
    }

    fn new(programs: &'a Programs, at_rest: bool) -> Outcome<Self> {
        // A proxy's parent ends before it: its end is to be seen here.
        rustix::process::set_child_subreaper(rustix::process::Pid::from_raw(1))?;
        // In memory, as /run is, so that no disk is measured.
        let directory = tempfile::tempdir_in("/dev/shm")?;
        let place = directory.path().to_owned();
        let (root, state, bundle) = (place.join("host"), place.join("state"), place.join("bundle"));
        let mut board = Some(Board::mount(&root, &place.join("files"), BoardSpec::stm32mp15())?);
        let root = if at_rest {
            let copy = place.join("copy");
            copy_tree(&root, &copy)?;
            board = None;
            copy
        } else {
            root
        };
        let machine =
            Self { runtime: &programs.runtime, root, state, bundle, _board: board, _directory: directory };
        let firmware = place.join("blink.elf");
        std::fs::write(&firmware, FIRMWARE)?;
        let (bundle, firmware) = (machine.bundle.to_string_lossy(), firmware.to_string_lossy());
        machine.run(&["spec", "--bundle", &bundle, "--processor", "m4", "--firmware", &firmware])?;
        Ok(machine)
    }

    /// The command line of a verb, with the global options.
    pub fn line(&self, args: &[&str]) -> Vec<String> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut line = vec![text(self.runtime), "--root".into(), text(&self.state)];
        line.extend(["--host-root".into(), text(&self.root)]);
        line.extend(args.iter().map(|&arg| arg.to_owned()));
        line
    }

    /// Carries out a verb.
    pub fn run(&self, args: &[&str]) -> Outcome {
        let line = self.line(args);
        let status =
            Command::new(&line[0]).args(&line[1..]).stdin(Stdio::null()).stdout(Stdio::null()).status()?;
        if status.success() { Ok(()) } else { Err(format!("{args:?}: {status}").into()) }
    }

    /// Creates a container; its proxy's pid.
    pub fn create(&self, id: &str) -> Outcome<i32> {
        let pid_file = self.state.with_file_name("pid");
        let (bundle, file) = (self.bundle.to_string_lossy(), pid_file.to_string_lossy());
        // Its proxy keeps these for good.
        let line = self.line(&["create", "--bundle", &bundle, "--pid-file", &file, id]);
        let mut create = Command::new(&line[0]);
        create.args(&line[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = create.status()?;
        if !status.success() {
            return Err(format!("create {id}: {status}").into());
        }
        Ok(std::fs::read_to_string(&pid_file)?.parse()?)
    }

    /// Writes a file of the board.
    pub fn write(&self, path: &str, value: &str) -> Outcome {
        use std::io::Write;
        let path = self.root.join(path);
        let mut file = std::fs::OpenOptions::new().write(true).open(&path)?;
        Ok(file.write_all(value.as_bytes())?)
    }

    /// Waits for the end of a proxy and reaps it.
    pub fn reap(&self, pid: i32) -> Outcome {
        use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
        let pid = Pid::from_raw(pid).ok_or("no pid")?;
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED)?;
        Ok(())
    }
}

/// Copies directories, links and what can be read of files; the kernel's log never ends, and is left out.
fn copy_tree(from: &Path, to: &Path) -> Outcome {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (kind, source, copy) = (entry.file_type()?, entry.path(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy_tree(&source, &copy)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(&source)?, &copy)?;
        } else if entry.file_name() != "kmsg" {
            std::fs::write(&copy, std::fs::read(&source).unwrap_or_default())?;
        }
    }
    Ok(())
}
