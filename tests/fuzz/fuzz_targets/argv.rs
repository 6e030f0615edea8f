//! Command lines: the normaliser, argh behind it, and the lines by which the program starts itself. Nothing is run.
//!
//! The input: words, each ended by a zero.
#![no_main]

use libfuzzer_sys::fuzz_target;
use remoteproc_runtime::cli::{self, Line, Request, normalise};
use remoteproc_runtime::container::ContainerId;
use remoteproc_runtime::proxy::{Internal, ProxyArgs, ReleaseArgs};
use remoteproc_runtime::remoteproc::{Coredump, Recovery};
use remoteproc_runtime_fuzz::is_one_line;

fuzz_target!(|text: &str| {
    let words: Vec<String> = text.split_terminator('\0').map(str::to_owned).collect();
    let line = normalise(&words);
    if !line.help && !line.version {
        assert_eq!(normalise(&written(&line)), line, "one form is the same again");
    }
    match cli::parse(&words) {
        Ok(Request::Print(text)) => assert!(!text.is_empty()),
        Ok(Request::Run(_, Ok(verb))) => drop(verb),
        Ok(Request::Run(_, Err(error))) | Err(error) => assert!(is_one_line(&error.to_string()), "{error}"),
    }
    comes_back(&words);
    Internal::parse(&words);
    for word in &words {
        if let Ok(id) = ContainerId::new(word) {
            assert!(!id.as_str().contains('/') && !matches!(id.as_str(), "" | "." | ".."));
        }
    }
});

/// A line as one that was typed.
fn written(line: &Line) -> Vec<String> {
    let verb: Vec<String> = line.verb.iter().cloned().collect();
    [with_equals(&line.global, false), verb, with_equals(&line.rest, true)].concat()
}

/// Only this option takes no word for its value. What follows two hyphens is `literal` behind a verb.
fn with_equals(args: &[String], literal: bool) -> Vec<String> {
    let mut written = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--" if literal => {
                written.push(arg.clone());
                written.extend(args.by_ref().cloned());
            }
            "--rootless" => written.push(format!("{arg}={}", args.next().map_or("", String::as_str))),
            _ => written.push(arg.clone()),
        }
    }
    written
}

/// What a verb tells a proxy is what that hears, whatever the names.
fn comes_back(words: &[String]) {
    let word = |index: usize| words.get(index).cloned().unwrap_or_default();
    let proxy = ProxyArgs {
        host_root: word(0).into(),
        container: word(1).into(),
        sandbox: words.len().is_multiple_of(2),
        name: word(2),
        device: word(3).into(),
        firmware: word(4),
        network: word(5),
        terminal: words.len().is_multiple_of(3),
        no_trace: words.len().is_multiple_of(5),
        recovery: Recovery::from_word(&word(6)),
        coredump: Coredump::from_word(&word(7)),
    };
    let texts =
        |args: Vec<std::ffi::OsString>| args.into_iter().map(|arg| arg.into_string().unwrap()).collect();
    let args: Vec<String> = texts(proxy.to_args());
    assert!(matches!(Internal::parse(&args), Some(Internal::Proxy(heard)) if heard == proxy), "{args:?}");
    let release = ReleaseArgs {
        host_root: proxy.host_root,
        name: proxy.name,
        device: proxy.device,
        firmware: proxy.firmware,
        container: words.len().is_multiple_of(2).then_some(proxy.container),
        keep_crashed: proxy.terminal,
    };
    let args: Vec<String> = texts(release.to_args());
    assert!(matches!(Internal::parse(&args), Some(Internal::Release(heard)) if heard == release), "{args:?}");
}
