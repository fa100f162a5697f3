//! The domain: queues and messages, in transactions, without shapes.

pub(crate) mod fifo;
pub(crate) mod head;
pub(crate) mod known;
pub(crate) mod message;
pub(crate) mod moves;
pub(crate) mod queue;
pub(crate) mod receive;

use sha2::{Digest as _, Sha256};
use undercast_kernel::ServiceError;
use undercast_store::Tx;

use crate::limits::{INLINE_BYTES_MAX, PART_BYTES_MAX};
use crate::store::{BODIES, BodyRow, COUNTS, MESSAGES, MOVED, MessageRow, MovedRow, QueueRow};
use message::{Handle, NewMessage};

/// What became of a message that was sent.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) id: String,
    /// In a FIFO queue.
    pub(crate) sequence: Option<u64>,
}

/// Appends a message. In a FIFO queue, one that was sent before is not appended again.
pub(crate) async fn send(
    tx: &Tx,
    queue: &QueueRow,
    message: &NewMessage,
) -> Result<Sent, ServiceError> {
    let id = tx.ids().uuid();
    if let Some(group) = message.group.as_deref().filter(|_| queue.is_fifo()) {
        return send_in_order(tx, queue, message, group, id).await;
    }
    let available_ms = tx.now_ms() + message.delay_s.unwrap_or_else(|| queue.delay_s()) * 1000;
    let number = free_number(tx, queue.number, available_ms).await?;
    let row = row_of(tx, queue, message, &id, number)?;
    MESSAGES.put(tx, &(queue.number, available_ms, number), &row)?;
    count(tx, queue.number, 1)?;
    Ok(Sent { id, sequence: None })
}

/// A number that no other message has. Time in the upper bits keeps the order of sending among messages
/// that become available together.
pub(crate) async fn free_number(
    tx: &Tx,
    queue: u64,
    available_ms: i64,
) -> Result<u64, ServiceError> {
    loop {
        let number = (u64::try_from(tx.now_ms()).unwrap_or(0) << 20) | (tx.ids().u64() & 0xF_FFFF);
        if MESSAGES.get(tx, &(queue, available_ms, number)).await?.is_none() {
            return Ok(number);
        }
    }
}

async fn send_in_order(
    tx: &Tx,
    queue: &QueueRow,
    message: &NewMessage,
    group: &str,
    id: String,
) -> Result<Sent, ServiceError> {
    let by_content = || hex::encode(Sha256::digest(message.body.as_bytes()));
    let deduplication = message.deduplication.clone().unwrap_or_else(by_content);
    if let Some((id, sequence)) = known::sent(tx, queue, group, &deduplication).await? {
        return Ok(Sent { id, sequence: Some(sequence) });
    }
    let parts_of = tx.ids().u64();
    let mut row = row_of(tx, queue, message, &id, parts_of)?;
    row.parts_of = Some(parts_of).filter(|_| row.parts > 0);
    row.deduplication = Some(deduplication.clone());
    let sequence = fifo::append(tx, queue, group, &row).await?;
    known::keep_sent(tx, queue, group, &deduplication, &id, sequence).await?;
    Ok(Sent { id, sequence: Some(sequence) })
}

/// The row of a new message; a body that is too large for it is kept under a number.
fn row_of(
    tx: &Tx,
    queue: &QueueRow,
    message: &NewMessage,
    id: &str,
    number: u64,
) -> Result<MessageRow, ServiceError> {
    let parts = put_body(tx, queue.number, number, &message.body)?;
    Ok(MessageRow {
        id: id.to_owned(),
        body: if parts == 0 { message.body.clone() } else { String::new() },
        parts,
        attributes: message.attributes.clone(),
        trace: message.trace.clone(),
        group: message.group.clone(),
        sender: message.sender.clone(),
        sent_ms: tx.now_ms(),
        receives: 0,
        first_received_ms: None,
        moved: false,
        dead_letter_of: None,
        deduplication: None,
        parts_of: None,
    })
}

/// Under which number the parts of a body stand.
pub(crate) fn body_key(number: u64, row: &MessageRow) -> u64 {
    row.parts_of.unwrap_or(number)
}

