//! Error numbers in words: `Invalid argument (EINVAL)`.

use rustix::io::Errno;

/// The symbolic name, for the numbers that remoteproc, its drivers and file systems are known to give.
pub fn name(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::ACCESS => "EACCES",
        Errno::AGAIN => "EAGAIN",
        Errno::BUSY => "EBUSY",
        Errno::CANCELED => "ECANCELED",
        Errno::DQUOT => "EDQUOT",
        Errno::EXIST => "EEXIST",
        Errno::FAULT => "EFAULT",
        Errno::INTR => "EINTR",
        Errno::INVAL => "EINVAL",
        Errno::IO => "EIO",
        Errno::ISDIR => "EISDIR",
        Errno::LOOP => "ELOOP",
        Errno::NAMETOOLONG => "ENAMETOOLONG",
        Errno::NODEV => "ENODEV",
        Errno::NOENT => "ENOENT",
        Errno::NOEXEC => "ENOEXEC",
        Errno::NOMEM => "ENOMEM",
        Errno::NOSPC => "ENOSPC",
        Errno::NOTDIR => "ENOTDIR",
        Errno::NOTSUP => "EOPNOTSUPP",
        Errno::NXIO => "ENXIO",
        Errno::PERM => "EPERM",
        Errno::ROFS => "EROFS",
        Errno::SRCH => "ESRCH",
        Errno::TIMEDOUT => "ETIMEDOUT",
        Errno::XDEV => "EXDEV",
        _ => return None,
    })
}

/// The C library's words and the symbolic name, or the number where no name is known.
pub fn in_words(errno: Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    match name(errno) {
        Some(name) => format!("{words} ({name})"),
        None => format!("{words} (errno {})", errno.raw_os_error()),
    }
}

/// As [`in_words`], for an error of the standard library; one without a number keeps its own text.
pub fn io_in_words(error: &std::io::Error) -> String {
    match Errno::from_io_error(error) {
        Some(errno) => in_words(errno),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_numbers_have_words_and_name_and_others_their_number() {
        assert_eq!(in_words(Errno::INVAL), "Invalid argument (EINVAL)");
        assert!(in_words(Errno::MLINK).ends_with("(errno 31)"), "{}", in_words(Errno::MLINK));
    }
}
