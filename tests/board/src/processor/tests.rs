//! The state machine without files: each row of what real kernels were seen to do.

use fuser::Errno;

use super::{Processor, Recovery, Start, Stop};
use crate::firmware_builder::FirmwareBuilder;
use crate::processor_spec::ProcessorSpec;
use crate::spec::ProcessorState;

fn processor(initial: ProcessorState) -> Processor {
    let mut processor = Processor::new(&ProcessorSpec::new("m4", "m4").initial(initial));
    processor.take_lines();
    processor
}

fn image() -> Vec<u8> {
    FirmwareBuilder::new().segment(0, b"hello").trace(0, 16).build()
}

/// What a write of `start` comes to, when the file and the driver are fine.
fn start(processor: &mut Processor) -> Result<(), Errno> {
    match processor.begin_start() {
        Start::AlreadyPowered => Ok(()),
        Start::Attach => processor.finish_attach(Ok(())),
        Start::Boot(_) => processor
            .load(&image())
            .and_then(|()| processor.driver_started(Ok(())))
            .map_err(|errno| processor.boot_failed(errno)),
    }
}

fn stop(processor: &mut Processor) -> Result<(), Errno> {
    match processor.begin_stop()? {
        Stop::StillNeeded => Ok(()),
        Stop::Proceed => processor.finish_stop(Ok(())),
    }
}

fn detach(processor: &mut Processor) -> Result<(), Errno> {
    match processor.begin_detach()? {
        Stop::StillNeeded => Ok(()),
        Stop::Proceed => processor.finish_detach(Ok(())),
    }
}

fn crashed() -> Processor {
    let mut processor = processor(ProcessorState::Offline);
    assert_eq!(processor.set_recovery("disabled"), Ok(Recovery::None));
    assert_eq!(start(&mut processor), Ok(()));
    processor.report_crash(0);
    assert!(!processor.handle_crash());
    processor
}

fn recover(processor: &mut Processor, file: Result<Vec<u8>, Errno>) {
    assert!(processor.begin_recovery());
    assert!(processor.recovery_stopped(Ok(())).is_some());
    if let Ok(bytes) = file {
        assert_eq!(processor.reload(&bytes), Ok(()));
        assert_eq!(processor.driver_started(Ok(())), Ok(()));
    }
}

fn texts(processor: &mut Processor) -> Vec<String> {
    processor.take_lines().into_iter().map(|line| line.text).collect()
}

#[test]
fn start_and_stop_log_what_the_kernel_logs() {
    let mut processor = processor(ProcessorState::Offline);
    assert_eq!(start(&mut processor), Ok(()));
    assert_eq!(processor.state(), ProcessorState::Running);
    assert_eq!(stop(&mut processor), Ok(()));
    assert_eq!(processor.state(), ProcessorState::Offline);
    assert_eq!(
        texts(&mut processor),
        [
            "powering up m4".into(),
            format!("Booting fw image rproc-m4-fw, size {}", image().len()),
            "remote processor m4 is now up".into(),
            "stopped remote processor m4".into(),
        ]
    );
}

#[test]
fn each_start_while_running_needs_one_more_stop() {
    let mut processor = processor(ProcessorState::Offline);
    for _ in 0..3 {
        assert_eq!(start(&mut processor), Ok(()));
    }
    for _ in 0..2 {
        assert_eq!(stop(&mut processor), Ok(()));
        assert_eq!(processor.state(), ProcessorState::Running);
    }
    assert_eq!(stop(&mut processor), Ok(()));
    assert_eq!(processor.state(), ProcessorState::Offline);
    assert_eq!(stop(&mut processor), Err(Errno::EINVAL));
}

#[test]
fn start_while_crashed_succeeds_and_changes_nothing_but_the_count() {
    let mut processor = crashed();
    assert_eq!(start(&mut processor), Ok(()));
    assert_eq!((processor.state(), processor.power()), (ProcessorState::Crashed, 2));
    recover(&mut processor, Ok(image()));
    assert_eq!(stop(&mut processor), Ok(()));
    assert_eq!(processor.state(), ProcessorState::Running);
    assert_eq!(stop(&mut processor), Ok(()));
    assert_eq!(processor.state(), ProcessorState::Offline);
}

#[test]
fn stop_is_refused_where_nothing_runs() {
    let states = [ProcessorState::Offline, ProcessorState::Crashed, ProcessorState::Detached];
    for state in states {
        assert_eq!(stop(&mut processor(state)), Err(Errno::EINVAL), "{state:?}");
    }
}

#[test]
fn detach_is_refused_unless_attached() {
    for state in [ProcessorState::Running, ProcessorState::Crashed, ProcessorState::Offline] {
        assert_eq!(detach(&mut processor(state)), Err(Errno::EINVAL), "{state:?}");
    }
}

#[test]
fn a_detached_processor_is_attached_by_start() {
    let mut processor = processor(ProcessorState::Detached);
    assert_eq!(processor.firmware(), "rproc-m4-fw");
    assert_eq!(start(&mut processor), Ok(()));
    assert_eq!((processor.state(), processor.firmware()), (ProcessorState::Attached, "unknown"));
    assert_eq!(start(&mut processor), Ok(()));
    assert_eq!(detach(&mut processor), Ok(()));
    assert_eq!(processor.state(), ProcessorState::Attached);
    assert_eq!(detach(&mut processor), Ok(()));
    assert_eq!(processor.state(), ProcessorState::Detached);
    assert_eq!(start(&mut processor), Ok(()));
    assert_eq!(stop(&mut processor), Ok(()));
    assert_eq!(processor.state(), ProcessorState::Offline);
    assert_eq!(
        texts(&mut processor),
        [
            "attaching to m4",
            "remote processor m4 is now attached",
            "detached remote processor m4",
            "attaching to m4",
            "remote processor m4 is now attached",
            "stopped remote processor m4",
        ]
    );
}

