//! processors: what there is, what it is called, and who has it.

use serde_json::{Value, json};
use simulated_board::{BoardSpec, ProcessorSpec};

use crate::harness::{Holder, Machine, at_once, skipped_without_root};

fn json_of(machine: &Machine) -> Vec<Value> {
    serde_json::from_str(&machine.run(&["processors", "--format", "json"]).ok()).unwrap()
}

/// The table's rows, cell by cell; owners have blanks in them and come last.
fn rows(machine: &Machine) -> Vec<Vec<String>> {
    let table = machine.run(&["processors"]).ok();
    let cells = |line: &str| {
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
    };
    table.lines().map(cells).collect()
}

/// The last cell of the N-th processor's row.
fn owner(machine: &Machine, number: usize) -> String {
    rows(machine)[number + 1].last().unwrap().clone()
}

#[test]
fn the_table_shows_aliases_kernel_names_devices_states_and_firmware() {
    let machine = Machine::simulated(BoardSpec::stm32mp15());
    assert_eq!(
        machine.run(&["processors"]).ok(),
        "ALIAS  NAME  KERNEL       DEVICE       STATE    FIRMWARE     OWNER\n\
         m4     m4    remoteproc0  10000000.m4  offline  rproc-m4-fw  -\n"
    );
    let machine = Machine::simulated(BoardSpec::am64x());
    let rows = rows(&machine);
    assert_eq!(rows.len(), 6);
    assert_eq!(rows[2][..4], ["r5f0-1", "78200000.r5f", "remoteproc1", "78200000.r5f"]);
    assert_eq!(rows[5][..2], ["m4", "5000000.m4fss"]);
}

#[test]
fn what_the_board_is_called_by_hand_decides_on_aliases() {
    let machine = Machine::simulated(BoardSpec::am64x());
    let table = machine.run(&["--board", "stm32mp15", "processors"]).ok();
    assert!(table.lines().skip(1).all(|line| line.starts_with("-  ")), "{table}");
    machine.run(&["--board", "none", "processors"]).refused(&["there is no board \"none\""]);
}

#[test]
fn a_machine_without_processors_has_an_empty_table() {
    let machine = Machine::simulated(BoardSpec::new("Bare", &["test,bare"]));
    let header = "ALIAS  NAME  KERNEL  DEVICE  STATE  FIRMWARE  OWNER\n";
    assert_eq!(machine.run(&["processors"]).ok(), header);
    assert_eq!(machine.run(&["processors", "--format", "json"]).ok(), "[]\n");
    assert_eq!(machine.run(&["processors", "--format", "nfd"]).ok(), "");
    // Not even a kernel that knows of them.
    let nothing = machine.scratch().join("nothing");
    std::fs::create_dir(&nothing).unwrap();
    assert_eq!(machine.run(&["--host-root", nothing.to_str().unwrap(), "processors"]).ok(), header);
    assert_eq!(machine.run(&["processors", "--format", "yaml"]).code, 2);
}

#[test]
fn no_state_directory_is_needed() {
    if skipped_without_root("becoming another user") {
        return;
    }
    let machine = Machine::stm32mp15();
    let outcome = machine.run_as_nobody(&["processors", "--format", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&outcome.ok()).unwrap()[0]["state"], "offline");
}

#[test]
fn an_owner_is_named_from_start_to_end() {
    let machine = Machine::stm32mp15();
    let pid = machine.created("x");
    assert_eq!(owner(&machine, 0), "-", "a container that only waits has no processor");
    machine.run(&["start", "x"]).ok();
    let root = machine.state_root().to_str().unwrap();
    assert_eq!(owner(&machine, 0), format!("x ({root})"));
    let seen = &json_of(&machine)[0];
    assert_eq!(seen["owner"], json!({ "container": "x", "root": root, "pid": pid }));
    assert_eq!((&seen["state"], &seen["name"]), (&json!("running"), &json!("m4")));
    assert_eq!(seen["firmware"], json!(machine.firmware_of("x").file_name().unwrap().to_str().unwrap()));
    machine.run(&["kill", "x"]).ok();
    assert_eq!((owner(&machine, 0), &json_of(&machine)[0]["owner"]), ("-".to_owned(), &Value::Null));
}

