//! The program `simulated-board`, and what is left of a board whose process died.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on is to stop at that line")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use simulated_board::{Board, BoardSpec};

fn start(dir: &Path, arguments: &[&str]) -> Child {
    let mut child = Command::new(env!("CARGO_BIN_EXE_simulated-board"))
        .args(arguments)
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, format!("ready {}\n", dir.display()));
    child
}

fn name(dir: &Path) -> Option<String> {
    fs::read_to_string(dir.join("sys/class/remoteproc/remoteproc0/name")).ok()
}

#[test]
fn it_unmounts_at_the_end_of_its_input() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path().join("root");
    let mut child = start(&dir, &["--until-eof", "--board", "am64x"]);
    assert_eq!(name(&dir).as_deref(), Some("78000000.r5f\n"));
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert_eq!(name(&dir), None);
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
}

#[test]
fn it_unmounts_on_sigterm_though_a_file_is_open() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path().join("root");
    let mut child = start(&dir, &[]);
    let held = fs::File::open(dir.join("dev/kmsg")).unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
    drop(held);
}

#[test]
fn a_board_mounts_over_a_dead_one() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path().join("root");
    let mut child = start(&dir, &[]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(name(&dir), None);
    let board = Board::mount(&dir, &directory.path().join("files"), BoardSpec::stm32mp15()).unwrap();
    assert_eq!(name(&dir).as_deref(), Some("m4\n"));
    drop(board);
    assert_eq!(name(&dir), None);
}

#[test]
fn what_it_does_not_understand_is_an_error() {
    for arguments in [&[][..], &["--board", "pdp11", "x"], &["--frobnicate", "x"], &["x", "y"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_simulated-board")).args(arguments).output().unwrap();
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains("usage: simulated-board"));
    }
}
