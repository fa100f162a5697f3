//! No input whatsoever may make a reader panic, and what a writer writes is read back.

use bytes::Bytes;
use proptest::prelude::*;
use undercast_smithy::{Shape, Timestamp, read_shape, write_shape};
use undercast_wire::chunked::Decoder;
use undercast_wire::codec::cbor::{CborReader, CborWriter};
use undercast_wire::codec::json::{JsonReader, JsonWriter};
use undercast_wire::codec::query::{QueryReader, parse_pairs};
use undercast_wire::codec::xml::{XmlReader, XmlWriter, parse};

use crate::service::Message;

fn message() -> impl Strategy<Value = Message> {
    let text = "\\PC*";
    let entries = proptest::collection::btree_map(text, text, 0..4);
    let names = proptest::collection::vec(text, 0..4);
    let time = (-62_000_000_000_000i64..200_000_000_000_000).prop_map(Timestamp::from_millis);
    (
        text,
        proptest::option::of(entries),
        proptest::option::of(names),
        any::<Vec<u8>>(),
        time,
        any::<i64>(),
    )
        .prop_map(|(body, attributes, names, blob, at, number)| Message {
            queue_url: Some("u".into()),
            body: Some(body),
            attributes: attributes.filter(|a| !a.is_empty()),
            names: names.filter(|n| !n.is_empty()),
            blob: Some(blob.into()),
            at: Some(at),
            number: Some(number),
        })
}

proptest! {
    #[test]
    fn json_is_read_back(message in message()) {
        let mut writer = JsonWriter::new();
        write_shape(&message, &mut writer);
        let bytes = writer.finish();
        serde_json::from_slice::<serde_json::Value>(&bytes).unwrap();
        let read: Message = read_shape(&mut JsonReader::new(&bytes).unwrap()).unwrap();
        prop_assert_eq!(read, message);
    }

    #[test]
    fn cbor_is_read_back(message in message()) {
        let mut writer = CborWriter::new();
        write_shape(&message, &mut writer);
        let bytes = writer.finish();
        let read: Message = read_shape(&mut CborReader::new(&bytes)).unwrap();
        prop_assert_eq!(read, message);
    }

    #[test]
    fn anything_is_cbor_or_an_error(mut bytes in any::<Vec<u8>>(), first in 0u8..4) {
        // Most begin as a map, so that more than the first byte is looked at.
        if let (1.., Some(byte)) = (first, bytes.first_mut()) {
            *byte = 0xa0 | (*byte & 0x1f);
        }
        let _ = read_shape::<Message>(&mut CborReader::new(&bytes));
    }

    #[test]
    fn xml_is_read_back(message in message()) {
        let mut writer = XmlWriter::new();
        // The query names would apply on both sides only in query.
        let message = Message { attributes: None, names: None, ..message };
        writer.root(Some("Root"), None);
        write_shape(&message, &mut writer);
        let text = writer.finish();
        let root = parse(&text).unwrap();
        let read: Message = read_shape(&mut XmlReader::new(&root)).unwrap();
        prop_assert_eq!(read, message);
    }

    #[test]
    fn anything_is_json_or_an_error(text in "[\\[\\]{}:,\"\\\\a-z0-9.eE+ntu -]{0,60}") {
        if let Ok(mut reader) = JsonReader::new(text.as_bytes()) {
            let _ = read_shape::<Message>(&mut reader);
        }
    }

    #[test]
    fn anything_is_xml_or_an_error(text in "[<>/&;!\\[\\]?\"'=a-cA #x1-]{0,60}") {
        if let Ok(root) = parse(&text) {
            let _ = read_shape::<Message>(&mut XmlReader::new(&root));
        }
    }

    #[test]
    fn anything_is_a_form_or_an_error(text in "[A-Za-z.=&%+0-9]{0,60}") {
        let mut pairs = parse_pairs(&text).unwrap();
        let _ = read_shape::<Message>(&mut QueryReader::new(&mut pairs));
    }

    #[test]
    fn anything_is_chunks_or_an_error(text in "[0-9a-f;:=\r\n]{0,60}", step in 1usize..9) {
        let mut decoder = Decoder::new(None, None, &Default::default());
        'all: for piece in text.as_bytes().chunks(step) {
            decoder.push(Bytes::copy_from_slice(piece));
            loop {
                match decoder.next_data() {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => break 'all,
                }
            }
        }
        let _ = decoder.end();
    }
}

#[test]
fn schemas_are_what_the_tests_think() {
    assert_eq!(Message::SCHEMA.members().len(), 7);
}
