//! FIFO queues: groups of messages, each in its order.
//!
//! A message stays where it was sent; what moves is its group's place in the order of turns. A group
//! whose messages are in flight has its turn when the last of them is visible again, so nothing else of
//! it can be received meanwhile. Every change in a group writes the group's row, and so they are ordered.

use undercast_kernel::ServiceError;
use undercast_store::{KeyRange, Tx};

use super::message::Handle;
use super::receive::{DeadLetters, Pass, Received, Want};
use super::{body, body_key, count, known};
use crate::error::expired_handle;
use crate::limits::IN_FLIGHT_MAX;
use crate::store::{
    BODIES, FIFO, FLYING, FlightRow, GROUPS, GroupRow, MessageRow, QueueRow, TURNS, TurnRow,
};

/// How many expired messages of a group leave at once.
const DROPPED_MAX: usize = 200;

/// Appends a message to its group. Answers its sequence number.
pub(crate) async fn append(
    tx: &Tx,
    queue: &QueueRow,
    group: &str,
    row: &MessageRow,
) -> Result<u64, ServiceError> {
    let key = (queue.number, group.to_owned());
    let by_time =
        (u64::try_from(tx.now_ms()).unwrap_or_default() << 20) | (tx.ids().u64() & 0xF_FFFF);
    let sequence = match GROUPS.get(tx, &key).await? {
        Some(mut have) => {
            have.last = by_time.max(have.last + 1);
            GROUPS.put(tx, &key, &have)?;
            have.last
        }
        None => {
            let at = row.sent_ms + queue.delay_s() * 1000;
            let new = GroupRow { at, head: by_time, last: by_time, flying: Vec::new() };
            GROUPS.put(tx, &key, &new)?;
            TURNS.put(tx, &(queue.number, at, key.1.clone()), &TurnRow { flying: 0 })?;
            by_time
        }
    };
    FIFO.put(tx, &(queue.number, key.1, sequence), row)?;
    count(tx, queue.number, 1)?;
    Ok(sequence)
}

/// Serves several consumers: each gets as much of a group as it wants before it gets another group.
pub(crate) async fn pass(
    tx: &Tx,
    queue: &QueueRow,
    queue_arn: &str,
    from: KeyRange,
    wants: &[Want],
) -> Result<Pass, ServiceError> {
    let mut pass = Pass { given: vec![Vec::new(); wants.len()], last: None };
    let letters = DeadLetters::of(tx, queue, queue_arn).await?;
    let mut room = room(tx, queue.number).await?;
    loop {
        let open = |pass: &Pass| {
            let given = pass.given.iter().zip(wants).enumerate();
            let open = given.filter(|(_, (given, want))| given.len() < want.n);
            open.map(|(index, (given, want))| (given.len(), index, want.n - given.len()))
                .collect::<Vec<_>>()
        };
        let takers = open(&pass).len();
        if takers == 0 || room == 0 {
            break;
        }
        let turns = TURNS.claim(tx, from.clone(), takers).await?;
        let is_last = turns.len() < takers;
        for (key, _) in turns {
            let Some((_, taker, n)) = open(&pass).into_iter().min() else { break };
            let Some(want) = wants.get(taker) else { break };
            pass.last = Some(TURNS.key(&key));
            let n = n.min(room);
            let messages = give(tx, queue, &letters, key, n, want.visibility_s).await?;
            room = room.saturating_sub(messages.len());
            if let Some(given) = pass.given.get_mut(taker) {
                given.extend(messages);
            }
            if room == 0 {
                break;
            }
        }
        if is_last {
            break;
        }
    }
    for (want, given) in wants.iter().zip(&pass.given) {
        if let Some(attempt) = &want.attempt
            && !given.is_empty()
        {
            known::keep_attempt(tx, queue.number, attempt, given).await?;
        }
    }
    Ok(pass)
}

/// How many more messages may be in flight.
async fn room(tx: &Tx, queue: u64) -> Result<usize, ServiceError> {
    let roughly = tx.sum(&FLYING.key(&(queue,))).await?;
    let roughly = usize::try_from(roughly).unwrap_or_default();
    if roughly < IN_FLIGHT_MAX {
        return Ok(IN_FLIGHT_MAX - roughly);
    }
    // The counter still has those that became visible again without being received.
    Ok(IN_FLIGHT_MAX.saturating_sub(in_flight(tx, queue).await?.0))
}

/// How many messages are in flight, and how many are delayed.
pub(crate) async fn in_flight(tx: &Tx, queue: u64) -> Result<(usize, usize), ServiceError> {
    let later =
        TURNS.prefix(&(queue,)).from_key(TURNS.key(&(queue, tx.now_ms().saturating_add(1))));
    let turns = TURNS.scan(tx, later, IN_FLIGHT_MAX, false).await?;
    let (mut flying, mut delayed) = (0, 0);
    for ((_, _, group), turn) in turns {
        flying += usize::try_from(turn.flying).unwrap_or_default();
        if turn.flying == 0 {
            let waiting = FIFO.prefix(&(queue, group));
            delayed += FIFO.scan(tx, waiting, IN_FLIGHT_MAX, false).await?.len();
        }
    }
    Ok((flying, delayed))
}

