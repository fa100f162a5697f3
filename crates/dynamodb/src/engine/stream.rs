//! Streams: every change of an item, in the order of the changes of its partition key.
//!
//! A change is noted in the transaction that makes it, under a moment that is later than that of the last
//! change to its bucket of partition keys. Writers of different buckets do not meet, so what they note
//! comes into sight in another order than that of the moments, and no reader could tell that it has seen
//! all. Therefore whoever reads first numbers what has been committed: moves it, oldest first, behind the
//! records that have a number. Numbers of a shard have no gaps, and a reader that stands at one has
//! missed nothing.
//!
//! A stream has four shards: as many as AWS gives a new table on demand, so that readers of one shard each
//! see as much parallel work as there. All changes of a partition key are in one shard.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde_bytes::ByteBuf;
use undercast_kernel::smithy::Timestamp;
use undercast_kernel::{Arn, Context, Lane, ServiceError};
use undercast_store::{Db, Tx, Watch};

use super::key::ItemKey;
use super::table::Table;
use super::write::By;
use crate::api::dynamodbstreams::shapes::{Identity, Record, StreamRecord};
use crate::error::{in_use, invalid, no_stream, trimmed};
use crate::limits::STREAM_MS;
use crate::store::{
    CHANGES, ChangeKind, IMAGES, ImageRow, MOMENTS, RECORDS, RecordRow, SEQUENCES, STREAMS,
    StreamInfoRow, StreamKey, StreamRow, TABLES, TableKey, TableRow,
};
use crate::tasks::spawn_trim;
use crate::value::{Item, codec, to_stream_wire};

/// The two highest bits of the hash of a partition key tell its shard.
pub(crate) const SHARDS: u32 = 4;
/// The twelve highest bits tell its bucket.
const BUCKET_SHIFT: u32 = 20;
const SHARD_SHIFT: u32 = 30;
/// A record with larger images has them beside it.
const ROW_BYTES_MAX: usize = 900_000;
/// How much is numbered, or read at first, in one go.
const CHUNK: usize = 64;
const CHUNK_BYTES: usize = 2 << 20;
/// All sequence numbers have this many digits behind `100` and the shard.
const DIGITS: usize = 20;

/// In the transaction that changes an item: notes the change, unless nothing changed.
pub(crate) async fn note(
    tx: &Tx,
    table: &Table,
    stream: &StreamRow,
    key: &ItemKey,
    old: Option<&Bytes>,
    new: Option<&Bytes>,
    by: By,
) -> Result<(), ServiceError> {
    let (kind, item) = match (old, new) {
        (Some(old), Some(new)) if old == new => return Ok(()),
        (None, None) => return Ok(()),
        (None, Some(new)) => (ChangeKind::Insert, new),
        (Some(_), Some(new)) => (ChangeKind::Modify, new),
        (Some(old), None) => (ChangeKind::Remove, old),
    };
    let keys = codec::encode(&table.schema.pick(&codec::decode(item)?));
    let new = new.filter(|_| matches!(stream.view.as_str(), "NEW_IMAGE" | "NEW_AND_OLD_IMAGES"));
    let old = old.filter(|_| matches!(stream.view.as_str(), "OLD_IMAGE" | "NEW_AND_OLD_IMAGES"));
    let bucket = key.spread() >> BUCKET_SHIFT;
    let last = MOMENTS.get(tx, &(stream.number, bucket)).await?.unwrap_or(0);
    let now_us = u64::try_from(tx.now_ms()).unwrap_or(0).saturating_mul(1000);
    let moment = now_us.max(last + 1);
    MOMENTS.put(tx, &(stream.number, bucket), &moment)?;
    let images = [new, old];
    let bytes: usize = images.iter().flatten().map(|image| image.len()).sum();
    let is_apart = bytes + keys.len() > ROW_BYTES_MAX;
    let mut size = codec::size(&keys)?;
    let mut rows = Vec::with_capacity(images.len());
    for (which, image) in (0u8..).zip(images) {
        let Some(image) = image else {
            rows.push(ImageRow::None);
            continue;
        };
        size += codec::size(image)?;
        let bytes = ByteBuf::from(image.to_vec());
        if is_apart {
            let at = IMAGES.key(&(stream.number, moment, bucket, which));
            tx.put(at, image.clone())?;
            rows.push(ImageRow::Apart);
        } else {
            rows.push(ImageRow::Here(bytes));
        }
    }
    let (old, new) = (rows.pop(), rows.pop());
    let row = RecordRow {
        at_ms: tx.now_ms(),
        kind,
        spread: key.spread(),
        moment,
        expired: by == By::Expiry,
        size: u64::try_from(size).unwrap_or(u64::MAX),
        keys: ByteBuf::from(keys.to_vec()),
        new: new.unwrap_or(ImageRow::None),
        old: old.unwrap_or(ImageRow::None),
    };
    let shard = key.spread() >> SHARD_SHIFT;
    CHANGES.put(tx, &(stream.number, shard, moment, bucket), &row)?;
    Ok(())
}

