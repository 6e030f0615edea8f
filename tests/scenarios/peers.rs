//! What other runtimes of this kind were seen to get wrong, and where it is shown that this one does not.

use std::process::Command;

use serde_json::json;

use crate::harness::{Machine, Outcome, exit_code};

/// What went wrong elsewhere, and the scenarios, `module::function`, that show it does not here.
const SHOWN: [(&str, &[&str]); 20] = [
    (
        "a crash or a kill of the proxy left the container running for good; only force cleared it",
        &["truth::a_proxy_killed_in_any_phase_is_a_stopped_container_that_can_be_deleted"],
    ),
    (
        "KILL and a forced delete left the processor running without its firmware file, and the next start refused",
        &[
            "stop::kill_ends_the_proxy_and_then_stops_what_it_left",
            "delete::by_force_a_container_of_every_status_is_deleted_with_its_proxy",
            "delete::a_crashed_processor_is_brought_back_while_its_firmware_is_still_there",
        ],
    ),
    (
        "a delete of a created container leaked its proxy",
        &[
            "delete::only_a_stopped_container_is_deleted",
            "delete::by_force_a_container_of_every_status_is_deleted_with_its_proxy",
        ],
    ),
    (
        "a second create of an id overwrote the first",
        &["config::a_taken_id_is_refused_and_its_container_untouched_whatever_its_status"],
    ),
    (
        "of eight creates at once six or seven succeeded",
        &["races::of_eight_creates_of_one_id_exactly_one_wins_and_its_container_works"],
    ),
    (
        "start succeeded although the kernel had refused",
        &[
            "start::what_the_driver_refuses_is_said_in_words_with_the_kernels_lines",
            "start::a_start_that_the_kernel_accepts_without_effect_is_a_failure",
        ],
    ),
    (
        "a start signal came before the proxy could take it, once in 200",
        &["peers::none_of_200_starts_right_behind_a_create_is_lost"],
    ),
    (
        "kill answered before the firmware was off",
        &["stop::every_stop_signal_stops_the_firmware_before_kill_answers"],
    ),
    (
        "kill succeeded although the kernel had refused",
        &["stop::a_stop_that_the_kernel_refuses_is_an_error_and_the_container_still_runs"],
    ),
    (
        "paths and links led out of the root file system and the bundle, and what they named was copied for all to read",
        &[
            "firmware::neither_dots_nor_links_lead_out_of_the_root",
            "config::a_relative_root_does_not_lead_out_of_the_bundle",
        ],
    ),
    (
        "ids led to other directories, and an empty one wiped the state directory",
        &[
            "config::an_id_that_could_lead_elsewhere_is_refused_by_every_verb",
            "peers::no_id_deletes_anything_but_its_container",
        ],
    ),
    (
        "a directory, a FIFO or an endless device as firmware hung it or took all memory",
        &[
            "firmware::what_is_no_regular_file_is_refused_unopened",
            "firmware::the_machines_own_devices_and_processes_are_no_firmware",
        ],
    ),
    ("a config without process or root crashed it", &["config::what_is_missing_is_named"]),
    (
        "any version and trailing garbage were accepted",
        &[
            "config::other_oci_versions_are_refused",
            "config::garbage_behind_the_config_is_refused_and_white_space_is_not",
        ],
    ),
    ("hooks were ignored in silence", &["config::hooks_are_warned_about_once_and_not_run"]),
    (
        "a relative bundle could not be started from another directory",
        &["config::a_relative_bundle_is_found_again_from_another_working_directory"],
    ),
    (
        "a state of before the reboot had an innocent process killed",
        &[
            "truth::a_process_of_an_earlier_boot_is_none_of_this_one",
            "truth::a_stale_record_never_hits_the_process_that_has_its_pid_now",
        ],
    ),
    (
        "attached and detached were unknown to it, and a device that vanished left it running",
        &[
            "ownership::a_processor_that_something_else_booted_is_refused_and_the_hint_frees_it",
            "watch::a_device_that_vanishes_is_an_end",
        ],
    ),
    (
        "a full firmware directory kept partial files",
        &[
            "storage::a_full_firmware_directory_is_named_and_left_without_a_partial_file",
            "storage::a_firmware_directory_that_fills_up_in_the_middle_of_the_copy_is_left_without_a_partial_file",
        ],
    ),
    (
        "engines saw a crash as success, logs were empty, and a terminal failed; a large config took 261 MB",
        &[
            "engines::a_crash_ends_the_shims_process_with_1_and_delete_succeeds",
            "terminal::without_a_terminal_the_proxy_keeps_the_creates_output_and_no_input",
            "terminal::the_console_socket_gets_the_terminal_that_the_proxy_writes_to",
            "peers::a_large_config_takes_little_memory",
        ],
    ),
];

