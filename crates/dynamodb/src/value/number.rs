//! DynamoDB's numbers: decimals of up to 38 digits, exact.

use std::cmp::Ordering;
use std::fmt;

/// Significant digits.
const DIGITS_MAX: u32 = 38;
/// Of the first digit: 9.99E+125 is the largest number.
const EXPONENT_MAX: i32 = 125;
const EXPONENT_MIN: i32 = -130;
/// 10^38: coefficients are below.
const COEFFICIENT_END: u128 = 10u128.pow(DIGITS_MAX);

/// `coefficient * 10^exponent`, normalized: the coefficient does not end in zero, and zero is
/// `0 * 10^0`, never negative. So equal numbers are equal bit by bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Number {
    negative: bool,
    coefficient: u128,
    exponent: i32,
}

/// Why a text is no number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NumberError {
    Empty,
    NotNumeric(String),
    Digits,
    Overflow,
    Underflow,
}

impl NumberError {
    /// In AWS's words.
    pub fn message(&self) -> String {
        match self {
            Self::Empty => "The parameter cannot be converted to a numeric value".to_owned(),
            Self::NotNumeric(text) => {
                format!("The parameter cannot be converted to a numeric value: {text}")
            }
            Self::Digits => {
                "Attempting to store more than 38 significant digits in a Number".to_owned()
            }
            Self::Overflow => "Number overflow. Attempting to store a number with magnitude larger than supported range".to_owned(),
            Self::Underflow => "Number underflow. Attempting to store a number with magnitude smaller than supported range".to_owned(),
        }
    }
}

impl Number {
    pub const ZERO: Self = Self { negative: false, coefficient: 0, exponent: 0 };

    fn new(negative: bool, mut coefficient: u128, mut exponent: i32) -> Result<Self, NumberError> {
        if coefficient == 0 {
            return Ok(Self::ZERO);
        }
        while coefficient.is_multiple_of(10) {
            coefficient /= 10;
            exponent += 1;
        }
        if coefficient >= COEFFICIENT_END {
            return Err(NumberError::Digits);
        }
        let number = Self { negative, coefficient, exponent };
        match number.magnitude() {
            m if m > EXPONENT_MAX => Err(NumberError::Overflow),
            m if m < EXPONENT_MIN => Err(NumberError::Underflow),
            _ => Ok(number),
        }
    }

    /// The exponent of the first digit.
    fn magnitude(&self) -> i32 {
        let digits = i32::try_from(self.coefficient.checked_ilog10().unwrap_or(0)).unwrap_or(0);
        self.exponent + digits
    }