/// In the transaction that makes, changes or deletes a table: its stream begins or ends.
pub(crate) async fn changed(
    tx: &Tx,
    table: &TableKey,
    before: Option<&TableRow>,
    after: Option<&TableRow>,
) -> Result<(), ServiceError> {
    let live = |row: Option<&TableRow>| row?.stream.clone().filter(|stream| stream.enabled);
    let (before, now) = (live(before), live(after));
    if before == now {
        return Ok(());
    }
    let (account, region, name) = table;
    let key = |label: &str| (account.clone(), region.clone(), name.clone(), label.to_owned());
    if let Some(old) = before {
        let key = key(&old.label);
        if let Some(mut row) = STREAMS.get(tx, &key).await? {
            row.ended_ms = Some(tx.now_ms());
            STREAMS.put(tx, &key, &row)?;
        }
    }
    if let (Some(new), Some(table)) = (now, after) {
        let row = StreamInfoRow {
            number: new.number,
            view: new.view.clone(),
            created_ms: tx.now_ms(),
            hash: table.hash.clone(),
            range: table.range.clone(),
            ended_ms: None,
        };
        let key = key(&new.label);
        if STREAMS.get(tx, &key).await?.is_some() {
            // Ended within this millisecond.
            return Err(in_use(format!("Stream is being changed: {}", arn(&key))));
        }
        STREAMS.put(tx, &key, &row)?;
        spawn_trim(tx, &key, new.number, tx.now_ms() + STREAM_MS)?;
    }
    Ok(())
}

/// A stream of a time when no records were written begins now.
pub(crate) async fn begin_old(tx: Tx, key: &TableKey) -> Result<(), ServiceError> {
    let Some(before) = TABLES.get(&tx, key).await? else {
        return Ok(());
    };
    let mut row = before.clone();
    for stream in row.stream.iter_mut().filter(|stream| stream.number == 0) {
        stream.number = tx.ids().u64();
    }
    TABLES.put(&tx, key, &row)?;
    changed(&tx, key, Some(&before), Some(&row)).await
}

pub(crate) fn arn((account, region, table, label): &StreamKey) -> String {
    Arn::new("dynamodb", region, account, format!("table/{table}/stream/{label}")).to_string()
}

pub(crate) fn parse_arn(arn: &str) -> Result<StreamKey, ServiceError> {
    let key = || {
        let arn = Arn::parse(arn).filter(|arn| arn.service == "dynamodb")?;
        let (table, label) = arn.resource.strip_prefix("table/")?.split_once("/stream/")?;
        Some((arn.account.clone(), arn.region.clone(), table.to_owned(), label.to_owned()))
    };
    key().ok_or_else(|| invalid(format!("Invalid StreamArn: {arn}")))
}

/// The stream, unless it ended more than a day ago.
pub(crate) async fn find(tx: &Tx, key: &StreamKey) -> Result<StreamInfoRow, ServiceError> {
    let row = STREAMS.get(tx, key).await?;
    let lives =
        |row: &StreamInfoRow| row.ended_ms.is_none_or(|ended| ended + STREAM_MS > tx.now_ms());
    row.filter(lives).ok_or_else(|| no_stream(&arn(key)))
}

/// `shardId-00000001732435200000-00000002`.
pub(crate) fn shard_id(stream: &StreamInfoRow, shard: u32) -> String {
    format!("shardId-{:020}-{shard:08x}", stream.created_ms)
}

pub(crate) fn shard_of(stream: &StreamInfoRow, id: &str) -> Option<u32> {
    (0..SHARDS).find(|shard| shard_id(stream, *shard) == id)
}

/// A number as it is shown: all of one length, so that they compare as texts, too.
pub(crate) fn shown(shard: u32, number: u64) -> String {
    format!("100{shard}{number:0DIGITS$}")
}

/// The number that was shown so.
pub(crate) fn number_of(text: &str, shard: u32) -> Option<u64> {
    let digits = text.strip_prefix(&format!("100{shard}"))?;
    (digits.len() == DIGITS).then(|| digits.parse().ok())?
}

/// What stands in one shard now: the first record that is kept, and the number that the next one gets.
pub(crate) async fn bounds(tx: &Tx, stream: u64, shard: u32) -> Result<(u64, u64), ServiceError> {
    let next = SEQUENCES.get(tx, &(stream, shard)).await?.unwrap_or(1);
    let first = tx.range(RECORDS.prefix(&(stream, shard)), 1, false).await?;
    let first = first.first().and_then(|(key, _)| RECORDS.decode_key(key)).transpose()?;
    Ok((first.map_or(next, |(_, _, number)| number), next))
}

