//! Board profiles in TOML: read, checked against the rules, and used. What is taken holds every rule.
#![no_main]

use libfuzzer_sys::fuzz_target;
use remoteproc_runtime::board::{BoardProfile, ProcessorProfile, read};
use remoteproc_runtime::firmware::examine;
use remoteproc_runtime_fuzz::image;

static BLINK: &[u8] = include_bytes!("../../firmware/blink.elf");

fuzz_target!(|text: &str| {
    match read(text) {
        Ok(board) => {
            keeps_the_rules(&board);
            let around = format!("# before\n\n{text}\n \t# behind");
            assert_eq!(read(&around), Ok(board.clone()), "comments and blanks mean nothing");
            if let Some(last) = board.processors.last() {
                examine(&image(BLINK), Some(last), None);
            }
        }
        Err(problem) => {
            assert!(!problem.is_empty());
            if let Some((line, _)) = problem.strip_prefix("line ").and_then(|rest| rest.split_once(": ")) {
                let lines = text.bytes().filter(|byte| *byte == b'\n').count() + 1;
                assert!((1..=lines).contains(&line.parse().unwrap()), "{problem}");
            }
        }
    }
});

fn keeps_the_rules(board: &BoardProfile) {
    let is_name = |name: &String| {
        (1..=32).contains(&name.len())
            && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && !name.starts_with('-')
    };
    assert!(is_name(&board.name) && !board.compatible.is_empty());
    for processor in &board.processors {
        assert!(!processor.aliases.is_empty() && !processor.names.is_empty());
        for alias in &processor.aliases {
            assert!(is_name(alias) && board.processor(alias) == Some(processor));
        }
        for window in processor.windows.iter().flatten() {
            let ends = [window.address, window.system].map(|begin| begin.checked_add(window.size));
            assert!(window.size > 0 && !ends.contains(&None));
        }
        assert!(processor.class.is_none_or(|class| class == 32 || class == 64));
        assert!(processor.stop_timeout.is_none_or(|seconds| (1..=3600).contains(&seconds)));
        let first = board.processors.iter().try_fold(processor, |at, _| before(board, at));
        assert!(first.is_none(), "an order has an end");
    }
}

fn before<'a>(board: &'a BoardProfile, processor: &ProcessorProfile) -> Option<&'a ProcessorProfile> {
    Some(board.processor(processor.after.as_ref()?).unwrap())
}
