//! What many containers cost the verb that looks at all of them.

use crate::Outcome;
use crate::machine::{Machine, Programs};
use crate::measure::{Spread, ms, sample};

const ROUNDS: usize = 20;

pub fn report(programs: &Programs) -> Outcome {
    println!("\nlist over created containers, {ROUNDS} runs: wall ms: min median max, peak kB");
    let machine = Machine::simulated(programs)?;
    let mut pids = Vec::new();
    for count in [1, 100, 1000] {
        while pids.len() < count {
            pids.push(machine.create(&format!("c{}", pids.len()))?);
        }
        let line = machine.line(&["list"]);
        let samples: Vec<_> = (0..ROUNDS).map(|_| sample(&programs.launch, &line)).collect::<Outcome<_>>()?;
        let wall = Spread::of(samples.iter().map(|sample| ms(sample.wall)))?;
        let peak = Spread::of(samples.iter().map(|sample| sample.peak as f64))?;
        println!("{:24} {wall} {:8.0}", format!("{count} containers"), peak.median);
    }
    for (number, pid) in pids.into_iter().enumerate() {
        machine.run(&["delete", "--force", &format!("c{number}")])?;
        machine.reap(pid)?;
    }
    Ok(())
}
