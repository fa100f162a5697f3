//! A message: what a caller may send, its checksums, its receipt handle.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use md5::{Digest, Md5};
use undercast_kernel::ServiceError;

use crate::error::{handle as bad_handle, missing, not_of_this_kind, parameter};
use crate::limits::{ATTRIBUTES_MAX, DELAY_S_MAX, TOKEN_CHARS_MAX};
use crate::store::{AttributeRow, QueueRow};

/// A message that has been checked.
#[derive(Debug, Clone)]
pub(crate) struct NewMessage {
    pub(crate) body: String,
    pub(crate) attributes: BTreeMap<String, AttributeRow>,
    pub(crate) trace: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) deduplication: Option<String>,
    pub(crate) delay_s: Option<i64>,
    pub(crate) sender: String,
}

impl NewMessage {
    /// What counts against the size limits.
    pub(crate) fn bytes(&self) -> usize {
        let attribute = |(name, value): (&String, &AttributeRow)| {
            let text = value.text.as_ref().map_or(0, String::len);
            name.len() + value.kind.len() + text + value.bytes.as_ref().map_or(0, bytes::Bytes::len)
        };
        self.body.len() + self.attributes.iter().map(attribute).sum::<usize>()
    }

    pub(crate) fn check(&self, queue: &QueueRow) -> Result<(), ServiceError> {
        let bytes_max = queue.message_bytes_max();
        if self.body.is_empty() {
            return Err(crate::error::missing("MessageBody"));
        }
        if i64::try_from(self.bytes()).unwrap_or(i64::MAX) > bytes_max {
            return Err(parameter(format!(
                "One or more parameters are invalid. Reason: Message must be shorter than {bytes_max} bytes."
            )));
        }
        if let Some(c) = self.body.chars().find(|c| !allowed(*c)) {
            return Err(ServiceError::new(
                "InvalidMessageContents",
                format!(
                    "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF (found #x{:X})",
                    u32::from(c)
                ),
            ));
        }
        if let Some(delay) = self.delay_s.filter(|d| !(0..=DELAY_S_MAX).contains(d)) {
            return Err(parameter(format!(
                "Value {delay} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= {DELAY_S_MAX}."
            )));
        }
        if self.attributes.len() > ATTRIBUTES_MAX {
            return Err(parameter(format!(
                "Number of message attributes [{}] exceeds the allowed maximum [{ATTRIBUTES_MAX}].",
                self.attributes.len()
            )));
        }
        self.attributes.iter().try_for_each(check_attribute)?;
        self.check_kind(queue)
    }

    /// What queues of one kind have and those of the other do not.
    fn check_kind(&self, queue: &QueueRow) -> Result<(), ServiceError> {
        if let Some(group) = &self.group {
            check_token("MessageGroupId", group)?;
        }
        if let Some(id) = &self.deduplication {
            check_token("MessageDeduplicationId", id)?;
        }
        if !queue.is_fifo() {
            return match &self.deduplication {
                Some(id) => Err(not_of_this_kind(id, "MessageDeduplicationId")),
                None => Ok(()),
            };
        }
        if self.group.is_none() {
            return Err(missing("MessageGroupId"));
        }
        if let Some(delay) = self.delay_s.filter(|delay| *delay != 0) {
            return Err(not_of_this_kind(delay, "DelaySeconds"));
        }
        if self.deduplication.is_none() && !queue.is_deduplicated_by_content() {
            return Err(parameter(
                "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
            ));
        }
        Ok(())
    }
}

/// The form of the ids by which FIFO queues know groups, messages and attempts.
pub(crate) fn check_token(name: &str, value: &str) -> Result<(), ServiceError> {
    let is_valid =
        (1..=TOKEN_CHARS_MAX).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_graphic());
    if is_valid {
        return Ok(());
    }
    Err(parameter(format!(
        "Value {value} for parameter {name} is invalid. Reason: {name} can only include alphanumeric and punctuation characters. 1 to 128 in length."
    )))
}

/// A sequence number as it is shown: always of 20 digits.
pub(crate) fn shown_sequence(sequence: u64) -> String {
    format!("1{sequence:019}")
}

fn allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

fn check_attribute((name, value): (&String, &AttributeRow)) -> Result<(), ServiceError> {
    let base = value.kind.split('.').next().unwrap_or_default();
    let reserved = name.to_ascii_lowercase();
    if reserved.starts_with("aws.") || reserved.starts_with("amazon.") {
        return Err(parameter(format!(
            "Message (user) attribute name '{name}' can not start with reserved prefix."
        )));
    }
    let valid_name = name.len() <= 256
        && !name.is_empty()
        && !name.starts_with('.')
        && !name.ends_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if !valid_name {
        return Err(parameter(format!("Invalid attribute name: {name}")));
    }
    match base {
        "String" | "Number" => match &value.text {
            Some(text) if !text.is_empty() => {
                if base == "Number" && text.parse::<f64>().is_err() {
                    return Err(parameter(format!(
                        "Can't cast the value of message (user) attribute '{name}' to a number."
                    )));
                }
                Ok(())
            }
            _ => Err(parameter(format!(
                "Message (user) attribute '{name}' must contain a non-empty value of type '{base}'."
            ))),
        },
        "Binary" => match &value.bytes {
            Some(bytes) if !bytes.is_empty() => Ok(()),
            _ => Err(parameter(format!(
                "Message (user) attribute '{name}' must contain a non-empty value of type 'Binary'."
            ))),
        },
        _ => Err(parameter(format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."
        ))),
    }
}

