//! One process and what it is doing.
//!
//! ```text
//! Starting --next--> Idle --offer--> Busy --response/error--> Settling --next--> Idle
//!    |                                 |                          |
//!    +------ exit, error, time-out ----+--------------------------+--> Dead
//! ```
//! An invocation may be offered to an instance that is Starting or Settling: it is handed over with the next event
//! that the runtime asks for. One instance never runs two invocations.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::answer::{Answer, AnswerBody, AnswerStatus, ResponseStream, StreamEnd, StreamError};
use crate::capture::Journal;
use crate::clock::{self, Moment};
use crate::event::event;
use crate::extensions::Extensions;
use crate::freezer::Freezer;
use crate::function::{Function, Host, Invocation};
use crate::limits::{INIT_TIMEOUT, RESPONSE_BYTES_MAX, STREAM_CHUNKS};
use crate::memory::Meter;
use crate::pool::Inner as Pool;
use crate::report::{self, Exit, Metrics, Outcome, Platform};

/// An invocation on its way to a process.
pub(crate) struct Job {
    pub(crate) seq: u64,
    pub(crate) invocation: Arc<Invocation>,
    pub(crate) reply: oneshot::Sender<Reply>,
    /// Initialization has failed before: now its failure is the answer.
    pub(crate) last_try: bool,
}

/// What becomes of a [`Job`].
pub(crate) enum Reply {
    Answer(Box<Answer>),
    /// The process never saw the event: try another.
    NotTaken,
    /// The init phase failed; AWS tries once more.
    InitFailed,
    /// The process could not be set up: our fault, not the function's.
    LaunchFailed(String),
}

struct Running {
    seq: u64,
    invocation: Arc<Invocation>,
    begun: Moment,
    deadline: Moment,
    timeout_ms: f64,
    init_ms: Option<f64>,
    reply: Option<oneshot::Sender<Reply>>,
    stream_end: Option<oneshot::Sender<StreamEnd>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Starting,
    Idle,
    Busy,
    Settling,
    Dead,
}

struct State {
    phase: Phase,
    /// A connection that waits for an event.
    waiting: Option<oneshot::Sender<Bytes>>,
    queued: Option<Job>,
    running: Option<Running>,
    /// Duration of the init phase, until an invocation reports it.
    init_ms: Option<f64>,
    /// The last invocation that was answered, so that a second answer is told from an unknown one.
    answered: Option<String>,
}

pub(crate) struct Instance {
    pub(crate) id: u64,
    pub(crate) function: Arc<Function>,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) journal: Journal,
    pub(crate) meter: Meter,
    freezer: Freezer,
    pub(crate) extensions: Extensions,
    pool: Weak<Pool>,
    state: Mutex<State>,
    started: Moment,
    seq: AtomicU64,
    /// Asks the monitor to end the process.
    pub(crate) stop: Notify,
    /// Still counted by the pool.
    pub(crate) counted: AtomicBool,
    /// Code or configuration changed: no further invocation.
    pub(crate) retired: AtomicBool,
    init_done: Notify,
    begun: Notify,
}

/// Why the Runtime API refuses a call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Not the invocation that runs.
    RequestId,
    /// Not now.
    State(Phase),
}

/// A finished invocation, before it is reported.
struct Ending<'a> {
    status: AnswerStatus,
    outcome: Outcome<'a>,
    content_type: Option<String>,
    payload: Bytes,
    lines: Vec<String>,
    /// Error for a response that already streams.
    stream_error: Option<StreamError>,
}

pub(crate) fn unhandled() -> AnswerStatus {
    AnswerStatus::FunctionError { kind: "Unhandled".to_owned() }
}

