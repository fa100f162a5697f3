//! Between the wire's attribute values and ours, with AWS's checks.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use undercast_kernel::ServiceError;
use undercast_smithy::Blob;

use super::{DEPTH_MAX, Item, Number, Value};
use crate::api::dynamodb::shapes::AttributeValue;
use crate::error::{invalid, parameter};

pub fn item_from_wire(item: BTreeMap<String, AttributeValue>) -> Result<Item, ServiceError> {
    map_from_wire(item, 0)
}

pub fn from_wire(value: AttributeValue) -> Result<Value, ServiceError> {
    read(value, 0)
}

fn map_from_wire(
    map: BTreeMap<String, AttributeValue>,
    depth: usize,
) -> Result<Item, ServiceError> {
    map.into_iter().map(|(name, value)| Ok((name, read(value, depth)?))).collect()
}

fn count(value: &AttributeValue) -> usize {
    [
        value.s.is_some(),
        value.n.is_some(),
        value.b.is_some(),
        value.ss.is_some(),
        value.ns.is_some(),
        value.bs.is_some(),
        value.m.is_some(),
        value.l.is_some(),
        value.null.is_some(),
        value.bool.is_some(),
    ]
    .into_iter()
    .map(usize::from)
    .sum()
}

fn read(value: AttributeValue, depth: usize) -> Result<Value, ServiceError> {
    match count(&value) {
        1 => {}
        0 => {
            return Err(invalid(
                "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
            ));
        }
        _ => {
            return Err(invalid(
                "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
            ));
        }
    }
    if let Some(text) = value.s {
        return Ok(Value::S(text));
    }
    if let Some(text) = value.n {
        return number(&text).map(Value::N);
    }
    if let Some(bytes) = value.b {
        return Ok(Value::B(bytes.0));
    }
    if let Some(value) = value.bool {
        return Ok(Value::Bool(value));
    }
    if let Some(true) = value.null {
        return Ok(Value::Null);
    }
    if value.null.is_some() {
        return Err(parameter("Null attribute value types must have the value of true"));
    }
    if (value.m.is_some() || value.l.is_some()) && depth >= DEPTH_MAX {
        return Err(invalid("Nesting Levels have exceeded supported limits"));
    }
    if let Some(map) = value.m {
        return map_from_wire(map, depth + 1).map(Value::M);
    }
    if let Some(list) = value.l {
        let list = list.into_iter().map(|value| read(value, depth + 1));
        return Ok(Value::L(list.collect::<Result<_, _>>()?));
    }
    read_set(value)
}

fn read_set(value: AttributeValue) -> Result<Value, ServiceError> {
    if let Some(texts) = value.ss {
        if texts.is_empty() {
            return Err(parameter("An string set  may not be empty"));
        }
        let shown = texts.join(", ");
        let set = distinct(texts, || format!("Input collection [{shown}] contains duplicates."))?;
        return Ok(Value::Ss(set));
    }
    if let Some(texts) = value.ns {
        if texts.is_empty() {
            return Err(parameter("An number set  may not be empty"));
        }
        let numbers = texts.iter().map(|text| number(text));
        let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
        let set = distinct(numbers, || "Input collection contains duplicates".to_owned())?;
        return Ok(Value::Ns(set));
    }
    let blobs: Vec<Bytes> = value.bs.unwrap_or_default().into_iter().map(|b| b.0).collect();
    if blobs.is_empty() {
        return Err(parameter("Binary sets should not be empty"));
    }
    let shown = blobs.iter().map(|bytes| base64(bytes)).collect::<Vec<_>>().join(", ");
    let set =
        distinct(blobs, || format!("Input collection [{shown}]of type BS contains duplicates."))?;
    Ok(Value::Bs(set))
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn distinct<T: Ord>(
    values: Vec<T>,
    message: impl FnOnce() -> String,
) -> Result<BTreeSet<T>, ServiceError> {
    let length = values.len();
    let set: BTreeSet<T> = values.into_iter().collect();
    if set.len() < length {
        return Err(parameter(message()));
    }
    Ok(set)
}

fn number(text: &str) -> Result<Number, ServiceError> {
    Number::parse(text).map_err(|error| invalid(error.message()))
}

pub fn item_to_wire(item: Item) -> BTreeMap<String, AttributeValue> {
    item.into_iter().map(|(name, value)| (name, to_wire(value))).collect()
}

/// The same for the two shapes that are alike, of tables and of streams.
macro_rules! to_wire {
    ($name:ident, $shape:ty) => {
        pub fn $name(value: Value) -> $shape {
            let map = |map: Item| map.into_iter().map(|(name, value)| (name, $name(value)));
            let mut wire = <$shape>::default();
            match value {
                Value::S(text) => wire.s = Some(text),
                Value::N(number) => wire.n = Some(number.to_string()),
                Value::B(bytes) => wire.b = Some(Blob(bytes)),
                Value::Ss(set) => wire.ss = Some(set.into_iter().collect()),
                Value::Ns(set) => wire.ns = Some(set.iter().map(Number::to_string).collect()),
                Value::Bs(set) => wire.bs = Some(set.into_iter().map(Blob).collect()),
                Value::M(inner) => wire.m = Some(map(inner).collect()),
                Value::L(list) => wire.l = Some(list.into_iter().map($name).collect()),
                Value::Null => wire.null = Some(true),
                Value::Bool(value) => wire.bool = Some(value),
            }
            wire
        }
    };
}

to_wire!(to_wire, AttributeValue);
to_wire!(to_stream_wire, crate::api::dynamodbstreams::shapes::AttributeValue);
