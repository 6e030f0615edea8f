//! `simulated-board [--board NAME] [--backing DIR] [--until-eof] DIR`: a board to try things on.
//!
//! Prints `ready DIR` once the board is mounted on DIR, and unmounts it on SIGTERM or SIGINT, or,
//! with `--until-eof`, at the end of standard input.

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use simulated_board::{Board, BoardSpec};

const USAGE: &str = "usage: simulated-board [--board FAMILY] [--backing DIR] [--until-eof] DIR";

struct Arguments {
    spec: BoardSpec,
    backing: Option<PathBuf>,
    until_eof: bool,
    dir: PathBuf,
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("simulated-board: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, Box<dyn Error>> {
    let mut spec = BoardSpec::stm32mp15();
    let (mut backing, mut dir, mut until_eof) = (None, None, false);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--board" => {
                let name = words.next().unwrap_or_default();
                let found = BoardSpec::all().into_iter().find(|(known, _)| *known == name);
                spec = found.ok_or_else(|| format!("no board {name:?}\n{USAGE}\n{}", families()))?.1;
            }
            "--backing" => backing = Some(PathBuf::from(words.next().ok_or(USAGE)?)),
            "--until-eof" => until_eof = true,
            _ if word.starts_with('-') || dir.is_some() => return Err(USAGE.into()),
            _ => dir = Some(PathBuf::from(word)),
        }
    }
    Ok(Arguments { spec, backing, until_eof, dir: dir.ok_or(USAGE)? })
}

fn families() -> String {
    let names: Vec<_> = BoardSpec::all().iter().map(|(name, _)| *name).collect();
    format!("families: {}", names.join(" "))
}

fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let Arguments { spec, backing, until_eof, dir } = arguments;
    // Beside the mount point, so that firmware can be put there from outside as well.
    let backing = backing.unwrap_or_else(|| {
        let mut name = dir.clone().into_os_string();
        name.push(".files");
        name.into()
    });

    let (ended, end) = mpsc::channel();
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let signalled = ended.clone();
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            signalled.send(()).ok();
        }
    });
    if until_eof {
        std::thread::spawn(move || {
            std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).ok();
            ended.send(()).ok();
        });
    }

    let board = Board::mount(&dir, &backing, spec)?;
    let mut out = std::io::stdout();
    writeln!(out, "ready {}", dir.display())?;
    out.flush()?;
    end.recv()?;
    drop(board);
    Ok(())
}
