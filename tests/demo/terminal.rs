//! A terminal of the tour's own: lines go to a shell, and what they and the proxies say comes into one file, in the
//! order in which it was said.

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions};

/// A step went well, or what went wrong.
pub type Outcome<T = ()> = Result<T, String>;

/// How long a step may take to show its effect: far longer than it does on a slow, busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

const BOLD: &str = "\x1b[1m";
const FAINT: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

/// Where the tour takes place.
#[derive(Debug)]
pub struct Terminal {
    place: PathBuf,
    alias: &'static str,
    host: &'static str,
    screen: PathBuf,
    output: File,
    colours: bool,
}

impl Terminal {
    /// A terminal whose working directory is `place`; `alias` holds in each of its lines, and `host` is the root of the
    /// machine.
    pub fn open(place: &Path, alias: &'static str, host: &'static str) -> Outcome<Self> {
        // Proxies outlive their create: they come to us then, and we learn their exit codes as an engine does.
        rustix::process::set_child_subreaper(Pid::from_raw(1)).map_err(|e| format!("subreaper: {e}"))?;
        let screen = place.join("screen");
        let output = File::create(&screen)
            .and_then(|_| File::open(&screen))
            .map_err(|e| format!("{}: {e}", screen.display()))?;
        let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Ok(Self { place: place.to_owned(), alias, host, screen, output, colours })
    }

    /// Prints a line about what follows.
    pub fn remark(&self, text: &str) {
        self.print(FAINT, &format!("# {text}"));
    }

    /// Prints a command line.
    pub fn show(&self, line: &str) {
        self.print(BOLD, &format!("$ {line}"));
    }

    /// Shows and runs a command line; its exit code and every one of `words` in what is printed by then are checked.
    pub fn run(&mut self, line: &str, code: i32, words: &[&str]) -> Outcome {
        self.show(line);
        let screen = || OpenOptions::new().append(true).open(&self.screen);
        let failed = |e| format!("{line}: cannot be run: {e}");
        let status = self
            .shell(line)
            .stdout(screen().map_err(failed)?)
            .stderr(screen().map_err(failed)?)
            .status()
            .map_err(failed)?;
        // What failed at once has said all that it will say.
        let printed = self.await_words(if status.code() == Some(code) { words } else { &[] });
        print_text(&printed);
        if status.code() != Some(code) {
            return Err(format!("{line}: should have ended with exit code {code}: {status}"));
        }
        match words.iter().find(|word| !printed.contains(**word)) {
            Some(word) => Err(format!("{line}: should have printed {word:?}")),
            None => Ok(()),
        }
    }

    /// The state of remoteproc0.
    pub fn expect_processor(&self, state: &str) -> Outcome {
        let path = self.place.join(format!("{}/sys/class/remoteproc/remoteproc0/state", self.host));
        let seen = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        match seen.trim_end() {
            seen if seen == state => Ok(()),
            seen => Err(format!("the processor should be {state}, and is {seen}")),
        }
    }

    /// The pid of a container's proxy.
    pub fn pid(&self, id: &str) -> Outcome<Pid> {
        let failed = |why: String| format!("the pid of {id}: {why}");
        let output = self
            .shell(&format!("remoteproc-runtime ps --format json {id}"))
            .output()
            .map_err(|e| failed(e.to_string()))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let pid = serde_json::from_str::<Vec<i32>>(&text).ok().and_then(|pids| Pid::from_raw(*pids.first()?));
        pid.ok_or_else(|| failed(format!("ps printed {text:?}")))
    }

    /// The exit code of a proxy, which ends now or has ended.
    pub fn expect_exit_code(&self, id: &str, pid: Pid, code: i32) -> Outcome {
        let failed = |why: String| format!("the proxy of {id} should have ended with {code}: {why}");
        let limit = Timespec { tv_sec: PATIENCE.as_secs().cast_signed(), tv_nsec: 0 };
        rustix::process::pidfd_open(pid, PidfdFlags::empty())
            .and_then(|fd| rustix::event::poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&limit)))
            .map_err(|e| failed(e.to_string()))?;
        let ended = rustix::process::waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
        match ended.map_err(|e| failed(e.to_string()))?.map(|status| status.exit_status()) {
            Some(Some(seen)) if seen == code => Ok(()),
            other => Err(failed(format!("{other:?}"))),
        }
    }

    /// Nothing is in these directories.
    pub fn expect_empty(&self, directories: &[&str]) -> Outcome {
        for directory in directories {
            let mut entries = std::fs::read_dir(self.place.join(directory))
                .map_err(|e| format!("{directory}: cannot be read: {e}"))?;
            if let Some(left) = entries.next() {
                return Err(format!("{directory} should be empty, and has {left:?}"));
            }
        }
        Ok(())
    }

    /// Ends what may be left of containers.
    pub fn end_proxies<const N: usize>(&self, ids: [&str; N]) {
        for id in ids {
            // Only a container that is still there can fail here, and then the tour has said why.
            let _ = self.shell(&format!("remoteproc-runtime delete --force {id}")).output();
        }
    }

    fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        // A line of its own: an alias holds from the next one on.
        command
            .arg("-c")
            .arg(format!("{}\n{line}", self.alias))
            .current_dir(&self.place)
            .stdin(Stdio::null());
        let binary = Path::new(env!("CARGO_BIN_EXE_remoteproc-runtime"));
        let mut path = binary.parent().unwrap_or(binary).as_os_str().to_owned();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        command.env("PATH", path).env_remove("RUST_LOG");
        command
    }

    /// What was printed since the last time, once `words` are in it or patience is at its end.
    fn await_words(&mut self, words: &[&str]) -> String {
        let begin = Instant::now();
        let from = self.output.stream_position().unwrap_or_default();
        loop {
            let mut text = Vec::new();
            let _ = self.output.seek(std::io::SeekFrom::Start(from));
            let _ = self.output.read_to_end(&mut text);
            let text = String::from_utf8_lossy(&text).into_owned();
            if words.iter().all(|word| text.contains(word)) || begin.elapsed() > PATIENCE {
                return text;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn print(&self, style: &str, line: &str) {
        match self.colours {
            true => print_text(&format!("{style}{line}{PLAIN}\n")),
            false => print_text(&format!("{line}\n")),
        }
    }
}

fn print_text(text: &str) {
    // A reader that has gone (`cargo demo | head`) does not end the tour in its middle.
    let _ = std::io::stdout().write_all(text.as_bytes());
}
