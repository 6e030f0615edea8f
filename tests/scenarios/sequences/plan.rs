//! What is played: sequences of rounds, and what is done at the same moment in a round.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy};
use proptest::prop_oneof;

/// The ids of the containers, and how many processors they are for.
pub const IDS: [&str; 3] = ["x", "y", "z"];
pub const PROCESSORS: [&str; 2] = ["m4", "other"];

/// At most so much happens at once: the orders that are looked through grow by it.
const AT_ONCE: usize = 5;
const ROUNDS: usize = 12;

/// What a container's firmware does.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Firmware {
    Runs,
    /// Crashes as soon as it runs, and asks for no recovery.
    Crashes,
    /// Is refused by the kernel.
    Refused,
}

/// A container's id, by its place in [`IDS`].
pub type Id = usize;
/// A processor, by its number.
pub type Cpu = usize;

/// What a container is made of.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Make {
    pub id: Id,
    pub on: Cpu,
    pub firmware: Firmware,
}

/// What `kill` is asked to send.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Signal {
    Term,
    Int,
    /// TERM, with `--all`.
    All,
    Kill,
    /// 0, which only tests.
    Test,
}

/// One of the things that are done at the same moment: a verb, or what others do to a processor or a proxy.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Act {
    Create(Make),
    /// `run --detach`.
    Run(Make),
    Start(Id),
    Kill(Id, Signal),
    Delete(Id),
    DeleteByForce(Id),
    State(Id),
    List,
    /// The processor crashes.
    Crash(Cpu),
    /// Somebody else writes `stop` to sysfs.
    StopPast(Cpu),
    /// Somebody else writes `start` to sysfs.
    StartPast(Cpu),
    /// The proxy of a container gets a SIGKILL from somebody else.
    EndProxy(Id),
}

pub type Round = Vec<Act>;

/// Rounds on one machine, one after the other.
#[derive(Clone, Debug)]
pub struct Sequence(pub Vec<Round>);

/// What a machine can be made to do.
#[derive(Clone, Copy, Debug)]
pub struct Abilities {
    pub processors: usize,
    /// It can be told to crash some firmware at once.
    pub crashes_at_once: bool,
    /// A recovery can be made to take its time.
    pub recovers_slowly: bool,
    /// It refuses a segment outside the processor's memory.
    pub refuses: bool,
    /// It shows how many starts count, so that somebody else's can be followed.
    pub counts: bool,
}

/// Sequences for such a machine.
pub fn sequences(can: Abilities) -> impl Strategy<Value = Sequence> {
    let begin = vec(make(can).prop_map(Act::Create), 1..=IDS.len());
    let rounds = vec(vec(act(can), 1..=AT_ONCE).prop_map(sensible), 1..=ROUNDS);
    (begin, rounds).prop_map(|(begin, mut rounds)| {
        rounds.insert(0, begin);
        Sequence(rounds)
    })
}

fn make(can: Abilities) -> impl Strategy<Value = Make> + Clone {
    let firmware = prop_oneof![
        6 => Just(Firmware::Runs),
        // What a board cannot do is something else there: no choice may have no weight.
        1 => Just(if can.crashes_at_once { Firmware::Crashes } else { Firmware::Runs }),
        1 => Just(if can.refuses { Firmware::Refused } else { Firmware::Runs }),
    ];
    (0..IDS.len(), 0..can.processors, firmware).prop_map(|(id, on, firmware)| Make { id, on, firmware })
}

fn act(can: Abilities) -> impl Strategy<Value = Act> {
    let id = || 0..IDS.len();
    let cpu = move || 0..can.processors;
    let make = make(can);
    let signal = prop_oneof![
        4 => Just(Signal::Term),
        1 => Just(Signal::Int),
        1 => Just(Signal::All),
        4 => Just(Signal::Kill),
        1 => Just(Signal::Test),
    ];
    prop_oneof![
        9 => make.clone().prop_map(Act::Create),
        4 => make.prop_map(Act::Run),
        9 => id().prop_map(Act::Start),
        6 => (id(), signal).prop_map(|(id, signal)| Act::Kill(id, signal)),
        2 => id().prop_map(Act::Delete),
        4 => id().prop_map(Act::DeleteByForce),
        2 => id().prop_map(Act::State),
        1 => Just(Act::List),
        3 => cpu().prop_map(Act::Crash),
        1 => cpu().prop_map(Act::StopPast),
        1 => cpu().prop_map(move |cpu| if can.counts { Act::StartPast(cpu) } else { Act::StopPast(cpu) }),
        2 => id().prop_map(Act::EndProxy),
    ]
}

/// A start by somebody else is not followed by a crash in the same round: a kernel whose recovery does not find the firmware
/// of a container that was deleted meanwhile is wedged until its driver is bound anew.
fn sensible(mut round: Round) -> Round {
    let started: Vec<Cpu> = round
        .iter()
        .filter_map(|act| if let Act::StartPast(cpu) = act { Some(*cpu) } else { None })
        .collect();
    round.retain(|act| !matches!(act, Act::Crash(cpu) if started.contains(cpu)));
    round
}

impl Sequence {
    /// Without the part at `place`: a round, or, after all of these, a part of a round. None where there is no such place.
    pub fn without(&self, place: usize) -> Option<Self> {
        let mut smaller = self.clone();
        let Some(mut place) = place.checked_sub(self.0.len()) else {
            smaller.0.remove(place);
            return Some(smaller);
        };
        for round in &mut smaller.0 {
            if place < round.len() {
                round.remove(place);
                smaller.0.retain(|round| !round.is_empty());
                return Some(smaller);
            }
            place -= round.len();
        }
        None
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let made = |make: &Make| format!("{} on {}, {:?}", IDS[make.id], PROCESSORS[make.on], make.firmware);
        match *self {
            Self::Create(make) => write!(f, "create {}", made(&make)),
            Self::Run(make) => write!(f, "run --detach {}", made(&make)),
            Self::Start(id) => write!(f, "start {}", IDS[id]),
            Self::Kill(id, signal) => write!(f, "kill {} {signal:?}", IDS[id]),
            Self::Delete(id) => write!(f, "delete {}", IDS[id]),
            Self::DeleteByForce(id) => write!(f, "delete --force {}", IDS[id]),
            Self::State(id) => write!(f, "state {}", IDS[id]),
            Self::List => f.write_str("list"),
            Self::Crash(cpu) => write!(f, "{} crashes", PROCESSORS[cpu]),
            Self::StopPast(cpu) => write!(f, "somebody stops {}", PROCESSORS[cpu]),
            Self::StartPast(cpu) => write!(f, "somebody starts {}", PROCESSORS[cpu]),
            Self::EndProxy(id) => write!(f, "somebody kills {}'s proxy", IDS[id]),
        }
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, round) in self.0.iter().enumerate() {
            let acts: Vec<String> = round.iter().map(Act::to_string).collect();
            writeln!(f, "  round {}: {}", number + 1, acts.join(" | "))?;
        }
        Ok(())
    }
}
