//! The command lines by which this program starts itself. They are no interface: only the same file uses them.

use std::path::{Path, PathBuf};

use argh::FromArgs;

use crate::bundle::Network;
use crate::container::ContainerId;
use crate::remoteproc::{Coredump, Identity, Recovery, Settings};
use crate::sys::{files, process};

/// The internal verbs.
#[derive(Debug)]
pub enum Internal {
    /// The resident process of a container.
    Proxy(ProxyArgs),
    /// The helper that stops what a dead proxy left running.
    Release(ReleaseArgs),
}

const PROXY: &str = "proxy";
const RELEASE: &str = "release";

/// What a proxy needs to know.
#[derive(Clone, Debug, Eq, FromArgs, PartialEq)]
/// the resident process of a container (internal)
pub struct ProxyArgs {
    /// host root
    #[argh(option)]
    pub host_root: PathBuf,
    /// the container's directory
    #[argh(option)]
    pub container: PathBuf,
    /// there is no processor: name, device and firmware are empty
    #[argh(switch)]
    pub sandbox: bool,
    /// the processor's name
    #[argh(option)]
    pub name: String,
    /// the processor's device
    #[argh(option)]
    pub device: PathBuf,
    /// name of the stored firmware in the firmware directory
    #[argh(option)]
    pub firmware: String,
    /// network namespace: host, fresh, or a path
    #[argh(option)]
    pub network: String,
    /// standard output is a pseudo-terminal
    #[argh(switch)]
    pub terminal: bool,
    /// trace buffers are not passed on
    #[argh(switch)]
    pub no_trace: bool,
    /// setting of recovery while the firmware runs
    #[argh(option, from_str_fn(recovery))]
    pub recovery: Option<Recovery>,
    /// setting of coredump while the firmware runs
    #[argh(option, from_str_fn(coredump))]
    pub coredump: Option<Coredump>,
}

fn recovery(word: &str) -> Result<Recovery, String> {
    Recovery::from_word(word).ok_or_else(String::new)
}

fn coredump(word: &str) -> Result<Coredump, String> {
    Coredump::from_word(word).ok_or_else(String::new)
}

/// What the release helper needs to know.
#[derive(Clone, Debug, Eq, FromArgs, PartialEq)]
/// stops what a dead proxy left (internal)
pub struct ReleaseArgs {
    /// host root
    #[argh(option)]
    pub host_root: PathBuf,
    /// the processor's name
    #[argh(option)]
    pub name: String,
    /// the processor's device
    #[argh(option)]
    pub device: PathBuf,
    /// name of the stored firmware
    #[argh(option)]
    pub firmware: String,
    /// the container's directory, whose note of settings is about this processor
    #[argh(option)]
    pub container: Option<PathBuf>,
    /// leave a crashed processor as it is
    #[argh(switch)]
    pub keep_crashed: bool,
}

impl Internal {
    /// Recognises an internal command line (without the program's name).
    pub fn parse(args: &[String]) -> Option<Self> {
        let (verb, rest) = args.split_first()?;
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        match verb.as_str() {
            PROXY => Some(Self::Proxy(ProxyArgs::from_args(&[PROXY], &rest).ok()?)),
            RELEASE => Some(Self::Release(ReleaseArgs::from_args(&[RELEASE], &rest).ok()?)),
            _ => None,
        }
    }
}

impl ProxyArgs {
    /// The processor.
    pub fn identity(&self) -> Identity {
        Identity { name: self.name.clone(), device: self.device.clone() }
    }

    /// The container's id: its directory's name.
    pub fn id(&self) -> &str {
        self.container.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// The settings of the processor while the firmware runs.
    pub fn settings(&self) -> Settings {
        Settings { recovery: self.recovery, coredump: self.coredump }
    }

    /// The network namespace.
    pub fn network(&self) -> Network {
        match self.network.as_str() {
            "host" => Network::Host,
            "fresh" => Network::Fresh,
            path => Network::Join(path.into()),
        }
    }

    /// The command line that [`Internal::parse`] reads.
    pub fn to_args(&self) -> Vec<std::ffi::OsString> {
        let mut args: Vec<std::ffi::OsString> = vec![PROXY.into()];
        push(&mut args, "--host-root", &self.host_root);
        push(&mut args, "--container", &self.container);
        args.extend(self.sandbox.then(|| "--sandbox".into()));
        push(&mut args, "--name", &self.name);
        push(&mut args, "--device", &self.device);
        push(&mut args, "--firmware", &self.firmware);
        push(&mut args, "--network", &self.network);
        args.extend(self.terminal.then(|| "--terminal".into()));
        args.extend(self.no_trace.then(|| "--no-trace".into()));
        if let Some(recovery) = self.recovery {
            push(&mut args, "--recovery", recovery.word());
        }
        if let Some(coredump) = self.coredump {
            push(&mut args, "--coredump", coredump.word());
        }
        args
    }
}

impl ReleaseArgs {
    /// The processor.
    pub fn identity(&self) -> Identity {
        Identity { name: self.name.clone(), device: self.device.clone() }
    }

