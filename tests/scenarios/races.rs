//! Verbs that come at the same moment: one of them wins, the others hear why, and nothing is left behind.

use std::sync::Barrier;

use serde_json::Value;

use crate::harness::{Machine, Outcome, eventually, exit_code, send};

const ROUNDS: usize = 4;

/// Runs all of `lines` at once.
fn at_once(machine: &Machine, lines: &[Vec<&str>]) -> Vec<Outcome> {
    let (barrier, scratch) = (&Barrier::new(lines.len()), machine.scratch());
    std::thread::scope(|scope| {
        let run = |command| {
            scope.spawn(move || {
                barrier.wait();
                Outcome::of(command, scratch)
            })
        };
        let threads: Vec<_> = lines.iter().map(|line| run(machine.command(line))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// The same verb eight times.
fn eight(machine: &Machine, line: &[&str]) -> Vec<Outcome> {
    at_once(machine, &vec![line.to_vec(); 8])
}

/// Exactly one succeeded, and the others were refused with `words`; which one it was.
#[track_caller]
fn one_won(outcomes: Vec<Outcome>, words: &[&str]) -> usize {
    let winners: Vec<usize> = (0..outcomes.len()).filter(|&i| outcomes[i].code == 0).collect();
    assert_eq!(winners.len(), 1, "{outcomes:#?}");
    outcomes.into_iter().filter(|outcome| outcome.code != 0).for_each(|outcome| outcome.refused(words));
    winners[0]
}

/// Each succeeded, or was refused with one of `reasons`; how many succeeded.
#[track_caller]
fn succeeded_or(outcomes: Vec<Outcome>, reasons: &[&str]) -> usize {
    let count = outcomes.iter().filter(|outcome| outcome.code == 0).count();
    for outcome in outcomes.into_iter().filter(|outcome| outcome.code != 0) {
        let stderr = outcome.failed();
        assert!(reasons.iter().any(|reason| stderr.contains(reason)), "{stderr}");
    }
    count
}

#[track_caller]
fn assert_nothing_left(machine: &Machine) {
    machine.assert_clean();
    eventually("no process is left", || machine.processes().is_empty());
}

fn bundle_path(machine: &Machine) -> String {
    machine.bundle("bundle", "m4").path.to_str().unwrap().to_owned()
}

#[test]
fn of_eight_creates_of_one_id_exactly_one_wins_and_its_container_works() {
    let machine = Machine::stm32mp15();
    let bundle = bundle_path(&machine);
    for _ in 0..ROUNDS {
        one_won(eight(&machine, &["create", "--bundle", &bundle, "x"]), &["container x", "already exists"]);
        assert_eq!((machine.stored_firmware().len(), machine.processes()), (1, vec![machine.pid("x")]));
        for verb in ["start", "kill", "delete"] {
            machine.run(&[verb, "x"]).ok();
        }
        assert_nothing_left(&machine);
    }
}

#[test]
fn eight_creates_of_different_ids_all_succeed() {
    let machine = Machine::stm32mp15();
    let bundle = bundle_path(&machine);
    let ids = ["a", "b", "c", "d", "e", "f", "g", "h"];
    for _ in 0..ROUNDS {
        let creates: Vec<_> = ids.iter().map(|id| vec!["create", "--bundle", &bundle, id]).collect();
        at_once(&machine, &creates).into_iter().for_each(|outcome| drop(outcome.ok()));
        assert_eq!((machine.stored_firmware().len(), machine.processes().len()), (8, 8));
        let deletes: Vec<_> = ids.iter().map(|id| vec!["delete", "--force", id]).collect();
        at_once(&machine, &deletes).into_iter().for_each(|outcome| drop(outcome.ok()));
        assert_nothing_left(&machine);
    }
}

#[test]
fn eight_creates_beside_what_another_boot_left_all_succeed() {
    let machine = Machine::stm32mp15();
    let bundle = bundle_path(&machine);
    let ids = ["a", "b", "c", "d", "e", "f", "g", "h"];
    for number in 0..40 {
        let name = format!("fw.elf-20250101T000000Z-00000000000000{number:02}");
        std::fs::write(machine.firmware_directory().join(name), "litter").unwrap();
    }
    let creates: Vec<_> = ids.iter().map(|id| vec!["create", "--bundle", &bundle, id]).collect();
    at_once(&machine, &creates).into_iter().for_each(|outcome| drop(outcome.ok()));
    assert_eq!(machine.stored_firmware().len(), 8);
}

#[test]
fn of_eight_starts_of_one_container_exactly_one_boots_the_processor() {
    let machine = Machine::stm32mp15();
    for _ in 0..ROUNDS {
        let pid = machine.created("x");
        one_won(eight(&machine, &["start", "x"]), &["cannot start a container that is running"]);
        assert_eq!(machine.status("x"), "running");
        machine.assert_starts(0, 1);
        machine.run(&["kill", "x"]).ok();
        assert_eq!((machine.processor().as_str(), exit_code(pid)), ("offline", 0));
        machine.run(&["delete", "x"]).ok();
        assert_nothing_left(&machine);
    }
}

#[test]
fn of_containers_started_at_once_on_one_processor_one_runs_and_the_others_name_it() {
    let machine = Machine::stm32mp15();
    for (ids, rounds) in [(&["a", "b"][..], ROUNDS), (&["a", "b", "c", "d", "e", "f", "g", "h"], 2)] {
        for _ in 0..rounds {
            let pids: Vec<i32> = ids.iter().map(|id| machine.created(id)).collect();
            let starts: Vec<_> = ids.iter().map(|id| vec!["start", *id]).collect();
            let outcomes = at_once(&machine, &starts);
            let winner = ids[outcomes.iter().position(|outcome| outcome.code == 0).expect("a winner")];
            let owner = format!("processor m4: it is owned by container {winner} ");
            let root = machine.state_root().display();
            let hint = format!("hint: remoteproc-runtime --root {root} kill {winner} stops it");
            let index = one_won(outcomes, &[&owner, &hint]);
            for (id, pid) in ids.iter().zip(&pids).filter(|(id, _)| **id != winner) {
                assert_eq!((machine.status(id).as_str(), exit_code(*pid)), ("stopped", 1));
                machine.run(&["delete", id]).ok();
            }
            assert_eq!(machine.processes(), [pids[index]]);
            assert_eq!(machine.processor(), "running");
            machine.assert_starts(0, 1);
            assert_eq!(machine.stored_firmware(), [machine.attribute(0, "firmware")]);
            machine.run(&["kill", winner]).ok();
            machine.run(&["delete", winner]).ok();
            assert_nothing_left(&machine);
        }
    }
}

#[test]
fn after_eight_kills_the_firmware_has_stopped_once() {
    let machine = Machine::stm32mp15();
    for signal in ["TERM", "INT"] {
        for _ in 0..ROUNDS {
            let pid = machine.running("x");
            let won = succeeded_or(eight(&machine, &["kill", "x", signal]), &["container not running"]);
            assert!(won > 0);
            assert_eq!((machine.status("x").as_str(), machine.processor().as_str()), ("stopped", "offline"));
            assert_eq!(exit_code(pid), 0);
            machine.assert_starts(0, 0);
            machine.run(&["delete", "x"]).ok();
            assert_nothing_left(&machine);
        }
    }
}

#[test]
fn kills_of_every_kind_at_once_leave_the_processor_offline() {
    let machine = Machine::stm32mp15();
    for _ in 0..ROUNDS {
        let pid = machine.running("x");
        let signals = ["KILL", "TERM", "9", "0", "KILL", "HUP", "QUIT", "37"];
        let kills: Vec<_> = signals.iter().map(|signal| vec!["kill", "x", *signal]).collect();
        let won = succeeded_or(at_once(&machine, &kills), &["container not running"]);
        assert!(won > 0);
        assert_eq!((machine.status("x").as_str(), machine.processor().as_str()), ("stopped", "offline"));
        assert!(matches!(exit_code(pid), 0 | 137));
        machine.run(&["delete", "x"]).ok();
        assert_nothing_left(&machine);
    }
}

#[test]
fn of_eight_deletes_exactly_one_finds_the_container() {
    let machine = Machine::stm32mp15();
    for _ in 0..ROUNDS {
        machine.created("x");
        machine.run(&["kill", "x"]).ok();
        one_won(eight(&machine, &["delete", "x"]), &["container x", "does not exist"]);
        assert_nothing_left(&machine);
    }
}

#[test]
fn eight_forced_deletes_all_succeed() {
    let machine = Machine::stm32mp15();
    for _ in 0..ROUNDS {
        machine.running("x");
        let outcomes = eight(&machine, &["delete", "--force", "x"]);
        assert!(outcomes.iter().all(|outcome| outcome.stderr.is_empty()), "{outcomes:#?}");
        outcomes.into_iter().for_each(|outcome| drop(outcome.ok()));
        assert_nothing_left(&machine);
    }
}

#[test]
fn a_start_and_a_kill_at_once_leave_nothing_running() {
    let machine = Machine::stm32mp15();
    for signal in ["TERM", "KILL"] {
        for _ in 0..ROUNDS {
            machine.created("x");
            let mut outcomes = at_once(&machine, &[vec!["start", "x"], vec!["kill", "x", signal]]);
            outcomes.pop().unwrap().ok();
            succeeded_or(outcomes, &["container that is stopped", "proxy ended", "stopped before it ran"]);
            machine.await_status("x", "stopped");
            assert_eq!(machine.processor(), "offline", "after kill {signal}");
            machine.run(&["delete", "x"]).ok();
            assert_nothing_left(&machine);
        }
    }
}

#[test]
fn a_start_and_a_forced_delete_at_once_leave_nothing() {
    let machine = Machine::stm32mp15();
    for _ in 0..ROUNDS * 2 {
        machine.created("x");
        let mut outcomes = at_once(&machine, &[vec!["start", "x"], vec!["delete", "--force", "x"]]);
        outcomes.pop().unwrap().ok();
        succeeded_or(
            outcomes,
            &["does not exist", "container that is stopped", "proxy ended", "stopped before it ran"],
        );
        assert_nothing_left(&machine);
    }
}

#[test]
fn creates_and_forced_deletes_of_one_id_in_loops_leave_nothing() {
    const TURNS: usize = 25;
    let machine = Machine::stm32mp15();
    let bundle = bundle_path(&machine);
    let create = ["create", "--bundle", &bundle, "x"];
    let lines: [(&[&str], &[&str]); 5] = [
        (&create, &["already exists"]),
        (&create, &["already exists"]),
        (&["delete", "--force", "x"], &[]),
        (&["state", "x"], &["does not exist"]),
        (&["list", "--format", "json"], &[]),
    ];
    // Loops of their own, so that every verb meets every other at every moment.
    let scratch = machine.scratch();
    let outcomes: Vec<Vec<Outcome>> = std::thread::scope(|scope| {
        let threads = lines.map(|(line, _)| {
            let commands: Vec<_> = (0..TURNS).map(|_| machine.command(line)).collect();
            scope.spawn(move || commands.into_iter().map(|command| Outcome::of(command, scratch)).collect())
        });
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let listed: Vec<Outcome> = outcomes[4].clone();
    let counts: Vec<usize> = outcomes
        .into_iter()
        .zip(lines)
        .map(|(outcomes, (_, reasons))| succeeded_or(outcomes, reasons))
        .collect();
    assert!(counts[0] + counts[1] > 0 && counts[2] == TURNS && counts[4] == TURNS, "{counts:?}");
    for outcome in listed {
        let list: Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert!(list.is_null() || list.as_array().is_some_and(|list| list.len() <= 1), "{list}");
    }
    machine.run(&["delete", "--force", "x"]).ok();
    assert_nothing_left(&machine);
}

#[test]
fn whole_lives_of_different_containers_side_by_side_do_not_disturb_each_other() {
    let machine = Machine::simulated(simulated_board::BoardSpec::am64x());
    // Core 1 of a cluster starts only after core 0, so one core of each and the M4.
    let processors = ["78000000.r5f", "78400000.r5f", "5000000.m4fss"];
    let scratch = machine.scratch();
    std::thread::scope(|scope| {
        for name in processors {
            let bundle = machine.bundle_of(name, name, &firmware_of_a_table()).path;
            let bundle = bundle.to_str().unwrap();
            let life = [
                &["create", "--bundle", bundle, name][..],
                &["start", name],
                &["state", name],
                &["kill", name],
                &["delete", name],
            ];
            let commands: Vec<_> = (0..ROUNDS).flat_map(|_| life.map(|line| machine.command(line))).collect();
            scope.spawn(move || {
                for command in commands {
                    Outcome::of(command, scratch).ok();
                }
            });
        }
    });
    assert_nothing_left(&machine);
}

#[test]
fn a_kill_of_a_container_that_is_deleted_meanwhile_waits_for_its_end() {
    let machine = Machine::stm32mp15();
    let pid = machine.running("x");
    // What a delete --force removes first.
    std::fs::remove_file(machine.state_root().join("x/kill")).unwrap();
    machine.run(&["kill", "x"]).ok();
    assert_eq!((machine.processor().as_str(), exit_code(pid)), ("offline", 0));
    machine.run(&["delete", "x"]).ok();
    assert_nothing_left(&machine);
}

#[test]
fn a_run_deletes_its_own_container_and_not_one_that_was_made_under_its_name_since() {
    let machine = Machine::stm32mp15();
    let bundle = bundle_path(&machine);
    let mut run = machine.command(&["run", "--bundle", &bundle, "x"]).spawn().unwrap();
    let starts = || machine.run(&["state", "x"]).stdout.contains("running");
    eventually("it runs", starts);
    let run_pid = i32::try_from(run.id()).unwrap();
    // So that it learns of all that only when it is over.
    send(run_pid, "STOP");
    machine.run(&["delete", "--force", "x"]).ok();
    let created = machine.created("x");
    send(run_pid, "CONT");
    assert_eq!(run.wait().unwrap().code(), Some(137));
    assert_eq!((machine.status("x").as_str(), machine.pid("x")), ("created", created));
    machine.run(&["delete", "--force", "x"]).ok();
    assert_nothing_left(&machine);
}

#[test]
fn a_start_waits_for_the_helper_that_stops_what_another_container_left() {
    let machine = Machine::stm32mp15();
    machine.orphaned("x");
    machine.created("y");
    let helper = || machine.processes().into_iter().any(|pid| pid != machine.pid("y"));
    std::thread::scope(|scope| {
        let hang = machine.hang(0, "stop-hangs");
        let delete = scope.spawn(|| machine.run(&["delete", "x"]));
        eventually("the helper is at it", helper);
        let start = scope.spawn(|| machine.run(&["start", "y"]));
        machine.await_phase("y", "starting");
        drop(hang);
        delete.join().unwrap().ok();
        start.join().unwrap().ok();
    });
    assert_eq!((machine.status("y").as_str(), machine.state_entries()), ("running", vec!["y".to_owned()]));
    machine.run(&["delete", "--force", "y"]).ok();
    assert_nothing_left(&machine);
}

#[test]
fn a_start_beside_a_helper_that_hangs_is_told_what_it_waits_for() {
    let machine = Machine::stm32mp15();
    machine.orphaned("x");
    machine.created("y");
    std::thread::scope(|scope| {
        let hang = machine.hang(0, "stop-hangs");
        let delete = scope.spawn(|| machine.run(&["delete", "x"]));
        eventually("the helper is at it", || machine.processes().len() == 2);
        let outcome = machine.run(&["start", "y"]);
        outcome.clone().refused(&["it is owned by a helper that stops what another container left (pid "]);
        assert!(outcome.hint().contains("try again later"), "{}", outcome.hint());
        drop(hang);
        delete.join().unwrap().ok();
    });
    assert_eq!(machine.status("y"), "stopped");
    machine.run(&["delete", "y"]).ok();
    assert_nothing_left(&machine);
}

/// A firmware that every processor of an AM64x takes: they want a resource table.
fn firmware_of_a_table() -> Vec<u8> {
    simulated_board::FirmwareBuilder::new().segment(0, &[1; 64]).resource_table().build()
}
