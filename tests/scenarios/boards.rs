//! Board profiles: processors by their aliases, and the order in which they start and stop.

use simulated_board::{BoardSpec, FirmwareBuilder, ProcessorSpec};

use crate::harness::{Machine, Outcome, alias};

/// A firmware that every processor of an AM64x takes.
fn firmware() -> Vec<u8> {
    FirmwareBuilder::new().segment(0, b"code").resource_table().build()
}

fn create_on(machine: &Machine, id: &str, processor: &str) -> Outcome {
    machine.create(id, &machine.bundle_of(id, processor, &firmware()))
}

/// Writes a file of the machine's own.
fn put(machine: &Machine, path: &str, text: &str) {
    let path = machine.path(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// A profile called `mine` of a board with the processors `(alias, kernel name, device)`.
fn profile(processors: &[(&str, &str, &str)]) -> String {
    let head = "name = 'mine'\ndescription = 'Mine'\ncompatible = ['me,mine']\n".to_owned();
    processors.iter().fold(head, |text, (alias, name, device)| {
        format!("{text}[[processor]]\naliases = ['{alias}']\nnames = ['{name}']\ndevice = '{device}'\n")
    })
}

const MINE: &str = "etc/remoteproc-runtime/boards/mine.toml";

/// Two processors of one name, as an i.MX8QM has them under older kernels.
fn twins() -> Machine {
    let board = BoardSpec::new("Twins", &["me,mine"]);
    let twin = |device: &str| ProcessorSpec::new("imx-rproc", &format!("soc/{device}"));
    Machine::simulated(board.processor(twin("first-cm4")).processor(twin("second-cm4")))
}

fn resolved(machine: &Machine, id: &str) -> String {
    let path = machine.state(id)["annotations"]["remoteproc.resolved-path"].as_str().unwrap().to_owned();
    path.rsplit('/').next().unwrap().to_owned()
}

#[test]
fn a_processor_is_found_by_its_alias_its_kernel_name_and_its_device() {
    let machine = Machine::simulated(BoardSpec::am64x());
    for (id, name, number) in [
        ("alias", "r5f1-0", "remoteproc2"),
        ("other-alias", "main-r5f1-0", "remoteproc2"),
        ("kernel", "78600000.r5f", "remoteproc3"),
        ("m4", "m4f", "remoteproc4"),
    ] {
        create_on(&machine, id, name).ok();
        assert_eq!(resolved(&machine, id), number, "{name}");
    }
    let machine = twins();
    create_on(&machine, "x", "second-cm4").ok();
    assert_eq!(resolved(&machine, "x"), "remoteproc1");
}

#[test]
fn a_board_picks_its_profile_and_knows_its_processor_by_an_alias() {
    let machine = Machine::stm32mp15();
    machine.create("x", &machine.bundle("x", &alias())).ok();
    assert_eq!(resolved(&machine, "x"), "remoteproc0");
    machine.run(&["start", "x"]).ok();
    assert_eq!(machine.processor(), "running");
}

#[test]
fn a_name_of_two_processors_is_refused_with_both_until_a_profile_tells_them_apart() {
    let machine = twins();
    machine.create_is_refused(
        &machine.bundle("x", "imx-rproc"),
        &[
            "processor imx-rproc: this name belongs to more than one processor",
            "hint: there are: imx-rproc (remoteproc0, device first-cm4, offline); imx-rproc (remoteproc1, ",
        ],
    );
    put(&machine, MINE, &profile(&[("m4-0", "imx-rproc", "first-cm4"), ("m4-1", "imx-rproc", "second-cm4")]));
    create_on(&machine, "x", "m4-1").ok();
    assert_eq!(resolved(&machine, "x"), "remoteproc1");
    machine.run(&["start", "x"]).ok();
    assert_eq!(machine.attribute(1, "state"), "running");
    let refused = create_on(&machine, "y", "imx-rproc");
    refused.refused(&["more than one", "m4-0 = imx-rproc (remoteproc0, ", "m4-1 = imx-rproc (remoteproc1, "]);
}

#[test]
fn an_alias_whose_processor_the_kernel_does_not_show_is_refused_with_its_kernel_names() {
    let machine = twins();
    put(&machine, MINE, &profile(&[("m4", "imx8mq-cm4", "first-cm4")]));
    machine.create_is_refused(
        &machine.bundle("x", "m4"),
        &[
            "processor m4: the kernel shows none of its names on board mine: imx8mq-cm4",
            "hint: there are: imx-rproc ",
        ],
    );
}

#[test]
fn the_board_is_chosen_by_option_then_by_file_then_by_the_device_tree() {
    let machine = Machine::simulated(BoardSpec::am64x());
    put(&machine, MINE, &profile(&[("mine", "78400000.r5f", "78400000.r5f")]));
    create_on(&machine, "of-the-tree", "r5f0-0").ok();
    let bundle = machine.bundle_of("chosen", "mine", &firmware());
    let bundle = bundle.path.to_str().unwrap();
    machine.run(&["create", "--bundle", bundle, "chosen"]).refused(&["no processor of this name"]);
    machine.run(&["--board", "mine", "create", "--bundle", bundle, "chosen"]).ok();
    assert_eq!(resolved(&machine, "chosen"), "remoteproc2");
    put(&machine, "etc/remoteproc-runtime/board", "mine\n");
    create_on(&machine, "of-the-file", "mine").ok();
    create_on(&machine, "x", "r5f0-0").refused(&["processor r5f0-0: no processor of this name"]);
    machine
        .run(&["--board=nosuch", "create", "--bundle", bundle, "y"])
        .refused(&["there is no board \"nosuch\"; the boards are: mine, am6"]);
}

#[test]
fn a_profile_that_is_broken_is_refused_with_its_line() {
    let machine = Machine::simulated(
        BoardSpec::new("Mine", &["me,mine"]).processor(ProcessorSpec::new("m4", "soc/m4")),
    );
    for (text, words) in [
        (profile(&[("m4", "m4", "m4")]).replace("names", "nmaes"), "mine.toml: line 4: names: missing"),
        (profile(&[("m4", "m4", "m4")]).replace("device", "size"), "mine.toml: line 7: unknown key \"size\""),
        (
            profile(&[("m4", "m4", "m4"), ("m4", "m5", "m5")]),
            "alias \"m4\" is a name of m4 too (rule aliases)",
        ),
        ("'me,mine' = [".to_owned(), "mine.toml: line 1: "),
    ] {
        put(&machine, MINE, &text);
        machine.create_is_refused(&machine.bundle("x", "m4"), &["board profile ", words]);
    }
    put(&machine, MINE, &profile(&[("m4", "m4", "m4")]));
    machine.create("x", &machine.bundle("x", "m4")).ok();
}

#[test]
fn a_start_that_is_refused_without_a_known_cause_gives_the_hints_of_the_profile() {
    let machine = Machine::simulated(
        BoardSpec::new("Mine", &["me,mine"]).processor(ProcessorSpec::new("m4", "soc/m4")),
    );
    let hints = "hints = ['run prepare_mcore first', 'and then wait']\n";
    put(&machine, MINE, &format!("{}{hints}", profile(&[("m4", "m4", "m4")])));
    for (errno, expected) in [
        ("EIO", "run prepare_mcore first; and then wait"),
        ("ETIMEDOUT", "the firmware did not answer its driver in time"),
    ] {
        machine.create("x", &machine.bundle_of("x", "m4", &firmware())).ok();
        machine.fault(0, "start-error", errno);
        let outcome = machine.run(&["start", "x"]);
        assert_eq!((outcome.code, outcome.hint().as_str()), (1, expected));
        machine.run(&["delete", "x"]).ok();
    }
}

#[test]
fn core_1_starts_only_while_core_0_runs_and_its_container_waits() {
    let machine = Machine::simulated(BoardSpec::am64x());
    create_on(&machine, "core0", "r5f0-0").ok();
    create_on(&machine, "core1", "r5f0-1").ok();
    let outcome = machine.run(&["start", "core1"]);
    outcome
        .clone()
        .refused(&["processor 78200000.r5f: it starts only while 78000000.r5f runs, which is offline"]);
    assert_eq!(outcome.hint(), "start a container on 78000000.r5f first");
    assert_eq!(
        (machine.status("core1").as_str(), machine.attribute(1, "state").as_str()),
        ("created", "offline")
    );
    machine.run(&["start", "core0"]).ok();
    machine.run(&["start", "core1"]).ok();
    assert_eq!(machine.attribute(1, "state"), "running");
    // The other cluster has an order of its own.
    create_on(&machine, "cluster1", "r5f1-0").ok();
    machine.run(&["start", "cluster1"]).ok();
}

#[test]
fn core_0_stops_only_after_core_1_whatever_stops_it() {
    let machine = Machine::simulated(BoardSpec::am64x());
    for (id, processor) in [("core0", "r5f0-0"), ("core1", "r5f0-1")] {
        create_on(&machine, id, processor).ok();
        machine.run(&["start", id]).ok();
    }
    for stop in [&["kill", "core0"][..], &["kill", "core0", "KILL"], &["delete", "--force", "core0"]] {
        let outcome = machine.run(stop);
        outcome
            .clone()
            .refused(&["processor 78000000.r5f: it stops only after 78200000.r5f, which is running"]);
        let root = machine.state_root().display();
        assert_eq!(outcome.hint(), format!("remoteproc-runtime --root {root} kill core1 stops that one"));
        assert_eq!((machine.status("core0").as_str(), machine.processor().as_str()), ("running", "running"));
    }
    machine.run(&["kill", "core0", "0"]).ok();
    machine.run(&["kill", "core1"]).ok();
    machine.run(&["kill", "core0"]).ok();
    assert_eq!(
        (machine.processor().as_str(), machine.attribute(1, "state").as_str()),
        ("offline", "offline")
    );
}

#[test]
fn an_order_that_no_profile_tells_is_the_kernels_refusal_with_a_hint() {
    let machine = Machine::simulated(BoardSpec::am64x());
    put(
        &machine,
        MINE,
        &profile(&[("first", "78000000.r5f", "78000000.r5f"), ("second", "78200000.r5f", "78200000.r5f")]),
    );
    put(&machine, "etc/remoteproc-runtime/board", "mine");
    for (id, processor) in [("core0", "first"), ("core1", "second")] {
        create_on(&machine, id, processor).ok();
        machine.run(&["start", id]).ok();
    }
    let outcome = machine.run(&["kill", "core0"]);
    outcome.clone().refused(&["processor 78000000.r5f", "(EPERM)"]);
    assert!(outcome.hint().contains("core 0 must start before core 1, and stop after it"));
}

#[test]
fn a_core_that_is_alone_is_in_no_order() {
    // In lockstep the second core is no processor, and one that somebody took away is none either.
    let machine = Machine::simulated(BoardSpec::am64x());
    machine.fault(0, "plug", "out");
    create_on(&machine, "core1", "r5f0-1").ok();
    let outcome = machine.run(&["start", "core1"]);
    assert!(!outcome.stderr.contains("it starts only while"), "{}", outcome.stderr);
}
