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

pub fn report(programs: &Programs) -> Outcome {
    let machine = Machine::new(programs)?;
    let mut rows: Vec<Row> = Vec::new();
    let spec = machine.state.with_file_name("spec");
    let firmware = machine.state.with_file_name("blink.elf");
    let (bundle, written, firmware) =
        (machine.bundle.to_string_lossy(), spec.to_string_lossy(), firmware.to_string_lossy());
    // A container's life in the order in which it is lived; list and state see a running one.
    let life: [&[&str]; 10] = [
        &["--version"],
        &["features"],
        &["spec", "--bundle", &written, "--processor", "m4", "--firmware", &firmware],
        &["create", "--bundle", &bundle, "x"],
        &["start", "x"],
        &["state", "x"],
        &["list"],
        &["ps", "x"],
        &["kill", "x"],
        &["delete", "x"],
    ];
    let others: Vec<Vec<String>> = ["runc", "crun"]
        .into_iter()
        .filter_map(|name| Some(vec![in_path(name)?.to_string_lossy().into_owned(), "--version".into()]))
        .collect();
    for round in 0..=ROUNDS {
        let lines = life.iter().map(|verb| (verb[0].to_owned(), machine.line(verb)));
        let other = |line: &Vec<String>| (format!("{} --version", line[0]), line.clone());
        for (name, line) in lines.chain(others.iter().map(other)) {
            let noop = sample(&programs.launch, &[programs.noop.to_string_lossy().into_owned()])?;
            let verb = sample(&programs.launch, &line)?;
            // The first round only warms up.
            if round > 0 {
                add(&mut rows, name, (noop, verb));
            }
        }
        std::fs::remove_dir_all(&spec)?;
    }
    print(&rows)
}

fn add(rows: &mut Vec<Row>, name: String, pair: (Sample, Sample)) {
    match rows.iter_mut().find(|row| row.name == name) {
        Some(row) => row.samples.push(pair),
        None => rows.push(Row { name, samples: vec![pair] }),
    }
}

fn print(rows: &[Row]) -> Outcome {
    println!("\nverbs, {ROUNDS} runs each, in turns with a static program that does nothing");
    println!(
        "{:24} {:>26} {:>17} {:>9} {:>8}",
        "", "wall ms: min median max", "x no-op (pairs)", "+ ms", "peak kB"
    );
    for row in rows {
        let of = |figure: &dyn Fn(&(Sample, Sample)) -> f64| Spread::of(row.samples.iter().map(figure));
        let wall = of(&|(_, verb)| ms(verb.wall))?;
        let ratio = of(&|(noop, verb)| verb.wall.as_secs_f64() / noop.wall.as_secs_f64())?;
        let more = of(&|(noop, verb)| ms(verb.wall) - ms(noop.wall))?;
        let peak = of(&|(_, verb)| verb.peak as f64)?;
        println!("{:24} {wall} {:16.2} {:10.2} {:8.0}", row.name, ratio.median, more.median, peak.median);
    }
    let noops = rows.iter().flat_map(|row| row.samples.iter().map(|(noop, _)| noop));
    let wall = Spread::of(noops.clone().map(|noop| ms(noop.wall)))?;
    let peak = Spread::of(noops.map(|noop| noop.peak as f64))?;
    println!("{:24} {wall} {:16.2} {:10.2} {:8.0}", "(no-op)", 1.0, 0.0, peak.median);
    Ok(())
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}
