//! The structure of the sources: modules import only from those below them, and unsafe code has one place.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::path::{Path, PathBuf};

/// The modules of src, top to bottom; those of one layer do not know each other.
const LAYERS: [&[&str]; 11] = [
    &["main"],
    &["cli", "logging"],
    &["commands"],
    &["proxy"],
    &["container"],
    &["firmware"],
    &["annotations", "board"],
    &["bundle", "remoteproc"],
    &["host"],
    &["error"],
    &["json", "sys"],
];

struct Source {
    path: PathBuf,
    module: String,
    /// Without comments.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut directories = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let module = path.strip_prefix(&root).unwrap().components().next().unwrap();
            let module = Path::new(module.as_os_str()).with_extension("").to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            sources.push(Source { module, code: code.collect::<Vec<_>>().join("\n"), path });
        }
    }
    sources
}

fn layer(module: &str) -> usize {
    let found = LAYERS.iter().position(|layer| layer.contains(&module));
    found.unwrap_or_else(|| panic!("{module} has no place in LAYERS"))
}

/// The modules named in `code` as `crate::module` or, in main.rs, `remoteproc_runtime::module`, braces included.
fn imports(code: &str) -> Vec<String> {
    let roots = ["crate::", "remoteproc_runtime::"];
    let tails =
        roots.iter().flat_map(|root| code.match_indices(root).map(|(at, _)| &code[at + root.len()..]));
    tails
        .flat_map(|tail| match tail.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap().split(',').collect(),
            None => vec![tail],
        })
        .map(|item| item.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned())
        // Constants of the crate itself are no modules.
        .filter(|name| name.starts_with(char::is_lowercase))
        .collect()
}

#[test]
fn modules_import_only_from_those_below_them() {
    let mut seen = 0;
    for source in sources().iter().filter(|source| source.module != "lib") {
        for import in imports(&source.code).iter().filter(|import| **import != source.module) {
            let (from, to) = (layer(&source.module), layer(import));
            assert!(from < to, "{}: imports {import}, which is not below it", source.path.display());
            seen += 1;
        }
    }
    assert!(seen > 100, "only {seen} imports found: this test no longer reads what it should");
}

#[test]
fn every_module_has_its_layer() {
    let modules: Vec<String> = sources().into_iter().map(|source| source.module).collect();
    for module in modules.iter().filter(|module| *module != "lib") {
        layer(module);
    }
    for module in LAYERS.concat() {
        assert!(modules.iter().any(|known| known == module), "{module} is in LAYERS, and not in src");
    }
}

#[test]
fn unsafe_code_is_allowed_in_one_file() {
    let allowing = sources().into_iter().filter(|source| source.code.contains("unsafe_code"));
    let paths: Vec<PathBuf> = allowing.map(|source| source.path).collect();
    assert_eq!(paths, [Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sys/signals.rs")]);
}

#[test]
fn imports_are_found_in_every_form() {
    let code = "use crate::{error::Error, host};\nuse crate::sys::files;\nlet x = crate::PROGRAM; crate::proxy::say();";
    assert_eq!(imports(code), ["error", "host", "sys", "proxy"]);
}

/// What stands between backquotes and looks like `module::function`.
fn named_tests(text: &str) -> Vec<(&str, &str)> {
    let names = text.split('`').skip(1).step_by(2).filter_map(|name| name.split_once("::"));
    let word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    names.filter(|(module, function)| word(module) && word(function)).collect()
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut directories = vec![root.join("src"), root.join("tests")];
    let mut files = Vec::new();
    while let Some(directory) = directories.pop() {
        let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let (inner, sources): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
        directories.extend(inner.into_iter().filter(|path| !path.ends_with("target")));
        files.extend(sources.into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs")));
    }
    let document = std::fs::read_to_string(root.join("docs/security.md")).unwrap();
    let named = named_tests(&document);
    assert!(
        named.len() > 50,
        "only {} tests are named: this test no longer reads what it should",
        named.len()
    );
    for (module, function) in named {
        let mut of_module = files.iter().filter(|path| path.file_stem().unwrap() == module);
        let has = |path: &PathBuf| {
            let text = std::fs::read_to_string(path).unwrap();
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            let declared = format!("fn {function}() {{");
            lines.windows(2).any(|pair| pair[0].starts_with('#') && pair[1] == declared)
        };
        assert!(of_module.any(has), "docs/security.md names {module}::{function}, which is no test");
    }
}

#[test]
fn every_row_of_the_threat_model_names_a_test() {
    let document = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/security.md"));
    let document = document.unwrap();
    let mut shown = false;
    for line in document.lines() {
        shown = line.starts_with('|') && (shown || line.ends_with("| shown by |"));
        let is_row = shown && !line.starts_with("|---") && !line.ends_with("| shown by |");
        assert!(!is_row || !named_tests(line).is_empty(), "no test shows: {line}");
    }
}
