//! Running the binary.
//!
//! Output goes to files: a proxy keeps the ones of its create open for as long as it lives, and a pipe would not end
//! before.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::real;

/// How a run of the binary ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    /// Where stderr went, and where a proxy that was created goes on writing.
    pub log: PathBuf,
    /// The same of stdout.
    pub out: PathBuf,
}

/// The binary under test.
pub fn binary() -> PathBuf {
    std::env::var_os("REMOTEPROC_RUNTIME")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_remoteproc-runtime")), PathBuf::from)
}

/// Copies the binary under test. By a process of its own: a child that another scenario has just forked here would hold
/// a file that is being written here, and such a file cannot be executed (`ETXTBSY`).
pub fn copy_binary(to: &Path) {
    assert!(Command::new("cp").arg(binary()).arg(to).status().unwrap().success(), "cp to {}", to.display());
}

impl Outcome {
    /// Runs `command` to its end, with its output in files of `directory`.
    pub fn of(mut command: Command, directory: &Path) -> Self {
        let (out, log) = Self::files(directory);
        let status = command
            .stdin(Stdio::null())
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&log).unwrap())
            .status()
            .unwrap();
        Self::read(status.code().unwrap_or(-1), out, log)
    }

    /// Two new files of `directory`, for standard output and error.
    pub fn files(directory: &Path) -> (PathBuf, PathBuf) {
        let file = |suffix| {
            let builder = tempfile::Builder::new().suffix(suffix).tempfile_in(directory).unwrap();
            let (_, path) = builder.keep().unwrap();
            path
        };
        (file(".out"), file(".err"))
    }

    /// How a run ended that wrote to these files.
    pub fn read(code: i32, out: PathBuf, log: PathBuf) -> Self {
        let text = |path| {
            real::in_scenarios_words(String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned())
        };
        Self { code, stdout: text(&out), stderr: text(&log), log, out }
    }

    /// It succeeded; its standard output.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self.stdout
    }

    /// It failed with 1 and an error line; its standard error.
    #[track_caller]
    pub fn failed(self) -> String {
        assert_eq!(self.code, 1, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        assert!(self.stderr.contains("error: "), "no error line: {}", self.stderr);
        self.stderr
    }

    /// It failed with 1, and its standard error has all of `words`.
    #[track_caller]
    pub fn refused(self, words: &[&str]) {
        let stderr = self.failed();
        for word in words {
            assert!(stderr.contains(word), "{word:?} is not in: {stderr}");
        }
    }
}
