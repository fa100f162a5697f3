//! What is counted while versions share the traffic of an alias.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use undercast_kernel::{Kernel, Served, ServiceError};

use super::spawn_step;
use crate::gate::Stats;
use crate::store::{RELEASES, RunKey, SERVED};

const FLUSH_AFTER: Duration = Duration::from_secs(1);

/// The counts of one release in this process.
pub(crate) struct Counting {
    kernel: Kernel,
    pub(crate) key: RunKey,
    /// Of the release.
    pub(crate) id: String,
    pub(crate) to: String,
    stats: Mutex<Stats>,
    is_flushing: AtomicBool,
}

impl Counting {
    pub(crate) fn new(kernel: Kernel, key: RunKey, id: String, to: String) -> Arc<Self> {
        let (stats, is_flushing) = (Mutex::default(), AtomicBool::new(false));
        Arc::new(Self { kernel, key, id, to, stats, is_flushing })
    }

    pub(crate) fn note(self: &Arc<Self>, version: &str, served: Served) {
        {
            let mut stats = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
            let stats = &mut *stats;
            let (requests, failed, latency) = match version == self.to {
                true => (
                    &mut stats.candidate_requests,
                    &mut stats.candidate_failed,
                    &mut stats.candidate_latency,
                ),
                false => (
                    &mut stats.primary_requests,
                    &mut stats.primary_failed,
                    &mut stats.primary_latency,
                ),
            };
            *requests += 1;
            *failed += u64::from(served.failed);
            if !served.is_cold {
                latency.record_ms(served.took.as_secs_f64() * 1000.0);
            }
        }
        if self.is_flushing.swap(true, Ordering::AcqRel) {
            return;
        }
        let this = Arc::clone(self);
        self.kernel.env().spawn("release.flush", async move {
            this.kernel.env().clock.sleep(FLUSH_AFTER).await;
            this.is_flushing.store(false, Ordering::Release);
            if let Err(error) = this.flush().await {
                tracing::warn!(target: "undercast::release", "counts of a release are lost: {error}");
            }
        });
    }

    /// Adds to what the store has, and wakes the release. Counts of a step that is over are dropped.
    async fn flush(&self) -> Result<(), ServiceError> {
        let stats = {
            let mut stats = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *stats)
        };
        let input = Arc::new((self.key.clone(), self.id.clone(), stats));
        self.kernel
            .db()
            .transact(move |tx| {
                let input = Arc::clone(&input);
                async move {
                    let (key, id, stats) = &*input;
                    let row = RELEASES.get(&tx, key).await?;
                    if row.is_none_or(|row| row.id != *id || row.state.is_final()) {
                        return Ok::<_, ServiceError>(());
                    }
                    let served_key = (id.clone(),);
                    let mut served = SERVED.get(&tx, &served_key).await?.unwrap_or_default();
                    served.stats.merge(stats);
                    SERVED.put(&tx, &served_key, &served)?;
                    let now_ms = tx.now_ms();
                    spawn_step(&tx, key, now_ms)
                }
            })
            .await
    }
}
