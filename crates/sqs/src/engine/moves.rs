//! Moving dead letters back, or on to another queue: a durable task that takes a few messages at a time.

use std::collections::HashMap;

use undercast_kernel::ServiceError;
use undercast_store::Tx;

use super::queue::key_of_arn;
use super::receive::copy_body;
use super::{body_key, count, fifo, free_number};
use crate::store::{
    BODIES, MESSAGES, MOVES, MessageRow, MoveRow, MoveStatus, QUEUES, QueueRow, TURNS,
};

/// How many messages one step moves where nobody limits it.
const STEP_MESSAGES: i64 = 100;
/// How many steps a second has where somebody does.
const STEPS_PER_SECOND: i64 = 5;
const NO_QUEUE: &str = "AWS.SimpleQueueService.NonExistentQueue";

/// How many messages one step moves.
pub(crate) fn batch(row: &MoveRow) -> i64 {
    row.per_second.map_or(STEP_MESSAGES, |rate| (rate / STEPS_PER_SECOND).max(1))
}

/// One step. Answers what the move is afterwards.
pub(crate) async fn step(tx: &Tx, key: &(u64, i64, u64)) -> Result<Option<MoveRow>, ServiceError> {
    let Some(mut row) = MOVES.get(tx, key).await? else {
        return Ok(None);
    };
    if row.status != MoveStatus::Running {
        return Ok(Some(row));
    }
    let source = QUEUES.get(tx, &row.source).await?.filter(|source| source.number == key.0);
    let source = source.ok_or_else(no_target)?;
    let mut targets = Targets { by_arn: HashMap::new() };
    let n = usize::try_from(batch(&row)).unwrap_or(1);
    let is_done = match source.is_fifo() {
        true => from_groups(tx, &mut row, &source, n, &mut targets).await?,
        false => from_standard(tx, &mut row, &source, n, &mut targets).await?,
    };
    if is_done {
        row.status = MoveStatus::Completed;
    }
    MOVES.put(tx, key, &row)?;
    Ok(Some(row))
}

/// A queue is not there: the step takes nothing, and the move ends with [`fail`].
fn no_target() -> ServiceError {
    ServiceError::new(NO_QUEUE, "The specified queue does not exist.")
}

pub(crate) fn is_final(error: &ServiceError) -> bool {
    error.code() == NO_QUEUE
}

/// Ends a move that cannot go on.
pub(crate) async fn fail(tx: &Tx, key: &(u64, i64, u64)) -> Result<(), ServiceError> {
    let row = MOVES.get(tx, key).await?;
    let Some(mut row) = row.filter(|row| row.status == MoveStatus::Running) else {
        return Ok(());
    };
    row.status = MoveStatus::Failed;
    row.failure = Some(NO_QUEUE.to_owned());
    Ok(MOVES.put(tx, key, &row)?)
}

/// The queues that messages go to.
struct Targets {
    by_arn: HashMap<String, Option<QueueRow>>,
}

impl Targets {
    async fn of(
        &mut self,
        tx: &Tx,
        moving: &MoveRow,
        message: &MessageRow,
        fifo: bool,
    ) -> Result<QueueRow, ServiceError> {
        let arn = moving.destination.as_ref().or(message.dead_letter_of.as_ref());
        let arn = arn.ok_or_else(no_target)?;
        if !self.by_arn.contains_key(arn) {
            let row = match key_of_arn(arn) {
                Some(key) => QUEUES.get(tx, &key).await?,
                None => None,
            };
            self.by_arn.insert(arn.clone(), row.filter(|row| row.is_fifo() == fifo));
        }
        self.by_arn.get(arn).cloned().flatten().ok_or_else(no_target)
    }
}

/// What is moved is a new message, with a new id and age.
fn renewed(tx: &Tx, message: &MessageRow) -> MessageRow {
    MessageRow {
        id: tx.ids().uuid(),
        sent_ms: tx.now_ms(),
        receives: 0,
        first_received_ms: None,
        moved: false,
        dead_letter_of: None,
        ..message.clone()
    }
}

/// Answers whether nothing is left.
async fn from_standard(
    tx: &Tx,
    row: &mut MoveRow,
    source: &QueueRow,
    n: usize,
    targets: &mut Targets,
) -> Result<bool, ServiceError> {
    let from = MESSAGES
        .between(&(source.number, row.from_ms), &(source.number, tx.now_ms().saturating_add(1)));
    let messages = MESSAGES.claim(tx, from, n).await?;
    let is_last = messages.len() < n;
    for (key, message) in messages {
        let target = targets.of(tx, row, &message, false).await?;
        let available_ms = tx.now_ms() + target.delay_s() * 1000;
        let number = free_number(tx, target.number, available_ms).await?;
        if message.parts > 0 {
            let parts = BODIES.prefix(&(key.0, key.2));
            for (part, body) in BODIES.scan(tx, parts, usize::MAX, false).await? {
                BODIES.put(tx, &(target.number, number, part.2), &body)?;
            }
        }
        super::remove(tx, &key, &message)?;
        MESSAGES.put(tx, &(target.number, available_ms, number), &renewed(tx, &message))?;
        count(tx, source.number, -1)?;
        count(tx, target.number, 1)?;
        row.moved += 1;
        row.from_ms = key.1;
    }
    Ok(is_last)
}

/// Groups keep their order: each is moved from its head, to the end of the same group.
async fn from_groups(
    tx: &Tx,
    row: &mut MoveRow,
    source: &QueueRow,
    n: usize,
    targets: &mut Targets,
) -> Result<bool, ServiceError> {
    let mut left = n;
    while left > 0 {
        let from = TURNS.between(
            &(source.number, row.from_ms),
            &(source.number, tx.now_ms().saturating_add(1)),
        );
        let Some((turn, _)) = TURNS.claim(tx, from, 1).await?.pop() else {
            // Groups that this step has been at stand at its end: another one looks again.
            return Ok(left == n);
        };
        for (key, message) in fifo::take_out(tx, &turn, left).await? {
            let target = targets.of(tx, row, &message, true).await?;
            if message.parts > 0 {
                copy_body(tx, (key.0, body_key(key.2, &message)), target.number).await?;
            }
            fifo::remove(tx, &key, &message)?;
            fifo::append(tx, &target, &key.1, &renewed(tx, &message)).await?;
            row.moved += 1;
            left = left.saturating_sub(1);
        }
        row.from_ms = turn.1;
    }
    Ok(false)
}
