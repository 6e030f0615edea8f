//! A bundle: the part of config.json that is read (OCI runtime specification, config.md), and its root file system.
//!
//! Properties that are not read are ignored, as the specification asks of unknown ones; [`Bundle::ignored`] names those
//! that a user might expect to have an effect.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::io::Errno;
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::json::{self, Object, Problem};
use crate::sys::{errno, files};

/// The version of the OCI runtime specification that is implemented.
pub const OCI_VERSION: &str = "1.3.0";

/// The annotation that picks the processor.
pub const PROCESSOR_ANNOTATION: &str = "remoteproc.name";

/// What engines for Kubernetes call a container of a pod: containerd's CRI plugin, and CRI-O.
const POD_ANNOTATIONS: [&str; 2] = ["io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType"];

/// The largest config.json that is read, in bytes: real ones have some 10 kB.
const CONFIG_LIMIT: u64 = 8 << 20;

/// What a container is made from.
#[derive(Debug)]
pub struct Bundle {
    /// The bundle's directory, absolute.
    pub directory: PathBuf,
    /// `ociVersion`, 1.x.
    pub oci_version: String,
    /// `root.path`, absolute or relative to the bundle.
    pub root_path: PathBuf,
    /// What is to run; `None` for the sandbox of a pod, which stands for the pod's network and runs nothing.
    pub deploys: Option<Deployment>,
    /// `process.terminal`.
    pub terminal: bool,
    /// `annotations`.
    pub annotations: BTreeMap<String, String>,
    /// The network namespace that the proxy is to live in.
    pub network: Network,
    /// Whether the config asks for hooks, which are not run.
    pub hooks: bool,
    /// Properties with something in them that has no effect here.
    pub ignored: Vec<&'static str>,
}

/// A firmware, and the processor for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Deployment {
    /// The only entry of `process.args`: the firmware's path in the root file system.
    pub firmware: PathBuf,
    /// The annotation [`PROCESSOR_ANNOTATION`].
    pub processor: String,
}

/// The network namespace of the proxy (`linux.namespaces`).
///
/// A proxy in the host's would let engines move interfaces, addresses and routes into the host's network.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Network {
    /// Not listed: the caller's.
    Host,
    /// Listed without a path: a fresh one.
    Fresh,
    /// Listed with a path: that one.
    Join(PathBuf),
}

/// What is looked at in config.json, and in its objects.
const CONFIG: [&str; 8] =
    ["ociVersion", "root", "process", "annotations", "linux", "hooks", "mounts", "hostname"];
const PROCESS: [&str; 7] = ["args", "terminal", "env", "cwd", "user", "capabilities", "rlimits"];
const LINUX: [&str; 7] =
    ["namespaces", "resources", "cgroupsPath", "devices", "seccomp", "sysctl", "uidMappings"];

impl Bundle {
    /// Reads and checks the bundle in `directory`.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read; [`Error::Config`], naming the property, when it cannot be run.
    pub fn load(directory: &Path) -> Result<Self> {
        let directory =
            files::real_path(directory).map_err(|e| Error::io("open the bundle", directory, e))?;
        let path = directory.join("config.json");
        let opened = files::open_directory(&directory)
            .and_then(|bundle| files::open_regular_beneath(bundle, Path::new("config.json")));
        let read = opened.map_err(Into::into).and_then(|file| files::read_open(file, CONFIG_LIMIT));
        let text = read.map_err(|e| match Errno::from_io_error(&e) {
            Some(Errno::FBIG) => config_error(&path, "", format!("larger than {} MiB", CONFIG_LIMIT >> 20)),
            Some(Errno::NOTSUP) => config_error(&path, "", "is not a regular file"),
            Some(Errno::XDEV) => config_error(&path, "", "is a link that leads out of the bundle"),
            _ => Error::io("read", &path, e),
        })?;
        Self::parse(directory, &path, &text)
    }

    /// The same, of the `text` of a config.json that is at `path`.
    ///
    /// # Errors
    /// [`Error::Config`], as above.
    pub fn parse(directory: PathBuf, path: &Path, text: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(text).map_err(|e| problem("", e.to_string()));
        text.and_then(|text| Self::of(directory, text)).map_err(|wrong| match wrong.property.as_str() {
            "" => config_error(path, "", format!("not a valid config: {}", wrong.text)),
            property => config_error(path, property, wrong.text),
        })
    }

