//! create reads its id and config.json: what is taken, and errors that name the property and leave nothing.

use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::{Value, json};
use simulated_board::{BoardSpec, ProcessorSpec};

use crate::harness::{BLINK, Bundle, Machine, Outcome, is_alive};

/// Sets the property that `pointer` (RFC 6901) names; null removes it.
fn set(config: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let object = config.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Value::Null => object.remove(key),
        value => object.insert(key.to_owned(), value),
    };
}

/// A bundle with one property changed.
fn bundle_with(machine: &Machine, pointer: &str, value: Value) -> Bundle {
    let bundle = machine.bundle("x", "m4");
    bundle.edit(|config| set(config, pointer, value));
    bundle
}

/// Runs the binary in a working directory that no longer exists.
fn run_in_deleted_directory(machine: &Machine, args: &[&str]) -> Outcome {
    let gone = tempfile::tempdir().unwrap();
    // The shell stands in the directory when it goes, and then becomes the binary.
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "rmdir \"$PWD\" && exec \"$0\" \"$@\""]);
    let command = machine.command(args);
    shell.arg(command.get_program()).args(command.get_args()).current_dir(gone.path());
    let outcome = Outcome::of(shell, machine.scratch());
    assert!(!gone.path().exists());
    outcome
}

fn run_in(directory: &std::path::Path, machine: &Machine, args: &[&str]) -> Outcome {
    let mut command = machine.command(args);
    command.current_dir(directory);
    Outcome::of(command, machine.scratch())
}

#[test]
fn an_id_of_letters_digits_and_four_signs_is_taken_up_to_255_long() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    for id in ["a", "0", "A_z+0-9.", ".hidden", "..a", "...", "+x", "_", &"x".repeat(255)] {
        machine.create(id, &bundle).ok();
        assert_eq!((machine.state(id)["id"].as_str(), machine.status(id).as_str()), (Some(id), "created"));
        machine.run(&["delete", "--force", id]).ok();
    }
    machine.assert_clean();
}

#[test]
fn an_id_that_could_lead_elsewhere_is_refused_by_every_verb() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    let precious = machine.scratch().join("precious");
    std::fs::create_dir(&precious).unwrap();
    let long = "x".repeat(256);
    for id in ["", ".", "..", "-x", "a/b", "../precious", "/etc", "a b", "ü", "a\nb", "a:b", "x\u{7f}", &long]
    {
        let words = ["invalid container id", "1 to 255 of A-Z a-z 0-9 _ + - ."];
        machine.run(&["create", "--bundle", bundle.path.to_str().unwrap(), "--", id]).refused(&words);
        for verb in
            [["start"].as_slice(), &["state"], &["kill"], &["delete"], &["delete", "--force"], &["ps"]]
        {
            machine.run(&[verb, &["--", id]].concat()).refused(&words);
        }
    }
    assert!(precious.is_dir());
    machine.assert_no_trace();
}

#[test]
fn without_an_id_nothing_is_created() {
    let machine = Machine::stm32mp15();
    let outcome = machine.run(&["create", "--bundle", machine.bundle("x", "m4").path.to_str().unwrap()]);
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
    machine.assert_no_trace();
}

#[test]
fn a_taken_id_is_refused_and_its_container_untouched_whatever_its_status() {
    let machine = Machine::stm32mp15();
    let pid = machine.created("x");
    let before = (machine.state("x"), machine.stored_firmware());
    let again = |status: &str| {
        machine.create("x", &machine.bundle("other", "m4")).refused(&[
            "container x",
            "already exists",
            "hint: ",
        ]);
        assert_eq!(machine.status("x"), status);
        assert_eq!(machine.stored_firmware(), before.1);
    };
    again("created");
    assert_eq!(machine.state("x"), before.0);
    assert!(is_alive(pid));
    machine.run(&["start", "x"]).ok();
    again("running");
    machine.run(&["kill", "x"]).ok();
    again("stopped");
    machine.run(&["delete", "x"]).ok();
    machine.created("x");
}

