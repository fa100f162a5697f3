//! What a handler is given besides its input.

use std::sync::Arc;

use undercast_store::{Db, Env, Tx};

use crate::{Arn, Counted, Kernel, Principal, ServiceError, Side};

/// The surroundings of one call. Cheap to clone.
#[derive(Clone)]
pub struct Context(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kernel: Kernel,
    account: String,
    region: String,
    principal: Principal,
    request_id: String,
    lane: Lane,
    store: Db,
    side: Option<Arc<Side>>,
    /// An operation has been entered: what it calls is a part of it.
    is_inside: bool,
    origin: Origin,
    trace: Option<Arc<str>>,
}

/// Live, or dark: in a dark lane the store is an overlay and effects are held back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Lane {
    #[default]
    Live,
    Dark(Arc<str>),
}

/// Where a call came from, as far as answers depend on it.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// `http://127.0.0.1:4566`: the scheme and host that the client used, under which URLs are handed
    /// back; empty for a call from inside.
    pub url: String,
    pub source_ip: String,
    pub user_agent: String,
}

impl Context {
    pub(crate) fn new(
        kernel: Kernel,
        principal: Principal,
        account: impl Into<String>,
        region: impl Into<String>,
    ) -> Self {
        let request_id = kernel.env().ids.uuid();
        Self::of_request(kernel, principal, account, region, request_id, Origin::default())
    }

    /// For a call that has a request id already.
    pub(crate) fn of_request(
        kernel: Kernel,
        principal: Principal,
        account: impl Into<String>,
        region: impl Into<String>,
        request_id: impl Into<String>,
        origin: Origin,
    ) -> Self {
        let store = kernel.db().clone();
        Self(Arc::new(Inner {
            kernel,
            account: account.into(),
            region: region.into(),
            principal,
            request_id: request_id.into(),
            lane: Lane::Live,
            store,
            side: None,
            is_inside: false,
            origin,
            trace: None,
        }))
    }

    fn change(&self, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = Inner::clone(&self.0);
        change(&mut inner);
        Self(Arc::new(inner))
    }

    #[must_use]
    pub fn with_principal(&self, principal: Principal) -> Self {
        self.change(|inner| inner.principal = principal)
    }

    /// The same call as another account or region sees it.
    #[must_use]
    pub fn within(&self, account: impl Into<String>, region: impl Into<String>) -> Self {
        self.change(|inner| {
            inner.account = account.into();
            inner.region = region.into();
        })
    }

    #[must_use]
    pub fn with_request_id(&self, request_id: impl Into<String>) -> Self {
        self.change(|inner| inner.request_id = request_id.into())
    }

    #[must_use]
    pub fn with_origin(&self, origin: Origin) -> Self {
        self.change(|inner| inner.origin = origin)
    }

    /// The same call as a part of a trace: what is called and invoked for it is, too.
    #[must_use]
    pub fn with_trace(&self, root: &str) -> Self {
        self.change(|inner| inner.trace = Some(root.into()))
    }

    /// The same call on one side of a pair: in its lane, on its store, noted if it has effects.
    #[must_use]
    pub fn on_side(&self, side: &Arc<Side>) -> Self {
        self.change(|inner| {
            inner.lane = side.lane().clone();
            inner.store = side.store().clone();
            inner.side = Some(Arc::clone(side));
            inner.is_inside = false;
        })
    }

    /// What the operation of this call sees: its own calls are no calls of the invocation.
    pub(crate) fn inside(self) -> Self {
        match self.0.side.is_some() && !self.0.is_inside {
            true => self.change(|inner| inner.is_inside = true),
            false => self,
        }
    }

    /// The side that has to note this call.
    pub(crate) fn noting(&self) -> Option<&Arc<Side>> {
        self.0.side.as_ref().filter(|_| !self.0.is_inside)
    }

    pub fn kernel(&self) -> &Kernel {
        &self.0.kernel
    }

    /// The twelve digits of the account.
    pub fn account(&self) -> &str {
        &self.0.account
    }

    pub fn region(&self) -> &str {
        &self.0.region
    }

    pub fn principal(&self) -> &Principal {
        &self.0.principal
    }

    pub fn request_id(&self) -> &str {
        &self.0.request_id
    }

    /// The root of the X-Ray trace that this call is a part of.
    pub fn trace(&self) -> Option<&Arc<str>> {
        self.0.trace.as_ref()
    }

    pub fn lane(&self) -> &Lane {
        &self.0.lane
    }

    /// The side of a pair that this call belongs to, if somebody watches.
    pub fn side(&self) -> Option<&Arc<Side>> {
        self.0.side.as_ref()
    }

    /// The only way to durable state.
    pub fn store(&self) -> &Db {
        &self.0.store
    }

    pub fn env(&self) -> &Env {
        self.0.kernel.env()
    }

    /// One transaction over `input`. The closure may run twice: clock and ids only through `tx`.
    pub async fn transact<I, T, F, Fut>(&self, input: I, run: F) -> Result<T, ServiceError>
    where
        I: Send + Sync + 'static,
        T: Send,
        F: Fn(Tx, Self, Arc<I>) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, ServiceError>> + Send,
    {
        let input = Arc::new(input);
        self.0.store.transact(|tx| run(tx, self.clone(), Arc::clone(&input))).await
    }

    /// Counts for a metric of the account, unless this is the dark lane.
    pub fn count(&self, counted: &Counted<'_>) {
        if let (Some(metrics), Lane::Live) = (self.kernel().metrics(), self.lane()) {
            metrics.count(self.account(), self.region(), counted);
        }
    }

    pub fn now_ms(&self) -> i64 {
        self.env().clock.now_ms()
    }

    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// The URL under which the client reached us, or the configured public one.
    pub fn public_url(&self) -> &str {
        if self.0.origin.url.is_empty() {
            &self.0.kernel.settings().public_url
        } else {
            &self.0.origin.url
        }
    }

    /// An ARN in this call's account and region.
    pub fn arn(&self, service: &str, resource: impl Into<String>) -> String {
        Arn::new(service, self.region(), self.account(), resource).to_string()
    }
}
