//! Connections, each with its statements prepared.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::{Client, Config, NoTls, Statement};

use super::failed;
use crate::env::Env;
use crate::error::{Error, lock};

pub(super) struct Pool {
    config: Config,
    env: Env,
    idle: Mutex<Vec<Session>>,
    permits: Arc<Semaphore>,
    closed: AtomicBool,
}

/// A connection and what was prepared on it.
pub(super) struct Session {
    client: Client,
    statements: Statements,
}

pub(super) struct Statements {
    pub(super) get: Statement,
    pub(super) range: Statement,
    pub(super) range_reverse: Statement,
    pub(super) sum: Statement,
    pub(super) claim: Statement,
}

const GET: &str = "select value, version from undercast.rows where key = $1";
const RANGE: &str = "select key, value from undercast.rows
    where key >= $1 and ($2::bytea is null or key < $2) order by key limit $3";
const RANGE_REVERSE: &str = "select key, value from undercast.rows
    where key >= $1 and ($2::bytea is null or key < $2) order by key desc limit $3";
const SUM: &str = "select coalesce(sum(value), 0)::bigint from undercast.counters where key = $1";
/// Locks exactly the candidates: a lock function in the same level as the limit might be called for more rows.
const CLAIM: &str = "with candidate as materialized (
        select key, value, version from undercast.rows
        where key >= $1 and ($2::bytea is null or key < $2) order by key limit $3)
    select key, value, version,
        pg_try_advisory_xact_lock(('x' || left(md5(key || '\\x00636c61696d'::bytea), 16))::bit(64)::bigint)
    from candidate";

impl Session {
    pub(super) async fn connect(config: &Config, env: &Env) -> Result<Client, Error> {
        let connected = config.connect(NoTls).await;
        let (client, connection) =
            connected.map_err(|error| Error::unavailable(format_args!("the database: {error}")))?;
        env.spawn("database connection", async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a database connection ended");
            }
        });
        Ok(client)
    }

    async fn open(config: &Config, env: &Env) -> Result<Session, Error> {
        let client = Session::connect(config, env).await?;
        // Prepared one by one on first use would cost a round trip each; asked together they cost one.
        let prepared = async {
            let (get, range, range_reverse, sum, claim) = futures::try_join!(
                client.prepare(GET),
                client.prepare(RANGE),
                client.prepare(RANGE_REVERSE),
                client.prepare(SUM),
                client.prepare(CLAIM),
            )?;
            Ok(Statements { get, range, range_reverse, sum, claim })
        };
        let statements = prepared.await.map_err(failed)?;
        Ok(Session { client, statements })
    }
}

impl Pool {
    pub(super) fn new(config: Config, env: Env, size: usize) -> Pool {
        let permits = Arc::new(Semaphore::new(size));
        Pool { config, env, idle: Mutex::default(), permits, closed: AtomicBool::new(false) }
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn env(&self) -> &Env {
        &self.env
    }

    /// A connection whose statements need not be prepared: there are no tables yet.
    async fn session(&self) -> Result<Option<Session>, Error> {
        loop {
            let Some(session) = lock(&self.idle).pop() else {
                return Ok(None);
            };
            if !session.client.is_closed() {
                return Ok(Some(session));
            }
        }
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, Error> {
        let permit = self.permits.clone().acquire_owned().await;
        permit.map_err(|_| Error::Closed { what: "store" })
    }

    /// A bare connection, for once.
    pub(super) async fn take(self: &Arc<Self>) -> Result<Bare, Error> {
        let permit = self.permit().await?;
        let client = Session::connect(&self.config, &self.env).await?;
        Ok(Bare { client, _permit: permit })
    }

    pub(super) async fn get(self: &Arc<Self>) -> Result<Pooled, Error> {
        let permit = self.permit().await?;
        let session = match self.session().await? {
            Some(session) => session,
            None => Session::open(&self.config, &self.env).await?,
        };
        Ok(Pooled { pool: self.clone(), session: Some(session), permit: Some(permit) })
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.permits.close();
        lock(&self.idle).clear();
    }
}

pub(super) struct Bare {
    client: Client,
    _permit: OwnedSemaphorePermit,
}

impl Bare {
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn keep(self) {}
}

/// A connection in a transaction; dropping it rolls that back and gives the connection back.
pub(super) struct Pooled {
    pool: Arc<Pool>,
    session: Option<Session>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Pooled {
    pub(super) fn session(&self) -> Result<(&Client, &Statements), Error> {
        let session = self.session.as_ref().ok_or(Error::Closed { what: "connection" })?;
        Ok((&session.client, &session.statements))
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let (Some(session), permit) = (self.session.take(), self.permit.take()) else {
            return;
        };
        let pool = self.pool.clone();
        if session.client.is_closed() || pool.closed.load(Ordering::SeqCst) {
            return;
        }
        let env = pool.env.clone();
        env.spawn("database rollback", async move {
            let is_clean = session.client.batch_execute("rollback").await.is_ok();
            if is_clean && !pool.closed.load(Ordering::SeqCst) {
                lock(&pool.idle).push(session);
            }
            drop(permit);
        });
    }
}