pub(crate) fn md5_of(text: &str) -> String {
    hex::encode(Md5::digest(text.as_bytes()))
}

/// The checksum over attributes that clients compute, too: names in order, everything with its length.
pub(crate) fn md5_of_attributes(attributes: &BTreeMap<String, AttributeRow>) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    let mut md5 = Md5::new();
    let put = |md5: &mut Md5, bytes: &[u8]| {
        md5.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        md5.update(bytes);
    };
    for (name, value) in attributes {
        put(&mut md5, name.as_bytes());
        put(&mut md5, value.kind.as_bytes());
        match (&value.text, &value.bytes) {
            (Some(text), _) => {
                md5.update([1]);
                put(&mut md5, text.as_bytes());
            }
            (None, bytes) => {
                md5.update([2]);
                put(&mut md5, bytes.as_deref().unwrap_or_default());
            }
        }
    }
    Some(hex::encode(md5.finalize()))
}

/// A receipt handle: which message, and where it stood when it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handle {
    pub(crate) queue: u64,
    pub(crate) number: u64,
    pub(crate) available_ms: i64,
    pub(crate) receives: u32,
    /// Of a message in a FIFO queue, whose place does not change.
    pub(crate) group: Option<String>,
}

/// The form of a handle, and its length without the group.
const STANDARD: u8 = 1;
const OF_A_GROUP: u8 = 2;
const HANDLE_BYTES: usize = 29;

impl Handle {
    pub(crate) fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(HANDLE_BYTES);
        bytes.push(if self.group.is_some() { OF_A_GROUP } else { STANDARD });
        bytes.extend(self.queue.to_be_bytes());
        bytes.extend(self.number.to_be_bytes());
        bytes.extend(self.available_ms.to_be_bytes());
        bytes.extend(self.receives.to_be_bytes());
        bytes.extend(self.group.as_deref().unwrap_or_default().as_bytes());
        BASE64.encode(bytes)
    }

    /// Reads a handle and checks that it is one of this queue.
    pub(crate) fn decode(text: &str, queue: u64) -> Result<Self, ServiceError> {
        let bytes = BASE64.decode(text).map_err(|_| bad_handle(text))?;
        let eight = |from: usize| -> Option<[u8; 8]> { bytes.get(from..from + 8)?.try_into().ok() };
        let parsed = || {
            let four: [u8; 4] = bytes.get(25..HANDLE_BYTES)?.try_into().ok()?;
            let rest = bytes.get(HANDLE_BYTES..)?;
            let group = match *bytes.first()? {
                STANDARD if rest.is_empty() => None,
                OF_A_GROUP => Some(String::from_utf8(rest.to_vec()).ok()?),
                _ => return None,
            };
            Some(Self {
                queue: u64::from_be_bytes(eight(1)?),
                number: u64::from_be_bytes(eight(9)?),
                available_ms: i64::from_be_bytes(eight(17)?),
                receives: u32::from_be_bytes(four),
                group,
            })
        };
        parsed().filter(|handle| handle.queue == queue).ok_or_else(|| bad_handle(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_that_clients_compute() {
        assert_eq!(md5_of("hello"), "5d41402abc4b2a76b9719d911017c592");
        let value = |kind: &str, text: &str| AttributeRow {
            kind: kind.into(),
            text: Some(text.into()),
            bytes: None,
        };
        let attributes = [("timestamp".to_owned(), value("Number", "1493147359900"))].into();
        // From the documentation of message metadata.
        assert_eq!(md5_of_attributes(&attributes).unwrap(), "235c5c510d26fb653d073faed50ae77c");
        assert_eq!(md5_of_attributes(&BTreeMap::new()), None);
    }

    #[test]
    fn handles_survive_and_belong_to_their_queue() {
        let handle = Handle { queue: 7, number: 9, available_ms: 11, receives: 2, group: None };
        assert_eq!(Handle::decode(&handle.encode(), 7).unwrap(), handle);
        let of_group = Handle { group: Some("g".into()), ..handle.clone() };
        assert_eq!(Handle::decode(&of_group.encode(), 7).unwrap(), of_group);
        assert_eq!(
            Handle::decode(&handle.encode(), 8).unwrap_err().code(),
            "ReceiptHandleIsInvalid"
        );
        assert!(Handle::decode("nonsense!", 7).is_err());
        assert!(Handle::decode("", 7).is_err());
    }
}
