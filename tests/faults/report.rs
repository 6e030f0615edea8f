//! What was tried and what came of it.

use crate::aftermath::Came;
use crate::tracer::Fault;

/// What was counted of a case.
#[derive(Clone, Debug, Default)]
pub struct Count {
    pub calls: usize,
    pub killed: usize,
    pub failed: usize,
    pub done: usize,
    pub refused: usize,
    pub survivors: usize,
}

impl Count {
    pub fn add(&mut self, fault: Fault, came: Option<Came>) {
        match fault {
            Fault::Kill => self.killed += 1,
            Fault::Fail(_) => self.failed += 1,
        }
        match (fault, came) {
            (_, None) => self.survivors += 1,
            (Fault::Fail(_), Some(Came::Done)) => self.done += 1,
            (Fault::Fail(_), Some(_)) => self.refused += 1,
            (Fault::Kill, Some(_)) => {}
        }
    }

    pub fn merge(&mut self, other: &Self) {
        // Each worker follows a case once to see its calls.
        self.calls = self.calls.max(other.calls);
        self.killed += other.killed;
        self.failed += other.failed;
        self.done += other.done;
        self.refused += other.refused;
        self.survivors += other.survivors;
    }

    /// A line between processes.
    pub fn to_line(&self) -> String {
        let Self { calls, killed, failed, done, refused, survivors } = self;
        format!("{calls} {killed} {failed} {done} {refused} {survivors}")
    }

    pub fn parse(line: &str) -> Option<Self> {
        let numbers: Vec<usize> = line.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
        let [calls, killed, failed, done, refused, survivors] = numbers.try_into().ok()?;
        Some(Self { calls, killed, failed, done, refused, survivors })
    }
}

/// The section of docs/reliability.md.
pub fn print(counts: &[(&str, Count)], every: usize, errors_every: usize) {
    println!("-- report");
    println!("## Killed and refused at every system call\n");
    println!(
        "A verb, its proxy or its helper is stopped at each of its system calls and killed there; in another run \
         the call fails with ENOSPC, EIO, EACCES, EINTR or EROFS, where it can fail. Then `state` must tell the truth, \
         a refused verb have done all or nothing, `delete --force`, a fresh create and a start work, and no process, \
         firmware file, directory, lock, setting or running processor be left."
    );
    if every > 1 || errors_every > 1 {
        println!(
            "\nIn this run SIGKILL came at one call of {every}, and one error of {errors_every} was injected."
        );
    }
    println!(
        "\n| Followed | Calls | SIGKILL | Errors injected | of them: done all the same | reported | Survivors |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|");
    let mut all = Count::default();
    for (name, count) in counts {
        row(name, count);
        let calls = all.calls + count.calls;
        all.merge(count);
        all.calls = calls;
    }
    row("**all**", &all);
    println!("-- end");
}

fn row(name: &str, count: &Count) {
    let Count { calls, killed, failed, done, refused, survivors } = count;
    println!("| {name} | {calls} | {killed} | {failed} | {done} | {refused} | {survivors} |");
}
