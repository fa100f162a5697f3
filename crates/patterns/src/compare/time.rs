//! Times in texts and numbers.

/// A time as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    /// Unix milliseconds, as if it were UTC where there is no offset.
    pub(super) instant_ms: i64,
    /// Minutes east; nothing if the time is local.
    pub(super) offset_min: Option<i32>,
    /// Digits behind the second.
    fraction: u8,
    /// What stands between date and time; nothing for a date alone.
    between: Option<u8>,
    is_z: bool,
    /// How much of the text it is.
    pub(super) length: usize,
}

impl Written {
    pub(super) fn is_date(&self) -> bool {
        self.between.is_none()
    }

    /// Whether both are written in the same form.
    pub(super) fn is_like(&self, other: &Written) -> bool {
        (self.fraction, self.between, self.is_z, self.offset_min.is_some())
            == (other.fraction, other.between, other.is_z, other.offset_min.is_some())
    }
}

/// The time that a whole text is.
pub(super) fn parse(text: &str) -> Option<Written> {
    if !(10..=40).contains(&text.len()) {
        return None;
    }
    parse_beginning(text.as_bytes()).filter(|written| written.length == text.len())
}

/// The ISO-8601 time at the beginning: `2026-11-24T11:16:31.120+01:00` and its shorter forms.
pub(super) fn parse_beginning(bytes: &[u8]) -> Option<Written> {
    let mut reader = Reader { bytes, at: 0 };
    let year = reader.digits(4)?;
    reader.byte(b"-")?;
    let month = reader.digits(2)?;
    reader.byte(b"-")?;
    let day = reader.digits(2)?;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days = days_from_civil(year, month, day);
    let date = Written {
        instant_ms: days * 86_400_000,
        offset_min: None,
        fraction: 0,
        between: None,
        is_z: false,
        length: reader.at,
    };
    Some(reader.clock(date).unwrap_or(date))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn byte(&mut self, any: &[u8]) -> Option<u8> {
        let byte = self.peek().filter(|byte| any.contains(byte))?;
        self.at += 1;
        Some(byte)
    }

    fn digits(&mut self, n: usize) -> Option<i64> {
        let digits = self.bytes.get(self.at..self.at + n)?;
        let mut value = 0;
        for digit in digits {
            value = value * 10 + i64::from(digit.checked_sub(b'0').filter(|d| *d < 10)?);
        }
        self.at += n;
        Some(value)
    }

    fn clock(&mut self, date: Written) -> Option<Written> {
        let between = self.byte(b"Tt ")?;
        let hour = self.digits(2)?;
        self.byte(b":")?;
        let minute = self.digits(2)?;
        let second = match self.byte(b":") {
            Some(_) => self.digits(2)?,
            None => 0,
        };
        if hour > 24 || minute > 59 || second > 60 {
            return None;
        }
        let mut fraction_ms = 0;
        let mut fraction = 0_u8;
        if matches!(self.peek(), Some(b'.' | b',')) {
            self.at += 1;
            let mut worth = 100;
            while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
                fraction_ms += i64::from(digit - b'0') * worth;
                worth /= 10;
                fraction = fraction.checked_add(1)?;
                self.at += 1;
            }
            if fraction == 0 {
                return None;
            }
        }
        let (offset_min, is_z) = self.offset()?;
        let time_ms = ((hour * 60 + minute) * 60 + second) * 1000 + fraction_ms;
        let offset_ms = i64::from(offset_min.unwrap_or(0)) * 60_000;
        Some(Written {
            instant_ms: date.instant_ms + time_ms - offset_ms,
            offset_min,
            fraction,
            between: Some(between),
            is_z,
            length: self.at,
        })
    }

    fn offset(&mut self) -> Option<(Option<i32>, bool)> {
        if self.byte(b"Zz").is_some() {
            return Some((Some(0), true));
        }
        let Some(sign) = self.byte(b"+-") else { return Some((None, false)) };
        let hours = self.digits(2)?;
        let _ = self.byte(b":");
        let minutes = self.digits(2).unwrap_or(0);
        if hours > 18 || minutes > 59 {
            return None;
        }
        let minutes = i32::try_from(hours * 60 + minutes).ok()?;
        Some((Some(if sign == b'-' { -minutes } else { minutes }), false))
    }
}

/// Days since 1970-01-01 of a date of the Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// A number that may be a time of our days: milliseconds, and whether it counted those.
pub(super) fn epoch(number: f64) -> Option<(i64, bool)> {
    #[expect(clippy::cast_possible_truncation, reason = "in range")]
    match number {
        n if (1e9..5e9).contains(&n) => Some(((n * 1000.0) as i64, false)),
        n if (1e12..5e12).contains(&n) => Some((n as i64, true)),
        _ => None,
    }
}

