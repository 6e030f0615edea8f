//! Configs and command lines that real engines handed to a runtime.
