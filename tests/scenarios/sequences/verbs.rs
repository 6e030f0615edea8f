//! What verbs do to a [`World`], in steps, and what they may answer.
//!
//! Each verb would be one step if it were carried out at one moment. It is not, and this is where the relaxations are:
//!
//! - *create* is seen as `creating` between taking the id and recording the container; a proxy that somebody kills in
//!   between fails it, or is recorded dead.
//! - *run* is a create, a start that finds its container by the id, as the two verbs would, and after a start that failed
//!   a delete of what it made itself.
//! - *start* first looks for the container, then waits for its lock, then asks the proxy, and last looks who has a
//!   processor that was in use: by then that may be over.
//! - *kill* and *delete* first look at the status, then act: what has ended meanwhile has ended.
//! - *start*, *kill* and *delete* stop what an ended proxy left in a step of their own, as a helper that holds the processor.
//! - *list* looks at its containers one by one.

use super::model::{Container, Generation, Holder, Power, Status, Told, World};
use super::plan::{Act, Cpu, Firmware, IDS, Id, Make, Signal};

/// What a verb answers.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Answer {
    Done,
    DoesNotExist,
    AlreadyExists,
    NotRunning,
    /// It is in another status than the verb needs.
    Status(Status),
    /// The processor is owned by this container.
    Owned(Id),
    /// It was owned by a process that has ended by now.
    OwnerEnded,
    /// It runs what this container left.
    LeftBy(Id),
    /// It runs something else.
    Foreign,
    /// The kernel refused this.
    Refused(&'static str),
    /// The kernel accepted the start, and it is this.
    NotUp(&'static str),
    /// The proxy ended before it had booted the processor.
    ProxyEnded,
    /// The proxy ended before it was ready.
    NotReady,
    /// What `state` shows.
    Shows(Status),
    /// What `list` shows.
    Lists([Option<Status>; IDS.len()]),
    /// Somebody's signal hit a process, or found none.
    Hit(bool),
}

/// Where a verb is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum At {
    Begin,
    // create
    Making(Generation),
    Recorded(Generation),
    // start
    ToStart(Made),
    Found(Generation, Made),
    Asked(Generation, Made),
    Explains(Generation, Made),
    // kill
    ToSignal(Generation),
    Ends(Generation),
    // delete
    ToDelete(Made),
    ToLock(Option<Generation>),
    Ending(Generation),
    // start, kill and delete
    Releases(Generation, For),
    Helps(Generation, For),
    Removes(Generation),
    // list
    Looks(Id),
    // somebody's start
    Boots(Generation),
    /// Has answered.
    Answered,
}

/// What a run made itself; nothing for a start.
pub type Made = Option<Generation>;

/// Which verb stops what an ended proxy left: a run does it for two.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum For {
    Start(Made),
    Kill,
    Delete,
}

/// A verb that is at work, its answer known from the outset.
pub struct Verb<'a> {
    pub act: Act,
    pub answer: &'a Answer,
}

type Next = Vec<(World, At)>;

