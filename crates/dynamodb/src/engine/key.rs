//! From key attributes to keys in the store.

use bytes::Bytes;
use undercast_kernel::ServiceError;
use undercast_store::KeyRange;

use crate::error::{invalid, key_mismatch, parameter};
use crate::expression::RangeCondition;
use crate::limits::{HASH_KEY_BYTES_MAX, RANGE_KEY_BYTES_MAX};
use crate::store::ITEMS;
use crate::value::{Item, Value};

/// Longer partition keys are hashed, so that the sort key has room behind them.
const HASH_PART_BYTES_MAX: usize = 300;
/// A sort key within the key of an index is cut here, and then hashed.
const INDEX_RANGE_BYTES_MAX: usize = 1_100;
/// The sort key of the item behind it.
const TAIL_BYTES_MAX: usize = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    S,
    N,
    B,
}

impl Scalar {
    pub(crate) fn from_name(name: &str) -> Self {
        match name {
            "N" => Self::N,
            "B" => Self::B,
            _ => Self::S,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::S => "S",
            Self::N => "N",
            Self::B => "B",
        }
    }

    pub(crate) fn fits(self, value: &Value) -> bool {
        matches!(
            (self, value),
            (Self::S, Value::S(_)) | (Self::N, Value::N(_)) | (Self::B, Value::B(_))
        )
    }
}

#[derive(Debug, Clone)]
pub(crate) struct KeyAttribute {
    pub(crate) name: String,
    pub(crate) kind: Scalar,
}

#[derive(Debug, Clone)]
pub(crate) struct KeySchema {
    pub(crate) hash: KeyAttribute,
    pub(crate) range: Option<KeyAttribute>,
}

/// The parts of a key, each with the order of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ItemKey {
    /// Spreads partitions over the key space.
    spread: u32,
    hash: Vec<u8>,
    range: Vec<u8>,
}

/// Bytes with the order of the values; nothing for what cannot be a key.
fn ordered(value: &Value) -> Vec<u8> {
    match value {
        Value::S(text) => text.clone().into_bytes(),
        Value::N(number) => number.to_ordered(),
        Value::B(bytes) => bytes.to_vec(),
        _ => Vec::new(),
    }
}

fn hash_parts(value: &Value) -> (u32, Vec<u8>) {
    let bytes = ordered(value);
    let digest = blake3::hash(&bytes);
    let [a, b, c, d, ..] = *digest.as_bytes();
    let spread = u32::from_be_bytes([a, b, c, d]);
    let mut part = Vec::with_capacity(bytes.len().min(HASH_PART_BYTES_MAX) + 1);
    if bytes.len() <= HASH_PART_BYTES_MAX {
        part.push(1);
        part.extend_from_slice(&bytes);
    } else {
        part.push(2);
        part.extend_from_slice(digest.as_bytes());
    }
    (spread, part)
}

fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        out.push(*byte);
        if *byte == 0 {
            out.push(1);
        }
    }
}

/// A sort key with something behind it.
fn ended(range: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    escape(range, out);
    if out.len() - start > INDEX_RANGE_BYTES_MAX {
        out.truncate(start + INDEX_RANGE_BYTES_MAX - 100);
        out.extend_from_slice(&[0, 2]);
        out.extend(blake3::hash(range).as_bytes().iter().take(16));
    }
    out.extend_from_slice(&[0, 0]);
}

