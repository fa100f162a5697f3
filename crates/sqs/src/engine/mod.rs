//! The domain: queues and messages, in transactions, without shapes.

pub(crate) mod head;
pub(crate) mod message;
pub(crate) mod queue;
pub(crate) mod receive;

use undercast_kernel::ServiceError;
use undercast_store::Tx;

use crate::limits::{INLINE_BYTES_MAX, PART_BYTES_MAX};
use crate::store::{BODIES, BodyRow, COUNTS, MESSAGES, MOVED, MessageRow, MovedRow, QueueRow};
use message::{Handle, NewMessage};

/// Appends a message. Answers its number.
pub(crate) fn send(
    tx: &Tx,
    queue: &QueueRow,
    message: &NewMessage,
    id: &str,
) -> Result<(), ServiceError> {
    // Time in the upper bits keeps the order of sending among messages that become available together.
    let number = (u64::try_from(tx.now_ms()).unwrap_or(0) << 20) | (tx.ids().u64() & 0xF_FFFF);
    let now = tx.now_ms();
    let parts = put_body(tx, queue.number, number, &message.body)?;
    let row = MessageRow {
        id: id.to_owned(),
        body: if parts == 0 { message.body.clone() } else { String::new() },
        parts,
        attributes: message.attributes.clone(),
        trace: message.trace.clone(),
        group: message.group.clone(),
        sender: message.sender.clone(),
        sent_ms: now,
        receives: 0,
        first_received_ms: None,
        moved: false,
        dead_letter_of: None,
    };
    let available_ms = now + message.delay_s.unwrap_or_else(|| queue.delay_s()) * 1000;
    MESSAGES.put(tx, &(queue.number, available_ms, number), &row)?;
    Ok(())
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

/// Deletes the message behind a handle. One that is gone already is no error; answers how many went.
pub(crate) async fn delete(tx: &Tx, handle: &Handle) -> Result<i64, ServiceError> {
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
    handle: &Handle,
    seconds: i64,
) -> Result<bool, ServiceError> {
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
