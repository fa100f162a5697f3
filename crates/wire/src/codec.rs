//! The formats: each implements smithy's `ShapeReader` and `ShapeWriter` once, for all shapes.

pub mod cbor;
pub mod json;
pub mod query;
pub mod raw;
pub mod text;
pub mod xml;

/// How deeply values may nest in any format. DynamoDB's 32 levels are two of JSON's each, below those
/// of a batch or a transaction.
pub const DEPTH_MAX: usize = 96;

/// Fills a `ShapeReader` with methods that refuse: for readers that can only stand at some kinds.
macro_rules! refuse {
    ($($method:ident)*) => { $($crate::codec::refuse_one!($method);)* };
}

macro_rules! refuse_one {
    (structure) => {
        fn structure(
            &mut self,
            schema: &'static undercast_smithy::Schema,
            _: undercast_smithy::shape::OnMember<'_>,
        ) -> Result<(), undercast_smithy::ReadError> {
            Err($crate::codec::refused(schema.name))
        }
    };
    (list) => {
        fn list(
            &mut self,
            schema: &'static undercast_smithy::Schema,
            _: undercast_smithy::shape::OnElement<'_>,
        ) -> Result<(), undercast_smithy::ReadError> {
            Err($crate::codec::refused(schema.name))
        }
    };
    (map) => {
        fn map(
            &mut self,
            schema: &'static undercast_smithy::Schema,
            _: undercast_smithy::shape::OnEntry<'_>,
        ) -> Result<(), undercast_smithy::ReadError> {
            Err($crate::codec::refused(schema.name))
        }
    };
    (boolean) => {
        fn boolean(&mut self) -> Result<bool, undercast_smithy::ReadError> {
            Err($crate::codec::refused("a boolean"))
        }
    };
    (integer) => {
        fn integer(&mut self) -> Result<i64, undercast_smithy::ReadError> {
            Err($crate::codec::refused("an integer"))
        }
    };
    (float) => {
        fn float(&mut self) -> Result<f64, undercast_smithy::ReadError> {
            Err($crate::codec::refused("a number"))
        }
    };
    (string) => {
        fn string(&mut self) -> Result<String, undercast_smithy::ReadError> {
            Err($crate::codec::refused("a string"))
        }
    };
    (blob) => {
        fn blob(&mut self) -> Result<bytes::Bytes, undercast_smithy::ReadError> {
            Err($crate::codec::refused("a blob"))
        }
    };
    (timestamp) => {
        fn timestamp(
            &mut self,
            _: &'static undercast_smithy::Member,
        ) -> Result<undercast_smithy::Timestamp, undercast_smithy::ReadError> {
            Err($crate::codec::refused("a timestamp"))
        }
    };
    (document) => {
        fn document(&mut self) -> Result<undercast_smithy::Document, undercast_smithy::ReadError> {
            Err($crate::codec::refused("a document"))
        }
    };
    (stream) => {
        fn stream(&mut self) -> Result<undercast_smithy::Body, undercast_smithy::ReadError> {
            Err($crate::codec::refused("a stream"))
        }
    };
    (is_null) => {
        fn is_null(&mut self) -> bool {
            false
        }
    };
}
pub(crate) use {refuse, refuse_one};

pub(crate) fn refused(what: &str) -> undercast_smithy::ReadError {
    undercast_smithy::ReadError::Kind(format!("{what} cannot be read here"))
}

/// `NaN`, `Infinity` and `-Infinity` by name, everything else as the shortest decimal that reads back.
pub(crate) fn float_text(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
    } else {
        format!("{value:?}")
    }
}

/// The reverse of [`float_text`].
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        // Rust also reads `inf` and `nan`, which are no numbers on any wire.
        _ if text
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E')) =>
        {
            text.parse().ok()
        }
        _ => None,
    }
}
