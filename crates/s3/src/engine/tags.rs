//! Tags of objects and buckets.

use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;
use undercast_kernel::ServiceError;

use crate::api::s3::shapes::Tag;
use crate::error::{argument, malformed_xml};
use crate::limits::{TAG_KEY_CHARS_MAX, TAG_VALUE_CHARS_MAX};

pub(crate) type Tags = Vec<(String, String)>;

fn invalid(message: &str, key: &str) -> ServiceError {
    ServiceError::new("InvalidTag", message).with_field("TagKey", key)
}

/// Reads `x-amz-tagging`.
pub(crate) fn from_header(header: &str, max: usize) -> Result<Tags, ServiceError> {
    let refused = || {
        argument(
            "x-amz-tagging",
            header,
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
        )
    };
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        let decoded = percent_decode_str(&text).decode_utf8();
        decoded.map(|t| t.into_owned()).map_err(|_| refused())
    };
    if header.contains(',') {
        return Err(refused());
    }
    let mut tags = Tags::new();
    for pair in header.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        tags.push((decode(key)?, decode(value)?));
    }
    let names: BTreeSet<&String> = tags.iter().map(|(key, _)| key).collect();
    if names.len() != tags.len() {
        return Err(refused());
    }
    check(&tags, max)?;
    Ok(tags)
}

/// Reads a tag set of a request.
pub(crate) fn from_set(set: Vec<Tag>, max: usize) -> Result<Tags, ServiceError> {
    let tags: Tags = set.into_iter().map(|tag| (tag.key, tag.value)).collect();
    let mut names = BTreeSet::new();
    if let Some((key, _)) = tags.iter().find(|(key, _)| !names.insert(key)) {
        return Err(invalid("Cannot provide multiple Tags with the same key", key));
    }
    check(&tags, max)?;
    Ok(tags)
}

pub(crate) fn to_set(tags: &[(String, String)]) -> Vec<Tag> {
    let tags = tags.iter().cloned();
    tags.map(|(key, value)| Tag { key, value }).collect()
}

fn check(tags: &Tags, max: usize) -> Result<(), ServiceError> {
    if tags.len() > max {
        return Err(match max {
            10 => ServiceError::new("BadRequest", "Object tags cannot be greater than 10"),
            _ => malformed_xml(),
        });
    }
    let good = |c: char| c.is_alphanumeric() || c.is_whitespace() || "+-=._:/@".contains(c);
    for (key, value) in tags {
        let size = key.chars().count();
        if size == 0 || size > TAG_KEY_CHARS_MAX || !key.chars().all(good) {
            return Err(invalid("The TagKey you have provided is invalid", key));
        }
        if value.chars().count() > TAG_VALUE_CHARS_MAX || !value.chars().all(good) {
            return Err(ServiceError::new(
                "InvalidTag",
                "The TagValue you have provided is invalid",
            )
            .with_field("TagKey", key.as_str())
            .with_field("TagValue", value.as_str()));
        }
        if key.starts_with("aws:") {
            return Err(invalid("System tags cannot be added/updated by requester", key));
        }
    }
    Ok(())
}