/// Up to `limit` records from `from` on, as many as fit `bytes_max`, and where the next ones begin.
pub(crate) async fn read(
    tx: &Tx,
    stream: u64,
    shard: u32,
    from: u64,
    limit: usize,
    bytes_max: usize,
) -> Result<(Vec<(u64, RecordRow)>, u64), ServiceError> {
    let (mut records, mut next, mut bytes) = (Vec::new(), from, 0usize);
    let oldest_ms = tx.now_ms() - STREAM_MS;
    while records.len() < limit {
        let range = RECORDS.from(&(stream, shard), &(stream, shard, next));
        let n = CHUNK.min(limit - records.len());
        let rows = tx.range(range, n, false).await?;
        let is_end = rows.len() < n;
        for (key, value) in rows {
            let Some(Ok((_, _, number))) = RECORDS.decode_key(&key) else {
                continue;
            };
            if number > next && next == from {
                // Numbers have no gaps: what stood here is gone.
                return Err(trimmed());
            }
            let row = RECORDS.decode_row(&value)?;
            bytes += usize::try_from(row.size).unwrap_or(usize::MAX);
            if bytes > bytes_max && !records.is_empty() {
                return Ok((records, next));
            }
            next = number + 1;
            if row.at_ms > oldest_ms {
                records.push((number, row));
            }
        }
        if is_end {
            break;
        }
    }
    if next == from && SEQUENCES.get(tx, &(stream, shard)).await?.unwrap_or(1) > from {
        return Err(trimmed());
    }
    Ok((records, next))
}

/// An image of a record.
async fn image(
    tx: &Tx,
    stream: u64,
    record: &RecordRow,
    which: u8,
) -> Result<Option<Item>, ServiceError> {
    let image = if which == 0 { &record.new } else { &record.old };
    let bytes = match image {
        ImageRow::None => return Ok(None),
        ImageRow::Here(bytes) => Some(Bytes::copy_from_slice(bytes)),
        ImageRow::Apart => {
            let bucket = record.spread >> BUCKET_SHIFT;
            tx.get(&IMAGES.key(&(stream, record.moment, bucket, which))).await?
        }
    };
    Ok(bytes.map(|bytes| codec::decode(&bytes)).transpose()?)
}

/// A record as AWS shows it.
pub(crate) async fn shown_record(
    tx: &Tx,
    stream: &StreamKey,
    row: &StreamInfoRow,
    shard: u32,
    (number, record): (u64, &RecordRow),
) -> Result<Record, ServiceError> {
    let wire = |item: Item| item.into_iter().map(|(name, v)| (name, to_stream_wire(v))).collect();
    let id = format!("{}/{shard}/{number}", row.number);
    let id = blake3::hash(id.as_bytes()).to_hex();
    let name = match record.kind {
        ChangeKind::Insert => "INSERT",
        ChangeKind::Modify => "MODIFY",
        ChangeKind::Remove => "REMOVE",
    };
    let by_expiry = || Identity {
        principal_id: Some("dynamodb.amazonaws.com".to_owned()),
        r#type: Some("Service".to_owned()),
    };
    let keys = codec::decode(&Bytes::copy_from_slice(&record.keys))?;
    let at = Timestamp::from_millis(record.at_ms.div_euclid(1000) * 1000);
    Ok(Record {
        event_id: Some(id.chars().take(32).collect()),
        event_name: Some(name.to_owned()),
        event_version: Some("1.1".to_owned()),
        event_source: Some("aws:dynamodb".to_owned()),
        aws_region: Some(stream.1.clone()),
        dynamodb: Some(StreamRecord {
            approximate_creation_date_time: Some(at),
            keys: Some(wire(keys)),
            new_image: image(tx, row.number, record, 0).await?.map(wire),
            old_image: image(tx, row.number, record, 1).await?.map(wire),
            sequence_number: Some(shown(shard, number)),
            size_bytes: i64::try_from(record.size).ok(),
            stream_view_type: Some(row.view.clone()),
        }),
        user_identity: record.expired.then(by_expiry),
    })
}

/// A place in a shard, for a quarter of an hour.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Iterator {
    pub(crate) stream: StreamKey,
    pub(crate) shard: u32,
    pub(crate) at: u64,
    pub(crate) made_ms: i64,
}

impl Iterator {
    pub(crate) fn shown(&self) -> String {
        let place = format!("{}/{}/{}", self.shard, self.at, self.made_ms);
        format!("{}|1|{}", arn(&self.stream), BASE64.encode(place))
    }

