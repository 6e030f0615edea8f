//! create: stages a bundle's firmware and leaves its proxy waiting for start. For the sandbox of a pod there is nothing to
//! stage: its proxy has no processor.
//!
//! Everything that is made is undone when a later step fails. What a killed create leaves is found by the next one of
//! the same id, and by delete --force: the directory without a record, and in it the link to the stored firmware.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use argh::FromArgs;
use rustix::fs::Mode;

use super::Context;
use crate::annotations::{Annotations, FIRMWARE_CHECK};
use crate::board::{self, Order, Target};
use crate::bundle::{Bundle, Deployment};
use crate::container::{Container, ContainerId, Record};
use crate::error::{Error, Result};
use crate::firmware::{self, FirmwareDirectory, FirmwareImage, Level, StoredFirmware};
use crate::host::Host;
use crate::proxy::{self, Proxy, ProxyArgs};
use crate::remoteproc::{Coredump, Identity, Recovery};
use crate::sys::{clock, files, terminal};

/// stage a bundle's firmware and leave its proxy waiting for start
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "create", help_triggers("-h", "--help"))]
pub struct Create {
    /// directory with config.json (default: the working directory)
    #[argh(option, short = 'b', arg_name = "dir", default = "PathBuf::from(\".\")")]
    pub bundle: PathBuf,
    /// file that gets the proxy's pid
    #[argh(option, arg_name = "file")]
    pub pid_file: Option<PathBuf>,
    /// socket that gets the master of the pseudo-terminal
    #[argh(option, arg_name = "socket")]
    pub console_socket: Option<PathBuf>,
    /// accepted and ignored
    #[argh(switch)]
    pub no_pivot: bool,
    /// accepted and ignored
    #[argh(switch)]
    pub no_new_keyring: bool,
    /// accepted and ignored
    #[argh(option, arg_name = "n")]
    pub preserve_fds: Option<u32>,
    /// container id
    #[argh(positional)]
    pub id: String,
}

/// What create and run are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The id.
    pub id: &'a str,
    /// The bundle's directory.
    pub bundle: &'a Path,
    /// `--pid-file`.
    pub pid_file: Option<&'a Path>,
    /// `--console-socket`.
    pub console_socket: Option<&'a Path>,
}

pub fn run(context: &Context, args: &Create) -> Result<()> {
    let wish = Wish {
        id: &args.id,
        bundle: &args.bundle,
        pid_file: args.pid_file.as_deref(),
        console_socket: args.console_socket.as_deref(),
    };
    create(context, wish).map(drop)
}

/// Creates the container; its proxy is a child of the caller's.
pub fn create(context: &Context, wish: Wish<'_>) -> Result<Proxy> {
    let Context { host, store, .. } = context;
    // Whatever the caller's is: what is made here is for its owner to enter, and for engines to read.
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    let id = ContainerId::new(wish.id)?;
    let bundle = Bundle::load(wish.bundle)?;
    warn_of_what_is_ignored(&bundle);
    check_terminal(&bundle, wish.console_socket)?;
    let chosen = match &bundle.deploys {
        Some(deployment) => Some(choose(context, &bundle, deployment)?),
        None => {
            bundle.open_root()?;
            None
        }
    };

    let container = store.create(&id, |container| clear(host, container))?;
    let mut undo = Undo { host, container, pid_file: None, done: false };
    let (firmware, known) = match chosen {
        Some((mut image, known)) => (Some(store_firmware(host, &undo.container, &mut image)?), known),
        None => (None, Known::default()),
    };
    undo.container.make_fifos()?;

    let identity = known.processor.clone().unwrap_or_default();
    let args = ProxyArgs {
        host_root: host.root().to_owned(),
        container: undo.container.path.clone(),
        sandbox: bundle.deploys.is_none(),
        name: identity.name,
        device: identity.device,
        firmware: firmware.as_ref().map(|stored| stored.name().to_owned()).unwrap_or_default(),
        network: proxy::network_arg(&bundle.network),
        terminal: bundle.terminal,
        no_trace: known.no_trace,
        recovery: known.recovery,
        coredump: known.coredump,
    };
    let slave = open_terminal(&bundle, wish.console_socket)?;
    // Declared after `undo`, so dropped before it: the proxy ends before its directory goes.
    let mut proxy = proxy::spawn(host, &undo.container, &args, slave)?;
    if let Some(path) = wish.pid_file {
        undo.pid_file = Some(write_pid_file(path, proxy.process.pid)?);
    }
    undo.container.write_record(&Record {
        version: Record::VERSION,
        id: id.as_str().to_owned(),
        oci_version: bundle.oci_version.clone(),
        rootfs: bundle.directory.join(&bundle.root_path),
        bundle: bundle.directory,
        created: clock::now_rfc3339(),
        owner: rustix::process::geteuid().as_raw(),
        annotations: bundle.annotations,
        host_root: host.root().to_owned(),
        processor: known.processor,
        order: known.order,
        firmware: firmware.map(|stored| stored.path),
        proxy: proxy.process.clone(),
        recovery: args.recovery.map(|recovery| recovery.word().to_owned()),
        coredump: args.coredump.map(|coredump| coredump.word().to_owned()),
        stop_timeout: known.stop_timeout,
    })?;
    proxy.commit()?;
    undo.done = true;
    Ok(proxy)
}

/// What is known of a container's processor, and of how it is to be treated; nothing of a sandbox's.
#[derive(Default)]
struct Known {
    processor: Option<Identity>,
    order: Order,
    no_trace: bool,
    recovery: Option<Recovery>,
    coredump: Option<Coredump>,
    stop_timeout: Option<u32>,
}

