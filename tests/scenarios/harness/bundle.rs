//! Bundles, good and bad.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::real;

/// A bundle's directory.
#[derive(Clone, Debug)]
pub struct Bundle {
    pub path: PathBuf,
}

impl Bundle {
    /// A bundle in `path` with `firmware` as rootfs/fw.elf.
    pub fn new(path: &Path, processor: &str, firmware: &[u8]) -> Self {
        std::fs::create_dir_all(path.join("rootfs")).unwrap();
        std::fs::write(path.join("rootfs/fw.elf"), firmware).unwrap();
        let bundle = Self { path: path.to_owned() };
        bundle.write_config(&json!({
            "ociVersion": "1.2.0",
            "root": { "path": "rootfs" },
            "process": { "args": ["fw.elf"], "cwd": "/" },
            "annotations": { "remoteproc.name": processor },
        }));
        bundle
    }

    pub fn config(&self) -> PathBuf {
        self.path.join("config.json")
    }

    /// What config.json says.
    pub fn text(&self) -> String {
        real::in_scenarios_words(std::fs::read_to_string(self.config()).unwrap())
    }

    pub fn write_config(&self, config: &Value) {
        let mut config = config.clone();
        if let Some(Value::String(name)) = config.pointer_mut("/annotations/remoteproc.name") {
            *name = real::name_on_board(name);
        }
        std::fs::write(self.config(), config.to_string()).unwrap();
    }

    /// Changes config.json.
    pub fn edit(&self, change: impl FnOnce(&mut Value)) {
        let mut config: Value = serde_json::from_slice(&std::fs::read(self.config()).unwrap()).unwrap();
        change(&mut config);
        self.write_config(&config);
    }

    /// Has create take the firmware unseen, so that the kernel is the first to look at it.
    pub fn unchecked(self) -> Self {
        self.annotate("remoteproc.firmware-check", "off");
        self
    }

    pub fn annotate(&self, name: &str, value: &str) {
        self.edit(|config| config["annotations"][name] = json!(value));
    }

    pub fn rootfs(&self, name: &str) -> PathBuf {
        self.path.join("rootfs").join(name)
    }
}
