//! Playing a sequence on a machine: what a round does is started at the same moment, all of it is waited for, and then what
//! came of it is looked at and explained.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal as Sent, WaitId, WaitIdOptions};
use serde_json::Value;
use simulated_board::FirmwareBuilder;

use super::explain::{Seen, Shown, Sight, explain};
use super::model::{Power, Status};
use super::plan::{Abilities, Act, Cpu, Firmware, IDS, Id, Make, PROCESSORS, Sequence, Signal};
use super::verbs::Answer;
use super::words;
use crate::harness::{
    Machine, Outcome, PATIENCE, chosen, is_alive, is_cortex_m4, names_in, processors, wait_for_end,
};

/// What was done, for the report.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub sequences: usize,
    pub rounds: usize,
    pub unexplained: usize,
    pub verbs: usize,
    pub refused: usize,
    pub events: usize,
    pub worlds: usize,
    pub most_worlds: usize,
}

/// A machine that sequences are played on, one after the other.
pub struct Stage {
    machine: Machine,
    can: Abilities,
}

/// What is wrong, and in which round, by its place in the sequence; after the last one for what is left at the end.
#[derive(Clone, Debug)]
pub struct Failure {
    pub round: usize,
    pub problem: String,
}

/// How long whatever ends by itself is given to begin.
const MOMENT: Duration = Duration::from_millis(60);

impl Stage {
    pub fn new() -> Self {
        let can = abilities();
        let machine = match chosen() {
            Some(_) => Machine::stm32mp15(),
            None => Machine::simulated(processors(&PROCESSORS)),
        };
        for number in 0..can.processors {
            if can.crashes_at_once {
                machine.fault(number, "crashes", "crash");
            }
            if can.recovers_slowly {
                // Long enough for others to come in between.
                machine.fault(number, "recovery-delay-ms", "40");
            }
        }
        Self { machine, can }
    }

    /// Plays `sequence`, and then deletes whatever there is.
    ///
    /// # Errors
    /// What no order explains, or what must never be.
    pub fn play(&self, sequence: &Sequence, figures: &mut Figures) -> Result<(), Failure> {
        figures.sequences += 1;
        let mut before = self.look().map_err(|problem| Failure { round: 0, problem })?;
        for (round, acts) in sequence.0.iter().enumerate() {
            let failed = |problem| Failure { round, problem: format!("in round {}: {problem}", round + 1) };
            before = self.round(&before, acts, figures).map_err(failed)?;
        }
        self.delete_all().map_err(|problem| Failure { round: sequence.0.len(), problem })
    }

    fn round(&self, before: &Sight, acts: &[Act], figures: &mut Figures) -> Result<Sight, String> {
        let done = self.at_once(acts);
        let answers = done.iter().zip(acts).map(|(done, &act)| match done {
            Done::Verb(outcome) => words::answer(act, outcome),
            Done::Event(hit) => Ok(Answer::Hit(*hit)),
        });
        let answers = answers.collect::<Result<Vec<Answer>, String>>()?;
        let after = self.settle(acts.iter().any(|act| matches!(act, Act::Crash(_))))?;
        self.reap();
        let search = explain(before, acts, &answers, &after);
        figures.rounds += 1;
        figures.verbs += done.iter().filter(|done| matches!(done, Done::Verb(_))).count();
        figures.refused +=
            done.iter().filter(|done| matches!(done, Done::Verb(verb) if verb.code != 0)).count();
        figures.events += done.iter().filter(|done| matches!(done, Done::Event(_))).count();
        figures.worlds += search.worlds;
        figures.most_worlds = figures.most_worlds.max(search.worlds);
        figures.unexplained += usize::from(!search.explained);
        if search.explained {
            return self.free_of_others(after);
        }
        let mut text = format!("no order of {} explains what came of it\nbefore:    {before}\n", acts.len());
        for (act, answer) in acts.iter().zip(&answers) {
            text.push_str(&format!("           {act}: {answer:?}\n"));
        }
        text.push_str(&format!("after:     {after}\n"));
        if let Some(otherwise) = search.otherwise {
            text.push_str(&format!("not as in: {otherwise}\n"));
        }
        for (done, act) in done.iter().zip(acts) {
            if let Done::Verb(outcome) = done {
                text.push_str(&format!("{act} said: {}{}\n", outcome.stdout, outcome.stderr));
            }
        }
        Err(text)
    }