#[test]
fn a_config_of_8_mib_is_read_and_a_longer_one_refused() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    let mut text = std::fs::read(bundle.config()).unwrap();
    text.resize(8 << 20, b' ');
    std::fs::write(bundle.config(), &text).unwrap();
    machine.create("x", &bundle).ok();
    machine.run(&["delete", "--force", "x"]).ok();
    text.push(b' ');
    std::fs::write(bundle.config(), &text).unwrap();
    machine.create_is_refused(&bundle, &["config.json: larger than 8 MiB"]);
}

#[test]
fn an_endless_config_is_refused() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    std::fs::remove_file(bundle.config()).unwrap();
    symlink("/dev/zero", bundle.config()).unwrap();
    machine.create_is_refused(&bundle, &["config.json: is a link that leads out of the bundle"]);
}

#[test]
fn a_bundle_or_a_config_that_is_not_there_is_named() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    std::fs::remove_file(bundle.config()).unwrap();
    machine.create_is_refused(&bundle, &["x/config.json: No such file or directory (ENOENT)"]);
    std::fs::create_dir(bundle.config()).unwrap();
    machine.create_is_refused(&bundle, &["x/config.json: is not a regular file"]);
    let missing = Bundle { path: machine.scratch().join("missing") };
    machine.create_is_refused(&missing, &["missing: No such file or directory (ENOENT)"]);
    let file = Bundle { path: bundle.rootfs("fw.elf") };
    machine.create_is_refused(&file, &["fw.elf", "(ENOTDIR)"]);
}

#[test]
fn oci_versions_of_major_1_are_taken() {
    let machine = Machine::stm32mp15();
    for version in ["1.0.0", "1.0.2-dev", "1.1.0+build", "1.2.1", "1.3.0", "1.99.0"] {
        machine.create("x", &bundle_with(&machine, "/ociVersion", json!(version))).ok();
        assert_eq!(machine.status("x"), "created", "{version}");
        machine.run(&["delete", "--force", "x"]).ok();
    }
}

#[test]
fn other_oci_versions_are_refused() {
    let machine = Machine::stm32mp15();
    for version in ["", "0.9.0", "2.0.0", "99.0.0", "1", "1.2", "v1.2.0", "1.x.0", "junk", "10.0.0"] {
        let words = ["config.json: ociVersion: ", "must be 1.x"];
        machine.create_is_refused(&bundle_with(&machine, "/ociVersion", json!(version)), &words);
    }
}

#[test]
fn what_is_missing_is_named() {
    let machine = Machine::stm32mp15();
    for (pointer, property) in [
        ("/ociVersion", "ociVersion"),
        ("/root", "root"),
        ("/root/path", "root.path"),
        ("/process", "process"),
        ("/process/args", "process.args"),
        ("/annotations", "annotations.remoteproc.name"),
        ("/annotations/remoteproc.name", "annotations.remoteproc.name"),
    ] {
        let bundle = bundle_with(&machine, pointer, Value::Null);
        machine.create_is_refused(&bundle, &[&format!("config.json: {property}: missing")]);
        // An explicit null is no value either.
        let bundle = machine.bundle("x", "m4");
        bundle.edit(|config| *config.pointer_mut(pointer).unwrap() = Value::Null);
        machine.create_is_refused(
            &bundle,
            &[&format!("config.json: {}", pointer[1..].split('/').next().unwrap())],
        );
    }
}

#[test]
fn what_has_the_wrong_type_is_named() {
    let machine = Machine::stm32mp15();
    for (pointer, value, property) in [
        ("/ociVersion", json!(1.2), "ociVersion"),
        ("/root", json!("rootfs"), "root"),
        ("/root/path", json!({}), "root.path"),
        ("/process", json!([1]), "process"),
        ("/process/args", json!("fw.elf"), "process.args"),
        ("/process/args", json!([7]), "process.args"),
        ("/process/terminal", json!("no"), "process.terminal"),
        ("/annotations", json!("m4"), "annotations"),
        ("/annotations/remoteproc.name", json!(4), "annotations"),
        ("/annotations/other", json!([]), "annotations"),
        ("/linux", json!("x"), "linux"),
        ("/linux", json!({ "namespaces": "network" }), "linux.namespaces"),
    ] {
        let bundle = bundle_with(&machine, pointer, value);
        machine.create_is_refused(&bundle, &[&format!("config.json: {property}: invalid type")]);
    }
}