/// Adds to the queue's counter of messages.
pub(crate) fn count(tx: &Tx, queue: u64, delta: i64) -> Result<(), ServiceError> {
    if delta != 0 {
        tx.add(COUNTS.key(&(queue,)), delta)?;
    }
    Ok(())
}

/// Keeps a body that is too large for its message's row. Answers the number of its parts.
fn put_body(tx: &Tx, queue: u64, number: u64, body: &str) -> Result<u32, ServiceError> {
    if body.len() <= INLINE_BYTES_MAX {
        return Ok(0);
    }
    let (mut parts, mut rest) = (0, body);
    while !rest.is_empty() {
        let mut end = rest.len().min(PART_BYTES_MAX);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (part, tail) = rest.split_at(end);
        BODIES.put(tx, &(queue, number, parts), &BodyRow { text: part.to_owned() })?;
        parts += 1;
        rest = tail;
    }
    Ok(parts)
}

/// The body of a message, wherever it stands.
pub(crate) async fn body(
    tx: &Tx,
    queue: u64,
    number: u64,
    row: &MessageRow,
) -> Result<String, ServiceError> {
    if row.parts == 0 {
        return Ok(row.body.clone());
    }
    let parts = usize::try_from(row.parts).unwrap_or(usize::MAX);
    let rows = BODIES.scan(tx, BODIES.prefix(&(queue, number)), parts, false).await?;
    Ok(rows.into_iter().map(|(_, part)| part.text).collect())
}

/// Removes a message and all that belongs to it.
pub(crate) fn remove(tx: &Tx, key: &(u64, i64, u64), row: &MessageRow) -> Result<(), ServiceError> {
    MESSAGES.delete(tx, key)?;
    for part in 0..row.parts {
        BODIES.delete(tx, &(key.0, key.2, part))?;
    }
    if row.moved {
        MOVED.delete(tx, &(key.0, key.2))?;
    }
    Ok(())
}

/// Finds the message behind a receipt handle: where the handle says, or where a change of visibility
/// has put it. `None` if it is gone or was received again since.
async fn find(
    tx: &Tx,
    handle: &Handle,
) -> Result<Option<((u64, i64, u64), MessageRow)>, ServiceError> {
    let key = (handle.queue, handle.available_ms, handle.number);
    if let Some(row) = MESSAGES.get(tx, &key).await? {
        return Ok(Some((key, row)));
    }
    let Some(moved) = MOVED.get(tx, &(handle.queue, handle.number)).await? else {
        return Ok(None);
    };
    let key = (handle.queue, moved.available_ms, handle.number);
    Ok(MESSAGES
        .get(tx, &key)
        .await?
        .filter(|row| row.receives == handle.receives)
        .map(|row| (key, row)))
}

/// Deletes the message behind a handle. One that is gone already is no error.
pub(crate) async fn delete(tx: &Tx, queue: &QueueRow, handle: &Handle) -> Result<(), ServiceError> {
    let gone = match &handle.group {
        Some(group) => fifo::delete(tx, queue, handle, group).await?,
        None => delete_standard(tx, handle).await?,
    };
    count(tx, queue.number, -gone)
}

async fn delete_standard(tx: &Tx, handle: &Handle) -> Result<i64, ServiceError> {
    match find(tx, handle).await? {
        Some((key, row)) => {
            remove(tx, &key, &row)?;
            Ok(1)
        }
        None => Ok(0),
    }
}

/// Sets anew how long a received message stays hidden, counted from now.
pub(crate) async fn change_visibility(
    tx: &Tx,
    queue: &QueueRow,
    handle: &Handle,
    seconds: i64,
) -> Result<bool, ServiceError> {
    if let Some(group) = &handle.group {
        return fifo::change_visibility(tx, queue, handle, group, seconds).await;
    }
    let Some((key, mut row)) = find(tx, handle).await? else {
        return Ok(false);
    };
    if key.1 <= tx.now_ms() {
        // It is visible again: no longer this consumer's.
        return Ok(false);
    }
    let available_ms = tx.now_ms() + seconds * 1000;
    MESSAGES.delete(tx, &key)?;
    row.moved = true;
    MESSAGES.put(tx, &(key.0, available_ms, key.2), &row)?;
    MOVED.put(tx, &(key.0, key.2), &MovedRow { available_ms })?;
    Ok(true)
}
