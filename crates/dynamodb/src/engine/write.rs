//! Writing one item: the row, its entries in indexes, its expiry, the counters; all in the caller's transaction.

use bytes::Bytes;
use undercast_kernel::ServiceError;
use undercast_store::Tx;

use super::capacity::{Units, write_units};
use super::key::ItemKey;
use super::stream;
use super::table::{Index, Table};
use crate::error::{invalid, parameter};
use crate::store::{COUNTS, EXPIRIES, SIZES};
use crate::value::{Item, Value, codec};

/// An item as it was found.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) bytes: Bytes,
}

impl Stored {
    pub(crate) fn size(&self) -> Result<usize, ServiceError> {
        Ok(codec::size(&self.bytes)?)
    }

    pub(crate) fn item(&self) -> Result<Item, ServiceError> {
        Ok(codec::decode(&self.bytes)?)
    }
}

pub(crate) async fn load(
    tx: &Tx,
    table: &Table,
    key: &ItemKey,
) -> Result<Option<Stored>, ServiceError> {
    let found = tx.get(&key.in_table(table.row.number)).await?;
    Ok(found.map(|bytes| Stored { bytes }))
}

/// Whether a write has to know the item as it was.
pub(crate) fn needs_old(table: &Table) -> bool {
    !table.indexes.is_empty() || table.row.ttl.is_some()
}

/// Who changes an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Caller,
    Expiry,
}

/// Puts `new` in the place of `old`. `old_item` is needed where [`needs_old`] says so.
/// Tells what it cost and, if the item can expire, when.
pub(crate) async fn replace(
    tx: &Tx,
    table: &Table,
    key: &ItemKey,
    old: Option<&Stored>,
    old_item: Option<&Item>,
    new: Option<&Item>,
    by: By,
) -> Result<(Units, Option<i64>), ServiceError> {
    let place = key.in_table(table.row.number);
    let old_size = old.map(Stored::size).transpose()?;
    let bytes = new.map(codec::encode);
    let new_size = bytes.as_ref().map(codec::size).transpose()?;
    if let Some(stream) = table.row.stream.as_ref().filter(|stream| stream.enabled) {
        let old = old.map(|stored| &stored.bytes);
        stream::note(tx, table, stream, key, old, bytes.as_ref(), by).await?;
    }
    match bytes {
        Some(bytes) => tx.put(place.clone(), bytes)?,
        None if old.is_some() => tx.delete(place.clone())?,
        None => {}
    }
    count(tx, table.row.number, old_size, new_size)?;
    let largest = old_size.max(new_size).unwrap_or(0);
    let mut units = Units::of_table(write_units(largest));
    for index in &table.indexes {
        let mut old = old_item.and_then(|item| entry(index, key, item));
        if let Some((place, _)) = &old
            && index.row.backfilling
            && tx.get(place).await?.is_none()
        {
            // Not entered yet.
            old = None;
        }
        let new = new.and_then(|item| entry(index, key, item));
        let changes = change_entry(tx, index, old, new)?;
        if changes > 0.0 {
            units.add_index(index, changes);
        }
    }
    let expiry = change_expiry(tx, table, &place, old_item, new)?;
    Ok((units, expiry))
}

fn count(tx: &Tx, number: u64, old: Option<usize>, new: Option<usize>) -> Result<(), ServiceError> {
    let difference = i64::from(new.is_some()) - i64::from(old.is_some());
    if difference != 0 {
        tx.add(COUNTS.key(&(number,)), difference)?;
    }
    let bytes = |size: Option<usize>| i64::try_from(size.unwrap_or(0)).unwrap_or(0);
    let difference = bytes(new) - bytes(old);
    if difference != 0 {
        tx.add(SIZES.key(&(number,)), difference)?;
    }
    Ok(())
}

/// Where and as what an item stands in an index; nowhere if it lacks the key.
pub(crate) fn entry(index: &Index, key: &ItemKey, item: &Item) -> Option<(Bytes, Bytes)> {
    let own = index.schema.get(item)?;
    let place = own.in_index(index.row.number, index.row.global, key);
    let bytes = match &index.projected {
        None => codec::encode(item),
        Some(names) => {
            let pick = |name: &String| Some((name.clone(), item.get(name)?.clone()));
            codec::encode(&names.iter().filter_map(pick).collect())
        }
    };
    Some((place, bytes))
}