#[test]
fn a_config_that_is_no_json_object_is_refused() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    let good = std::fs::read_to_string(bundle.config()).unwrap();
    let deep = format!("{{\"x\": {}", "[".repeat(100_000));
    for text in ["", " ", "null", "[]", "7", "\"text\"", "{", &good[..good.len() - 1], "\u{feff}{}", &deep] {
        std::fs::write(bundle.config(), text).unwrap();
        machine.create_is_refused(&bundle, &["config.json: not a valid config"]);
    }
    std::fs::write(bundle.config(), b"{\"ociVersion\": \"\xff\"}").unwrap();
    machine.create_is_refused(&bundle, &["config.json: "]);
}

#[test]
fn garbage_behind_the_config_is_refused_and_white_space_is_not() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    let good = std::fs::read_to_string(bundle.config()).unwrap();
    for tail in ["x", "{}", "}", "\0", &good] {
        std::fs::write(bundle.config(), format!("{good}{tail}")).unwrap();
        machine.create_is_refused(&bundle, &["config.json: not a valid config: trailing characters"]);
    }
    std::fs::write(bundle.config(), format!("\n{good}\r\n\t ")).unwrap();
    machine.create("x", &bundle).ok();
}

#[test]
fn a_property_given_twice_is_refused() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    let good = std::fs::read_to_string(bundle.config()).unwrap();
    let twice = good.replacen('{', "{\"process\": {\"args\": [\"other.elf\"]},", 1);
    std::fs::write(bundle.config(), twice).unwrap();
    machine.create_is_refused(&bundle, &["duplicate field `process`"]);
}

#[test]
fn args_other_than_one_firmware_are_refused() {
    let machine = Machine::stm32mp15();
    for (args, count) in [(json!([]), 0), (json!(["fw.elf", "extra"]), 2), (json!(["fw.elf", ""]), 2)] {
        let problem = format!("config.json: process.args: has {count} entries: it must be exactly one");
        machine.create_is_refused(&bundle_with(&machine, "/process/args", args), &[&problem]);
    }
}

#[test]
fn root_is_taken_absolute_and_relative_to_the_bundle() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    std::fs::create_dir_all(bundle.path.join("deep/er")).unwrap();
    std::fs::copy(bundle.rootfs("fw.elf"), bundle.path.join("deep/er/fw.elf")).unwrap();
    symlink("deep/er", bundle.path.join("inside")).unwrap();
    let elsewhere = machine.bundle("elsewhere", "m4").path.join("rootfs");
    symlink(&elsewhere, machine.scratch().join("link")).unwrap();
    let absolute = [elsewhere.clone(), machine.scratch().join("link"), elsewhere.join("../rootfs")];
    let absolute = absolute.iter().map(|path| path.to_str().unwrap());
    for root in ["rootfs", "./rootfs/", "deep/er", "inside"].into_iter().chain(absolute) {
        bundle.edit(|config| set(config, "/root/path", json!(root)));
        machine.create("x", &bundle).ok();
        machine.run(&["delete", "--force", "x"]).ok();
    }
    machine.assert_clean();
}

#[test]
fn a_relative_root_does_not_lead_out_of_the_bundle() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    machine.bundle("other", "m4");
    symlink("../other/rootfs", bundle.path.join("link")).unwrap();
    symlink(bundle.path.parent().unwrap().join("other/rootfs"), bundle.path.join("absolute")).unwrap();
    symlink("..", bundle.path.join("up")).unwrap();
    // Also where it comes back: whoever may change a directory on the way could lead it elsewhere.
    for root in [
        "..",
        "../other/rootfs",
        "rootfs/../../other/rootfs",
        "rootfs/../rootfs",
        "link",
        "absolute",
        "up/other/rootfs",
    ] {
        bundle.edit(|config| set(config, "/root/path", json!(root)));
        machine.create_is_refused(&bundle, &["config.json: root.path: ", "leads out of the bundle"]);
    }
}

