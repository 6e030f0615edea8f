//! Where things are in the tree: the fixed part of a machine, and what a remoteproc device adds.

use crate::device_tree;
use crate::processor_spec::ProcessorSpec;
use crate::spec::{BoardSpec, KmsgMode};
use crate::tree::{Attribute, Control, DeviceId, File, ROOT, Tree};

/// What `stat` says about every sysfs attribute.
const ATTRIBUTE_SIZE: u64 = 4096;

const CLASS: &str = "sys/class/remoteproc";
const DEBUG: &str = "sys/kernel/debug/remoteproc";
const DUMPS: &str = "sys/class/devcoredump";
const DUMP_DEVICES: &str = "sys/devices/virtual/devcoredump";
const DEV: &str = "dev";

/// Names at the top that lead into the backing directory.
pub(crate) const BACKED: [&str; 6] = ["lib", "etc", "usr", "run", "var", "tmp"];

/// Everything that is there without any device.
pub(crate) fn machine(tree: &mut Tree, spec: &BoardSpec, backing: &str) {
    for name in BACKED {
        tree.link(ROOT, name, &format!("{backing}/{name}"));
    }
    tree.directory(ROOT, "sys/kernel/debug");
    if spec.remoteproc {
        tree.directory(ROOT, CLASS);
    }
    if spec.remoteproc && spec.debugfs {
        tree.directory(ROOT, DEBUG);
    }
    let dumps = tree.directory(ROOT, DUMPS);
    tree.file(dumps, "disabled", 0o644, ATTRIBUTE_SIZE, File::DumpsDisabled);
    let parameters = tree.directory(ROOT, "sys/module/firmware_class/parameters");
    if spec.firmware_class_path {
        tree.file(parameters, "path", 0o644, ATTRIBUTE_SIZE, File::ClassPath);
    }

    device_tree::make(tree, spec);
    let kernel = tree.directory(ROOT, "proc/sys/kernel");
    fixed(tree, kernel, "osrelease", format!("{}\n", spec.osrelease).into_bytes());
    let random = tree.directory(kernel, "random");
    tree.file(random, "boot_id", 0o444, 0, File::BootId);

    kmsg(tree, spec.kmsg);
    let board = tree.directory(ROOT, "board");
    tree.file(board, "reboot", 0o200, 0, File::Reboot);
    tree.file(board, "kmsg", 0o644, 0, File::KmsgMode);
    tree.file(board, "printk", 0o200, 0, File::Printk);
    for (slot, processor) in spec.processors.iter().enumerate() {
        platform_device(tree, processor);
        if spec.remoteproc {
            driver(tree, processor);
        }
        controls(tree, slot);
    }
}

/// Makes `dev/kmsg` appear or go.
pub(crate) fn kmsg(tree: &mut Tree, mode: KmsgMode) {
    let dev = tree.directory(ROOT, DEV);
    match mode {
        KmsgMode::Off => tree.remove(dev, "kmsg"),
        KmsgMode::On | KmsgMode::Denied if tree.child(dev, "kmsg").is_some() => {}
        KmsgMode::On | KmsgMode::Denied => {
            tree.file(dev, "kmsg", 0o644, 0, File::Kmsg);
        }
    }
}

/// The device the processor's driver binds to.
fn platform_device(tree: &mut Tree, spec: &ProcessorSpec) {
    let device = tree.directory(ROOT, &platform_path(spec));
    let uevent = platform_uevent(spec);
    tree.file(device, "uevent", 0o644, ATTRIBUTE_SIZE, File::Fixed(uevent.into_bytes()));
    let to_sys = "../".repeat(spec.device.split('/').count() + 2);
    let node = device_tree::node_path(spec);
    tree.link(device, "of_node", &format!("{to_sys}{}", node.trim_start_matches("sys/")));
}

fn driver(tree: &mut Tree, spec: &ProcessorSpec) {
    let driver = tree.directory(ROOT, &driver_path(spec));
    if tree.child(driver, "bind").is_none() {
        tree.file(driver, "bind", 0o200, ATTRIBUTE_SIZE, File::Bind);
        tree.file(driver, "unbind", 0o200, ATTRIBUTE_SIZE, File::Unbind);
    }
}