/// Up to `n` messages from the head of a group whose turn it is.
async fn give(
    tx: &Tx,
    queue: &QueueRow,
    letters: &DeadLetters,
    (number, at, name): (u64, i64, String),
    n: usize,
    visibility_s: i64,
) -> Result<Vec<Received>, ServiceError> {
    let Some(mut group) = GROUPS.get(tx, &(number, name.clone())).await? else {
        TURNS.delete(tx, &(number, at, name))?;
        return Ok(Vec::new());
    };
    flying(tx, number, -size(group.flying.len()))?;
    group.flying.clear();
    let mut given = Vec::new();
    let mut gone = 0;
    let until_ms = tx.now_ms() + visibility_s * 1000;
    let delay_ms = queue.delay_s() * 1000;
    let mut next = group.head;
    'group: while given.len() < n && gone < DROPPED_MAX {
        let wanted = n - given.len();
        let rows = FIFO.from(&(number, name.clone()), &(number, name.clone(), next));
        let rows = FIFO.scan(tx, rows, wanted, false).await?;
        let is_last = rows.len() < wanted;
        for (key, mut row) in rows {
            if letters.is_expired(tx, queue, &row) {
                remove(tx, &key, &row)?;
                gone += 1;
            } else if let Some(target) = letters.target_of(&row) {
                letters.fifo(tx, &key, &row, target).await?;
                gone += 1;
            } else if row.receives == 0 && row.sent_ms + delay_ms > tx.now_ms() {
                break 'group;
            } else {
                row.receives += 1;
                row.first_received_ms.get_or_insert(tx.now_ms());
                FIFO.put(tx, &key, &row)?;
                let flight = FlightRow { sequence: key.2, receives: row.receives, until_ms };
                given.push(received(tx, &name, number, &flight, row).await?);
                group.flying.push(flight);
            }
            next = key.2 + 1;
        }
        if is_last {
            break;
        }
    }
    group.head = group.flying.first().map_or(next, |flight| flight.sequence);
    count(tx, number, -size(gone))?;
    flying(tx, number, size(given.len()))?;
    settle(tx, (number, name), queue.delay_s() * 1000, group).await?;
    Ok(given)
}

async fn received(
    tx: &Tx,
    group: &str,
    queue: u64,
    flight: &FlightRow,
    mut row: MessageRow,
) -> Result<Received, ServiceError> {
    let handle = Handle {
        queue,
        number: flight.sequence,
        available_ms: 0,
        receives: flight.receives,
        group: Some(group.to_owned()),
    };
    let body = match row.parts {
        0 => std::mem::take(&mut row.body),
        _ => body(tx, queue, body_key(flight.sequence, &row), &row).await?,
    };
    Ok(Received { handle, row, body })
}

/// Gives a group that has changed its turn, or forgets one that is empty.
async fn settle(
    tx: &Tx,
    key: (u64, String),
    delay_ms: i64,
    mut group: GroupRow,
) -> Result<(), ServiceError> {
    TURNS.delete(tx, &(key.0, group.at, key.1.clone()))?;
    let at = match group.flying.iter().map(|flight| flight.until_ms).max() {
        Some(until_ms) => until_ms,
        None => {
            let rows = FIFO.from(&key, &(key.0, key.1.clone(), group.head));
            let Some((first, row)) = FIFO.scan(tx, rows, 1, false).await?.pop() else {
                return Ok(GROUPS.delete(tx, &key)?);
            };
            group.head = first.2;
            let delay_ms = if row.receives == 0 { delay_ms } else { 0 };
            tx.now_ms().max(row.sent_ms + delay_ms)
        }
    };
    group.at = at;
    let flying = u32::try_from(group.flying.len()).unwrap_or(u32::MAX);
    TURNS.put(tx, &(key.0, at, key.1.clone()), &TurnRow { flying })?;
    Ok(GROUPS.put(tx, &key, &group)?)
}

/// Deletes a message that is in flight. One that is gone is no error, one that is visible again is.
pub(crate) async fn delete(
    tx: &Tx,
    queue: &QueueRow,
    handle: &Handle,
    name: &str,
) -> Result<i64, ServiceError> {
    let key = (handle.queue, name.to_owned(), handle.number);
    let Some(row) = FIFO.get(tx, &key).await? else {
        return Ok(0);
    };
    let Some((mut group, index)) = flight(tx, handle, name).await? else {
        return Err(expired_handle(&handle.encode()));
    };
    group.flying.remove(index);
    remove(tx, &key, &row)?;
    flying(tx, handle.queue, -1)?;
    if let Some(first) = group.flying.first() {
        group.head = first.sequence;
    }
    settle(tx, (key.0, key.1), queue.delay_s() * 1000, group).await?;
    Ok(1)
}

