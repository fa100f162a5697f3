//! DynamoDB: tables and items.
//!
//! A table is one row that describes it; an item is one row under the table's number, partitions lying together
//! and in the order of their sort keys. Indexes, expiries and counters change in the transaction that changes the item,
//! so every read of an index is as consistent as one of the table. Conditions are decided within the transaction, on
//! a row read under its protection.
//!
//! Read first: `store.rs` (what is kept), `engine/key.rs` (where), `engine/mutation.rs` (how an item changes),
//! `engine/read.rs` (queries and scans), `expression/mod.rs` (the language).
//!
//! Streams are a service of their own over the same tables (`engine/stream.rs`).
//!
//! Backups and replicas are not here.

pub mod api;
mod engine;
mod error;
pub mod expression;
mod limits;
mod operations;
mod port;
mod resources;
mod store;
mod tasks;
pub mod value;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use undercast_kernel::{Kernel, Service};

use api::dynamodb::operations as op;
use api::dynamodbstreams::operations as streams_op;
use engine::stream::Heads;
use engine::table::Tables;
use tasks::Expiries;

/// The service: its state is in the store, what it holds itself are caches.
#[derive(Default)]
pub struct Dynamo {
    tables: Tables,
    expiries: Expiries,
    streams: Heads,
    /// The last minute for whose request tokens a task was spawned.
    token_minute: AtomicI64,
}

impl Dynamo {
    fn forget(&self) {
        self.tables.forget();
        self.expiries.forget();
        self.streams.forget();
        self.token_minute.store(0, Ordering::Relaxed);
    }
}

/// The services `dynamodb` and `dynamodbstreams`.
pub fn services(_: &Kernel) -> Vec<Service> {
    let dynamo = Arc::new(Dynamo::default());
    vec![tables(&dynamo), streams(&dynamo)]
}

fn streams(dynamo: &Arc<Dynamo>) -> Service {
    Service::new(&api::dynamodbstreams::SERVICE)
        .route::<streams_op::DescribeStream>(dynamo)
        .route::<streams_op::GetRecords>(dynamo)
        .route::<streams_op::GetShardIterator>(dynamo)
        .route::<streams_op::ListStreams>(dynamo)
        .stream_source(port::Source(Arc::clone(dynamo)))
}

/// The routing table.
fn tables(dynamo: &Arc<Dynamo>) -> Service {
    let on_reset = Arc::clone(dynamo);
    let service = Service::new(&api::dynamodb::SERVICE)
        .route::<op::BatchExecuteStatement>(dynamo)
        .route::<op::BatchGetItem>(dynamo)
        .route::<op::BatchWriteItem>(dynamo)
        .route::<op::CreateTable>(dynamo)
        .route::<op::DeleteItem>(dynamo)
        .route::<op::DeleteTable>(dynamo)
        .route::<op::DescribeContinuousBackups>(dynamo)
        .route::<op::DescribeEndpoints>(dynamo)
        .route::<op::DescribeLimits>(dynamo)
        .route::<op::DescribeTable>(dynamo)
        .route::<op::DescribeTimeToLive>(dynamo)
        .route::<op::ExecuteStatement>(dynamo)
        .route::<op::ExecuteTransaction>(dynamo)
        .route::<op::GetItem>(dynamo)
        .route::<op::ListTables>(dynamo)
        .route::<op::ListTagsOfResource>(dynamo)
        .route::<op::PutItem>(dynamo)
        .route::<op::Query>(dynamo)
        .route::<op::Scan>(dynamo)
        .route::<op::TagResource>(dynamo)
        .route::<op::TransactGetItems>(dynamo)
        .route::<op::TransactWriteItems>(dynamo)
        .route::<op::UntagResource>(dynamo)
        .route::<op::UpdateContinuousBackups>(dynamo)
        .route::<op::UpdateItem>(dynamo)
        .route::<op::UpdateTable>(dynamo)
        .route::<op::UpdateTimeToLive>(dynamo)
        .resource(resources::TableType::new(dynamo))
        .resource(resources::GlobalTableType::new(dynamo))
        .list(resources::list_all)
        .start(move |kernel| {
            let dynamo = Arc::clone(&on_reset);
            async move {
                dynamo.forget();
                operations::warm(&kernel, &dynamo).await
            }
        });
    tasks::all(dynamo).into_iter().fold(service, Service::task)
}
