//! The proxy's own lines on standard error, without memory and without ever waiting for a reader.

use std::fmt::{self, Write};

use heapless::String;

use crate::sys::files;

/// The longest line, in bytes; it is cut there. Below `PIPE_BUF` (4096), so that a pipe takes it whole.
const LINE: usize = 512;

/// Writes one line about a processor: `remoteproc-runtime: m4: booted`.
pub fn say(processor: &str, message: fmt::Arguments<'_>) {
    let mut line = Line(String::new());
    // A line that is too long is cut, not lost.
    let _ = write!(line, "remoteproc-runtime: {processor}: {message}");
    let Line(mut text) = line;
    if text.push('\n').is_err() {
        text.pop();
        let _ = text.push('\n');
    }
    let stderr = std::io::stderr();
    // A pipe that nobody empties would block the watch over the processor: then the line is lost instead.
    if files::takes_now(&stderr) {
        let _ = rustix::io::write(&stderr, text.as_bytes());
    }
}

struct Line(String<LINE>);

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            // One line stays one line, whatever the kernel's log held.
            let c = if c.is_control() { ' ' } else { c };
            self.0.push(c).map_err(|_| fmt::Error)?;
        }
        Ok(())
    }
}
