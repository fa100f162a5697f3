//! What AWS does not have: dark runs and the release ladder, as a service in the style of AWS
//! (`undercast-release`).
//!
//! A dark run gives the same request to a *primary*, whose answer the user gets, and to a *candidate* in the dark.
//! What each side did is an [`compare::Observed`]: its answer, and its calls with side effects. From there:
//!
//! - [`compare`] says what *kinds* of difference there are between two of them, by rules;
//! - [`redact`] sees to it that no sample carries what must not be seen;
//! - [`ledger`] is the durable book of a run: counters, latencies, every distinct kind with samples;
//! - [`gate`] decides by such a book whether a step of a release may pass;
//! - [`ladder`] is the state machine of a release: dark, canary, everybody, and back;
//! - [`histogram`] is what latencies are kept in.
//!
//! `runs` ties them to what passes: who is watched, the pool in which candidates run, their comparison.
//! `resources.rs` is what templates say of releases. `operations/` has a file for each operation.
//!
//! Read first: `compare/mod.rs` (the vocabulary), `compare/walk.rs` (how two documents are walked), `ledger.rs`.
//!
//! Nothing here panics on any input, or holds more than a bound; time and chance are asked for in `runs` alone.

#[allow(clippy::single_match, reason = "generated")]
pub mod api;
pub mod compare;
mod error;
pub mod gate;
pub mod histogram;
pub mod ladder;
pub mod ledger;
mod operations;
pub mod redact;
mod releases;
mod resources;
mod runs;
mod store;
mod tasks;

use std::sync::Arc;

use undercast_kernel::{Context, Kernel, Listed, Service, ServiceError};

pub use runs::Room;

use api::release::operations as op;
use runs::Watcher;
use store::{RELEASES, RUNS};

/// The service.
pub struct Release {
    watcher: Arc<Watcher>,
    /// Held by whoever moves a release.
    moves: Arc<tokio::sync::Mutex<()>>,
}

impl Release {
    /// Refuses where a candidate's calls could reach live data or the outside, unless told otherwise.
    fn check_isolation(&self, ctx: &Context, accept_leaks: bool) -> Result<(), ServiceError> {
        let leaks = ctx.kernel().sockets().map(|sockets| sockets.leaks()).unwrap_or_default();
        if leaks.is_empty() || accept_leaks {
            return Ok(());
        }
        let message = format!(
            "Functions have no network of their own on this machine, so that {}. AcceptLeaks runs the candidate all the same.",
            leaks.join(", and ")
        );
        Err(ServiceError::new("IsolationMissingException", message).with_field("Leaks", leaks))
    }
}

/// The routing table; also provides the kernel's port for who watches.
pub fn service(kernel: &Kernel, room: Room) -> Service {
    let watcher = Watcher::new(kernel, room);
    kernel.provide_shadow(Arc::clone(&watcher) as Arc<dyn undercast_kernel::Shadow>);
    let moves = Arc::new(tokio::sync::Mutex::new(()));
    let release = Arc::new(Release { watcher: Arc::clone(&watcher), moves: Arc::clone(&moves) });
    route(Service::new(&api::release::SERVICE), &release)
        .task(tasks::forget())
        .task(releases::step_task(moves))
        .resource(resources::LadderType)
        .alias_mover(resources::MetadataMover)
        .list(list)
        .start(move |_| {
            let watcher = Arc::clone(&watcher);
            async move {
                watcher.reload().await?;
                watcher.follow();
                Ok(())
            }
        })
}

fn route(service: Service, release: &Arc<Release>) -> Service {
    service
        .route::<op::AdvanceRelease>(release)
        .route::<op::DeleteDarkRun>(release)
        .route::<op::DeleteRelease>(release)
        .route::<op::DescribeDarkRun>(release)
        .route::<op::DescribeDifference>(release)
        .route::<op::DescribeRelease>(release)
        .route::<op::HoldRelease>(release)
        .route::<op::ListDarkRuns>(release)
        .route::<op::ListDifferences>(release)
        .route::<op::ListReleases>(release)
        .route::<op::PauseDarkRun>(release)
        .route::<op::ReplayDifference>(release)
        .route::<op::ReplayRecording>(release)
        .route::<op::ResumeDarkRun>(release)
        .route::<op::ResumeRelease>(release)
        .route::<op::RollBackRelease>(release)
        .route::<op::StartDarkRun>(release)
        .route::<op::StartRelease>(release)
        .route::<op::StopDarkRun>(release)
        .route::<op::UpdateDarkRun>(release)
}

/// Dark runs, for `undercast ls`.
async fn list(kernel: Kernel) -> Result<Vec<Listed>, ServiceError> {
    let releases = RELEASES.list(kernel.db(), RELEASES.all(), 10_000, false).await?;
    let releases = releases.into_iter().map(|((account, region, name), row)| Listed {
        kind: "Undercast::Release::Ladder",
        arn: format!("arn:aws:undercast-release:{region}:{account}:release/{name}"),
        account,
        region,
        name,
        note: operations::release_state(&row).to_lowercase(),
    });
    let rows = RUNS.list(kernel.db(), RUNS.all(), 10_000, false).await?;
    Ok(rows
        .into_iter()
        .map(|((account, region, name), row)| Listed {
            kind: "Undercast::Release::DarkRun",
            arn: format!("arn:aws:undercast-release:{region}:{account}:dark-run/{name}"),
            account,
            region,
            name,
            note: row.state.name().to_lowercase(),
        })
        .chain(releases)
        .collect())
}

#[cfg(test)]
mod tests {
    use std::any::Any;

    use undercast_kernel::{Db, Env, OwnSockets, Principal, Seat, Settings, Sockets};
    use undercast_store::Options;

    use super::*;

    /// A machine on which functions have no network of their own.
    struct Leaky;

    impl Sockets for Leaky {
        fn relay(&self, _: Vec<String>) {}

        fn leaks(&self) -> Vec<String> {
            vec!["calls leave this machine".to_owned()]
        }

        fn serve(&self, _: Arc<Seat>, _: OwnSockets) -> Box<dyn Any + Send> {
            Box::new(())
        }
    }

    async fn check(kernel: &Kernel, accept_leaks: bool) -> Result<(), ServiceError> {
        let moves = Arc::new(tokio::sync::Mutex::new(()));
        let release = Release { watcher: Watcher::new(kernel, Room::default()), moves };
        let root = Principal::Root { account: "000000000000".to_owned() };
        let ctx = kernel.context(root, "000000000000", "us-east-1");
        release.check_isolation(&ctx, accept_leaks)
    }

    #[tokio::test]
    async fn where_calls_could_leak_a_run_has_to_be_told_that_it_may_start() {
        let db = Db::open(Options::memory(), Env::system()).await.unwrap();
        let kernel = Kernel::new(db, Settings::default());
        assert!(check(&kernel, false).await.is_ok());
        kernel.provide_sockets(Arc::new(Leaky));
        let refused = check(&kernel, false).await.unwrap_err();
        assert_eq!(refused.code(), "IsolationMissingException");
        assert!(refused.message().contains("calls leave this machine"), "{refused}");
        assert!(check(&kernel, true).await.is_ok());
    }
}
