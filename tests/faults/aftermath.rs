//! What must hold after a fault.

use rustix::fs::FlockOperation;

use crate::cases::{Case, Effect, ID, Place, Subject};
use crate::harness::{Outcome, eventually};
use crate::tracer::Fault;

/// What the processor is set to before and after.
const SETTINGS: [(&str, &str); 2] = [("recovery", "enabled"), ("coredump", "disabled")];

/// What came of a fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Came {
    /// The verb did all of it.
    Done,
    /// The verb reported an error.
    Refused,
    /// The process was killed.
    Killed,
}

/// The state that a container may be in, as `state` tells it: none where there is none.
fn status(place: &Place) -> Option<String> {
    let seen = place.run(&["state", ID]);
    if seen.code == 0 {
        let document: serde_json::Value = serde_json::from_str(&seen.stdout).unwrap();
        return Some(document["status"].as_str().unwrap().to_owned());
    }
    let told = seen.failed();
    assert!(told.contains("does not exist"), "state says: {told}");
    None
}

/// Looks at what a verb says and at what there is.
pub fn judge(place: &Place, case: &Case, fault: Fault, outcome: &Outcome) -> Came {
    let killed_itself = fault == Fault::Kill && case.subject == Subject::Verb;
    if killed_itself {
        assert_eq!(outcome.code, 137, "{outcome:?}");
        return Came::Killed;
    }
    if case.subject == Subject::ProxyInCrash {
        // Nobody has asked for anything: that it ended was waited for.
        return if fault == Fault::Kill { Came::Killed } else { Came::Done };
    }
    if outcome.code == 0 {
        assert_all(place, case, fault, outcome);
        return Came::Done;
    }
    assert_eq!(outcome.code, 1, "{outcome:?}");
    assert!(outcome.stderr.contains("error: "), "no error line: {outcome:?}");
    assert_nothing_or_all(place, case, fault, outcome);
    Came::Refused
}

fn processor(place: &Place) -> String {
    place.machine.processor()
}

fn assert_all(place: &Place, case: &Case, fault: Fault, outcome: &Outcome) {
    let seen = (status(place), processor(place));
    let seen = (seen.0.as_deref(), seen.1.as_str());
    match case.effect {
        Effect::Looks => {
            assert_eq!(seen, (Some("running"), "running"));
            assert!(!outcome.stdout.is_empty(), "it says nothing");
        }
        Effect::Creates => {
            // A proxy killed behind its record leaves a container as one does that is killed later.
            let killed = case.subject == Subject::Child && fault == Fault::Kill;
            let created = if killed && seen.0 == Some("stopped") { "stopped" } else { "created" };
            assert_eq!(seen, (Some(created), "offline"), "create succeeded");
            assert!(place.has_pid_file(), "create succeeded without a pid file");
        }
        Effect::Starts | Effect::Runs => {
            // As one that is killed while its firmware runs.
            let killed = case.subject == Subject::Proxy && fault == Fault::Kill;
            let running = if killed && seen.0 == Some("stopped") { "stopped" } else { "running" };
            assert_eq!(seen, (Some(running), "running"), "start succeeded");
        }
        Effect::Stops => assert_eq!(seen, (Some("stopped"), "offline"), "kill succeeded"),
        Effect::Deletes => {
            assert_eq!(seen, (None, "offline"), "delete succeeded");
            place.machine.assert_clean();
        }
    }
}

fn assert_nothing_or_all(place: &Place, case: &Case, fault: Fault, outcome: &Outcome) {
    let refused = |seen: &dyn std::fmt::Debug| format!("refused, but {seen:?}: {outcome:?}");
    match case.effect {
        Effect::Looks => {}
        Effect::Creates | Effect::Runs => {
            // What the killed create before it left may be there still.
            if case.before == crate::cases::Before::Remains {
                assert_eq!(status(place), None, "{}", refused(&"a container"));
                return;
            }
            // Also the processes end before the verb does.
            place.machine.assert_no_trace();
            assert!(!place.has_pid_file(), "{}", refused(&"a pid file"));
            assert_eq!(processor(place), "offline");
        }
        Effect::Starts | Effect::Stops => {
            // What the proxy was told before the verb failed may be on its way.
            // A proxy that was killed, or whose helper was, leaves the processor to a delete.
            let left =
                case.verb.contains(&"KILL") || (case.subject == Subject::Proxy && fault == Fault::Kill);
            let settled = |seen: &(Option<String>, String)| match (seen.0.as_deref(), seen.1.as_str()) {
                (Some("created" | "stopped"), "offline") | (Some("running"), "running") => true,
                (Some("stopped"), "running") => left,
                _ => false,
            };
            eventually("nothing or all was done", || settled(&(status(place), processor(place))));
        }
        // It can be done again, and then all of it is.
        Effect::Deletes => {
            let again = place.run(case.verb);
            assert!(again.code == 0 || again.stderr.contains("does not exist"), "{}", refused(&again));
            place.machine.assert_clean();
        }
    }
}

/// Whatever has happened: the container can be seen and removed, another one can take its place, and nothing is left.
pub fn recover(place: &Place, round: usize, told: Option<&Outcome>) {
    let machine = &place.machine;
    let seen = status(place);
    // An engine may go on with a create at once where there is no container.
    let created_over = seen.is_none() && round % 2 == 1;
    if created_over {
        place.create().ok();
    }
    place.run(&["delete", "--force", ID]).ok();
    // What the kernel refused to take back, the user was told of.
    let warned = told.filter(|told| told.stderr.contains("warning: "));
    for (setting, value) in SETTINGS {
        if warned.is_some_and(|told| told.stderr.contains(&format!("/{setting}"))) {
            machine.set(0, setting, value);
        }
    }
    assert_left_nothing(place, told);
    place.create().ok();
    place.run(&["start", ID]).ok();
    assert_eq!((machine.status(ID).as_str(), machine.processor().as_str()), ("running", "running"));
    place.run(&["delete", "--force", ID]).ok();
    assert_left_nothing(place, told);
}

fn assert_left_nothing(place: &Place, told: Option<&Outcome>) {
    let machine = &place.machine;
    machine.assert_clean();
    // A helper whose verb was killed ends by itself.
    eventually("no process is left", || machine.processes().is_empty());
    drop(machine.lock_processor(0));
    if let Ok(root) = std::fs::File::open(machine.state_root()) {
        rustix::fs::flock(&root, FlockOperation::NonBlockingLockExclusive).unwrap();
    }
    for (setting, value) in SETTINGS {
        assert_eq!(machine.attribute(0, setting), value, "{setting}, after {told:?}");
    }
    place.forget_pid_file();
}
