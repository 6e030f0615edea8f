//! What a firmware writes for people: its trace buffers, as the kernel shows them in
//! `/sys/kernel/debug/remoteproc/remoteprocN/trace0` and further (drivers/remoteproc/remoteproc_debugfs.c).
//!
//! They appear when the firmware has booted and go when it stops. Nothing tells that there is something new in one.

pub mod news;

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, Result};

use self::news::{News, news};
use super::processor::Processor;
use crate::host::Host;

/// How many buffers of a processor are looked at.
const BUFFERS: usize = 4;

/// How much of a buffer is looked at, in bytes. Memory is taken as far as the text goes.
const LIMIT: usize = 512 << 10;

/// How much is read at once, in bytes.
const PIECE: usize = 4096;

/// The trace buffers of a processor, followed. Allocates when it is made, and no more.
#[derive(Debug)]
pub struct Traces {
    buffers: heapless::Vec<Buffer, BUFFERS>,
    /// The buffer whose text was passed on last.
    shown: Option<usize>,
    /// That ended with its line.
    at_line_start: bool,
}

/// Takes a piece of text, and says how many of its bytes it took.
pub type Take<'a> = &'a mut dyn FnMut(&[u8]) -> usize;

impl Traces {
    /// Those that the processor has now.
    ///
    /// # Errors
    /// `ENOENT` where it has none, or debugfs is not mounted; `EACCES` for whoever may not look.
    pub fn of(host: &Host, processor: &Processor) -> Result<Self> {
        let mut buffers = heapless::Vec::new();
        let directory = host.remoteproc_debugfs().join(processor.kernel_name());
        for number in 0..BUFFERS {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
            match rustix::fs::open(directory.join(format!("trace{number}")), flags, Mode::empty()) {
                // There is room for all.
                Ok(file) => drop(buffers.push(Buffer::of(file))),
                Err(Errno::NOENT) if number > 0 => break,
                Err(errno) => return Err(errno),
            }
        }
        Ok(Self { buffers, shown: None, at_line_start: true })
    }

    /// Looks into all of them and offers what is new; how many bytes were taken. What was not is offered again, before
    /// anything newer.
    ///
    /// # Errors
    /// When one is gone; what the others have was offered.
    pub fn pass_on(&mut self, take: Take<'_>) -> Result<usize> {
        let (mut passed, mut result, several) = (0_usize, Ok(()), self.buffers.len() > 1);
        for (number, buffer) in self.buffers.iter_mut().enumerate() {
            match buffer.look() {
                Ok(true) => {}
                Ok(false) => continue,
                Err(errno) => {
                    result = Err(errno);
                    continue;
                }
            }
            if several && self.shown != Some(number) {
                let title = title(number, self.at_line_start);
                if take(title.as_bytes()) < title.len() {
                    break;
                }
                self.shown = Some(number);
            }
            let at_line_start = &mut self.at_line_start;
            buffer.offer(&mut |piece| {
                let taken = take(piece);
                passed = passed.saturating_add(taken);
                if let Some(last) = piece.get(..taken).and_then(<[u8]>::last) {
                    *at_line_start = *last == b'\n';
                }
                taken
            });
        }
        result.map(|()| passed)
    }

    /// Gives up what was not taken, and looks once more into the buffers that had such.
    pub fn catch_up(&mut self) {
        for buffer in self.buffers.iter_mut().filter(|buffer| !buffer.waiting.is_empty()) {
            buffer.waiting = News::default();
            // One that is gone is what it was at the last look.
            let _ = buffer.look();
        }
    }

    /// Gives all that they held at the last look, the oldest first.
    pub fn give_all(&self, take: &mut dyn FnMut(&[u8])) {
        for (number, buffer) in self.buffers.iter().enumerate() {
            if self.buffers.len() > 1 {
                take(title(number, number == 0).as_bytes());
            }
            let (new, old) = buffer.text.split_at(buffer.cursor.min(buffer.text.len()));
            take(old);
            take(new);
        }
    }

    /// How many bytes that is, at most.
    pub fn size(&self) -> usize {
        self.buffers.iter().map(|buffer| buffer.text.len()).sum()
    }
}

/// What parts the text of several buffers, as tail(1) does it.
fn title(number: usize, at_line_start: bool) -> heapless::String<32> {
    use std::fmt::Write;
    let mut title = heapless::String::new();
    let line_break = if at_line_start { "" } else { "\n" };
    // It fits.
    let _ = writeln!(title, "{line_break}==> trace{number} <==");
    title
}

/// A trace buffer that is followed.
#[derive(Debug)]
struct Buffer {
    file: OwnedFd,
    /// What it held at the last look.
    text: Vec<u8>,
    /// Where the news of that look ended.
    cursor: usize,
    /// What of it was not taken yet.
    waiting: News,
}

impl Buffer {
    fn of(file: OwnedFd) -> Self {
        // While two looks are compared, both are there.
        Self { file, text: Vec::with_capacity(2 * LIMIT), cursor: 0, waiting: News::default() }
    }

    /// Looks what is new, if all of the last news was taken; whether something is to be taken.
    fn look(&mut self) -> Result<bool> {
        if self.waiting.is_empty() {
            self.waiting = self.read()?;
            if !self.waiting.is_empty() {
                self.cursor = self.waiting.end();
            }
        }
        Ok(!self.waiting.is_empty())
    }

