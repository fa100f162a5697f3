//! `Db`: the handle that everything else holds.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::backend::Backend;
use crate::blobs::Blobs;
use crate::engine::fjall::Fjall;
use crate::engine::redb::Redb;
use crate::engine::thread::Threaded;
use crate::engine::{Engine, MemoryEngine};
use crate::env::{Env, yield_now};
use crate::error::Error;
use crate::folder::Folder;
use crate::gate::{Gate, Shut};
use crate::local::Local;
use crate::overlay::{Overlay, OverlayOptions};
use crate::postgres::Postgres;
use crate::recorder::Recorder;
use crate::retry::{HotKeys, Retry};
use crate::tasks::Tasks;
use crate::tx::Tx;
use crate::watch::Watch;

/// How long a transaction may run.
pub const TRANSACTION_LIMIT: Duration = Duration::from_secs(5);
/// How much a transaction may write.
pub const TRANSACTION_BYTES_MAX: usize = 8 << 20;
/// The largest value.
pub const VALUE_BYTES_MAX: usize = 1 << 20;

/// When an acknowledged write is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Before it is acknowledged. The only setting that keeps the promise of the product.
    #[default]
    Fsync,
    /// A tenth of a second later at most: a crash of the machine loses that, one of the process nothing.
    Interval,
    /// When the operating system likes.
    None,
}

/// Which product holds the data of an embedded store. A folder keeps the one it was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EngineKind {
    #[default]
    Fjall,
    Redb,
}

impl EngineKind {
    pub fn name(self) -> &'static str {
        match self {
            EngineKind::Fjall => "fjall",
            EngineKind::Redb => "redb",
        }
    }

    pub fn from_name(name: &str) -> Option<EngineKind> {
        [EngineKind::Fjall, EngineKind::Redb].into_iter().find(|kind| kind.name() == name)
    }
}

#[derive(Debug, Clone)]
pub enum Location {
    Memory,
    Dir(PathBuf),
    /// A PostgreSQL connection string; the folder holds blobs.
    Postgres {
        url: String,
        blobs: PathBuf,
    },
}

/// Settings of a store: data, not code.
#[derive(Debug, Clone)]
pub struct Options {
    pub location: Location,
    pub durability: Durability,
    /// What the embedded engine may keep in memory of what it read.
    pub cache_bytes: u64,
    /// For a new folder.
    pub engine: EngineKind,
}

impl Options {
    pub fn memory() -> Options {
        Options {
            location: Location::Memory,
            durability: Durability::Fsync,
            cache_bytes: 16 << 20,
            engine: EngineKind::default(),
        }
    }

    pub fn dir(path: impl Into<PathBuf>) -> Options {
        Options { location: Location::Dir(path.into()), ..Options::memory() }
    }
}

#[derive(Clone)]
pub struct Db {
    pub(crate) backend: Arc<dyn Backend>,
    env: Env,
    blobs: Blobs,
    hot: Arc<HotKeys>,
    recorder: Option<Recorder>,
    begun: Arc<std::sync::atomic::AtomicU32>,
    gate: Arc<Gate>,
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Db")
    }
}

impl Db {
    pub async fn open(options: Options, env: Env) -> Result<Db, Error> {
        match options.location {
            Location::Memory => Db::open_on(
                Arc::new(MemoryEngine::default()),
                Blobs::memory(&env),
                options.durability,
                env,
            ),
            Location::Dir(path) => {
                let folder = Folder::open(&path, options.engine)?;
                let blobs = Blobs::files(folder.blobs(), options.durability)?;
                let (data, cache_bytes) = (folder.data(), options.cache_bytes);
                let engine = match folder.engine {
                    EngineKind::Fjall => Threaded::start(Fjall::open(&data, cache_bytes)?, folder)?,
                    EngineKind::Redb => Threaded::start(Redb::open(&data, cache_bytes)?, folder)?,
                };
                Db::open_on(Arc::new(engine), blobs, options.durability, env)
            }
            Location::Postgres { url, blobs } => {
                let blobs = Blobs::files(blobs, options.durability)?;
                let backend =
                    Postgres::open(&url, options.durability == Durability::Fsync, env.clone())
                        .await?;
                Ok(Db::new(Arc::new(backend), env, blobs))
            }
        }
    }