/// Answers the units that it cost.
fn change_entry(
    tx: &Tx,
    index: &Index,
    old: Option<(Bytes, Bytes)>,
    new: Option<(Bytes, Bytes)>,
) -> Result<f64, ServiceError> {
    if old == new {
        return Ok(0.0);
    }
    let size = |entry: &Option<(Bytes, Bytes)>| {
        let size = entry.as_ref().map(|(_, bytes)| codec::size(bytes));
        size.transpose()
    };
    let (old_size, new_size) = (size(&old)?, size(&new)?);
    count(tx, index.row.number, old_size, new_size)?;
    let mut units = 0.0;
    let moved = match (&old, &new) {
        (Some((from, _)), Some((to, _))) => from != to,
        _ => true,
    };
    if let Some((place, _)) = old.filter(|_| moved) {
        tx.delete(place)?;
        units += write_units(old_size.unwrap_or(0));
    }
    if let Some((place, bytes)) = new {
        tx.put(place, bytes)?;
        let stays = old_size.filter(|_| !moved).unwrap_or(0);
        units += write_units(stays.max(new_size.unwrap_or(0)));
    }
    Ok(units)
}

/// Enters an item into an index that was made after it.
pub(crate) fn enter(
    tx: &Tx,
    index: &Index,
    key: &ItemKey,
    item: &Item,
) -> Result<(), ServiceError> {
    let Some((place, bytes)) = entry(index, key, item) else {
        return Ok(());
    };
    count(tx, index.row.number, None, Some(codec::size(&bytes)?))?;
    tx.put(place, bytes)?;
    Ok(())
}

/// A new item has to fit the keys of all indexes.
pub(crate) fn check_index_keys(table: &Table, item: &Item) -> Result<(), ServiceError> {
    for index in &table.indexes {
        for attribute in index.schema.attributes() {
            let Some(value) = item.get(&attribute.name) else {
                continue;
            };
            if !attribute.kind.fits(value) {
                return Err(parameter(format!(
                    "Type mismatch for Index Key {} Expected: {} Actual: {} IndexName: {}",
                    attribute.name,
                    attribute.kind.name(),
                    value.type_name(),
                    index.row.name
                )));
            }
            let kind = match value {
                Value::S(text) if text.is_empty() => "string",
                Value::B(bytes) if bytes.is_empty() => "binary",
                _ => continue,
            };
            return Err(invalid(format!(
                "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty {kind} value. IndexName: {}, IndexKey: {}",
                index.row.name, attribute.name
            )));
        }
        check_index_sizes(index, item)?;
    }
    Ok(())
}

fn check_index_sizes(index: &Index, item: &Item) -> Result<(), ServiceError> {
    let size = |name: &String| item.get(name).map_or(0, Value::bytes);
    if size(&index.schema.hash.name) > crate::limits::HASH_KEY_BYTES_MAX {
        return Err(parameter("Size of hashkey has exceeded the maximum size limit of2048 bytes"));
    }
    let range = index.schema.range.as_ref();
    if range.is_some_and(|r| size(&r.name) > crate::limits::RANGE_KEY_BYTES_MAX) {
        return Err(parameter(
            "Aggregated size of all range keys has exceeded the size limit of 1024 bytes",
        ));
    }
    Ok(())
}

/// When an item expires, in seconds.
pub(crate) fn expiry(attribute: &str, item: &Item) -> Option<i64> {
    match item.get(attribute)? {
        Value::N(number) => number.to_string().split('.').next()?.parse().ok(),
        _ => None,
    }
}

pub(crate) fn expiry_key(index: u64, seconds: i64, place: &Bytes) -> Bytes {
    let mut key = EXPIRIES.key(&(index, seconds)).to_vec();
    // The row holds the item's own key, which would be too long to stand here.
    key.extend(blake3::hash(place).as_bytes());
    key.into()
}

fn change_expiry(
    tx: &Tx,
    table: &Table,
    place: &Bytes,
    old: Option<&Item>,
    new: Option<&Item>,
) -> Result<Option<i64>, ServiceError> {
    let Some(ttl) = &table.row.ttl else {
        return Ok(None);
    };
    let old = old.and_then(|item| expiry(&ttl.attribute, item));
    let new = new.and_then(|item| expiry(&ttl.attribute, item));
    if old == new {
        return Ok(None);
    }
    if let Some(seconds) = old {
        tx.delete(expiry_key(ttl.number, seconds, place))?;
    }
    if let Some(seconds) = new {
        tx.put(expiry_key(ttl.number, seconds, place), place.clone())?;
    }
    Ok(new)
}