    /// Reads `-12.50`, `1e5`, `.5`.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        if text.is_empty() {
            return Err(NumberError::Empty);
        }
        let wrong = || NumberError::NotNumeric(text.to_owned());
        let (negative, rest) = match text.as_bytes().first() {
            Some(b'-') => (true, text.get(1..).unwrap_or_default()),
            Some(b'+') => (false, text.get(1..).unwrap_or_default()),
            _ => (false, text),
        };
        let (mantissa, written) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent).ok_or_else(wrong)?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() && fraction.is_empty() {
            return Err(wrong());
        }
        let digits = whole.bytes().chain(fraction.bytes());
        let fraction_len = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
        let (coefficient, dropped) =
            read_digits(digits).map_err(|error| error.unwrap_or_else(wrong))?;
        if coefficient == 0 {
            return Ok(Self::ZERO);
        }
        let exponent = written.saturating_sub(fraction_len).saturating_add(dropped);
        let exponent = i32::try_from(exponent.clamp(-100_000, 100_000)).unwrap_or(0);
        Self::new(negative, coefficient, exponent)
    }

    pub fn is_zero(&self) -> bool {
        self.coefficient == 0
    }

    pub fn plus(&self, other: &Self) -> Result<Self, NumberError> {
        if self.is_zero() {
            return Ok(*other);
        }
        if other.is_zero() {
            return Ok(*self);
        }
        let (high, low) =
            if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        let shift = u32::try_from(high.exponent - low.exponent).unwrap_or(u32::MAX);
        // Beyond this the sum has more digits than fit, whatever the digits are.
        let scaled = 10u128
            .checked_pow(shift)
            .and_then(|power| high.coefficient.checked_mul(power))
            .ok_or(NumberError::Digits)?;
        if high.negative == low.negative {
            let sum = scaled.checked_add(low.coefficient).ok_or(NumberError::Digits)?;
            return Self::new(high.negative, sum, low.exponent);
        }
        let negative = if scaled >= low.coefficient { high.negative } else { low.negative };
        Self::new(negative, scaled.abs_diff(low.coefficient), low.exponent)
    }

    pub fn minus(&self, other: &Self) -> Result<Self, NumberError> {
        self.plus(&other.negated())
    }

    fn negated(&self) -> Self {
        Self { negative: !self.negative && !self.is_zero(), ..*self }
    }

    /// What it adds to the size of an item.
    pub fn bytes(&self) -> usize {
        if self.is_zero() {
            return 1;
        }
        let digits = self.coefficient.checked_ilog10().unwrap_or(0) + 1;
        let pairs = usize::try_from(digits).unwrap_or(38).div_ceil(2);
        pairs + 1 + usize::from(self.negative)
    }

    /// A form whose bytes have the order of the numbers.
    pub fn to_ordered(self) -> Vec<u8> {
        if self.is_zero() {
            return vec![2];
        }
        let magnitude = u8::try_from(self.magnitude() - EXPONENT_MIN).unwrap_or(u8::MAX);
        let digits = self.coefficient.to_string();
        let mut out = Vec::with_capacity(4 + digits.len() / 2);
        out.extend([if self.negative { 1 } else { 3 }, magnitude]);
        for pair in digits.as_bytes().chunks(2) {
            let first = pair.first().map_or(0, |d| d - b'0');
            let second = pair.get(1).map_or(0, |d| d - b'0');
            // Never zero, so that a shorter number stands before the longer ones that it begins.
            out.push(first * 10 + second + 1);
        }
        if self.negative {
            out.iter_mut().skip(1).for_each(|byte| *byte = !*byte);
            out.push(0xff);
        }
        out
    }

    /// Sign, coefficient, exponent.
    pub(super) fn parts(&self) -> (bool, u128, i32) {
        (self.negative, self.coefficient, self.exponent)
    }

    pub(super) fn from_parts(negative: bool, coefficient: u128, exponent: i32) -> Self {
        Self { negative, coefficient, exponent }
    }
}

fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // So large that it is out of range in any case.
    let value = digits.parse::<i64>().unwrap_or(1_000_000).min(1_000_000);
    Some(if text.starts_with('-') { -value } else { value })
}

