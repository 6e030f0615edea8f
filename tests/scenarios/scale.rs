//! What verbs cost with many containers and many processors. `REMOTEPROC_SCALE` says how many containers at most; tests/scale
//! asks for a thousand. What is asserted are system calls, since a clock knows of other things, too: strace(1) counts
//! them. Lines that begin with `figure: ` are for its report.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use simulated_board::BoardSpec;

use crate::harness::{Bundle, Machine, memory_of, processors, send, timed};

/// Without the variable.
const FEW: usize = 20;

/// How often each verb is run for its time.
const ROUNDS: usize = 5;

/// How often its system calls are counted.
const COUNTED: usize = 3;

/// The verbs of a life, and how many system calls more they may take for each further container, and for each further
/// processor. To find a processor by what does not change of it, all are looked at until it is found.
const VERBS: [(&str, f64, f64); 6] = [
    // It looks for firmware of earlier boots among that of all containers, some hundred names a call.
    ("create", 0.1, 11.0),
    // What others have left of the processor's settings is asked of each, once.
    ("start", 1.1, 22.0),
    ("state", 0.0, 11.0),
    // With musl, 28: it reads a short file in two calls.
    ("list", 30.0, 11.0),
    ("kill", 0.0, 11.0),
    ("delete", 0.0, 11.0),
];

/// Calls that are now more and now fewer: answers that are waited for come in one piece or two.
const SLACK: f64 = 12.0;

/// Counts all system calls but those by which an allocator gets memory: each C library's has its own way.
const COUNT: [&str; 3] = ["-c", "-e", "trace=!%memory"];

fn most() -> usize {
    std::env::var("REMOTEPROC_SCALE").map_or(FEW, |text| text.parse().expect("a number of containers"))
}

/// 1, 10, 100.. up to a number of containers, and that.
fn steps() -> Vec<usize> {
    let most = most();
    let mut steps: Vec<usize> =
        std::iter::successors(Some(1), |step| Some(step * 10)).take_while(|step| *step < most).collect();
    steps.push(most);
    steps
}

#[test]
fn what_verbs_cost_grows_with_containers_no_more_than_it_must() {
    let Some(machine) = board_of(1) else { return };
    let bundle = machine.bundle("many", "m4");
    let mut table = Table::new("containers");
    let mut there = 0;
    for count in steps() {
        // The last one is the one that lives.
        while there + 1 < count {
            machine.run(&["create", "--bundle", bundle.path.to_str().unwrap(), &format!("c{there}")]).ok();
            there += 1;
        }
        table.add(&machine, &bundle, count);
    }
    table.judge(|(_, containers, _)| containers);
}

#[test]
fn what_verbs_cost_grows_with_processors_no_more_than_it_must() {
    let mut table = Table::new("processors");
    for count in [1, 8, 64].into_iter().filter(|count| *count < 64 || most() > FEW) {
        let Some(machine) = board_of(count) else { return };
        let bundle = machine.bundle("one", "m4");
        table.add(&machine, &bundle, count);
    }
    table.judge(|(_, _, processors)| processors);
}

/// A simulated board with so many processors, m4 behind all others; none where nobody counts.
fn board_of(count: usize) -> Option<Machine> {
    let strace = Command::new("strace").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !strace.is_ok_and(|status| status.success()) {
        println!("\nskipped: strace is not installed");
        return None;
    }
    let mut names: Vec<String> = (1..count).map(|number| format!("p{number}")).collect();
    names.push("m4".to_owned());
    let spec: BoardSpec = processors(&names.iter().map(String::as_str).collect::<Vec<_>>());
    Some(Machine::simulated(spec))
}

/// What each verb took, by step.
struct Table {
    of: &'static str,
    steps: Vec<(usize, [Cost; VERBS.len()])>,
    /// The memory that its proxy then has of its own, in kB.
    memory: Vec<u64>,
}

/// How much more that may be, however many there are: a directory is read in pieces of at most 32 kB, and the kernel begins
/// each stack at another offset. Whoever kept a list of a thousand containers would have three times that.
const MORE: u64 = 48;

#[derive(Clone, Copy, Default)]
struct Cost {
    milliseconds: f64,
    calls: f64,
}

impl Table {
    fn new(of: &'static str) -> Self {
        Self { of, steps: Vec::new(), memory: Vec::new() }
    }

