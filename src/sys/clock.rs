//! Wall-clock time as text, and deadlines.

use std::time::{Duration, Instant, SystemTime};

use rustix::event::Timespec;

/// Now, in UTC, as RFC 3339 with seconds: `2026-11-23T22:15:00Z`. The kernel lets nobody set a clock to before 1970 or
/// behind 2232 (include/linux/time64.h, `timespec64_valid_settod`).
pub fn now_rfc3339() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// Now, in UTC, in the compact form that a file name can carry: `20261123T221500Z`.
pub fn now_compact() -> String {
    now_rfc3339().chars().filter(|c| !matches!(c, '-' | ':')).collect()
}

/// A point in time after which waiting is over.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    set: Instant,
    after: Duration,
}

impl Deadline {
    /// The point `after` from now.
    pub fn after(after: Duration) -> Self {
        Self { set: Instant::now(), after }
    }

    /// What is left, or zero.
    pub fn left(self) -> Duration {
        self.after.saturating_sub(self.set.elapsed())
    }

    /// Whether nothing is left.
    pub fn passed(self) -> bool {
        self.left().is_zero()
    }
}

/// A duration as `poll(2)` takes it. Durations here are seconds, far below the limit of either field.
pub fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_time_has_the_form_of_the_firmware_names() {
        let now = now_compact();
        assert_eq!(now.len(), 16, "{now}");
        assert_eq!((&now[8..9], &now[15..]), ("T", "Z"), "{now}");
    }

    #[test]
    fn a_deadline_may_lie_behind_the_end_of_all_time() {
        let never = Deadline::after(Duration::MAX);
        assert!(!never.passed() && never.left() > Duration::from_secs(u32::MAX.into()));
        let now = Deadline::after(Duration::ZERO);
        assert!(now.passed() && now.left().is_zero());
        assert_eq!(timespec(Duration::MAX), Timespec { tv_sec: i64::MAX, tv_nsec: 999_999_999 });
    }
}
