//! Running functions: from a name to a version, from a version to a sandbox function that is kept ready,
//! from an event to an answer.
//!
//! The rows are read for every invocation; what is kept in memory is found by `ConfigRow::build`, so it
//! can be stale for nobody.

mod host;
mod logs;
mod ready;
mod run;
mod stream;
mod trace;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use undercast_kernel::{Context, Kernel, Lane, ServiceError};
use undercast_sandbox::{Host, Sandbox};
use undercast_store::{Tx, fraction};

use crate::code::CodeCache;
use crate::error::no_function;
use crate::name::{FunctionName, LATEST, number};
use crate::store::{ALIASES, AliasRow, ConfigRow, FUNCTIONS, FunctionKey, FunctionRow, VERSIONS};
use crate::{OpenSandbox, Sandboxes};
use host::LambdaHost;
use ready::Ready;
pub(crate) use run::{Event, Outcome, check_json};
pub(crate) use stream::{Piece, Streamed};

/// With more versions than this, unpacked code is left where it is.
const SWEPT_MAX: usize = 20_000;

/// The engine.
pub(crate) struct Functions {
    kernel: Kernel,
    live: Arc<Room>,
    open_dark: Option<OpenSandbox>,
    dark: Mutex<Option<Arc<Room>>>,
    pub(crate) code: CodeCache,
    ready: Mutex<HashMap<(FunctionKey, String), Arc<Ready>>>,
    /// One at a time makes a version ready.
    preparing: tokio::sync::Mutex<()>,
    running: Mutex<HashMap<FunctionKey, Arc<AtomicU32>>>,
}

/// A sandbox and what it asks for.
struct Room {
    sandbox: Sandbox,
    host: Arc<LambdaHost>,
    as_host: Arc<dyn Host>,
}

impl Room {
    fn new(kernel: &Kernel, sandbox: Sandbox, is_dark: bool) -> Self {
        let host = Arc::new(LambdaHost::new(kernel.clone(), is_dark));
        Self { sandbox, as_host: Arc::clone(&host) as Arc<dyn Host>, host }
    }
}