impl Instance {
    pub(crate) fn new(
        id: u64,
        function: Arc<Function>,
        host: Arc<dyn Host>,
        journal: Journal,
        meter: Meter,
        freezer: Freezer,
        pool: Weak<Pool>,
    ) -> Self {
        let state = State {
            phase: Phase::Starting,
            waiting: None,
            queued: None,
            running: None,
            init_ms: None,
            answered: None,
        };
        Self {
            id,
            function,
            host,
            journal,
            meter,
            freezer,
            extensions: Extensions::default(),
            pool,
            state: Mutex::new(state),
            started: Moment::now(),
            seq: AtomicU64::new(0),
            stop: Notify::new(),
            counted: AtomicBool::new(true),
            retired: AtomicBool::new(false),
            init_done: Notify::new(),
            begun: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn platform(&self) -> Platform<'_> {
        Platform { function: &self.function }
    }

    pub(crate) fn pool(&self) -> Option<Arc<Pool>> {
        self.pool.upgrade()
    }

    /// Waits until an invocation or the init phase runs.
    pub(crate) async fn working(&self) {
        loop {
            let begun = self.begun.notified();
            if matches!(self.phase(), Phase::Busy | Phase::Starting) {
                return;
            }
            begun.await;
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.lock().phase
    }

    pub(crate) fn next_seq(&self) -> u64 {
        self.seq.fetch_add(1, Ordering::Relaxed)
    }

    /// Hands an invocation to the process, or queues it for the next event that the runtime asks for.
    pub(crate) fn offer(&self, job: Job) {
        let mut state = self.lock();
        if state.phase == Phase::Dead {
            let _ = job.reply.send(Reply::NotTaken);
            return;
        }
        let waiting = if state.phase == Phase::Idle { state.waiting.take() } else { None };
        match waiting {
            Some(connection) => {
                let event = self.begin(&mut state, job);
                let _ = connection.send(event);
            }
            None => state.queued = Some(job),
        }
    }

    /// The runtime asks for the next event. `Ok` is where it will come from.
    pub(crate) fn next(self: &Arc<Self>) -> Result<oneshot::Receiver<Bytes>, Refusal> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut state = self.lock();
            if matches!(state.phase, Phase::Busy | Phase::Dead) {
                return Err(Refusal::State(state.phase));
            }
            state.waiting = Some(sender);
        }
        self.arrive();
        Ok(receiver)
    }

    /// Goes on when the runtime and every extension wait for an event.
    pub(crate) fn arrive(self: &Arc<Self>) {
        {
            let mut state = self.lock();
            let comes = matches!(state.phase, Phase::Starting | Phase::Settling | Phase::Idle);
            if !comes || state.waiting.is_none() || !self.extensions.quiet() {
                return;
            }
            if state.phase == Phase::Starting {
                state.init_ms = Some(self.started.elapsed_ms());
                self.extensions.close();
                self.init_done.notify_waiters();
            }
            state.phase = Phase::Idle;
            if let Some(job) = state.queued.take() {
                let connection = state.waiting.take();
                let event = self.begin(&mut state, job);
                if let Some(connection) = connection {
                    let _ = connection.send(event);
                }
                return;
            }
        }
        match self.pool.upgrade() {
            Some(pool) => pool.idle(self),
            None => self.stop.notify_one(),
        }
    }

    pub(crate) fn freezes(&self) -> bool {
        self.freezer.wanted()
    }

    /// Stops the process, if it still waits for an event.
    pub(crate) fn freeze(&self) {
        let state = self.lock();
        if let (Phase::Idle, Some(pid)) = (state.phase, self.meter.pid()) {
            self.freezer.freeze(pid);
        }
    }

    /// The connection that waited for an event is gone.
    pub(crate) fn forget_waiting(&self) {
        let mut state = self.lock();
        if state.waiting.as_ref().is_some_and(oneshot::Sender::is_closed) {
            state.waiting = None;
        }
    }

