//! The store in a database that speaks the PostgreSQL protocol, shared by any number of nodes.
//!
//! Reads of a transaction come from one `REPEATABLE READ` snapshot. Commits of this node wait in one queue; a few
//! writers take groups from it, and each group is one database transaction in two round trips: lock the buckets of all
//! keys (reads shared, writes alone, in order), look whether what was read is unchanged; then write, delete, add, note the
//! group's id, commit. A commit whose answer is lost is looked up by that id.
//!
//! A claim is an advisory lock on the row, held by a connection of its own until the transaction ends, so nodes
//! skip each other's rows instead of failing over them. What is claimed is validated like a read all the same: losing the
//! connection costs a retry, never correctness.
//!
//! `NOTIFY` goes out on its own, after the commit, and is only a hint. One bounded poll stands behind it.

mod attempt;
mod notify;
mod pool;
mod schema;
mod writer;

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::mpsc;

use crate::backend::{Attempt, Backend};
use crate::env::Env;
use crate::error::{Error, lock};
use crate::watch::Watches;
use attempt::PgAttempt;
use notify::Notifier;
use pool::Pool;
use writer::Pending;

/// How many connections read, and as many claim.
const READERS: usize = 10;
const WRITERS: usize = 4;

pub(crate) struct Postgres {
    core: Arc<Core>,
    queue: std::sync::Mutex<Option<mpsc::UnboundedSender<Pending>>>,
    stopped: tokio::sync::watch::Sender<bool>,
}

/// What attempts, writers and listeners share.
struct Core {
    env: Env,
    watches: Arc<Watches>,
    readers: Arc<Pool>,
    claimers: Arc<Pool>,
    notifier: Notifier,
}

fn failed(error: tokio_postgres::Error) -> Error {
    use tokio_postgres::error::SqlState;
    let code = error.code().cloned();
    let is_conflict = code.is_some_and(|code| {
        let again = [
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::OUT_OF_MEMORY,
        ];
        again.contains(&code)
    });
    if is_conflict || error.is_closed() {
        // Nothing was written; on another connection it may go well.
        return Error::conflict(bytes::Bytes::new());
    }
    let detail = error.as_db_error().map_or_else(|| error.to_string(), |detail| detail.to_string());
    Error::unavailable(format_args!("the database: {detail}"))
}

impl Postgres {
    pub(crate) async fn open(url: &str, durable: bool, env: Env) -> Result<Postgres, Error> {
        let mut config: tokio_postgres::Config =
            url.parse().map_err(|error| Error::Format { reason: format!("{error}") })?;
        config.application_name("undercast");
        if !durable {
            config.options("-c synchronous_commit=off");
        }
        let readers = Arc::new(Pool::new(config.clone(), env.clone(), READERS));
        let claimers = Arc::new(Pool::new(config, env.clone(), READERS));
        schema::prepare(&readers).await?;
        let watches = Arc::new(Watches::default());
        let stopped = tokio::sync::watch::Sender::new(false);
        let notifier = Notifier::start(&readers, watches.clone(), stopped.subscribe());
        let core = Arc::new(Core { env: env.clone(), watches, readers, claimers, notifier });
        let (queue, receiver) = mpsc::unbounded_channel();
        let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
        for _ in 0..WRITERS {
            env.spawn("store writer", writer::write_groups(core.clone(), receiver.clone()));
        }
        Ok(Postgres { core, queue: std::sync::Mutex::new(Some(queue)), stopped })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stopped.send_replace(true);
    }
}

impl Backend for Postgres {
    fn begin(&self) -> BoxFuture<'_, Result<Arc<dyn Attempt>, Error>> {
        let queue = lock(&self.queue).clone();
        let core = self.core.clone();
        Box::pin(async move {
            let queue = queue.ok_or(Error::Closed { what: "store" })?;
            Ok(Arc::new(PgAttempt::new(core, queue)) as Arc<dyn Attempt>)
        })
    }

    fn watches(&self) -> &Arc<Watches> {
        &self.core.watches
    }

    fn clear(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            schema::clear(&self.core.readers).await?;
            self.core.watches.mark_all();
            self.core.notifier.tell_all();
            Ok(())
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            lock(&self.queue).take();
            self.stopped.send_replace(true);
            self.core.readers.close();
            self.core.claimers.close();
        })
    }

    fn is_shared(&self) -> bool {
        true
    }
}