/// The digits as a number without its trailing zeros, and how many those were.
/// `Err(None)` if there is something else than digits.
fn read_digits(digits: impl Iterator<Item = u8>) -> Result<(u128, i64), Option<NumberError>> {
    let mut coefficient = 0u128;
    let mut zeros = 0i64;
    let mut too_many = false;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err(None);
        }
        if digit == b'0' && coefficient > 0 {
            zeros += 1;
            continue;
        }
        if digit == b'0' {
            continue;
        }
        let power = u32::try_from(zeros + 1).ok().and_then(|n| 10u128.checked_pow(n));
        let next = power
            .and_then(|power| coefficient.checked_mul(power))
            .and_then(|shifted| shifted.checked_add(u128::from(digit - b'0')))
            .filter(|next| *next < COEFFICIENT_END);
        match (next, coefficient) {
            (Some(next), _) => coefficient = next,
            (None, 0) => coefficient = u128::from(digit - b'0'),
            (None, _) => too_many = true,
        }
        zeros = 0;
    }
    if too_many {
        return Err(Some(NumberError::Digits));
    }
    Ok((coefficient, zeros))
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |n: &Self| match (n.is_zero(), n.negative) {
            (true, _) => 0,
            (_, true) => -1,
            (_, false) => 1,
        };
        match sign(self).cmp(&sign(other)) {
            Ordering::Equal => {}
            unequal => return unequal,
        }
        let magnitudes = match self.magnitude().cmp(&other.magnitude()) {
            // Of one magnitude: the exponents differ by 37 at most, and aligned both have 38 digits at most.
            Ordering::Equal => {
                let low = self.exponent.min(other.exponent);
                let align = |n: &Self| {
                    let power = u32::try_from(n.exponent - low).unwrap_or(0);
                    n.coefficient.saturating_mul(10u128.saturating_pow(power))
                };
                align(self).cmp(&align(other))
            }
            unequal => unequal,
        };
        if self.negative { magnitudes.reverse() } else { magnitudes }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        let digits = self.coefficient.to_string();
        let len = i32::try_from(digits.len()).unwrap_or(0);
        let point = len + self.exponent;
        if self.exponent >= 0 {
            let zeros = usize::try_from(self.exponent).unwrap_or(0);
            write!(f, "{sign}{digits}{}", "0".repeat(zeros))
        } else if point > 0 {
            let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
            write!(f, "{sign}{whole}.{fraction}")
        } else {
            let zeros = usize::try_from(-point).unwrap_or(0);
            write!(f, "{sign}0.{}{digits}", "0".repeat(zeros))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn n(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[test]
    fn numbers_are_written_in_one_form() {
        for (text, normal) in [
            ("1.0", "1"),
            ("-0", "0"),
            ("+5", "5"),
            ("00012.3400", "12.34"),
            (".5", "0.5"),
            ("1e3", "1000"),
            ("1E-3", "0.001"),
            ("100", "100"),
            ("-1.5e1", "-15"),
            ("0e999999999999", "0"),
            ("99999999999999999999999999999999999999", "99999999999999999999999999999999999999"),
            (
                "1000000000000000000000000000000000000000000",
                "1000000000000000000000000000000000000000000",
            ),
        ] {
            assert_eq!(n(text).to_string(), normal, "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let error = |text: &str| Number::parse(text).unwrap_err();
        assert_eq!(error(""), NumberError::Empty);
        for text in ["abc", "-", ".", "1e", "1.2.3", "0x1", "NaN", "1 ", "--1", "1e1.5"] {
            assert_eq!(error(text), NumberError::NotNumeric(text.to_owned()), "{text}");
        }
        assert_eq!(error("123456789012345678901234567890123456789"), NumberError::Digits);
        assert_eq!(error("1e126"), NumberError::Overflow);
        assert_eq!(error("1e-131"), NumberError::Underflow);
        assert_eq!(n("9.99e125"), n("9.99e125"));
        assert_eq!(n("1e-130").to_string().len(), 132);
    }

    #[test]
    fn sums_are_exact() {
        assert_eq!(n("0.1").plus(&n("0.2")).unwrap(), n("0.3"));
        assert_eq!(n("5").minus(&n("5")).unwrap(), Number::ZERO);
        assert_eq!(n("1").minus(&n("2.5")).unwrap(), n("-1.5"));
        assert_eq!(n("1e38").plus(&n("1e-38")), Err(NumberError::Digits));
        assert_eq!(n("9e125").plus(&n("9e125")), Err(NumberError::Overflow));
    }

    fn any_number() -> impl Strategy<Value = Number> {
        (any::<bool>(), 0u128..COEFFICIENT_END, -120i32..80)
            .prop_map(|(negative, c, e)| Number::new(negative, c, e).unwrap_or(Number::ZERO))
    }

    proptest! {
        #[test]
        fn bytes_have_the_order_of_numbers(a in any_number(), b in any_number()) {
            prop_assert_eq!(a.to_ordered().cmp(&b.to_ordered()), a.cmp(&b));
        }

        #[test]
        fn small_numbers_have_the_order_of_integers(a in -2000i64..2000, b in -2000i64..2000) {
            let (x, y) = (n(&a.to_string()), n(&b.to_string()));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(x.to_ordered().cmp(&y.to_ordered()), a.cmp(&b));
            prop_assert_eq!(x.plus(&y).unwrap(), n(&(a + b).to_string()));
        }

        #[test]
        fn numbers_survive_a_round_trip(a in any_number()) {
            prop_assert_eq!(n(&a.to_string()), a);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-+0-9.eE]{0,50}") {
            let _ = Number::parse(&text);
        }
    }
}
