//! `application/vnd.amazon.eventstream`: events in frames, each with headers and checksums of its own.
//!
//! A frame is its length, the length of its headers and a checksum of both, then headers, payload and a
//! checksum of everything. What goes where is the model's word: members of an event are bound to headers
//! and payload as those of an answer are, and are written by the same writer.

use bytes::{BufMut, Bytes, BytesMut};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use undercast_smithy::{BodyError, Content, Event};

use crate::codec::json::JsonWriter;
use crate::http_binding::{BodyWriter, HttpWriter};

pub(crate) const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// The kind of a header's value: text.
const STRING: u8 = 7;
/// Two lengths and their checksum, and the checksum at the end.
const AROUND_BYTES: usize = 16;

/// Each event as a frame, as it comes.
pub(crate) fn encode(
    events: BoxStream<'static, Event>,
) -> BoxStream<'static, Result<Bytes, BodyError>> {
    events.map(|event| Ok(frame(&event))).boxed()
}

fn frame(event: &Event) -> Bytes {
    let mut writer = HttpWriter::new(200, BodyWriter::Json(JsonWriter::new()));
    event.write(&mut writer);
    let (reply, json) = writer.finish();
    let mut headers = vec![(":message-type", "event"), (":event-type", event.name)];
    let own = reply.headers.iter().filter(|(name, _)| *name != http::header::CONTENT_TYPE);
    headers.extend(own.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))));
    let plain = reply.headers.get(http::header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let (kind, payload) = match json {
        Some(json) => ("application/json", Bytes::from(json)),
        None => match reply.body.take() {
            Content::Bytes(bytes) => (plain.unwrap_or("application/octet-stream"), bytes),
            Content::Stream { .. } | Content::Events(_) => (CONTENT_TYPE, Bytes::new()),
        },
    };
    headers.push((":content-type", kind));
    message(&headers, &payload)
}

fn message(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let mut head = BytesMut::new();
    for (name, value) in headers {
        head.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
        head.put_slice(name.as_bytes());
        head.put_u8(STRING);
        head.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
        head.put_slice(value.as_bytes());
    }
    let total = AROUND_BYTES + head.len() + payload.len();
    let mut out = BytesMut::with_capacity(total);
    out.put_u32(u32::try_from(total).unwrap_or(u32::MAX));
    out.put_u32(u32::try_from(head.len()).unwrap_or(u32::MAX));
    out.put_u32(crc32fast::hash(&out));
    out.put_slice(&head);
    out.put_slice(payload);
    out.put_u32(crc32fast::hash(&out));
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_what_the_documentation_shows() {
        // Without headers and payload: the example of the format's own description.
        let empty = message(&[], b"");
        assert_eq!(hex::encode(&empty), "000000100000000005c248eb7d98c8ff");
        let one = message(&[("event-type", "x")], b"abc");
        assert_eq!(one.len(), 16 + 1 + 10 + 1 + 2 + 1 + 3);
        let (body, sum) = one.split_at(one.len() - 4);
        assert_eq!(crc32fast::hash(body).to_be_bytes(), sum);
    }
}
