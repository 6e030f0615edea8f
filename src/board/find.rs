//! Which profile is this board's: the one that was chosen, else the one that its device tree asks for.

use std::fmt;
use std::path::{Path, PathBuf};

use super::profile::BoardProfile;
use super::read::read;
use crate::error::{Error, Result};
use crate::host::Host;
use crate::sys::{files, sorted};

/// The shipped profiles, as build.rs packs them: a name and a text after the other, each ended by a zero.
static BUILT_IN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/boards.lz4"));

/// The largest profile that is read, in bytes: shipped ones have some 10 kB.
const LIMIT: u64 = 1 << 20;

/// A profile, and where it comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Board {
    /// What it says.
    pub profile: BoardProfile,
    /// Where from.
    pub origin: Origin,
}

/// Where a profile comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// This program.
    BuiltIn,
    /// A file.
    File(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built in"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// A profile that was not read yet.
#[derive(Debug)]
pub struct Candidate {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub origin: Origin,
    text: String,
}

impl Candidate {
    /// Reads it.
    ///
    /// # Errors
    /// With the file, the line or rule, and what is wrong.
    pub fn read(&self) -> Result<Board> {
        let invalid = |problem: String| Error::invalid(format!("board profile {}: {problem}", self.place()));
        let profile = read(&self.text).map_err(invalid)?;
        if profile.name != self.name {
            return Err(invalid(format!("its name is {:?}, and must be that of its file", profile.name)));
        }
        Ok(Board { profile, origin: self.origin.clone() })
    }

    fn place(&self) -> String {
        match &self.origin {
            Origin::BuiltIn => self.name.clone(),
            Origin::File(path) => path.display().to_string(),
        }
    }

    /// Whether it may have this string as one of its `compatible`: to read all would take long.
    fn mentions(&self, compatible: &str) -> bool {
        let quoted = |quote: char| self.text.contains(&format!("{quote}{compatible}{quote}"));
        quoted('"') || quoted('\'')
    }
}

/// All profiles: those of `etc/remoteproc-runtime/boards`, further ones of `usr/share/remoteproc-runtime/boards`, and the
/// built-in ones that no file of etc replaces.
///
/// # Errors
/// When a file cannot be read.
pub fn candidates(host: &Host) -> Result<Vec<Candidate>> {
    let mut all = files_of(&host.path("etc/remoteproc-runtime/boards"), |_| true)?;
    let shipped = built_in();
    let is_shipped = |name: &str| shipped.iter().any(|known| known.name == name);
    let further = files_of(&host.path("usr/share/remoteproc-runtime/boards"), |name| !is_shipped(name))?;
    for candidate in further.into_iter().chain(shipped) {
        if all.iter().all(|known| known.name != candidate.name) {
            all.push(candidate);
        }
    }
    Ok(all)
}

fn built_in() -> Vec<Candidate> {
    // What build.rs has packed can be unpacked.
    let unpacked = lz4_flex::block::decompress_size_prepended(BUILT_IN).unwrap_or_default();
    let mut parts = unpacked.split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned());
    let mut candidates = Vec::new();
    while let (Some(name), Some(text)) = (parts.next(), parts.next()) {
        candidates.push(Candidate { name, origin: Origin::BuiltIn, text });
    }
    candidates
}

/// The profiles in a folder whose names are wanted, by name; a folder that is missing has none.
fn files_of(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<Candidate>> {
    let mut candidates = Vec::new();
    for path in
        files::entries(folder).map_err(|e| Error::io("list", folder, e))?.into_iter().map(|entry| entry.path)
    {
        let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".toml")) else {
            continue;
        };
        if !wanted(name) {
            continue;
        }
        let bytes = files::read_at_most(&path, LIMIT).map_err(|e| Error::io("read", &path, e))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Error::invalid(format!("board profile {}: is not UTF-8", path.display())))?;
        let candidate = Candidate { name: name.to_owned(), text, origin: Origin::File(path.clone()) };
        sorted::insert(&mut candidates, candidate, |known| known.name.as_str() < name);
    }
    Ok(candidates)
}

/// The profile of this board: `chosen` (`--board`), else the name in `etc/remoteproc-runtime/board`, else the first string
/// of the device tree's `compatible` that a profile has. `None` where no profile fits.
///
/// # Errors
/// When a chosen name belongs to no profile, or the profile is not as boards/README.md asks for.
pub fn find(host: &Host, chosen: Option<&str>) -> Result<Option<Board>> {
    let configured = configured(host)?;
    if let Some(name) = chosen.or(configured.as_deref()) {
        return named(host, name).map(Some);
    }
    let compatible = compatible(host);
    if compatible.is_empty() {
        return Ok(None);
    }
    let candidates = candidates(host)?;
    for wanted in &compatible {
        for candidate in candidates.iter().filter(|candidate| candidate.mentions(wanted)) {
            let board = candidate.read()?;
            if board.profile.compatible.contains(wanted) {
                return Ok(Some(board));
            }
        }
    }
    Ok(None)
}

fn named(host: &Host, name: &str) -> Result<Board> {
    let candidates = candidates(host)?;
    match candidates.iter().find(|candidate| candidate.name == name) {
        Some(candidate) => candidate.read(),
        None => {
            let names: Vec<&str> = candidates.iter().map(|candidate| candidate.name.as_str()).collect();
            let known = names.join(", ");
            Err(Error::invalid(format!("there is no board {name:?}; the boards are: {known}")))
        }
    }
}