#[test]
fn a_root_that_is_no_directory_is_refused() {
    let machine = Machine::stm32mp15();
    for (root, word) in [
        ("", "is empty"),
        ("missing", "(ENOENT)"),
        ("config.json", "(ENOTDIR)"),
        ("/nowhere/at/all", "(ENOENT)"),
        ("/dev/null", "(ENOTDIR)"),
    ] {
        let bundle = bundle_with(&machine, "/root/path", json!(root));
        machine.create_is_refused(&bundle, &["config.json: root.path: ", word]);
    }
}

#[test]
fn unknown_properties_are_ignored_in_silence() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    bundle.edit(|config| {
        for pointer in ["/new", "/root/new", "/process/new", "/annotations/new"] {
            set(config, pointer, json!("thing"));
        }
        set(config, "/linux", json!({ "new": [1, { "deep": true }] }));
        set(config, "/vm", json!(7));
    });
    let outcome = machine.create("x", &bundle);
    assert_eq!((outcome.code, outcome.stdout.as_str(), outcome.stderr.as_str()), (0, "", ""));
}

/// What means something to a process, but not to a firmware.
fn with_what_has_no_effect(bundle: &Bundle) {
    bundle.edit(|config| {
        set(config, "/mounts", json!([{ "destination": "/proc", "type": "proc", "source": "proc" }]));
        set(config, "/process/env", json!(["A=b"]));
        set(config, "/process/cwd", json!("/nowhere"));
        set(config, "/process/user", json!({ "uid": 4242, "gid": 4242 }));
        set(config, "/process/capabilities", json!({ "bounding": ["CAP_CHOWN"] }));
        set(config, "/linux", json!({ "cgroupsPath": "/x", "resources": { "pids": { "limit": 1 } } }));
    });
}

#[test]
fn what_has_no_effect_is_ignored_and_named_in_a_debug_line() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    with_what_has_no_effect(&bundle);
    let outcome = machine.create("x", &bundle);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    let path = bundle.path.to_str().unwrap();
    let outcome = machine.run(&["--debug", "create", "--bundle", path, "y"]);
    let names = ["mounts", "process.env", "process.cwd", "process.user", "process.capabilities"];
    for name in names.into_iter().chain(["linux.cgroupsPath", "linux.resources"]) {
        assert!(outcome.stderr.contains(name), "{name}: {}", outcome.stderr);
    }
    outcome.ok();
}

#[test]
fn hooks_are_warned_about_once_and_not_run() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    let proof = machine.scratch().join("hook-was-run");
    let hook = json!([{ "path": "/bin/touch", "args": ["touch", proof] }]);
    bundle.edit(|config| {
        set(
            config,
            "/hooks",
            json!({ "prestart": hook, "createRuntime": hook, "poststart": hook, "poststop": hook }),
        );
    });
    let log = machine.scratch().join("log.json");
    let options = ["--log", log.to_str().unwrap(), "--log-format", "json"];
    let path = bundle.path.to_str().unwrap();
    let outcome = machine.run(&[&options[..], &["create", "--bundle", path, "x"]].concat());
    assert_eq!(outcome.stderr.matches("hooks").count(), 2, "one line: {}", outcome.stderr);
    assert_eq!(outcome.stderr.lines().filter(|line| line.starts_with("warning: hooks: ")).count(), 1);
    outcome.ok();
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "", "engines read the file as an error");
    for verb in ["start", "kill", "delete"] {
        assert_eq!(machine.run(&[verb, "x"]).stderr, "");
    }
    assert!(!proof.exists());
    machine.assert_clean();
}

