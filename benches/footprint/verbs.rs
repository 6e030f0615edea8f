//! Each verb's wall time and peak memory, as a ratio to a program that does nothing, measured in turns with it.

use std::path::PathBuf;

use crate::Outcome;
use crate::machine::{Machine, Programs};
use crate::measure::{Sample, Spread, ms, sample};

/// How often each is run.
const ROUNDS: usize = 100;

/// A row: what was run, and the program that does nothing before each run.
struct Row {
    name: String,
    samples: Vec<(Sample, Sample)>,
}

/// A container's life in the order in which it is lived, but for its running: on files that answer at once, so that the
/// verbs are measured and not the simulated board.
const AT_REST: [&[&str]; 8] = [
    &["--version"],
    &["features"],
    &["create", "--bundle", "BUNDLE", "x"],
    &["state", "x"],
    &["list"],
    &["ps", "x"],
    &["kill", "x"],
    &["delete", "x"],
];

/// What takes a processor that starts and stops: each file of the simulated board is answered by another process.
const RUNNING: [&[&str]; 5] = [
    &["create", "--bundle", "BUNDLE", "x"],
    &["start", "x"],
    &["state", "x"],
    &["kill", "x"],
    &["delete", "x"],
];

pub fn report(programs: &Programs) -> Outcome {
    println!(
        "\nverbs, {ROUNDS} runs each, in turns with a static program that does nothing; state directory in memory"
    );
    println!(
        "{:24} {:>26} {:>17} {:>9} {:>8}",
        "", "wall ms: min median max", "x no-op (pairs)", "+ ms", "peak kB"
    );
    let machine = Machine::at_rest(programs)?;
    let mut rows = measure(programs, &machine, &AT_REST)?;
    rows.extend(spec(programs, &machine)?);
    rows.extend(others(programs)?);
    let noops = rows.iter().flat_map(|row| row.samples.iter().map(|(noop, _)| noop));
    let wall = Spread::of(noops.clone().map(|noop| ms(noop.wall)))?;
    let peak = Spread::of(noops.map(|noop| noop.peak as f64))?;
    println!("{:24} {wall} {:16.2} {:10.2} {:8.0}", "(no-op)", 1.0, 0.0, peak.median);
    print(&rows)?;
    println!("2 x no-op + 1 ms, at the medians: {:.2} ms", 2.0 * wall.median + 1.0);
    println!("on the simulated board, which answers through FUSE:");
    print(&measure(programs, &Machine::simulated(programs)?, &RUNNING)?)
}

/// Runs each of `verbs` on the machine, round by round.
fn measure(programs: &Programs, machine: &Machine<'_>, verbs: &[&[&str]]) -> Outcome<Vec<Row>> {
    let bundle = machine.bundle.to_string_lossy();
    let lines: Vec<Vec<String>> = verbs
        .iter()
        .map(|verb| {
            machine.line(
                &verb.iter().map(|&word| if word == "BUNDLE" { &bundle } else { word }).collect::<Vec<_>>(),
            )
        })
        .collect();
    let mut rows: Vec<Row> = verbs.iter().map(|verb| Row::new(verb[0])).collect();
    // The first round only warms up.
    for round in 0..=ROUNDS {
        for (row, line) in rows.iter_mut().zip(&lines) {
            row.run(programs, line, round > 0)?;
        }
    }
    Ok(rows)
}

/// `spec` writes a new bundle each time.
fn spec(programs: &Programs, machine: &Machine<'_>) -> Outcome<Option<Row>> {
    let written = machine.state.with_file_name("spec");
    let firmware = machine.state.with_file_name("blink.elf");
    let (bundle, firmware) = (written.to_string_lossy(), firmware.to_string_lossy());
    let line = machine.line(&["spec", "--bundle", &bundle, "--processor", "m4", "--firmware", &firmware]);
    let mut row = Row::new("spec");
    for round in 0..=ROUNDS {
        row.run(programs, &line, round > 0)?;
        std::fs::remove_dir_all(&written)?;
    }
    Ok(Some(row))
}

/// The runtimes of ordinary containers, where they are installed: what they need to say their version.
fn others(programs: &Programs) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    for path in ["runc", "crun"].into_iter().filter_map(in_path) {
        let line = [path.to_string_lossy().into_owned(), "--version".to_owned()];
        let mut row = Row::new(&line.join(" "));
        for round in 0..=ROUNDS {
            row.run(programs, &line, round > 0)?;
        }
        rows.push(row);
    }
    Ok(rows)
}

impl Row {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), samples: Vec::new() }
    }

    /// Runs the program that does nothing, and then `line`.
    fn run(&mut self, programs: &Programs, line: &[String], counts: bool) -> Outcome {
        let noop = sample(&programs.launch, &[programs.noop.to_string_lossy().into_owned()])?;
        let pair = (noop, sample(&programs.launch, line)?);
        self.samples.extend(counts.then_some(pair));
        Ok(())
    }
}

fn print(rows: &[Row]) -> Outcome {
    for row in rows {
        let of = |figure: &dyn Fn(&(Sample, Sample)) -> f64| Spread::of(row.samples.iter().map(figure));
        let wall = of(&|(_, verb)| ms(verb.wall))?;
        let ratio = of(&|(noop, verb)| verb.wall.as_secs_f64() / noop.wall.as_secs_f64())?;
        let more = of(&|(noop, verb)| ms(verb.wall) - ms(noop.wall))?;
        let peak = of(&|(_, verb)| verb.peak as f64)?;
        println!("{:24} {wall} {:16.2} {:10.2} {:8.0}", row.name, ratio.median, more.median, peak.median);
    }
    Ok(())
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}
