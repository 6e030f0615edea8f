//! Which processors must run before another, and stop after it.

use serde::Serialize;

use super::find::Board;
use super::profile::ProcessorProfile;
use crate::error::Result;
use crate::host::Host;
use crate::remoteproc::{Identity, Processor};

/// The neighbours of a processor in the order of its board, as far as the kernel shows them.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Order {
    /// Must run before it starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Identity>,
    /// Must have stopped before it stops.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Identity>,
}

impl Order {
    /// The order around the processor of a profile. One that the kernel does not show is in no order: in lockstep a
    /// cluster's second core is none of its own (drivers/remoteproc/ti_k3_r5_remoteproc.c).
    ///
    /// # Errors
    /// When the processors cannot be listed.
    pub fn around(host: &Host, board: &Board, profile: &ProcessorProfile) -> Result<Self> {
        let is_me = |alias: &String| profile.aliases.contains(alias);
        let after = profile.after.as_deref().and_then(|alias| board.profile.processor(alias));
        let before: Vec<&ProcessorProfile> =
            board.profile.processors.iter().filter(|other| other.after.as_ref().is_some_and(is_me)).collect();
        if after.is_none() && before.is_empty() {
            return Ok(Self::default());
        }
        let all = Processor::list(host)?;
        let shown = |profile: &ProcessorProfile| {
            let mut matching = all
                .iter()
                .filter(|processor| profile.is_of(&processor.identity.name, processor.device_name()));
            matching.next().map(|processor| processor.identity.clone())
        };
        Ok(Self { after: after.and_then(shown), before: before.into_iter().filter_map(shown).collect() })
    }

    /// Nothing is to be minded.
    pub fn is_free(&self) -> bool {
        *self == Self::default()
    }
}
