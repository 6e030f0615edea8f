//! The kernel log as /dev/kmsg shows it (Documentation/ABI/testing/dev-kmsg): records with a
//! priority, a number, a time and, on lines of their own, the device.

/// A device a record is about, as in the record's `SUBSYSTEM` and `DEVICE` lines.
pub(crate) struct Subject<'a> {
    pub(crate) subsystem: &'a str,
    pub(crate) device: &'a str,
}

/// All records, addressed by the bytes before them.
#[derive(Debug, Default)]
pub(crate) struct RecordLog {
    records: Vec<(u64, Vec<u8>)>,
    size: u64,
    /// Counts the times the log was emptied.
    epoch: u64,
}

impl RecordLog {
    /// Adds a record of priority `prio` (facility * 8 + level) made at `usec` microseconds.
    pub(crate) fn append(&mut self, prio: u32, usec: u64, text: &str, subject: Option<Subject<'_>>) {
        let mut record = format!("{prio},{},{usec},-;{}\n", self.records.len(), escape(text));
        if let Some(Subject { subsystem, device }) = subject {
            record.push_str(&format!(" SUBSYSTEM={subsystem}\n DEVICE=+{subsystem}:{device}\n"));
        }
        let start = self.size;
        self.size += record.len() as u64;
        self.records.push((start, record.into_bytes()));
    }

    /// Adds what a program wrote to /dev/kmsg: `<prio>text`, or text at the default priority.
    pub(crate) fn append_written(&mut self, usec: u64, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let (prio, text) = split_priority(&text);
        self.append(prio, usec, text.strip_suffix('\n').unwrap_or(text), None);
    }

    /// The first record that starts at `position` or later.
    pub(crate) fn at(&self, position: u64) -> Option<&[u8]> {
        let index = self.records.partition_point(|(start, _)| *start < position);
        self.records.get(index).map(|(_, record)| record.as_slice())
    }

    /// Bytes in all records: the position after the last one.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Begins anew, as after a reboot.
    pub(crate) fn clear(&mut self) {
        *self = RecordLog { epoch: self.epoch + 1, ..RecordLog::default() };
    }
}

/// A program cannot log as the kernel: facility 0 becomes 1, "user" (kernel/printk/printk.c).
fn split_priority(text: &str) -> (u32, &str) {
    const USER: u32 = 1 << 3;
    const DEFAULT: u32 = USER | 4;
    let parsed = text.strip_prefix('<').and_then(|rest| rest.split_once('>'));
    match parsed.and_then(|(digits, rest)| Some((digits.parse::<u32>().ok()?, rest))) {
        Some((prio, rest)) if prio < 8 => (USER | prio, rest),
        Some((prio, rest)) => (prio, rest),
        None => (DEFAULT, text),
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'\\' | 0..=31 | 127..=255 => out.push_str(&format!("\\x{byte:02x}")),
            _ => out.push(char::from(byte)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{RecordLog, Subject};

    fn text(record: Option<&[u8]>) -> String {
        String::from_utf8_lossy(record.unwrap_or_default()).into_owned()
    }

    #[test]
    fn a_record_looks_as_the_kernels() {
        let mut log = RecordLog::default();
        let subject = Subject { subsystem: "remoteproc", device: "remoteproc0" };
        log.append(3, 16283235, "remoteproc remoteproc0: crash detected", Some(subject));
        assert_eq!(
            text(log.at(0)),
            "3,0,16283235,-;remoteproc remoteproc0: crash detected\n SUBSYSTEM=remoteproc\n \
             DEVICE=+remoteproc:remoteproc0\n"
        );
    }

    #[test]
    fn records_follow_each_other_by_position() {
        let mut log = RecordLog::default();
        log.append_written(1, b"<6>one\n");
        let end = log.size();
        log.append_written(2, b"two\\");
        assert_eq!(text(log.at(0)), "14,0,1,-;one\n");
        assert_eq!(text(log.at(end)), "12,1,2,-;two\\x5c\n");
        assert_eq!(log.at(log.size()), None);
    }
}
