//! The function of a mapping, as pollers of every kind call it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, Either, select};
use tokio::sync::watch;
use undercast_kernel::{Context, ServiceError, Subject};

use super::filter::Pattern;
use crate::functions::{Event, Functions, Outcome, Target};
use crate::name::FunctionName;
use crate::store::{FUNCTIONS, MappingRow};

/// What one invocation carries: below its limit, with room for the record around each message.
pub(super) const EVENT_BYTES_MAX: usize = 5_000_000;
pub(super) const BACKOFF_FIRST: Duration = Duration::from_millis(200);
pub(super) const BACKOFF_MAX: Duration = Duration::from_secs(30);

pub(super) struct Caller {
    functions: Arc<Functions>,
    pub(super) ctx: Context,
    name: FunctionName,
    pub(super) uuid: String,
}

impl Caller {
    pub(super) fn new(
        functions: &Arc<Functions>,
        ctx: Context,
        row: &MappingRow,
        uuid: &str,
    ) -> Self {
        Self {
            functions: Arc::clone(functions),
            name: FunctionName::loose(&ctx, &row.function, None),
            ctx,
            uuid: uuid.to_owned(),
        }
    }

    pub(super) async fn target(&self) -> Result<Target, ServiceError> {
        self.functions.resolve(&self.ctx, self.name.clone()).await
    }

    /// A call as the function's role makes it.
    pub(super) async fn as_role(&self, target: &Target) -> Result<Context, ServiceError> {
        self.functions.as_role(&self.ctx, target).await
    }

    /// Returns when something about the function was written.
    pub(super) fn function_changes(&self) -> BoxFuture<'static, ()> {
        let mut changes = FUNCTIONS.watch(self.ctx.store(), &self.name.key());
        async move { changes.changed().await }.boxed()
    }

    /// Runs the function. Where somebody watches this mapping, a candidate gets the batch afterwards.
    pub(super) async fn invoke(
        &self,
        target: &Target,
        request_id: String,
        payload: Bytes,
    ) -> Result<Outcome, ServiceError> {
        let event = Event { request_id, payload, ..Event::default() };
        let shadow = self.ctx.kernel().shadow();
        let subject = Subject::Mapping { uuid: &self.uuid };
        let Some(pair) = shadow.and_then(|shadow| shadow.pair(&self.ctx, &subject)) else {
            return self.functions.run(&self.ctx, target, event).await;
        };
        self.functions.run_pair(&self.ctx, target, event, pair).await
    }
}

/// The filters of a mapping; they were checked when it was made.
pub(super) fn patterns(row: &MappingRow) -> Vec<Pattern> {
    row.filters.iter().filter_map(|text| Pattern::compile(text)).collect()
}

/// `None` if the poller was stopped first.
pub(super) async fn unless_stopped<T>(
    stopped: &mut watch::Receiver<()>,
    work: impl Future<Output = T> + Send,
) -> Option<T> {
    // Nothing is ever sent: the change is that the sender is gone.
    let stopped = stopped.changed().boxed();
    futures::pin_mut!(work);
    match select(stopped, work).await {
        Either::Left(_) => None,
        Either::Right((output, _)) => Some(output),
    }
}
