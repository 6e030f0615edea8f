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
    if is_one_form(&words, &line) {
        let written = [&line.global[..], line.verb.as_slice(), &line.rest].concat();
        assert_eq!(normalise(&written), line, "one form is the same again");
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

/// Whether a line is all there is, and written as its one form is: behind an equals sign stands what could look like
/// another option, `-9=true` or the value of `--rootless`.
fn is_one_form(words: &[String], line: &Line) -> bool {
    let mut args = line.global.iter().chain(&line.rest);
    let joined = words.iter().any(|word| word.contains('='));
    !line.help && !line.version && !joined && !args.any(|arg| arg == "--rootless")
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