/// The board that the file `etc/remoteproc-runtime/board` names.
fn configured(host: &Host) -> Result<Option<String>> {
    let path = host.path("etc/remoteproc-runtime/board");
    match files::read_at_most(&path, 4096) {
        Ok(text) => {
            let name = String::from_utf8_lossy(&text).trim().to_owned();
            Ok(Some(name).filter(|name| !name.is_empty()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path, error)),
    }
}

/// What the device tree calls this board, the most specific first; nothing where there is none.
pub fn compatible(host: &Host) -> Vec<String> {
    let bytes = std::fs::read(host.path("proc/device-tree/compatible")).unwrap_or_default();
    let strings = bytes.split(|byte| *byte == 0).filter(|string| !string.is_empty());
    strings.map(|string| String::from_utf8_lossy(string).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINE: &str = "name = \"mine\"\ndescription = \"Mine\"\ncompatible = [\"me,mine\"]\n[[processor]]\naliases = [\"m4\"]\nnames = [\"m4\"]\n";

    /// A machine whose device tree has these strings.
    fn host(compatible: &str) -> (tempfile::TempDir, Host) {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("proc/device-tree");
        std::fs::create_dir_all(&tree).unwrap();
        std::fs::write(tree.join("compatible"), compatible).unwrap();
        let host = Host::new(dir.path()).unwrap();
        (dir, host)
    }

    fn put(dir: &tempfile::TempDir, file: &str, text: &str) {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn name(found: Result<Option<Board>>) -> Option<String> {
        found.unwrap().map(|board| board.profile.name)
    }

    #[test]
    fn every_shipped_profile_is_read_and_its_text_in_the_program_says_the_same() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("boards");
        let files = files_of(&folder, |_| true).unwrap();
        let packed = built_in();
        assert!(packed.len() > 20 && files.len() == packed.len());
        for (file, packed) in files.iter().zip(&packed) {
            assert_eq!(file.name, packed.name);
            assert_eq!(file.read().unwrap().profile, packed.read().unwrap().profile);
        }
    }

    #[test]
    fn the_profiles_of_the_boards_in_qemu_are_read_too() {
        let boards = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/qemu/boards");
        let files = boards.read_dir().unwrap().map(|board| board.unwrap().path().join("profile.toml"));
        let texts: Vec<String> = files.filter_map(|file| std::fs::read_to_string(file).ok()).collect();
        assert!(texts.len() >= 3 && texts.iter().all(|text| read(text).is_ok()));
    }

    #[test]
    fn no_two_shipped_profiles_share_a_string_of_device_trees() {
        let boards: Vec<BoardProfile> =
            built_in().iter().map(|packed| packed.read().unwrap().profile).collect();
        let mut all: Vec<&String> = boards.iter().flat_map(|board| &board.compatible).collect();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn a_profile_picks_itself_by_the_most_specific_string() {
        let (dir, host) = host("vendor,board\0me,mine\0st,stm32mp157\0");
        assert_eq!(name(find(&host, None)), Some("stm32mp15".into()));
        put(&dir, "etc/remoteproc-runtime/boards/mine.toml", MINE);
        assert_eq!(name(find(&host, None)), Some("mine".into()));
        put(&dir, "etc/remoteproc-runtime/board", "am64x\n");
        assert_eq!(name(find(&host, None)), Some("am64x".into()));
        assert_eq!(name(find(&host, Some("stm32mp15"))), Some("stm32mp15".into()));
        assert_eq!(name(find(&self::host("vendor,board\0").1, None)), None);
        assert_eq!(name(find(&self::host("").1, None)), None);
    }

    #[test]
    fn a_file_of_etc_replaces_a_shipped_profile_and_one_of_usr_share_only_adds() {
        let (dir, host) = host("st,stm32mp157\0me,mine\0");
        let of = |description: &str| {
            let text =
                MINE.replace("\"Mine\"", &format!("{description:?}")).replace("me,mine", "st,stm32mp157");
            text.replace("name = \"mine\"", "name = \"stm32mp15\"")
        };
        put(&dir, "usr/share/remoteproc-runtime/boards/stm32mp15.toml", &of("of share"));
        put(&dir, "usr/share/remoteproc-runtime/boards/mine.toml", MINE);
        assert_eq!(find(&host, None).unwrap().unwrap().origin, Origin::BuiltIn);
        assert_eq!(name(find(&host, Some("mine"))), Some("mine".into()));
        put(&dir, "etc/remoteproc-runtime/boards/stm32mp15.toml", &of("of etc"));
        assert_eq!(find(&host, None).unwrap().unwrap().profile.description, "of etc");
    }

    #[test]
    fn what_is_wrong_is_said_with_the_file() {
        let (dir, host) = host("me,mine\0");
        let error = |chosen| find(&host, chosen).unwrap_err().to_string();
        assert!(
            error(Some("no\nsuch")).contains("no board \"no\\nsuch\"; the boards are: am62a, am62x, "),
            "{}",
            error(Some("x"))
        );
        put(&dir, "etc/remoteproc-runtime/boards/mine.toml", &format!("{MINE}wrong = 1\n"));
        assert!(error(None).contains("/mine.toml: line 7: unknown key \"wrong\""), "{}", error(None));
        put(&dir, "etc/remoteproc-runtime/boards/mine.toml", &MINE.replace("\"mine\"", "\"other\""));
        assert!(error(None).contains("its name is \"other\""), "{}", error(None));
        // One that is not this board's is not looked at.
        put(&dir, "etc/remoteproc-runtime/boards/mine.toml", "nonsense");
        assert_eq!(name(find(&host, None)), None);
        std::fs::write(dir.path().join("etc/remoteproc-runtime/boards/mine.toml"), b"\xff").unwrap();
        assert!(error(None).contains("UTF-8"), "{}", error(None));
    }
}
