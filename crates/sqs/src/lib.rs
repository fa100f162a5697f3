//! SQS: standard and FIFO queues with dead letters.
//!
//! A message is one row, ordered by when it becomes available: that one index serves sending, delays,
//! visibility time-outs and receiving, without timers. Receiving takes rows from the head and puts them
//! back further on; deleting removes them where they stand. `engine/head.rs` keeps the receivers of one
//! queue together, so that many of them cost one transaction and nobody scans from the start.
//!
//! In a FIFO queue the messages of a group stay in their order, and the group is what moves: see
//! `engine/fifo.rs`.
//!
//! Read first: `store.rs`, `engine/mod.rs`, `engine/head.rs`, `engine/fifo.rs`.
//!
//! Queue policies in decisions are not here yet.

pub mod api;
mod engine;
mod error;
mod limits;
mod operations;
mod resources;
mod store;
mod tasks;

use std::sync::Arc;

use undercast_kernel::{Kernel, Service};

use api::sqs::operations as op;
use engine::head::Heads;

/// The service: its state is in the store, the heads of its queues are caches.
#[derive(Default)]
pub struct Sqs {
    heads: Heads,
}

/// The routing table.
pub fn service(_: &Kernel) -> Service {
    let sqs = Arc::new(Sqs::default());
    let on_reset = Arc::clone(&sqs);
    Service::new(&api::sqs::SERVICE)
        .route::<op::AddPermission>(&sqs)
        .route::<op::CancelMessageMoveTask>(&sqs)
        .route::<op::ChangeMessageVisibility>(&sqs)
        .route::<op::ChangeMessageVisibilityBatch>(&sqs)
        .route::<op::CreateQueue>(&sqs)
        .route::<op::DeleteMessage>(&sqs)
        .route::<op::DeleteMessageBatch>(&sqs)
        .route::<op::DeleteQueue>(&sqs)
        .route::<op::GetQueueAttributes>(&sqs)
        .route::<op::GetQueueUrl>(&sqs)
        .route::<op::ListDeadLetterSourceQueues>(&sqs)
        .route::<op::ListMessageMoveTasks>(&sqs)
        .route::<op::ListQueueTags>(&sqs)
        .route::<op::ListQueues>(&sqs)
        .route::<op::PurgeQueue>(&sqs)
        .route::<op::ReceiveMessage>(&sqs)
        .route::<op::RemovePermission>(&sqs)
        .route::<op::SendMessage>(&sqs)
        .route::<op::SendMessageBatch>(&sqs)
        .route::<op::SetQueueAttributes>(&sqs)
        .route::<op::StartMessageMoveTask>(&sqs)
        .route::<op::TagQueue>(&sqs)
        .route::<op::UntagQueue>(&sqs)
        .resource(resources::QueueType)
        .resource(resources::QueuePolicyType)
        .task(tasks::forget())
        .task(tasks::moving())
        .task(tasks::purge())
        .task(tasks::retention())
        .task(tasks::retime())
        .list(resources::list)
        .start(move |_| {
            on_reset.heads.forget();
            async { Ok(()) }
        })
        .refuse(error::refuse)
}
