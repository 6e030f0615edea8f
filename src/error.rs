//! What can go wrong, in words that name the container, the processor and the path, and say what to do.

use std::fmt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::sys::errno;

/// The result of everything that can fail for a reason the user must hear.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure, as it is shown to the user. `Display` is one line without a final stop.
#[derive(Debug)]
pub enum Error {
    /// The command line was not understood: exit code 2.
    Usage(String),
    /// A value was understood and refused: an id, a signal, a file that is not what it should be.
    Invalid(String),
    /// No container of that id. The words are what engines look for.
    DoesNotExist,
    /// The id is taken.
    AlreadyExists,
    /// The container's proxy has ended. The words are what engines look for.
    NotRunning,
    /// The container has another status than the verb needs.
    WrongStatus {
        /// What was asked for.
        verb: &'static str,
        /// What the container is.
        status: &'static str,
        /// What it would have to be.
        needs: &'static str,
        /// The way there.
        hint: String,
    },
    /// config.json is not what this runtime can run.
    Config {
        /// The file.
        path: PathBuf,
        /// The property in dotted form (`process.args`), or empty where it is the whole file.
        property: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The state directory is not the caller's alone.
    State {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// The firmware cannot be used or stored.
    Firmware {
        /// The file in the image, or the directory it should go to.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What to do, where it is known.
        hint: Option<String>,
    },
    /// The processor cannot be had, or is not in the state that was waited for.
    Processor {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: String,
        /// What to do, where it is known.
        hint: Option<String>,
    },
    /// The kernel refused something about a processor.
    Kernel {
        /// The processor's name.
        processor: String,
        /// What was done, with the path: `write "start" to /sys/.../state`.
        action: String,
        /// Its answer.
        errno: Errno,
        /// What its log said meanwhile, oldest first.
        lines: Vec<String>,
        /// What to do, where the cause is known.
        hint: Option<String>,
    },
    /// The system refused something about a file.
    Io {
        /// What was done, in the infinitive: `read`.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// Its answer.
        source: std::io::Error,
    },
    /// A verb of other runtimes that makes no sense here.
    NotSupported {
        /// The verb.
        verb: String,
        /// Why not.
        why: &'static str,
    },
    /// Any of these, said of one container.
    Container {
        /// Its id.
        id: String,
        /// What went wrong.
        source: Box<Error>,
    },
}

impl Error {
    /// An [`Error::Io`] from whatever carries an error number.
    pub fn io(action: &'static str, path: impl AsRef<Path>, source: impl Into<std::io::Error>) -> Self {
        Self::Io { action, path: path.as_ref().to_owned(), source: source.into() }
    }

    /// What the system said; for anything else that it is invalid.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Io { source, .. } => Errno::from_io_error(source).unwrap_or(Errno::INVAL),
            Self::Kernel { errno, .. } => *errno,
            Self::Container { source, .. } => source.errno(),
            _ => Errno::INVAL,
        }
    }

    /// An [`Error::Invalid`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    /// The same, said of a container.
    pub fn of_container(self, id: &str) -> Self {
        match self {
            Self::Usage(_) | Self::Container { .. } => self,
            source => Self::Container { id: id.to_owned(), source: Box::new(source) },
        }
    }

    /// The exit code: 2 for a command line that was not understood, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            _ => 1,
        }
    }

    /// What the kernel's log said about it, at most five lines.
    pub fn kernel_lines(&self) -> &[String] {
        match self {
            Self::Kernel { lines, .. } => lines,
            Self::Container { source, .. } => source.kernel_lines(),
            _ => &[],
        }
    }

    /// The error with what belongs to it: the kernel's lines and the hint.
    pub fn in_one_line(&self) -> String {
        let mut whole = self.to_string();
        for line in self.kernel_lines() {
            whole.push_str("; kernel: ");
            whole.push_str(line);
        }
        if let Some(hint) = self.hint() {
            whole.push_str("; hint: ");
            whole.push_str(&hint);
        }
        whole
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Usage(_) => Some("remoteproc-runtime --help lists verbs and options".to_owned()),
            Self::AlreadyExists => Some("delete the container first, or choose another id".to_owned()),
            Self::WrongStatus { hint, .. } | Self::State { hint, .. } => Some(hint.clone()),
            Self::Firmware { hint, .. } | Self::Processor { hint, .. } | Self::Kernel { hint, .. } => {
                hint.clone()
            }
            Self::Container { source, .. } => source.hint(),
            Self::Io { path, source, .. } => io_hint(path, source),
            _ => None,
        }
    }
}

