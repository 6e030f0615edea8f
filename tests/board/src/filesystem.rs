//! The FUSE side: requests in, answers out, nothing that waits.
//!
//! There is one session thread. A write that may take its time is answered by a thread of its own;
//! a read of /dev/kmsg that finds nothing is kept until there is something.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    IoctlFlags, KernelConfig, LockOwner, OpenAccMode, OpenFlags, PollEvents, PollFlags, PollNotifier,
    RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyIoctl,
    ReplyOpen, ReplyPoll, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use crate::content::is_slow;
use crate::machine::{Machine, State};
use crate::readers::ReadRequest;
use crate::spec::KmsgMode;
use crate::tree::{Attribute, Content, File, Node};

/// Nothing is cached: what a file says changes without its reader doing anything.
const TTL: Duration = Duration::ZERO;

/// The most a sysfs attribute takes or gives at once.
const PAGE: usize = 4096;

/// The file system of one machine.
pub(crate) struct BoardFilesystem {
    machine: Arc<Machine>,
    open: Mutex<Open>,
}

/// Open file descriptions other than those of /dev/kmsg, with the content they read last, so that
/// a reader in small steps meets no mixture.
#[derive(Default)]
struct Open {
    last: u64,
    content: HashMap<u64, Vec<u8>>,
}

impl BoardFilesystem {
    pub(crate) fn new(machine: Arc<Machine>) -> Self {
        BoardFilesystem { machine, open: Mutex::default() }
    }

    fn next_handle(&self) -> u64 {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.last += 1;
        open.last
    }

    /// The file at `ino`, while it has a name; ENODEV after.
    fn file(&self, state: &State, ino: INodeNo) -> Result<File, Errno> {
        match state.tree.node(ino.0) {
            Some(Node { alive: true, content: Content::File(file), .. }) => Ok(file.clone()),
            Some(Node { alive: false, .. }) | None => Err(Errno::ENODEV),
            Some(_) => Err(Errno::EISDIR),
        }
    }

    fn check_open(&self, ino: INodeNo, flags: OpenFlags) -> Result<File, Errno> {
        let state = self.machine.lock();
        let file = self.file(&state, ino)?;
        if file == File::Kmsg && state.kmsg == KmsgMode::Denied {
            return Err(Errno::EPERM);
        }
        // Like sysfs, which root's capabilities do not overrule (fs/kernfs/file.c).
        let mode = state.tree.node(ino.0).map_or(0, |node| node.mode);
        let (reads, writes) = match flags.acc_mode() {
            OpenAccMode::O_RDONLY => (true, false),
            OpenAccMode::O_WRONLY => (false, true),
            OpenAccMode::O_RDWR => (true, true),
        };
        if reads && mode & 0o444 == 0 || writes && mode & 0o222 == 0 {
            return Err(Errno::EACCES);
        }
        Ok(file)
    }

    fn read_file(&self, file: &File, handle: u64, offset: u64, size: u32) -> Result<Vec<u8>, Errno> {
        if let File::Dump(number) = file {
            // A page at a time, as kernfs does (fs/kernfs/file.c).
            return self.machine.lock().read_dump(*number, offset, PAGE.min(size as usize));
        }
        if let File::Device(id, Attribute::State) = file {
            self.machine.crash_at_look(*id);
        }
        let fresh = self.machine.lock().show(file)?;
        if let File::Device(_, Attribute::Trace(_)) = file {
            // The buffer itself each time, of any length (drivers/remoteproc/remoteproc_debugfs.c, rproc_trace_read).
            return Ok(part(&fresh, offset, size, fresh.len()));
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let content = match open.content.get(&handle) {
            Some(content) if offset > 0 => content,
            _ => open.content.entry(handle).insert_entry(fresh).into_mut(),
        };
        let limit =
            if matches!(file, File::Device(..)) { content.len().min(PAGE - 1) } else { content.len() };
        Ok(part(content, offset, size, limit))
    }
}

/// What a read of `size` bytes at `offset` gives of the first `limit` bytes.
fn part(content: &[u8], offset: u64, size: u32, limit: usize) -> Vec<u8> {
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(limit);
    let end = start.saturating_add(size as usize).min(limit);
    content.get(start..end).unwrap_or_default().to_vec()
}

fn attributes(state: &State, ino: u64) -> Option<FileAttr> {
    let node = state.tree.node(ino)?;
    let (kind, size) = match &node.content {
        Content::Directory(_) => (FileType::Directory, 0),
        Content::Link(target) => (FileType::Symlink, target.len() as u64),
        Content::File(File::Kmsg) => (FileType::RegularFile, state.log.size()),
        Content::File(_) => (FileType::RegularFile, node.size),
    };
    Some(FileAttr {
        ino: INodeNo(ino),
        size,
        blocks: 0,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind,
        perm: node.mode,
        nlink: if kind == FileType::Directory { 2 } else { 1 },
        uid: node.uid,
        gid: node.gid,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    })
}

impl Filesystem for BoardFilesystem {
    // Only what is needed is announced: without FUSE_FLOCK_LOCKS the kernel does flock itself.
    fn init(&mut self, _req: &Request, _config: &mut KernelConfig) -> io::Result<()> {
        Ok(())
    }

