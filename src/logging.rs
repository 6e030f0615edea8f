//! Log lines: for people on stderr, for engines in the `--log` file.
//!
//! podman reads the whole `--log` file as one JSON object, and containerd's shim the last line of level error. So the
//! file gets exactly one line for a failure and nothing otherwise; with `--debug` it gets everything.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::OnceLock;

use log::{Level, LevelFilter, Record};
use rustix::fs::{Mode, OFlags};

use crate::error::{Error, one_line};
use crate::json;
use crate::sys::clock;

/// How and where to log, from the global options.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// `--log`.
    pub file: Option<&'a Path>,
    /// `--log-format json`.
    pub json: bool,
    /// `--log-level`.
    pub level: Option<LevelFilter>,
    /// `--debug`.
    pub debug: bool,
}

struct Log {
    file: Option<File>,
    json: bool,
    everything: bool,
}

static LOG: OnceLock<Log> = OnceLock::new();

/// Starts logging. A file that cannot be opened is warned about: the verb matters more than its log.
pub fn start(settings: Settings<'_>) {
    let mut builder = env_logger::Builder::new();
    // In the order of weight: --debug, --log-level, RUST_LOG, warnings alone.
    let level = if settings.debug { Some(LevelFilter::Debug) } else { settings.level };
    match (level, std::env::var("RUST_LOG")) {
        (Some(level), _) => builder.filter_level(level),
        (None, Ok(filters)) => builder.parse_filters(&filters),
        (None, Err(_)) => builder.filter_level(LevelFilter::Warn),
    };
    let opened = settings.file.map(open_for_append).transpose();
    let (file, failure) = match opened {
        Ok(file) => (file, None),
        Err(error) => (None, Some(error)),
    };
    let _ = LOG.set(Log { file, json: settings.json, everything: settings.debug });
    builder.format(|stderr, record| write_record(stderr, record));
    // A second logger in one process is impossible here: main starts it once.
    let _ = builder.try_init();
    if let (Some(error), Some(path)) = (failure, settings.file) {
        log::warn!("{}", Error::io("open the log file", path, error));
    }
}

fn open_for_append(path: &Path) -> std::io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH)?.into())
}

fn write_record(stderr: &mut dyn Write, record: &Record<'_>) -> std::io::Result<()> {
    let message = record.args().to_string();
    let Some(log) = LOG.get() else { return Ok(()) };
    if let (Some(file), true) = (&log.file, log.everything) {
        write_line(&mut &*file, log.json, record.level(), &message)?;
    }
    if log.json && log.file.is_none() {
        return write_line(stderr, true, record.level(), &message);
    }
    let name = match record.level() {
        Level::Warn => "warning",
        Level::Error => "error",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    };
    writeln!(stderr, "{name}: {}", one_line(&message))
}

/// Reports the failure that ends the program: to stderr in full, to the `--log` file as one line.
pub fn failure(error: &Error) {
    let log = LOG.get();
    let whole = error.in_one_line();
    // Nobody is left to be told of a log that cannot be written.
    if let Some(Log { file: Some(file), json, .. }) = log {
        let _ = write_line(&mut &*file, *json, Level::Error, &whole);
    }
    let mut stderr = std::io::stderr().lock();
    if log.is_some_and(|log| log.json && log.file.is_none()) {
        let _ = write_line(&mut stderr, true, Level::Error, &whole);
        return;
    }
    let _ = writeln!(stderr, "error: {}", one_line(&error.to_string()));
    for line in error.kernel_lines() {
        let _ = writeln!(stderr, "kernel: {}", one_line(line));
    }
    if let Some(hint) = error.hint() {
        let _ = writeln!(stderr, "hint: {}", one_line(&hint));
    }
}

/// One line in one write, so that lines of several processes do not mix in a file opened for appending.
fn write_line(to: &mut dyn Write, json: bool, level: Level, message: &str) -> std::io::Result<()> {
    let level = match level {
        Level::Warn => "warning",
        Level::Error => "error",
        Level::Info => "info",
        Level::Debug | Level::Trace => "debug",
    };
    let time = clock::now_rfc3339();
    let line = if json {
        let message = json::quoted(message);
        format!("{{\"level\":\"{level}\",\"msg\":{message},\"time\":\"{time}\"}}")
    } else {
        format!("time=\"{time}\" level={level} msg={message:?}")
    };
    to.write_all(format!("{line}\n").as_bytes())
}
