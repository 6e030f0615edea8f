//! Builds the board profiles into the program: their text without comments and spaces, compressed, since flash is
//! scarce.
#![allow(clippy::expect_used, missing_docs)]

use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=boards");
    // The linker reads it, of which cargo does not know.
    println!("cargo::rerun-if-changed=cross/no-unwinding.ld");
    let folder = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("boards");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("boards/ can be read")
        .map(|entry| entry.expect("boards/ can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let name = file.file_stem().and_then(|name| name.to_str()).expect("a name in UTF-8");
        let text = std::fs::read_to_string(&file).expect("a profile can be read");
        all.extend([name, &bare(&text)].map(|part| [part.as_bytes(), b"\0"].concat()).concat());
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it")).join("boards.lz4");
    std::fs::write(out, lz4_flex::block::compress_prepend_size(&all)).expect("OUT_DIR can be written");
}

/// The same TOML without comments, indentation, empty lines, and spaces outside of strings.
fn bare(text: &str) -> String {
    let mut bare = String::new();
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some('"'), '\\') => {
                bare.push(c);
                bare.extend(characters.next());
            }
            (Some(open), _) => {
                quote = quote.filter(|_| c != open);
                bare.push(c);
            }
            (None, '"' | '\'') => {
                quote = Some(c);
                bare.push(c);
            }
            (None, '#') => {
                // The line's end is left for below.
                while characters.as_str().starts_with(|c| c != '\n') {
                    characters.next();
                }
            }
            (None, '\n') if bare.is_empty() || bare.ends_with('\n') => {}
            (None, ' ' | '\t' | '\r') => {}
            (None, _) => bare.push(c),
        }
    }
    bare
}
