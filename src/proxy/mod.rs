//! The proxy: the small process that stands for a firmware. Engines see it as the container's process; it lives from
//! create to the end of the firmware.

mod answer;
mod args;
mod boot;
mod reason;
mod release;
mod resident;
mod running;
mod say;
mod setup;
mod spawn;
mod traces;
mod watch;

pub use answer::{Answer, Answers, Heard, Setup};
pub use args::{
    Internal, Owner, ProxyArgs, ReleaseArgs, is_helper, network_arg, owner_of, proxies, proxies_of,
    proxy_with,
};
pub use release::{release, release_helper};
pub use resident::resident;
pub use spawn::{Proxy, spawn};
// For tests/fuzz.
#[doc(hidden)]
pub use watch::{End, Verdict, Watch};