    fn of(directory: PathBuf, text: &str) -> json::Result<Self> {
        let config = Object::read("", text, &CONFIG)?;
        let oci_version: String = config.required("ociVersion")?;
        if !is_supported(&oci_version) {
            let text = format!("{oci_version:?} is not supported: it must be 1.x");
            return Err(config.problem("ociVersion", text));
        }
        let root_path: String = config.required_object("root", "root.", &["path"])?.required("path")?;
        let process = config.required_object("process", "process.", &PROCESS)?;
        let args: Vec<String> = process.required("args")?;
        let terminal = process.optional("terminal")?.unwrap_or(false);
        let annotations: BTreeMap<String, String> = config.optional("annotations")?.unwrap_or_default();
        let deploys = match is_sandbox(&annotations)? {
            true => None,
            false => Some(deployment(&args, &annotations)?),
        };
        let linux = config.object("linux", "linux.", &LINUX)?;
        let namespaces = match &linux {
            Some(linux) => linux.objects("namespaces", "linux.namespaces.", &["type", "path"])?,
            None => Vec::new(),
        };
        let network = network(&namespaces)?;

        Ok(Self {
            ignored: ignored(&config, &process, linux.as_ref()),
            hooks: has_content(config.raw("hooks")),
            deploys,
            directory,
            oci_version,
            root_path: root_path.into(),
            terminal,
            annotations,
            network,
        })
    }

    /// Opens the root file system as a base for paths in it.
    ///
    /// # Errors
    /// When it is missing, no directory, or a relative path that leads out of the bundle.
    pub fn open_root(&self) -> Result<OwnedFd> {
        let config = self.directory.join("config.json");
        let refused = |problem: String| config_error(&config, "root.path", problem);
        if self.root_path.as_os_str().is_empty() {
            return Err(refused("is empty".to_owned()));
        }
        if self.root_path.is_absolute() {
            return files::open_directory(&self.root_path)
                .map_err(|e| refused(format!("{}: {}", self.root_path.display(), errno::in_words(e))));
        }
        let out = "leads out of the bundle: give an absolute path, or keep it inside";
        if self.root_path.components().any(|part| part == Component::ParentDir) {
            return Err(refused(format!("{} {out}", self.root_path.display())));
        }
        let bundle =
            files::open_directory(&self.directory).map_err(|e| Error::io("open", &self.directory, e))?;
        files::open_directory_beneath(bundle, &self.root_path).map_err(|e| match e {
            Errno::XDEV => refused(format!("{} {out}", self.root_path.display())),
            e => refused(format!("{}: {}", self.root_path.display(), errno::in_words(e))),
        })
    }
}

fn config_error(path: &Path, property: &str, problem: impl Into<String>) -> Error {
    Error::Config { path: path.to_owned(), property: property.to_owned(), problem: problem.into() }
}

/// Whether a SemVer version (`1.0.2-dev`, `1.2.1+rc`) is one of major 1.
fn is_supported(version: &str) -> bool {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let parts: Vec<&str> = core.split('.').collect();
    let numeric = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    matches!(parts.as_slice(), ["1", minor, patch] if numeric(minor) && numeric(patch))
}

/// Whether an engine says that this is the sandbox of a pod. Both containers of a pod get the pod's annotations, so the
/// one that names the processor tells nothing.
fn is_sandbox(annotations: &BTreeMap<String, String>) -> json::Result<bool> {
    let said = POD_ANNOTATIONS.map(|name| annotations.get(name).map(|kind| kind == "sandbox"));
    match said {
        [Some(one), Some(other)] if one != other => {
            let [one, other] = POD_ANNOTATIONS;
            let text = format!("contradicts {other}: one of them says sandbox");
            Err(problem(&format!("annotations.{one}"), text))
        }
        _ => Ok(said.contains(&Some(true))),
    }
}

fn deployment(args: &[String], annotations: &BTreeMap<String, String>) -> json::Result<Deployment> {
    let [firmware] = args else {
        let text = format!("has {} entries: it must be exactly one, the firmware's name", args.len());
        return Err(problem("process.args", text));
    };
    let processor = annotations.get(PROCESSOR_ANNOTATION).filter(|name| !name.is_empty()).cloned();
    let processor = processor.ok_or_else(|| {
        let text = "missing: it names the processor, as in /sys/class/remoteproc/remoteprocN/name";
        problem(&format!("annotations.{PROCESSOR_ANNOTATION}"), text)
    })?;
    Ok(Deployment { firmware: firmware.into(), processor })
}

