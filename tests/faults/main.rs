//! Kills each verb, the proxy and the helper at each of their system calls, and has each call fail; and looks at what is left.
//!
//!     cargo test --test faults -- [--every N] [--errors-every N] [--only WORD] [--from INDEX]
//!
//! With `--every`, one call of N is killed at and one error of N injected; with `--errors-every`, one of N of those errors.
// What fails is a survivor of its fault.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod aftermath;
mod calls;
mod cases;
#[path = "../scenarios/harness/mod.rs"]
#[allow(dead_code, unused_imports)]
mod harness;
mod report;
mod tracer;

use std::io::{BufRead, BufReader, Write};
use std::panic::AssertUnwindSafe;
use std::process::{Child, Command, ExitCode, Stdio};

use cases::{CASES, Case, Place, Subject};
use report::Count;
use rustix::io::Errno;
use tracer::{Fault, Plan};

/// What calls fail with.
const ERRORS: [Errno; 5] = [Errno::NOSPC, Errno::IO, Errno::ACCESS, Errno::INTR, Errno::ROFS];

#[derive(Clone, Debug)]
struct Options {
    every: usize,
    errors_every: usize,
    only: Option<String>,
    from: usize,
    /// The number of this process among those that share the work.
    worker: Option<(usize, usize)>,
}

fn main() -> ExitCode {
    let Some(options) = read_options(std::env::args().skip(1)) else {
        eprintln!("the options are: --every N, --errors-every N, --only WORD, --from INDEX");
        return ExitCode::from(2);
    };
    match options.worker {
        Some((number, of)) => work(&options, number, of),
        None => share(&options),
    }
}

fn read_options(mut words: impl Iterator<Item = String>) -> Option<Options> {
    let mut options = Options { every: 1, errors_every: 1, only: None, from: 0, worker: None };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--every" => options.every = words.next()?.parse().ok().filter(|every| *every > 0)?,
            "--errors-every" => {
                options.errors_every = words.next()?.parse().ok().filter(|every| *every > 0)?;
            }
            "--only" => options.only = Some(words.next()?),
            "--from" => options.from = words.next()?.parse().ok()?,
            "--worker" => options.worker = Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?)),
            _ => return None,
        }
    }
    Some(options)
}

/// A process for each core: one that traces may wait for any of its children.
fn share(options: &Options) -> ExitCode {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let children: Vec<Child> = (0..workers)
        .map(|number| {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(std::env::args().skip(1)).args([
                "--worker",
                &number.to_string(),
                &workers.to_string(),
            ]);
            command.stdout(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut counts: Vec<(&str, Count)> = chosen(options).map(|case| (case.name, Count::default())).collect();
    let mut whole = true;
    for mut child in children {
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let told = line.split_once('\t').and_then(|(name, count)| Some((name, Count::parse(count)?)));
            let Some((name, count)) = told else { continue };
            for (_, known) in counts.iter_mut().filter(|(known, _)| *known == name) {
                known.merge(&count);
            }
        }
        whole &= child.wait().unwrap().success();
    }
    report::print(&counts, options.every, options.every * options.errors_every);
    let tried = counts.iter().all(|(_, count)| count.killed > 0);
    let survivors: usize = counts.iter().map(|(_, count)| count.survivors).sum();
    if whole && tried && survivors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn chosen(options: &Options) -> impl Iterator<Item = &'static Case> {
    let only = options.only.clone();
    CASES.iter().filter(move |case| only.as_deref().is_none_or(|only| case.name.contains(only)))
}

fn work(options: &Options, number: usize, of: usize) -> ExitCode {
    // What went wrong is told once, with the fault.
    std::panic::set_hook(Box::new(|_| {}));
    let mut place = Place::new();
    for case in chosen(options) {
        let mut count = Count::default();
        let calls = match attempt(|| listen(&place, case)) {
            Ok(calls) => calls,
            Err(problem) => {
                eprintln!("{}: without a fault: {problem}", case.name);
                return ExitCode::FAILURE;
            }
        };
        count.calls = calls.len();
        for (round, plan) in
            plans(options, case, &calls).enumerate().filter(|(round, _)| round % of == number)
        {
            match attempt(|| try_one(&place, case, plan, round)) {
                Ok(None) => {}
                Ok(Some(came)) => count.add(plan.fault, Some(came)),
                Err(problem) => {
                    count.add(plan.fault, None);
                    let call = calls.get(plan.at).map_or("the end".to_owned(), |call| calls::name(*call));
                    eprintln!("{}: {:?} at call {} ({call}): {problem}", case.name, plan.fault, plan.at);
                    place = Place::new();
                }
            }
            reap_orphans();
        }
        println!("{}\t{}", case.name, count.to_line());
        std::io::stdout().flush().unwrap();
    }
    ExitCode::SUCCESS
}

/// The calls of a case that nothing happens to.
fn listen(place: &Place, case: &Case) -> Vec<u64> {
    place.prepare(case.before);
    let (followed, outcome) = place.play(case, None);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    aftermath::recover(place, 0, None);
    followed.calls
}

/// Every call, and every fault at it.
fn plans(options: &Options, case: &Case, calls: &[u64]) -> impl Iterator<Item = Plan> {
    // An error before main is the loader's.
    let start_up = if case.subject == Subject::Proxy { 0 } else { calls::of_start_up(calls) };
    let (mut kills, mut errors) = (Vec::new(), Vec::new());
    for (at, call) in calls.iter().enumerate().skip(options.from) {
        kills.push(Plan { at, fault: Fault::Kill });
        if at >= start_up && calls::fallible(*call).is_some() {
            errors.extend(ERRORS.map(|errno| Plan { at, fault: Fault::Fail(errno) }));
        }
    }
    let errors = errors.into_iter().step_by(options.every * options.errors_every);
    kills.into_iter().step_by(options.every).chain(errors)
}

/// What came of a fault; none where this run did not come so far.
fn try_one(place: &Place, case: &Case, plan: Plan, round: usize) -> Option<aftermath::Came> {
    place.prepare(case.before);
    let (followed, outcome) = place.play(case, Some(plan));
    let came = followed.injected.then(|| aftermath::judge(place, case, plan.fault, &outcome));
    aftermath::recover(place, round, Some(&outcome));
    came
}

/// Proxies and helpers that came to us when the verb that had started them was killed.
fn reap_orphans() {
    use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
    while waitpid(None, Some(WaitPidFlag::WNOHANG)).is_ok_and(|status| status != WaitStatus::StillAlive) {}
}

/// What it gives, or what it says when it fails.
fn attempt<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    std::panic::catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    })
}
