//! The `--log` file, which engines read, and standard error, which people read.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::harness::{Machine, Outcome};

/// Runs the binary with a log file of its own format.
fn run_logged(machine: &Machine, log: &Path, format: &str, args: &[&str]) -> Outcome {
    let log = ["--log", log.to_str().unwrap(), "--log-format", format];
    machine.run(&[log.as_slice(), args].concat())
}

fn log_file(machine: &Machine) -> PathBuf {
    machine.scratch().join("log.json")
}

/// The lines of a JSON log.
#[track_caller]
pub fn objects(log: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(log).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "an unfinished line: {text}");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"))).collect()
}

/// The message of a log that has one line, of level error.
#[track_caller]
pub fn only_error(log: &Path) -> String {
    let lines = objects(log);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["level"], "error");
    lines[0]["msg"].as_str().unwrap().to_owned()
}

/// The time, to the second, as RFC 3339 has it.
fn now() -> String {
    let output = Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[test]
fn a_failure_is_one_object_with_level_message_and_time() {
    let machine = Machine::stm32mp15();
    let log = log_file(&machine);
    let before = now();
    let stderr = run_logged(&machine, &log, "json", &["state", "x"]).failed();
    assert_eq!(stderr, "error: container x: container does not exist\n", "people read it on standard error");
    assert_eq!(only_error(&log), "container x: container does not exist");
    let object = objects(&log).remove(0);
    let mut keys: Vec<&String> = object.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["level", "msg", "time"]);
    let (time, after) = (object["time"].as_str().unwrap(), now());
    assert_eq!(time.len(), before.len(), "{time}");
    assert!(before.as_str() <= time && time <= after.as_str(), "{before} {time} {after}");
}

#[test]
fn what_goes_well_writes_nothing() {
    let machine = Machine::stm32mp15();
    let log = log_file(&machine);
    let bundle = machine.bundle("b", "m4");
    let bundle = bundle.path.to_str().unwrap();
    for line in [
        &["create", "--bundle", bundle, "x"][..],
        &["start", "x"],
        &["state", "x"],
        &["list"],
        &["ps", "x"],
        &["kill", "x"],
        &["delete", "x"],
        &["delete", "--force", "x"],
        &["features"],
    ] {
        run_logged(&machine, &log, "json", line).ok();
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "", "{line:?}");
    }
}

#[test]
fn a_misuse_and_an_unsupported_verb_are_logged_too() {
    let machine = Machine::stm32mp15();
    let log = log_file(&machine);
    assert_eq!(run_logged(&machine, &log, "json", &["frobnicate"]).code, 2);
    assert!(only_error(&log).contains("frobnicate"));
    std::fs::remove_file(&log).unwrap();
    run_logged(&machine, &log, "json", &["exec", "x", "true"]).failed();
    assert!(only_error(&log).starts_with("not supported: exec: "));
}

#[test]
fn a_misuse_of_the_options_beside_log_is_logged_too() {
    let machine = Machine::stm32mp15();
    for (line, words) in [
        (&["--frobnicate", "state", "x"][..], "--frobnicate"),
        (&["--log-level", "loud", "state", "x"], "loud"),
        (&["--root"], "--root"),
        (&[], "a verb is missing"),
    ] {
        let log = log_file(&machine);
        assert_eq!(run_logged(&machine, &log, "json", line).code, 2, "{line:?}");
        assert!(only_error(&log).contains(words), "{line:?}");
        std::fs::remove_file(&log).unwrap();
    }
    let log = log_file(&machine);
    assert_eq!(run_logged(&machine, &log, "xml", &["state", "x"]).code, 2);
    assert!(
        std::fs::read_to_string(&log).unwrap().contains("level=error msg="),
        "text where it is no format"
    );
}

#[test]
fn a_log_is_appended_to() {
    let machine = Machine::stm32mp15();
    let log = log_file(&machine);
    std::fs::write(&log, "{\"level\":\"info\",\"msg\":\"of the engine\"}\n").unwrap();
    for id in ["x", "y"] {
        run_logged(&machine, &log, "json", &["state", id]).failed();
    }
    let messages: Vec<Value> = objects(&log).iter().map(|line| line["msg"].clone()).collect();
    assert_eq!(
        messages,
        ["of the engine", "container x: container does not exist", "container y: container does not exist"]
    );
}

#[test]
fn a_text_log_has_one_line_too() {
    let machine = Machine::stm32mp15();
    let log = log_file(&machine);
    run_logged(&machine, &log, "text", &["state", "x"]).failed();
    let text = std::fs::read_to_string(&log).unwrap();
    let tail = "Z\" level=error msg=\"container x: container does not exist\"\n";
    assert!(text.starts_with("time=\"20") && text.ends_with(tail) && text.lines().count() == 1, "{text}");
}

#[test]
fn the_kernels_reason_and_the_hint_are_in_the_one_line() {
    let machine = Machine::stm32mp15();
    let log = log_file(&machine);
    machine.created("x");
    machine.fault(0, "start-error", "ETIMEDOUT");
    let stderr = run_logged(&machine, &log, "json", &["start", "x"]).failed();
    let kinds: Vec<&str> = stderr.lines().map(|line| line.split(':').next().unwrap()).collect();
    let kernel = kinds.len() - 2;
    assert!((1..=5).contains(&kernel), "{stderr}");
    assert_eq!(kinds, [&["error"][..], &vec!["kernel"; kernel], &["hint"]].concat(), "{stderr}");
    let message = only_error(&log);
    for line in stderr.lines() {
        let words = line.strip_prefix("error: ").unwrap_or(line);
        assert!(message.contains(words), "{words:?} is not in {message}");
    }
    assert!(message.contains("ETIMEDOUT") && message.contains("Boot failed"), "{message}");
}

