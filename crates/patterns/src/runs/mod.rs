//! Runs under way: who is watched, in what sample, and what becomes of a passage.
//!
//! [`Watcher`] is the kernel's [`Shadow`]: asked for every invocation, it looks up whether somebody watches.
//! A passage that is in the sample becomes a [`pair::Passing`]; once its primary is answered it goes through a
//! bounded pool to the candidate, is compared, and ends in the tally of its run.

mod active;
mod candidate;
mod machine;
mod pair;
mod passage;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use undercast_kernel::{
    Arn, Context, Kernel, OutsideAction, Pair, Served, ServiceError, Shadow, Subject,
};

pub(crate) use active::{Active, COUNT};
pub(crate) use candidate::{Trial, run as run_candidate};
pub(crate) use machine::Machine;
pub use machine::Room;
pub(crate) use passage::{Passage, shown as shown_given};

use crate::releases::Counting;
use crate::store::{RELEASES, RUNS, RunKey, RunState, TargetRow};

/// More runs than this are not watched at the same time.
pub(crate) const RUNS_MAX: usize = 200;

pub(crate) struct Watcher {
    kernel: Kernel,
    machine: Machine,
    index: RwLock<Arc<Index>>,
    /// The index is not empty.
    is_awake: AtomicBool,
    /// One reload at a time, so that a later one sees what an earlier one kept.
    reloading: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Index {
    by_target: HashMap<TargetRow, Arc<Active>>,
    by_key: HashMap<RunKey, Arc<Active>>,
    /// Releases that share the traffic of an alias: by function and alias.
    moving: HashMap<TargetRow, Arc<Counting>>,
}

impl Index {
    /// Hosts whose answers to live code a run wants to repeat.
    fn relayed(&self) -> Vec<String> {
        let rules = self.by_key.values().flat_map(|active| &active.row.outside);
        let hosts = rules.filter(|rule| rule.action == OutsideAction::Repeat);
        hosts.map(|rule| rule.host.clone()).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

impl Watcher {
    pub(crate) fn new(kernel: &Kernel, room: Room) -> Arc<Self> {
        Arc::new(Self {
            machine: Machine::new(kernel.env().clone(), room),
            kernel: kernel.clone(),
            index: RwLock::default(),
            is_awake: AtomicBool::new(false),
            reloading: tokio::sync::Mutex::default(),
        })
    }

    fn index(&self) -> Arc<Index> {
        Arc::clone(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The run as it is under way here.
    pub(crate) fn active(&self, key: &RunKey) -> Option<Arc<Active>> {
        self.index().by_key.get(key).cloned()
    }

    /// Takes up what the store says: after a change, and when the cloud starts.
    pub(crate) async fn reload(&self) -> Result<(), ServiceError> {
        let _one = self.reloading.lock().await;
        let db = self.kernel.db();
        let rows = RUNS.list(db, RUNS.all(), RUNS_MAX * 10, false).await?;
        let old = self.index();
        let mut new = Index::default();
        for (key, row) in rows {
            if row.state == RunState::Stopped || new.by_key.len() >= RUNS_MAX {
                continue;
            }
            let known = old.by_key.get(&key).filter(|active| active.row.id == row.id);
            let active = match known {
                Some(active) if active.row.revision == row.revision => Arc::clone(active),
                known => {
                    let before = known.map(|active| &**active);
                    Arc::new(Active::new(self.kernel.clone(), key.clone(), row, before)?)
                }
            };
            new.by_target.insert(active.row.target.clone(), Arc::clone(&active));
            new.by_key.insert(key, active);
        }
        for (key, row) in RELEASES.list(db, RELEASES.all(), RUNS_MAX * 10, false).await? {
            if row.state.is_final() {
                continue;
            }
            let function = format!("function:{}", row.function);
            let function = Arn::new("lambda", &key.1, &key.0, function).to_string();
            let target = TargetRow::Alias { function, alias: row.alias };
            let known = old.moving.get(&target).filter(|counting| counting.id == row.id);
            let counting = match known {
                Some(counting) => Arc::clone(counting),
                None => Counting::new(self.kernel.clone(), key, row.id, row.to),
            };
            new.moving.insert(target, counting);
        }
        for (key, active) in &old.by_key {
            if !new.by_key.contains_key(key) {
                active.flush().await?;
            }
        }
        if let Some(sockets) = self.kernel.sockets() {
            sockets.relay(new.relayed());
        }
        let is_awake = !new.by_target.is_empty() || !new.moving.is_empty();
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        self.is_awake.store(is_awake, Ordering::Relaxed);
        Ok(())
    }

    /// Writes what has been counted up to now.
    pub(crate) async fn flush(&self, key: &RunKey) -> Result<(), ServiceError> {
        match self.active(key) {
            Some(active) => active.flush().await,
            None => Ok(()),
        }
    }

    /// Follows changes that others make: other nodes, a reset.
    pub(crate) fn follow(self: &Arc<Self>) {
        let watcher = Arc::clone(self);
        let mut runs = RUNS.watch(self.kernel.db(), &());
        let mut releases = RELEASES.watch(self.kernel.db(), &());
        self.kernel.env().spawn("release.follow", async move {
            loop {
                let (run, release) = (runs.changed(), releases.changed());
                futures::pin_mut!(run, release);
                futures::future::select(run, release).await;
                if let Err(error) = watcher.reload().await {
                    tracing::warn!(target: "undercast::release", "runs are not taken up: {error}");
                }
            }
        });
    }
}

impl Shadow for Watcher {
    fn is_awake(&self) -> bool {
        self.is_awake.load(Ordering::Relaxed)
    }

    fn pair(&self, _: &Context, subject: &Subject<'_>) -> Option<Arc<dyn Pair>> {
        let index = self.index();
        let find = |target: TargetRow| index.by_target.get(&target);
        let active = match *subject {
            Subject::Function { arn, qualifier } => {
                find(TargetRow::Alias { function: arn.to_owned(), alias: qualifier.to_owned() })
            }
            Subject::Mapping { uuid } => find(TargetRow::Mapping { uuid: uuid.to_owned() }),
            Subject::Route { api, stage, route } => {
                let stage = |route: Option<String>| {
                    find(TargetRow::Stage { api: api.to_owned(), stage: stage.to_owned(), route })
                };
                stage(Some(route.to_owned())).or_else(|| stage(None))
            }
        };
        active?.admit(&self.machine)
    }

    fn served(&self, subject: &Subject<'_>, version: &str, served: Served) {
        let index = self.index();
        let Subject::Function { arn, qualifier } = *subject else { return };
        let target = TargetRow::Alias { function: arn.to_owned(), alias: qualifier.to_owned() };
        if let Some(counting) = index.moving.get(&target) {
            counting.note(version, served);
        }
    }
}
