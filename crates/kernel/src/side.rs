//! The two sides of a pair: what the calls of one invocation go through, and what they were.
//!
//! A primary that somebody watches keeps the before-images of what it writes and a list of its calls
//! with side effects; its candidate works on an overlay in the dark lane and keeps the same list. Which
//! side a call belongs to is told by the *seat* of the instance that makes it: a dark instance has a
//! network of its own, where every socket leads to its seat; a live one has a mark in its session token.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use undercast_smithy::Document;
use undercast_store::{Db, Images, Overlay, OverlayOptions, Recorder};

use crate::{Context, Lane, ServiceError};

/// How many calls with side effects are kept of one invocation, and how much of each.
const CALLS_MAX: usize = 1_000;
const CALL_BYTES_MAX: usize = 256 << 10;
const CALLS_BYTES_MAX: usize = 8 << 20;
/// How much of what the primary wrote is kept, so that the candidate does not see it.
const BEFORE_BYTES_MAX: usize = 16 << 20;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A call with side effects.
#[derive(Debug, Clone, PartialEq)]
pub struct SideCall {
    pub service: &'static str,
    pub operation: &'static str,
    pub input: Document,
    /// The code of the error that it got.
    pub error: Option<String>,
}

/// One side: a primary invocation that is watched, or a candidate.
pub struct Side {
    lane: Lane,
    store: Db,
    recorder: Option<Recorder>,
    outside: Arc<[OutsideRule]>,
    calls: Mutex<Calls>,
}

/// What becomes of calls of a candidate to a host outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutsideRule {
    /// `api.example.com`, or `*.example.com` for all below it, or `*`.
    pub host: String,
    pub action: OutsideAction,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutsideAction {
    Refuse,
    Allow,
    /// The answer that live code got to the same request lately; where there is none, refused.
    Repeat,
    /// Nobody is asked: this is the answer.
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: String,
    },
}

impl OutsideRule {
    fn fits(&self, host: &str) -> bool {
        match self.host.strip_prefix('*') {
            Some("") => true,
            Some(below) => host.ends_with(below),
            None => self.host.eq_ignore_ascii_case(host),
        }
    }
}

impl std::fmt::Debug for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Side").field("lane", &self.lane).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Calls {
    list: Vec<SideCall>,
    bytes: usize,
    is_cut: bool,
    /// The invocation is over: nothing of it may be done any more.
    is_over: bool,
    /// Hosts outside that it wanted to reach.
    outside: Vec<String>,
    is_cold: bool,
}

impl Side {
    /// The side of a primary: live, with before-images.
    pub fn primary(db: &Db) -> Arc<Self> {
        let recorder = Recorder::new(BEFORE_BYTES_MAX);
        let store = db.recording(&recorder);
        Arc::new(Self {
            lane: Lane::Live,
            store,
            recorder: Some(recorder),
            outside: Arc::default(),
            calls: Mutex::default(),
        })
    }

    /// What a primary replaced, to be kept for a later candidate.
    pub fn images(&self) -> Images {
        self.recorder.as_ref().map(Recorder::images).unwrap_or_default()
    }

    /// A primary of the past, as far as a candidate must not see what it wrote.
    pub fn past(db: &Db, images: Images) -> Arc<Self> {
        Arc::new(Self {
            lane: Lane::Live,
            store: db.clone(),
            recorder: Some(Recorder::of(images)),
            outside: Arc::default(),
            calls: Mutex::default(),
        })
    }

    /// The side of a candidate in run `run`: an overlay over live data as `primary` met them.
    pub fn candidate(
        db: &Db,
        run: &str,
        primary: Option<&Side>,
        outside: &Arc<[OutsideRule]>,
    ) -> Arc<Self> {
        let without = primary.and_then(|side| side.recorder.clone()).into_iter().collect();
        let overlay: Overlay = db.overlay(OverlayOptions { without, ..OverlayOptions::default() });
        Arc::new(Self {
            lane: Lane::Dark(run.into()),
            store: overlay.db(),
            recorder: None,
            outside: Arc::clone(outside),
            calls: Mutex::default(),
        })
    }

    pub fn lane(&self) -> &Lane {
        &self.lane
    }

    pub fn store(&self) -> &Db {
        &self.store
    }

    /// Whether the before-images are all there: without them a candidate would see what its primary wrote.
    pub fn is_whole(&self) -> bool {
        !self.recorder.as_ref().is_some_and(Recorder::is_cut)
    }

    /// The calls with side effects, in order; `true` if there were more than are kept.
    pub fn calls(&self) -> (Vec<SideCall>, bool) {
        let calls = lock(&self.calls);
        (calls.list.clone(), calls.is_cut)
    }

    /// What becomes of a call to a host outside; the first rule that fits decides.
    pub fn outside(&self, host: &str) -> OutsideAction {
        let rule = self.outside.iter().find(|rule| rule.fits(host));
        rule.map_or(OutsideAction::Refuse, |rule| rule.action.clone())
    }

    /// Hosts outside that were refused.
    pub fn refused(&self) -> Vec<String> {
        lock(&self.calls).outside.clone()
    }

    /// A process was started on the way: the time that this took tells nothing.
    pub fn note_cold(&self) {
        lock(&self.calls).is_cold = true;
    }

