//! Items as bytes in the store: a version, the size by AWS's rules, then tagged values with lengths in
//! variable-width form.

use std::collections::BTreeMap;

use bytes::Bytes;
use undercast_kernel::ServiceError;

use super::{DEPTH_MAX, Item, Number, Value, item_bytes};

const VERSION: u8 = 1;

/// Bytes in the store that are no item.
#[derive(Debug)]
pub struct Corrupt(String);

impl Corrupt {
    fn new(what: impl std::fmt::Display) -> Self {
        Self(what.to_string())
    }
}

impl std::fmt::Display for Corrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Corrupt {}

impl From<Corrupt> for ServiceError {
    fn from(corrupt: Corrupt) -> Self {
        Self::internal(corrupt)
    }
}

pub fn encode(item: &Item) -> Bytes {
    let size = item_bytes(item);
    let mut out = Vec::with_capacity(size + size / 4 + 16);
    out.push(VERSION);
    put_length(size, &mut out);
    put_map(item, &mut out);
    out.into()
}

/// The size by AWS's rules, without reading the item.
pub fn size(bytes: &Bytes) -> Result<usize, Corrupt> {
    Reader::new(bytes).map(|(_, size)| size)
}

fn put_length(length: usize, out: &mut Vec<u8>) {
    put_varint(length as u128, out);
}

fn put_varint(mut value: u128, out: &mut Vec<u8>) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_length(bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn put_number(number: &Number, out: &mut Vec<u8>) {
    let (negative, coefficient, exponent) = number.parts();
    let exponent = i16::try_from(exponent).unwrap_or_default();
    out.push(u8::from(negative));
    out.extend_from_slice(&exponent.to_be_bytes());
    put_varint(coefficient, out);
}

fn put_map(map: &Item, out: &mut Vec<u8>) {
    put_length(map.len(), out);
    for (name, value) in map {
        put_bytes(name.as_bytes(), out);
        put_value(value, out);
    }
}

fn put_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::S(text) => {
            out.push(0);
            put_bytes(text.as_bytes(), out);
        }
        Value::N(number) => {
            out.push(1);
            put_number(number, out);
        }
        Value::B(bytes) => {
            out.push(2);
            put_bytes(bytes, out);
        }
        Value::Ss(set) => {
            out.push(3);
            put_length(set.len(), out);
            set.iter().for_each(|text| put_bytes(text.as_bytes(), out));
        }
        Value::Ns(set) => {
            out.push(4);
            put_length(set.len(), out);
            set.iter().for_each(|number| put_number(number, out));
        }
        Value::Bs(set) => {
            out.push(5);
            put_length(set.len(), out);
            set.iter().for_each(|bytes| put_bytes(bytes, out));
        }
        Value::M(map) => {
            out.push(6);
            put_map(map, out);
        }
        Value::L(list) => {
            out.push(7);
            put_length(list.len(), out);
            list.iter().for_each(|value| put_value(value, out));
        }
        Value::Null => out.push(8),
        Value::Bool(value) => out.push(9 + u8::from(*value)),
    }
}

pub fn decode(bytes: &Bytes) -> Result<Item, Corrupt> {
    let (mut reader, _) = Reader::new(bytes)?;
    reader.map(0)
}

struct Reader {
    bytes: Bytes,
}

impl Reader {
    /// Stands behind the head of an item, which tells its size.
    fn new(bytes: &Bytes) -> Result<(Self, usize), Corrupt> {
        let mut reader = Self { bytes: bytes.clone() };
        match reader.byte()? {
            VERSION => {
                let size = reader.varint()?;
                Ok((reader, usize::try_from(size).unwrap_or(usize::MAX)))
            }
            version => Err(Corrupt::new(format!("an item of version {version} is unknown here"))),
        }
    }

    fn byte(&mut self) -> Result<u8, Corrupt> {
        Ok(self.take(1)?.first().copied().unwrap_or_default())
    }

    fn take(&mut self, length: usize) -> Result<Bytes, Corrupt> {
        if length > self.bytes.len() {
            return Err(Corrupt::new("an item is cut off"));
        }
        Ok(self.bytes.split_to(length))
    }