    /// The command line that [`Internal::parse`] reads.
    pub fn to_args(&self) -> Vec<std::ffi::OsString> {
        let mut args: Vec<std::ffi::OsString> = vec![RELEASE.into()];
        push(&mut args, "--host-root", &self.host_root);
        push(&mut args, "--name", &self.name);
        push(&mut args, "--device", &self.device);
        push(&mut args, "--firmware", &self.firmware);
        if let Some(container) = &self.container {
            push(&mut args, "--container", container);
        }
        args.extend(self.keep_crashed.then(|| "--keep-crashed".into()));
        args
    }
}

fn push(args: &mut Vec<std::ffi::OsString>, option: &str, value: impl AsRef<Path>) {
    args.push(option.into());
    args.push(value.as_ref().into());
}

/// `--network` for a config's wish.
pub fn network_arg(network: &Network) -> String {
    match network {
        Network::Host => "host".to_owned(),
        Network::Fresh => "fresh".to_owned(),
        Network::Join(path) => path.to_string_lossy().into_owned(),
    }
}

/// The proxies of the container in this directory, by their command lines: for when its record cannot be read. Those of the
/// caller alone: what another user's process says of itself is nothing to go by.
pub fn proxies_of(container: &Path) -> Vec<i32> {
    let me = rustix::process::geteuid().as_raw();
    let ours = |pid: i32, proxy: &ProxyArgs| proxy.container == container && process::owner(pid) == Some(me);
    proxies().filter(|(pid, proxy)| ours(*pid, proxy)).map(|(pid, _)| pid).collect()
}

/// The proxy that was started for a stored firmware, in whatever state directory its container is.
pub fn proxy_with(firmware: &str) -> Option<i32> {
    // Where no firmware could be read, the sandboxes of pods have none of that name.
    proxies().find(|(_, proxy)| !proxy.sandbox && proxy.firmware == firmware).map(|(pid, _)| pid)
}

/// All living proxies that the caller can see, by pid.
pub fn proxies() -> impl Iterator<Item = (i32, ProxyArgs)> {
    let entries = files::entries("/proc".as_ref()).unwrap_or_default();
    entries
        .into_iter()
        .filter_map(|entry| entry.name.to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, proxy_args(pid)?)))
}

/// What a process was started with, if it is a proxy.
fn proxy_args(pid: i32) -> Option<ProxyArgs> {
    match Internal::parse(process::arguments(pid).get(1..)?)? {
        Internal::Proxy(proxy) => Some(proxy),
        Internal::Release(_) => None,
    }
}

/// Who holds a processor, by the holder's command line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Owner {
    /// A proxy: of this container, in this state directory.
    Container {
        /// The container's id.
        id: String,
        /// The state directory.
        root: PathBuf,
    },
    /// Some other process.
    Other(String),
}

/// Whether a process is a helper that stops what a dead proxy left.
pub fn is_helper(pid: i32) -> bool {
    let arguments = process::arguments(pid);
    matches!(arguments.get(1..).and_then(Internal::parse), Some(Internal::Release(_)))
}

/// Looks at the process that holds a processor.
pub fn owner_of(pid: i32) -> Owner {
    if let Some(proxy) = proxy_args(pid) {
        if let (Ok(id), Some(root)) = (ContainerId::new(proxy.id()), proxy.container.parent()) {
            return Owner::Container { id: id.as_str().to_owned(), root: root.to_owned() };
        }
    }
    let seen = process::observe(pid).ok().flatten();
    Owner::Other(seen.map_or_else(|| "unknown".to_owned(), |seen| seen.comm))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(args: Vec<std::ffi::OsString>) -> Vec<String> {
        args.into_iter().map(|arg| arg.into_string().unwrap()).collect()
    }

    #[test]
    fn command_lines_come_back_as_they_were_made() {
        let proxy = ProxyArgs {
            host_root: "/h".into(),
            container: "/run/x".into(),
            sandbox: true,
            name: "-odd name".into(),
            device: "/sys/devices/m4".into(),
            firmware: "--fw".into(),
            network: network_arg(&Network::Join("/n".into())),
            terminal: true,
            no_trace: true,
            recovery: Some(Recovery::Disabled),
            coredump: Some(Coredump::Inline),
        };
        let Some(Internal::Proxy(again)) = Internal::parse(&strings(proxy.to_args())) else { panic!() };
        assert_eq!((again.id(), again.network()), ("x", Network::Join("/n".into())));
        assert_eq!(again, proxy);
        let release = ReleaseArgs {
            host_root: "/h".into(),
            name: "m4".into(),
            device: "/d".into(),
            firmware: "fw".into(),
            container: Some("/run/x".into()),
            keep_crashed: true,
        };
        let Some(Internal::Release(again)) = Internal::parse(&strings(release.to_args())) else { panic!() };
        assert_eq!(again, release);
    }

    #[test]
    fn other_command_lines_are_not_internal() {
        for line in
            [&[][..], &["state", "x"], &["proxy"], &["proxy", "--recovery", "x"], &["release", "--nonsense"]]
        {
            let line: Vec<String> = line.iter().map(|&word| word.to_owned()).collect();
            assert!(Internal::parse(&line).is_none(), "{line:?}");
        }
    }
}