    fn lookup(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let state = self.machine.lock();
        let found = name.to_str().and_then(|name| state.tree.child(parent.0, name));
        match found.and_then(|ino| attributes(&state, ino)) {
            Some(attr) => reply.entry(&TTL, &attr, Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _req: &Request, ino: INodeNo, fh: Option<FileHandle>, reply: ReplyAttr) {
        let mut state = self.machine.lock();
        // With a handle the kernel asks only for the size, for SEEK_END (fs/fuse/file.c).
        if let Some(fh) = fh {
            let State { readers, log, .. } = &mut *state;
            readers.seek_end(fh.0, log);
        }
        match attributes(&state, ino.0) {
            Some(attr) => reply.attr(&TTL, &attr),
            None => reply.error(Errno::ENODEV),
        }
    }

    fn setattr(
        &self,
        _req: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        _size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut state = self.machine.lock();
        if let Some(node) = state.tree.node_mut(ino.0) {
            node.mode = mode.map_or(node.mode, |mode| (mode & 0o7777) as u16);
            node.uid = uid.unwrap_or(node.uid);
            node.gid = gid.unwrap_or(node.gid);
        }
        match attributes(&state, ino.0) {
            Some(attr) => reply.attr(&TTL, &attr),
            None => reply.error(Errno::ENODEV),
        }
    }

    fn readlink(&self, _req: &Request, ino: INodeNo, reply: ReplyData) {
        match self.machine.lock().tree.node(ino.0).map(|node| &node.content) {
            Some(Content::Link(target)) => reply.data(target.as_bytes()),
            _ => reply.error(Errno::EINVAL),
        }
    }

    fn open(&self, _req: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        match self.check_open(ino, flags) {
            Ok(file) => {
                let handle = self.next_handle();
                if file == File::Kmsg {
                    let State { readers, log, .. } = &mut *self.machine.lock();
                    readers.open(handle, log);
                }
                // Without the second flag, a write that hangs would make the next writer hang in
                // the kernel of the machine the tests run on.
                let flags = FopenFlags::FOPEN_DIRECT_IO | FopenFlags::FOPEN_PARALLEL_DIRECT_WRITES;
                reply.opened(FileHandle(handle), flags);
            }
            Err(errno) => reply.error(errno),
        }
    }

    fn read(
        &self,
        req: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let file = self.file(&self.machine.lock(), ino);
        match file {
            Ok(File::Kmsg) => {
                let request = ReadRequest {
                    handle: fh.0,
                    position: offset,
                    size: size as usize,
                    may_wait: flags.0 & libc::O_NONBLOCK == 0,
                    thread: req.pid(),
                };
                let State { readers, log, .. } = &mut *self.machine.lock();
                readers.read(request, log, reply);
                self.machine.notify();
            }
            Ok(File::Device(id, Attribute::State))
                if self.machine.faults(id).is_ok_and(|faults| faults.look_hangs) =>
            {
                let (machine, file) = (Arc::clone(&self.machine), File::Device(id, Attribute::State));
                // Where there is no thread to be had, the dropped reply answers EIO.
                std::thread::Builder::new()
                    .name("slow read".into())
                    .spawn(move || match machine.look_late(id, &file) {
                        Ok(bytes) => reply.data(&part(&bytes, offset, size, bytes.len())),
                        Err(errno) => reply.error(errno),
                    })
                    .ok();
            }
            Ok(file) => match self.read_file(&file, fh.0, offset, size) {
                Ok(bytes) => reply.data(&bytes),
                Err(errno) => reply.error(errno),
            },
            Err(errno) => reply.error(errno),
        }
    }

    fn write(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        _offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let file = match self.file(&self.machine.lock(), ino) {
            Ok(file) => file,
            Err(errno) => return reply.error(errno),
        };
        let data = data.get(..PAGE).unwrap_or(data);
        let size = data.len() as u32;
        let answer = move |result: Result<(), Errno>| match result {
            Ok(()) => reply.written(size),
            Err(errno) => reply.error(errno),
        };
        if !is_slow(&file) {
            return answer(self.machine.store(&file, data));
        }
        let (machine, data) = (Arc::clone(&self.machine), data.to_vec());
        // Where there is no thread to be had, the dropped reply answers EIO.
        std::thread::Builder::new()
            .name("slow write".into())
            .spawn(move || answer(machine.store(&file, &data)))
            .ok();
    }

    fn poll(
        &self,
        _req: &Request,
        ino: INodeNo,
        fh: FileHandle,
        ph: PollNotifier,
        _events: PollEvents,
        flags: PollFlags,
        reply: ReplyPoll,
    ) {
        let readable = PollEvents::POLLIN | PollEvents::POLLRDNORM;
        let mut guard = self.machine.lock();
        match self.file(&guard, ino) {
            Ok(File::Kmsg) => {
                let notifier = flags.contains(PollFlags::FUSE_POLL_SCHEDULE_NOTIFY).then_some(ph);
                let State { readers, log, .. } = &mut *guard;
                let ready = readers.poll(fh.0, log, notifier);
                reply.poll(if ready { readable } else { PollEvents::empty() });
            }
            // Like an attribute nobody calls sysfs_notify for: always readable, never POLLPRI.
            Ok(_) => reply.poll(readable | PollEvents::POLLOUT | PollEvents::POLLWRNORM),
            Err(_) => reply.poll(readable | PollEvents::POLLERR | PollEvents::POLLPRI),
        }
    }

    fn flush(&self, _req: &Request, _ino: INodeNo, _fh: FileHandle, _owner: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn ioctl(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        _flags: IoctlFlags,
        cmd: u32,
        in_data: &[u8],
        _out_size: u32,
        reply: ReplyIoctl,
    ) {
        let file = self.file(&self.machine.lock(), ino);
        match file {
            Ok(File::CharacterDevice(id)) => match self.machine.control_device(id, cmd, in_data) {
                Ok(data) => reply.ioctl(0, &data),
                Err(errno) => reply.error(errno),
            },
            Ok(_) => reply.error(Errno::ENOTTY),
            Err(errno) => reply.error(errno),
        }
    }

    fn release(
        &self,
        _req: &Request,
        ino: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).content.remove(&fh.0);
        self.machine.lock().readers.close(fh.0);
        let file = self.file(&self.machine.lock(), ino);
        if let Ok(File::CharacterDevice(id)) = file {
            self.machine.release_device(id);
        }
        reply.ok();
    }

    fn fsync(&self, _req: &Request, _ino: INodeNo, _fh: FileHandle, _datasync: bool, reply: ReplyEmpty) {
        reply.ok();
    }

    fn readdir(&self, _req: &Request, ino: INodeNo, _fh: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let state = self.machine.lock();
        let Some(Node { parent, content: Content::Directory(children), .. }) = state.tree.node(ino.0) else {
            return reply.error(Errno::ENOTDIR);
        };
        let dots = [(".", ino.0), ("..", *parent)];
        let named = children.iter().map(|(name, child)| (name.as_str(), *child));
        let entries = (1..).zip(dots.into_iter().chain(named));
        for (next, (name, child)) in entries.skip(usize::try_from(offset).unwrap_or(usize::MAX)) {
            let kind = attributes(&state, child).map_or(FileType::RegularFile, |attr| attr.kind);
            if reply.add(INodeNo(child), next, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    // The tree belongs to the kernel: nobody makes or removes names in it.

    fn mknod(
        &self,
        _req: &Request,
        _parent: INodeNo,
        _name: &OsStr,
        _mode: u32,
        _umask: u32,
        _rdev: u32,
        reply: ReplyEntry,
    ) {
        reply.error(Errno::EACCES);
    }

    fn create(
        &self,
        _req: &Request,
        _parent: INodeNo,
        _name: &OsStr,
        _mode: u32,
        _umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        reply.error(Errno::EACCES);
    }

    fn mkdir(
        &self,
        _req: &Request,
        _parent: INodeNo,
        _name: &OsStr,
        _mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        reply.error(Errno::EPERM);
    }

    fn symlink(&self, _req: &Request, _parent: INodeNo, _name: &OsStr, _target: &Path, reply: ReplyEntry) {
        reply.error(Errno::EPERM);
    }

    fn link(&self, _req: &Request, _ino: INodeNo, _newparent: INodeNo, _newname: &OsStr, reply: ReplyEntry) {
        reply.error(Errno::EPERM);
    }

    fn unlink(&self, _req: &Request, _parent: INodeNo, _name: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::EPERM);
    }

    fn rmdir(&self, _req: &Request, _parent: INodeNo, _name: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::EPERM);
    }

    fn rename(
        &self,
        _req: &Request,
        _parent: INodeNo,
        _name: &OsStr,
        _newparent: INodeNo,
        _newname: &OsStr,
        _flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        reply.error(Errno::EPERM);
    }
}
