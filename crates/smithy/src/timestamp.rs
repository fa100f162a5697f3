//! A point in time and its three forms on the wire.

use jiff::Timestamp as Instant;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampFormat {
    /// `2026-11-24T08:00:00Z`, with milliseconds where there are any.
    Iso8601,
    /// Seconds since the epoch, as a number.
    UnixTimestamp,
    /// `Tue, 24 Nov 2026 08:00:00 GMT`.
    HttpDate,
}

impl Timestamp {
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    pub const fn millis(self) -> i64 {
        self.0
    }

    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Seconds with a fraction, as the JSON protocols write them.
    pub fn epoch_seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    pub fn from_epoch_seconds(seconds: f64) -> Self {
        Self((seconds * 1000.0).round() as i64)
    }

    /// `2026-11-24T08:00:00Z` or `2026-11-24T08:00:00.123Z`.
    pub fn iso8601(self) -> String {
        self.format(if self.0.rem_euclid(1000) == 0 {
            "%Y-%m-%dT%H:%M:%SZ"
        } else {
            "%Y-%m-%dT%H:%M:%S.%3fZ"
        })
    }

    /// `2026-11-24T08:00:00.000Z`: always with milliseconds, as most XML services write it.
    pub fn iso8601_millis(self) -> String {
        self.format("%Y-%m-%dT%H:%M:%S.%3fZ")
    }

    /// `Tue, 24 Nov 2026 08:00:00 GMT`.
    pub fn http_date(self) -> String {
        self.format("%a, %d %b %Y %H:%M:%S GMT")
    }

    /// Formats in UTC by `strftime` directives.
    pub fn format(self, format: &str) -> String {
        Instant::from_millisecond(self.0)
            .unwrap_or(Instant::UNIX_EPOCH)
            .strftime(format)
            .to_string()
    }

    /// Reads ISO 8601 with any offset.
    pub fn parse_iso8601(text: &str) -> Option<Self> {
        text.parse::<Instant>().ok().map(|t| Self(t.as_millisecond()))
    }

    /// Reads the date form of HTTP headers.
    pub fn parse_http_date(text: &str) -> Option<Self> {
        let text = text.strip_suffix("GMT")?.trim_end();
        let time = jiff::civil::DateTime::strptime("%a, %d %b %Y %H:%M:%S", text).ok()?;
        let zoned = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Self(zoned.timestamp().as_millisecond()))
    }

    /// Reads whichever of the three forms `text` has.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(seconds) = text.parse::<f64>() {
            return seconds.is_finite().then(|| Self::from_epoch_seconds(seconds));
        }
        Self::parse_iso8601(text).or_else(|| Self::parse_http_date(text))
    }

    pub fn write(self, format: TimestampFormat) -> String {
        match format {
            TimestampFormat::Iso8601 => self.iso8601(),
            TimestampFormat::HttpDate => self.http_date(),
            TimestampFormat::UnixTimestamp => {
                if self.0.rem_euclid(1000) == 0 {
                    self.seconds().to_string()
                } else {
                    self.epoch_seconds().to_string()
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_back() {
        let time = Timestamp::from_millis(1_795_507_200_000);
        assert_eq!(time.iso8601(), "2026-11-24T08:00:00Z");
        assert_eq!(time.http_date(), "Tue, 24 Nov 2026 08:00:00 GMT");
        assert_eq!(Timestamp::parse(&time.iso8601()), Some(time));
        assert_eq!(Timestamp::parse(&time.http_date()), Some(time));
        assert_eq!(Timestamp::parse("1795507200"), Some(time));
        assert_eq!(Timestamp::parse("2026-11-24T09:00:00+01:00"), Some(time));
        assert_eq!(Timestamp::parse("yesterday"), None);
        assert_eq!(Timestamp::from_millis(1).iso8601(), "1970-01-01T00:00:00.001Z");
    }
}