/// When both calls happened: what makes two different times the same.
#[derive(Debug, Clone, Copy)]
pub(super) struct Calls {
    pub(super) primary_ms: i64,
    pub(super) candidate_ms: i64,
    /// How far apart two equal times may be.
    pub(super) slack_ms: i64,
    pub(super) tolerance_ms: i64,
}

/// What two times are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Same,
    /// A whole number of quarter hours apart.
    Shifted,
    Different,
}

const QUARTER_MS: i64 = 15 * 60_000;
const SHIFT_MAX_MS: i64 = 14 * 3_600_000;
/// Times further back than this before the call are data, not made by it.
const BACK_MAX_MS: i64 = 5 * 60_000;
const AHEAD_MAX_MS: i64 = 400 * 86_400_000;

impl Calls {
    /// Of times that are written as such: where it is not known when the calls were, times close to each other are
    /// taken for made by them.
    pub(super) fn relation_of_written(&self, primary_ms: i64, candidate_ms: i64) -> Relation {
        let is_unknown = self.primary_ms == 0 || self.candidate_ms == 0;
        let apart_ms = primary_ms.saturating_sub(candidate_ms).saturating_abs();
        if is_unknown && apart_ms <= self.slack_ms {
            return Relation::Same;
        }
        self.relation(primary_ms, candidate_ms)
    }

    pub(super) fn relation(&self, primary_ms: i64, candidate_ms: i64) -> Relation {
        let apart_ms = primary_ms.saturating_sub(candidate_ms);
        if apart_ms.saturating_abs() <= self.tolerance_ms {
            return Relation::Same;
        }
        let lag_ms = self.primary_ms.saturating_sub(self.candidate_ms);
        let beside_ms = apart_ms.saturating_sub(lag_ms);
        if beside_ms.saturating_abs() <= self.slack_ms
            && (self.is_made(primary_ms, self.primary_ms, 0)
                && self.is_made(candidate_ms, self.candidate_ms, 0))
        {
            return Relation::Same;
        }
        let is_shift = |apart_ms: i64, slack_ms: i64| {
            let quarters = (apart_ms + QUARTER_MS / 2).div_euclid(QUARTER_MS);
            quarters != 0
                && apart_ms.saturating_abs() <= SHIFT_MAX_MS + slack_ms
                && (apart_ms - quarters * QUARTER_MS).abs() <= slack_ms
        };
        let made = self.is_made(primary_ms, self.primary_ms, SHIFT_MAX_MS)
            && self.is_made(candidate_ms, self.candidate_ms, SHIFT_MAX_MS);
        if is_shift(apart_ms, self.tolerance_ms.min(60_000))
            || made && is_shift(beside_ms, self.slack_ms.min(60_000))
        {
            return Relation::Shifted;
        }
        Relation::Different
    }

    fn is_made(&self, time_ms: i64, call_ms: i64, more_ms: i64) -> bool {
        let ahead_ms = time_ms.saturating_sub(call_ms);
        call_ms != 0 && (-BACK_MAX_MS - more_ms..=AHEAD_MAX_MS).contains(&ahead_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_their_forms() {
        let noon = parse("2026-11-24T12:00:00Z").unwrap();
        assert_eq!(noon.instant_ms, 1_795_521_600_000);
        for same in ["2026-11-24T13:00:00+01:00", "2026-11-24 12:00:00.000Z", "2026-11-24T12:00"] {
            assert_eq!(parse(same).unwrap().instant_ms, noon.instant_ms, "{same}");
        }
        assert_eq!(parse("1970-01-01").unwrap().instant_ms, 0);
        assert_eq!(parse("2000-02-29").unwrap().instant_ms, 951_782_400_000);
        for no in ["2026-13-01", "2026-11-24T", "2026-11-24x12:00", "20261124", "0000000000"] {
            assert_eq!(parse(no), None, "{no}");
        }
        let _ = parse("9999-12-31T24:59:60.999999999+18:59");
    }

    #[test]
    fn times_are_related_by_the_calls_that_made_them() {
        let calls = Calls {
            primary_ms: 1_800_000_000_000,
            candidate_ms: 1_800_000_050_000,
            slack_ms: 1_200,
            tolerance_ms: 0,
        };
        let (p, c) = (calls.primary_ms, calls.candidate_ms);
        assert_eq!(calls.relation(p + 5, c + 900), Relation::Same);
        assert_eq!(calls.relation(p + 3_600_000, c + 3_600_500), Relation::Same);
        assert_eq!(calls.relation(p + 3_600_000, c + 1_900_000), Relation::Different);
        assert_eq!(calls.relation(p + 5, c + 3_600_100), Relation::Shifted);
        // Old data is the same or it is not.
        let old = p - 900 * 86_400_000;
        assert_eq!(calls.relation(old, old + 50_100), Relation::Different);
        assert_eq!(calls.relation(old, old + 2 * 3_600_000), Relation::Shifted);
        assert_eq!(calls.relation(i64::MIN, i64::MAX), Relation::Different);
    }
}
