//! record.json of a container. What is read is written as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use remoteproc_runtime::container::Record;

fuzz_target!(|bytes: &[u8]| {
    match Record::parse(bytes) {
        Ok(record) => {
            assert_eq!(record.deployed().is_some(), record.processor.is_some());
            assert!(record.stop_timeout().as_secs() <= u32::MAX.into());
            assert_eq!(Record::parse(&record.to_json()), Ok(record));
        }
        Err(problem) => assert!(problem.starts_with("is damaged: ") || problem.starts_with("has format ")),
    }
});