#[test]
fn with_debug_the_log_gets_everything_and_the_failure_last() {
    let machine = Machine::stm32mp15();
    let log = log_file(&machine);
    let bundle = machine.bundle("b", "m4");
    bundle.edit(|config| config["mounts"] = serde_json::json!([{ "destination": "/proc" }]));
    let create = ["--debug", "create", "--bundle", bundle.path.to_str().unwrap(), "x"];
    let outcome = run_logged(&machine, &log, "json", &create);
    assert!(outcome.stderr.contains("debug: ") && outcome.stderr.contains("mounts"), "{}", outcome.stderr);
    outcome.ok();
    let lines = objects(&log);
    let is_debug =
        |line: &Value| line["level"] == "debug" && line["msg"].as_str().unwrap().contains("mounts");
    assert!(lines.iter().any(is_debug), "{lines:?}");
    run_logged(&machine, &log, "json", &create).refused(&["already exists"]);
    let last = objects(&log).pop().unwrap();
    assert_eq!(last["level"], "error");
    assert!(last["msg"].as_str().unwrap().contains("already exists"), "{last}");
}

#[test]
fn warnings_go_to_standard_error_alone() {
    let machine = Machine::stm32mp15();
    let log = log_file(&machine);
    let bundle = machine.bundle("b", "m4");
    bundle.edit(|config| config["hooks"] = serde_json::json!({ "prestart": [{ "path": "/bin/true" }] }));
    let create = ["create", "--bundle", bundle.path.to_str().unwrap(), "x"];
    let outcome = run_logged(&machine, &log, "json", &create);
    assert!(outcome.stderr.starts_with("warning: hooks: "), "{}", outcome.stderr);
    outcome.ok();
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "");
    machine.run(&["delete", "--force", "x"]).ok();
    let quiet = machine.run(&[["--log-level", "error"].as_slice(), &create].concat());
    assert_eq!(quiet.stderr, "", "a higher level leaves warnings out");
    quiet.ok();
}

#[test]
fn a_log_that_cannot_be_opened_stops_nothing() {
    let machine = Machine::stm32mp15();
    machine.created("x");
    for log in [machine.scratch().join("missing/log"), machine.scratch().to_owned()] {
        let outcome = run_logged(&machine, &log, "json", &["start", "x"]);
        assert!(outcome.stderr.contains(log.to_str().unwrap()), "{}", outcome.stderr);
        outcome.ok();
        assert_eq!(machine.status("x"), "running");
        machine.run(&["kill", "x"]).ok();
        machine.run(&["delete", "x"]).ok();
        machine.created("x");
    }
    let missing = machine.scratch().join("missing/log");
    let stderr = run_logged(&machine, &missing, "text", &["state", "y"]).failed();
    assert!(stderr.contains("error: container y: container does not exist\n"), "{stderr}");
}

/// What a create whose config has something to tell of prints, with `RUST_LOG` and more global options.
fn told(machine: &Machine, id: &str, rust_log: &str, global: &[&str]) -> String {
    let bundle = machine.bundle(id, "m4");
    bundle.edit(|config| {
        config["mounts"] = serde_json::json!([]);
        config["hooks"] = serde_json::json!({ "poststop": [{ "path": "/bin/true" }] });
    });
    let create = ["create", "--bundle", bundle.path.to_str().unwrap(), id];
    let mut command = machine.command(&[global, &create].concat());
    command.env("RUST_LOG", rust_log);
    let outcome = Outcome::of(command, machine.scratch());
    let stderr = outcome.stderr.clone();
    outcome.ok();
    stderr
}

#[test]
fn the_environment_sets_the_level_unless_an_option_does() {
    let machine = Machine::stm32mp15();
    let log = log_file(&machine);
    let file = ["--log", log.to_str().unwrap()];
    assert!(told(&machine, "a", "debug", &file).contains("debug: "));
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "", "only --debug is for the file");
    assert_eq!(told(&machine, "b", "off", &[]), "");
    assert!(told(&machine, "c", "off", &["--log-level", "warn"]).contains("warning: hooks"));
    assert!(told(&machine, "d", "off", &["--log-level", "error", "--debug"]).contains("debug: "));
    let plain = told(&machine, "e", "warn", &[]);
    assert!(plain.contains("warning: hooks") && !plain.contains("debug: "), "{plain}");
}

#[test]
fn without_a_file_json_goes_to_standard_error() {
    let machine = Machine::stm32mp15();
    let stderr = machine.run(&["--log-format", "json", "state", "x"]).stderr;
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    let object: Value = serde_json::from_str(&stderr).unwrap();
    assert_eq!(
        (&object["level"], &object["msg"]),
        (&"error".into(), &"container x: container does not exist".into())
    );
}

#[test]
fn names_with_newlines_and_quotes_stay_in_one_line() {
    let machine = Machine::stm32mp15();
    let odd = "/nonexistent/a\n\"b\"\u{1b}[31m";
    for format in ["json", "text"] {
        let log = machine.scratch().join(format);
        run_logged(&machine, &log, format, &["create", "--bundle", odd, "x"]).failed();
        let text = std::fs::read_to_string(&log).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
    assert!(only_error(&machine.scratch().join("json")).contains(odd));
}

#[test]
fn an_error_on_standard_error_is_one_line_whatever_names_are_in_it() {
    let machine = Machine::stm32mp15();
    let stderr = machine.run(&["create", "--bundle", "/nonexistent/a\nhint: b\u{1b}[31m", "x"]).failed();
    assert_eq!(stderr.lines().count(), 1, "{stderr:?}");
    assert!(!stderr.contains('\u{1b}'), "{stderr:?}");
}
