//! What the sandbox asks us for: credentials of new instances, a place for log lines.

use std::collections::HashMap;
use std::sync::Mutex;

use undercast_kernel::Kernel;
use undercast_sandbox::{Credentials, Function, Host, LogLine};

use super::lock;
use super::logs::LogShipper;

pub(crate) struct LambdaHost {
    logs: LogShipper,
    /// By the key of the function, put there before it can run.
    credentials: Mutex<HashMap<String, Credentials>>,
}

impl LambdaHost {
    pub(crate) fn new(kernel: Kernel) -> Self {
        Self { logs: LogShipper::new(kernel), credentials: Mutex::default() }
    }

    pub(crate) fn provide(&self, key: String, credentials: Credentials) {
        lock(&self.credentials).insert(key, credentials);
    }

    pub(crate) fn forget(&self, key: &str) {
        lock(&self.credentials).remove(key);
    }
}

impl Host for LambdaHost {
    fn credentials(&self, function: &Function) -> Credentials {
        lock(&self.credentials).get(&function.key).cloned().unwrap_or_default()
    }

    fn log(&self, function: &Function, stream: &str, lines: Vec<LogLine>) {
        self.logs.push(function, stream, lines);
    }
}