/// Finds the processor and the firmware, and examines that.
fn choose(context: &Context, bundle: &Bundle, deployment: &Deployment) -> Result<(FirmwareImage, Known)> {
    let Context { host, board, .. } = context;
    let annotations = Annotations::of(bundle)?;
    let board = board::find(host, board.as_deref())?;
    let target = board::resolve(host, board.as_ref(), &deployment.processor)?;
    let order = match (&board, &target.profile) {
        (Some(board), Some(profile)) => Order::around(host, board, profile)?,
        _ => Order::default(),
    };
    let image = FirmwareImage::open(bundle, deployment)?;
    if annotations.firmware_check {
        check_firmware(context, bundle, &image, &target)?;
    }
    let Target { processor, profile } = target;
    let profile = profile.unwrap_or_default();
    let known = Known {
        processor: Some(processor.identity),
        order,
        no_trace: !annotations.trace,
        recovery: annotations.recovery.or(profile.recovery),
        coredump: annotations.coredump.or(profile.coredump),
        stop_timeout: annotations.stop_timeout.or(profile.stop_timeout),
    };
    Ok((image, known))
}

/// Stores the firmware where the kernel finds it, after a note of that in the container's directory.
fn store_firmware(host: &Host, container: &Container, image: &mut FirmwareImage) -> Result<StoredFirmware> {
    let directory = FirmwareDirectory::of(host)?;
    for name in firmware::sweep(host, &directory) {
        log::info!("removed {name} from {}: another boot left it", directory.path().display());
    }
    let name = directory.unique_name(host, image.name())?;
    container.note_firmware(&directory.path().join(&name))?;
    directory.store(image, &name)
}

/// Undoes what a killed create had done. Its proxy has ended by itself, since nobody told it to stay.
pub fn clear(host: &Host, container: &Container) -> Result<()> {
    let Some(stored) = container.noted_firmware()? else { return Ok(()) };
    let directory = FirmwareDirectory::of(host)?;
    if stored.path.parent() == Some(directory.path()) {
        return stored.remove();
    }
    // It may be another machine's, or the kernel has been told of another directory since.
    let (path, directory) = (stored.path.display(), directory.path().display());
    log::warn!("{path} was noted by a killed create, and is left alone: it does not lie in {directory}");
    Ok(())
}

/// Refuses a firmware that cannot run on the processor, with the way to all that is wrong with it.
fn check_firmware(context: &Context, bundle: &Bundle, image: &FirmwareImage, target: &Target) -> Result<()> {
    let reserved = board::reserved(&context.host, &target.processor);
    let seen = firmware::examine(image, target.profile.as_ref(), reserved.as_deref());
    for finding in &seen.findings {
        match finding.level {
            Level::Error => {}
            Level::Warning => log::warn!("firmware: {}: {}", image.path().display(), finding.text),
            Level::Note => log::info!("firmware: {}: {}", image.path().display(), finding.text),
        }
    }
    let mut errors = seen.errors();
    let Some(first) = errors.next() else { return Ok(()) };
    let problem = match errors.count() {
        0 => first.to_owned(),
        more => format!("{first} (and {more} more)"),
    };
    let board = context.board.as_ref().map(|board| format!(" --board {board}")).unwrap_or_default();
    let hint = format!(
        "remoteproc-runtime check{board} {} shows all of it; the annotation {FIRMWARE_CHECK}=off leaves the check out",
        bundle.directory.display()
    );
    Err(Error::Firmware { path: image.path().to_owned(), problem, hint: Some(hint) })
}

/// What to take back when a step fails.
struct Undo<'a> {
    host: &'a Host,
    container: Container,
    pid_file: Option<PathBuf>,
    done: bool,
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        if let Some(path) = &self.pid_file {
            let _ = files::remove_path_if_there(path);
        }
        let cleared = clear(self.host, &self.container).and_then(|()| self.container.remove());
        if let Err(error) = cleared {
            log::warn!("the failed create could not be undone: {error}");
        }
    }
}

fn warn_of_what_is_ignored(bundle: &Bundle) {
    if bundle.hooks {
        log::warn!("hooks: this runtime runs none; the config's hooks are ignored");
    }
    if !bundle.ignored.is_empty() {
        log::debug!("ignored, without meaning for a firmware: {}", bundle.ignored.join(", "));
    }
}

fn check_terminal(bundle: &Bundle, console_socket: Option<&Path>) -> Result<()> {
    let problem = match (bundle.terminal, console_socket) {
        (true, None) => "is true, but there is no --console-socket to hand the terminal over",
        (false, Some(_)) => "is false, but a --console-socket is given",
        _ => return Ok(()),
    };
    Err(Error::Config {
        path: bundle.directory.join("config.json"),
        property: "process.terminal".to_owned(),
        problem: problem.to_owned(),
    })
}

fn open_terminal(bundle: &Bundle, console_socket: Option<&Path>) -> Result<Option<OwnedFd>> {
    let (true, Some(socket)) = (bundle.terminal, console_socket) else { return Ok(None) };
    let (master, slave) = terminal::open().map_err(|e| Error::io("open", "/dev/ptmx", e))?;
    terminal::hand_over(&master, socket).map_err(|e| Error::io("hand the terminal over to", socket, e))?;
    Ok(Some(slave))
}

/// The number alone, as engines read it; there whole or not at all.
fn write_pid_file(path: &Path, pid: i32) -> Result<PathBuf> {
    let path = std::path::absolute(path).map_err(|e| Error::io("resolve", path, e))?;
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Err(Error::invalid(format!("--pid-file {}: not a file name", path.display())));
    };
    let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
    files::open_directory(parent)
        .map_err(std::io::Error::from)
        .and_then(|directory| files::write_atomically(directory, name, pid.to_string().as_bytes(), mode))
        .map_err(|e| Error::io("write", &path, e))?;
    Ok(path)
}