    /// Turns a job into the event that is written to the runtime.
    fn begin(&self, state: &mut State, job: Job) -> Bytes {
        let timeout =
            job.invocation.deadline.map_or(self.function.timeout, |d| d.min(self.function.timeout));
        let begun = Moment::now();
        let deadline_ms =
            clock::unix_ms() + u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX / 2);
        let event = event(&job.invocation, deadline_ms);
        self.extensions.invoke(&job.invocation, deadline_ms);
        let line = self.platform().start(clock::unix_ms(), &job.invocation.request_id);
        self.journal.begin(line, job.invocation.wants_log_tail);
        self.host.begins(self.id, &job.invocation);
        state.phase = Phase::Busy;
        self.freezer.thaw();
        self.begun.notify_waiters();
        state.running = Some(Running {
            seq: job.seq,
            invocation: job.invocation,
            begun,
            deadline: begun.after(timeout),
            timeout_ms: timeout.as_secs_f64() * 1000.0,
            init_ms: state.init_ms.take(),
            reply: Some(job.reply),
            stream_end: None,
        });
        event
    }

    /// Checks that `request_id` names the invocation that runs.
    fn take_running(&self, request_id: &str) -> Result<Running, Refusal> {
        let mut state = self.lock();
        match &state.running {
            Some(running) if running.invocation.request_id == request_id => {}
            Some(_) => return Err(Refusal::RequestId),
            None if state.answered.as_deref() == Some(request_id) => {
                return Err(Refusal::State(state.phase));
            }
            None => return Err(Refusal::RequestId),
        }
        state.phase = Phase::Settling;
        state.answered = Some(request_id.to_owned());
        state.running.take().ok_or(Refusal::RequestId)
    }

    /// Whether a response for `request_id` would be taken.
    pub(crate) fn expects(&self, request_id: &str) -> Result<(), Refusal> {
        let state = self.lock();
        match &state.running {
            Some(running) if running.invocation.request_id == request_id => Ok(()),
            None if state.answered.as_deref() == Some(request_id) => {
                Err(Refusal::State(state.phase))
            }
            _ => Err(Refusal::RequestId),
        }
    }

    /// The runtime answered.
    pub(crate) fn respond(
        self: &Arc<Self>,
        request_id: &str,
        content_type: Option<String>,
        payload: Bytes,
    ) -> Result<(), Refusal> {
        let running = self.take_running(request_id)?;
        self.settle();
        self.finish(
            running,
            Ending {
                status: AnswerStatus::Ok,
                outcome: Outcome::Success,
                content_type,
                payload,
                lines: Vec::new(),
                stream_error: None,
            },
        );
        Ok(())
    }

    /// The runtime answered with more than it may.
    pub(crate) fn respond_too_large(self: &Arc<Self>, request_id: &str) -> Result<(), Refusal> {
        let (kind, payload) = report::too_large(RESPONSE_BYTES_MAX);
        self.fail(request_id, kind, payload)
    }

    /// The runtime reported an error of the handler.
    pub(crate) fn fail(
        self: &Arc<Self>,
        request_id: &str,
        kind: &str,
        payload: Bytes,
    ) -> Result<(), Refusal> {
        let running = self.take_running(request_id)?;
        self.settle();
        self.finish(
            running,
            Ending {
                status: unhandled(),
                outcome: Outcome::HandlerError(kind),
                content_type: Some("application/json".to_owned()),
                stream_error: Some(StreamError { kind: kind.to_owned(), payload: payload.clone() }),
                payload,
                lines: Vec::new(),
            },
        );
        Ok(())
    }

    /// The runtime begins a streamed response: the caller gets its stream now, the report comes at the end.
    pub(crate) fn stream(
        &self,
        request_id: &str,
        content_type: Option<String>,
    ) -> Result<mpsc::Sender<Bytes>, Refusal> {
        self.expects(request_id)?;
        let mut state = self.lock();
        let Some(running) = state.running.as_mut() else {
            return Err(Refusal::RequestId);
        };
        let Some(reply) = running.reply.take() else {
            return Err(Refusal::State(Phase::Busy));
        };
        let (sender, chunks) = mpsc::channel(STREAM_CHUNKS);
        let (end_sender, end) = oneshot::channel();
        running.stream_end = Some(end_sender);
        let _ = reply.send(Reply::Answer(Box::new(Answer {
            status: AnswerStatus::Ok,
            payload: AnswerBody::Stream(ResponseStream { content_type, chunks, end }),
            log_tail: None,
            init_ms: running.init_ms,
            duration_ms: 0.0,
            billed_ms: 0,
            memory_used_mb: 0,
            log_stream: self.journal.stream().to_owned(),
        })));
        Ok(sender)
    }

    /// A streamed response is complete, or was broken off with an error.
    pub(crate) fn stream_done(self: &Arc<Self>, request_id: &str, error: Option<StreamError>) {
        let Ok(running) = self.take_running(request_id) else {
            return;
        };
        let kind = error.as_ref().map(|error| error.kind.clone());
        let outcome = kind.as_deref().map_or(Outcome::Success, Outcome::HandlerError);
        self.settle();
        self.finish(
            running,
            Ending {
                status: AnswerStatus::Ok,
                outcome,
                content_type: None,
                payload: Bytes::new(),
                lines: Vec::new(),
                stream_error: error,
            },
        );
    }

    /// Called before the answer is sent: who has it may come back at once, and must find this instance.
    fn settle(self: &Arc<Self>) {
        if let Some(pool) = self.pool.upgrade() {
            pool.settling(self);
        }
    }

    /// Reports and answers.
    fn finish(&self, mut running: Running, ending: Ending<'_>) {
        self.host.ends(self.id);
        let metrics = Metrics {
            duration_ms: running.begun.elapsed_ms(),
            init_ms: running.init_ms,
            memory_used_mb: self.meter.peak_mb(),
        };
        let invocation = &running.invocation;
        let trace_id = invocation.trace_id.as_deref();
        let now = clock::unix_ms();
        let closing =
            self.platform().end(now, &invocation.request_id, ending.outcome, &metrics, trace_id);
        let log_tail = self.journal.end(ending.lines.into_iter().chain(closing));
        if let Some(end) = running.stream_end.take() {
            let _ = end.send(StreamEnd {
                error: ending.stream_error,
                log_tail,
                duration_ms: metrics.duration_ms,
                billed_ms: metrics.billed_ms(),
                memory_used_mb: metrics.memory_used_mb,
            });
            return;
        }
        if let Some(reply) = running.reply.take() {
            let _ = reply.send(Reply::Answer(Box::new(Answer {
                status: ending.status,
                payload: AnswerBody::Bytes {
                    content_type: ending.content_type,
                    bytes: ending.payload,
                },
                log_tail,
                init_ms: metrics.init_ms,
                duration_ms: metrics.duration_ms,
                billed_ms: metrics.billed_ms(),
                memory_used_mb: metrics.memory_used_mb,
                log_stream: self.journal.stream().to_owned(),
            })));
        }
    }

    /// The runtime could not initialize, and says so.
    pub(crate) fn init_error(&self, kind: &str, payload: Bytes) -> Result<(), Refusal> {
        let phase = self.phase();
        if phase != Phase::Starting {
            return Err(Refusal::State(phase));
        }
        self.init_failed(kind, Outcome::Failure(kind), payload, Vec::new());
        Ok(())
    }

    /// Ends an instance that never asked for an event.
    fn init_failed(&self, kind: &str, outcome: Outcome<'_>, payload: Bytes, lines: Vec<String>) {
        let init_ms = self.started.elapsed_ms();
        let job = {
            let mut state = self.lock();
            state.phase = Phase::Dead;
            state.queued.take()
        };
        self.init_done.notify_waiters();
        self.stop.notify_one();
        let now = clock::unix_ms();
        match job {
            Some(job) if job.last_try => {
                let start = self.platform().start(now, &job.invocation.request_id);
                self.journal.begin(start, job.invocation.wants_log_tail);
                let running = Running {
                    seq: job.seq,
                    invocation: job.invocation,
                    begun: self.started,
                    deadline: self.started,
                    timeout_ms: 0.0,
                    init_ms: None,
                    reply: Some(job.reply),
                    stream_end: None,
                };
                let content_type = Some("application/json".to_owned());
                let status = unhandled();
                self.finish(
                    running,
                    Ending { status, outcome, content_type, payload, lines, stream_error: None },
                );
            }
            job => {
                let kind = if outcome == Outcome::Timeout { "timeout" } else { kind };
                let report = self.platform().init_report(now, init_ms, kind);
                self.journal.end(lines.into_iter().chain([report]));
                if let Some(job) = job {
                    let _ = job.reply.send(Reply::InitFailed);
                }
            }
        }
    }

    /// The launcher could not set the process up.
    pub(crate) fn launch_failed(&self, reason: &str) {
        let job = {
            let mut state = self.lock();
            state.phase = Phase::Dead;
            state.queued.take()
        };
        self.init_done.notify_waiters();
        if let Some(job) = job {
            let _ = job.reply.send(Reply::LaunchFailed(reason.to_owned()));
        }
    }

    /// The process is gone.
    pub(crate) fn exited(&self, exit: Exit, out_of_memory: bool) {
        let kind = if out_of_memory { "Runtime.OutOfMemory" } else { "Runtime.ExitError" };
        let reason = exit.to_string();
        self.broken(kind, &reason);
    }

    /// The process ended or could not be started: answers whoever waits for it.
    pub(crate) fn broken(&self, kind: &str, reason: &str) {
        let (phase, running, queued_id) = {
            let mut state = self.lock();
            let phase = state.phase;
            if phase != Phase::Starting {
                state.phase = Phase::Dead;
            }
            state.waiting = None;
            let queued_id = state.queued.as_ref().map(|job| job.invocation.request_id.clone());
            (phase, state.running.take(), queued_id)
        };
        if let Some(running) = running {
            self.finish_broken(running, kind, reason);
        } else if phase == Phase::Starting {
            let request_id = queued_id.unwrap_or_default();
            let lines = vec![Platform::exited(&request_id, reason, kind)];
            let payload = report::failure(kind, &request_id, reason);
            self.init_failed(kind, Outcome::Failure(kind), payload, lines);
        } else if let Some(job) = self.lock().queued.take() {
            let _ = job.reply.send(Reply::NotTaken);
        }
        self.journal.flush();
    }

    fn finish_broken(&self, running: Running, kind: &str, reason: &str) {
        let request_id = running.invocation.request_id.clone();
        let payload = report::failure(kind, &request_id, reason);
        self.finish(
            running,
            Ending {
                status: unhandled(),
                outcome: Outcome::Failure(kind),
                content_type: Some("application/json".to_owned()),
                stream_error: Some(StreamError { kind: kind.to_owned(), payload: payload.clone() }),
                payload,
                lines: vec![Platform::exited(&request_id, reason, kind)],
            },
        );
    }

    /// An extension gave up: so does the instance.
    pub(crate) fn extension_failed(&self, kind: &str, reason: &str) {
        self.broken(kind, reason);
        self.extensions.ends_by("failure");
        self.stop.notify_one();
    }

    /// Lets processes run, to hear that they will end.
    pub(crate) fn thaw(&self) {
        self.freezer.thaw();
    }

    /// Memory has run out: the process is ended, and the invocation says why.
    pub(crate) fn out_of_memory(&self) {
        self.extensions.ends_by("failure");
        self.broken("Runtime.OutOfMemory", &Exit::Signal(9).to_string());
        self.stop.notify_one();
    }

    /// Called when the time of invocation `seq` may be over. Answers when to look again; `None`: settled.
    pub(crate) fn expire(&self, seq: u64, settle: bool) -> Option<Moment> {
        enum Over {
            Invocation(Running),
            Init(Option<Arc<Invocation>>),
            Withdrawn(Job),
        }
        let over = {
            let mut state = self.lock();
            match (&state.running, &state.queued) {
                (Some(running), _) if running.seq == seq => {
                    if !running.deadline.has_passed() {
                        return Some(running.deadline);
                    }
                    state.phase = Phase::Dead;
                    state.running.take().map(Over::Invocation)
                }
                (_, Some(job)) if job.seq == seq && state.phase == Phase::Starting => {
                    let due = self.started.after(self.init_limit(job));
                    if !due.has_passed() {
                        return Some(due);
                    }
                    Some(Over::Init(job.last_try.then(|| Arc::clone(&job.invocation))))
                }
                (_, Some(job)) if job.seq == seq && settle => {
                    state.queued.take().map(Over::Withdrawn)
                }
                _ => None,
            }
        };
        match over? {
            Over::Invocation(running) => {
                self.extensions.ends_by("timeout");
                self.finish_timeout(running);
                self.stop.notify_one();
            }
            Over::Init(invocation) => self.init_timed_out(invocation),
            Over::Withdrawn(job) => {
                let _ = job.reply.send(Reply::NotTaken);
            }
        }
        None
    }

    fn finish_timeout(&self, running: Running) {
        let request_id = running.invocation.request_id.clone();
        let payload = report::failure(
            "Sandbox.Timedout",
            &request_id,
            &report::timeout_reason(running.timeout_ms),
        );
        let line = self.platform().timed_out(clock::unix_ms(), &request_id, running.timeout_ms);
        self.finish(
            running,
            Ending {
                status: unhandled(),
                outcome: Outcome::Timeout,
                content_type: Some("application/json".to_owned()),
                stream_error: Some(StreamError {
                    kind: "Sandbox.Timedout".to_owned(),
                    payload: payload.clone(),
                }),
                payload,
                lines: vec![line],
            },
        );
    }

    fn init_timed_out(&self, last: Option<Arc<Invocation>>) {
        let Some(invocation) = last else {
            self.init_failed("timeout", Outcome::Timeout, Bytes::new(), Vec::new());
            return;
        };
        let timeout_ms = self.function.timeout.as_secs_f64() * 1000.0;
        let id = &invocation.request_id;
        let payload = report::failure("Sandbox.Timedout", id, &report::timeout_reason(timeout_ms));
        let line = self.platform().timed_out(clock::unix_ms(), id, timeout_ms);
        self.init_failed("Sandbox.Timedout", Outcome::Timeout, payload, vec![line]);
    }

    /// The first init phase has its own limit; the second counts against the function's timeout.
    fn init_limit(&self, job: &Job) -> Duration {
        if job.last_try { self.function.timeout } else { INIT_TIMEOUT }
    }

    /// When to look at a new invocation for the first time.
    pub(crate) fn first_look(&self) -> Moment {
        Moment::now().after(self.function.timeout.min(INIT_TIMEOUT))
    }

    /// Waits until the runtime has asked for its first event, or failed to.
    pub(crate) async fn initialized(&self) -> bool {
        loop {
            let notified = self.init_done.notified();
            match self.phase() {
                Phase::Starting => notified.await,
                phase => return phase != Phase::Dead,
            }
        }
    }
}
