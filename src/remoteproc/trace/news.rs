//! What is new in a trace buffer, told from two looks at it alone: the kernel shows its bytes up to the first NUL, and not
//! where the firmware writes next.
//!
//! Four ways of writing are known. Most firmware writes until the buffer is full; then it begins at the front again, over
//! the old text, with a NUL behind the new or without; or it stops. Some writes its last line anew, in place.

use std::ops::Range;

/// What came since the last look: two ranges of the buffer, in the order in which they were written.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct News {
    /// The older part.
    pub first: Range<usize>,
    /// What was written at the front, after the end of the buffer.
    pub wrapped: Range<usize>,
}

impl News {
    fn of(first: Range<usize>) -> Self {
        Self { first, wrapped: 0..0 }
    }

    /// Where the firmware writes next, if there is news.
    pub fn end(&self) -> usize {
        if self.wrapped.is_empty() { self.first.end } else { self.wrapped.end }
    }

    /// Whether nothing is new.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty() && self.wrapped.is_empty()
    }
}

/// How far back a line that is written in place may begin, in bytes.
const LINE: usize = 256;

/// What is new in `now`, where there was `before` at the last look, whose last news ended at `cursor`.
///
/// What was written over with the same bytes cannot be told from what was not; at the end of the news it comes with the
/// next look.
pub fn news(before: &[u8], cursor: usize, now: &[u8]) -> News {
    let cursor = cursor.min(before.len());
    if now.len() < before.len() {
        // Begun anew, or over the old text with a NUL behind the new.
        return News::of(0..now.len());
    }
    let Some(changed) = first_difference(before, now) else { return News::of(before.len()..now.len()) };
    let line = line_start(before, cursor);
    // In place: nothing in front of the last line changed. Who begins at the front again changes that first.
    let is_only_line = line == 0 && cursor == before.len();
    if (line..cursor).contains(&changed) && (line > 0 || (is_only_line && changed > 0)) {
        return News::of(line..last_difference(before, now).max(cursor));
    }
    // Over the old text: from the cursor to the end, and on from the front.
    let (old, new) = (before.split_at(cursor), now.split_at(cursor));
    match last_difference(old.0, new.0) {
        0 => News::of(cursor..cursor.saturating_add(last_difference(old.1, new.1))),
        // All of it, and more: begun anew.
        wrapped if wrapped == cursor && now.len() > before.len() => News::of(0..now.len()),
        wrapped => News { first: cursor..now.len(), wrapped: 0..wrapped },
    }
}

fn first_difference(before: &[u8], now: &[u8]) -> Option<usize> {
    before.iter().zip(now).position(|(old, new)| old != new)
}

/// Behind the last byte of `now` that is not what was there before; 0 if none is.
fn last_difference(before: &[u8], now: &[u8]) -> usize {
    if now.len() > before.len() {
        return now.len();
    }
    behind(before.iter().zip(now).rposition(|(old, new)| old != new))
}

/// The index behind that of the last that was found; 0 if none was.
fn behind(last: Option<usize>) -> usize {
    last.map_or(0, |last| last.saturating_add(1))
}

