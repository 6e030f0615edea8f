//! What is new in a trace buffer, from looks at it. Of what was appended, or written round and round without repeating
//! itself, nothing is lost and nothing doubled; of whatever else there is, all that changed is in the news.
//!
//! The input: a byte that picks the writer, then what that does.
#![no_main]

use libfuzzer_sys::fuzz_target;
use remoteproc_runtime::remoteproc::news::{News, news};
use remoteproc_runtime_fuzz::Input;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    match input.byte() % 3 {
        0 => appends(&mut input),
        1 => goes_round(&mut input),
        _ => writes_anything(&mut input),
    }
});

/// What a reader makes of looks, as the runtime does.
#[derive(Default)]
struct Reader {
    before: Vec<u8>,
    cursor: usize,
    read: Vec<u8>,
}

impl Reader {
    fn look(&mut self, now: &[u8]) {
        let news = news(&self.before, self.cursor, now);
        self.is_sound(&news, now);
        self.read.extend_from_slice(&now[news.first.clone()]);
        self.read.extend_from_slice(&now[news.wrapped.clone()]);
        if !news.is_empty() {
            self.cursor = news.end();
        }
        self.before = now.to_vec();
        assert!(is_quiet(&self.before, self.cursor), "nothing is new at a look right behind another");
    }

    /// It lies in the buffer, gives nothing twice, and has all that is not what it was.
    fn is_sound(&self, news: &News, now: &[u8]) {
        assert!(news.first.end <= now.len() && news.wrapped.end <= now.len() && news.end() <= now.len());
        assert!(news.wrapped.is_empty() || news.wrapped.end <= news.first.start);
        for (at, byte) in now.iter().enumerate() {
            let told = news.first.contains(&at) || news.wrapped.contains(&at);
            assert!(told || self.before.get(at) == Some(byte), "byte {at} changed, and is not told");
        }
    }
}

fn is_quiet(now: &[u8], cursor: usize) -> bool {
    news(now, cursor, now).is_empty()
}

/// The most looks at one buffer.
const LOOKS: usize = 24;

/// A firmware that stops when the buffer is full.
fn appends(input: &mut Input<'_>) {
    let mut reader = Reader::default();
    let mut text = Vec::new();
    for _ in 0..LOOKS {
        text.extend_from_slice(input.piece());
        reader.look(&text);
        assert_eq!(reader.read, text);
    }
}

/// A firmware that begins at the front again, with a NUL behind what it writes or without, and never writes what was there.
fn goes_round(input: &mut Input<'_>) {
    let size = usize::from(input.byte()) * 4 + 2;
    let terminates = input.byte() & 1 != 0;
    let room = if terminates { size - 1 } else { size };
    // No line breaks: a last line that is written anew in place is another way of writing.
    let letters = if room % 90 == 0 { 89 } else { 90 };
    let (mut buffer, mut at, mut written) = (vec![0; size], 0, Vec::new());
    let mut reader = Reader::default();
    for _ in 0..LOOKS {
        // What a look misses is gone: never a whole round at once, and with a NUL behind not past the end.
        let most = if terminates && at < room { room - at } else { room - usize::from(!terminates) };
        for _ in 0..(usize::from(input.byte()) * 4).min(most) {
            if at == room {
                at = 0;
            }
            let letter = b'!' + u8::try_from(written.len() % letters).unwrap();
            buffer[at] = letter;
            written.push(letter);
            at += 1;
            if terminates {
                buffer[at] = 0;
            }
        }
        let seen = buffer.iter().position(|byte| *byte == 0).unwrap_or(size);
        reader.look(&buffer[..seen]);
        assert_eq!(reader.read, written);
    }
}

/// Looks that have nothing to do with each other.
fn writes_anything(input: &mut Input<'_>) {
    let mut reader = Reader::default();
    for _ in 0..LOOKS {
        let now: Vec<u8> = input.piece().iter().copied().filter(|byte| *byte != 0).collect();
        reader.look(&now);
    }
}
