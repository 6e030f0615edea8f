//! Many lives, one after the other: nothing is left of any, and none costs more than the first. `REMOTEPROC_SOAK` says how
//! many; tests/soak asks for thousands. Lines that begin with `figure: ` are for its report.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use crate::harness::{Bundle, Machine, Resident, eventually, exit_code, memory_of, send, timed};

/// Without the variable.
const FEW: usize = 20;

/// So many lives, and each kind was among them.
const KINDS: usize = 10;

fn lives() -> usize {
    std::env::var("REMOTEPROC_SOAK").map_or(FEW, |text| text.parse().expect("a number of lives"))
}

/// Two processors whose lives have a state directory and a firmware directory in common, or a real board's first.
fn machine() -> (Machine, &'static [&'static str]) {
    let machine = Machine::stm32mp15();
    match machine.is_simulated() {
        true => (Machine::with_two_processors(), &["m4", "other"]),
        false => (machine, &["m4"]),
    }
}

#[test]
fn many_lives_leave_nothing_and_the_last_costs_what_the_first_did() {
    let (machine, processors) = machine();
    // What the kernel takes once, for whatever is new to it, is there after one of each.
    live(&machine, processors, KINDS);
    let before = Kernel::of(&machine);
    let each = lives().div_ceil(processors.len());
    let (soaked, took) = timed(|| live(&machine, processors, each));
    machine.assert_clean();
    machine.assert_no_trace();
    let after = Kernel::of(&machine);
    assert_eq!((&before.locks, &before.mounts), (&after.locks, &after.mounts));
    let of = |figure: fn(&Cost) -> u64| soaked.iter().map(figure).collect::<Vec<_>>();
    // The kernel begins each stack at another offset.
    flat("memory of a proxy's own, kB", &of(|cost| cost.own), each, 16);
    // And has of a file in memory what others have had of it.
    flat("resident memory of a proxy, kB", &of(|cost| cost.resident), each, 256);
    flat("file descriptors of a proxy", &of(|cost| cost.descriptors), each, 0);
    println!("figure: lives: {} on {} processors at once", soaked.len(), processors.len());
    println!("figure: left, files, processes, locks and mounts: 0");
    println!("figure: seconds: {}", took.as_secs());
    before.print_beside(&after);
}

/// On each processor so many lives, on all at once.
fn live(machine: &Machine, processors: &[&str], each: usize) -> Vec<Cost> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = processors
            .iter()
            .enumerate()
            .map(|(number, name)| scope.spawn(move || Soak::new(machine, number, name).live(each)))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

/// What a proxy holds once its firmware runs.
struct Cost {
    /// Memory that is no file's: a page of a program that the disk does not have yet counts as dirty, too.
    own: u64,
    resident: u64,
    descriptors: u64,
}

impl Cost {
    fn of(pid: i32) -> Self {
        let memory = memory_of(pid);
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        Self { own: memory.anonymous, resident: memory.resident, descriptors: descriptors as u64 }
    }
}

/// Lives on one processor.
struct Soak<'a> {
    machine: &'a Machine,
    number: usize,
    plain: Bundle,
    fragile: Bundle,
    ids: [String; 2],
}

impl<'a> Soak<'a> {
    fn new(machine: &'a Machine, number: usize, processor: &str) -> Self {
        let plain = machine.bundle(&format!("plain-{processor}"), processor);
        let fragile = machine.bundle(&format!("fragile-{processor}"), processor);
        fragile.annotate("remoteproc.recovery", "disabled");
        let ids = ["a", "b"].map(|id| format!("{processor}-{id}"));
        Self { machine, number, plain, fragile, ids }
    }

    fn live(&self, count: usize) -> Vec<Cost> {
        let [id, next] = &self.ids;
        (0..count)
            .map(|life| match life % KINDS {
                3 => self.crashes(id),
                6 => self.is_killed(id),
                9 => self.is_updated(id, next),
                _ => self.is_stopped(id),
            })
            .collect()
    }

    fn is_stopped(&self, id: &str) -> Cost {
        let (pid, cost) = self.starts(id, &self.plain);
        self.run(&["kill", id]);
        assert_eq!(exit_code(pid), 0);
        self.run(&["delete", id]);
        cost
    }

    fn crashes(&self, id: &str) -> Cost {
        let (pid, cost) = self.starts(id, &self.fragile);
        self.machine.crash(self.number);
        assert_eq!(exit_code(pid), 1);
        self.run(&["delete", id]);
        cost
    }

    fn is_killed(&self, id: &str) -> Cost {
        let (pid, cost) = self.starts(id, &self.plain);
        send(pid, "KILL");
        assert_eq!(exit_code(pid), 137);
        self.run(&["delete", "--force", id]);
        cost
    }

    fn is_updated(&self, id: &str, next: &str) -> Cost {
        let (pid, _) = self.starts(id, &self.plain);
        let next_pid = self.creates(next, &self.plain);
        self.run(&["kill", id]);
        assert_eq!(exit_code(pid), 0);
        self.run(&["start", next]);
        self.run(&["delete", id]);
        let cost = Cost::of(next_pid);
        self.run(&["kill", next]);
        assert_eq!(exit_code(next_pid), 0);
        self.run(&["delete", next]);
        cost
    }

    fn starts(&self, id: &str, bundle: &Bundle) -> (i32, Cost) {
        let pid = self.creates(id, bundle);
        self.run(&["start", id]);
        (pid, Cost::of(pid))
    }