const SOURCES: [(&str, &str); 13] = [
    ("config", include_str!("config.rs")),
    ("delete", include_str!("delete.rs")),
    ("engines", include_str!("engines.rs")),
    ("firmware", include_str!("firmware.rs")),
    ("ownership", include_str!("ownership.rs")),
    ("peers", include_str!("peers.rs")),
    ("races", include_str!("races.rs")),
    ("start", include_str!("start.rs")),
    ("stop", include_str!("stop.rs")),
    ("storage", include_str!("storage.rs")),
    ("terminal", include_str!("terminal.rs")),
    ("truth", include_str!("truth.rs")),
    ("watch", include_str!("watch.rs")),
];

#[test]
fn everything_in_the_table_is_shown_by_a_scenario_that_exists() {
    for (wrong, scenarios) in SHOWN {
        assert!(!scenarios.is_empty(), "{wrong}");
        for scenario in scenarios {
            let (module, function) = scenario.split_once("::").unwrap();
            let (_, source) =
                SOURCES.iter().find(|(name, _)| *name == module).unwrap_or_else(|| panic!("{scenario}"));
            assert!(source.contains(&format!("#[test]\nfn {function}() {{\n")), "{scenario} does not exist");
        }
    }
}

#[test]
fn none_of_200_starts_right_behind_a_create_is_lost() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    let pid_file = machine.scratch().join("pid");
    let (path, file) = (bundle.path.to_str().unwrap(), pid_file.to_str().unwrap());
    for round in 0..200 {
        machine.run(&["create", "--bundle", path, "--pid-file", file, "x"]).ok();
        // Nothing in between.
        machine.run(&["start", "x"]).ok();
        assert_eq!(machine.processor(), "running", "round {round}");
        machine.run(&["delete", "--force", "x"]).ok();
        let pid = std::fs::read_to_string(&pid_file).unwrap().parse().unwrap();
        assert_eq!(exit_code(pid), 137);
    }
    machine.assert_clean();
}

#[test]
fn no_id_deletes_anything_but_its_container() {
    let machine = Machine::stm32mp15();
    machine.created("kept");
    let precious = machine.scratch().join("precious");
    std::fs::create_dir(&precious).unwrap();
    std::fs::write(precious.join("file"), "precious").unwrap();
    let beside = format!("../{}", precious.file_name().unwrap().to_str().unwrap());
    for id in ["", ".", "..", "../..", "/", &beside, precious.to_str().unwrap(), "kept/..", "kept/", "*"] {
        for verb in [&["delete", id][..], &["delete", "--force", id], &["kill", id], &["start", id]] {
            machine.run(verb).refused(&["invalid container id"]);
        }
    }
    assert_eq!(machine.state_entries(), ["kept"]);
    assert_eq!((machine.status("kept").as_str(), machine.stored_firmware().len()), ("created", 1));
    assert_eq!(std::fs::read_to_string(precious.join("file")).unwrap(), "precious");
}

#[test]
fn a_large_config_takes_little_memory() {
    let machine = Machine::stm32mp15();
    let create = |id: &str| {
        // kB of address space, which is more than is ever resident.
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -v 65536 && exec \"$@\"", "sh"]);
        let bundle = machine.scratch().join("bundles").join(id);
        let command = machine.command(&["create", "--bundle", bundle.to_str().unwrap(), id]);
        shell.arg(command.get_program()).args(command.get_args());
        Outcome::of(shell, machine.scratch())
    };
    machine.bundle("large", "m4").edit(|config| config["x-unknown"] = json!("x".repeat(8_000_000)));
    create("large").ok();
    machine.bundle("many", "m4").edit(|config| config["mounts"] = json!(vec![json!({}); 1_000_000]));
    create("many").ok();
    machine.bundle("huge", "m4").edit(|config| config["x-unknown"] = json!("x".repeat(64_000_000)));
    create("huge").refused(&["config.json: larger than 8 MiB"]);
}
