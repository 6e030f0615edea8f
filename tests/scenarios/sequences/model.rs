//! What a machine may become: containers, processors and proxies, and the steps by which proxies and the kernel change
//! them by themselves. Verbs are in `verbs.rs`.
//!
//! A step is the least that others can come between. Where a proxy does something in more than one, the reason is beside
//! it: each is an order of events that a verb which is carried out at one moment would not have.

use super::plan::{Cpu, Firmware, IDS, Id, Make, PROCESSORS};

/// A container as it was made once, since an id may be used again. 0 stands for one that is gone.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Generation {
    number: u8,
    pub id: Id,
}

impl Generation {
    pub const GONE: Self = Self { number: 0, id: 0 };
}

/// Who holds the lock on a processor.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Holder {
    Nobody,
    Proxy(Generation),
    /// The helper of a kill or delete.
    Helper,
}

/// What the attribute `state` reads, and why where that matters.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Power {
    Offline,
    Running,
    Crashed,
    /// Crashed; the kernel is about to recover it, and has let go of its lock in between.
    ToRecover,
    /// In the two halves of a recovery, which reads crashed and then offline. Who writes waits.
    Stopping,
    Reloading,
    /// Somebody else boots it.
    Booting,
}

impl Power {
    /// The word that `state` reads.
    pub fn word(self) -> &'static str {
        match self {
            Self::Offline | Self::Reloading | Self::Booting => "offline",
            Self::Running => "running",
            Self::Crashed | Self::ToRecover | Self::Stopping => "crashed",
        }
    }
}

/// A processor.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Processor {
    pub power: Power,
    /// Whose firmware the attribute `firmware` names.
    pub firmware: Generation,
    /// How many starts count.
    pub starts: u8,
    /// Whether the kernel recovers it.
    pub recovers: bool,
    pub holder: Holder,
    /// Crashes that the driver has told of, and the kernel has not handled yet.
    pub told: u8,
}

impl Processor {
    /// Nothing is done to it that keeps others from writing.
    pub fn is_free(&self) -> bool {
        !matches!(self.power, Power::Stopping | Power::Reloading | Power::Booting)
    }
}

/// What a proxy is at.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Phase {
    /// Waits for start.
    Waiting,
    /// Is about to take the processor.
    Claiming,
    /// Looks whether the processor is offline, and brings it there if it is crashed.
    Readying,
    /// Writes the firmware's name: somebody else may have started the processor since it was looked at.
    Naming,
    /// Writes `start`: the same.
    Starting,
    /// Looks whether the processor runs: it may have crashed or been stopped since.
    Looking,
    Running,
    /// Is asked to stop it.
    Halting,
    /// The processor has stopped; it is still claimed, and the container still reads running.
    Stopped,
    /// Ends. The claim goes with its files, a moment before the process does.
    Leaving {
        ran: bool,
    },
    Ended,
}

/// What start is told.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Told {
    Nothing,
    Running,
    Owned(Generation),
    Busy(Power),
    /// The kernel refused: the name, or the start.
    Refused(&'static str),
    NotRunning(Power),
}

/// A container.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Container {
    pub generation: Generation,
    pub on: Cpu,
    pub firmware: Firmware,
    /// Its create is done.
    pub recorded: bool,
    /// A create, start or delete holds its lock.
    pub locked: bool,
    /// It has noted settings of its processor.
    pub noted: bool,
    pub phase: Phase,
    pub told: Told,
    /// Signals that the proxy has not looked at.
    pub asked_to_start: bool,
    pub asked_to_stop: bool,
    pub killed: bool,
}

/// What `state` says of a container.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Status {
    Creating,
    Created,
    Running,
    Stopped,
}

impl Status {
    pub fn word(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Running => "running",
            Self::Stopped => "stopped",
        }
    }

    pub fn of(word: &str) -> Option<Self> {
        [Self::Creating, Self::Created, Self::Running, Self::Stopped].into_iter().find(|s| s.word() == word)
    }
}

impl Container {
    pub fn new(make: Make, generation: Generation) -> Self {
        Self {
            generation,
            on: make.on,
            firmware: make.firmware,
            recorded: false,
            locked: true,
            noted: false,
            phase: Phase::Waiting,
            told: Told::Nothing,
            asked_to_start: false,
            asked_to_stop: false,
            killed: false,
        }
    }

    pub fn status(&self) -> Status {
        match self.phase {
            _ if !self.recorded => Status::Creating,
            Phase::Running | Phase::Halting | Phase::Stopped | Phase::Leaving { ran: true } => {
                Status::Running
            }
            Phase::Ended => Status::Stopped,
            _ => Status::Created,
        }
    }

    pub fn has_ended(&self) -> bool {
        self.phase == Phase::Ended
    }
}

