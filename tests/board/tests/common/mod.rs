//! A board in a temporary directory, and short words for its files.
#![allow(dead_code, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on is to stop at that line")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use simulated_board::{Board, BoardSpec, FirmwareBuilder};

/// How long anything may take before a test gives up: long, the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Bench {
    // Dropped in this order: first the mount, then what it lies on.
    pub board: Option<Board>,
    directory: tempfile::TempDir,
}

impl Bench {
    pub fn new(spec: BoardSpec) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let board = Board::mount(&directory.path().join("root"), &directory.path().join("files"), spec);
        let bench = Bench { board: Some(board.unwrap()), directory };
        bench.install("good.elf", &firmware().build());
        bench
    }

    /// An STM32MP15 whose m4 is about to start a good firmware.
    pub fn stm32mp15() -> Self {
        let bench = Bench::new(BoardSpec::stm32mp15());
        bench.m4("firmware").write("good.elf").unwrap();
        bench
    }

    pub fn path(&self, path: &str) -> Node {
        Node(self.directory.path().join("root").join(path))
    }

    /// A file of remoteproc0.
    pub fn m4(&self, name: &str) -> Node {
        self.path(&format!("sys/class/remoteproc/remoteproc0/{name}"))
    }

    pub fn debug(&self, name: &str) -> Node {
        self.path(&format!("sys/kernel/debug/remoteproc/remoteproc0/{name}"))
    }

    pub fn control(&self, name: &str) -> Node {
        self.path(&format!("board/remoteproc0/{name}"))
    }

    pub fn kmsg(&self) -> Kmsg {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(self.path("dev/kmsg").0)
            .unwrap();
        Kmsg(file)
    }

    pub fn firmware_path(&self, name: &str) -> PathBuf {
        self.directory.path().join("files/lib/firmware").join(name)
    }

    pub fn install(&self, name: &str, bytes: &[u8]) {
        fs::write(self.firmware_path(name), bytes).unwrap();
    }

    /// Waits until the kernel log has a line with `text`.
    pub fn await_line(&self, text: &str) {
        self.kmsg().await_line(text);
    }
}

/// Firmware every board here accepts.
pub fn firmware() -> FirmwareBuilder {
    FirmwareBuilder::new().segment(0, b"code").resource_table()
}

/// A file or directory of the board.
pub struct Node(pub PathBuf);

impl Node {
    pub fn read(&self) -> io::Result<String> {
        fs::read_to_string(&self.0)
    }

    /// The content without the newline at its end.
    pub fn word(&self) -> String {
        self.read().unwrap().trim_end_matches('\n').to_owned()
    }

    /// One write(2), without truncating first.
    pub fn write(&self, text: &str) -> io::Result<()> {
        let written = OpenOptions::new().write(true).open(&self.0)?.write(text.as_bytes())?;
        assert_eq!(written, text.len());
        Ok(())
    }

    /// The errno of a write that fails, 0 for one that does not.
    pub fn errno(&self, text: &str) -> i32 {
        errno(self.write(text))
    }

    pub fn exists(&self) -> bool {
        self.0.symlink_metadata().is_ok()
    }

    pub fn link(&self) -> String {
        fs::read_link(&self.0).unwrap().to_string_lossy().into_owned()
    }

    pub fn open(&self) -> File {
        File::open(&self.0).unwrap()
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

pub fn errno<T>(result: io::Result<T>) -> i32 {
    result.err().and_then(|error| error.raw_os_error()).unwrap_or(0)
}

/// A non-blocking reader of dev/kmsg.
pub struct Kmsg(pub File);

impl Kmsg {
    /// The next record, None if there is none now.
    pub fn next(&mut self) -> Option<String> {
        let mut buffer = [0; 8192];
        match self.0.read(&mut buffer) {
            Ok(len) => Some(String::from_utf8_lossy(&buffer[..len]).into_owned()),
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(libc::EAGAIN));
                None
            }
        }
    }

    /// Whether poll(2) says within `limit` that there is a record. A poll looks once more when
    /// its time is over; that does not count as having been woken.
    pub fn poll(&self, limit: Duration) -> bool {
        let began = Instant::now();
        let timeout = Timespec::try_from(limit).unwrap();
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        let ready = poll(&mut fds, Some(&timeout)).unwrap() == 1;
        ready && (limit.is_zero() || began.elapsed() < limit)
    }

    /// The texts of all records there are now.
    pub fn texts(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.next()).map(|record| text(&record)).collect()
    }

    pub fn await_line(&mut self, wanted: &str) {
        let began = Instant::now();
        loop {
            while let Some(record) = self.next() {
                if record.contains(wanted) {
                    return;
                }
            }
            let left = PATIENCE.saturating_sub(began.elapsed());
            assert!(self.poll(left), "no line with {wanted:?}");
        }
    }
}

/// The text of a record, without its head, its device and whose it is.
fn text(record: &str) -> String {
    let line = record.lines().next().unwrap();
    let text = line.split_once(';').unwrap().1;
    text.strip_prefix("remoteproc remoteproc0: ").unwrap_or(text).to_owned()
}

/// Runs `action` on another thread; the thread's result tells its end.
pub fn meanwhile<T: Send + 'static>(action: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    thread::spawn(action)
}
