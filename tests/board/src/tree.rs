//! The names of the file system: directories, links and files, by inode number.
//!
//! A device that goes away takes its inodes along: their numbers are never used again, so whoever
//! still holds one open meets ENODEV, as with kernfs.

use std::collections::{BTreeMap, HashMap};

/// The root directory's inode number (FUSE_ROOT_ID).
pub(crate) const ROOT: u64 = 1;

/// One plugging-in of a processor; a replugged one gets a new number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DeviceId(pub(crate) u64);

/// What stands behind a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum File {
    /// Content that never changes.
    Fixed(Vec<u8>),
    /// `/proc/sys/kernel/random/boot_id`.
    BootId,
    /// firmware_class.path.
    ClassPath,
    /// `/dev/kmsg`.
    Kmsg,
    /// A file of a remoteproc device.
    Device(DeviceId, Attribute),
    /// `/dev/remoteprocN`.
    CharacterDevice(DeviceId),
    /// A driver's `unbind`: the slots it serves are found by the written name.
    Unbind,
    /// A driver's `bind`.
    Bind,
    /// A control file of the processor at this place in the board's list.
    Control(usize, Control),
    /// `board/reboot`.
    Reboot,
    /// `board/kmsg`.
    KmsgMode,
    Printk,
    /// The content of a crash dump.
    Dump(u32),
    /// `/sys/class/devcoredump/disabled`.
    DumpsDisabled,
}

/// A file of a remoteproc device, in sysfs or in debugfs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attribute {
    Name,
    State,
    Firmware,
    Recovery,
    Coredump,
    Uevent,
    Crash,
    ResourceTable,
    Carveouts,
    Trace(usize),
}

/// A control file of one processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    StartError,
    StopError,
    StartDelay,
    StopDelay,
    RecoveryDelay,
    StartHangs,
    StopHangs,
    FirmwareHangs,
    LookHangs,
    Crash,
    Crashes,
    CrashAtLook,
    Trace,
    State,
    References,
    HeldUp,
    Plug,
    DumpSize,
    DumpExpired,
}

/// What an inode is.
#[derive(Debug)]
pub(crate) enum Content {
    Directory(BTreeMap<String, u64>),
    Link(String),
    File(File),
}

/// An inode.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) parent: u64,
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// What `stat` says where the content is not asked.
    pub(crate) size: u64,
    /// False once it has no name any more.
    pub(crate) alive: bool,
    pub(crate) content: Content,
}

/// All inodes.
#[derive(Debug)]
pub(crate) struct Tree {
    nodes: HashMap<u64, Node>,
    last: u64,
    uid: u32,
    gid: u32,
}

impl Tree {
    /// A root directory; everything in it belongs to `uid` and `gid`.
    pub(crate) fn new(uid: u32, gid: u32) -> Self {
        let mut tree = Tree { nodes: HashMap::new(), last: 0, uid, gid };
        tree.insert(ROOT, 0o755, 0, Content::Directory(BTreeMap::new()));
        tree
    }

    pub(crate) fn node(&self, ino: u64) -> Option<&Node> {
        self.nodes.get(&ino)
    }

    pub(crate) fn node_mut(&mut self, ino: u64) -> Option<&mut Node> {
        self.nodes.get_mut(&ino)
    }

    pub(crate) fn child(&self, parent: u64, name: &str) -> Option<u64> {
        match &self.nodes.get(&parent)?.content {
            Content::Directory(children) => children.get(name).copied(),
            _ => None,
        }
    }

    /// What is at `path`, if anything is.
    pub(crate) fn find(&self, path: &str) -> Option<u64> {
        path.split('/').try_fold(ROOT, |parent, name| self.child(parent, name))
    }

    /// The directory at `path` below `parent`, made with its parents where missing.
    pub(crate) fn directory(&mut self, parent: u64, path: &str) -> u64 {
        path.split('/').fold(parent, |parent, name| {
            self.child(parent, name)
                .unwrap_or_else(|| self.add(parent, name, 0o755, 0, Content::Directory(BTreeMap::new())))
        })
    }

    /// A file that shows `size` bytes to `stat`.
    pub(crate) fn file(&mut self, parent: u64, name: &str, mode: u16, size: u64, file: File) -> u64 {
        self.add(parent, name, mode, size, Content::File(file))
    }

    pub(crate) fn link(&mut self, parent: u64, name: &str, target: &str) {
        self.add(parent, name, 0o777, 0, Content::Link(target.into()));
    }

    /// Takes `name` out of `parent`, with everything below it.
    pub(crate) fn remove(&mut self, parent: u64, name: &str) {
        let removed = match self.nodes.get_mut(&parent).map(|node| &mut node.content) {
            Some(Content::Directory(children)) => children.remove(name),
            _ => None,
        };
        if let Some(ino) = removed {
            self.bury(ino);
        }
    }

    fn bury(&mut self, ino: u64) {
        let Some(node) = self.nodes.get_mut(&ino) else { return };
        node.alive = false;
        if let Content::Directory(children) = &mut node.content {
            for child in std::mem::take(children).into_values() {
                self.bury(child);
            }
        }
    }

    /// Replaces what `name` was, if it was anything.
    fn add(&mut self, parent: u64, name: &str, mode: u16, size: u64, content: Content) -> u64 {
        self.remove(parent, name);
        let ino = self.insert(parent, mode, size, content);
        if let Some(Content::Directory(children)) = self.nodes.get_mut(&parent).map(|node| &mut node.content)
        {
            children.insert(name.into(), ino);
        }
        ino
    }

    fn insert(&mut self, parent: u64, mode: u16, size: u64, content: Content) -> u64 {
        self.last += 1;
        let (uid, gid) = (self.uid, self.gid);
        self.nodes.insert(self.last, Node { parent, mode, uid, gid, size, alive: true, content });
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::{File, ROOT, Tree};

    #[test]
    fn what_is_removed_is_dead_and_its_number_is_not_used_again() {
        let mut tree = Tree::new(0, 0);
        let directory = tree.directory(ROOT, "a/b");
        let file = tree.file(directory, "f", 0o644, 0, File::BootId);
        let a = tree.child(ROOT, "a");
        tree.remove(ROOT, "a");
        assert_eq!(tree.child(ROOT, "a"), None);
        assert_eq!(tree.node(file).map(|node| node.alive), Some(false));
        assert_ne!(Some(tree.directory(ROOT, "a")), a);
    }
}