/// A version that somebody wants to run.
pub(crate) struct Target {
    pub(crate) name: FunctionName,
    pub(crate) version: String,
    pub(crate) config: ConfigRow,
    pub(crate) reserved: Option<u32>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Functions {
    pub(crate) fn new(kernel: &Kernel, sandboxes: Sandboxes, folder: PathBuf) -> Self {
        Self {
            kernel: kernel.clone(),
            live: Arc::new(Room::new(kernel, sandboxes.live, false)),
            open_dark: sandboxes.dark,
            dark: Mutex::default(),
            code: CodeCache::new(folder),
            ready: Mutex::default(),
            preparing: tokio::sync::Mutex::default(),
            running: Mutex::default(),
        }
    }

    /// The version that an invocation of this name runs; an alias with weights may answer differently
    /// each time.
    pub(crate) async fn resolve(
        &self,
        ctx: &Context,
        name: FunctionName,
    ) -> Result<Target, ServiceError> {
        let tx = ctx.store().begin().await?;
        let missing = || no_function(name.arn_with(name.qualifier.as_deref().unwrap_or(LATEST)));
        let row = FUNCTIONS.get(&tx, &name.key()).await?.ok_or_else(missing)?;
        let version = match name.qualifier.as_deref() {
            None | Some(LATEST) => LATEST.to_owned(),
            Some(qualifier) if number(qualifier).is_some() => qualifier.to_owned(),
            Some(qualifier) => {
                let alias = ALIASES.get(&tx, &name.qualified_key(qualifier)).await?;
                choose(&alias.ok_or_else(missing)?, ctx.env().ids.u64())
            }
        };
        let reserved = row.reserved;
        let config = config(&tx, &name, row, &version).await?.ok_or_else(missing)?;
        Ok(Target { name, version, config, reserved })
    }

    /// A counter of what runs, shared by all versions of a function.
    fn running(&self, key: &FunctionKey) -> Arc<AtomicU32> {
        let mut running = lock(&self.running);
        match running.get(key) {
            Some(counter) => Arc::clone(counter),
            None => Arc::clone(running.entry(key.clone()).or_default()),
        }
    }

    /// Instances of a version that is not what it was end; those that are busy answer first.
    pub(crate) fn retire(&self, key: &FunctionKey, version: &str) {
        for is_dark in [false, true] {
            let old = lock(&self.ready).remove(&(key.clone(), slot(version, is_dark)));
            if let Some(old) = old {
                self.dismiss(&old);
            }
        }
    }

    pub(crate) fn retire_all(&self, key: &FunctionKey) {
        let gone: Vec<Arc<Ready>> = {
            let mut ready = lock(&self.ready);
            let own = ready.extract_if(|(of, _), _| of == key);
            own.map(|(_, ready)| ready).collect()
        };
        gone.iter().for_each(|ready| self.dismiss(ready));
        lock(&self.running).remove(key);
    }

    /// After a reset nothing of before is true.
    pub(crate) fn forget(&self) {
        let gone: Vec<Arc<Ready>> = lock(&self.ready).drain().map(|(_, ready)| ready).collect();
        gone.iter().for_each(|ready| self.dismiss(ready));
        lock(&self.running).clear();
    }

    /// Removes unpacked code that nobody needs; before anything runs.
    pub(crate) async fn sweep(&self, kernel: &Kernel) -> Result<(), ServiceError> {
        let db = kernel.db();
        let latest = FUNCTIONS.list(db, FUNCTIONS.all(), SWEPT_MAX, false).await?;
        let published = VERSIONS.list(db, VERSIONS.all(), SWEPT_MAX, false).await?;
        if latest.len() == SWEPT_MAX || published.len() == SWEPT_MAX {
            return Ok(());
        }
        let latest = latest.iter().map(|(_, row)| &row.latest);
        let all = latest.chain(published.iter().map(|(_, row)| row));
        let wanted =
            all.flat_map(ConfigRow::codes).map(|code| code.blob.hash.to_string()).collect();
        self.code.sweep(wanted).await;
        Ok(())
    }

    fn dismiss(&self, ready: &Ready) {
        let room = match ready.is_dark {
            true => lock(&self.dark).clone(),
            false => Some(Arc::clone(&self.live)),
        };
        if let Some(room) = room {
            room.sandbox.retire(&ready.function.key);
            room.host.forget(&ready.function.key);
        }
    }

    /// Where calls of this lane run.
    fn room(&self, ctx: &Context) -> Result<Arc<Room>, ServiceError> {
        if *ctx.lane() == Lane::Live {
            return Ok(Arc::clone(&self.live));
        }
        let unsupported = || ServiceError::unsupported("running functions in the dark lane");
        let open = self.open_dark.as_ref().ok_or_else(unsupported)?;
        let mut dark = lock(&self.dark);
        if let Some(room) = &*dark {
            return Ok(Arc::clone(room));
        }
        let sandbox = open().map_err(ServiceError::internal)?;
        let room = Arc::new(Room::new(&self.kernel, sandbox, true));
        *dark = Some(Arc::clone(&room));
        Ok(room)
    }
}

/// Where a version made ready is kept: apart for each lane.
fn slot(version: &str, is_dark: bool) -> String {
    if is_dark { format!("dark {version}") } else { version.to_owned() }
}

/// The configuration of `$LATEST` or of a number.
pub(crate) async fn config(
    tx: &Tx,
    name: &FunctionName,
    row: FunctionRow,
    version: &str,
) -> Result<Option<ConfigRow>, ServiceError> {
    match number(version) {
        None => Ok(Some(row.latest)),
        Some(number) => {
            let (account, region, name) = name.key();
            Ok(VERSIONS.get(tx, &(account, region, name, number)).await?)
        }
    }
}

/// The version that an alias leads to this time.
fn choose(alias: &AliasRow, random: u64) -> String {
    let mut point = fraction(random);
    for (version, weight) in &alias.weights {
        if point < *weight {
            return version.clone();
        }
        point -= weight;
    }
    alias.version.clone()
}

/// Counts one running invocation for as long as it lives.
struct Running(Arc<AtomicU32>);

impl Running {
    /// `None` if so many run already.
    fn enter(counter: Arc<AtomicU32>, limit: Option<u32>) -> Option<Self> {
        let before = counter.fetch_add(1, Ordering::AcqRel);
        let entered = Self(counter);
        limit.is_none_or(|limit| before < limit).then_some(entered)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_share_out_invocations() {
        let alias = AliasRow {
            revision: String::new(),
            version: "1".into(),
            description: String::new(),
            weights: [("2".to_owned(), 0.25)].into(),
        };
        assert_eq!(choose(&alias, 0), "2");
        assert_eq!(choose(&alias, u64::MAX / 5), "2");
        assert_eq!(choose(&alias, u64::MAX / 3), "1");
        assert_eq!(choose(&alias, u64::MAX), "1");
    }

    #[test]
    fn so_many_and_no_more_run() {
        let counter = Arc::new(AtomicU32::new(0));
        let one = Running::enter(Arc::clone(&counter), Some(1));
        assert!(one.is_some());
        assert!(Running::enter(Arc::clone(&counter), Some(1)).is_none());
        drop(one);
        assert!(Running::enter(Arc::clone(&counter), Some(1)).is_some());
        assert!(Running::enter(counter, Some(0)).is_none());
    }
}
