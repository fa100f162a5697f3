//! Event source mappings: functions that read queues and streams.
//!
//! A mapping is a row. One supervisor in each process watches the rows and keeps a poller for each that is
//! enabled, so creating, changing, stopping, deleting and restarting are all the same to it. Pollers hold
//! nothing: a message that was received and not deleted comes back by its visibility timeout, and how far a
//! stream was read is a row.

mod caller;
mod event;
mod failed;
mod filter;
mod lease;
mod poller;
mod settings;
mod stream;
mod window;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::{Notify, watch};
use undercast_kernel::Kernel;

use crate::functions::Functions;
use crate::store::{MAPPINGS, MappingRow};
pub(crate) use filter::exercise as exercise_filter;
use poller::Poller;
pub(crate) use settings::{
    Change, arn, check_queue, check_role, check_source, describe, described, exists, key,
    new_stream, refuse_on_create, refuse_on_update, state, stream_of,
};
use stream::{Gate, StreamPoller, Turn};
pub(crate) use stream::{forget, positions, relane};

const MAPPINGS_MAX: usize = 10_000;
/// `LastProcessingResult` before there was any, and after a failure.
pub(crate) const NONE_YET: &str = "No records processed";
pub(crate) const FAILED: &str = "PROBLEM: Function call failed";
const RETRY: Duration = Duration::from_secs(1);

type MappingKey = (String, String, String);

/// The supervisor.
pub(crate) struct Mappings {
    functions: Arc<Functions>,
    is_started: AtomicBool,
    look: Notify,
    gates: Mutex<HashMap<MappingKey, Gate>>,
    /// This process, among those that share the store.
    node: u64,
}

/// A poller that runs; it stops when this is dropped.
struct Running {
    row: MappingRow,
    _stop: watch::Sender<()>,
}

impl Mappings {
    pub(crate) fn new(kernel: &Kernel, functions: Arc<Functions>) -> Self {
        Self {
            functions,
            is_started: AtomicBool::new(false),
            look: Notify::new(),
            gates: Mutex::default(),
            node: kernel.env().ids.u64(),
        }
    }

    /// Starts the supervisor; once is enough.
    pub(crate) fn start(self: &Arc<Self>, kernel: Kernel) {
        if self.is_started.swap(true, Ordering::AcqRel) {
            self.look.notify_one();
            return;
        }
        let own = Arc::clone(self);
        let env = kernel.env().clone();
        env.spawn("lambda.mappings", async move { own.supervise(kernel).await });
    }

    async fn supervise(&self, kernel: Kernel) {
        let mut changes = MAPPINGS.watch(kernel.db(), &());
        let mut running: HashMap<MappingKey, Running> = HashMap::new();
        loop {
            match MAPPINGS.list(kernel.db(), MAPPINGS.all(), MAPPINGS_MAX, false).await {
                Ok(rows) => self.reconcile(&kernel, &mut running, rows),
                Err(undercast_store::Error::Closed { .. }) => return,
                Err(error) => {
                    tracing::warn!("event source mappings cannot be read: {error}");
                    kernel.env().clock.sleep(RETRY).await;
                    continue;
                }
            }
            let look = self.look.notified();
            futures::pin_mut!(look);
            let changed = changes.changed().boxed();
            futures::future::select(changed, look).await;
        }
    }

    fn reconcile(
        &self,
        kernel: &Kernel,
        running: &mut HashMap<MappingKey, Running>,
        rows: Vec<(MappingKey, MappingRow)>,
    ) {
        let wanted: HashMap<MappingKey, MappingRow> =
            rows.into_iter().filter(|(_, row)| row.enabled).collect();
        running.retain(|key, poller| wanted.get(key) == Some(&poller.row));
        for (key, row) in wanted {
            if running.contains_key(&key) {
                continue;
            }
            let (stop, stopped) = watch::channel(());
            if row.stream.is_none() {
                let poller = Poller::new(kernel, &self.functions, &key, row.clone(), stopped);
                kernel.env().spawn("lambda.poller", poller.run());
            } else if let Some(poller) = self.stream_poller(kernel, &key, &row, stopped) {
                kernel.env().spawn("lambda.poller", poller.run());
            }
            running.insert(key, Running { row, _stop: stop });
        }
        // Of those that are gone, and whose last lane has ended.
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.retain(|key, gate| running.contains_key(key) || Arc::strong_count(gate) > 1);
    }

    fn stream_poller(
        &self,
        kernel: &Kernel,
        key: &MappingKey,
        row: &MappingRow,
        stopped: watch::Receiver<()>,
    ) -> Option<StreamPoller> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        let gate = Arc::clone(gates.entry(key.clone()).or_default());
        StreamPoller::new(
            kernel,
            &self.functions,
            key,
            row,
            Turn { gate, node: self.node },
            stopped,
        )
    }
}