#[test]
fn firmware_changes_only_while_offline() {
    for state in
        [ProcessorState::Running, ProcessorState::Crashed, ProcessorState::Attached, ProcessorState::Detached]
    {
        assert_eq!(processor(state).set_firmware("x"), Err(Errno::EBUSY), "{state:?}");
    }
    let mut processor = processor(ProcessorState::Offline);
    assert_eq!(processor.set_firmware("\n"), Err(Errno::EINVAL));
    assert_eq!(processor.set_firmware("good.elf\nsecond line"), Ok(()));
    assert_eq!(processor.firmware(), "good.elf");
}

#[test]
fn unknown_words_are_refused() {
    let mut processor = processor(ProcessorState::Offline);
    assert_eq!(processor.set_recovery("bogus"), Err(Errno::EINVAL));
    assert_eq!(processor.set_coredump("bogus"), Err(Errno::EINVAL));
    assert_eq!(texts(&mut processor), ["Invalid coredump configuration"], "recovery refuses in silence");
}

#[test]
fn coredump_is_busy_while_crashed() {
    let mut processor = crashed();
    assert_eq!(processor.set_coredump("enabled"), Err(Errno::EBUSY));
    recover(&mut processor, Ok(image()));
    assert_eq!(processor.set_coredump("inline"), Ok(()));
    assert_eq!(processor.coredump(), "inline");
}

#[test]
fn a_crash_while_offline_is_only_reported() {
    let mut processor = processor(ProcessorState::Offline);
    processor.report_crash(1);
    assert!(!processor.handle_crash());
    assert_eq!(texts(&mut processor), ["crash detected in m4: type watchdog"]);
    assert_eq!(processor.state(), ProcessorState::Offline);
}

#[test]
fn recovery_passes_through_offline_to_running() {
    let mut processor = processor(ProcessorState::Offline);
    assert_eq!(start(&mut processor), Ok(()));
    processor.take_lines();
    processor.report_crash(2);
    assert!(processor.handle_crash(), "recovery is enabled");
    assert!(processor.begin_recovery());
    assert_eq!(processor.state(), ProcessorState::Crashed);
    assert!(processor.recovery_stopped(Ok(())).is_some());
    assert_eq!(processor.state(), ProcessorState::Offline);
    assert_eq!(processor.reload(&image()), Ok(()));
    assert_eq!(processor.driver_started(Ok(())), Ok(()));
    assert_eq!(
        texts(&mut processor),
        [
            "crash detected in m4: type fatal error",
            "handling crash #1 in m4",
            "recovering m4",
            "stopped remote processor m4",
            "remote processor m4 is now up",
        ]
    );
}

#[test]
fn recover_is_written_into_the_void_unless_crashed() {
    let mut processor = processor(ProcessorState::Offline);
    assert_eq!(processor.set_recovery("recover"), Ok(Recovery::Trigger));
    assert!(!processor.begin_recovery());
}

#[test]
fn recovery_without_its_file_is_the_wedge() {
    let mut processor = crashed();
    recover(&mut processor, Err(Errno::ENOENT));
    assert_eq!((processor.state(), processor.power()), (ProcessorState::Offline, 1));
    assert_eq!(start(&mut processor), Ok(()));
    assert_eq!(processor.state(), ProcessorState::Offline);
    assert_eq!(stop(&mut processor), Err(Errno::EINVAL));
    assert_eq!(processor.set_firmware("other.elf"), Ok(()));
}

#[test]
fn a_failed_start_gives_its_reference_back() {
    let mut processor = processor(ProcessorState::Offline);
    assert_eq!(processor.begin_start(), Start::Boot("rproc-m4-fw".into()));
    assert_eq!(processor.load(&image()), Ok(()));
    let failed = processor.driver_started(Err(Errno::EIO)).map_err(|errno| processor.boot_failed(errno));
    assert_eq!(failed, Err(Errno::EIO));
    assert_eq!((processor.state(), processor.power()), (ProcessorState::Offline, 0));
    assert_eq!(texts(&mut processor)[2..], ["can't start rproc m4: -5", "Boot failed: -5"]);
}

#[test]
fn a_failed_stop_keeps_the_reference() {
    let mut processor = processor(ProcessorState::Running);
    assert_eq!(processor.begin_stop(), Ok(Stop::Proceed));
    assert_eq!(processor.finish_stop(Err(Errno::ETIMEDOUT)), Err(Errno::ETIMEDOUT));
    assert_eq!((processor.state(), processor.power()), (ProcessorState::Running, 1));
    assert_eq!(texts(&mut processor), ["can't stop rproc: -110"]);
}

#[test]
fn a_missing_resource_table_matters_to_some_drivers() {
    let bytes = FirmwareBuilder::new().segment(0, b"code").build();
    let spec = ProcessorSpec::new("m4", "m4");
    assert_eq!(Processor::new(&spec).load(&bytes), Ok(()));
    assert_eq!(Processor::new(&spec.needs_resource_table(true)).load(&bytes), Err(Errno::EINVAL));
}

#[test]
fn the_trace_lives_as_long_as_the_firmware() {
    let mut processor = processor(ProcessorState::Offline);
    assert!(!processor.append_trace(b"early"));
    assert_eq!(start(&mut processor), Ok(()));
    assert!(processor.append_trace(b", world"));
    assert_eq!(processor.trace(0), Some(&b"hello, world"[..]));
    assert!(processor.append_trace(b"! hello"));
    assert_eq!(processor.trace(0), Some(&b"llolo, world! he"[..]));
    assert_eq!(stop(&mut processor), Ok(()));
    assert_eq!(processor.trace(0), None);
}
