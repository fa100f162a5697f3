//! What happened lately: every call, invocation and request for a front door, for `undercast trace` and `undercast tail`.
//! In memory and bounded; the oldest goes first.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::Stream;
use futures::channel::mpsc;

use crate::{Context, Env, Lane, Principal};

const KEPT_MAX: usize = 8192;
/// How far a listener may fall behind before it misses something.
const BEHIND_MAX: usize = 1024;

/// Something that happened.
#[derive(Debug, Clone)]
pub struct Entry {
    /// When it began, in unix milliseconds.
    pub at_ms: i64,
    pub took_us: u64,
    pub request_id: String,
    /// What it is a part of: the root of an X-Ray trace.
    pub trace: Option<Arc<str>>,
    pub account: String,
    /// The service that called, where it was not a client.
    pub caller: Option<&'static str>,
    pub is_dark: bool,
    pub what: What,
    /// The code of the error that it ended with.
    pub error: Option<String>,
}

impl Entry {
    /// What happened in the surroundings `ctx`.
    pub fn of(
        ctx: &Context,
        at_ms: i64,
        took: Duration,
        what: What,
        error: Option<String>,
    ) -> Self {
        Self {
            at_ms,
            took_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            request_id: ctx.request_id().to_owned(),
            trace: ctx.trace().cloned(),
            account: ctx.account().to_owned(),
            caller: match ctx.principal() {
                Principal::Service { name, .. } => Some(name),
                _ => None,
            },
            is_dark: *ctx.lane() != Lane::Live,
            what,
            error,
        }
    }
}

#[derive(Debug, Clone)]
pub enum What {
    Call { service: &'static str, operation: &'static str },
    Invocation { function: String, version: String, is_cold: bool },
    Http { method: String, host: String, path: String, status: u16 },
}

#[derive(Default)]
pub struct Journal {
    kept: Mutex<VecDeque<Arc<Entry>>>,
    listeners: Mutex<Vec<mpsc::Sender<Arc<Entry>>>>,
    is_heard: AtomicBool,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Journal")
    }
}

impl Journal {
    pub fn note(&self, entry: Entry) {
        let entry = Arc::new(entry);
        let oldest = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let oldest = (kept.len() >= KEPT_MAX).then(|| kept.pop_front());
            kept.push_back(Arc::clone(&entry));
            oldest
        };
        drop(oldest);
        if self.is_heard.load(Ordering::Relaxed) {
            let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
            listeners.retain_mut(|listener| {
                listener.try_send(Arc::clone(&entry)).is_ok() || !listener.is_closed()
            });
            self.is_heard.store(!listeners.is_empty(), Ordering::Relaxed);
        }
    }

    /// What belongs to a request or trace, in the order in which it began.
    pub fn of(&self, id: &str) -> Vec<Arc<Entry>> {
        let kept: Vec<_> = {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.iter().cloned().collect()
        };
        let is_named =
            |entry: &&Arc<Entry>| entry.request_id == id || entry.trace.as_deref() == Some(id);
        let roots: Vec<_> = kept.iter().filter(is_named).filter_map(|e| e.trace.clone()).collect();
        let mut found: Vec<_> = kept
            .iter()
            .filter(|entry| {
                is_named(entry) || entry.trace.as_ref().is_some_and(|t| roots.contains(t))
            })
            .cloned()
            .collect();
        found.sort_by_key(|entry| entry.at_ms);
        found
    }

    /// Everything from now on; who reads too slowly misses some.
    pub fn listen(&self) -> impl Stream<Item = Arc<Entry>> + Send + 'static {
        let (sender, receiver) = mpsc::channel(BEHIND_MAX);
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.push(sender);
        self.is_heard.store(true, Ordering::Relaxed);
        receiver
    }
}

/// The root of a new trace: when it began, and chance.
pub fn new_root(env: &Env) -> String {
    format!("1-{:08x}-{}", env.clock.now_ms() / 1000, env.ids.hex(24))
}

/// The root in a header `X-Amzn-Trace-Id`.
pub fn trace_root(header: &str) -> Option<&str> {
    let parts = header.split(';').filter_map(|part| part.trim().split_once('='));
    let (_, root) = parts.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("root"))?;
    let is_plain = |b: u8| b.is_ascii_hexdigit() || b == b'-';
    (root.len() == 35 && root.bytes().all(is_plain)).then_some(root)
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt};

    use super::*;

    fn entry(request_id: &str, trace: Option<&str>) -> Entry {
        Entry {
            at_ms: 0,
            took_us: 1,
            request_id: request_id.to_owned(),
            trace: trace.map(Arc::from),
            account: String::new(),
            caller: None,
            is_dark: false,
            what: What::Call { service: "sqs", operation: "SendMessage" },
            error: None,
        }
    }

    #[test]
    fn a_request_brings_all_of_its_trace() {
        let journal = Journal::default();
        for (id, trace) in [("a", None), ("a", Some("t")), ("b", Some("t")), ("c", Some("u"))] {
            journal.note(entry(id, trace));
        }
        let ids =
            |id: &str| journal.of(id).iter().map(|e| e.request_id.clone()).collect::<String>();
        assert_eq!(ids("a"), "aab");
        assert_eq!(ids("t"), "ab");
        assert_eq!(ids("b"), "ab");
        assert_eq!(ids("nobody"), "");
    }

    #[test]
    fn the_oldest_goes_first_and_listeners_hear_what_comes() {
        let journal = Journal::default();
        journal.note(entry("first", None));
        let mut listener = Box::pin(journal.listen());
        for _ in 0..KEPT_MAX {
            journal.note(entry("later", None));
        }
        assert!(journal.of("first").is_empty());
        assert_eq!(journal.of("later").len(), KEPT_MAX);
        assert_eq!(listener.next().now_or_never().flatten().unwrap().request_id, "later");
    }

    #[test]
    fn roots_are_read_from_headers() {
        let root = "1-5759e988-bd862e3fe1be46a994272793";
        let header = format!("Self=1-2;Root={root};Parent=53995c3f42cd8ad8;Sampled=1");
        assert_eq!(trace_root(&header), Some(root));
        assert_eq!(trace_root(&format!("root={root}")), Some(root));
        assert_eq!(trace_root("Root=x"), None);
        assert_eq!(trace_root(""), None);
    }
}
