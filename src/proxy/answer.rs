//! How a proxy answers: one short line through a FIFO in the container's directory, in a form that needs no memory to
//! write. The verb that reads it makes sentences of it.

use std::fmt::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use heapless::String;
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::{Errno, Result};

use crate::remoteproc::{ProcessorState, Refusal, Step};
use crate::sys::clock::Deadline;
use crate::sys::files;
use crate::sys::process::{self, Process};

/// The longest answer, in bytes; far below `PIPE_BUF`, so that it is written whole or not at all.
const ANSWER: usize = 64;

/// What a kernel can refuse with (include/linux/err.h, `MAX_ERRNO`).
const ERRNOS: std::ops::RangeInclusive<i32> = 1..=4095;

/// How often to look at what wakes nobody.
const LOOK: Duration = Duration::from_millis(20);

/// What a proxy can say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    /// To create: it waits for start.
    Ready,
    /// To create: it could not set itself up.
    Unready(Setup, Errno),
    /// To start: the processor runs.
    Running {
        /// The pid of the lesser user's process whose lock was passed over.
        passed_over: Option<i32>,
    },
    /// To start: the processor is in another state than offline.
    Busy(ProcessorState),
    /// To start: another process owns the processor; 0 when it cannot be seen.
    Owned(i32),
    /// To start: the kernel accepted the start, but the state reads something else than running.
    NotRunning(ProcessorState),
    /// To start: the device is gone.
    Gone,
    /// To start, kill and release: the kernel refused.
    Refused(Refusal),
    /// To release: nothing of ours runs.
    Released,
    /// To release: nothing of ours runs, but a setting of the processor could not be put back.
    Unrestored(Refusal),
}

/// What a proxy sets up before it is ready.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Setup {
    /// Its signals, descriptors and session.
    Process,
    /// Its terminal.
    Terminal,
    /// Its network namespace.
    Network,
}

const SETUPS: [(Setup, &str); 3] =
    [(Setup::Process, "process"), (Setup::Terminal, "terminal"), (Setup::Network, "network")];

const STEPS: [(Step, &str); 9] = [
    (Step::Open, "open"),
    (Step::ReadState, "read"),
    (Step::Note, "note"),
    (Step::Recovery, "recovery"),
    (Step::Coredump, "coredump"),
    (Step::Firmware, "firmware"),
    (Step::Start, "start"),
    (Step::Stop, "stop"),
    (Step::Recover, "recover"),
];

