//! A fault that is there on purpose, behind the program's own code: whoever looks for faults must find it, from no corpus
//! and the dictionary of `words`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use remoteproc_runtime::proxy::Answer;

fuzz_target!(|text: &str| {
    assert!(!matches!(Answer::parse(text), Some(Answer::Owned(8..))), "the planted fault");
});
