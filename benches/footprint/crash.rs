//! How long after a crash the container has ended.

use std::time::Instant;

use crate::Outcome;
use crate::machine::{Machine, Programs};
use crate::measure::{Spread, ms};

/// How often.
const ROUNDS: usize = 30;

pub fn report(programs: &Programs) -> Outcome {
    println!("\ncrash to the end of the container, {ROUNDS} times, recovery disabled: ms: min median max");
    for (name, kmsg) in [("with kmsg", "on"), ("without kmsg", "off")] {
        let machine = Machine::simulated(programs)?;
        machine.write("board/kmsg", kmsg)?;
        machine.write("sys/class/remoteproc/remoteproc0/recovery", "disabled")?;
        let mut ends = Vec::new();
        for round in 0..ROUNDS {
            let pid = machine.create("x")?;
            machine.run(&["start", "x"])?;
            // Anywhere between two polls of the state.
            std::thread::sleep(std::time::Duration::from_millis(37 * round as u64 % 1000));
            let begin = Instant::now();
            machine.write("sys/kernel/debug/remoteproc/remoteproc0/crash", "1")?;
            machine.reap(pid)?;
            ends.push(ms(begin.elapsed()));
            machine.run(&["delete", "x"])?;
        }
        println!("{name:24} {}", Spread::of(ends)?);
    }
    Ok(())
}
