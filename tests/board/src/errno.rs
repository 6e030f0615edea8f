//! Names of error numbers, for the control files that make a driver fail.

use fuser::Errno;

const NAMES: &[(&str, i32)] = &[
    ("EPERM", libc::EPERM),
    ("ENOENT", libc::ENOENT),
    ("EINTR", libc::EINTR),
    ("EIO", libc::EIO),
    ("ENXIO", libc::ENXIO),
    ("ENOEXEC", libc::ENOEXEC),
    ("EAGAIN", libc::EAGAIN),
    ("ENOMEM", libc::ENOMEM),
    ("EACCES", libc::EACCES),
    ("EFAULT", libc::EFAULT),
    ("EBUSY", libc::EBUSY),
    ("ENODEV", libc::ENODEV),
    ("EINVAL", libc::EINVAL),
    ("ENOSPC", libc::ENOSPC),
    ("ENAMETOOLONG", libc::ENAMETOOLONG),
    ("ENODATA", libc::ENODATA),
    ("EPROTO", libc::EPROTO),
    ("EOVERFLOW", libc::EOVERFLOW),
    ("EOPNOTSUPP", libc::EOPNOTSUPP),
    ("ECONNRESET", libc::ECONNRESET),
    ("ESHUTDOWN", libc::ESHUTDOWN),
    ("ETIMEDOUT", libc::ETIMEDOUT),
    ("EREMOTEIO", libc::EREMOTEIO),
];

/// The error called `name`, if it is one a remoteproc driver is known to answer.
pub(crate) fn by_name(name: &str) -> Option<Errno> {
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, code)| Errno::from_i32(*code))
}

/// The name of `errno`, or an empty string for one without a name here.
pub(crate) fn name_of(errno: Errno) -> &'static str {
    NAMES.iter().find(|(_, code)| *code == errno.code()).map_or("", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::{by_name, name_of};

    #[test]
    fn a_name_is_found_both_ways() {
        for name in ["EIO", "ETIMEDOUT", "EPERM"] {
            assert_eq!(by_name(name).map(name_of), Some(name));
        }
        assert!(by_name("eio").is_none());
    }
}