    fn varint(&mut self) -> Result<u128, Corrupt> {
        let mut value = 0u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            value |= u128::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Corrupt::new("a number in an item does not end"))
    }

    fn length(&mut self) -> Result<usize, Corrupt> {
        let length = self.varint()?;
        usize::try_from(length)
            .ok()
            .filter(|length| *length <= self.bytes.len())
            .ok_or_else(|| Corrupt::new("a length in an item is too large"))
    }

    fn blob(&mut self) -> Result<Bytes, Corrupt> {
        let length = self.length()?;
        self.take(length)
    }

    fn text(&mut self) -> Result<String, Corrupt> {
        let bytes = self.blob()?;
        let text = std::str::from_utf8(&bytes).map_err(Corrupt::new)?;
        Ok(text.to_owned())
    }

    fn number(&mut self) -> Result<Number, Corrupt> {
        let negative = self.byte()? != 0;
        let exponent = self.take(2)?;
        let exponent = match exponent.as_ref() {
            [high, low] => i16::from_be_bytes([*high, *low]),
            _ => 0,
        };
        let coefficient = self.varint()?;
        Ok(Number::from_parts(negative, coefficient, exponent.into()))
    }

    fn map(&mut self, depth: usize) -> Result<Item, Corrupt> {
        let mut map = BTreeMap::new();
        for _ in 0..self.length()? {
            let name = self.text()?;
            map.insert(name, self.value(depth + 1)?);
        }
        Ok(map)
    }

    fn set<T: Ord>(
        &mut self,
        read: impl Fn(&mut Self) -> Result<T, Corrupt>,
    ) -> Result<std::collections::BTreeSet<T>, Corrupt> {
        (0..self.length()?).map(|_| read(self)).collect()
    }

    fn value(&mut self, depth: usize) -> Result<Value, Corrupt> {
        if depth > DEPTH_MAX + 2 {
            return Err(Corrupt::new("an item is too deep"));
        }
        Ok(match self.byte()? {
            0 => Value::S(self.text()?),
            1 => Value::N(self.number()?),
            2 => Value::B(self.blob()?),
            3 => Value::Ss(self.set(Self::text)?),
            4 => Value::Ns(self.set(Self::number)?),
            5 => Value::Bs(self.set(Self::blob)?),
            6 => Value::M(self.map(depth)?),
            7 => {
                let length = self.length()?;
                Value::L((0..length).map(|_| self.value(depth + 1)).collect::<Result<_, _>>()?)
            }
            8 => Value::Null,
            9 => Value::Bool(false),
            10 => Value::Bool(true),
            tag => return Err(Corrupt::new(format!("an item has a value of type {tag}"))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_survive_a_round_trip() {
        let number = |text| Number::parse(text).unwrap();
        let inner =
            Value::M([("deep".to_owned(), Value::L(vec![Value::Null, Value::Bool(true)]))].into());
        let item: Item = [
            ("s", Value::S("text ü".to_owned())),
            ("n", Value::N(number("-12345678901234567890123456789012345678e-99"))),
            ("b", Value::B(Bytes::from_static(&[0, 255]))),
            ("ss", Value::Ss(["a".to_owned(), String::new()].into())),
            ("ns", Value::Ns([number("1"), number("0")].into())),
            ("bs", Value::Bs([Bytes::from_static(b"x")].into())),
            ("m", inner),
            ("f", Value::Bool(false)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let bytes = encode(&item);
        assert_eq!(decode(&bytes).unwrap(), item);
        assert_eq!(size(&bytes).unwrap(), item_bytes(&item));
        for end in 0..bytes.len() {
            assert!(decode(&bytes.slice(..end)).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn the_stored_form_does_not_change() {
        let item: Item = [
            ("a".to_owned(), Value::S("x".to_owned())),
            ("b".to_owned(), Value::N(Number::parse("-1.5").unwrap())),
            ("c".to_owned(), Value::L(vec![Value::Bool(true), Value::Null])),
        ]
        .into();
        let golden: &[u8] =
            &[1, 14, 3, 1, b'a', 0, 1, b'x', 1, b'b', 1, 1, 0xff, 0xff, 15, 1, b'c', 7, 2, 10, 8];
        assert_eq!(encode(&item).as_ref(), golden);
    }
}
