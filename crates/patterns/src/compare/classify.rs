//! Two numbers that differ.

use serde_json::Number;

use super::Class;

/// What two numbers are to each other; nothing if they are the same in value and writing.
pub(super) fn numbers(a: &Number, b: &Number) -> Option<Class> {
    if a == b {
        return None;
    }
    if let (Some(left), Some(right)) = (integer(a), integer(b)) {
        // Whole on both sides.
        return match (left == right, a.is_f64() != b.is_f64()) {
            (true, true) => Some(Class::NumberFormat),
            (true, false) => None,
            (false, _) => Some(different(to_f64(a), digits(a), to_f64(b), digits(b))),
        };
    }
    Some(different(to_f64(a), digits(a), to_f64(b), digits(b)))
}

pub(super) fn to_f64(number: &Number) -> f64 {
    number.as_f64().unwrap_or(f64::NAN)
}

fn integer(number: &Number) -> Option<i128> {
    if let Some(whole) = number.as_i64() {
        return Some(whole.into());
    }
    if let Some(whole) = number.as_u64() {
        return Some(whole.into());
    }
    let float = number.as_f64()?;
    // Beyond 2^53 a float is not told from its neighbours.
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and in range")]
    let whole = (float.fract() == 0.0 && float.abs() <= 9e15).then_some(float as i128);
    whole
}

/// Digits behind the point, as it is written.
fn digits(number: &Number) -> u32 {
    if number.is_f64() { digits_of(&number.to_string()) } else { 0 }
}

fn digits_of(text: &str) -> u32 {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().unwrap_or(0)),
        None => (text, 0),
    };
    let fraction = mantissa.split_once('.').map_or("", |(_, fraction)| fraction);
    let fraction = i32::try_from(fraction.trim_end_matches('0').len()).unwrap_or(i32::MAX);
    u32::try_from(fraction.saturating_sub(exponent)).unwrap_or(0)
}

/// The class of two texts that both are numbers.
pub(super) fn numbers_in_texts(a: f64, a_text: &str, b: f64, b_text: &str) -> Class {
    if a == b {
        // Numbers too long for a float are told by their digits.
        let plain = |text: &str| text.trim_start_matches(['+', '0']).to_owned();
        let long = a_text.len() > 15 && b_text.len() > 15 && a_text.len() == b_text.len();
        return if long && plain(a_text) != plain(b_text) {
            Class::Number
        } else {
            Class::NumberText
        };
    }
    different(a, digits_of(a_text), b, digits_of(b_text))
}

fn different(a: f64, a_digits: u32, b: f64, b_digits: u32) -> Class {
    let distance = (a - b).abs();
    let size = a.abs().max(b.abs());
    // The last bits of a calculation, or of a whole number that went through a float.
    if distance <= size * 1e-12 {
        return Class::Rounding;
    }
    let fewer = a_digits.min(b_digits);
    let unit = 10f64.powi(-i32::try_from(fewer.min(300)).unwrap_or(300));
    let slack = unit * 1e-6 + size * 1e-12;
    // Rounded, or cut, to the digits of the one that has fewer.
    if a_digits != b_digits && distance < unit + slack {
        return Class::Rounding;
    }
    // Rounded up on one side and down on the other.
    if a_digits == b_digits && fewer >= 2 && distance <= unit + slack {
        return Class::Rounding;
    }
    if a * b > 0.0 {
        let power = (size / a.abs().min(b.abs())).log10();
        if power > 0.5 && (power - power.round()).abs() < 1e-9 {
            return Class::Scale;
        }
    }
    Class::Number
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_str};

    use super::*;

    #[test]
    fn numbers_are_classified_alike_from_both_sides() {
        let cases = [
            ("1.0", "1", Some(Class::NumberFormat)),
            ("1", "1", None),
            ("1e2", "100.0", None),
            ("0.30000000000000004", "0.3", Some(Class::Rounding)),
            ("10.499", "10.5", Some(Class::Rounding)),
            ("10.499", "10.49", Some(Class::Rounding)),
            ("10.49", "10.50", Some(Class::Rounding)),
            ("10.49", "10.55", Some(Class::Number)),
            ("10.49", "10.48", Some(Class::Rounding)),
            ("2.675", "2.68", Some(Class::Rounding)),
            ("2.99", "2", Some(Class::Rounding)),
            ("2", "3", Some(Class::Number)),
            ("0.1", "0.2", Some(Class::Number)),
            ("1250", "12.5", Some(Class::Scale)),
            ("1000", "1", Some(Class::Scale)),
            ("-5", "5", Some(Class::Number)),
            ("9007199254740993", "9007199254740992", Some(Class::Rounding)),
            ("18446744073709551615", "-1", Some(Class::Number)),
            ("0", "0.0", Some(Class::NumberFormat)),
            ("1e308", "-1e308", Some(Class::Number)),
            ("5e-324", "0", Some(Class::Rounding)),
        ];
        for (a, b, class) in cases {
            let parse = |text| match from_str(text).unwrap() {
                Value::Number(number) => number,
                other => panic!("{other}"),
            };
            assert_eq!(numbers(&parse(a), &parse(b)), class, "{a} {b}");
            assert_eq!(numbers(&parse(b), &parse(a)), class, "{b} {a}");
        }
    }
}