/// Where the line begins that ends at `cursor`, its line break included; `cursor` itself if that is too far away.
fn line_start(text: &[u8], cursor: usize) -> usize {
    let text = text.get(..cursor).unwrap_or_default();
    let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let end = behind(text.iter().rposition(|byte| !is_break(byte)));
    let start = behind(text.iter().take(end).rposition(is_break));
    if cursor.saturating_sub(start) > LINE { cursor } else { start }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a reader makes of looks at a buffer, one after the other.
    #[derive(Default)]
    struct Reader {
        before: Vec<u8>,
        cursor: usize,
        read: Vec<u8>,
    }

    impl Reader {
        fn look(&mut self, now: &[u8]) -> String {
            let news = news(&self.before, self.cursor, now);
            let text = [&now[news.first.clone()], &now[news.wrapped.clone()]].concat();
            if !news.is_empty() {
                self.cursor = news.end();
            }
            self.before = now.to_vec();
            self.read.extend_from_slice(&text);
            String::from_utf8_lossy(&text).into_owned()
        }
    }

    #[test]
    fn what_is_appended_is_new_and_what_stays_is_not() {
        let mut reader = Reader::default();
        for (now, new) in [("", ""), ("a\n", "a\n"), ("a\n", ""), ("a\nb", "b"), ("a\nb\nc\n", "\nc\n")] {
            assert_eq!(reader.look(now.as_bytes()), new);
        }
    }

    #[test]
    fn a_full_buffer_is_written_over_from_its_front() {
        let mut reader = Reader::default();
        let looks = [
            ("aaa\nbbb\nccc\n", "aaa\nbbb\nccc\n"),
            ("dd\n\nbbb\nccc\n", "dd\n"),
            ("dd\neeeee\ncc\n", "eeeee\n"),
            ("gd\neeeee\nff\n", "ff\ng"),
            ("gd\neeeee\nff\n", ""),
        ];
        for (now, new) in looks {
            assert_eq!(reader.look(now.as_bytes()), new);
        }
    }

    #[test]
    fn a_buffer_may_get_full_and_be_written_over_between_two_looks() {
        let mut reader = Reader::default();
        for (now, new) in [("aaa\nbbb\n", "aaa\nbbb\n"), ("dd\n\nbbb\nccc\n", "ccc\ndd\n")] {
            assert_eq!(reader.look(now.as_bytes()), new);
        }
    }

    #[test]
    fn with_a_nul_behind_the_new_text_the_old_is_not_seen() {
        let mut reader = Reader::default();
        for (now, new) in [("one two\n", "one two\n"), ("thr", "thr"), ("three\n", "ee\n"), ("x", "x")] {
            assert_eq!(reader.look(now.as_bytes()), new);
        }
    }

    #[test]
    fn a_last_line_that_is_written_in_place_is_new_as_a_whole() {
        let mut reader = Reader::default();
        let looks = [
            ("hello\nbeat 8\n", "hello\nbeat 8\n"),
            ("hello\nbeat 9\n", "beat 9\n"),
            ("hello\nbeat 10\n", "beat 10\n"),
            ("hello\nbeat 11\n", "beat 11\n"),
            ("hello\nbeat 11\nbye\n", "bye\n"),
        ];
        for (now, new) in looks {
            assert_eq!(reader.look(now.as_bytes()), new);
        }
    }

    #[test]
    fn what_is_replaced_as_a_whole_is_new() {
        let mut reader = Reader::default();
        reader.look(b"first boot\nready\n");
        assert_eq!(
            reader.look(b"second boot, with more to say\nready\n"),
            "second boot, with more to say\nready\n"
        );
    }

    /// A firmware that writes round and round.
    struct Writer {
        buffer: Vec<u8>,
        at: usize,
        terminates: bool,
        written: Vec<u8>,
    }

    impl Writer {
        fn write(&mut self, byte: u8) {
            let size = if self.terminates { self.buffer.len() - 1 } else { self.buffer.len() };
            if self.at == size {
                self.at = 0;
            }
            self.buffer[self.at] = byte;
            self.at += 1;
            if self.terminates {
                self.buffer[self.at] = 0;
            }
            self.written.push(byte);
        }

        fn seen(&self) -> &[u8] {
            let end = self.buffer.iter().position(|byte| *byte == 0).unwrap_or(self.buffer.len());
            &self.buffer[..end]
        }
    }

    /// Numbers that look like chance, and are the same every time (xorshift).
    fn next(seed: &mut u64) -> u64 {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        *seed
    }

    #[test]
    fn of_what_is_still_there_nothing_is_lost_and_nothing_doubled() {
        let mut seed = 7;
        for round in 0..400 {
            let size = 64 + usize::try_from(next(&mut seed) % 1000).unwrap();
            let mut writer =
                Writer { buffer: vec![0; size], at: 0, terminates: round % 2 == 0, written: Vec::new() };
            let mut reader = Reader::default();
            for _ in 0..50 {
                // With a NUL behind the new text, the tail of the buffer is out of sight once the front is written again.
                let room = if writer.terminates { size - 1 - writer.at } else { size - 1 };
                let most = if writer.terminates && room == 0 { size - 1 } else { room };
                let count = next(&mut seed) % (most as u64 + 1);
                for number in 0..count {
                    let byte = b' ' + u8::try_from(next(&mut seed) % 90).unwrap();
                    // Lines of some length; two of the same bytes in a row would be told at the next look.
                    writer.write(if number % 23 == 22 { b'\n' } else { byte });
                }
                reader.look(writer.seen());
            }
            // What was written last with the bytes that were there before is still to come.
            let missing = writer.written.len() - reader.read.len().min(writer.written.len());
            assert!(missing < 8, "round {round}: {missing} bytes are missing");
            let same = reader.read == writer.written[..writer.written.len() - missing];
            let at = reader.read.iter().zip(&writer.written).position(|(read, written)| read != written);
            assert!(same, "round {round}, {size} bytes: not the same from byte {at:?} on");
        }
    }
}
