//! Sequences of verbs that come at the same moment, thousands of them: whatever comes of a round must be what some order of
//! its verbs would have given.
//!
//! A seed makes a sequence (`plan.rs`). Each of its rounds is carried out by processes that are started together, and
//! disturbed by crashes, by kills of proxies and by others who write to sysfs (`play.rs`). Then the answers of all verbs
//! and what there is are explained by a model of the machine (`model.rs`, `verbs.rs`), of which every order of steps is
//! looked through (`explain.rs`). A sequence that fails is made smaller for as long as it fails, and printed with its seed.
//!
//! | variable | |
//! |---|---|
//! | `SEQUENCES_ROUNDS` | so many rounds in all; 150 without it, 24 on a real kernel |
//! | `SEQUENCES_SEED` | the first seed, the others follow; 1 without it |
//! | `SEQUENCES_JOBS` | sequences that are played at the same time, on machines of their own; 4 without it |

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::harness::chosen;

mod explain;
mod model;
mod plan;
mod play;
mod verbs;
mod words;

use plan::{Sequence, sequences};
use play::{Failure, Figures, Stage, abilities};

/// How often a smaller sequence is played before it is believed to be good, since what fails depends on the moment: by so
/// many threads, so often each.
const THREADS: usize = 6;
const TRIES: usize = 8;

/// For how long smaller ones are tried.
const SMALLER_FOR: Duration = Duration::from_secs(90);

/// Seeds that once failed, played first.
const KNOWN: &str = include_str!("sequences/seeds");

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}: no number")))
}

#[test]
fn what_comes_of_verbs_at_the_same_moment_some_order_of_them_explains() {
    let rounds = number("SEQUENCES_ROUNDS", if chosen().is_some() { 24 } else { 150 });
    let jobs = if chosen().is_some() { 1 } else { number("SEQUENCES_JOBS", 4) };
    let known =
        KNOWN.lines().filter(|line| !line.starts_with('#')).map(|line| line.trim().parse::<u64>().unwrap());
    let seeds = Mutex::new(known.chain(number("SEQUENCES_SEED", 1)..));
    let (total, failed) = (Mutex::new(Figures::default()), Mutex::new(None));
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while (total.lock().unwrap().rounds as u64) < rounds && failed.lock().unwrap().is_none() {
                    let seed = seeds.lock().unwrap().next().unwrap();
                    let mut figures = Figures::default();
                    if let Err(problem) = try_seed(seed, &mut figures) {
                        failed.lock().unwrap().get_or_insert(problem);
                    }
                    total.lock().unwrap().add(&figures);
                }
            });
        }
    });
    if let Some(problem) = failed.into_inner().unwrap() {
        panic!("{problem}");
    }
    total.into_inner().unwrap().report(begin.elapsed());
}

/// Plays the sequence of a seed, and where that fails, smaller ones.
fn try_seed(seed: u64, figures: &mut Figures) -> Result<(), String> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let sequence = sequences(abilities()).new_tree(&mut runner).unwrap().current();
    let Err(failure) = play_once(&sequence, figures) else { return Ok(()) };
    println!("seed {seed} fails, and is made smaller:\n{sequence}{}", failure.problem);
    let (least, failure) = smallest(sequence, failure);
    Err(format!("SEQUENCES_SEED={seed} fails; the smallest that does:\n{least}{}", failure.problem))
}

/// Leaves out what it fails without: what comes after the failure, then rounds, then parts of rounds. Not by the tree that
/// made it, which takes each try at its word, while what fails here depends on the moment.
fn smallest(sequence: Sequence, failure: Failure) -> (Sequence, Failure) {
    let begin = Instant::now();
    let (mut least, mut failure) = (sequence, failure);
    least.0.truncate(failure.round + 1);
    let mut place = 0;
    while let Some(smaller) = least.without(place) {
        if begin.elapsed() > SMALLER_FOR {
            break;
        }
        match play_often(&smaller) {
            Err(again) => {
                (least, failure) = (smaller, again);
                least.0.truncate(failure.round + 1);
            }
            Ok(()) => place += 1,
        }
    }
    (least, failure)
}

/// Until it fails once.
fn play_often(sequence: &Sequence) -> Result<(), Failure> {
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..if chosen().is_some() { 1 } else { THREADS } {
            scope.spawn(|| {
                for _ in 0..TRIES {
                    if failed.lock().unwrap().is_some() {
                        return;
                    }
                    if let Err(problem) = play_once(sequence, &mut Figures::default()) {
                        failed.lock().unwrap().get_or_insert(problem);
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap().map_or(Ok(()), Err)
}

/// On a machine of its own.
fn play_once(sequence: &Sequence, figures: &mut Figures) -> Result<(), Failure> {
    let stage = Stage::new();
    catch_unwind(AssertUnwindSafe(|| stage.play(sequence, figures))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(Failure { round: sequence.0.len(), problem: text.unwrap_or_default() })
    })
}
