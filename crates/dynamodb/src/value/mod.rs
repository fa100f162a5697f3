//! Attribute values as this crate works with them: of exactly one type, numbers normalized, sets as sets.

pub mod codec;
pub mod number;
mod wire;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

pub use number::Number;
pub use wire::{from_wire, item_from_wire, item_to_wire, to_stream_wire, to_wire};

pub type Item = BTreeMap<String, Value>;

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    S(String),
    N(Number),
    B(Bytes),
    Ss(BTreeSet<String>),
    Ns(BTreeSet<Number>),
    Bs(BTreeSet<Bytes>),
    M(Item),
    L(Vec<Value>),
    Null,
    Bool(bool),
}

/// Maps and lists within each other; the item itself is none.
pub const DEPTH_MAX: usize = 32;

impl Value {
    /// `S`, `NS`, ….
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::S(_) => "S",
            Self::N(_) => "N",
            Self::B(_) => "B",
            Self::Ss(_) => "SS",
            Self::Ns(_) => "NS",
            Self::Bs(_) => "BS",
            Self::M(_) => "M",
            Self::L(_) => "L",
            Self::Null => "NULL",
            Self::Bool(_) => "BOOL",
        }
    }

    /// The long form of the type, which update expressions' errors use.
    pub fn long_type_name(&self) -> &'static str {
        match self {
            Self::S(_) => "STRING",
            Self::N(_) => "NUMBER",
            Self::B(_) => "BINARY",
            Self::Ss(_) => "STRING_SET",
            Self::Ns(_) => "NUMBER_SET",
            Self::Bs(_) => "BINARY_SET",
            Self::M(_) => "MAP",
            Self::L(_) => "LIST",
            Self::Null => "NULL",
            Self::Bool(_) => "BOOLEAN",
        }
    }

    /// What it adds to the size of an item.
    pub fn bytes(&self) -> usize {
        match self {
            Self::S(text) => text.len(),
            Self::N(number) => number.bytes(),
            Self::B(bytes) => bytes.len(),
            Self::Ss(set) => set.iter().map(String::len).sum(),
            Self::Ns(set) => set.iter().map(Number::bytes).sum(),
            Self::Bs(set) => set.iter().map(Bytes::len).sum(),
            Self::M(map) => 3 + map.len() + item_bytes(map),
            Self::L(list) => 3 + list.len() + list.iter().map(Self::bytes).sum::<usize>(),
            Self::Null | Self::Bool(_) => 1,
        }
    }
}

/// Whether maps and lists are nested deeper than AWS allows.
pub fn is_too_deep(item: &Item) -> bool {
    fn depth(value: &Value) -> usize {
        match value {
            Value::M(map) => 1 + map.values().map(depth).max().unwrap_or(0),
            Value::L(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
            _ => 0,
        }
    }
    item.values().any(|value| depth(value) > DEPTH_MAX)
}

/// The size of an item by AWS's rules.
pub fn item_bytes(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value.bytes()).sum()
}
