//! The calls of real engines, one after the other: each gets the answer that the engine needs (tests/calls/README.md).

use std::collections::HashMap;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::engines::recorded;
use crate::harness::{Bundle, Machine, Outcome, blink, exit_code, names_in};
use crate::logs::objects;

/// tests/calls.
const CALLS: [(&str, &str); 13] = [
    ("containerd-1.6", include_str!("../calls/containerd-1.6.calls")),
    ("containerd-1.6-pod-container", include_str!("../calls/containerd-1.6-pod-container.calls")),
    ("containerd-1.6-pod-sandbox", include_str!("../calls/containerd-1.6-pod-sandbox.calls")),
    ("containerd-1.7", include_str!("../calls/containerd-1.7.calls")),
    ("containerd-2.1", include_str!("../calls/containerd-2.1.calls")),
    ("containerd-2.1-pod-container", include_str!("../calls/containerd-2.1-pod-container.calls")),
    ("containerd-2.1-pod-sandbox", include_str!("../calls/containerd-2.1-pod-sandbox.calls")),
    ("docker-20.10", include_str!("../calls/docker-20.10.calls")),
    ("docker-26.1", include_str!("../calls/docker-26.1.calls")),
    ("docker-28.5", include_str!("../calls/docker-28.5.calls")),
    ("podman-4.3", include_str!("../calls/podman-4.3.calls")),
    ("podman-5.4", include_str!("../calls/podman-5.4.calls")),
    ("podman-5.8", include_str!("../calls/podman-5.8.calls")),
];

#[test]
fn podmans_calls_get_their_answers() {
    replay("podman-");
}

#[test]
fn dockers_calls_get_their_answers() {
    replay("docker-");
}

#[test]
fn containerds_calls_get_their_answers() {
    replay("containerd-");
}

#[test]
fn each_file_of_calls_is_played() {
    let Some(files) = recorded("calls", ".calls") else { return };
    let mut known = CALLS.map(|(name, _)| name);
    known.sort_unstable();
    assert_eq!(files, known);
}

/// Plays the files whose names begin with `engine`.
fn replay(engine: &str) {
    for (name, calls) in CALLS.iter().filter(|(name, _)| name.starts_with(engine)) {
        let machine = Machine::stm32mp15();
        machine.set(0, "recovery", "disabled");
        let mut replay = Replay::new(&machine);
        for (number, line) in calls.lines().enumerate() {
            replay.place = format!("{name}.calls:{}: {line}", number + 1);
            replay.play(line);
        }
        replay.end_recording();
    }
}

/// One file being played.
struct Replay<'a> {
    machine: &'a Machine,
    /// The line that is played.
    place: String,
    configs: HashMap<&'a str, Value>,
    options: Vec<&'a str>,
    recordings: usize,
    /// The proxies that have not been seen to end, by the numbers of their containers.
    proxies: HashMap<&'a str, i32>,
    /// Those who wait for terminals.
    consoles: Vec<UnixListener>,
}

impl<'a> Replay<'a> {
    fn new(machine: &'a Machine) -> Self {
        let (place, configs, options) = (String::new(), HashMap::new(), vec![]);
        Self { machine, place, configs, options, recordings: 0, proxies: HashMap::new(), consoles: vec![] }
    }

