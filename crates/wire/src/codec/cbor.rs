//! CBOR as RPC v2 carries it (RFC 8949): definite and indefinite lengths, floats of three sizes, timestamps
//! under tag 1.

mod reader;
mod writer;

pub use reader::CborReader;
pub use writer::CborWriter;

/// The kinds of what an initial byte begins.
mod major {
    pub(super) const UNSIGNED: u8 = 0;
    pub(super) const NEGATIVE: u8 = 1;
    pub(super) const BYTES: u8 = 2;
    pub(super) const TEXT: u8 = 3;
    pub(super) const LIST: u8 = 4;
    pub(super) const MAP: u8 = 5;
    pub(super) const TAG: u8 = 6;
    pub(super) const SIMPLE: u8 = 7;
}

const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;
const UNDEFINED: u8 = 0xf7;
const HALF: u8 = 0xf9;
const SINGLE: u8 = 0xfa;
const DOUBLE: u8 = 0xfb;
/// Ends what is of indefinite length.
const BREAK: u8 = 0xff;
/// The additional information of what is of indefinite length.
const INDEFINITE: u8 = 31;
const TAG_EPOCH: u64 = 1;

#[cfg(test)]
mod tests {
    use undercast_smithy::schema::prelude::TIMESTAMP;
    use undercast_smithy::{Document, Kind, Member, Schema, ShapeReader, ShapeWriter, Timestamp};

    use super::*;

    static AT: Member = Member::new("At", &TIMESTAMP);

    fn value(bytes: &[u8]) -> Result<Document, undercast_smithy::ReadError> {
        CborReader::new(bytes).document()
    }

    #[test]
    fn numbers_of_every_size_are_read() {
        for (bytes, wanted) in [
            (&[0x17][..], 23.0),
            (&[0x18, 0xff], 255.0),
            (&[0x39, 0x01, 0x00], -257.0),
            (&[0xf9, 0x3c, 0x00], 1.0),
            (&[0xf9, 0xc0, 0x00], -2.0),
            (&[0xf9, 0x00, 0x01], 5.960_464_477_539_063e-8),
            (&[0xfa, 0x3f, 0xc0, 0, 0], 1.5),
            (&[0xfb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0], 1.5),
        ] {
            assert_eq!(CborReader::new(bytes).float().unwrap(), wanted, "{bytes:?}");
        }
        assert!(CborReader::new(&[0xf9, 0x7e, 0]).float().unwrap().is_nan());
        assert_eq!(CborReader::new(&[0xf9, 0x7c, 0]).float().unwrap(), f64::INFINITY);
    }

    #[test]
    fn indefinite_lengths_are_read() {
        let bytes = [
            0xbf, 0x61, b'a', 0x9f, 1, 2, 0xff, 0x61, b'b', 0x7f, 0x61, b'x', 0x61, b'y', 0xff,
            0xff,
        ];
        assert_eq!(value(&bytes).unwrap(), serde_json::json!({"a": [1, 2], "b": "xy"}));
    }

    #[test]
    fn timestamps_keep_their_milliseconds() {
        for millis in [0, 1_795_507_200_040, -1] {
            let mut writer = CborWriter::new();
            writer.timestamp(&AT, Timestamp::from_millis(millis));
            let bytes = writer.finish();
            assert_eq!(CborReader::new(&bytes).timestamp(&AT).unwrap().millis(), millis);
        }
    }

    #[test]
    fn what_is_cut_or_too_deep_or_too_long_is_refused() {
        for bytes in [
            &[0x61][..],
            &[0x82, 1],
            &[0xbf, 0x61, b'a'],
            &[0x1c],
            &[0x5b, 255, 255, 255, 255, 255, 255, 255, 255],
        ] {
            assert!(value(bytes).is_err(), "{bytes:?}");
        }
        assert!(value(&[0x81; 200]).is_err());
        assert!(value(&[0xc1; 20_000]).is_err());
        static EMPTY: Schema = Schema::new("Empty", Kind::Structure(&[]));
        assert!(CborReader::new(&[0x80]).structure(&EMPTY, &mut |_, _| Ok(())).is_err());
    }
}