#[test]
fn hooks_that_ask_for_nothing_are_not_warned_about() {
    let machine = Machine::stm32mp15();
    for (id, hooks) in [("a", json!({})), ("b", Value::Null)] {
        let bundle = machine.bundle(id, "m4");
        bundle.edit(|config| config["hooks"] = hooks);
        let outcome = machine.create(id, &bundle);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    }
}

#[test]
fn a_terminal_needs_a_console_socket() {
    let machine = Machine::stm32mp15();
    let bundle = bundle_with(&machine, "/process/terminal", json!(true));
    machine.create_is_refused(&bundle, &["config.json: process.terminal: ", "--console-socket"]);
    let path = bundle.path.to_str().unwrap();
    let socket = machine.scratch().join("nobody-listens");
    machine.run(&["create", "--bundle", path, "--console-socket", socket.to_str().unwrap(), "x"]).refused(&[
        "container x: ",
        "nobody-listens",
        "(ENOENT)",
    ]);
    machine.assert_no_trace();
    let bundle = bundle_with(&machine, "/process/terminal", json!(false));
    machine.create("x", &bundle).ok();
}

#[test]
fn a_processor_that_is_not_there_is_refused_with_those_that_are() {
    let machine = Machine::simulated(BoardSpec::am64x());
    machine.create_is_refused(
        &machine.bundle("x", "dsp"),
        &[
            "processor dsp: no processor of this name",
            "hint: there are: r5f0-0 = 78000000.r5f (remoteproc0, device 78000000.r5f, offline); ",
            "m4 = 5000000.m4fss (remoteproc4, ",
        ],
    );
    // The whole name, not a part of it, a path to it, or its number.
    for name in ["78000000", "78000000.r5f ", "remoteproc0", "../remoteproc0", "*", "78000000.R5F"] {
        machine.create_is_refused(&machine.bundle("x", name), &["no processor of this name", "there are: "]);
    }
    machine.create_is_refused(&machine.bundle("x", ""), &["annotations.remoteproc.name: missing"]);
}

#[test]
fn a_name_of_two_processors_is_refused_with_both() {
    let twins = BoardSpec::new("Twins", &["example,twins"])
        .processor(ProcessorSpec::new("dsp", "soc/1000.dsp"))
        .processor(ProcessorSpec::new("dsp", "soc/2000.dsp"))
        .processor(ProcessorSpec::new("m4", "soc/3000.m4"));
    let machine = Machine::simulated(twins);
    machine.create_is_refused(
        &machine.bundle("x", "dsp"),
        &[
            "processor dsp: this name belongs to more than one processor",
            "dsp (remoteproc0, device 1000.dsp, offline)",
            "dsp (remoteproc1, device 2000.dsp, offline)",
        ],
    );
    machine.create("x", &machine.bundle_of("x", "m4", BLINK)).ok();
}

#[test]
fn a_board_without_processors_is_said_to_have_none() {
    let machine = Machine::simulated(BoardSpec::new("Bare", &["example,bare"]));
    let words = ["processor m4: no processor of this name", "hint: ", "lists no processor", "driver loaded"];
    machine.create_is_refused(&machine.bundle("x", "m4"), &words);
}

#[test]
fn later_edits_of_the_bundle_have_no_effect() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    bundle.edit(|config| set(config, "/annotations/color", json!("red")));
    machine.create("x", &bundle).ok();
    let before = machine.state("x");
    bundle.edit(|config| {
        set(config, "/annotations", json!({ "remoteproc.name": "other", "color": "blue" }));
        set(config, "/process/args", json!(["other.elf"]));
        set(config, "/ociVersion", json!("1.0.0"));
    });
    std::fs::write(bundle.rootfs("fw.elf"), "changed").unwrap();
    assert_eq!(machine.state("x"), before);
    // Nor does the bundle's end.
    std::fs::remove_dir_all(&bundle.path).unwrap();
    machine.run(&["start", "x"]).ok();
    assert_eq!(machine.processor(), "running");
    let after = machine.state("x");
    assert_eq!((&after["annotations"], &after["bundle"]), (&before["annotations"], &before["bundle"]));
    assert_eq!(after["annotations"]["color"], "red");
    machine.run(&["kill", "x"]).ok();
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
}

