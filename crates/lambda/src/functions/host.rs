//! What a sandbox asks us for: credentials of new instances, a place for log lines, and whose calls are
//! whose: every instance has a seat, in which the side of its running invocation is put.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use undercast_kernel::{Kernel, OwnSockets, Seat, Seats, Side};
use undercast_sandbox::{Credentials, Ends, Function, Host, Invocation, LogLine};

use super::lock;
use super::logs::LogShipper;

pub(crate) struct LambdaHost {
    kernel: Kernel,
    is_dark: bool,
    logs: LogShipper,
    /// By the key of the function, put there before it can run.
    credentials: Mutex<HashMap<String, Credentials>>,
    seated: Mutex<HashMap<u64, Seated>>,
}

/// The place of one instance.
struct Seated {
    seat: Arc<Seat>,
    mark: String,
    /// Serves its own network until dropped.
    served: Option<Box<dyn Any + Send>>,
}

impl LambdaHost {
    pub(crate) fn new(kernel: Kernel, is_dark: bool) -> Self {
        Self {
            logs: LogShipper::new(kernel.clone()),
            kernel,
            is_dark,
            credentials: Mutex::default(),
            seated: Mutex::default(),
        }
    }

    pub(crate) fn provide(&self, key: String, credentials: Credentials) {
        lock(&self.credentials).insert(key, credentials);
    }

    pub(crate) fn forget(&self, key: &str) {
        lock(&self.credentials).remove(key);
    }

    fn seat(&self, instance: u64) -> Option<Arc<Seat>> {
        lock(&self.seated).get(&instance).map(|seated| Arc::clone(&seated.seat))
    }
}

impl Host for LambdaHost {
    fn credentials(&self, function: &Function, instance: u64) -> Credentials {
        let mut credentials =
            lock(&self.credentials).get(&function.key).cloned().unwrap_or_default();
        let db = self.kernel.db();
        let seat = if self.is_dark { Seat::dark(db) } else { Seat::live(db) };
        let mark = self.kernel.env().ids.hex(32);
        if !credentials.session_token.is_empty() {
            credentials.session_token = Seats::mark(&credentials.session_token, &mark);
        }
        self.kernel.seats().take(mark.clone(), Arc::clone(&seat));
        lock(&self.seated).insert(instance, Seated { seat, mark, served: None });
        credentials
    }

    fn log(&self, function: &Function, stream: &str, lines: Vec<LogLine>) {
        self.logs.push(function, stream, lines);
    }

    fn network(&self, _: &Function, instance: u64, ends: Ends) {
        let (Some(port), Some(seat)) = (self.kernel.sockets(), self.seat(instance)) else {
            return;
        };
        let served = port.serve(seat, OwnSockets { tls: ends.tls, plain: ends.plain });
        if let Some(seated) = lock(&self.seated).get_mut(&instance) {
            seated.served = Some(served);
        }
    }

    fn begins(&self, instance: u64, invocation: &Invocation) {
        let side = invocation.companion.clone().and_then(|side| side.downcast::<Side>().ok());
        if let Some(seat) = self.seat(instance) {
            seat.put(side);
        }
    }

    fn ends(&self, instance: u64) {
        if let Some(seat) = self.seat(instance) {
            seat.put(None);
        }
    }

    fn gone(&self, instance: u64) {
        if let Some(seated) = lock(&self.seated).remove(&instance) {
            self.kernel.seats().leave(&seated.mark);
        }
    }
}
