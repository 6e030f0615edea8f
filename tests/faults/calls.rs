//! The system calls of x86-64: their names, and which of them an error is injected into.

/// Those that can fail with an error of a disk, a file system, a permission or an interruption. Not prctl(2): a process's own
/// name is refused for a bad address alone (kernel/sys.c).
const FALLIBLE: &[(i64, &str)] = &[
    (libc::SYS_access, "access"),
    (libc::SYS_bind, "bind"),
    (libc::SYS_chdir, "chdir"),
    (libc::SYS_chmod, "chmod"),
    (libc::SYS_clone, "clone"),
    (libc::SYS_clone3, "clone3"),
    (libc::SYS_close, "close"),
    (libc::SYS_close_range, "close_range"),
    (libc::SYS_connect, "connect"),
    (libc::SYS_copy_file_range, "copy_file_range"),
    (libc::SYS_dup2, "dup2"),
    (libc::SYS_dup3, "dup3"),
    (libc::SYS_execve, "execve"),
    (libc::SYS_faccessat, "faccessat"),
    (libc::SYS_faccessat2, "faccessat2"),
    (libc::SYS_fchmod, "fchmod"),
    (libc::SYS_fchmodat, "fchmodat"),
    (libc::SYS_fcntl, "fcntl"),
    (libc::SYS_fdatasync, "fdatasync"),
    (libc::SYS_flock, "flock"),
    (libc::SYS_fork, "fork"),
    (libc::SYS_fstat, "fstat"),
    (libc::SYS_fsync, "fsync"),
    (libc::SYS_ftruncate, "ftruncate"),
    (libc::SYS_getcwd, "getcwd"),
    (libc::SYS_getdents64, "getdents64"),
    (libc::SYS_getrandom, "getrandom"),
    (libc::SYS_ioctl, "ioctl"),
    (libc::SYS_lseek, "lseek"),
    (libc::SYS_lstat, "lstat"),
    (libc::SYS_mkdir, "mkdir"),
    (libc::SYS_mkdirat, "mkdirat"),
    (libc::SYS_mknodat, "mknodat"),
    (libc::SYS_newfstatat, "newfstatat"),
    (libc::SYS_open, "open"),
    (libc::SYS_openat, "openat"),
    (libc::SYS_openat2, "openat2"),
    (libc::SYS_pidfd_open, "pidfd_open"),
    (libc::SYS_pidfd_send_signal, "pidfd_send_signal"),
    (libc::SYS_pipe2, "pipe2"),
    (libc::SYS_poll, "poll"),
    (libc::SYS_ppoll, "ppoll"),
    (libc::SYS_pread64, "pread64"),
    (libc::SYS_pwrite64, "pwrite64"),
    (libc::SYS_read, "read"),
    (libc::SYS_readlink, "readlink"),
    (libc::SYS_readlinkat, "readlinkat"),
    (libc::SYS_readv, "readv"),
    (libc::SYS_rename, "rename"),
    (libc::SYS_renameat, "renameat"),
    (libc::SYS_renameat2, "renameat2"),
    (libc::SYS_rmdir, "rmdir"),
    (libc::SYS_sendfile, "sendfile"),
    (libc::SYS_sendmsg, "sendmsg"),
    (libc::SYS_setns, "setns"),
    (libc::SYS_setsid, "setsid"),
    (libc::SYS_signalfd4, "signalfd4"),
    (libc::SYS_socket, "socket"),
    (libc::SYS_socketpair, "socketpair"),
    (libc::SYS_splice, "splice"),
    (libc::SYS_stat, "stat"),
    (libc::SYS_statfs, "statfs"),
    (libc::SYS_statx, "statx"),
    (libc::SYS_symlinkat, "symlinkat"),
    (libc::SYS_unlink, "unlink"),
    (libc::SYS_unlinkat, "unlinkat"),
    (libc::SYS_unshare, "unshare"),
    (libc::SYS_vfork, "vfork"),
    (libc::SYS_wait4, "wait4"),
    (libc::SYS_waitid, "waitid"),
    (libc::SYS_write, "write"),
    (libc::SYS_writev, "writev"),
];

/// The name of a call that an error is injected into; none of any other.
pub fn fallible(number: u64) -> Option<&'static str> {
    FALLIBLE.iter().find(|(known, _)| u64::try_from(*known) == Ok(number)).map(|(_, name)| *name)
}

/// What a call is called in messages.
pub fn name(number: u64) -> String {
    fallible(number).map_or_else(|| format!("call {number}"), str::to_owned)
}

/// The descriptor of a close is gone also where it reports an error (close(2)).
pub fn is_made_whatever_it_answers(number: u64) -> bool {
    u64::try_from(libc::SYS_close) == Ok(number)
}

/// How many of the first calls are those of the loader and of the language's start, before main: the last of them gives
/// signal handlers a stack (sigaltstack).
pub fn of_start_up(calls: &[u64]) -> usize {
    let last = calls.iter().position(|call| u64::try_from(libc::SYS_sigaltstack) == Ok(*call));
    // What follows it are the pages of that stack.
    let pages =
        [libc::SYS_mmap, libc::SYS_mprotect, libc::SYS_sigaltstack].map(|call| u64::try_from(call).ok());
    last.map_or(0, |last| {
        last + calls.iter().skip(last).take_while(|call| pages.contains(&Some(**call))).count()
    })
}
