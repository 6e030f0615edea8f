//! The documents of the runtime are those of the OCI specification: its types read them, and lose nothing of them.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;

use oci_spec::runtime::{self, ContainerState, LinuxNamespaceType};
use remoteproc_runtime::commands::{Document, FEATURES, Spec, Verb};
use remoteproc_runtime::container::Status;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads `text` as a `T`, which must know every property of it.
#[track_caller]
fn read<T: DeserializeOwned + Serialize>(text: &str) -> T {
    let read: T = serde_json::from_str(text).unwrap();
    let (ours, theirs): (Value, Value) =
        (serde_json::from_str(text).unwrap(), serde_json::to_value(&read).unwrap());
    lost(&ours, &theirs, "");
    read
}

/// What the types have by default and we leave out is no difference.
#[track_caller]
fn lost(ours: &Value, theirs: &Value, at: &str) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (key, value) in ours {
                let theirs = theirs
                    .get(key)
                    .unwrap_or_else(|| panic!("{at}/{key} is no property of the specification"));
                lost(value, theirs, &format!("{at}/{key}"));
            }
        }
        _ => assert_eq!(ours, theirs, "{at}"),
    }
}

#[test]
fn features_are_those_of_the_specification() {
    let features: runtime::Features = read(FEATURES);
    assert_eq!(features.hooks(), &Some(vec![]), "no hook runs");
    let linux = features.linux().as_ref().unwrap();
    assert_eq!(linux.namespaces(), &Some(vec![LinuxNamespaceType::Network]), "the only one that is entered");
}

#[test]
fn every_status_has_a_state_of_the_specification() {
    let theirs = |status| match status {
        Status::Creating => ContainerState::Creating,
        Status::Created => ContainerState::Created,
        Status::Running => ContainerState::Running,
        Status::Stopped => ContainerState::Stopped,
    };
    for status in [Status::Creating, Status::Created, Status::Running, Status::Stopped] {
        let document = Document {
            annotations: BTreeMap::from([("remoteproc.name".to_owned(), "m4".to_owned())]),
            bundle: "/bundle".into(),
            id: "x".into(),
            oci_version: "1.3.0",
            pid: (status == Status::Running).then_some(7),
            status,
        };
        let state: runtime::State = read(&serde_json::to_string(&document).unwrap());
        assert_eq!(*state.status(), theirs(status));
        assert_eq!((state.id().as_str(), *state.pid()), ("x", document.pid));
    }
}

#[test]
fn a_written_config_is_one_of_the_specification() {
    let directory = tempfile::tempdir().unwrap();
    let (bundle, firmware) = (directory.path().join("bundle"), directory.path().join("fw.elf"));
    std::fs::write(&firmware, b"firmware").unwrap();
    let spec = Spec { bundle: bundle.clone(), processor: "m4".into(), firmware };
    Verb::Spec(spec)
        .run(|| panic!("spec needs no machine"), || panic!("spec needs no state directory"))
        .unwrap();
    let config: runtime::Spec = read(&std::fs::read_to_string(bundle.join("config.json")).unwrap());
    assert_eq!(config.process().as_ref().unwrap().args(), &Some(vec!["fw.elf".to_owned()]));
    assert_eq!(config.annotations().as_ref().unwrap()["remoteproc.name"], "m4");
}
