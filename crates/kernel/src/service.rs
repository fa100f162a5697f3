//! A service as the kernel holds it.

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use undercast_smithy::validate::{Violation, message};
use undercast_smithy::{ReadError, ServiceSchema};
use undercast_store::{Outcome, Task, TaskError};

use crate::http::HttpEndpoint;
use crate::operation::erase;
use crate::{
    AliasMover, ErasedHandler, Handler, Kernel, Operation, ResourceType, ServiceError, StreamSource,
};

/// How a kind of task is run.
pub type RunTask =
    Arc<dyn Fn(Kernel, Task) -> BoxFuture<'static, Result<Outcome, TaskError>> + Send + Sync>;

/// A kind of background work of a service.
#[derive(Clone)]
pub struct TaskSpec {
    pub name: &'static str,
    pub concurrency: usize,
    /// 0 means for ever.
    pub attempts_max: u32,
    pub backoff: undercast_store::Backoff,
    pub run: RunTask,
}

/// A resource, for `undercast ls`.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The CloudFormation type name.
    pub kind: &'static str,
    pub account: String,
    pub region: String,
    pub name: String,
    pub arn: String,
    /// One short phrase: `12 messages`, `nodejs20.x`.
    pub note: String,
}

type List =
    Arc<dyn Fn(Kernel) -> BoxFuture<'static, Result<Vec<Listed>, ServiceError>> + Send + Sync>;
type StartUp = Arc<dyn Fn(Kernel) -> BoxFuture<'static, Result<(), ServiceError>> + Send + Sync>;
type Refuse = fn(&[Violation]) -> ServiceError;
type Unreadable = fn(&ReadError) -> ServiceError;

/// A service: its schema and everything that it brings.
pub struct Service {
    pub schema: &'static ServiceSchema,
    handlers: HashMap<&'static str, Box<dyn ErasedHandler>>,
    pub resource_types: Vec<Arc<dyn ResourceType>>,
    pub alias_movers: Vec<Arc<dyn AliasMover>>,
    pub stream_sources: Vec<Arc<dyn StreamSource>>,
    pub endpoints: Vec<Arc<dyn HttpEndpoint>>,
    pub tasks: Vec<TaskSpec>,
    pub list: Option<List>,
    /// Run after every service is in place, and again after a reset.
    pub start: Option<StartUp>,
    /// Turns constraint violations into this service's error.
    pub refuse: Refuse,
    /// Turns an unreadable input into this service's error.
    pub unreadable: Unreadable,
}

impl Service {
    pub fn new(schema: &'static ServiceSchema) -> Self {
        Self {
            schema,
            handlers: HashMap::new(),
            resource_types: Vec::new(),
            alias_movers: Vec::new(),
            stream_sources: Vec::new(),
            endpoints: Vec::new(),
            tasks: Vec::new(),
            list: None,
            start: None,
            refuse: |violations| ServiceError::new("ValidationException", message(violations)),
            unreadable: |error| ServiceError::new("SerializationException", error.to_string()),
        }
    }

    /// Registers the handler of one operation.
    #[must_use]
    pub fn route<O: Operation>(mut self, handler: &Arc<impl Handler<O>>) -> Self {
        self.handlers.insert(O::SCHEMA.name, erase::<O, _>(Arc::clone(handler)));
        self
    }

    #[must_use]
    pub fn resource(mut self, resource_type: impl ResourceType) -> Self {
        self.resource_types.push(Arc::new(resource_type));
        self
    }

    #[must_use]
    pub fn alias_mover(mut self, mover: impl AliasMover) -> Self {
        self.alias_movers.push(Arc::new(mover));
        self
    }

    #[must_use]
    pub fn stream_source(mut self, source: impl StreamSource) -> Self {
        self.stream_sources.push(Arc::new(source));
        self
    }

    #[must_use]
    pub fn endpoint(mut self, endpoint: Arc<dyn HttpEndpoint>) -> Self {
        self.endpoints.push(endpoint);
        self
    }

    #[must_use]
    pub fn task(mut self, task: TaskSpec) -> Self {
        self.tasks.push(task);
        self
    }

    #[must_use]
    pub fn list<F>(mut self, list: impl Fn(Kernel) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Vec<Listed>, ServiceError>> + Send + 'static,
    {
        self.list = Some(Arc::new(move |kernel| Box::pin(list(kernel))));
        self
    }

    #[must_use]
    pub fn start<F>(mut self, start: impl Fn(Kernel) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), ServiceError>> + Send + 'static,
    {
        self.start = Some(Arc::new(move |kernel| Box::pin(start(kernel))));
        self
    }

    /// How this service words constraint violations, where not as `ValidationException`.
    #[must_use]
    pub fn refuse(mut self, refuse: Refuse) -> Self {
        self.refuse = refuse;
        self
    }

    #[must_use]
    pub fn unreadable(mut self, unreadable: Unreadable) -> Self {
        self.unreadable = unreadable;
        self
    }

    pub fn handler(&self, operation: &str) -> Option<&dyn ErasedHandler> {
        self.handlers.get(operation).map(Box::as_ref)
    }

    /// Generated operations that nobody registered. A test of each service wants this empty.
    pub fn unrouted(&self) -> Vec<&'static str> {
        let all = self.schema.operations.iter().map(|o| o.name);
        all.filter(|name| !self.handlers.contains_key(name)).collect()
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("id", &self.schema.id).finish_non_exhaustive()
    }
}