    pub fn is_cold(&self) -> bool {
        lock(&self.calls).is_cold
    }

    pub fn note_refused(&self, host: &str) {
        let mut calls = lock(&self.calls);
        if calls.outside.len() < 20 && !calls.outside.iter().any(|known| known == host) {
            calls.outside.push(host.to_owned());
        }
    }

    /// The invocation is over. What a process that was left behind still sends is refused in the dark.
    pub fn end(&self) {
        lock(&self.calls).is_over = true;
    }

    pub(crate) fn check_open(&self) -> Result<(), ServiceError> {
        if self.lane == Lane::Live || !lock(&self.calls).is_over {
            return Ok(());
        }
        Err(ServiceError::new("InvocationEnded", "This invocation in the dark lane is over.")
            .with_status(410))
    }

    pub(crate) fn note(&self, mut call: SideCall) {
        let text = call.input.to_string();
        let bytes = text.len();
        let mut calls = lock(&self.calls);
        if calls.list.len() >= CALLS_MAX
            || calls.bytes + bytes.min(CALL_BYTES_MAX) > CALLS_BYTES_MAX
        {
            calls.is_cut = true;
            return;
        }
        if bytes > CALL_BYTES_MAX {
            let hash = blake3::hash(text.as_bytes());
            call.input = Document::String(format!("{bytes} bytes, BLAKE3 {}", hash.to_hex()));
        }
        calls.bytes += bytes.min(CALL_BYTES_MAX);
        calls.list.push(call);
    }
}

/// Whether an operation does something, by the verb that its name begins with.
pub fn has_effects(operation: &str) -> bool {
    const READS: [&str; 18] = [
        "Get",
        "List",
        "Describe",
        "Head",
        "Query",
        "Scan",
        "BatchGet",
        "TransactGet",
        "Select",
        "Lookup",
        "Filter",
        "Search",
        "Validate",
        "Estimate",
        "Simulate",
        "AssumeRole",
        "Decode",
        "Test",
    ];
    !READS.iter().any(|verb| operation.starts_with(verb))
}

/// Where an instance sits: the side that its calls belong to now.
pub struct Seat {
    /// The run, if the seat is in the dark.
    run: Option<Arc<str>>,
    current: Mutex<Option<Arc<Side>>>,
    db: Db,
}

impl Seat {
    pub fn live(db: &Db) -> Arc<Self> {
        Arc::new(Self { run: None, current: Mutex::default(), db: db.clone() })
    }

    pub fn dark(db: &Db) -> Arc<Self> {
        Arc::new(Self { run: Some("dark".into()), current: Mutex::default(), db: db.clone() })
    }

    pub fn is_dark(&self) -> bool {
        self.run.is_some()
    }

    /// An invocation begins or ends. In the dark, what comes between two invocations goes to an overlay that
    /// nobody looks at.
    pub fn put(&self, side: Option<Arc<Side>>) {
        *lock(&self.current) = side;
    }

    pub fn side(&self) -> Option<Arc<Side>> {
        let mut current = lock(&self.current);
        if let (None, Some(run)) = (current.as_ref(), &self.run) {
            *current = Some(Side::candidate(&self.db, run, None, &Arc::default()));
        }
        current.clone()
    }

    /// The call as this seat makes it.
    pub fn enter(&self, ctx: &Context) -> Context {
        match self.side() {
            Some(side) => ctx.on_side(&side),
            None => ctx.clone(),
        }
    }
}

/// The seats that are found by the mark in a session token.
#[derive(Default)]
pub struct Seats {
    by_mark: RwLock<HashMap<String, Arc<Seat>>>,
}

/// What stands between a session token and the mark.
const MARK: &str = ".seat-";

impl Seats {
    /// The token with the mark of a seat behind it.
    pub fn mark(token: &str, mark: &str) -> String {
        format!("{token}{MARK}{mark}")
    }

    /// A token as it was issued, and the mark.
    pub fn split(token: &str) -> (&str, Option<&str>) {
        match token.rsplit_once(MARK) {
            Some((token, mark)) => (token, Some(mark)),
            None => (token, None),
        }
    }

    pub fn take(&self, mark: String, seat: Arc<Seat>) {
        let mut seats = self.by_mark.write().unwrap_or_else(PoisonError::into_inner);
        seats.insert(mark, seat);
    }

    pub fn leave(&self, mark: &str) {
        let mut seats = self.by_mark.write().unwrap_or_else(PoisonError::into_inner);
        seats.remove(mark);
    }

    pub fn find(&self, mark: &str) -> Option<Arc<Seat>> {
        let seats = self.by_mark.read().unwrap_or_else(PoisonError::into_inner);
        seats.get(mark).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_tell_what_has_effects() {
        for name in
            ["PutItem", "SendMessage", "ReceiveMessage", "Invoke", "UpdateItem", "CopyObject"]
        {
            assert!(has_effects(name), "{name}");
        }
        for name in
            ["GetItem", "Query", "HeadObject", "ListObjectsV2", "BatchGetItem", "TransactGetItems"]
        {
            assert!(!has_effects(name), "{name}");
        }
    }

    #[test]
    fn marks_come_off_tokens() {
        assert_eq!(Seats::split(&Seats::mark("abc", "7")), ("abc", Some("7")));
        assert_eq!(Seats::split("abc"), ("abc", None));
    }
}