/// A machine.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct World {
    pub containers: [Option<Container>; IDS.len()],
    pub processors: [Processor; PROCESSORS.len()],
    /// How many containers were made.
    made: u8,
}

impl World {
    /// A machine on which nothing has happened.
    pub fn new() -> Self {
        let processor = Processor {
            power: Power::Offline,
            firmware: Generation::GONE,
            starts: 0,
            recovers: true,
            holder: Holder::Nobody,
            told: 0,
        };
        Self { containers: [None; IDS.len()], processors: [processor; PROCESSORS.len()], made: 0 }
    }

    /// A container is made.
    pub fn make(&mut self, make: Make) -> Generation {
        self.made += 1;
        let generation = Generation { number: self.made, id: make.id };
        self.containers[make.id] = Some(Container::new(make, generation));
        generation
    }

    /// The container that was made as `generation`, if it is still there.
    pub fn find(&self, generation: Generation) -> Option<Container> {
        self.containers[generation.id].filter(|container| container.generation == generation)
    }

    /// The id of the container of this generation, if it is still there.
    pub fn id_of(&self, generation: Generation) -> Option<Id> {
        self.find(generation).map(|_| generation.id)
    }

    /// Somebody stops the processor, whatever it was doing and however often it was started. A firmware that crashes runs
    /// once more for that, and the kernel may come to that crash late.
    pub fn stop(&mut self, cpu: Cpu) {
        let crashed = self.processors[cpu].power.word() == "crashed";
        let crashes = crashed && self.id_of(self.processors[cpu].firmware).is_some_and(|id| self.crashes(id));
        let processor = &mut self.processors[cpu];
        processor.told += u8::from(crashes);
        if processor.power != Power::Offline {
            (processor.power, processor.starts) = (Power::Offline, 0);
        }
    }

    /// The processor runs the firmware of `id`, which may crash.
    pub fn boots(&mut self, cpu: Cpu, id: Id) {
        let crashes = self.crashes(id);
        let processor = &mut self.processors[cpu];
        processor.power = Power::Running;
        processor.told += u8::from(crashes);
    }

    fn crashes(&self, id: Id) -> bool {
        self.containers[id].is_some_and(|one| one.firmware == Firmware::Crashes)
    }

    /// Whoever holds a processor that is offline puts back what a container noted of it.
    pub fn restore(&mut self, id: Id) {
        let Some(container) = &mut self.containers[id] else { return };
        if std::mem::take(&mut container.noted) {
            self.processors[container.on].recovers = true;
        }
    }

    /// What may come next of what proxies and the kernel do by themselves.
    pub fn own_steps(&self) -> Vec<Self> {
        let mut next = Vec::new();
        for (id, container) in self.containers.iter().enumerate() {
            if let Some(container) = container {
                self.steps_of_proxy(id, container, &mut next);
            }
        }
        for cpu in 0..PROCESSORS.len() {
            self.steps_of_kernel(cpu, &mut next);
        }
        next
    }

    fn after(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut world = *self;
        change(&mut world);
        world
    }

    /// The kernel handles a crash, on a thread of its own: rproc_crash_handler_work, rproc_trigger_recovery.
    fn steps_of_kernel(&self, cpu: Cpu, next: &mut Vec<Self>) {
        let processor = self.processors[cpu];
        let become_ = |power| self.after(|world| world.processors[cpu].power = power);
        match processor.power {
            Power::ToRecover => next.push(become_(Power::Stopping)),
            Power::Stopping => next.push(become_(Power::Reloading)),
            Power::Reloading => next.push(match self.id_of(processor.firmware) {
                Some(id) => self.after(|world| world.boots(cpu, id)),
                // Without its file it cannot be loaded again.
                None => become_(Power::Offline),
            }),
            _ => {}
        }
        if processor.told > 0 && processor.is_free() {
            next.push(self.after(|world| {
                let processor = &mut world.processors[cpu];
                processor.told -= 1;
                if processor.power == Power::Running {
                    processor.power = if processor.recovers { Power::ToRecover } else { Power::Crashed };
                }
            }));
        }
    }

