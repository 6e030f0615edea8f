//! Running a program to its end.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

/// How a program ended, and what it wrote.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// Runs `command` to its end. Its output goes through files of `directory`: what it leaves behind may keep a pipe open.
    pub fn of(mut command: Command, directory: &Path) -> Self {
        let (stdout, stderr) = (file(directory), file(directory));
        let status = command
            .stdin(Stdio::null())
            .stdout(File::create(stdout.path()).unwrap())
            .stderr(File::create(stderr.path()).unwrap())
            .status()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let text = |file: &tempfile::NamedTempFile| {
            String::from_utf8_lossy(&std::fs::read(file.path()).unwrap()).into_owned()
        };
        Self { code: status.code().unwrap_or(-1), stdout: text(&stdout), stderr: text(&stderr) }
    }

    /// It succeeded; its standard output without the newline at its end.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self.stdout.trim_end().to_owned()
    }

    /// It failed, and what it wrote has all of `words`: docker tells of a failed exec on its standard output.
    #[track_caller]
    pub fn refused(self, words: &[&str]) {
        assert_ne!(self.code, 0, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        let told = self.stderr + &self.stdout;
        for word in words {
            assert!(told.contains(word), "{word:?} is not in: {told}");
        }
    }
}

fn file(directory: &Path) -> tempfile::NamedTempFile {
    tempfile::NamedTempFile::new_in(directory).unwrap()
}