/// Sets anew how long a message in flight stays hidden, and with it when its group has its turn.
pub(crate) async fn change_visibility(
    tx: &Tx,
    queue: &QueueRow,
    handle: &Handle,
    name: &str,
    seconds: i64,
) -> Result<bool, ServiceError> {
    let Some((mut group, index)) = flight(tx, handle, name).await? else {
        return Ok(false);
    };
    if let Some(flight) = group.flying.get_mut(index) {
        flight.until_ms = tx.now_ms() + seconds * 1000;
    }
    settle(tx, (queue.number, name.to_owned()), queue.delay_s() * 1000, group).await?;
    Ok(true)
}

/// The group of a message in flight, and which of its messages that is.
async fn flight(
    tx: &Tx,
    handle: &Handle,
    name: &str,
) -> Result<Option<(GroupRow, usize)>, ServiceError> {
    let group = GROUPS.get(tx, &(handle.queue, name.to_owned())).await?;
    Ok(group.and_then(|group| {
        let index = group.flying.iter().position(|flight| {
            flight.sequence == handle.number
                && flight.receives == handle.receives
                && flight.until_ms > tx.now_ms()
        })?;
        Some((group, index))
    }))
}

/// The messages of an earlier attempt to receive, if none of them was touched since; they stay hidden
/// for the whole time again.
pub(crate) async fn again(
    tx: &Tx,
    queue: &QueueRow,
    messages: &[(String, u64, u32)],
    visibility_s: i64,
) -> Result<Vec<Received>, ServiceError> {
    let until_ms = tx.now_ms() + visibility_s * 1000;
    let mut given = Vec::new();
    for (name, sequence, receives) in messages {
        let handle = Handle {
            queue: queue.number,
            number: *sequence,
            available_ms: 0,
            receives: *receives,
            group: Some(name.clone()),
        };
        let row = FIFO.get(tx, &(queue.number, name.clone(), *sequence)).await?;
        let (Some(row), Some((mut group, index))) = (row, flight(tx, &handle, name).await?) else {
            return Ok(Vec::new());
        };
        let Some(flight) = group.flying.get_mut(index) else { return Ok(Vec::new()) };
        flight.until_ms = until_ms;
        let flight = flight.clone();
        settle(tx, (queue.number, name.clone()), 0, group).await?;
        given.push(received(tx, name, queue.number, &flight, row).await?);
    }
    Ok(given)
}

/// Removes a message whatever its state: by a purge, or because it is too old.
pub(crate) async fn drop_message(
    tx: &Tx,
    key: &(u64, String, u64),
    row: &MessageRow,
) -> Result<(), ServiceError> {
    remove(tx, key, row)?;
    count(tx, key.0, -1)?;
    let Some(mut group) = GROUPS.get(tx, &(key.0, key.1.clone())).await? else {
        return Ok(());
    };
    let before = group.flying.len();
    group.flying.retain(|flight| flight.sequence != key.2);
    flying(tx, key.0, size(group.flying.len()) - size(before))?;
    // Whether the next one is delayed is seen when its turn comes.
    settle(tx, (key.0, key.1.clone()), 0, group).await
}

/// Gives a group its turn anew, after the delay of the queue has changed.
pub(crate) async fn retime(
    tx: &Tx,
    queue: &QueueRow,
    key: &(u64, String),
) -> Result<(), ServiceError> {
    match GROUPS.get(tx, key).await? {
        Some(group) if group.flying.is_empty() => {
            settle(tx, key.clone(), queue.delay_s() * 1000, group).await
        }
        _ => Ok(()),
    }
}

/// Takes up to `n` messages out of a group whose turn it is; the parts of their bodies stay for the
/// caller to copy and remove.
pub(crate) async fn take_out(
    tx: &Tx,
    turn: &(u64, i64, String),
    n: usize,
) -> Result<Vec<((u64, String, u64), MessageRow)>, ServiceError> {
    let key = (turn.0, turn.2.clone());
    let Some(mut group) = GROUPS.get(tx, &key).await? else {
        TURNS.delete(tx, turn)?;
        return Ok(Vec::new());
    };
    flying(tx, key.0, -size(group.flying.len()))?;
    group.flying.clear();
    let rows = FIFO.from(&key, &(key.0, key.1.clone(), group.head));
    let rows = FIFO.scan(tx, rows, n, false).await?;
    for (key, _) in &rows {
        FIFO.delete(tx, key)?;
    }
    count(tx, key.0, -size(rows.len()))?;
    settle(tx, key, 0, group).await?;
    Ok(rows)
}

pub(crate) fn remove(
    tx: &Tx,
    key: &(u64, String, u64),
    row: &MessageRow,
) -> Result<(), ServiceError> {
    FIFO.delete(tx, key)?;
    for part in 0..row.parts {
        BODIES.delete(tx, &(key.0, body_key(key.2, row), part))?;
    }
    Ok(())
}

fn flying(tx: &Tx, queue: u64, delta: i64) -> Result<(), ServiceError> {
    if delta != 0 {
        tx.add(FLYING.key(&(queue,)), delta)?;
    }
    Ok(())
}

fn size(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
