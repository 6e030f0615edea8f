//! features: what this runtime supports (OCI runtime specification, features.md), true to what is built.

use std::collections::HashMap;

use argh::FromArgs;
use oci_spec::runtime::{
    self, Apparmor, Cgroup, IDMap, IntelRdt, LinuxFeature, LinuxNamespaceType, MemoryPolicy, MountExtensions,
    NetDevices, Seccomp, Selinux,
};

use super::print;
use crate::bundle::{OCI_VERSION, PROCESSOR_ANNOTATION};
use crate::error::{Error, Result};

/// print what this runtime supports as OCI features JSON
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "features", help_triggers("-h", "--help"))]
pub struct Features {}

/// The oldest version of the specification whose configs are taken.
const OLDEST: &str = "1.0.0";

pub fn run(_: &Features) -> Result<()> {
    let text = serde_json::to_string_pretty(&features())
        .map_err(|e| Error::invalid(format!("the features cannot be shown: {e}")))?;
    print(&format!("{text}\n"));
    Ok(())
}

/// Lists that are empty say "none", where a missing one would say "unknown".
fn features() -> runtime::Features {
    let mut features = runtime::Features::default();
    features.set_oci_version_min(OLDEST.to_owned());
    features.set_oci_version_max(OCI_VERSION.to_owned());
    features.set_hooks(Some(Vec::new()));
    features.set_mount_options(Some(Vec::new()));
    features.set_linux(Some(linux()));
    features.set_annotations(Some(HashMap::from([(
        "remoteproc-runtime.required-annotation".to_owned(),
        PROCESSOR_ANNOTATION.to_owned(),
    )])));
    // Who may set them chooses the processor.
    features.set_potentially_unsafe_config_annotations(Some(vec!["remoteproc.".to_owned()]));
    features
}

fn linux() -> LinuxFeature {
    let mut linux = LinuxFeature::default();
    linux.set_namespaces(Some(vec![LinuxNamespaceType::Network]));
    linux.set_capabilities(Some(Vec::new()));
    linux.set_cgroup(Some(no_cgroup()));
    linux.set_seccomp(Some(no_seccomp()));
    linux.set_apparmor(Some(without(Apparmor::set_enabled)));
    linux.set_selinux(Some(without(Selinux::set_enabled)));
    linux.set_intel_rdt(Some(without(IntelRdt::set_enabled)));
    linux.set_net_devices(Some(without(NetDevices::set_enabled)));
    let mut policy = MemoryPolicy::default();
    policy.set_modes(Some(Vec::new())).set_flags(Some(Vec::new()));
    linux.set_memory_policy(Some(policy));
    let mut mounts = MountExtensions::default();
    // containerd reads this one without asking whether it is there.
    mounts.set_idmap(Some(without(IDMap::set_enabled)));
    linux.set_mount_extensions(Some(mounts));
    linux
}

fn without<T: Default>(set_enabled: impl FnOnce(&mut T, Option<bool>) -> &mut T) -> T {
    let mut feature = T::default();
    set_enabled(&mut feature, Some(false));
    feature
}

fn no_seccomp() -> Seccomp {
    let mut seccomp = without(Seccomp::set_enabled);
    seccomp
        .set_actions(Some(Vec::new()))
        .set_operators(Some(Vec::new()))
        .set_archs(Some(Vec::new()))
        .set_known_flags(Some(Vec::new()))
        .set_supported_flags(Some(Vec::new()));
    seccomp
}

fn no_cgroup() -> Cgroup {
    let mut cgroup = Cgroup::default();
    cgroup
        .set_v1(Some(false))
        .set_v2(Some(false))
        .set_systemd(Some(false))
        .set_systemd_user(Some(false))
        .set_rdma(Some(false));
    cgroup
}