    /// Starts all of it at the same moment.
    fn at_once(&self, acts: &[Act]) -> Vec<Done> {
        let barrier = &Barrier::new(acts.len());
        std::thread::scope(|scope| {
            let threads: Vec<_> = (acts.iter().enumerate())
                .map(|(number, &act)| {
                    let command = self.command(number, act);
                    scope.spawn(move || {
                        barrier.wait();
                        match command {
                            Some(command) => Done::Verb(Outcome::of(command, self.machine.scratch())),
                            None => Done::Event(self.happens(act)),
                        }
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    fn command(&self, number: usize, act: Act) -> Option<std::process::Command> {
        let pid_file = self.pid_file(number);
        let pid_file = pid_file.to_str().unwrap();
        let bundle = |make: Make| self.bundle(make).to_str().unwrap().to_owned();
        Some(match act {
            Act::Create(make) => {
                let bundle = bundle(make);
                self.machine.command(&["create", "--bundle", &bundle, "--pid-file", pid_file, IDS[make.id]])
            }
            Act::Run(make) => {
                let bundle = bundle(make);
                let line = ["run", "--detach", "--bundle", &bundle, "--pid-file", pid_file, IDS[make.id]];
                self.machine.command(&line)
            }
            Act::Start(id) => self.machine.command(&["start", IDS[id]]),
            Act::Kill(id, signal) => match signal {
                Signal::Term => self.machine.command(&["kill", IDS[id]]),
                Signal::Int => self.machine.command(&["kill", IDS[id], "INT"]),
                Signal::All => self.machine.command(&["kill", "--all", IDS[id], "TERM"]),
                Signal::Kill => self.machine.command(&["kill", IDS[id], "KILL"]),
                Signal::Test => self.machine.command(&["kill", IDS[id], "0"]),
            },
            Act::Delete(id) => self.machine.command(&["delete", IDS[id]]),
            Act::DeleteByForce(id) => self.machine.command(&["delete", "--force", IDS[id]]),
            Act::State(id) => self.machine.command(&["state", IDS[id]]),
            Act::List => self.machine.command(&["list", "--format", "json"]),
            Act::Crash(_) | Act::StopPast(_) | Act::StartPast(_) | Act::EndProxy(_) => return None,
        })
    }

    /// What others do; whether it could be done.
    fn happens(&self, act: Act) -> bool {
        let write = |cpu: Cpu, word| {
            self.machine.try_write(&format!("sys/class/remoteproc/remoteproc{cpu}/state"), word).is_ok()
        };
        match act {
            Act::Crash(cpu) => {
                self.machine.crash(cpu);
                true
            }
            Act::StopPast(cpu) => write(cpu, "stop"),
            // Not a firmware that would crash again and again.
            Act::StartPast(cpu) if self.machine.attribute(cpu, "firmware").contains("crash") => false,
            Act::StartPast(cpu) => {
                write(cpu, "start");
                true
            }
            Act::EndProxy(id) => self.proxy_of(id).is_some_and(|pid| {
                let hit = rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Sent::KILL).is_ok();
                wait_for_end(pid);
                hit
            }),
            _ => false,
        }
    }

    /// The proxy of a container, by its command line.
    fn proxy_of(&self, id: Id) -> Option<i32> {
        let directory = self.machine.state_root().join(IDS[id]);
        let is = |pid: &i32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.starts_with(b"remoteproc-runtime\0proxy\0")
                && line.split(|&byte| byte == 0).any(|arg| arg == directory.as_os_str().as_encoded_bytes())
        };
        self.machine.processes().into_iter().find(is)
    }

    fn bundle(&self, make: Make) -> PathBuf {
        let name = format!("{}-{:?}", PROCESSORS[make.on], make.firmware);
        let path = self.machine.scratch().join("bundles").join(&name);
        if path.exists() {
            return path;
        }
        let bundle = match make.firmware {
            Firmware::Refused => {
                let firmware = FirmwareBuilder::new().segment(0xe00f_0000, b"code").build();
                self.machine.bundle_of(&name, PROCESSORS[make.on], &firmware).unchecked()
            }
            _ => self.machine.bundle(&name, PROCESSORS[make.on]),
        };
        let file = match make.firmware {
            Firmware::Runs => "runs.elf",
            Firmware::Refused => "refused.elf",
            Firmware::Crashes => {
                bundle.annotate("remoteproc.recovery", "disabled");
                "crash.elf"
            }
        };
        // It is stored under a name that begins with this.
        std::fs::rename(bundle.rootfs("fw.elf"), bundle.rootfs(file)).unwrap();
        bundle.edit(|config| config["process"]["args"][0] = file.into());
        path
    }

    fn pid_file(&self, number: usize) -> PathBuf {
        self.machine.scratch().join(format!("pid-{number}"))
    }

    /// Takes the ends of proxies that this process has adopted.
    fn reap(&self) {
        let files = names_in(self.machine.scratch()).into_iter().filter(|name| name.starts_with("pid"));
        for path in files.map(|name| self.machine.scratch().join(name)) {
            let pid = std::fs::read_to_string(&path).ok().and_then(|pid| pid.parse().ok());
            let Some(pid) = pid.and_then(Pid::from_raw) else { continue };
            let ended =
                rustix::process::waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
            match ended {
                // It lives: later.
                Ok(None) => {
                    let later = self.machine.scratch().join(format!("pid-of-{}", pid.as_raw_pid()));
                    std::fs::rename(&path, later).unwrap();
                }
                _ => std::fs::remove_file(&path).unwrap(),
            }
        }
    }

    /// Waits until nothing is under way, and looks. After a crash that may be later.
    fn settle(&self, after_crash: bool) -> Result<Sight, String> {
        let begin = Instant::now();
        let mut seen = None;
        loop {
            let looked = self.look();
            if let Ok(sight) = &looked {
                if !after_crash || seen.as_ref() == Some(sight) {
                    self.compare(sight)?;
                    return looked;
                }
                std::thread::sleep(MOMENT);
            }
            if begin.elapsed() > PATIENCE {
                return looked.map_err(|problem| format!("not within {PATIENCE:?}: {problem}"));
            }
            seen = looked.ok();
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// What there is, past all verbs.
    ///
    /// # Errors
    /// What must not be, and may be a moment later.
    fn look(&self) -> Result<Sight, String> {
        let must = |holds: bool, what: String| if holds { Ok(()) } else { Err(what) };
        let state_root = self.machine.state_root();
        let (mut containers, mut proxies, mut stored) = ([None; IDS.len()], BTreeSet::new(), Vec::new());
        for name in self.machine.state_entries() {
            let id = IDS.iter().position(|id| *id == name).ok_or(format!("{name} in the state directory"))?;
            let directory = state_root.join(&name);
            let record = std::fs::read(directory.join("record.json"));
            let record: Value = serde_json::from_slice(&record.map_err(|_| format!("{name} has no record"))?)
                .map_err(|error| format!("the record of {name}: {error}"))?;
            let pid = i32::try_from(record["proxy"]["pid"].as_i64().unwrap_or_default()).unwrap_or_default();
            let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            let status = match comm.trim_end() {
                _ if !is_alive(pid) => Status::Stopped,
                "rproc:created" => Status::Created,
                "rproc:running" => Status::Running,
                other => return Err(format!("the proxy of {name} is {other}")),
            };
            if status != Status::Stopped {
                proxies.insert(pid);
            }
            let firmware =
                record["firmware"].as_str().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
            let kind = match firmware {
                _ if firmware.starts_with("crash") => Firmware::Crashes,
                _ if firmware.starts_with("refused") => Firmware::Refused,
                _ => Firmware::Runs,
            };
            must(
                !(kind == Firmware::Crashes && status == Status::Running),
                format!("{name} has not crashed yet"),
            )?;
            let on = (0..self.can.processors)
                .find(|&cpu| record["processor"]["name"] == self.machine.attribute(cpu, "name"))
                .ok_or(format!("{name} is on no processor"))?;
            let noted = directory.join("settings").symlink_metadata().is_ok();
            containers[id] = Some(Shown { on, firmware: kind, status, noted });
            stored.push((id, firmware.to_owned()));
        }
        let processes: BTreeSet<i32> = self.machine.processes().into_iter().collect();
        must(processes == proxies, format!("processes {processes:?}, and containers have {proxies:?}"))?;
        let mut files = self.machine.stored_firmware();
        let mut known: Vec<String> = stored.iter().map(|(_, name)| name.clone()).collect();
        known.sort();
        files.sort();
        must(files == known, format!("stored are {files:?}, and containers have {known:?}"))?;
        let offline = Seen { power: Power::Offline, firmware: None, starts: 0, recovers: true };
        let mut seen = [offline; PROCESSORS.len()];
        for cpu in 0..self.can.processors {
            let named = self.machine.attribute(cpu, "firmware");
            let firmware = stored.iter().find(|(_, name)| *name == named).map(|(id, _)| *id);
            let power = match self.machine.attribute(cpu, "state").as_str() {
                "offline" => Power::Offline,
                "running" => Power::Running,
                "crashed" => Power::Crashed,
                other => return Err(format!("{} is {other}", PROCESSORS[cpu])),
            };
            let recovers = self.machine.attribute(cpu, "recovery") == "enabled";
            let starts = self.machine.starts(cpu).unwrap_or(u32::from(power != Power::Offline));
            let starts = u8::try_from(starts).map_err(|_| format!("{starts} starts count"))?;
            must(
                !(power == Power::Running && named.contains("crash")),
                format!("{named} has not crashed yet"),
            )?;
            must(!(power == Power::Crashed && recovers), format!("{} is not recovered", PROCESSORS[cpu]))?;
            let running =
                containers.iter().flatten().filter(|one| one.on == cpu && one.status == Status::Running);
            let running = running.count();
            must(running <= 1, format!("{running} containers run on {}", PROCESSORS[cpu]))?;
            let ours =
                firmware.is_some_and(|id| containers[id].is_some_and(|one| one.status == Status::Running));
            must(
                (running == 1) == (ours && power == Power::Running),
                format!("{} is {power:?}", PROCESSORS[cpu]),
            )?;
            seen[cpu] = Seen { power, firmware, starts, recovers };
        }
        Ok(Sight { containers, processors: seen })
    }

    /// Verbs say what was seen past them.
    fn compare(&self, sight: &Sight) -> Result<(), String> {
        let listed = self.answer(Act::List)?;
        let statuses = sight.containers.map(|one| one.map(|one| one.status));
        if listed != Answer::Lists(statuses) {
            return Err(format!("list shows {listed:?}, and there is {sight}"));
        }
        for (id, status) in statuses.into_iter().enumerate() {
            let shown = self.answer(Act::State(id))?;
            if shown != status.map_or(Answer::DoesNotExist, Answer::Shows) {
                return Err(format!("state {} shows {shown:?}, and there is {sight}", IDS[id]));
            }
        }
        Ok(())
    }

    fn answer(&self, act: Act) -> Result<Answer, String> {
        let command = self.command(0, act).ok_or("no verb")?;
        words::answer(act, &Outcome::of(command, self.machine.scratch()))
    }

    /// Somebody else stops what he started, if its file went with its container: it could not be recovered.
    fn free_of_others(&self, sight: Sight) -> Result<Sight, String> {
        let lost = |seen: &Seen| seen.power == Power::Running && seen.firmware.is_none();
        if !sight.processors.iter().any(lost) {
            return Ok(sight);
        }
        for cpu in (0..self.can.processors).filter(|&cpu| lost(&sight.processors[cpu])) {
            for _ in 0..sight.processors[cpu].starts {
                self.machine.set(cpu, "state", "stop");
            }
        }
        self.look()
    }

    /// Deletes whatever there is, and nothing is left.
    fn delete_all(&self) -> Result<(), String> {
        for (id, name) in IDS.iter().enumerate() {
            match self.answer(Act::DeleteByForce(id))? {
                Answer::Done => {}
                other => return Err(format!("delete --force {name} at the end: {other:?}")),
            }
        }
        let sight = self.settle(false)?;
        self.reap();
        let nothing = Seen { power: Power::Offline, firmware: None, starts: 0, recovers: true };
        match sight == (Sight { containers: [None; IDS.len()], processors: [nothing; PROCESSORS.len()] }) {
            true => Ok(()),
            false => Err(format!("left at the end: {sight}")),
        }
    }
}

/// What a part of a round came to.
enum Done {
    Verb(Outcome),
    Event(bool),
}

/// What the machine at hand can be made to do.
pub fn abilities() -> Abilities {
    let real = chosen();
    Abilities {
        processors: real.map_or(PROCESSORS.len(), |board| board.len().min(PROCESSORS.len())),
        crashes_at_once: real.is_none(),
        recovers_slowly: real.is_none_or(|board| board.has_faults("recovery-delay-ms")),
        refuses: is_cortex_m4(),
        counts: real.is_none_or(|board| board.refcount(0).is_some()),
    }
}

impl Figures {
    pub fn add(&mut self, other: &Self) {
        self.sequences += other.sequences;
        self.rounds += other.rounds;
        self.unexplained += other.unexplained;
        self.verbs += other.verbs;
        self.refused += other.refused;
        self.events += other.events;
        self.worlds += other.worlds;
        self.most_worlds = self.most_worlds.max(other.most_worlds);
    }

    /// Prints them as a section of a document.
    pub fn report(&self, took: Duration) {
        let Self { sequences, rounds, unexplained, verbs, refused, events, worlds, most_worlds } = self;
        println!("\n-- report");
        println!("## Verbs at the same moment\n");
        println!(
            "Up to five verbs and disturbances (crashes, kills of proxies, others who write to sysfs) at the same moment, \
             on three containers and two processors. After each round some order of them must explain every answer and \
             all that there is, and at the end of a sequence `delete --force` must leave nothing.\n"
        );
        println!("| | |\n|---|---|");
        println!("| sequences, each from a seed of its own | {sequences} |");
        println!("| rounds | {rounds} |");
        println!("| verbs, and of them refused with a known reason | {verbs}, {refused} |");
        println!("| disturbances | {events} |");
        println!(
            "| states looked through for an explanation, at most in a round | {worlds}, {most_worlds} |"
        );
        println!("| rounds that no order explains | {unexplained} |");
        println!("| time | {} s |", took.as_secs());
        println!("-- end");
    }
}
