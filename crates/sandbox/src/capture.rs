//! What a process writes: one pipe for both its streams, cut into log events, kept in order with our own lines.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::unix::pipe::Receiver;

use crate::clock::{self, Moment};
use crate::function::{Function, Host, LogLine};
use crate::limits::{LOG_BATCH_AGE, LOG_BATCH_BYTES, LOG_LINE_BYTES_MAX, LOG_TAIL_BYTES};

/// First bytes of a framed record, the public framing of Lambda's telemetry descriptor: a message of several lines
/// is one event. No text begins with 0xa5 in UTF-8.
const FRAME: [u8; 3] = [0xa5, 0x5a, 0x00];
const FRAME_HEAD: usize = 16;

/// Cuts bytes into events: lines, or framed records.
#[derive(Default)]
struct Assembler {
    buffer: Vec<u8>,
}

impl Assembler {
    fn push(&mut self, bytes: &[u8], mut event: impl FnMut(String)) {
        self.buffer.extend_from_slice(bytes);
        let mut start = 0;
        while let Some((text, used)) = next_event(self.buffer.get(start..).unwrap_or_default()) {
            event(text);
            start += used;
        }
        self.buffer.drain(..start);
    }

    /// What stands without a line break, when the invocation ends.
    fn rest(&mut self) -> Option<String> {
        if self.buffer.is_empty() {
            return None;
        }
        let text = to_text(&self.buffer);
        self.buffer.clear();
        Some(text)
    }
}

fn next_event(bytes: &[u8]) -> Option<(String, usize)> {
    if bytes.starts_with(&FRAME) {
        let length: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
        let length = u32::from_be_bytes(length) as usize;
        if length <= LOG_LINE_BYTES_MAX * 4 {
            let text = bytes.get(FRAME_HEAD..FRAME_HEAD + length)?;
            return Some((to_text(text), FRAME_HEAD + length));
        }
    }
    // The search is bounded, so that a process without line breaks costs no more than its bytes.
    let window = bytes.get(..LOG_LINE_BYTES_MAX.min(bytes.len())).unwrap_or_default();
    match window.iter().position(|b| *b == b'\n') {
        Some(at) => Some((to_text(window.get(..at).unwrap_or_default()), at + 1)),
        None if bytes.len() >= LOG_LINE_BYTES_MAX => Some((to_text(window), window.len())),
        None => None,
    }
}