impl KeySchema {
    pub(crate) fn attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        std::iter::once(&self.hash).chain(&self.range)
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.attributes().map(|a| a.name.as_str()).collect()
    }

    /// The key of a whole item that is to be written.
    pub(crate) fn of_item(&self, item: &Item) -> Result<ItemKey, ServiceError> {
        for attribute in self.attributes() {
            let name = &attribute.name;
            let value = item
                .get(name)
                .ok_or_else(|| parameter(format!("Missing the key {name} in the item")))?;
            if !attribute.kind.fits(value) {
                return Err(parameter(format!(
                    "Type mismatch for key {name} expected: {} actual: {}",
                    attribute.kind.name(),
                    value.type_name()
                )));
            }
        }
        self.checked(item)
    }

    /// The key that a caller gave as such.
    pub(crate) fn of_key(&self, key: &Item) -> Result<ItemKey, ServiceError> {
        let fits = |a: &KeyAttribute| key.get(&a.name).is_some_and(|value| a.kind.fits(value));
        if key.len() != self.attributes().count() || !self.attributes().all(fits) {
            return Err(key_mismatch());
        }
        self.checked(key)
    }

    fn checked(&self, item: &Item) -> Result<ItemKey, ServiceError> {
        for attribute in self.attributes() {
            if let Some(value) = item.get(&attribute.name) {
                check_not_empty(&attribute.name, value)?;
            }
        }
        let length = |name: &String| item.get(name).map_or(0, |value| value.bytes());
        if length(&self.hash.name) > HASH_KEY_BYTES_MAX {
            return Err(parameter(
                "Size of hashkey has exceeded the maximum size limit of2048 bytes",
            ));
        }
        if self.range.as_ref().is_some_and(|r| length(&r.name) > RANGE_KEY_BYTES_MAX) {
            return Err(parameter(
                "Aggregated size of all range keys has exceeded the size limit of 1024 bytes",
            ));
        }
        self.get(item).ok_or_else(key_mismatch)
    }

    /// The key if the item has it, in the right types.
    pub(crate) fn get(&self, item: &Item) -> Option<ItemKey> {
        let get = |a: &KeyAttribute| item.get(&a.name).filter(|value| a.kind.fits(value));
        let range = match &self.range {
            Some(range) => ordered(get(range)?),
            None => Vec::new(),
        };
        let (spread, hash) = hash_parts(get(&self.hash)?);
        Some(ItemKey { spread, hash, range })
    }

    /// The attributes of the key.
    pub(crate) fn pick(&self, item: &Item) -> Item {
        let pick = |a: &KeyAttribute| Some((a.name.clone(), item.get(&a.name)?.clone()));
        self.attributes().filter_map(pick).collect()
    }
}

fn check_not_empty(name: &str, value: &Value) -> Result<(), ServiceError> {
    let kind = match value {
        Value::S(text) if text.is_empty() => "string",
        Value::B(bytes) if bytes.is_empty() => "binary",
        _ => return Ok(()),
    };
    Err(invalid(format!(
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty {kind} value. Key: {name}"
    )))
}

impl ItemKey {
    /// A hash of the partition key.
    pub(crate) fn spread(&self) -> u32 {
        self.spread
    }

    /// Where the item stands in its table.
    pub(crate) fn in_table(&self, table: u64) -> Bytes {
        let mut key = partition(table, self);
        key.extend_from_slice(&self.range);
        key.into()
    }

    /// Where an item stands in an index of this key, if `item` is its key in the table.
    pub(crate) fn in_index(&self, index: u64, global: bool, item: &Self) -> Bytes {
        let mut key = partition(index, self);
        ended(&self.range, &mut key);
        if global {
            let mut hasher = blake3::Hasher::new();
            hasher.update(&u64::try_from(item.hash.len()).unwrap_or(0).to_be_bytes());
            hasher.update(&item.hash);
            hasher.update(&item.range);
            key.extend(hasher.finalize().as_bytes().iter().take(16));
        } else if item.range.len() <= TAIL_BYTES_MAX {
            key.extend_from_slice(&item.range);
        } else {
            key.extend(item.range.iter().take(TAIL_BYTES_MAX));
            key.extend(blake3::hash(&item.range).as_bytes().iter().take(16));
        }
        key.into()
    }
}

fn partition(number: u64, key: &ItemKey) -> Vec<u8> {
    ITEMS.key(&(number, key.spread, key.hash.as_slice())).to_vec()
}

/// All rows of a table or index.
pub(crate) fn whole(number: u64) -> KeyRange {
    ITEMS.prefix(&(number,))
}

/// One of `total` parts of a table or index.
pub(crate) fn segment(number: u64, segment: u32, total: u32) -> KeyRange {
    let bound = |n: u32| (u64::from(n) << 32) / u64::from(total.max(1));
    let range = whole(number);
    let start = u32::try_from(bound(segment)).unwrap_or(u32::MAX);
    let range = range.from_key(ITEMS.key(&(number, start)));
    match u32::try_from(bound(segment.saturating_add(1))) {
        Ok(end) => range.before_key(ITEMS.key(&(number, end))),
        Err(_) => range,
    }
}

/// The values that a query asks for have to be of the types of the keys.
pub(crate) fn check_types(
    schema: &KeySchema,
    hash: &Value,
    range: Option<Vec<&Value>>,
) -> Result<(), ServiceError> {
    let mismatch = || parameter("Condition parameter type does not match schema type");
    if !schema.hash.kind.fits(hash) {
        return Err(mismatch());
    }
    check_not_empty(&schema.hash.name, hash)?;
    if let (Some(values), Some(attribute)) = (range, &schema.range)
        && !values.iter().all(|value| attribute.kind.fits(value))
    {
        return Err(mismatch());
    }
    Ok(())
}