    /// Lives a life several times over, and several times counted: whoever waits for a lock or an answer on a busy machine
    /// looks more often, never less.
    fn add(&mut self, machine: &Machine, bundle: &Bundle, step: usize) {
        let mut times: [Vec<f64>; VERBS.len()] = Default::default();
        for _ in 0..ROUNDS {
            for (times, (verb, ..)) in times.iter_mut().zip(VERBS) {
                let (outcome, took) = timed(|| machine.run(&line(verb, bundle)));
                outcome.ok();
                times.push(took.as_secs_f64() * 1e3);
            }
        }
        let mut costs = [Cost::default(); VERBS.len()];
        for (cost, times) in costs.iter_mut().zip(&mut times) {
            times.sort_by(f64::total_cmp);
            *cost = Cost { milliseconds: times[0], calls: f64::INFINITY };
        }
        for life in 0..COUNTED {
            for (cost, (verb, ..)) in costs.iter_mut().zip(VERBS) {
                cost.calls = cost.calls.min(calls_of(machine, verb, bundle) as f64);
                if verb == "start" && life == 0 {
                    self.memory.push(memory_of(machine.pid("last")).anonymous);
                }
            }
        }
        self.steps.push((step, costs));
    }

    fn judge(&self, allowed: impl Fn((&'static str, f64, f64)) -> f64) {
        let steps: Vec<String> = self.steps.iter().map(|(step, _)| format!(" {step} |")).collect();
        println!("figure: | {} |{}", self.of, steps.concat());
        println!("figure: |---|{}", "---|".repeat(steps.len()));
        let (least, first) = self.steps[0];
        for (number, verb) in VERBS.into_iter().enumerate() {
            let first = first[number];
            let mut row =
                format!("figure: | {} | {:.1} ms, {} calls |", verb.0, first.milliseconds, first.calls);
            for (_, costs) in &self.steps[1..] {
                let cost = costs[number];
                row += &format!(" x {:.1}, {} |", cost.milliseconds / first.milliseconds, cost.calls);
            }
            println!("{row}");
        }
        let memory: Vec<String> = self.memory.iter().map(|kilobytes| format!(" {kilobytes} kB |")).collect();
        println!("figure: | its proxy's own memory |{}", memory.concat());
        assert!(self.memory.iter().all(|kilobytes| *kilobytes <= self.memory[0] + MORE), "{:?}", self.memory);
        for (number, verb) in VERBS.into_iter().enumerate() {
            for (step, costs) in &self.steps {
                let (more, further) = (costs[number].calls - first[number].calls, (step - least) as f64);
                let most = allowed(verb) * further + SLACK;
                assert!(
                    more <= most,
                    "{} takes {more} calls more with {step} {}, not {most}",
                    verb.0,
                    self.of
                );
            }
        }
    }
}

fn line<'a>(verb: &'a str, bundle: &'a Bundle) -> Vec<&'a str> {
    match verb {
        "create" => vec!["create", "--bundle", bundle.path.to_str().unwrap(), "last"],
        "list" => vec!["list"],
        _ => vec![verb, "last"],
    }
}

/// How many system calls a verb takes; the proxy's to boot its processor are a start's, too.
fn calls_of(machine: &Machine, verb: &str, bundle: &Bundle) -> u64 {
    let proxy = (verb == "start").then(|| Counted::attach(machine, machine.pid("last")));
    let counts = machine.scratch().join("counts");
    let binary = machine.command(&line(verb, bundle));
    let mut command = Command::new("strace");
    command
        .arg("-qq")
        .args(COUNT)
        .arg("-o")
        .arg(&counts)
        .arg("--")
        .arg(binary.get_program())
        .args(binary.get_args());
    // A proxy keeps these.
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success(), "{verb}");
    total(&counts) + proxy.map_or(0, Counted::detach)
}

/// A process whose system calls are counted.
struct Counted {
    strace: std::process::Child,
    counts: std::path::PathBuf,
}

impl Counted {
    fn attach(machine: &Machine, pid: i32) -> Self {
        let counts = machine.scratch().join("counts.proxy");
        let mut command = Command::new("strace");
        command.args(COUNT).arg("-o").arg(&counts).args(["-p", &pid.to_string()]).stderr(Stdio::piped());
        let mut strace = command.spawn().unwrap();
        let mut told = String::new();
        BufReader::new(strace.stderr.take().unwrap()).read_line(&mut told).unwrap();
        assert!(told.contains("attached"), "{told}");
        Self { strace, counts }
    }

    fn detach(mut self) -> u64 {
        send(i32::try_from(self.strace.id()).unwrap(), "INT");
        self.strace.wait().unwrap();
        total(&self.counts)
    }
}

/// The number of calls in the last line of a table of strace's.
fn total(counts: &std::path::Path) -> u64 {
    let text = std::fs::read_to_string(counts).unwrap();
    let line = text.lines().find(|line| line.ends_with(" total")).unwrap_or_else(|| panic!("{text}"));
    line.split_whitespace().nth(3).unwrap().parse().unwrap()
}