fn to_text(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// The log of one instance.
pub(crate) struct Journal {
    function: Arc<Function>,
    host: Arc<dyn Host>,
    stream: String,
    /// For waiting; its idea of what can be read lags behind.
    pipe: Receiver,
    /// The same pipe, for a look at once.
    file: std::fs::File,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    assembler: Assembler,
    lines: Vec<LogLine>,
    bytes: usize,
    tail: Option<String>,
}

/// What is left in the pipe after a look at it.
#[derive(PartialEq, Eq)]
enum Pipe {
    Empty,
    More,
    Ended,
}

impl Inner {
    fn push(&mut self, unix_ms: u64, text: String) {
        self.bytes += text.len();
        if let Some(tail) = &mut self.tail {
            tail.push_str(&text);
            if tail.len() > 8 * LOG_TAIL_BYTES {
                *tail = last_bytes(tail).to_owned();
            }
        }
        self.lines.push(LogLine { unix_ms, text });
    }
}

/// The last 4 KB, cut at a character.
fn last_bytes(text: &str) -> &str {
    let mut at = text.len().saturating_sub(LOG_TAIL_BYTES);
    while !text.is_char_boundary(at) {
        at += 1;
    }
    text.get(at..).unwrap_or_default()
}

impl Journal {
    /// `pipe` is the reading end, not blocking.
    pub(crate) fn new(
        function: Arc<Function>,
        host: Arc<dyn Host>,
        stream: String,
        pipe: OwnedFd,
    ) -> io::Result<Self> {
        let file = std::fs::File::from(pipe.try_clone()?);
        let pipe = Receiver::from_owned_fd(pipe)?;
        Ok(Self { function, host, stream, pipe, file, inner: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn stream(&self) -> &str {
        &self.stream
    }

    /// Adds lines of the platform, after everything that the process wrote so far.
    pub(crate) fn platform(&self, lines: impl IntoIterator<Item = String>) {
        let mut inner = self.lock();
        self.drain(&mut inner);
        let now = clock::unix_ms();
        for line in lines {
            inner.push(now, line);
        }
    }

    /// Begins an invocation; `tail` says whether its log is asked for.
    pub(crate) fn begin(&self, line: Option<String>, tail: bool) {
        let mut inner = self.lock();
        self.drain(&mut inner);
        inner.tail = tail.then(String::new);
        if let Some(line) = line {
            inner.push(clock::unix_ms(), line);
        }
    }

    /// Ends an invocation: closes an open line, adds ours, hands everything over, gives the tail.
    pub(crate) fn end(&self, lines: impl IntoIterator<Item = String>) -> Option<String> {
        let mut inner = self.lock();
        self.drain(&mut inner);
        let now = clock::unix_ms();
        if let Some(rest) = inner.assembler.rest() {
            inner.push(now, rest);
        }
        for line in lines {
            inner.push(now, line);
        }
        let tail = inner.tail.take().map(|tail| last_bytes(&tail).to_owned());
        self.hand_over(&mut inner);
        tail
    }

    /// Hands over what waits. The lock is held meanwhile: lines of one stream stay in order.
    pub(crate) fn flush(&self) {
        let mut inner = self.lock();
        self.drain(&mut inner);
        self.hand_over(&mut inner);
    }

    fn hand_over(&self, inner: &mut Inner) {
        if !inner.lines.is_empty() {
            inner.bytes = 0;
            self.host.log(&self.function, &self.stream, std::mem::take(&mut inner.lines));
        }
    }

    /// Takes what stands in the pipe now: what a process wrote before it answered is there before its answer is.
    fn drain(&self, inner: &mut Inner) -> Pipe {
        self.drain_with(inner, |buffer| (&self.file).read(buffer))
    }

    fn drain_with(&self, inner: &mut Inner, read: impl Fn(&mut [u8]) -> io::Result<usize>) -> Pipe {
        let mut buffer = [0_u8; 16 * 1024];
        for _ in 0..64 {
            let length = match read(&mut buffer) {
                Ok(0) => return Pipe::Ended,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Pipe::Empty,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Pipe::Ended,
            };
            let now = clock::unix_ms();
            let Inner { assembler, .. } = inner;
            let mut assembler = std::mem::take(assembler);
            assembler.push(buffer.get(..length).unwrap_or_default(), |text| inner.push(now, text));
            inner.assembler = assembler;
            if inner.bytes >= LOG_BATCH_BYTES {
                self.hand_over(inner);
            }
        }
        Pipe::More
    }

    /// Reads until the last writer is gone. Lines are handed over in batches.
    pub(crate) async fn run(&self) {
        while self.read_on().await {
            // Lines gather for a moment, unless the end of an invocation takes them.
            let due = Moment::now().after(LOG_BATCH_AGE);
            while !self.lock().lines.is_empty() {
                tokio::select! {
                    () = clock::sleep_until(due) => self.flush(),
                    more = self.read_on() => if !more { break },
                }
            }
        }
        self.end([]);
    }

    /// Waits for output and takes it; false at the end of the pipe.
    async fn read_on(&self) -> bool {
        if self.pipe.readable().await.is_err() {
            return false;
        }
        let mut inner = self.lock();
        self.drain_with(&mut inner, |buffer| self.pipe.try_read(buffer)) != Pipe::Ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(pieces: &[&[u8]]) -> (Vec<String>, Option<String>) {
        let mut assembler = Assembler::default();
        let mut all = Vec::new();
        for piece in pieces {
            assembler.push(piece, |text| all.push(text));
        }
        (all, assembler.rest())
    }

    #[test]
    fn lines_are_cut_wherever_the_bytes_were_split() {
        let (all, rest) = events(&[b"a", b"b\nc\n\nd"]);
        assert_eq!(all, ["ab\n", "c\n", "\n"]);
        assert_eq!(rest.as_deref(), Some("d\n"));
    }

    #[test]
    fn a_frame_is_one_event() {
        let mut frame = vec![0xa5, 0x5a, 0x00, 0x03, 0, 0, 0, 4];
        frame.extend_from_slice(&[0; 8]);
        frame.extend_from_slice(b"x\ny\nplain\n");
        let (all, _) = events(&[&frame[..10], &frame[10..]]);
        assert_eq!(all, ["x\ny\n", "plain\n"]);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let long = vec![b'x'; LOG_LINE_BYTES_MAX + 10];
        let (all, rest) = events(&[&long]);
        assert_eq!(all.len(), 1);
        assert_eq!(rest.map(|r| r.len()), Some(11));
    }

    #[test]
    fn tail_is_cut_at_a_character() {
        let text = "é".repeat(LOG_TAIL_BYTES);
        assert_eq!(last_bytes(&text).len(), LOG_TAIL_BYTES);
        let text = format!("{}x", "é".repeat(LOG_TAIL_BYTES));
        assert_eq!(last_bytes(&text).len(), LOG_TAIL_BYTES - 1);
    }
}
