//! From a name to a processor: by an alias of the board's profile, by the kernel's name, or by the device's.

use super::find::Board;
use super::profile::ProcessorProfile;
use crate::error::{Error, Result};
use crate::host::Host;
use crate::remoteproc::{Processor, ProcessorState};

/// A processor, and what the board's profile knows of it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The processor.
    pub processor: Processor,
    /// What is known.
    pub profile: Option<ProcessorProfile>,
}

impl Board {
    /// What is known of a processor.
    pub fn profile_of(&self, processor: &Processor) -> Option<&ProcessorProfile> {
        self.profile
            .processors
            .iter()
            .find(|profile| profile.is_of(&processor.identity.name, processor.device_name()))
    }
}

/// The one processor that `name` means.
///
/// # Errors
/// [`Error::Processor`] with what there is, when there is none or more than one.
pub fn resolve(host: &Host, board: Option<&Board>, name: &str) -> Result<Target> {
    let all = Processor::list(host)?;
    let meant = board.and_then(|board| board.profile.processor(name));
    let matching = meant.map(|profile| {
        all.iter()
            .filter(|processor| profile.is_of(&processor.identity.name, processor.device_name()))
            .collect()
    });
    let by = |matches: &dyn Fn(&&Processor) -> bool| all.iter().filter(matches).collect::<Vec<_>>();
    let matching = matching
        .filter(|found: &Vec<&Processor>| !found.is_empty())
        .or_else(|| Some(by(&|processor| processor.identity.name == name)).filter(|found| !found.is_empty()))
        .unwrap_or_else(|| by(&|processor| processor.device_name() == name));
    if let [processor] = matching[..] {
        let profile = board.and_then(|board| board.profile_of(processor)).cloned();
        return Ok(Target { processor: processor.clone(), profile });
    }
    let problem = match (matching.is_empty(), board, meant) {
        (false, ..) => "this name belongs to more than one processor".to_owned(),
        (true, Some(board), Some(profile)) => format!(
            "the kernel shows none of its names on board {}: {}",
            board.profile.name,
            profile.names.join(", ")
        ),
        (true, ..) => "no processor of this name".to_owned(),
    };
    let hint = if all.is_empty() {
        let class = host.remoteproc_class();
        format!("{} lists no processor: is the kernel's remoteproc driver loaded?", class.display())
    } else {
        let listed: Vec<String> = all.iter().map(|processor| describe(board, processor)).collect();
        format!("there are: {}", listed.join("; "))
    };
    Err(Error::Processor { name: name.to_owned(), problem, hint: Some(hint) })
}

fn describe(board: Option<&Board>, processor: &Processor) -> String {
    let (name, kernel_name, device) =
        (&processor.identity.name, processor.kernel_name(), processor.device_name());
    let state = ProcessorState::read(&processor.path).map_or("unreadable", ProcessorState::word);
    let alias = board.and_then(|board| board.profile_of(processor)).map(ProcessorProfile::alias);
    let alias = alias.filter(|alias| alias != name).map(|alias| format!("{alias} = ")).unwrap_or_default();
    format!("{alias}{name} ({kernel_name}, device {device}, {state})")
}
