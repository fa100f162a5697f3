//! The head of each queue: who waits for messages, and where the first one is.
//!
//! All consumers of a queue in this process are served together: whoever comes while a pass is under
//! way is part of the next one, so that many consumers cost one transaction. The place of the first
//! message, or of the first group of a FIFO queue, is a cursor in memory; the store's watch lowers it whenever something is put before it, so
//! no pass scans what is gone. Both are caches: lost at a restart, rebuilt by the first pass.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::future::{Either, select};
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{Mutex as AsyncMutex, oneshot};
use undercast_kernel::{Context, Lane, ServiceError};
use undercast_store::{KeyRange, Watch};

use super::fifo;
use super::queue::is_fifo;
use super::receive::{Pass, Received, Want, pass};
use crate::error::no_queue;
use crate::store::{MESSAGES, QUEUES, QueueKey, TURNS};

/// How many messages one pass hands out at most.
const PASS_MESSAGES_MAX: usize = 640;

type Answer = Result<Vec<Received>, ServiceError>;

#[derive(Default)]
pub(crate) struct Heads {
    by_queue: Mutex<HashMap<u64, Arc<Head>>>,
}

struct Head {
    waiting: Mutex<Vec<(Want, oneshot::Sender<Answer>)>>,
    cursor: AsyncMutex<Cursor>,
}

struct Cursor {
    /// Nothing is available before this key.
    at: Bytes,
    watch: Watch,
}

impl Heads {
    /// Drops everything, after a reset.
    pub(crate) fn forget(&self) {
        self.by_queue.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn of(&self, ctx: &Context, key: &QueueKey, queue: u64) -> Arc<Head> {
        let mut heads = self.by_queue.lock().unwrap_or_else(PoisonError::into_inner);
        let head = heads.entry(queue).or_insert_with(|| {
            let db = ctx.kernel().db();
            let watch = match is_fifo(&key.2) {
                true => TURNS.watch(db, &(queue,)),
                false => MESSAGES.watch(db, &(queue,)),
            };
            let at = start(key, queue);
            Arc::new(Head {
                waiting: Mutex::default(),
                cursor: AsyncMutex::new(Cursor { at, watch }),
            })
        });
        Arc::clone(head)
    }

    /// Takes up to `want.n` messages that are available now.
    pub(crate) async fn receive(
        &self,
        ctx: &Context,
        key: &QueueKey,
        queue: u64,
        want: Want,
    ) -> Answer {
        if *ctx.lane() != Lane::Live {
            // What is gone in the dark is there for others: no part in their passes, no cursor.
            let at = start(key, queue);
            let mut pass = run(ctx, key, queue, at, vec![want]).await?;
            return Ok(pass.given.pop().unwrap_or_default());
        }
        let head = self.of(ctx, key, queue);
        let (sender, mut answer) = oneshot::channel();
        if ctx.side().is_some() {
            // Somebody compares what this call does, and it alone.
            let mut cursor = head.cursor.lock().await;
            serve(ctx, key, queue, &mut cursor, vec![(want, sender)]).await;
            return answer.try_recv().unwrap_or_else(|_| Ok(Vec::new()));
        }
        head.waiting.lock().unwrap_or_else(PoisonError::into_inner).push((want, sender));
        // Somebody else's pass may serve us while we wait for our turn; then we leave the line, so that
        // the next pass does not wait for each of us to be woken.
        let turn = head.cursor.lock();
        futures::pin_mut!(turn);
        let mut cursor = match select(&mut answer, turn).await {
            Either::Left((answered, _)) => return answered.unwrap_or_else(|_| Ok(Vec::new())),
            Either::Right((cursor, _)) => cursor,
        };
        // One pass serves only so many: ours may be a later one.
        loop {
            match answer.try_recv() {
                Ok(answered) => return answered,
                Err(TryRecvError::Closed) => return Ok(Vec::new()),
                Err(TryRecvError::Empty) => {
                    let batch = next_batch(&head);
                    serve(ctx, key, queue, &mut cursor, batch).await;
                }
            }
        }
    }
}

fn next_batch(head: &Head) -> Vec<(Want, oneshot::Sender<Answer>)> {
    let mut waiting = head.waiting.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.retain(|(_, sender)| !sender.is_closed());
    let mut messages = 0;
    let fits = |(want, _): &&(Want, oneshot::Sender<Answer>)| {
        messages += want.n;
        messages <= PASS_MESSAGES_MAX
    };
    let n = waiting.iter().take_while(fits).count().max(1).min(waiting.len());
    waiting.drain(..n).collect()
}

async fn serve(
    ctx: &Context,
    key: &QueueKey,
    queue: u64,
    cursor: &mut Cursor,
    batch: Vec<(Want, oneshot::Sender<Answer>)>,
) {
    if let Some(lowest) = cursor.watch.take_lowest() {
        cursor.at = cursor.at.clone().min(lowest);
    }
    let wants: Vec<Want> = batch.iter().map(|(want, _)| want.clone()).collect();
    let result = run(ctx, key, queue, cursor.at.clone(), wants).await;
    match result {
        Ok(pass) => {
            if let Some(last) = pass.last {
                cursor.at = cursor.at.clone().max(last);
            }
            for ((_, sender), given) in batch.into_iter().zip(pass.given) {
                // A consumer that went away gets its messages when their visibility ends.
                let _ = sender.send(Ok(given));
            }
        }
        Err(error) => {
            // The cursor may stand beyond what a failed pass had taken; begin anew.
            cursor.at = start(key, queue);
            for (_, sender) in batch {
                let again = ServiceError::new(error.code(), error.message());
                let status = error.status().unwrap_or(400);
                let _ = sender.send(Err(again.with_status(status)));
            }
        }
    }
}

async fn run(
    ctx: &Context,
    key: &QueueKey,
    queue: u64,
    at: Bytes,
    wants: Vec<Want>,
) -> Result<Pass, ServiceError> {
    ctx.transact((key.clone(), at, wants), move |tx, _, input| async move {
        let (key, at, wants) = &*input;
        let row =
            QUEUES.get(&tx, key).await?.filter(|row| row.number == queue).ok_or_else(no_queue)?;
        let arn = undercast_kernel::Arn::new("sqs", &key.1, &key.0, &key.2).to_string();
        let later = (queue, tx.now_ms().saturating_add(1));
        if row.is_fifo() {
            let range = KeyRange::between(at.clone(), TURNS.key(&later));
            return fifo::pass(&tx, &row, &arn, range, wants).await;
        }
        let range = KeyRange::between(at.clone(), MESSAGES.key(&later));
        pass(&tx, &row, &arn, range, wants).await
    })
    .await
}

/// The first place where messages, or groups whose turn it is, may stand.
fn start(key: &QueueKey, queue: u64) -> Bytes {
    match is_fifo(&key.2) {
        true => TURNS.key(&(queue,)),
        false => MESSAGES.key(&(queue,)),
    }
}