    pub(crate) fn parse(text: &str) -> Result<Self, ServiceError> {
        let parsed = || {
            let (stream, place) = text.split_once("|1|")?;
            let place = String::from_utf8(BASE64.decode(place).ok()?).ok()?;
            let mut parts = place.split('/');
            Some(Self {
                stream: parse_arn(stream).ok()?,
                shard: parts.next()?.parse().ok().filter(|shard| *shard < SHARDS)?,
                at: parts.next()?.parse().ok().filter(|at| *at < u64::MAX)?,
                made_ms: parts.next()?.parse().ok()?,
            })
        };
        parsed().ok_or_else(|| invalid("Invalid ShardIterator"))
    }
}

/// Deletes a record, with what stands beside it.
pub(crate) fn remove(
    tx: &Tx,
    stream: u64,
    key: Bytes,
    record: &RecordRow,
) -> Result<(), ServiceError> {
    tx.delete(key)?;
    for (which, image) in [(0u8, &record.new), (1, &record.old)] {
        if *image == ImageRow::Apart {
            let bucket = record.spread >> BUCKET_SHIFT;
            IMAGES.delete(tx, &(stream, record.moment, bucket, which))?;
        }
    }
    Ok(())
}

/// Where the changes of each shard begin that have no number yet: so that no pass scans what is gone. A
/// cache, lowered by the store's watch.
#[derive(Default)]
pub(crate) struct Heads {
    by_shard: Mutex<HashMap<(u64, u32), Arc<tokio::sync::Mutex<Head>>>>,
}

struct Head {
    at: Bytes,
    watch: Watch,
}

impl Heads {
    pub(crate) fn forget(&self) {
        self.by_shard.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Of a stream that is gone for good.
    pub(crate) fn remove(&self, stream: u64) {
        let mut heads = self.by_shard.lock().unwrap_or_else(PoisonError::into_inner);
        heads.retain(|(of, _), _| *of != stream);
    }

    /// Gives numbers to the changes of a shard that are committed by now.
    pub(crate) async fn number(
        &self,
        ctx: &Context,
        stream: u64,
        shard: u32,
    ) -> Result<(), ServiceError> {
        let start = CHANGES.key(&(stream, shard));
        if *ctx.lane() != Lane::Live || ctx.side().is_some() {
            // What others do to the cursor is none of an overlay's business.
            let mut at = start;
            while let Some(last) = number_some(ctx.store(), stream, shard, at.clone()).await? {
                at = last;
            }
            return Ok(());
        }
        let head = {
            let mut heads = self.by_shard.lock().unwrap_or_else(PoisonError::into_inner);
            let watch = || CHANGES.watch(ctx.store(), &(stream, shard));
            let new = || Arc::new(tokio::sync::Mutex::new(Head { at: start, watch: watch() }));
            Arc::clone(heads.entry((stream, shard)).or_insert_with(new))
        };
        let mut head = head.lock().await;
        loop {
            if let Some(lowest) = head.watch.take_lowest() {
                head.at = head.at.clone().min(lowest);
            }
            match number_some(ctx.store(), stream, shard, head.at.clone()).await? {
                Some(last) => head.at = last,
                None => return Ok(()),
            }
        }
    }
}

/// Answers the last change that it gave a number; none if there was none.
async fn number_some(
    db: &Db,
    stream: u64,
    shard: u32,
    from: Bytes,
) -> Result<Option<Bytes>, ServiceError> {
    let range = CHANGES.prefix(&(stream, shard)).from_key(from);
    db.transact(|tx| {
        let range = range.clone();
        async move {
            let rows = tx.range(range, CHUNK, false).await?;
            if rows.is_empty() {
                return Ok(None);
            }
            let mut next = SEQUENCES.get(&tx, &(stream, shard)).await?.unwrap_or(1);
            let (mut last, mut bytes) = (None, 0);
            for (key, value) in rows {
                bytes += value.len();
                if bytes > CHUNK_BYTES && last.is_some() {
                    break;
                }
                tx.put(RECORDS.key(&(stream, shard, next)), value)?;
                tx.delete(key.clone())?;
                next += 1;
                last = Some(key);
            }
            SEQUENCES.put(&tx, &(stream, shard), &next)?;
            Ok(last)
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_are_long_enough_and_come_back() {
        for number in [1, 9, 10, u64::MAX] {
            let text = shown(3, number);
            assert!((21..=40).contains(&text.len()), "{text}");
            assert_eq!(number_of(&text, 3), Some(number));
            assert_eq!(number_of(&text, 2), None);
        }
        assert!(shown(0, 9) < shown(0, 10));
    }
}
