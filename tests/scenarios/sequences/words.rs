//! What a verb said, as an [`Answer`]. Whatever else it says is a failure: no error is to reach a user that nobody thought of.

use serde_json::Value;

use super::model::Status;
use super::plan::{Act, IDS, Id};
use super::verbs::Answer;
use crate::harness::Outcome;

/// The answer of `act`.
///
/// # Errors
/// Words that are not known.
pub fn answer(act: Act, outcome: &Outcome) -> Result<Answer, String> {
    let unknown =
        || format!("{act}: exit code {}, and said:\n{}{}", outcome.code, outcome.stdout, outcome.stderr);
    // The proxy that was created goes on writing where its create did.
    let lines: Vec<&str> =
        outcome.stderr.lines().filter(|line| !line.starts_with("remoteproc-runtime: ")).collect();
    let known = |line: &&str| ["error: ", "hint: ", "kernel: "].iter().any(|prefix| line.starts_with(prefix));
    if !lines.iter().all(known) {
        return Err(unknown());
    }
    match (outcome.code, act) {
        (0, _) if !lines.is_empty() => None,
        (0, Act::State(_)) => shows(&outcome.stdout),
        (0, Act::List) => lists(&outcome.stdout),
        // What the firmware says goes where its create did, too.
        (0, Act::Create(_) | Act::Run(_)) => Some(Answer::Done),
        (0, _) if outcome.stdout.is_empty() => Some(Answer::Done),
        (1, _) => {
            let mut errors = lines.iter().filter_map(|line| line.strip_prefix("error: "));
            errors.next().filter(|_| errors.next().is_none()).and_then(|error| refusal(error, act))
        }
        _ => None,
    }
    .ok_or_else(unknown)
}

fn refusal(error: &str, act: Act) -> Option<Answer> {
    let (Act::Create(super::plan::Make { id, .. })
    | Act::Run(super::plan::Make { id, .. })
    | Act::Start(id)
    | Act::Kill(id, _)
    | Act::Delete(id)
    | Act::DeleteByForce(id)
    | Act::State(id)) = act
    else {
        return None;
    };
    let error = error.strip_prefix(&format!("container {}: ", IDS[id]))?;
    // Not every refusal about a processor names it in the same way, but each does.
    let about = error.strip_prefix("processor ").and_then(|rest| rest.split_once(": ")).map(|(_, rest)| rest);
    Some(match (error, about) {
        ("container does not exist", _) => Answer::DoesNotExist,
        ("container already exists", _) => Answer::AlreadyExists,
        ("container not running", _) => Answer::NotRunning,
        ("the proxy did not get ready: it ended", _) => Answer::NotReady,
        (_, Some("the proxy ended before it had booted the processor")) => Answer::ProxyEnded,
        (_, Some(about)) => refusal_of_processor(about)?,
        _ => Answer::Status(status_in(error)?),
    })
}

fn refusal_of_processor(about: &str) -> Option<Answer> {
    if let Some(owner) = about.strip_prefix("it is owned by container ") {
        return Some(Answer::Owned(id_in(owner)?));
    }
    if about.starts_with("it was owned by process ") {
        return Some(Answer::OwnerEnded);
    }
    if let Some(other) = about.strip_prefix("it is running, with the firmware of container ") {
        return other
            .ends_with(", whose proxy has ended")
            .then(|| id_in(other))
            .flatten()
            .map(Answer::LeftBy);
    }
    if about.starts_with("it is running, and was booted by something else than this runtime (firmware ") {
        return Some(Answer::Foreign);
    }
    if about.starts_with("write \"start\" to ") && about.ends_with(" (EINVAL)") {
        return Some(Answer::Refused("start"));
    }
    if about.starts_with("write \"") && about.contains("/firmware: ") && about.ends_with(" (EBUSY)") {
        return Some(Answer::Refused("firmware"));
    }
    let state = about.strip_prefix("the kernel accepted the start, but the state reads ")?;
    ["offline", "crashed"].into_iter().find(|known| *known == state).map(Answer::NotUp)
}

/// `cannot VERB a container that is STATUS: it must be STATUS`.
fn status_in(error: &str) -> Option<Status> {
    let (_, rest) = error.strip_prefix("cannot ")?.split_once(" a container that is ")?;
    let (status, needed) = rest.split_once(": it must be ")?;
    Status::of(needed)?;
    Status::of(status)
}

/// The id that a text begins with.
fn id_in(text: &str) -> Option<Id> {
    let word = text.split([' ', ',']).next()?;
    IDS.iter().position(|id| *id == word)
}

fn shows(stdout: &str) -> Option<Answer> {
    let state: Value = serde_json::from_str(stdout).ok()?;
    Status::of(state["status"].as_str()?).map(Answer::Shows)
}

fn lists(stdout: &str) -> Option<Answer> {
    let list: Value = serde_json::from_str(stdout).ok()?;
    let mut seen = [None; IDS.len()];
    // Of none it is null, as runc prints it.
    for entry in list.as_array().map(Vec::as_slice).unwrap_or_default() {
        let id = IDS.iter().position(|id| entry["id"] == *id)?;
        seen[id] = Some(Status::of(entry["status"].as_str()?)?);
    }
    Some(Answer::Lists(seen))
}