    fn read(&mut self) -> Result<News> {
        let known = self.text.len();
        if let Err(errno) = self.append(known.saturating_add(LIMIT)) {
            self.text.truncate(known);
            return Err(errno);
        }
        let (before, now) = self.text.split_at(known);
        let news = news(before, self.cursor, now);
        self.text.drain(..known);
        Ok(news)
    }

    /// Appends all that it holds now, until there are `most` bytes. Not by one large read, whose room a file system may
    /// touch as a whole (FUSE does); a piece that is not full is the last.
    #[inline(never)]
    fn append(&mut self, most: usize) -> Result<()> {
        let mut piece = [0; PIECE];
        let known = self.text.len();
        loop {
            let room = most.saturating_sub(self.text.len()).min(PIECE);
            let wanted = piece.get_mut(..room).unwrap_or_default();
            let at = self.text.len().saturating_sub(known) as u64;
            let read = rustix::io::pread(&self.file, wanted, at)?;
            self.text.extend_from_slice(piece.get(..read).unwrap_or_default());
            if read < PIECE {
                return Ok(());
            }
        }
    }

    /// Offers the news piece by piece, until less is taken than was offered.
    fn offer(&mut self, take: Take<'_>) {
        for range in [&mut self.waiting.first, &mut self.waiting.wrapped] {
            let piece = self.text.get(range.clone()).unwrap_or_default();
            range.start = range.start.saturating_add(take(piece));
            if range.start < range.end {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remoteproc::Identity;

    struct Board {
        _dir: tempfile::TempDir,
        host: Host,
        processor: Processor,
    }

    fn board(buffers: &[&str]) -> Board {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::new(dir.path()).unwrap();
        let identity = Identity { name: "m4".into(), device: "/d".into() };
        let processor = Processor { identity, path: host.remoteproc_class().join("remoteproc0") };
        let board = Board { _dir: dir, host, processor };
        std::fs::create_dir_all(board.path("")).unwrap();
        for (number, text) in buffers.iter().enumerate() {
            std::fs::write(board.path(&format!("trace{number}")), text).unwrap();
        }
        board
    }

    impl Board {
        fn path(&self, name: &str) -> std::path::PathBuf {
            self.host.remoteproc_debugfs().join("remoteproc0").join(name)
        }

        fn traces(&self) -> Traces {
            Traces::of(&self.host, &self.processor).unwrap()
        }
    }

    /// What is passed on when at most `room` bytes are taken.
    fn passed(traces: &mut Traces, room: usize) -> String {
        let mut text = Vec::new();
        traces
            .pass_on(&mut |piece| {
                let taken = piece.len().min(room - text.len());
                text.extend_from_slice(&piece[..taken]);
                taken
            })
            .unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_processor_without_buffers_has_none() {
        let board = board(&[]);
        assert_eq!(Traces::of(&board.host, &board.processor).unwrap_err(), Errno::NOENT);
    }

    #[test]
    fn what_is_new_comes_once_and_what_was_not_taken_comes_again_before_anything_newer() {
        let board = board(&["one\n"]);
        let mut traces = board.traces();
        assert_eq!(passed(&mut traces, 2), "on");
        std::fs::write(board.path("trace0"), "one\ntwo\n").unwrap();
        assert_eq!(passed(&mut traces, 99), "e\n");
        assert_eq!((passed(&mut traces, 99).as_str(), passed(&mut traces, 99).as_str()), ("two\n", ""));
    }

    #[test]
    fn several_buffers_are_told_apart_by_titles() {
        let board = board(&["a", "b\n"]);
        let mut traces = board.traces();
        assert_eq!(passed(&mut traces, 99), "==> trace0 <==\na\n==> trace1 <==\nb\n");
        std::fs::write(board.path("trace1"), "b\nc\n").unwrap();
        assert_eq!(passed(&mut traces, 99), "c\n");
        std::fs::write(board.path("trace0"), "a!").unwrap();
        assert_eq!(
            (passed(&mut traces, 3).as_str(), passed(&mut traces, 99).as_str()),
            ("==>", "==> trace0 <==\n!")
        );
        let mut all = Vec::new();
        traces.give_all(&mut |piece| all.extend_from_slice(piece));
        assert_eq!(String::from_utf8(all).unwrap(), "==> trace0 <==\na!\n==> trace1 <==\nb\nc\n");
    }

    #[test]
    fn all_of_a_buffer_that_was_written_over_is_given_in_the_order_of_its_writing() {
        let board = board(&["aaa\nbbb\nccc\n"]);
        let mut traces = board.traces();
        passed(&mut traces, 99);
        std::fs::write(board.path("trace0"), "ddd\nbbb\nccc\n").unwrap();
        assert_eq!(passed(&mut traces, 99), "ddd");
        let mut all = Vec::new();
        traces.give_all(&mut |piece| all.extend_from_slice(piece));
        assert_eq!(String::from_utf8(all).unwrap(), "\nbbb\nccc\nddd");
    }

    #[test]
    fn a_buffer_that_is_longer_than_the_limit_is_followed_so_far() {
        let long = "x".repeat(LIMIT + 10);
        let board = board(&[&long]);
        let mut traces = board.traces();
        assert_eq!(passed(&mut traces, usize::MAX).len(), LIMIT);
        std::fs::write(board.path("trace0"), "y".repeat(LIMIT + 10)).unwrap();
        let capacity = traces.buffers[0].text.capacity();
        assert_eq!(passed(&mut traces, usize::MAX), "y".repeat(LIMIT));
        assert_eq!(
            (traces.size(), traces.buffers[0].text.capacity()),
            (LIMIT, capacity),
            "no memory is taken later"
        );
    }
}
