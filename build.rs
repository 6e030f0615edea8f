//! Builds the board profiles into the program: their text without comments and spaces, compressed, since flash is
//! scarce.

use std::error::Error;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=boards");
    // The linker reads it, of which cargo does not know.
    println!("cargo::rerun-if-changed=cross/no-unwinding.ld");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory("CARGO_MANIFEST_DIR")?.join("boards"))? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "toml") {
            files.push(file);
        }
    }
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let profile = profile(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        all.extend(profile);
    }
    std::fs::write(directory("OUT_DIR")?.join("boards.lz4"), lz4_flex::block::compress_prepend_size(&all))?;
    Ok(())
}

/// A directory that cargo names.
fn directory(variable: &str) -> Result<PathBuf, String> {
    std::env::var_os(variable).map(PathBuf::from).ok_or_else(|| format!("cargo sets no {variable}"))
}

/// The name of a profile and its text, each with a NUL behind.
fn profile(file: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
    let name = file.file_stem().and_then(|name| name.to_str()).ok_or("its name is not UTF-8")?;
    let text = bare(&std::fs::read_to_string(file)?);
    Ok(format!("{name}\0{text}\0").into_bytes())
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