/// of_device_uevent (drivers/of/device.c).
fn platform_uevent(spec: &ProcessorSpec) -> String {
    let path = spec.node_path();
    let name = path.rsplit('/').next().unwrap_or(&path).split('@').next().unwrap_or_default();
    let numbered = spec.compatible.iter().enumerate();
    let compatible: String = numbered.map(|(n, name)| format!("OF_COMPATIBLE_{n}={name}\n")).collect();
    format!(
        "DRIVER={}\nOF_NAME={name}\nOF_FULLNAME=/{path}\n{compatible}OF_COMPATIBLE_N={}\n",
        spec.driver,
        spec.compatible.len()
    )
}

fn controls(tree: &mut Tree, slot: usize) {
    let directory = tree.directory(ROOT, &format!("board/remoteproc{slot}"));
    for (name, mode, control) in [
        ("start-error", 0o644, Control::StartError),
        ("stop-error", 0o644, Control::StopError),
        ("start-delay-ms", 0o644, Control::StartDelay),
        ("stop-delay-ms", 0o644, Control::StopDelay),
        ("recovery-delay-ms", 0o644, Control::RecoveryDelay),
        ("start-hangs", 0o644, Control::StartHangs),
        ("stop-hangs", 0o644, Control::StopHangs),
        ("firmware-hangs", 0o644, Control::FirmwareHangs),
        ("look-hangs", 0o644, Control::LookHangs),
        ("crash-now", 0o200, Control::Crash),
        ("crashes", 0o644, Control::Crashes),
        ("crash-at-look", 0o644, Control::CrashAtLook),
        ("trace", 0o200, Control::Trace),
        ("state", 0o644, Control::State),
        ("refcount", 0o444, Control::References),
        ("held-up", 0o444, Control::HeldUp),
        ("plug", 0o644, Control::Plug),
        ("dump-size", 0o644, Control::DumpSize),
        ("dump-expired", 0o200, Control::DumpExpired),
    ] {
        tree.file(directory, name, mode, 0, File::Control(slot, control));
    }
}

/// Adds remoteproc`index` for the processor described by `spec`.
pub(crate) fn plug(
    tree: &mut Tree,
    spec: &ProcessorSpec,
    index: u32,
    device: DeviceId,
    character_device: bool,
) {
    let name = format!("remoteproc{index}");
    if character_device {
        let dev = tree.directory(ROOT, DEV);
        tree.file(dev, &name, 0o600, 0, File::CharacterDevice(device));
    }
    let parent = tree.directory(ROOT, &platform_path(spec));
    let up = |levels: usize| "../".repeat(levels);
    let depth = spec.device.split('/').count() + 2;

    let driver = driver_path(spec);
    let from_sys = driver.trim_start_matches("sys/");
    tree.link(parent, "driver", &format!("{}{from_sys}", up(depth)));
    let drivers = tree.directory(ROOT, &driver);
    let platform = format!("devices/platform/{}", spec.device);
    tree.link(drivers, spec.device_name(), &format!("../../../../{platform}"));

    let directory = tree.directory(parent, &format!("remoteproc/{name}"));
    let mode = if spec.read_only { 0o444 } else { 0o644 };
    for (file, mode, attribute) in [
        ("name", 0o444, Attribute::Name),
        ("state", mode, Attribute::State),
        ("firmware", mode, Attribute::Firmware),
        ("recovery", mode, Attribute::Recovery),
        ("coredump", mode, Attribute::Coredump),
        ("uevent", 0o644, Attribute::Uevent),
    ] {
        tree.file(directory, file, mode, ATTRIBUTE_SIZE, File::Device(device, attribute));
    }
    tree.directory(directory, "power");
    tree.link(directory, "device", &format!("../../../{}", spec.device_name()));
    tree.link(directory, "subsystem", &format!("{}class/remoteproc", up(depth + 2)));
    let class = tree.directory(ROOT, CLASS);
    tree.link(class, &name, &format!("../../{platform}/remoteproc/{name}"));

    let Some(debug) = tree.find(DEBUG) else { return };
    let debug = tree.directory(debug, &name);
    for (file, mode, attribute) in [
        ("name", 0o400, Attribute::Name),
        ("crash", 0o200, Attribute::Crash),
        ("recovery", 0o600, Attribute::Recovery),
        ("coredump", 0o600, Attribute::Coredump),
        ("resource_table", 0o400, Attribute::ResourceTable),
        ("carveout_memories", 0o400, Attribute::Carveouts),
    ] {
        tree.file(debug, file, mode, 0, File::Device(device, attribute));
    }
}