    #[track_caller]
    fn play(&mut self, line: &'a str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            [""] | ["#", ..] => {}
            ["recording", _] => self.end_recording(),
            ["config", name, ..] => {
                let json = line.splitn(3, ' ').last().unwrap();
                self.configs.insert(name, serde_json::from_str(json).unwrap());
            }
            ["options", ref options @ ..] => self.options = options.to_vec(),
            ["bundle", container, config] => self.make_bundle(container, config),
            ["crash", container] => {
                self.machine.crash(0);
                self.ends(container, 1);
            }
            ["taken"] => self.machine.run_something_else(),
            ["freed"] => {
                self.machine.set(0, "state", "stop");
                std::fs::remove_file(self.machine.firmware_directory().join("other.elf")).unwrap();
            }
            [container, answer, ref call @ ..] => self.call(container, answer, call),
            _ => panic!("{}: which line is this?", self.place),
        }
    }

    /// Nothing is left of the recording that ends here, and another can begin.
    #[track_caller]
    fn end_recording(&mut self) {
        assert!(self.proxies.is_empty(), "{}: {:?} have not ended", self.place, self.proxies);
        assert_eq!(names_in(&self.root()), [""; 0], "{}", self.place);
        self.machine.assert_clean();
        self.recordings += 1;
        self.options.clear();
    }

    fn root(&self) -> PathBuf {
        self.machine.scratch().join("root")
    }

    fn folder(&self, container: &str) -> PathBuf {
        self.machine.scratch().join(format!("{}-{container}", self.recordings))
    }

    fn make_bundle(&self, container: &str, config: &str) {
        let mut config = self.configs[config].clone();
        let path = self.folder(container);
        let rootfs = path.join("rootfs");
        std::fs::create_dir_all(&rootfs).unwrap();
        let program = config["process"]["args"][0].as_str().unwrap().trim_start_matches('/');
        // Neither what is not there, nor the program of a sandbox, which is no firmware.
        if !["nosuch.elf", "pause"].contains(&program) {
            std::fs::write(rootfs.join(program), blink()).unwrap();
        }
        config["root"]["path"] = json!(rootfs);
        if let Some(name) = config.pointer_mut("/annotations/remoteproc.name").filter(|name| *name == "dsp0")
        {
            *name = json!("m4");
        }
        Bundle { path }.write_config(&config);
    }

    /// The proxy of a container has ended with this code.
    #[track_caller]
    fn ends(&mut self, container: &str, code: i32) {
        let pid = self.proxies.remove(container).unwrap_or_else(|| panic!("{}: no proxy", self.place));
        assert_eq!(exit_code(pid), code, "{}", self.place);
    }

    /// A call's words with what its placeholders stand for.
    fn words(&self, container: &str, call: &[&str]) -> Vec<String> {
        let folder = self.folder(container);
        let options = if call[0] == "~" { self.options.as_slice() } else { &[] };
        let words = options.iter().chain(call).filter(|&&word| word != "~");
        let filled = words.map(|&word| match (word, word.strip_prefix("@/")) {
            ("@", _) => format!("{container:0>64}"),
            ("@root", _) => self.root().to_str().unwrap().to_owned(),
            (_, Some(file)) => folder.join(file).to_str().unwrap().to_owned(),
            _ => word.to_owned(),
        });
        filled.collect()
    }

    #[track_caller]
    fn call(&mut self, container: &'a str, answer: &str, call: &[&str]) {
        let words = self.words(container, call);
        let after = |option: &str| {
            words.iter().position(|word| word == option).map(|index| Path::new(&words[index + 1]))
        };
        if let Some(console) = after("--console-socket") {
            self.consoles.push(UnixListener::bind(console).unwrap());
        }
        let errors = || after("--log").map_or(0, |log| if log.exists() { errors(log).len() } else { 0 });
        let before = errors();
        let outcome = self.machine.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let refused = usize::from(answer != "ok");
        if after("--log").is_some() {
            assert_eq!(errors() - before, refused, "{}: errors in the log; {outcome:?}", self.place);
        }
        self.check(answer, &outcome, after("--log"));
        // And what it means for the container's process.
        match (answer, words.iter().find(|word| VERBS.contains(&word.as_str())).map(String::as_str)) {
            ("ok", Some("create")) => {
                let pid = std::fs::read_to_string(after("--pid-file").unwrap()).unwrap();
                self.proxies.insert(container, pid.trim().parse().unwrap());
            }
            ("no", Some("start")) if self.proxies.contains_key(container) => self.ends(container, 1),
            ("ok", Some("kill")) => {
                let code = if words.last().unwrap() == "9" { 137 } else { 0 };
                self.ends(container, code);
            }
            ("ok", Some("delete")) => {
                if let Some(pid) = self.proxies.remove(container) {
                    exit_code(pid);
                }
            }
            ("unsupported", Some("exec")) => assert!(!after("--pid-file").unwrap().exists()),
            _ => {}
        }
    }

    #[track_caller]
    fn check(&self, answer: &str, outcome: &Outcome, log: Option<&Path>) {
        let words = match answer {
            "ok" => {
                assert_eq!(outcome.code, 0, "{}: {outcome:?}", self.place);
                return;
            }
            "no" => "",
            "unsupported" => "not supported: ",
            "ended" => "container not running",
            "gone" => "does not exist",
            other => panic!("{}: which answer is {other}?", self.place),
        };
        let told = log.map_or_else(|| outcome.stderr.clone(), |log| errors(log).pop().unwrap());
        assert!(outcome.code == 1 && told.contains(words), "{}: {told}: {outcome:?}", self.place);
    }
}

const VERBS: [&str; 5] = ["create", "start", "kill", "delete", "exec"];

/// The messages of the errors in a log.
fn errors(log: &Path) -> Vec<String> {
    let errors = objects(log).into_iter().filter(|line| line["level"] == "error");
    errors.map(|line| line["msg"].as_str().unwrap().to_owned()).collect()
}