    fn steps_of_proxy(&self, id: Id, container: &Container, next: &mut Vec<Self>) {
        let (cpu, processor) = (container.on, self.processors[container.on]);
        let ran = container.status() == Status::Running;
        let turn = |phase| self.after(|world| world.turn(id, phase));
        let fail = |told| self.after(|world| world.fail(id, told));
        if container.killed && !matches!(container.phase, Phase::Leaving { .. } | Phase::Ended) {
            next.push(self.after(|world| world.leave(id, ran)));
        }
        let step = match container.phase {
            Phase::Waiting if !container.recorded => return,
            Phase::Waiting => {
                if container.asked_to_stop {
                    next.push(self.after(|world| world.leave(id, false)));
                }
                if !container.asked_to_start {
                    return;
                }
                turn(Phase::Claiming)
            }
            Phase::Claiming => match processor.holder {
                Holder::Nobody => self.after(|world| {
                    world.processors[cpu].holder = Holder::Proxy(container.generation);
                    world.turn(id, Phase::Readying);
                }),
                // Another one that has it, be it for a moment: its own start fails, or it is about to end.
                Holder::Proxy(owner) => fail(Told::Owned(owner)),
                // A helper is waited for.
                Holder::Helper => return,
            },
            Phase::Readying => match processor.power {
                // Also in the middle of a recovery.
                Power::Offline | Power::Reloading | Power::Booting => self.after(|world| world.set(id)),
                Power::Crashed | Power::ToRecover => self.after(|world| world.stop(cpu)),
                Power::Stopping => return,
                Power::Running => fail(Told::Busy(Power::Running)),
            },
            Phase::Naming | Phase::Starting | Phase::Halting if !processor.is_free() => return,
            Phase::Naming if processor.power == Power::Offline => self.after(|world| {
                world.processors[cpu].firmware = container.generation;
                world.turn(id, Phase::Starting);
            }),
            Phase::Naming => fail(Told::Refused("firmware")),
            // Somebody else has started it, with the name that we wrote.
            Phase::Starting if processor.starts > 0 => self.after(|world| {
                world.processors[cpu].starts += 1;
                world.turn(id, Phase::Looking);
            }),
            Phase::Starting if container.firmware == Firmware::Refused => fail(Told::Refused("start")),
            Phase::Starting => self.after(|world| {
                world.processors[cpu].starts = 1;
                world.boots(cpu, id);
                world.turn(id, Phase::Looking);
            }),
            Phase::Looking => match processor.power {
                Power::Running => self.after(|world| {
                    world.tell(id, Told::Running);
                    world.turn(id, Phase::Running);
                }),
                // It is waited for.
                Power::ToRecover | Power::Stopping | Power::Reloading | Power::Booting => return,
                // Crashed with nobody to recover it; or stopped by somebody else.
                power @ (Power::Crashed | Power::Offline) => fail(Told::NotRunning(power)),
            },
            Phase::Running => {
                if container.asked_to_stop {
                    next.push(turn(Phase::Halting));
                }
                // Crashed for good, or stopped by somebody else.
                if !matches!(processor.power, Power::Crashed | Power::Offline) {
                    return;
                }
                self.after(|world| world.end(id))
            }
            Phase::Halting => self.after(|world| {
                world.stop(cpu);
                world.turn(id, Phase::Stopped);
            }),
            Phase::Stopped => self.after(|world| world.end(id)),
            Phase::Leaving { .. } => turn(Phase::Ended),
            Phase::Ended => return,
        };
        next.push(step);
    }

    fn turn(&mut self, id: Id, phase: Phase) {
        if let Some(container) = &mut self.containers[id] {
            container.phase = phase;
        }
    }

    fn tell(&mut self, id: Id, told: Told) {
        if let Some(container) = &mut self.containers[id] {
            container.told = told;
        }
    }

    /// Sets the processor as the container wants it, after what others left.
    fn set(&mut self, id: Id) {
        let Some(cpu) = self.containers[id].map(|one| one.on) else { return };
        for other in (0..IDS.len()).filter(|&other| other != id) {
            if self.containers[other].is_some_and(|one| one.on == cpu && one.recorded) {
                self.restore(other);
            }
        }
        if self.crashes(id) && self.processors[cpu].recovers {
            self.processors[cpu].recovers = false;
            if let Some(container) = &mut self.containers[id] {
                container.noted = true;
            }
        }
        self.turn(id, Phase::Naming);
    }

    /// The proxy's start failed.
    fn fail(&mut self, id: Id, told: Told) {
        self.tell(id, told);
        self.put_back(id);
        self.leave(id, false);
    }

    /// The proxy's firmware has ended.
    fn end(&mut self, id: Id) {
        self.put_back(id);
        self.leave(id, true);
    }

    fn put_back(&mut self, id: Id) {
        let Some(cpu) = self.containers[id].map(|one| one.on) else { return };
        if self.processors[cpu].power.word() == "offline" {
            self.restore(id);
        }
    }

    fn leave(&mut self, id: Id, ran: bool) {
        let Some(container) = &mut self.containers[id] else { return };
        container.phase = Phase::Leaving { ran };
        let processor = &mut self.processors[container.on];
        if processor.holder == Holder::Proxy(container.generation) {
            processor.holder = Holder::Nobody;
        }
    }
}
