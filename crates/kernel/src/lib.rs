//! What a service is.
//!
//! A service is a schema, a handler for each of its operations, the resource types that
//! CloudFormation may make of it, its background tasks and its front doors ([`Service`]). It is
//! reached through one call path ([`Kernel::dispatch`]): identity → authorize → meter → trace → lane
//! → operation, whether the caller came over the wire or from another service.
//!
//! Read first: [`operation`] (what a handler is), [`context`] (what it is given), [`ports`] (how
//! services reach each other without knowing each other), [`dispatch`] (the path of a call).
//!
//! This crate knows no protocol and no service. Services depend on it, never on one another.

pub mod arn;
pub mod context;
pub mod dispatch;
pub mod error;
pub mod http;
mod journal;
pub mod keyspace;
pub mod operation;
pub mod ports;
pub mod principal;
pub mod provision;
pub mod resource_policy;
pub mod service;
pub mod side;
pub mod vault;

pub use arn::Arn;
pub use context::{Context, Lane, Origin};
pub use dispatch::{Kernel, Mode, Settings};
pub use error::ServiceError;
pub use journal::{Entry, Journal, What, new_root, trace_root};
pub use operation::{Access, ErasedHandler, ErasedOutput, Handler, Operation};
pub use ports::{
    Answered, Authorize, Counted, Credentials, Decision, EventBus, Fetch, Given, Guise, HttpGiven,
    Invoke, InvokeKind, InvokeRequest, InvokeResponse, Metrics, OwnSockets, Pair, Released, Secret,
    Served, ServiceEvent, Shadow, Sockets, StreamPage, StreamRecord, StreamSource, StreamStart,
    Subject,
};
pub use principal::Principal;
pub use provision::{AliasMover, Resource, ResourceRequest, ResourceType};
pub use service::{Listed, Service};
pub use side::{OutsideAction, OutsideRule, Seat, Seats, Side, SideCall};
pub use undercast_smithy as smithy;
pub use undercast_store as store;
pub use undercast_store::{Clock, Db, Env, Ids};
pub use vault::{Sealed, Vault};
