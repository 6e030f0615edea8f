//! The families that profiles describe, each on a simulated board of its own: names, memory and order as the kernel has
//! them, and what the profile says of them the same.

use serde_json::Value;
use simulated_board::{BoardSpec, FirmwareBuilder};

use crate::harness::Machine;

/// Families whose R5F clusters are split: each has a core that starts only while another runs.
const ORDERED: [&str; 6] = ["am64x", "am65x", "j7200", "j721e", "j721s2", "j784s4"];

/// ELF machines of processors: ARM, Xtensa, TI C6000.
const MACHINES: [u16; 3] = [40, 94, 140];

/// Addresses of which no window of a shipped profile has all.
const OUTSIDE: [u64; 3] = [0xffff_0000, 0x7f00_0000, 0x6f00_0000];

fn firmware(address: u64, machine: u16) -> Vec<u8> {
    FirmwareBuilder::new().machine(machine).segment(address, &[0; 64]).resource_table().build()
}

/// What `check` says of a firmware for a processor.
fn check(machine: &Machine, alias: &str, firmware: &[u8]) -> Value {
    let path = machine.scratch().join("checked.elf");
    std::fs::write(&path, firmware).unwrap();
    let line = ["check", "--format", "json", "--processor", alias, path.to_str().unwrap()];
    serde_json::from_str(&machine.run(&line).stdout).unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

/// The addresses at which memory of a processor begins: its windows, and in them what is reserved for it.
fn addresses(seen: &Value) -> Vec<u64> {
    let windows = seen["windows"].as_array().into_iter().flatten();
    let reserved = |window: &Value| -> Vec<u64> {
        let (system, size) = (number(&window["system"]), number(&window["size"]));
        let regions = seen["reservedMemory"].as_array().into_iter().flatten();
        let offsets = regions.filter_map(|region| number(&region["system"]).checked_sub(system));
        offsets.filter(|offset| *offset < size).map(|offset| number(&window["address"]) + offset).collect()
    };
    windows.flat_map(|window| [vec![number(&window["address"])], reserved(window)].concat()).collect()
}

/// A processor that can be started, and what fits it.
struct Candidate {
    alias: String,
    number: usize,
    /// ELF machine.
    kind: u16,
    firmwares: Vec<Vec<u8>>,
}

/// The processors of a machine that are offline; every one that the kernel shows is known to the profile.
fn candidates(machine: &Machine) -> Vec<Candidate> {
    let shown: Vec<Value> =
        serde_json::from_str(&machine.run(&["processors", "--format", "json"]).ok()).unwrap();
    let offline = shown.iter().enumerate().filter(|(_, processor)| {
        assert!(processor["aliases"][0].is_string(), "{processor}: no profile knows it");
        processor["state"] == "offline"
    });
    offline.map(|(number, processor)| candidate(machine, number, processor)).collect()
}

fn candidate(machine: &Machine, number: usize, shown: &Value) -> Candidate {
    let alias = shown["aliases"][0].as_str().unwrap().to_owned();
    let seen = MACHINES.map(|kind| (kind, check(machine, &alias, &firmware(0, kind))));
    let is_for_it = |seen: &Value| !seen["findings"].to_string().contains("is for ");
    let (kind, seen) = seen.into_iter().find(|(_, seen)| is_for_it(seen)).unwrap();
    let all = addresses(&seen).into_iter().map(|address| firmware(address, kind));
    let firmwares = all.filter(|firmware| check(machine, &alias, firmware)["fits"] == true).collect();
    Candidate { number, kind, firmwares, alias }
}

/// Starts a container on a processor; whether it could, or must wait for another. A profile may know more memory than
/// one mode of the driver has, so the first firmware that the kernel takes does.
fn starts(machine: &Machine, candidate: &Candidate) -> bool {
    let id = &candidate.alias;
    for firmware in &candidate.firmwares {
        machine.run(&["delete", "--force", id]).ok();
        machine.create(id, &machine.bundle_of(id, id, firmware)).ok();
        let outcome = machine.run(&["start", id]);
        if outcome.code == 0 {
            assert_eq!(machine.attribute(candidate.number, "state"), "running", "{id}");
            return true;
        }
        if outcome.stderr.contains("it starts only while ") {
            return false;
        }
    }
    panic!("{id}: the kernel takes nothing of what fits");
}

/// Whether a container stops, or must wait for another.
fn stops(machine: &Machine, candidate: &Candidate) -> bool {
    let outcome = machine.run(&["kill", &candidate.alias]);
    if outcome.code == 0 {
        assert_eq!(machine.attribute(candidate.number, "state"), "offline", "{}", candidate.alias);
        return true;
    }
    outcome.refused(&["it stops only after "]);
    false
}

fn outside_is_refused(machine: &Machine, candidate: &Candidate) {
    let lies_outside = |address: &u64| {
        let seen = check(machine, &candidate.alias, &firmware(*address, candidate.kind));
        seen["findings"].to_string().contains("in no window")
    };
    // A profile may know no windows.
    let Some(address) = OUTSIDE.into_iter().find(lies_outside) else { return };
    let bundle = machine.bundle_of("outside", &candidate.alias, &firmware(address, candidate.kind));
    machine.create("outside", &bundle).refused(&["segment 0 (code, ", "in no window"]);
}

/// A family has the names, the memory and the order of its profile.
fn agrees(family: &str) {
    let (_, spec) = BoardSpec::all().into_iter().find(|(name, _)| *name == family).unwrap();
    let machine = Machine::simulated(spec);
    let mut candidates = candidates(&machine);
    for candidate in &candidates {
        outside_is_refused(&machine, candidate);
    }
    // A profile without windows does not tell where firmware can be.
    candidates.retain(|candidate| !candidate.firmwares.is_empty());
    // Against the order: a core that comes after another waits for it, and the other then for that.
    let waiting: Vec<_> = candidates.iter().rev().filter(|candidate| !starts(&machine, candidate)).collect();
    assert!(waiting.iter().all(|candidate| starts(&machine, candidate)));
    let kept: Vec<_> = candidates.iter().filter(|candidate| !stops(&machine, candidate)).collect();
    assert!(kept.iter().all(|candidate| stops(&machine, candidate)));
    assert_eq!((waiting.len(), !waiting.is_empty()), (kept.len(), ORDERED.contains(&family)));
}

/// A scenario for each family, so that they are played side by side.
macro_rules! families {
    ($($family:ident)*) => {
        $(
            #[test]
            fn $family() {
                agrees(stringify!($family));
            }
        )*

        #[test]
        fn all_are_here() {
            let all: Vec<&str> = BoardSpec::all().into_iter().map(|(family, _)| family).collect();
            assert_eq!(all, [$(stringify!($family)),*]);
        }
    };
}

families! {
    am62a am62x am64x am65x imx7d imx8mm imx8mn imx8mp imx8mq imx8qm imx8qxp imx8ulp imx93 imx95 j7200 j721e j721s2
    j784s4 stm32mp15 stm32mp25 zynqmp
}