    fn creates(&self, id: &str, bundle: &Bundle) -> i32 {
        let pid_file = self.machine.scratch().join(format!("{id}.pid"));
        let (bundle, path) = (bundle.path.to_str().unwrap(), pid_file.to_str().unwrap());
        self.run(&["create", "--bundle", bundle, "--pid-file", path, id]);
        std::fs::read_to_string(pid_file).unwrap().parse().unwrap()
    }

    /// Runs the binary; what it says goes into one file for all, of which thousands would be left else.
    #[track_caller]
    fn run(&self, args: &[&str]) {
        let path = self.machine.scratch().join(format!("{}.said", self.ids[0]));
        let said = File::create(&path).unwrap();
        let mut command = self.machine.command(args);
        let status =
            command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said).status().unwrap();
        assert!(status.success(), "{args:?}: {}", std::fs::read_to_string(path).unwrap());
    }
}

/// What lives cost in the last tenth is what they cost in the first, but for some `slack`: `each` processor's come one
/// after the other.
#[track_caller]
fn flat(what: &str, costs: &[u64], each: usize, slack: u64) {
    let tenth = each.div_ceil(10);
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for processor in costs.chunks(each) {
        first.extend_from_slice(&processor[..tenth]);
        last.extend_from_slice(&processor[each - tenth..]);
    }
    let (first, last) = (median(first), median(last));
    let (least, most) = (costs.iter().min().unwrap(), costs.iter().max().unwrap());
    println!("figure: {what}: first {first}, last {last}, least {least}, most {most}");
    assert!(last <= first + slack, "{what}: {first} has grown to {last}");
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}

/// What the kernel holds.
struct Kernel {
    /// On the processors and the state directory.
    locks: Vec<String>,
    /// Of this scenario's own.
    mounts: Vec<String>,
    /// Name and kB: of a real board's, where nothing else is going on.
    memory: Vec<(String, u64)>,
}

impl Kernel {
    fn of(machine: &Machine) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap();
        let class = machine.path("sys/class/remoteproc");
        let processors = std::fs::read_dir(class).unwrap().map(|entry| entry.unwrap().path());
        let inodes: Vec<String> =
            processors.chain([machine.state_root().to_owned()]).filter_map(|path| inode(&path)).collect();
        let held = |line: &&str| inodes.iter().any(|inode| line.contains(inode));
        let scratch = machine.scratch().to_str().unwrap();
        let memory = match machine.is_simulated() {
            true => Vec::new(),
            false => ["Slab:", "SUnreclaim:", "KernelStack:", "PageTables:"]
                .into_iter()
                .map(|name| (name.to_owned(), kilobytes(&read("/proc/meminfo"), name)))
                .collect(),
        };
        Self {
            locks: read("/proc/locks").lines().filter(held).map(str::to_owned).collect(),
            mounts: read("/proc/self/mountinfo")
                .lines()
                .filter(|line| line.contains(scratch))
                .map(str::to_owned)
                .collect(),
            memory,
        }
    }

    fn print_beside(&self, later: &Self) {
        for ((name, before), (_, after)) in self.memory.iter().zip(&later.memory) {
            println!(
                "figure: of the kernel, {} kB: before {before}, after {after}",
                name.trim_end_matches(':')
            );
        }
    }
}

/// As /proc/locks writes it.
fn inode(path: &Path) -> Option<String> {
    let stat = rustix::fs::stat(path).ok()?;
    let (major, minor) = (rustix::fs::major(stat.st_dev), rustix::fs::minor(stat.st_dev));
    Some(format!(" {major:02x}:{minor:02x}:{} ", stat.st_ino))
}

fn kilobytes(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn one_proxy_that_goes_through_many_crashes_stays_as_it_is() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    bundle.annotate("remoteproc.recovery", "enabled");
    if machine.has_dumps() {
        bundle.annotate("remoteproc.coredump", "enabled");
    }
    let resident = machine.resident_of("x", &bundle);
    machine.run(&["start", "x"]).ok();
    let rounds = lives() / 10;
    // The first ones touch pages of code and stack for the first time.
    go_through(&machine, &resident, 0..3);
    let (before, memory) = (Cost::of(resident.pid), memory_of(resident.pid));
    go_through(&machine, &resident, 3..3 + rounds);
    let after = Cost::of(resident.pid);
    memory.has_not_grown_to(&memory_of(resident.pid));
    assert_eq!(before.descriptors, after.descriptors);
    println!("figure: crashes and recoveries of one firmware: {rounds}");
    println!("figure: memory of its proxy's own, kB: first {}, last {}", before.own, after.own);
    println!("figure: resident memory of its proxy, kB: first {}, last {}", before.resident, after.resident);
    println!(
        "figure: file descriptors of its proxy: first {}, last {}",
        before.descriptors, after.descriptors
    );
    machine.run(&["kill", "x"]).ok();
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
}

/// Crashes with much between them in the kernel's log and in the trace buffer.
fn go_through(machine: &Machine, resident: &Resident, rounds: std::ops::Range<usize>) {
    for round in rounds {
        machine.crash(0);
        eventually("it is recovered", || resident.said().matches("recovered by the kernel").count() > round);
        for _ in 0..20 {
            machine.write("dev/kmsg", "noise of others");
            if machine.is_simulated() {
                machine.fault(0, "trace", "what a firmware has to say, over and over again\n");
            }
        }
    }
}
