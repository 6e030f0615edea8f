//! What was found: a line each, with the way out.

use std::fmt::Arguments;

use serde_json::Value;

use crate::error::one_line;
use crate::json;

/// How bad it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    /// As it should be.
    Ok,
    /// Mended just now.
    Fixed,
    /// Worth knowing, and nothing to mend.
    Note,
    /// Something is wrong, and containers can run all the same.
    Warning,
    /// Containers cannot run, or not as somebody has asked for.
    Error,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Fixed => "fixed",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Something that was looked at.
struct Finding {
    level: Level,
    about: &'static str,
    text: String,
    fix: Option<String>,
}

/// All that was found.
#[derive(Default)]
pub struct Report(Vec<Finding>);

impl Report {
    /// Adds a finding about something. Arguments and no text, since this is called all over: the binary is smaller.
    pub fn say(&mut self, level: Level, about: &'static str, text: Arguments<'_>) -> &mut Self {
        self.0.push(Finding { level, about, text: text.to_string(), fix: None });
        self
    }

    /// Says of the last finding which command mends it, or who can.
    pub fn fix(&mut self, fix: Arguments<'_>) {
        if let Some(last) = self.0.last_mut() {
            last.fix = Some(fix.to_string());
        }
    }

    /// Whether a finding has just these words already.
    pub fn has_said(&self, text: &str) -> bool {
        self.0.iter().any(|finding| finding.text == text)
    }

    /// How many findings there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing keeps containers from running.
    pub fn can_run(&self) -> bool {
        self.0.iter().all(|finding| finding.level != Level::Error)
    }

    /// A line a finding, for people.
    pub fn lines(&self) -> String {
        let mut lines = String::new();
        for Finding { level, about, text, fix } in &self.0 {
            let mut line = format!("{:7}  {about}: {text}", level.word());
            if let Some(fix) = fix {
                line.push_str("; fix: ");
                line.push_str(fix);
            }
            lines.push_str(&one_line(&line));
            lines.push('\n');
        }
        lines
    }

    /// The same for programs.
    pub fn to_json(&self) -> Value {
        let findings = self.0.iter().map(|Finding { level, about, text, fix }| {
            json::object(vec![
                ("level", json::text(level.word())),
                ("about", json::text(about)),
                ("text", json::text(text)),
                ("fix", fix.as_deref().into()),
            ])
        });
        json::object(vec![("canRun", self.can_run().into()), ("findings", findings.collect())])
    }
}
