//! Where several nodes share a store, one of them at a time reads the log of a mapping: whoever holds its lease. A
//! holder beats; who sees the lease stand still for long by its own clock takes it over. What a former holder still
//! has under way keeps nothing: its checkpoints name it.

use std::time::Duration;

use tokio::sync::watch;
use undercast_kernel::{Context, ServiceError};

use super::caller::unless_stopped;
use crate::store::{LEASES, LeaseRow};

const BEAT: Duration = Duration::from_secs(5);
/// So many beats without a sign of life.
const SILENT_BEATS_MAX: u32 = 4;

pub(super) struct Lease {
    pub(super) ctx: Context,
    pub(super) uuid: String,
    /// This process.
    pub(super) node: u64,
}

impl Lease {
    /// Waits for the lease; what to be known by as its holder. `None` if stopped first.
    pub(super) async fn acquire(&self, stopped: &mut watch::Receiver<()>) -> Option<u64> {
        let clock = &self.ctx.env().clock;
        let mut seen: Option<LeaseRow> = None;
        let mut silent_beats = 0;
        loop {
            let is_silent = silent_beats >= SILENT_BEATS_MAX;
            match self.take(seen.as_ref().filter(|_| is_silent)).await {
                Ok(Ok(holder)) => return Some(holder),
                Ok(Err(other)) if seen.as_ref() == Some(&other) => silent_beats += 1,
                Ok(Err(other)) => {
                    seen = Some(other);
                    silent_beats = 0;
                }
                Err(error) => tracing::warn!("the lease of {}: {error}", self.uuid),
            }
            unless_stopped(stopped, clock.sleep(BEAT)).await?;
        }
    }

    /// Takes the lease if it is free, this node's, or as `silent` says; else answers who has it.
    async fn take(&self, silent: Option<&LeaseRow>) -> Result<Result<u64, LeaseRow>, ServiceError> {
        let taken = self.ctx.store().transact(move |tx| async move {
            let key = (self.uuid.clone(),);
            let now = LEASES.get(&tx, &key).await?;
            if let Some(row) = now
                && row.node != self.node
                && Some(&row) != silent
            {
                return Ok::<_, ServiceError>(Err(row));
            }
            let holder = tx.ids().u64();
            LEASES.put(&tx, &key, &LeaseRow { node: self.node, holder, beat: 0 })?;
            Ok(Ok(holder))
        });
        taken.await
    }

    /// Beats until the lease is lost, or until stopped: then `None`.
    pub(super) async fn keep(&self, holder: u64, stopped: &mut watch::Receiver<()>) -> Option<()> {
        let clock = &self.ctx.env().clock;
        let mut missed = 0;
        loop {
            unless_stopped(stopped, clock.sleep(BEAT)).await?;
            match self.beat(holder).await {
                Ok(true) => missed = 0,
                Ok(false) => return Some(()),
                // Long before others take it for lost.
                Err(_) if missed + 2 >= SILENT_BEATS_MAX => return Some(()),
                Err(_) => missed += 1,
            }
        }
    }

    async fn beat(&self, holder: u64) -> Result<bool, ServiceError> {
        let kept = self.ctx.store().transact(move |tx| async move {
            let key = (self.uuid.clone(),);
            let row = LEASES.get(&tx, &key).await?.filter(|row| row.holder == holder);
            let Some(row) = row else {
                return Ok::<_, ServiceError>(false);
            };
            LEASES.put(&tx, &key, &LeaseRow { beat: row.beat + 1, ..row })?;
            Ok(true)
        });
        kept.await
    }
}
