//! OCI runtime that deploys firmware to auxiliary processors through Linux remoteproc.

fn main() {}