#[test]
fn an_owner_is_named_whatever_his_state_directory() {
    let machine = Machine::stm32mp15();
    machine.running("x");
    let elsewhere = machine.scratch().join("elsewhere");
    let seen = machine.run(&["--root", elsewhere.to_str().unwrap(), "processors"]).ok();
    assert!(seen.contains(&format!("  x ({})\n", machine.state_root().display())), "{seen}");
}

#[test]
fn another_process_is_named_too() {
    let machine = Machine::stm32mp15();
    let holder = Holder::of(&machine, 0);
    assert_eq!(owner(&machine, 0), format!("sleep (pid {})", holder.pid()));
    assert_eq!(json_of(&machine)[0]["owner"], json!({ "process": "sleep", "pid": holder.pid() }));
    drop(holder);
    assert_eq!(owner(&machine, 0), "-");
}

#[test]
fn roots_container_is_named_although_a_lesser_user_holds_the_lock() {
    if skipped_without_root("becoming another user") {
        return;
    }
    let machine = Machine::stm32mp15();
    let _holder = Holder::of(&machine, 65534);
    assert!(owner(&machine, 0).starts_with("sleep"));
    machine.running("x");
    assert!(owner(&machine, 0).starts_with("x ("), "{}", owner(&machine, 0));
}

#[test]
fn a_crashed_processor_has_no_owner_and_its_firmware_still() {
    let machine = Machine::stm32mp15();
    machine.set(0, "recovery", "disabled");
    let resident = machine.running_resident("x");
    machine.crash(0);
    resident.ends();
    let seen = &json_of(&machine)[0];
    assert_eq!((&seen["state"], &seen["owner"]), (&json!("crashed"), &Value::Null));
    assert_eq!(seen["firmware"], json!(machine.firmware_of("x").file_name().unwrap().to_str().unwrap()));
}

#[test]
fn looking_never_keeps_a_start_from_its_processor() {
    let machine = Machine::stm32mp15();
    let look = || {
        for _ in 0..20 {
            json_of(&machine);
        }
    };
    at_once(vec![
        Box::new(look),
        Box::new(look),
        Box::new(|| {
            for _ in 0..5 {
                machine.running("x");
                machine.run(&["delete", "--force", "x"]).ok();
            }
        }),
    ]);
}

fn labels(machine: &Machine) -> Vec<String> {
    let text = machine.run(&["processors", "--format", "nfd"]).ok();
    text.lines().map(|line| line.strip_prefix("feature.node.kubernetes.io/").unwrap().to_owned()).collect()
}

#[test]
fn labels_name_the_board_and_its_processors_and_stay_while_firmware_comes_and_goes() {
    let machine = Machine::simulated(BoardSpec::stm32mp15());
    let expected = ["remoteproc-board=stm32mp15", "remoteproc-processor.m4=1"];
    assert_eq!(labels(&machine), expected);
    machine.running("x");
    assert_eq!(labels(&machine), expected);
    machine.set(0, "recovery", "disabled");
    machine.crash(0);
    assert_eq!(labels(&machine), expected);
    machine.unbind(0);
    assert_eq!(labels(&machine), expected[..1]);
}

#[test]
fn labels_of_processors_without_a_profile_are_their_names_and_count_those_that_share_one() {
    let twin = |device: &str| ProcessorSpec::new("imx-rproc", device);
    let spec =
        BoardSpec::new("Twins", &["test,twins"]).processor(twin("soc/cm4-0")).processor(twin("soc/cm4-1"));
    let odd = format!("odd name/{}", "x".repeat(80));
    let machine = Machine::simulated(spec.processor(ProcessorSpec::new("r5@0", "soc/r5")));
    assert_eq!(labels(&machine), ["remoteproc-processor.imx-rproc=2", "remoteproc-processor.r5_0=1"]);
    let machine = Machine::simulated(
        BoardSpec::new("Odd", &["test,odd"]).processor(ProcessorSpec::new(&odd, "soc/odd")),
    );
    let [label] = &labels(&machine)[..] else { panic!("one label") };
    let name = label.strip_suffix("=1").unwrap();
    assert!(name.len() <= 63 && name.starts_with("remoteproc-processor.odd_name_xxx"), "{label}");
}
