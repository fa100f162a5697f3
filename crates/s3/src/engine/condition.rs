//! Conditions and ranges of requests.

use std::ops::Range;

use undercast_kernel::ServiceError;
use undercast_smithy::Timestamp;

use crate::error::{self, not_implemented_header, precondition};
use crate::store::ObjectRow;

/// Conditions on reading.
#[derive(Debug, Default)]
pub(crate) struct Conditions<'a> {
    pub(crate) if_match: Option<&'a str>,
    pub(crate) if_none_match: Option<&'a str>,
    pub(crate) if_modified_since: Option<Timestamp>,
    pub(crate) if_unmodified_since: Option<Timestamp>,
}

/// Which condition decides against the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unmet {
    Match,
    UnmodifiedSince,
    NoneMatch,
    ModifiedSince,
}

pub(crate) fn matches(list: &str, etag: &str) -> bool {
    list.split(',').map(str::trim).any(|one| {
        let one = one.strip_prefix("W/").unwrap_or(one);
        one == "*" || one.trim_matches('"') == etag
    })
}

impl Conditions<'_> {
    /// In the order of RFC 9110: a condition on the tag outweighs the one on the date.
    pub(crate) fn unmet(&self, row: &ObjectRow, now_ms: i64) -> Option<Unmet> {
        let modified_s = row.modified_ms.div_euclid(1000);
        match (self.if_match, self.if_unmodified_since) {
            (Some(list), _) if !matches(list, &row.etag) => return Some(Unmet::Match),
            (None, Some(date)) if modified_s > date.seconds() => {
                return Some(Unmet::UnmodifiedSince);
            }
            _ => {}
        }
        match (self.if_none_match, self.if_modified_since) {
            (Some(list), _) if matches(list, &row.etag) => Some(Unmet::NoneMatch),
            (None, Some(date)) if modified_s <= date.seconds() && date.millis() <= now_ms => {
                Some(Unmet::ModifiedSince)
            }
            _ => None,
        }
    }

    /// For reading: what has not changed is answered by 304.
    pub(crate) fn check(&self, row: &ObjectRow, now_ms: i64) -> Result<(), ServiceError> {
        match self.unmet(row, now_ms) {
            None => Ok(()),
            Some(Unmet::Match) => Err(precondition("If-Match")),
            Some(Unmet::UnmodifiedSince) => Err(precondition("If-Unmodified-Since")),
            Some(Unmet::NoneMatch | Unmet::ModifiedSince) => {
                Err(ServiceError::new("NotModified", "Not Modified")
                    .with_status(304)
                    .with_header("etag", format!("\"{}\"", row.etag))
                    .with_header(
                        "last-modified",
                        Timestamp::from_millis(row.modified_ms).http_date(),
                    ))
            }
        }
    }

    /// For the source of a copy: everything is 412.
    pub(crate) fn check_source(&self, row: &ObjectRow, now_ms: i64) -> Result<(), ServiceError> {
        let condition = match self.unmet(row, now_ms) {
            None => return Ok(()),
            Some(Unmet::Match) => "x-amz-copy-source-If-Match",
            Some(Unmet::UnmodifiedSince) => "x-amz-copy-source-If-Unmodified-Since",
            Some(Unmet::NoneMatch) => "x-amz-copy-source-If-None-Match",
            Some(Unmet::ModifiedSince) => "x-amz-copy-source-If-Modified-Since",
        };
        Err(precondition(condition))
    }
}

/// Conditions on writing.
#[derive(Debug, Clone, Default)]
pub(crate) struct WriteConditions {
    if_match: Option<String>,
    if_none_match: bool,
}

impl WriteConditions {
    pub(crate) fn new(
        if_match: Option<&String>,
        if_none_match: Option<&String>,
    ) -> Result<Self, ServiceError> {
        match (if_match, if_none_match) {
            (Some(_), Some(_)) => Err(not_implemented_header(
                "If-Match,If-None-Match",
                "Multiple conditional request headers present in the request",
            )),
            (_, Some(value)) if value != "*" => Err(not_implemented_header(
                "If-None-Match",
                "We don't accept the provided value of If-None-Match header for this API",
            )),
            (Some(value), _) if value == "*" => Err(not_implemented_header(
                "If-Match",
                "We don't accept the provided value of If-Match header for this API",
            )),
            (if_match, if_none_match) => {
                Ok(Self { if_match: if_match.cloned(), if_none_match: if_none_match.is_some() })
            }
        }
    }

    /// `latest` is what the key holds now.
    pub(crate) fn check(&self, key: &str, latest: Option<&ObjectRow>) -> Result<(), ServiceError> {
        let latest = latest.filter(|row| !row.marker);
        if self.if_none_match && latest.is_some() {
            return Err(precondition("If-None-Match"));
        }
        match (&self.if_match, latest) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(error::no_key(key)),
            (Some(list), Some(row)) if matches(list, &row.etag) => Ok(()),
            _ => Err(precondition("If-Match")),
        }
    }
}

/// The part of the content that a `Range` header asks for. What is not one range of bytes is
/// answered by the whole.
pub(crate) fn range(header: &str, size: u64) -> Result<Option<Range<u64>>, ServiceError> {
    let Some((first, last)) =
        header.strip_prefix("bytes=").and_then(|text| text.trim().split_once('-'))
    else {
        return Ok(None);
    };
    let parse = |text: &str| -> Option<Option<u64>> {
        if text.is_empty() {
            return Some(None);
        }
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse().ok())
    };
    let range = match (parse(first), parse(last)) {
        (Some(Some(first)), Some(None)) => first..size,
        (Some(Some(first)), Some(Some(last))) if first <= last => {
            first..last.saturating_add(1).min(size)
        }
        (Some(None), Some(Some(suffix))) => size.saturating_sub(suffix)..size,
        _ => return Ok(None),
    };
    if range.start >= range.end {
        return Err(ServiceError::new("InvalidRange", "The requested range is not satisfiable")
            .with_status(416)
            .with_field("RangeRequested", header)
            .with_field("ActualObjectSize", size)
            .with_header("content-range", format!("bytes */{size}")));
    }
    Ok(Some(range))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_the_rules() {
        let of = |text| range(text, 10).map_err(|e| e.code().to_owned());
        assert_eq!(of("bytes=0-3"), Ok(Some(0..4)));
        assert_eq!(of("bytes=4-"), Ok(Some(4..10)));
        assert_eq!(of("bytes=-3"), Ok(Some(7..10)));
        assert_eq!(of("bytes=-30"), Ok(Some(0..10)));
        assert_eq!(of("bytes=5-100"), Ok(Some(5..10)));
        assert_eq!(of("bytes=10-11"), Err("InvalidRange".into()));
        assert_eq!(of("bytes=-0"), Err("InvalidRange".into()));
        assert_eq!(of("bytes=3-1"), Ok(None));
        assert_eq!(of("bytes=0-1,3-4"), Ok(None));
        assert_eq!(of("items=1-2"), Ok(None));
    }

    #[test]
    fn tags_match_with_and_without_quotes() {
        assert!(matches("\"abc\"", "abc"));
        assert!(matches("x, abc", "abc"));
        assert!(matches("*", "abc"));
        assert!(!matches("\"ab\"", "abc"));
    }
}