#[test]
fn a_relative_bundle_is_found_again_from_another_working_directory() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    let parent = bundle.path.parent().unwrap();
    for (id, directory, path) in
        [("a", parent, "x"), ("b", parent, "./x/../x"), ("c", bundle.path.as_path(), ".")]
    {
        run_in(directory, &machine, &["create", "--bundle", path, "--pid-file", "pid", id]).ok();
        assert_eq!(std::fs::read_to_string(directory.join("pid")).unwrap(), machine.pid(id).to_string());
        assert_eq!(machine.state(id)["bundle"], bundle.path.canonicalize().unwrap().to_str().unwrap());
        for verb in ["start", "kill", "delete"] {
            run_in(std::path::Path::new("/"), &machine, &[verb, id]).ok();
        }
    }
    // Without the option, the bundle is where one stands.
    run_in(&bundle.path, &machine, &["create", "d"]).ok();
    run_in(std::path::Path::new("/"), &machine, &["start", "d"]).ok();
}

#[test]
fn every_verb_works_in_a_deleted_working_directory() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    let path = bundle.path.to_str().unwrap();
    let run = |args: &[&str]| run_in_deleted_directory(&machine, args);
    run(&["create", "--bundle", path, "x"]).ok();
    for args in
        [&["state", "x"][..], &["start", "x"], &["ps", "x"], &["list"], &["kill", "x"], &["delete", "x"]]
    {
        run(args).ok();
    }
    run(&["delete", "--force", "x"]).ok();
    machine.assert_clean();
    run(&["create", "x"]).refused(&["container x: ", "(ENOENT)"]);
    machine.assert_no_trace();
}

#[test]
fn a_pid_file_that_cannot_be_written_undoes_everything() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    let path = bundle.path.to_str().unwrap();
    for (file, word) in [("/nowhere/pid", "(ENOENT)"), ("/", "not a file name"), (path, "(EISDIR)")] {
        machine.run(&["create", "--bundle", path, "--pid-file", file, "x"]).refused(&[
            "container x: ",
            file,
            word,
        ]);
        machine.assert_no_trace();
    }
    machine.create("x", &bundle).ok();
}

#[test]
fn an_array_does_not_pass_for_an_object() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    let whole: Value = serde_json::from_slice(&std::fs::read(bundle.config()).unwrap()).unwrap();
    // The fields in the order in which the program keeps them.
    let fields = ["ociVersion", "root", "process", "annotations"].map(|name| whole[name].clone());
    let array = [&fields[..], &[json!({}), Value::Null, Value::Null, Value::Null]].concat();
    bundle.write_config(&json!(array));
    machine.create_is_refused(&bundle, &["config.json: not a valid config: it must be one JSON object"]);
    let process = json!([["fw.elf"], false, null, null, null, null, null]);
    for (pointer, value) in [("/root", json!(["rootfs"])), ("/process", process), ("/linux", json!([]))] {
        let words = format!("config.json: {}: invalid type: it must be an object", &pointer[1..]);
        machine.create_is_refused(&bundle_with(&machine, pointer, value), &[&words]);
    }
}

#[test]
fn control_characters_of_a_config_do_not_reach_a_terminal() {
    let machine = Machine::stm32mp15();
    for (pointer, property) in [("/annotations/remoteproc.name", "processor"), ("/root/path", "root.path")] {
        let stderr = machine.create("x", &bundle_with(&machine, pointer, json!("a\u{1b}[2J\nb"))).failed();
        assert!(stderr.contains(property) && stderr.contains("a\\u{1b}[2J\\nb"), "{stderr:?}");
        assert!(!stderr.replace('\n', "").chars().any(char::is_control), "{stderr:?}");
    }
}