impl Verb<'_> {
    /// Every way in which it may go on from `at`; none where it waits, and none where it would answer otherwise than it
    /// did.
    pub fn steps(&self, world: &World, at: At) -> Next {
        match self.act {
            Act::Create(make) => self.create(world, at, make),
            Act::Run(make) => self.run(world, at, make),
            Act::Start(id) => self.start(world, at, id),
            Act::Kill(id, signal) => self.kill(world, at, id, signal),
            Act::Delete(id) => self.delete(world, at, id, false),
            Act::DeleteByForce(id) => self.delete(world, at, id, true),
            Act::State(id) => match world.containers[id] {
                None => self.answers(world, &Answer::DoesNotExist),
                Some(container) => self.answers(world, &Answer::Shows(container.status())),
            },
            Act::List => self.list(world, at),
            Act::Crash(cpu) => self.tells(world, |world| world.processors[cpu].told += 1),
            Act::StopPast(cpu) => self.stop_past(world, cpu),
            Act::StartPast(cpu) => self.start_past(world, at, cpu),
            Act::EndProxy(id) => self.tells(world, |world| {
                if let (Answer::Hit(true), Some(container)) = (self.answer, &mut world.containers[id]) {
                    container.killed = true;
                }
            }),
        }
    }

    fn answers(&self, world: &World, answer: &Answer) -> Next {
        self.answers_after(world, answer, |_| {})
    }

    fn answers_after(&self, world: &World, answer: &Answer, change: impl FnOnce(&mut World)) -> Next {
        if answer == self.answer { self.tells(world, change) } else { Vec::new() }
    }

    fn tells(&self, world: &World, change: impl FnOnce(&mut World)) -> Next {
        goes(world, At::Answered, change)
    }

    fn create(&self, world: &World, at: At, make: Make) -> Next {
        match at {
            At::Begin if world.containers[make.id].is_some() => self.answers(world, &Answer::AlreadyExists),
            At::Begin => {
                let mut world = *world;
                let generation = world.make(make);
                vec![(world, At::Making(generation))]
            }
            At::Making(generation) => {
                let mut next = goes(world, At::Recorded(generation), |world| {
                    the(world, make.id).recorded = true;
                });
                if world.containers[make.id].is_some_and(|one| one.killed) {
                    next.extend(self.answers_after(world, &Answer::NotReady, |world| {
                        world.containers[make.id] = None;
                    }));
                }
                next
            }
            _ => self.answers_after(world, &Answer::Done, |world| unlock(world, make.id)),
        }
    }

    fn run(&self, world: &World, at: At, make: Make) -> Next {
        match at {
            At::Begin | At::Making(_) => self.create(world, at, make),
            At::Recorded(made) => goes(world, At::ToStart(Some(made)), |world| unlock(world, make.id)),
            At::ToStart(_) | At::Found(..) | At::Asked(..) | At::Explains(..) => {
                self.start(world, at, make.id)
            }
            At::Releases(_, For::Start(_)) | At::Helps(_, For::Start(_)) => self.start(world, at, make.id),
            // Not another one's, who has the id by now.
            At::ToDelete(made) if made.is_none_or(|made| world.find(made).is_none()) => {
                self.tells(world, |_| {})
            }
            _ => self.delete(world, at, make.id, true),
        }
    }

    /// A start has failed, of the verb or of a run, which then deletes.
    fn start_fails(&self, world: &World, answer: &Answer, id: Id, made: Made, locked: bool) -> Next {
        if answer != self.answer {
            return Vec::new();
        }
        let then = if matches!(self.act, Act::Run(_)) { At::ToDelete(made) } else { At::Answered };
        goes(world, then, |world| {
            if locked {
                unlock(world, id);
            }
        })
    }

    fn start(&self, world: &World, at: At, id: Id) -> Next {
        let made =
            if let At::ToStart(made) | At::Found(_, made) | At::Asked(_, made) | At::Explains(_, made) = at {
                made
            } else {
                None
            };
        let refused = |answer: &Answer| self.start_fails(world, answer, id, made, false);
        let fails = |answer: &Answer| self.start_fails(world, answer, id, made, true);
        match at {
            At::Begin | At::ToStart(_) => match world.containers[id] {
                None => refused(&Answer::DoesNotExist),
                Some(container) if !container.recorded => refused(&Answer::Status(Status::Creating)),
                Some(container) => goes(world, At::Found(container.generation, made), |_| {}),
            },
            At::Found(generation, _) => match world.find(generation) {
                None => refused(&Answer::DoesNotExist),
                Some(container) if container.locked => Vec::new(),
                Some(container) if container.status() != Status::Created => {
                    refused(&Answer::Status(container.status()))
                }
                Some(_) => goes(world, At::Asked(generation, made), |world| {
                    let container = the(world, id);
                    (container.locked, container.asked_to_start) = (true, true);
                }),
            },
            At::Asked(generation, _) => {
                let Some(container) = world.find(generation) else { return Vec::new() };
                match container.told {
                    Told::Running => self.answers_after(world, &Answer::Done, |world| unlock(world, id)),
                    _ if !container.has_ended() => Vec::new(),
                    Told::Nothing => goes(world, At::Releases(generation, For::Start(made)), |_| {}),
                    Told::Owned(owner) => {
                        let mut next = fails(&Answer::Owned(owner.id));
                        if world.find(owner).is_none_or(|owner| owner.has_ended()) {
                            next.extend(fails(&Answer::OwnerEnded));
                        }
                        next
                    }
                    Told::Busy(_) => goes(world, At::Explains(generation, made), |_| {}),
                    Told::Refused(what) => fails(&Answer::Refused(what)),
                    Told::NotRunning(power) => fails(&Answer::NotUp(power.word())),
                }
            }
            At::Explains(generation, _) => {
                let Some(container) = world.find(generation) else { return Vec::new() };
                fails(&match world.find(world.processors[container.on].firmware) {
                    Some(other) if !other.has_ended() => Answer::Owned(other.generation.id),
                    Some(other) => Answer::LeftBy(other.generation.id),
                    None => Answer::Foreign,
                })
            }
            At::Releases(_, For::Start(made)) | At::Helps(_, For::Start(made)) => {
                self.release(world, at, true, |verb, world| {
                    verb.start_fails(world, &Answer::ProxyEnded, id, made, true)
                })
            }
            _ => Vec::new(),
        }
    }

    fn kill(&self, world: &World, at: At, id: Id, signal: Signal) -> Next {
        match at {
            At::Begin => match world.containers[id] {
                None => self.answers(world, &Answer::DoesNotExist),
                Some(container) => match container.status() {
                    Status::Creating => self.answers(world, &Answer::Status(Status::Creating)),
                    Status::Stopped => self.answers(world, &Answer::NotRunning),
                    _ if signal == Signal::Test => self.answers(world, &Answer::Done),
                    _ => goes(world, At::ToSignal(container.generation), |_| {}),
                },
            },
            At::ToSignal(generation) => {
                let alive = world.find(generation).is_some_and(|container| !container.has_ended());
                let mut next = goes(world, At::Ends(generation), |world| match signal {
                    _ if !alive => {}
                    Signal::Kill => the(world, id).killed = true,
                    _ => the(world, id).asked_to_stop = true,
                });
                // It ended before it was had; else just after.
                if !alive {
                    next.extend(self.answers(world, &Answer::NotRunning));
                }
                next
            }
            At::Ends(generation) => match world.find(generation) {
                Some(container) if !container.has_ended() => Vec::new(),
                Some(_) => goes(world, At::Releases(generation, For::Kill), |_| {}),
                // Deleted by somebody else: there is nothing to release.
                None => self.answers(world, &Answer::Done),
            },
            _ => self.release(world, at, true, |verb, world| verb.answers(world, &Answer::Done)),
        }
    }

    fn delete(&self, world: &World, at: At, id: Id, force: bool) -> Next {
        // A run that failed has answered already.
        let gone = || match (self.act, force) {
            (Act::Run(_), _) => self.tells(world, |_| {}),
            (_, true) => self.answers(world, &Answer::Done),
            (_, false) => self.answers(world, &Answer::DoesNotExist),
        };
        match at {
            At::Begin | At::ToDelete(_) => match world.containers[id] {
                None => gone(),
                Some(container) if !container.recorded => goes(world, At::ToLock(None), |_| {}),
                Some(container) if force => goes(world, At::Ending(container.generation), |world| {
                    the(world, id).killed = true;
                }),
                Some(container) if container.has_ended() => {
                    goes(world, At::ToLock(Some(container.generation)), |_| {})
                }
                Some(container) => self.answers(world, &Answer::Status(container.status())),
            },
            At::Ending(generation) => match world.find(generation) {
                Some(container) if !container.has_ended() => Vec::new(),
                _ => goes(world, At::ToLock(Some(generation)), |_| {}),
            },
            At::ToLock(generation) => {
                let there = world.containers[id];
                let Some(container) = there.filter(|one| generation.is_none_or(|it| it == one.generation))
                else {
                    return gone();
                };
                match container.status() {
                    _ if container.locked => Vec::new(),
                    status if status != Status::Stopped && !force => {
                        self.answers(world, &Answer::Status(status))
                    }
                    _ => goes(world, At::Releases(container.generation, For::Delete), |world| {
                        let container = the(world, id);
                        (container.locked, container.killed) = (true, true);
                    }),
                }
            }
            At::Releases(generation, _) if !world.find(generation).is_some_and(|one| one.has_ended()) => {
                Vec::new()
            }
            At::Releases(generation, _) | At::Helps(generation, _) => {
                self.release(world, at, false, |_, world| goes(world, At::Removes(generation), |_| {}))
            }
            _ => match self.act {
                Act::Run(_) => self.tells(world, |world| world.containers[id] = None),
                _ => self.answers_after(world, &Answer::Done, |world| world.containers[id] = None),
            },
        }
    }

    /// Stops what an ended proxy left, and puts back what it noted.
    fn release(
        &self,
        world: &World,
        at: At,
        keep_crashed: bool,
        then: impl Fn(&Self, &World) -> Next,
    ) -> Next {
        let (At::Releases(generation, whom) | At::Helps(generation, whom)) = at else { return Vec::new() };
        let Some(container) = world.find(generation) else { return then(self, world) };
        let processor = world.processors[container.on];
        let ours = processor.firmware == generation;
        let is_released = match processor.power {
            // With a recovery, which passes through offline, only a write tells.
            Power::Offline | Power::Reloading | Power::Booting => {
                !(container.noted || ours && processor.recovers)
            }
            Power::Running => !ours,
            Power::Crashed | Power::ToRecover | Power::Stopping => {
                (keep_crashed && !processor.recovers) || !ours
            }
        };
        match (at, processor.holder) {
            (At::Releases(..), _) if is_released => then(self, world),
            (At::Releases(..), Holder::Nobody) => goes(world, At::Helps(generation, whom), |world| {
                world.processors[container.on].holder = Holder::Helper;
            }),
            // Somebody else has it: until it is released by that.
            (At::Releases(..), _) => Vec::new(),
            _ if !processor.is_free() && !is_released => Vec::new(),
            _ => {
                let mut world = *world;
                if !is_released && (ours || processor.power.word() == "crashed") {
                    world.stop(container.on);
                }
                if world.processors[container.on].power == Power::Offline {
                    world.restore(generation.id);
                }
                world.processors[container.on].holder = Holder::Nobody;
                then(self, &world)
            }
        }
    }

    fn list(&self, world: &World, at: At) -> Next {
        let Answer::Lists(seen) = self.answer else { return Vec::new() };
        let id = if let At::Looks(id) = at { id } else { 0 };
        if id == IDS.len() {
            return self.tells(world, |_| {});
        }
        let status = world.containers[id].map(|container| container.status());
        if status == seen[id] { goes(world, At::Looks(id + 1), |_| {}) } else { Vec::new() }
    }

    fn stop_past(&self, world: &World, cpu: Cpu) -> Next {
        let processor = world.processors[cpu];
        if !processor.is_free() {
            return Vec::new();
        }
        self.tells(world, |world| {
            let processor = &mut world.processors[cpu];
            if processor.power == Power::Running {
                processor.starts -= 1;
                if processor.starts == 0 {
                    processor.power = Power::Offline;
                }
            }
        })
    }

    /// A boot takes its time, in which the state reads offline and the firmware may be removed; then it runs nobody's.
    fn start_past(&self, world: &World, at: At, cpu: Cpu) -> Next {
        let processor = world.processors[cpu];
        let named = world.id_of(processor.firmware);
        let refused = named.is_none_or(|id| world.containers[id].unwrap().firmware == Firmware::Refused);
        match at {
            _ if *self.answer == Answer::Hit(false) => self.tells(world, |_| {}),
            At::Begin if !processor.is_free() => Vec::new(),
            At::Begin if processor.starts > 0 => self.tells(world, |world| world.processors[cpu].starts += 1),
            At::Begin if refused => self.tells(world, |_| {}),
            At::Begin => goes(world, At::Boots(processor.firmware), |world| {
                (world.processors[cpu].starts, world.processors[cpu].power) = (1, Power::Booting);
            }),
            _ => self.tells(world, |world| match named {
                Some(id) => world.boots(cpu, id),
                None => world.processors[cpu].power = Power::Running,
            }),
        }
    }
}

fn goes(world: &World, at: At, change: impl FnOnce(&mut World)) -> Next {
    let mut world = *world;
    change(&mut world);
    vec![(world, at)]
}

/// The container of this id, which is there.
fn the(world: &mut World, id: Id) -> &mut Container {
    world.containers[id].as_mut().unwrap()
}

fn unlock(world: &mut World, id: Id) {
    if let Some(container) = &mut world.containers[id] {
        container.locked = false;
    }
}
