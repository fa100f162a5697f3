//! Keys: tuples encoded so that the order of the bytes is the order of the tuples.
//!
//! Text and bytes are written as they are, `00` as `00 01`, ended by `00 00`; numbers are fixed-width and
//! big-endian (signed ones with the sign bit flipped). The encoding of a tuple begins with the encoding of
//! each shorter tuple, so a leading sub-tuple is a prefix of all the keys that it leads.
//!
//! A part that is too long is cut and ends in `00 02` and the BLAKE3 hash of the whole. Its place in
//! the order is then only right for its first bytes and it decodes to a cut text: the row carries the full key.
//! The same limit holds in every engine.

use bytes::Bytes;

use crate::error::Error;

/// The longest encoded key in any engine.
pub const KEY_BYTES_MAX: usize = 2048;
/// A part up to this long is kept as it is (an S3 key has up to 1,024 bytes).
const PART_BYTES_MAX: usize = 1100;
/// What a part may fill up to; beyond it parts are hashed, so that numbers still fit behind them.
const KEPT_BYTES_MAX: usize = 1980;
const CUT_BYTES: usize = 64;

const ENDED: u8 = 0;
const ESCAPED: u8 = 1;
const HASHED: u8 = 2;

/// The leading part of a key. Every [`Key`] is one; so are borrowed parts, which cannot be decoded.
pub trait KeyPrefix {
    fn encode(&self, out: &mut Vec<u8>);
}

pub trait Key: KeyPrefix + Sized {
    /// Takes the key off the front of `bytes`.
    fn decode(bytes: &mut &[u8]) -> Result<Self, Error>;
}

fn encode_bytes(part: &[u8], cut: usize, out: &mut Vec<u8>) {
    let zeroes = part.iter().filter(|byte| **byte == 0).count();
    let length = part.len() + zeroes + 2;
    if length <= PART_BYTES_MAX && out.len() + length <= KEPT_BYTES_MAX {
        escape(part, out);
        out.extend_from_slice(&[0, ENDED]);
    } else {
        escape(part.get(..cut).unwrap_or(part), out);
        out.extend_from_slice(&[0, HASHED]);
        out.extend_from_slice(blake3::hash(part).as_bytes());
    }
}

/// Appends `part` without its end: the prefix of all texts that begin with it.
pub(crate) fn escape(part: &[u8], out: &mut Vec<u8>) {
    for byte in part {
        out.push(*byte);
        if *byte == 0 {
            out.push(ESCAPED);
        }
    }
}

fn decode_bytes(bytes: &mut &[u8]) -> Result<(Vec<u8>, Option<[u8; 32]>), Error> {
    let mut part = Vec::new();
    loop {
        let byte = decode_array::<1>(bytes)?;
        if byte != [0] {
            part.extend_from_slice(&byte);
            continue;
        }
        match decode_array::<1>(bytes)? {
            [ENDED] => return Ok((part, None)),
            [ESCAPED] => part.push(0),
            [HASHED] => return Ok((part, Some(decode_array(bytes)?))),
            _ => return Err(Error::corrupt("a key has an unknown escape")),
        }
    }
}

fn decode_array<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Error> {
    let (head, tail) =
        bytes.split_first_chunk::<N>().ok_or_else(|| Error::corrupt("a key is too short"))?;
    *bytes = tail;
    Ok(*head)
}

impl KeyPrefix for str {
    fn encode(&self, out: &mut Vec<u8>) {
        let mut cut = CUT_BYTES.min(self.len());
        while !self.is_char_boundary(cut) {
            cut -= 1;
        }
        encode_bytes(self.as_bytes(), cut, out);
    }
}

impl KeyPrefix for String {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_str().encode(out);
    }
}

impl Key for String {
    fn decode(bytes: &mut &[u8]) -> Result<String, Error> {
        let (part, hash) = decode_bytes(bytes)?;
        let mut text = String::from_utf8(part).map_err(|_| Error::corrupt("a key is not text"))?;
        if let Some(hash) = hash {
            text.push('\u{fffd}');
            text.push_str(&hex::encode(hash));
        }
        Ok(text)
    }
}

impl KeyPrefix for [u8] {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_bytes(self, CUT_BYTES.min(self.len()), out);
    }
}

impl KeyPrefix for Vec<u8> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_slice().encode(out);
    }
}

impl Key for Vec<u8> {
    fn decode(bytes: &mut &[u8]) -> Result<Vec<u8>, Error> {
        let (mut part, hash) = decode_bytes(bytes)?;
        part.extend_from_slice(hash.as_ref().map_or(&[], |hash| hash.as_slice()));
        Ok(part)
    }
}

impl<T: KeyPrefix + ?Sized> KeyPrefix for &T {
    fn encode(&self, out: &mut Vec<u8>) {
        (**self).encode(out);
    }
}

macro_rules! unsigned {
    ($($int:ty)*) => {$(
        impl KeyPrefix for $int {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }
        }
        impl Key for $int {
            fn decode(bytes: &mut &[u8]) -> Result<$int, Error> {
                Ok(<$int>::from_be_bytes(decode_array(bytes)?))
            }
        }
    )*};
}
unsigned!(u8 u16 u32 u64 u128);

const SIGN: u64 = 1 << 63;

impl KeyPrefix for i64 {
    fn encode(&self, out: &mut Vec<u8>) {
        (self.cast_unsigned() ^ SIGN).encode(out);
    }
}