/// The rows of one partition that a query asks for.
pub(crate) fn query(
    number: u64,
    is_index: bool,
    hash: &Value,
    condition: Option<&RangeCondition>,
) -> KeyRange {
    let (spread, hash) = hash_parts(hash);
    let prefix = ITEMS.key(&(number, spread, hash.as_slice())).to_vec();
    let all = KeyRange::prefix(prefix.clone());
    let Some(condition) = condition else {
        return all;
    };
    // All rows whose sort key is this one.
    let rows_of = |value: &Value| {
        let mut key = prefix.clone();
        if is_index {
            ended(&ordered(value), &mut key);
            KeyRange::prefix(key)
        } else {
            key.extend(ordered(value));
            let start = Bytes::from(key);
            KeyRange { start: start.clone(), end: None }.before_key(successor(&start))
        }
    };
    let from = |value: &Value| rows_of(value).start;
    let behind = |value: &Value| rows_of(value).end.or_else(|| all.end.clone());
    match condition {
        RangeCondition::Eq(value) => rows_of(value),
        RangeCondition::Lt(value) => all.clone().before_key(from(value)),
        RangeCondition::Le(value) => upto(all.clone(), behind(value)),
        RangeCondition::Gt(value) => match behind(value) {
            Some(start) => all.clone().from_key(start),
            None => KeyRange::between(prefix.clone(), prefix.clone()),
        },
        RangeCondition::Ge(value) => all.clone().from_key(from(value)),
        RangeCondition::Between(low, high) => upto(all.clone(), behind(high)).from_key(from(low)),
        RangeCondition::BeginsWith(value) => {
            let mut key = prefix.clone();
            let start = ordered(value);
            if is_index {
                escape(&start, &mut key);
            } else {
                key.extend(start);
            }
            KeyRange::prefix(key)
        }
    }
}

fn upto(range: KeyRange, end: Option<Bytes>) -> KeyRange {
    match end {
        Some(end) => range.before_key(end),
        None => range,
    }
}

/// The first key after `key`.
fn successor(key: &Bytes) -> Vec<u8> {
    let mut next = key.to_vec();
    next.push(0);
    next
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::value::Number;

    fn schema() -> KeySchema {
        let attribute = |name: &str, kind| KeyAttribute { name: name.to_owned(), kind };
        KeySchema { hash: attribute("p", Scalar::S), range: Some(attribute("s", Scalar::B)) }
    }

    fn item(p: &str, s: &[u8]) -> Item {
        let s = Value::B(Bytes::copy_from_slice(s));
        [("p".to_owned(), Value::S(p.to_owned())), ("s".to_owned(), s)].into()
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(vec![0u8, 1, 2, 7, 254, 255]), 1..6)
    }

    proptest! {
        #[test]
        fn queries_find_exactly_what_they_ask_for(
            p in "[ab]{1,2}", q in "[ab]{1,2}", s in bytes(), low in bytes(), high in bytes(), index in any::<bool>(),
        ) {
            let key = schema().get(&item(&p, &s)).unwrap();
            let stored = if index { key.in_index(7, true, &key) } else { key.in_table(7) };
            let value = |bytes: &[u8]| Value::B(Bytes::copy_from_slice(bytes));
            let same = p == q;
            for (condition, wanted) in [
                (None, true),
                (Some(RangeCondition::Eq(value(&low))), s == low),
                (Some(RangeCondition::Lt(value(&low))), s < low),
                (Some(RangeCondition::Le(value(&low))), s <= low),
                (Some(RangeCondition::Gt(value(&low))), s > low),
                (Some(RangeCondition::Ge(value(&low))), s >= low),
                (Some(RangeCondition::Between(value(&low), value(&high))), low <= s && s <= high),
                (Some(RangeCondition::BeginsWith(value(&low))), s.starts_with(&low)),
            ] {
                let range = query(7, index, &Value::S(q.clone()), condition.as_ref());
                prop_assert_eq!(range.contains(&stored), same && wanted, "{:?}", condition);
            }
        }

        #[test]
        fn every_item_is_in_one_segment(p in "[a-z]{1,9}", total in 1u32..40) {
            let stored = schema().get(&item(&p, b"x")).unwrap().in_table(9);
            let found = (0..total).filter(|n| segment(9, *n, total).contains(&stored)).count();
            prop_assert_eq!(found, 1);
        }
    }

    #[test]
    fn the_longest_keys_fit() {
        for fill in [0u8, b'x'] {
            let long = item(&"p".repeat(2048), &vec![fill; 1024]);
            let key = schema().get(&long).unwrap();
            for stored in
                [key.in_table(1), key.in_index(1, true, &key), key.in_index(1, false, &key)]
            {
                assert!(stored.len() <= undercast_store::KEY_BYTES_MAX, "{}", stored.len());
            }
        }
        let zero = Value::N(Number::ZERO);
        assert_eq!(ordered(&zero).len(), 1);
    }
}