fn word_of<T: PartialEq + Copy>(table: &[(T, &'static str)], wanted: T) -> &'static str {
    table.iter().find(|(value, _)| *value == wanted).map_or("", |(_, word)| word)
}

fn value_of<T: Copy>(table: &[(T, &'static str)], word: &str) -> Option<T> {
    table.iter().find(|(_, known)| *known == word).map(|(value, _)| *value)
}

impl Answer {
    /// The line that [`Answer::parse`] reads. Allocates nothing.
    pub fn to_line(self) -> String<ANSWER> {
        let mut line = String::new();
        // Every form is shorter than the buffer; a longer one would fail to parse, not to write.
        let _ = match self {
            Self::Ready => line.write_str("ready"),
            Self::Unready(setup, e) => {
                write!(line, "unready {} {}", word_of(&SETUPS, setup), e.raw_os_error())
            }
            Self::Running { passed_over: None } => line.write_str("running"),
            Self::Running { passed_over: Some(pid) } => write!(line, "running {pid}"),
            Self::Busy(state) => write!(line, "busy {}", state.word()),
            Self::Owned(pid) => write!(line, "owned {pid}"),
            Self::NotRunning(state) => write!(line, "idle {}", state.word()),
            Self::Gone => line.write_str("gone"),
            Self::Refused(Refusal { step, errno }) => {
                write!(line, "refused {} {}", word_of(&STEPS, step), errno.raw_os_error())
            }
            Self::Released => line.write_str("released"),
            Self::Unrestored(Refusal { step, errno }) => {
                write!(line, "unrestored {} {}", word_of(&STEPS, step), errno.raw_os_error())
            }
        };
        let _ = line.push('\n');
        line
    }

    /// Reads a line.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.trim_end_matches('\n').split(' ');
        let (word, argument, number) = (words.next()?, words.next(), words.next());
        let errno = || number?.parse().ok().filter(|raw| ERRNOS.contains(raw)).map(Errno::from_raw_os_error);
        let refusal = || Some(Refusal { step: value_of(&STEPS, argument?)?, errno: errno()? });
        Some(match word {
            "ready" => Self::Ready,
            "unready" => Self::Unready(value_of(&SETUPS, argument?)?, errno()?),
            "running" => Self::Running { passed_over: argument.map(str::parse).transpose().ok()? },
            "busy" => Self::Busy(ProcessorState::from_word(argument?)),
            "owned" => Self::Owned(argument?.parse().ok()?),
            "idle" => Self::NotRunning(ProcessorState::from_word(argument?)),
            "gone" => Self::Gone,
            "refused" => Self::Refused(refusal()?),
            "released" => Self::Released,
            "unrestored" => Self::Unrestored(refusal()?),
            _ => return None,
        })
    }

    /// Says it through the FIFO `name` of the container's directory, to whoever listens; nobody may. Allocates nothing.
    pub fn say(self, container: impl AsFd, name: &str) {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        if let Ok(fifo) = rustix::fs::openat(container, name, flags, Mode::empty()) {
            let _ = rustix::io::write(fifo, self.to_line().as_bytes());
        }
    }
}

/// The listening end.
#[derive(Debug)]
pub struct Answers(OwnedFd);

/// What came of listening.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Heard {
    /// An answer.
    Answer(Answer),
    /// The process ended without one.
    Ended,
    /// Neither before the deadline.
    Nothing,
}

impl Answers {
    /// Opens the FIFO `name` of the container's directory, before the question is asked. `None` when somebody else is
    /// listening: an answer is heard once.
    ///
    /// # Errors
    /// What the file system says; `ENOTSUP` for anything but a FIFO, which nobody answers through.
    pub fn listen(container: impl AsFd, name: &str) -> Result<Option<Self>> {
        // Opened for writing too: else the end of one answer would look like the end of all (fifo(7)).
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fifo = rustix::fs::openat(container, name, flags, Mode::empty())?;
        if !FileType::from_raw_mode(rustix::fs::fstat(&fifo)?.st_mode).is_fifo() {
            return Err(Errno::NOTSUP);
        }
        if !files::try_lock(&fifo)? {
            return Ok(None);
        }
        let answers = Self(fifo);
        // An answer that nobody waited for any more.
        while answers.read().is_some() {}
        Ok(Some(answers))
    }

    /// The same, from a pipe.
    ///
    /// # Errors
    /// What fcntl(2) says.
    pub fn from_pipe(pipe: OwnedFd) -> Result<Self> {
        // The deadline may pass with nothing to read.
        rustix::fs::fcntl_setfl(&pipe, rustix::fs::fcntl_getfl(&pipe)? | OFlags::NONBLOCK)?;
        Ok(Self(pipe))
    }

    /// Waits for an answer of `process`, for its end, or for the deadline.
    ///
    /// # Errors
    /// What poll(2) says.
    pub fn wait(&self, process: &Process, deadline: Deadline) -> Result<Heard> {
        let mut fds = [PollFd::new(&self.0, PollFlags::IN), process.poll_fd()];
        process::poll_until(&mut fds, deadline)?;
        // The answer first: a process says why, and then ends.
        Ok(match self.read() {
            Some(answer) => Heard::Answer(answer),
            None if !fds[1].revents().is_empty() => Heard::Ended,
            None => Heard::Nothing,
        })
    }

    /// The same, with a look at something else every now and then, and once more at the end, where there is one.
    ///
    /// # Errors
    /// What poll(2) says.
    pub fn wait_looking(
        &self,
        process: &Process,
        deadline: Deadline,
        look: Option<&mut dyn FnMut()>,
    ) -> Result<Heard> {
        let Some(look) = look else { return self.wait(process, deadline) };
        loop {
            let heard = self.wait(process, Deadline::after(LOOK.min(deadline.left())))?;
            look();
            if heard != Heard::Nothing || deadline.passed() {
                return Ok(heard);
            }
        }
    }

    /// What has been said already.
    pub fn said(&self) -> Option<Answer> {
        self.read()
    }

    /// The next answer that lies there; lines that are none are passed over.
    fn read(&self) -> Option<Answer> {
        loop {
            let mut line: heapless::Vec<u8, ANSWER> = heapless::Vec::new();
            let mut byte = [0];
            let mut whole = true;
            // Answers are whole (PIPE_BUF), but several may have come: a byte at a time up to the first newline.
            loop {
                if rustix::io::read(&self.0, &mut byte) != Ok(1) {
                    return None;
                }
                if byte == *b"\n" {
                    break;
                }
                whole &= line.push(byte[0]).is_ok();
            }
            let answer = std::str::from_utf8(&line).ok().filter(|_| whole).and_then(Answer::parse);
            if answer.is_some() {
                return answer;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_back_as_they_were_said() {
        let refusal = |step| Answer::Refused(Refusal { step, errno: Errno::INVAL });
        let mut all = vec![
            Answer::Ready,
            Answer::Running { passed_over: None },
            Answer::Running { passed_over: Some(i32::MAX) },
            Answer::Busy(ProcessorState::Attached),
            Answer::Owned(4711),
            Answer::NotRunning(ProcessorState::Offline),
            Answer::Gone,
            Answer::Released,
        ];
        all.extend(STEPS.map(|(step, _)| refusal(step)));
        all.push(Answer::Unrestored(Refusal { step: Step::Recovery, errno: Errno::IO }));
        all.extend(SETUPS.map(|(setup, _)| Answer::Unready(setup, Errno::PERM)));
        for answer in all {
            assert_eq!(Answer::parse(&answer.to_line()), Some(answer));
        }
    }

    #[test]
    fn nonsense_is_no_answer() {
        for line in [
            "",
            "\n",
            "nonsense",
            "busy",
            "owned x",
            "refused start",
            "refused x 1",
            "refused start 0",
            "refused start -1",
            "refused start 4096",
            "refused start -2147483648",
            "unready network 2147483647",
            "unready process x",
            "running x",
        ] {
            assert_eq!(Answer::parse(line), None, "{line}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_no_answer() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        let answers = Answers::from_pipe(read).unwrap();
        // In whatever pieces it is read, none of them is one.
        for line in ["running ".repeat(100), format!("{}gone", " ".repeat(ANSWER))] {
            rustix::io::write(&write, format!("{line}\n").as_bytes()).unwrap();
            assert_eq!(answers.read(), None);
        }
        let (read, write) = rustix::pipe::pipe().unwrap();
        let answers = Answers::from_pipe(read).unwrap();
        let longest = Answer::Unready(Setup::Terminal, Errno::from_raw_os_error(4095));
        rustix::io::write(&write, longest.to_line().as_bytes()).unwrap();
        assert_eq!(answers.read(), Some(longest));
    }

    #[test]
    fn answers_nobody_waited_for_are_not_taken_for_later_ones() {
        let dir = tempfile::tempdir().unwrap();
        let base = files::open_directory(dir.path()).unwrap();
        rustix::fs::mkfifoat(&base, "start", Mode::RUSR | Mode::WUSR).unwrap();
        Answer::Ready.say(&base, "start");
        let first = Answers::listen(&base, "start").unwrap().unwrap();
        Answer::Gone.say(&base, "start");
        Answer::Released.say(&base, "start");
        assert!(Answers::listen(&base, "start").unwrap().is_none(), "one listens at a time");
        assert_eq!(
            (first.read(), first.read(), first.read()),
            (Some(Answer::Gone), Some(Answer::Released), None)
        );
        Answer::Gone.say(&base, "start");
        drop(first);
        let second = Answers::listen(&base, "start").unwrap().unwrap();
        assert_eq!(second.read(), None);
        let flags = OFlags::WRONLY | OFlags::NONBLOCK;
        let fifo = rustix::fs::openat(&base, "start", flags, Mode::empty()).unwrap();
        rustix::io::write(&fifo, b"\xff\nnonsense\n\ngone\nnonsense\nready\n").unwrap();
        assert_eq!(second.read(), Some(Answer::Gone), "what is none is passed over");
        drop(second);
        assert_eq!(Answers::listen(&base, "start").unwrap().unwrap().read(), None);
    }
}