impl Key for i64 {
    fn decode(bytes: &mut &[u8]) -> Result<i64, Error> {
        Ok((u64::decode(bytes)? ^ SIGN).cast_signed())
    }
}

impl KeyPrefix for bool {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

impl Key for bool {
    fn decode(bytes: &mut &[u8]) -> Result<bool, Error> {
        Ok(u8::decode(bytes)? != 0)
    }
}

impl KeyPrefix for () {
    fn encode(&self, _: &mut Vec<u8>) {}
}

impl Key for () {
    fn decode(_: &mut &[u8]) -> Result<(), Error> {
        Ok(())
    }
}

macro_rules! tuple {
    ($($part:ident)+) => {
        impl<$($part: KeyPrefix),+> KeyPrefix for ($($part,)+) {
            #[expect(non_snake_case, reason = "the parts are named by their types")]
            fn encode(&self, out: &mut Vec<u8>) {
                let ($($part,)+) = self;
                $($part.encode(out);)+
            }
        }
        impl<$($part: Key),+> Key for ($($part,)+) {
            fn decode(bytes: &mut &[u8]) -> Result<Self, Error> {
                Ok(($($part::decode(bytes)?,)+))
            }
        }
    };
}
tuple!(A);
tuple!(A B);
tuple!(A B C);
tuple!(A B C D);
tuple!(A B C D E);
tuple!(A B C D E F);

/// Keys from `start` on, up to but without `end`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyRange {
    pub start: Bytes,
    /// `None`: to the end of the store.
    pub end: Option<Bytes>,
}

impl std::fmt::Debug for KeyRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}..{:?}", self.start, self.end)
    }
}

impl KeyRange {
    pub fn prefix(prefix: impl Into<Bytes>) -> KeyRange {
        let start = prefix.into();
        let end = after_prefix(&start);
        KeyRange { start, end }
    }

    pub fn between(from: impl Into<Bytes>, to: impl Into<Bytes>) -> KeyRange {
        KeyRange { start: from.into(), end: Some(to.into()) }
    }

    pub fn all() -> KeyRange {
        KeyRange { start: Bytes::new(), end: None }
    }

    /// The part of this range that begins with `start`.
    pub fn from_key(self, start: impl Into<Bytes>) -> KeyRange {
        KeyRange { start: self.start.max(start.into()), end: self.end }
    }

    /// The part of this range that comes after `key`.
    pub fn after_key(self, key: &[u8]) -> KeyRange {
        self.from_key(successor(key))
    }

    /// The part of this range that comes before `key`.
    pub fn before_key(self, key: impl Into<Bytes>) -> KeyRange {
        let key = key.into();
        let end = match self.end {
            Some(end) => end.min(key),
            None => key,
        };
        KeyRange { start: self.start, end: Some(end) }
    }

    pub fn contains(&self, key: &[u8]) -> bool {
        key >= self.start.as_ref() && self.end.as_ref().is_none_or(|end| key < end.as_ref())
    }

    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }
}

/// The first key after all the keys that begin with `prefix`.
fn after_prefix(prefix: &[u8]) -> Option<Bytes> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            return Some(end.into());
        }
    }
    None
}

/// The first key after `key`.
pub(crate) fn successor(key: &[u8]) -> Bytes {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(key: &impl KeyPrefix) -> Vec<u8> {
        let mut out = Vec::new();
        key.encode(&mut out);
        out
    }

    proptest! {
        #[test]
        fn order_is_kept_and_keys_come_back(
            a: (String, i64, Vec<u8>, u16), b: (String, i64, Vec<u8>, u16),
        ) {
            let (left, right) = (encoded(&a), encoded(&b));
            prop_assert_eq!(left.cmp(&right), a.cmp(&b));
            let mut rest = left.as_slice();
            prop_assert_eq!(<(String, i64, Vec<u8>, u16)>::decode(&mut rest).unwrap(), a);
            prop_assert!(rest.is_empty());
        }
    }

    #[test]
    fn zero_bytes_and_high_numbers_do_not_run_into_each_other() {
        for a in [&b""[..], b"\0", b"\0\xff", b"a", b"a\0", b"a\0\0", b"a\x01", b"\xff"] {
            for b in [0, 1, 0x00ff, 0xff00, u64::MAX] {
                let key = (a.to_vec(), b);
                assert_eq!(<(Vec<u8>, u64)>::decode(&mut encoded(&key).as_slice()).unwrap(), key);
            }
        }
    }

    #[test]
    fn a_leading_tuple_is_a_prefix_even_when_parts_are_hashed() {
        for length in [10, 500, 1000, 1099, 1200, 5000] {
            let key = ("é".repeat(length / 2), "b".repeat(900), 7u64);
            let whole = encoded(&key);
            assert!(whole.len() <= KEY_BYTES_MAX, "{}", whole.len());
            assert!(whole.starts_with(&encoded(&(key.0.as_str(),))));
            assert!(whole.starts_with(&encoded(&(key.0.as_str(), key.1.as_str()))));
            assert_eq!(<(String, String, u64)>::decode(&mut whole.as_slice()).unwrap().2, 7);
        }
    }

    #[test]
    fn prefix_ranges_end_after_the_last_key() {
        assert_eq!(KeyRange::prefix(&b"a\xff"[..]).end.unwrap(), &b"b"[..]);
        assert_eq!(KeyRange::prefix(&b"\xff\xff"[..]).end, None);
        assert!(KeyRange::prefix(&b"a"[..]).contains(b"a\xff\xff"));
    }
}
