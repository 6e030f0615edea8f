//! Whether some order of what was done explains what came of it: every order is looked through, until one does.

use std::collections::HashSet;
use std::fmt;

use super::model::{Holder, Phase, Power, Status, World};
use super::plan::{Act, Firmware, IDS, Id, PROCESSORS};
use super::verbs::{Answer, At, Verb};

/// What can be seen of a machine on which nothing is under way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sight {
    pub containers: [Option<Shown>; IDS.len()],
    pub processors: [Seen; PROCESSORS.len()],
}

/// What can be seen of a container.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shown {
    pub on: usize,
    pub firmware: Firmware,
    pub status: Status,
    /// It has noted settings of its processor.
    pub noted: bool,
}

/// What can be seen of a processor.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Seen {
    pub power: Power,
    /// The container whose firmware it names.
    pub firmware: Option<Id>,
    pub starts: u8,
    pub recovers: bool,
}

/// The orders that were looked through: how many machines came up in them, and the explanation.
#[derive(Debug)]
pub struct Search {
    pub worlds: usize,
    pub explained: bool,
    /// Where some order with these answers ends, if it ends otherwise than was seen.
    pub otherwise: Option<Sight>,
}

/// Looks for an order of `acts`, which gave `answers`, that leads from `before` to `after`.
pub fn explain(before: &Sight, acts: &[Act], answers: &[Answer], after: &Sight) -> Search {
    let verbs: Vec<Verb<'_>> = acts.iter().zip(answers).map(|(&act, answer)| Verb { act, answer }).collect();
    let begin = (before.world(), vec![At::Begin; verbs.len()]);
    let mut search = Search { worlds: 0, explained: false, otherwise: None };
    let mut known = HashSet::from([begin.clone()]);
    let mut open = vec![begin];
    while let Some((world, at)) = open.pop() {
        search.worlds += 1;
        let mut ended = true;
        let mut go = |world: World, at: Vec<At>| {
            ended = false;
            if known.insert((world, at.clone())) {
                open.push((world, at));
            }
        };
        for (index, verb) in verbs.iter().enumerate().filter(|(index, _)| at[*index] != At::Answered) {
            for (world, then) in verb.steps(&world, at[index]) {
                let mut at = at.clone();
                at[index] = then;
                go(world, at);
            }
        }
        for world in world.own_steps() {
            go(world, at.clone());
        }
        if ended && at.iter().all(|at| *at == At::Answered) {
            let sight = Sight::of(&world);
            if sight == *after {
                search.explained = true;
                return search;
            }
            search.otherwise = Some(sight);
        }
    }
    search
}

impl Sight {
    fn of(world: &World) -> Self {
        let shown = |container: super::model::Container| Shown {
            on: container.on,
            firmware: container.firmware,
            status: container.status(),
            noted: container.noted,
        };
        Self {
            containers: world.containers.map(|container| container.map(shown)),
            processors: world.processors.map(|processor| Seen {
                power: processor.power,
                firmware: world.id_of(processor.firmware),
                starts: processor.starts,
                recovers: processor.recovers,
            }),
        }
    }

    /// The machine that looks like this.
    fn world(&self) -> World {
        let mut world = World::new();
        for (id, shown) in self.containers.iter().enumerate() {
            let Some(shown) = shown else { continue };
            let generation = world.make(super::plan::Make { id, on: shown.on, firmware: shown.firmware });
            let Some(container) = &mut world.containers[id] else { continue };
            (container.recorded, container.locked, container.noted) = (true, false, shown.noted);
            container.phase = match shown.status {
                Status::Running => Phase::Running,
                Status::Stopped => Phase::Ended,
                Status::Created | Status::Creating => Phase::Waiting,
            };
            if shown.status == Status::Running {
                world.processors[shown.on].holder = Holder::Proxy(generation);
            }
        }
        for (processor, seen) in world.processors.iter_mut().zip(&self.processors) {
            processor.power = seen.power;
            (processor.starts, processor.recovers) = (seen.starts, seen.recovers);
            let named = seen.firmware.and_then(|id| world.containers[id]);
            processor.firmware = named.map_or(super::model::Generation::GONE, |named| named.generation);
        }
        world
    }
}

impl fmt::Display for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, shown) in self.containers.iter().enumerate() {
            if let Some(Shown { on, firmware, status, noted }) = shown {
                let noted = if *noted { ", settings noted" } else { "" };
                write!(f, "{} is {} ({firmware:?} on {}{noted}); ", IDS[id], status.word(), PROCESSORS[*on])?;
            }
        }
        for (cpu, seen) in self.processors.iter().enumerate() {
            let Seen { power, firmware, starts, recovers } = seen;
            let firmware = firmware.map_or("nobody", |id| IDS[id]);
            let recovery = if *recovers { "" } else { ", without recovery" };
            let name = PROCESSORS[cpu];
            write!(f, "{name} is {} ({starts} starts, firmware of {firmware}{recovery}); ", power.word())?;
        }
        Ok(())
    }
}