/// Takes remoteproc`index` away again.
pub(crate) fn unplug(tree: &mut Tree, spec: &ProcessorSpec, index: u32) {
    let name = format!("remoteproc{index}");
    for directory in [CLASS, DEBUG, DEV] {
        if let Some(directory) = tree.find(directory) {
            tree.remove(directory, &name);
        }
    }
    let drivers = tree.directory(ROOT, &driver_path(spec));
    tree.remove(drivers, spec.device_name());
    let parent = tree.directory(ROOT, &platform_path(spec));
    tree.remove(parent, "driver");
    tree.remove(parent, "remoteproc");
}

/// Adds devcd`number`, a crash dump of remoteproc`index`.
pub(crate) fn dump(tree: &mut Tree, spec: &ProcessorSpec, index: u32, number: u32) {
    let (name, remoteproc) = (format!("devcd{number}"), format!("remoteproc/remoteproc{index}"));
    let device = tree.directory(ROOT, &format!("{DUMP_DEVICES}/{name}"));
    tree.file(device, "data", 0o600, 0, File::Dump(number));
    tree.file(device, "uevent", 0o644, ATTRIBUTE_SIZE, File::Fixed(Vec::new()));
    tree.directory(device, "power");
    tree.link(device, "subsystem", "../../../../class/devcoredump");
    tree.link(device, "failing_device", &format!("../../../platform/{}/{remoteproc}", spec.device));

    let class = tree.directory(ROOT, DUMPS);
    tree.link(class, &name, &format!("../../devices/virtual/devcoredump/{name}"));
    let failing = tree.directory(ROOT, &format!("{}/{remoteproc}", platform_path(spec)));
    let to_devices = "../".repeat(spec.device.split('/').count() + 3);
    tree.link(failing, "devcoredump", &format!("{to_devices}virtual/devcoredump/{name}"));
}

/// Takes devcd`number` away, and the link to it if the failing device is still there.
pub(crate) fn remove_dump(tree: &mut Tree, failing: Option<(&ProcessorSpec, u32)>, number: u32) {
    for directory in [DUMPS, DUMP_DEVICES] {
        let directory = tree.directory(ROOT, directory);
        tree.remove(directory, &format!("devcd{number}"));
    }
    if let Some((spec, index)) = failing {
        let failing = tree.directory(ROOT, &format!("{}/remoteproc/remoteproc{index}", platform_path(spec)));
        tree.remove(failing, "devcoredump");
    }
}

/// Shows as many trace files as the loaded firmware has trace buffers.
pub(crate) fn traces(tree: &mut Tree, index: u32, device: DeviceId, count: usize) {
    let Some(debug) = tree.find(&format!("{DEBUG}/remoteproc{index}")) else { return };
    for number in 0..count {
        let name = format!("trace{number}");
        if tree.child(debug, &name).is_none() {
            tree.file(debug, &name, 0o400, 0, File::Device(device, Attribute::Trace(number)));
        }
    }
    let mut number = count;
    while tree.child(debug, &format!("trace{number}")).is_some() {
        tree.remove(debug, &format!("trace{number}"));
        number += 1;
    }
}

fn platform_path(spec: &ProcessorSpec) -> String {
    format!("sys/devices/platform/{}", spec.device)
}

fn driver_path(spec: &ProcessorSpec) -> String {
    format!("sys/bus/platform/drivers/{}", spec.driver)
}

fn fixed(tree: &mut Tree, parent: u64, name: &str, content: Vec<u8>) {
    tree.file(parent, name, 0o444, content.len() as u64, File::Fixed(content));
}
