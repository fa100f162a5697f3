//! A message: what a caller may send, its checksums, its receipt handle.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use md5::{Digest, Md5};
use undercast_kernel::ServiceError;

use crate::error::{handle as bad_handle, parameter};
use crate::limits::{ATTRIBUTES_MAX, DELAY_S_MAX};
use crate::store::AttributeRow;

/// A message that has been checked.
#[derive(Debug, Clone)]
pub(crate) struct NewMessage {
    pub(crate) body: String,
    pub(crate) attributes: BTreeMap<String, AttributeRow>,
    pub(crate) trace: Option<String>,
    pub(crate) group: Option<String>,
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

    pub(crate) fn check(&self, bytes_max: i64) -> Result<(), ServiceError> {
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
        self.attributes.iter().try_for_each(check_attribute)
    }
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handle {
    pub(crate) queue: u64,
    pub(crate) number: u64,
    pub(crate) available_ms: i64,
    pub(crate) receives: u32,
}

impl Handle {
    pub(crate) fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(29);
        bytes.push(1);
        bytes.extend(self.queue.to_be_bytes());
        bytes.extend(self.number.to_be_bytes());
        bytes.extend(self.available_ms.to_be_bytes());
        bytes.extend(self.receives.to_be_bytes());
        BASE64.encode(bytes)
    }

    /// Reads a handle and checks that it is one of this queue.
    pub(crate) fn decode(text: &str, queue: u64) -> Result<Self, ServiceError> {
        let bytes = BASE64.decode(text).map_err(|_| bad_handle(text))?;
        let eight = |from: usize| -> Option<[u8; 8]> { bytes.get(from..from + 8)?.try_into().ok() };
        let parsed = || {
            let four: [u8; 4] = bytes.get(25..29)?.try_into().ok()?;
            Some(Self {
                queue: u64::from_be_bytes(eight(1)?),
                number: u64::from_be_bytes(eight(9)?),
                available_ms: i64::from_be_bytes(eight(17)?),
                receives: u32::from_be_bytes(four),
            })
        };
        let valid = bytes.len() == 29 && bytes.first() == Some(&1);
        parsed().filter(|handle| valid && handle.queue == queue).ok_or_else(|| bad_handle(text))
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
        let handle = Handle { queue: 7, number: 9, available_ms: 11, receives: 2 };
        assert_eq!(Handle::decode(&handle.encode(), 7).unwrap(), handle);
        assert_eq!(
            Handle::decode(&handle.encode(), 8).unwrap_err().code(),
            "ReceiptHandleIsInvalid"
        );
        assert!(Handle::decode("nonsense!", 7).is_err());
        assert!(Handle::decode("", 7).is_err());
    }
}
