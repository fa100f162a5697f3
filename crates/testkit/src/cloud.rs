//! A process: a kernel with services and a task runner over a disk.

use std::sync::Arc;

use undercast_kernel::{Context, Kernel, Principal, Service, ServiceError, Settings};
use undercast_store::{Blobs, Db, Durability, Env, TaskRunner};

use crate::{Disk, Faults};

/// Until it is dropped by the simulator, or told to stop.
pub struct Cloud {
    pub kernel: Kernel,
    runner: TaskRunner,
}

impl Cloud {
    /// Starts over a disk that may hold what an earlier process left.
    pub fn start(
        disk: &Arc<Disk>,
        env: &Env,
        seed: u64,
        fails_one_in: u64,
        services: impl FnOnce(&Kernel) -> Vec<Service>,
    ) -> Result<Self, ServiceError> {
        let engine = Faults::new(disk, env, seed, fails_one_in);
        let db = Db::open_on(Arc::new(engine), Blobs::memory(env), Durability::Fsync, env.clone())?;
        let kernel = Kernel::new(db.clone(), Settings::default());
        kernel.install(services(&kernel));
        let runner = TaskRunner::start(db, kernel.task_kinds());
        Ok(Self { kernel, runner })
    }

    /// A caller of an account.
    pub fn context(&self, account: &str) -> Context {
        let principal = Principal::Root { account: account.to_owned() };
        self.kernel.context(principal, account, "us-east-1")
    }

    /// Stops as SIGTERM does: running tasks finish.
    pub async fn stop(self) {
        self.runner.drain().await;
        self.kernel.db().close().await;
    }
}