fn network(namespaces: &[Object<'_>]) -> json::Result<Network> {
    let refused = |text| Err(problem("linux.namespaces", text));
    let mut network = None;
    for namespace in namespaces {
        if namespace.required::<String>("type")? != "network" {
            continue;
        }
        if network.is_some() {
            return refused("the network namespace is listed twice");
        }
        let file: Option<String> = namespace.optional("path")?;
        network = Some(match file.map(PathBuf::from) {
            Some(file) if file.is_absolute() => Network::Join(file),
            Some(file) if !file.as_os_str().is_empty() => {
                return refused("the path of a namespace must be absolute");
            }
            _ => Network::Fresh,
        });
    }
    Ok(network.unwrap_or(Network::Host))
}

fn problem(property: &str, text: impl Into<String>) -> Problem {
    Problem { property: property.to_owned(), text: text.into() }
}

/// Whether a property is there and not an empty object, array, string or null.
fn has_content(raw: Option<&RawValue>) -> bool {
    raw.is_some_and(|raw| !matches!(raw.get(), "{}" | "[]" | "\"\"" | "null" | "false" | "0"))
}

fn ignored(config: &Object<'_>, process: &Object<'_>, linux: Option<&Object<'_>>) -> Vec<&'static str> {
    const NAMES: [&str; 13] = [
        "mounts",
        "hostname",
        "process.env",
        "process.cwd",
        "process.user",
        "process.capabilities",
        "process.rlimits",
        "linux.resources",
        "linux.cgroupsPath",
        "linux.devices",
        "linux.seccomp",
        "linux.sysctl",
        "linux.uidMappings",
    ];
    let raw = |name: &&str| match name.split_once('.') {
        None => config.raw(name),
        Some(("process", property)) => process.raw(property),
        Some((_, property)) => linux.and_then(|linux| linux.raw(property)),
    };
    NAMES.into_iter().filter(|name| has_content(raw(name))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn config() -> Value {
        json!({
            "ociVersion": "1.2.0",
            "root": { "path": "rootfs" },
            "process": { "args": ["fw.elf"], "cwd": "/", "env": [], "user": { "uid": 0 } },
            "annotations": { "remoteproc.name": "m4", "other": "x" },
        })
    }

    fn parse(text: &str) -> Result<Bundle> {
        Bundle::parse("/b".into(), Path::new("/b/config.json"), text.as_bytes())
    }

    /// The error for a config with one property replaced (or removed, where `value` is null).
    fn error_with(pointer: &str, value: Value) -> String {
        let mut config = config();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let object = config.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        if value.is_null() {
            object.remove(key)
        } else {
            object.insert(key.to_owned(), value)
        };
        parse(&config.to_string()).unwrap_err().to_string()
    }

    #[test]
    fn a_plain_config_is_read() {
        let bundle = parse(&config().to_string()).unwrap();
        assert_eq!(bundle.deploys, Some(Deployment { firmware: "fw.elf".into(), processor: "m4".into() }));
        assert_eq!((bundle.network, bundle.hooks, bundle.terminal), (Network::Host, false, false));
        assert_eq!(bundle.ignored, ["process.cwd", "process.user"], "an empty env asks for nothing");
    }

    #[test]
    fn errors_name_the_property() {
        for (pointer, value, property) in [
            ("/ociVersion", Value::Null, "ociVersion: missing"),
            ("/ociVersion", json!(1), "ociVersion: invalid type: integer"),
            ("/ociVersion", json!("99.0.0"), "ociVersion: \"99.0.0\" is not supported"),
            ("/root", Value::Null, "root: missing"),
            ("/root", json!("rootfs"), "root: invalid type"),
            ("/root/path", Value::Null, "root.path: missing"),
            ("/root/path", json!(["x"]), "root.path: invalid type"),
            ("/process", Value::Null, "process: missing"),
            ("/process", json!(7), "process: invalid type"),
            ("/process/args", Value::Null, "process.args: missing"),
            ("/process/args", json!([]), "process.args: has 0 entries"),
            ("/process/args", json!(["a", "b"]), "process.args: has 2 entries"),
            ("/process/args", json!([1]), "process.args: invalid type"),
            ("/process/terminal", json!("yes"), "process.terminal: invalid type"),
            ("/annotations", Value::Null, "annotations.remoteproc.name: missing"),
            ("/annotations", json!({ "remoteproc.name": "" }), "annotations.remoteproc.name: missing"),
            ("/annotations", json!({ "remoteproc.name": 4 }), "annotations: invalid type"),
            ("/linux", json!([{}]), "linux: invalid"),
            ("/linux", json!({ "namespaces": [{ "path": "/x" }] }), "linux.namespaces.type: missing"),
        ] {
            let error = error_with(pointer, value.clone());
            assert!(
                error.starts_with(&format!("/b/config.json: {property}")),
                "{pointer} = {value}: {error}"
            );
        }
    }

    #[test]
    fn what_is_no_json_object_is_refused() {
        let good = config().to_string();
        let twice = good.replacen('{', "{\"ociVersion\": \"1.0.0\",", 1);
        for text in ["", "[]", "null", "{", &format!("{good}garbage"), &format!("{good}{good}"), &twice] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains("not a valid config") || error.contains("missing"), "{text}: {error}");
        }
    }

    #[test]
    fn a_sandbox_is_told_by_what_engines_say_and_by_nothing_else() {
        let [containerd, crio] = POD_ANNOTATIONS;
        let with = |said: &[(&str, &str)], processor: Option<&str>| {
            let mut config = config();
            config["process"]["args"] = json!(["/pause", "x"]);
            config["annotations"] = said.iter().copied().collect();
            if let Some(name) = processor {
                config["annotations"]["remoteproc.name"] = json!(name);
            }
            parse(&config.to_string()).map(|bundle| bundle.deploys)
        };
        for said in [
            &[(containerd, "sandbox")][..],
            &[(crio, "sandbox")],
            &[(containerd, "sandbox"), (crio, "sandbox")],
        ] {
            assert_eq!(with(said, None).unwrap(), None, "{said:?}");
            assert_eq!(with(said, Some("m4")).unwrap(), None, "{said:?}");
        }
        for other in ["container", "Sandbox", "sandbox ", ""] {
            let error = with(&[(containerd, other)], None).unwrap_err().to_string();
            assert!(error.contains("process.args: has 2 entries"), "{other:?}: {error}");
            for said in [[(containerd, other), (crio, "sandbox")], [(containerd, "sandbox"), (crio, other)]] {
                let error = with(&said, Some("m4")).unwrap_err().to_string();
                assert!(
                    error.contains("annotations.io.kubernetes.cri.container-type: contradicts"),
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn versions_are_semver_of_major_one() {
        for (version, ok) in [
            ("1.0.0", true),
            ("1.0.2-dev", true),
            ("1.2.1+dev", true),
            ("1.3.0-rc.1", true),
            ("0.9.0", false),
            ("2.0.0", false),
            ("1", false),
            ("1.0", false),
            ("1.x.0", false),
            ("1.0.0.0", false),
            ("v1.0.0", false),
            ("", false),
        ] {
            assert_eq!(is_supported(version), ok, "{version}");
        }
    }

    #[test]
    fn the_network_namespace_is_host_fresh_or_joined() {
        let with = |namespaces: Value| {
            let mut config = config();
            config["linux"] = json!({ "namespaces": namespaces });
            parse(&config.to_string()).map(|bundle| bundle.network)
        };
        assert_eq!(with(json!([{ "type": "mount" }])).unwrap(), Network::Host);
        assert_eq!(with(json!([{ "type": "mount" }, { "type": "network" }])).unwrap(), Network::Fresh);
        assert_eq!(with(json!([{ "type": "network", "path": "" }])).unwrap(), Network::Fresh);
        assert_eq!(with(json!([{ "type": "network", "path": "/n" }])).unwrap(), Network::Join("/n".into()));
        for bad in [
            json!([{ "type": "network", "path": "n" }]),
            json!([{ "type": "network" }, { "type": "network" }]),
        ] {
            assert!(with(bad).unwrap_err().to_string().contains("linux.namespaces: "));
        }
    }

    #[test]
    fn a_relative_root_stays_inside_the_bundle() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("bundle/rootfs")).unwrap();
        std::fs::create_dir(dir.path().join("outside")).unwrap();
        std::os::unix::fs::symlink("../outside", dir.path().join("bundle/link")).unwrap();
        std::os::unix::fs::symlink("rootfs", dir.path().join("bundle/inner")).unwrap();
        let open = |path: &str| {
            let mut bundle = parse(&config().to_string()).unwrap();
            bundle.directory = dir.path().join("bundle");
            bundle.root_path = path.into();
            bundle.open_root().map(drop).map_err(|e| e.to_string())
        };
        assert_eq!(open("rootfs"), Ok(()));
        assert_eq!(open("inner"), Ok(()));
        assert_eq!(open(dir.path().join("outside").to_str().unwrap()), Ok(()));
        for bad in ["../outside", "rootfs/../rootfs", "link", "missing", ""] {
            let error = open(bad).unwrap_err();
            assert!(error.contains("root.path: "), "{bad}: {error}");
        }
    }

    #[test]
    fn hooks_are_seen_unless_empty() {
        for (hooks, asked) in
            [(json!({ "prestart": [{ "path": "/x" }] }), true), (json!({}), false), (Value::Null, false)]
        {
            let mut config = config();
            config["hooks"] = hooks;
            assert_eq!(parse(&config.to_string()).unwrap().hooks, asked);
        }
    }
}