/// Hints that hold for every file.
fn io_hint(path: &Path, source: &std::io::Error) -> Option<String> {
    match Errno::from_io_error(source)? {
        Errno::NOSPC | Errno::DQUOT => {
            Some(format!("free some space on the file system of {}", path.display()))
        }
        Errno::ROFS => Some(format!("{} lies on a read-only file system", path.display())),
        Errno::ACCESS | Errno::PERM => Some("run as root, or as a user with rights to this file".to_owned()),
        _ => None,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) | Self::Invalid(message) => f.write_str(message),
            Self::DoesNotExist => f.write_str("container does not exist"),
            Self::AlreadyExists => f.write_str("container already exists"),
            Self::NotRunning => f.write_str("container not running"),
            Self::WrongStatus { verb, status, needs, .. } => {
                write!(f, "cannot {verb} a container that is {status}: it must be {needs}")
            }
            Self::Config { path, property, problem } if property.is_empty() => {
                write!(f, "{}: {problem}", path.display())
            }
            Self::Config { path, property, problem } => {
                write!(f, "{}: {property}: {problem}", path.display())
            }
            Self::State { path, problem, .. } => write!(f, "state directory {}: {problem}", path.display()),
            Self::Firmware { path, problem, .. } => write!(f, "firmware: {}: {problem}", path.display()),
            Self::Processor { name, problem, .. } => write!(f, "processor {name}: {problem}"),
            Self::Kernel { processor, action, errno, .. } => {
                write!(f, "processor {processor}: {action}: {}", errno::in_words(*errno))
            }
            Self::Io { action, path, source } => {
                write!(f, "cannot {action} {}: {}", path.display(), errno::io_in_words(source))
            }
            Self::NotSupported { verb, why } => write!(f, "not supported: {verb}: {why}"),
            Self::Container { id, source } => write!(f, "container {id}: {source}"),
        }
    }
}

impl std::error::Error for Error {}

/// Control characters escaped: paths and names come from outside, and must neither look like lines of ours nor speak to
/// the terminal.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => line.extend(c.escape_default()),
            false => line.push(c),
        }
    }
    line
}

/// A path as a shell takes it.
pub fn quoted(path: &Path) -> String {
    let path = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,".contains(c);
    match path.chars().all(plain) {
        true => path.into_owned(),
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_find_the_words_they_look_for() {
        assert!(Error::DoesNotExist.of_container("x").to_string().contains("does not exist"));
        assert!(Error::NotRunning.of_container("x").to_string().contains("container not running"));
    }

    #[test]
    fn a_container_is_named_once_and_passes_on_what_its_error_says() {
        let inner = Error::io("write", "/lib/firmware/x", Errno::NOSPC);
        let error = inner.of_container("a").of_container("b");
        assert_eq!(
            error.to_string(),
            "container a: cannot write /lib/firmware/x: No space left on device (ENOSPC)"
        );
        assert!(error.hint().unwrap().contains("free some space"));
        assert_eq!((error.exit_code(), Error::Usage(String::new()).exit_code()), (1, 2));
    }

    #[test]
    fn a_shell_takes_a_path_for_nothing_else() {
        assert_eq!(quoted(Path::new("/run/remoteproc-runtime")), "/run/remoteproc-runtime");
        assert_eq!(quoted(Path::new("/a b$(c)'d")), r"'/a b$(c)'\''d'");
    }
}
