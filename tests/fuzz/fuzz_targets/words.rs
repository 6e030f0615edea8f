//! The small formats: answers of a proxy, notes of settings, words of sysfs, lines of /proc, names of stored firmware, and
//! texts as they are shown. What is read is written as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use remoteproc_runtime::error::one_line;
use remoteproc_runtime::firmware::{boot_mark_of, shorten};
use remoteproc_runtime::json;
use remoteproc_runtime::proxy::Answer;
use remoteproc_runtime::remoteproc::{Coredump, Note, ProcessorState, Recovery, find_holder};
use remoteproc_runtime::sys::process::parse_stat;
use remoteproc_runtime_fuzz::is_one_line;

fuzz_target!(|text: &str| {
    if let Some(answer) = Answer::parse(text) {
        let line = answer.to_line();
        assert!(line.ends_with('\n'), "{answer:?} fits its line");
        assert_eq!(Answer::parse(&line), Some(answer));
    }
    if let Some(note) = Note::parse(text) {
        assert!(!note.is_empty() && note.to_string().len() <= 96);
        assert_eq!(Note::parse(&note.to_string()), Some(note));
    }
    words_of_sysfs(text);
    if let Some(process) = parse_stat(text) {
        assert!(text.contains(&process.comm) && text.contains(process.state));
    }
    if find_holder(text, "00:1b:57").is_some() {
        assert!(text.contains("FLOCK") && text.contains("00:1b:57"));
    }
    names_of_firmware(text);
    shown(text);
});

fn words_of_sysfs(text: &str) {
    let state = ProcessorState::from_word(text);
    assert!(state == ProcessorState::Unknown || state.word() == text);
    assert!(Recovery::from_word(text).is_none_or(|recovery| recovery.word() == text));
    assert!(Coredump::from_word(text).is_none_or(|coredump| coredump.word() == text));
}

fn names_of_firmware(text: &str) {
    if let Some(mark) = boot_mark_of(text) {
        assert!(mark.len() == 8 && text.len() > 34 && text.contains(mark));
    }
    for limit in [0, 1, 5, 40, 166] {
        let short = shorten(text, limit);
        assert!(short.len() <= limit && (short == text || text.len() > limit));
        assert!(short.chars().all(|c| text.contains(c)));
        // No character has more than four bytes.
        assert!(short.len() + 4 > limit.min(text.len()), "{short:?} uses the {limit} bytes");
    }
}

fn shown(text: &str) {
    let line = one_line(text);
    assert!(!line.chars().any(char::is_control));
    assert_eq!(one_line(&line), line);
    let quoted = json::quoted(text);
    assert!(is_one_line(&quoted));
    assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text);
}
