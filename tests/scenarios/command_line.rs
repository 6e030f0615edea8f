//! Options, exit codes and messages.
