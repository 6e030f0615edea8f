//! Why a state directory is refused, in words: whoever could write there could say which process a proxy is, and which files
//! are to be removed.

use std::path::Path;

use crate::error::{Error, quoted};
use crate::sys::own::{Distrust, Why};

/// The refusal of the state directory, or of a container's directory, `directory`.
pub(super) fn refusal(directory: &Path, distrust: &Distrust) -> Error {
    let (path, argument) = (distrust.path.display(), quoted(&distrust.path));
    let itself = distrust.path == directory;
    let me = rustix::process::geteuid().as_raw();
    let (problem, hint) = match distrust.why {
        Why::Unmade(errno) => return Error::io("make the state directory", &distrust.path, errno),
        Why::Errno(errno) => {
            let action = if itself { "open" } else { "go through" };
            return Error::io(action, &distrust.path, errno);
        }
        Why::Link => {
            ("is a symbolic link".to_owned(), "name the directory that it leads to: --root DIR".to_owned())
        }
        Why::Owner(user) if itself => (
            format!("it belongs to user {user}, who could change what containers are"),
            format!("chown {me} {argument}"),
        ),
        Why::Owner(user) => (
            format!("{path} on the way to it belongs to user {user}, who could put another one in its place"),
            "name a directory elsewhere: --root DIR".to_owned(),
        ),
        Why::Mode(mode) => (
            format!("other users could change what containers are (mode {mode:04o})"),
            format!("chmod 700 {argument}"),
        ),
        Why::Way(mode) => (
            format!("other users could put another one in its place (mode {mode:04o} of {path})"),
            format!("chmod go-w {argument}"),
        ),
    };
    Error::State { path: directory.to_owned(), problem, hint }
}
