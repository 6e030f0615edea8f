//! Those who have /dev/kmsg open: where they are, who waits in a read, who waits in poll.

use std::collections::HashMap;

use fuser::{Errno, PollNotifier, ReplyData};

use crate::kmsg::RecordLog;

/// An open file description of /dev/kmsg.
struct Reader {
    /// Where the next read is expected. The kernel keeps the real position and says it with every
    /// read; between reads, only a seek to the end is seen here (as a request for the size).
    position: u64,
    epoch: u64,
    poll: Option<PollNotifier>,
}

/// A read that waits for a record.
struct Waiting {
    handle: u64,
    position: u64,
    size: usize,
    thread: u32,
    reply: ReplyData,
}

/// All readers.
#[derive(Default)]
pub(crate) struct Readers {
    open: HashMap<u64, Reader>,
    waiting: Vec<Waiting>,
}

/// A read request for /dev/kmsg.
pub(crate) struct ReadRequest {
    pub(crate) handle: u64,
    pub(crate) position: u64,
    pub(crate) size: usize,
    pub(crate) may_wait: bool,
    pub(crate) thread: u32,
}

impl Readers {
    pub(crate) fn open(&mut self, handle: u64, log: &RecordLog) {
        self.open.insert(handle, Reader { position: 0, epoch: log.epoch(), poll: None });
    }

    pub(crate) fn close(&mut self, handle: u64) {
        self.open.remove(&handle);
    }

    /// The reader seeks to the end.
    pub(crate) fn seek_end(&mut self, handle: u64, log: &RecordLog) {
        if let Some(reader) = self.open.get_mut(&handle) {
            reader.position = log.size();
        }
    }

    /// Answers now, or when there is a record.
    pub(crate) fn read(&mut self, request: ReadRequest, log: &RecordLog, reply: ReplyData) {
        let ReadRequest { handle, position, size, may_wait, thread } = request;
        match self.try_read(handle, position, size, log) {
            Some(Ok(record)) => reply.data(record),
            Some(Err(errno)) => reply.error(errno),
            None if may_wait => {
                self.waiting.push(Waiting { handle, position, size, thread, reply });
            }
            None => reply.error(Errno::EAGAIN),
        }
    }

    /// Whether a read would not wait; if it would, `poll` is told when that changes.
    pub(crate) fn poll(&mut self, handle: u64, log: &RecordLog, poll: Option<PollNotifier>) -> bool {
        let Some(reader) = self.open.get_mut(&handle) else { return true };
        let ready = reader.epoch != log.epoch() || log.at(reader.position).is_some();
        if !ready && poll.is_some() {
            reader.poll = poll;
        }
        ready
    }

    /// Serves everybody the log now has something for.
    pub(crate) fn wake(&mut self, log: &RecordLog) {
        for waiting in std::mem::take(&mut self.waiting) {
            match self.try_read(waiting.handle, waiting.position, waiting.size, log) {
                Some(Ok(record)) => waiting.reply.data(record),
                Some(Err(errno)) => waiting.reply.error(errno),
                None => self.waiting.push(waiting),
            }
        }
        for reader in self.open.values_mut() {
            let ready = reader.epoch != log.epoch() || log.at(reader.position).is_some();
            if let Some(poll) = ready.then(|| reader.poll.take()).flatten() {
                // Fails only when the file system is gone, and the poller with it.
                poll.notify().ok();
            }
        }
    }

    pub(crate) fn anyone_waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Ends the reads of threads for which `interrupted` holds.
    pub(crate) fn interrupt(&mut self, interrupted: impl Fn(u32) -> bool) {
        for waiting in std::mem::take(&mut self.waiting) {
            if interrupted(waiting.thread) {
                waiting.reply.error(Errno::EINTR);
            } else {
                self.waiting.push(waiting);
            }
        }
    }

    fn try_read<'log>(
        &mut self,
        handle: u64,
        position: u64,
        size: usize,
        log: &'log RecordLog,
    ) -> Option<Result<&'log [u8], Errno>> {
        let reader = self.open.get_mut(&handle)?;
        if reader.epoch != log.epoch() {
            return Some(Err(Errno::ENODEV));
        }
        reader.position = position;
        let record = log.at(position)?;
        if record.len() > size {
            return Some(Err(Errno::EINVAL));
        }
        reader.position += record.len() as u64;
        Some(Ok(record))
    }
}
