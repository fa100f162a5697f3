//! Taking messages from the head of a queue.

use bytes::Bytes;
use undercast_kernel::ServiceError;
use undercast_store::{KeyRange, Tx};

use super::message::Handle;
use super::queue::key_of_arn;
use super::{body, body_key, count, fifo, remove};
use crate::store::{BODIES, MESSAGES, MOVED, MessageRow, QUEUES, QueueRow};

/// A message in the hands of a consumer.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) handle: Handle,
    pub(crate) row: MessageRow,
    pub(crate) body: String,
}

/// What one pass over the head gave.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    /// For each of the wants, in order.
    pub(crate) given: Vec<Vec<Received>>,
    /// The last row that was taken: everything before it is gone.
    pub(crate) last: Option<Bytes>,
}

/// How many messages somebody wants, and for how long they are to be hidden.
#[derive(Debug, Clone)]
pub(crate) struct Want {
    pub(crate) n: usize,
    pub(crate) visibility_s: i64,
    /// Of a FIFO queue: what is received is remembered under this id.
    pub(crate) attempt: Option<String>,
}

/// Which messages of a queue are not given to anybody any more, and where they go.
pub(crate) struct DeadLetters {
    source_arn: String,
    receives_max: u32,
    target: Option<QueueRow>,
}

impl DeadLetters {
    pub(crate) async fn of(
        tx: &Tx,
        queue: &QueueRow,
        queue_arn: &str,
    ) -> Result<Self, ServiceError> {
        let redrive = queue.redrive();
        let target = match redrive.as_ref().and_then(|r| key_of_arn(&r.target_arn)) {
            Some(key) => QUEUES.get(tx, &key).await?,
            None => None,
        };
        Ok(Self {
            source_arn: queue_arn.to_owned(),
            receives_max: redrive.map_or(u32::MAX, |r| r.receives_max),
            target: target.filter(|target| target.is_fifo() == queue.is_fifo()),
        })
    }

    pub(crate) fn target_of(&self, row: &MessageRow) -> Option<&QueueRow> {
        self.target.as_ref().filter(|_| row.receives >= self.receives_max)
    }

    #[expect(clippy::unused_self, reason = "with `target_of` it says what becomes of a message")]
    pub(crate) fn is_expired(&self, tx: &Tx, queue: &QueueRow, row: &MessageRow) -> bool {
        row.sent_ms < tx.now_ms() - queue.retention_s() * 1000
    }

    /// Makes a message of a FIFO queue a dead letter: at the end of the same group of another queue, as
    /// if sent now.
    pub(crate) async fn fifo(
        &self,
        tx: &Tx,
        key: &(u64, String, u64),
        row: &MessageRow,
        target: &QueueRow,
    ) -> Result<(), ServiceError> {
        if row.parts > 0 {
            copy_body(tx, (key.0, body_key(key.2, row)), target.number).await?;
        }
        fifo::remove(tx, key, row)?;
        let mut row = row.clone();
        row.sent_ms = tx.now_ms();
        row.dead_letter_of = Some(self.source_arn.clone());
        fifo::append(tx, target, &key.1, &row).await.map(|_| ())
    }
}

/// Copies the parts of a body to another queue.
pub(crate) async fn copy_body(
    tx: &Tx,
    (queue, number): (u64, u64),
    to: u64,
) -> Result<(), ServiceError> {
    for (part, body) in BODIES.scan(tx, BODIES.prefix(&(queue, number)), usize::MAX, false).await? {
        BODIES.put(tx, &(to, number, part.2), &body)?;
    }
    Ok(())
}

/// Serves several consumers in one transaction. Dead letters and expired messages leave on the way.
pub(crate) async fn pass(
    tx: &Tx,
    queue: &QueueRow,
    queue_arn: &str,
    from: KeyRange,
    wants: &[Want],
) -> Result<Pass, ServiceError> {
    let mut pass = Pass { given: vec![Vec::new(); wants.len()], last: None };
    let letters = DeadLetters::of(tx, queue, queue_arn).await?;
    let mut gone = 0;
    let mut open: Vec<usize> = wants.iter().map(|w| w.n).collect();
    loop {
        let wanted: usize = open.iter().sum();
        if wanted == 0 {
            break;
        }
        let rows = MESSAGES.claim(tx, from.clone(), wanted).await?;
        let short = rows.len() < wanted;
        let mut dropped = 0;
        for (key, row) in rows {
            pass.last = Some(MESSAGES.key(&key));
            if letters.is_expired(tx, queue, &row) {
                remove(tx, &key, &row)?;
                gone += 1;
                dropped += 1;
                continue;
            }
            if let Some(target) = letters.target_of(&row) {
                move_to(tx, &key, row, target, queue_arn).await?;
                gone += 1;
                dropped += 1;
                continue;
            }
            let Some(taker) = open.iter().position(|n| *n > 0) else {
                break;
            };
            if let Some(n) = open.get_mut(taker) {
                *n -= 1;
            }
            let Some(want) = wants.get(taker) else { break };
            let received = take(tx, key, row, want.visibility_s).await?;
            if let Some(given) = pass.given.get_mut(taker) {
                given.push(received);
            }
        }
        if short || dropped == 0 {
            break;
        }
    }
    count(tx, queue.number, -gone)?;
    Ok(pass)
}

/// Hides a message for its consumer.
async fn take(
    tx: &Tx,
    key: (u64, i64, u64),
    mut row: MessageRow,
    visibility_s: i64,
) -> Result<Received, ServiceError> {
    MESSAGES.delete(tx, &key)?;
    if row.moved {
        MOVED.delete(tx, &(key.0, key.2))?;
        row.moved = false;
    }
    row.receives += 1;
    row.first_received_ms.get_or_insert(tx.now_ms());
    let available_ms = tx.now_ms() + visibility_s * 1000;
    MESSAGES.put(tx, &(key.0, available_ms, key.2), &row)?;
    let handle =
        Handle { queue: key.0, number: key.2, available_ms, receives: row.receives, group: None };
    let body = match row.parts {
        0 => std::mem::take(&mut row.body),
        _ => body(tx, key.0, key.2, &row).await?,
    };
    Ok(Received { handle, row, body })
}

/// Makes a message a dead letter: same id, same age, in another queue.
async fn move_to(
    tx: &Tx,
    key: &(u64, i64, u64),
    mut row: MessageRow,
    target: &QueueRow,
    from_arn: &str,
) -> Result<(), ServiceError> {
    if row.parts > 0 {
        copy_body(tx, (key.0, key.2), target.number).await?;
    }
    remove(tx, key, &row)?;
    row.moved = false;
    row.dead_letter_of = Some(from_arn.to_owned());
    MESSAGES.put(tx, &(target.number, tx.now_ms(), key.2), &row)?;
    count(tx, target.number, 1)
}
