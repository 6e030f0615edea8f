//! A board with remoteproc processors, simulated as a FUSE file system.
