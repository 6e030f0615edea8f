//! config.json of a bundle, and its annotations. What is taken is what another reader of JSON finds there.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use remoteproc_runtime::annotations::Annotations;
use remoteproc_runtime::bundle::{Bundle, Network, PROCESSOR_ANNOTATION};
use serde_json::Value;

fuzz_target!(|text: &[u8]| {
    let path = Path::new("/b/config.json");
    match Bundle::parse("/b".into(), path, text) {
        Ok(bundle) => {
            // It refuses numbers and depths that nobody asks for, which is no contradiction.
            if let Ok(json) = serde_json::from_slice(text) {
                agrees(&bundle, &json);
            }
            match Annotations::of(&bundle) {
                Ok(annotations) => assert!(annotations.stop_timeout.is_none_or(|s| (1..=3600).contains(&s))),
                Err(error) => {
                    assert!(error.to_string().starts_with("/b/config.json: annotations.remoteproc."))
                }
            }
        }
        Err(error) => assert!(error.to_string().starts_with("/b/config.json: ")),
    }
});

fn agrees(bundle: &Bundle, json: &Value) {
    assert_eq!(json["ociVersion"], *bundle.oci_version);
    assert!(bundle.oci_version.starts_with("1."));
    assert_eq!(json["root"]["path"].as_str().map(Path::new), Some(&*bundle.root_path));
    assert_eq!(json["process"]["terminal"].as_bool().unwrap_or(false), bundle.terminal);
    let none = serde_json::Map::new();
    let annotations = json["annotations"].as_object().unwrap_or(&none);
    assert_eq!(annotations.len(), bundle.annotations.len());
    assert!(
        annotations
            .iter()
            .all(|(name, value)| bundle.annotations.get(name).map(String::as_str) == value.as_str())
    );
    if let Some(deployment) = &bundle.deploys {
        let args = json["process"]["args"].as_array().unwrap();
        assert_eq!(args.len(), 1);
        assert_eq!(args[0].as_str().map(Path::new), Some(&*deployment.firmware));
        assert!(!deployment.processor.is_empty());
        assert_eq!(annotations[PROCESSOR_ANNOTATION], *deployment.processor);
    }
    let namespaces = json["linux"]["namespaces"].as_array().map_or(&[][..], Vec::as_slice);
    let mut networks = namespaces.iter().filter(|namespace| namespace["type"] == "network");
    let wanted = match networks.next().map(|namespace| namespace["path"].as_str().unwrap_or_default()) {
        None => Network::Host,
        Some("") => Network::Fresh,
        Some(path) => Network::Join(path.into()),
    };
    assert_eq!((&bundle.network, networks.next()), (&wanted, None));
}