    /// Opens a store on an engine that the caller brings: for the simulator and its faults.
    pub fn open_on(
        engine: Arc<dyn Engine>,
        blobs: Blobs,
        durability: Durability,
        env: Env,
    ) -> Result<Db, Error> {
        let backend = Arc::new(Local::open(engine, durability, env.clone())?);
        Ok(Db::new(backend, env, blobs))
    }

    pub(crate) fn new(backend: Arc<dyn Backend>, env: Env, blobs: Blobs) -> Db {
        Db {
            backend,
            env,
            blobs,
            hot: Arc::default(),
            recorder: None,
            begun: Arc::default(),
            gate: Arc::default(),
        }
    }

    pub fn env(&self) -> &Env {
        &self.env
    }

    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// Runs the closure in a transaction and commits what it wrote if it returns `Ok`.
    ///
    /// The closure runs again when others changed what it had read, so everything that it does to the world
    /// goes through `tx`. It may take 5 s and write 8 MB.
    pub async fn transact<T, E, F, Fut>(&self, f: F) -> Result<T, E>
    where
        F: Fn(Tx) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        E: From<Error>,
    {
        let mut retry = Retry::new(&self.env, &self.hot);
        loop {
            let tx = self.begin().await?;
            let ran = self.env.timeout(TRANSACTION_LIMIT, f(tx.clone())).await;
            let conflict = match ran {
                Err(_) => {
                    tx.end();
                    return Err(too_slow().into());
                }
                Ok(Ok(value)) => match tx.commit().await {
                    Ok(()) => return Ok(value),
                    Err(Error::Conflict { key, .. }) => key,
                    Err(error) => return Err(error.into()),
                },
                Ok(Err(error)) => match tx.end() {
                    Some(key) => key,
                    None => return Err(error),
                },
            };
            retry.after(conflict).await?;
        }
    }

    /// A transaction that the caller commits or drops: for code that cannot be a closure. No retry.
    pub async fn begin(&self) -> Result<Tx, Error> {
        // Reads of an embedded store never wait, so a loop of transactions would keep its thread for good.
        if self.begun.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 16 == 15 {
            yield_now().await;
        }
        let pass = self.gate.pass().await;
        Ok(Tx::new(self.backend.begin().await?, self.env.clone(), self.recorder.clone(), pass))
    }

    /// Changes when all that is stored is exchanged for something else: nothing that was kept in memory of it counts then.
    pub fn era(&self) -> u64 {
        self.gate.era()
    }

    pub(crate) async fn shut(&self) -> Shut<'_> {
        self.gate.shut().await
    }

    /// Tells of commits under `prefix` from now on.
    pub fn watch(&self, prefix: &[u8]) -> Watch {
        self.backend.watches().watch(Bytes::copy_from_slice(prefix))
    }

    /// A handle whose commits note in `recorder` what they replaced.
    pub fn recording(&self, recorder: &Recorder) -> Db {
        Db { recorder: Some(recorder.clone()), ..self.clone() }
    }

    /// Whether other processes write the same data.
    pub fn is_shared(&self) -> bool {
        self.backend.is_shared()
    }

    /// A copy-on-write store over this one, for a run in the dark.
    pub fn overlay(&self, options: OverlayOptions) -> Overlay {
        Overlay::new(self, options)
    }

    pub(crate) fn is_dark(&self) -> bool {
        self.backend.is_dark()
    }

    /// The tasks, for those who look at them.
    pub fn tasks(&self) -> Tasks {
        Tasks::new(self.clone())
    }

    /// Deletes everything. Other transactions should rest meanwhile: this is many transactions, not one.
    pub async fn clear(&self) -> Result<(), Error> {
        self.backend.clear().await?;
        self.blobs.clear().await
    }

    /// Finishes the commits under way and releases files and connections. Later commits answer `Closed`.
    pub async fn close(&self) {
        self.backend.close().await;
    }
}

pub(crate) fn too_slow() -> Error {
    Error::TooSlow { limit_ms: u64::try_from(TRANSACTION_LIMIT.as_millis()).unwrap_or(u64::MAX) }
}
