//! Random passwords.

use undercast_kernel::{Ids, ServiceError};

use super::error::invalid;

const LENGTH: i64 = 32;
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// What a password is made of.
#[derive(Debug, Default)]
pub(crate) struct Wanted<'a> {
    pub(crate) length: Option<i64>,
    pub(crate) exclude: &'a str,
    pub(crate) no_numbers: bool,
    pub(crate) no_punctuation: bool,
    pub(crate) no_uppercase: bool,
    pub(crate) no_lowercase: bool,
    pub(crate) space: bool,
    /// Whether every kind of character is in it at least once; `None` for yes.
    pub(crate) require_each: Option<bool>,
}

/// A number below `below`, each as likely as the others.
fn below(ids: &dyn Ids, below: usize) -> usize {
    let below = below.max(1) as u64;
    let most = u64::MAX - u64::MAX % below;
    loop {
        let number = ids.u64();
        if number < most {
            return usize::try_from(number % below).unwrap_or(0);
        }
    }
}

fn pick(ids: &dyn Ids, from: &[char]) -> Option<char> {
    from.get(below(ids, from.len())).copied()
}

pub(crate) fn make(ids: &dyn Ids, wanted: &Wanted<'_>) -> Result<String, ServiceError> {
    let kinds = [
        (!wanted.no_lowercase, ('a'..='z').collect::<String>()),
        (!wanted.no_uppercase, ('A'..='Z').collect()),
        (!wanted.no_numbers, ('0'..='9').collect()),
        (!wanted.no_punctuation, PUNCTUATION.to_owned()),
        (wanted.space, " ".to_owned()),
    ];
    let kinds: Vec<Vec<char>> = kinds
        .into_iter()
        .filter(|(is_in, _)| *is_in)
        .map(|(_, all)| all.chars().filter(|c| !wanted.exclude.contains(*c)).collect())
        .filter(|all: &Vec<char>| !all.is_empty())
        .collect();
    let all: Vec<char> = kinds.iter().flatten().copied().collect();
    let length = usize::try_from(wanted.length.unwrap_or(LENGTH)).unwrap_or(0);
    if all.is_empty() {
        return Err(invalid("The password can't be generated: every character is excluded."));
    }
    let required: Vec<char> = match wanted.require_each.unwrap_or(true) {
        true => kinds.iter().filter_map(|kind| pick(ids, kind)).collect(),
        false => Vec::new(),
    };
    if length < required.len() {
        return Err(invalid(
            "The password length is less than the number of required character types.",
        ));
    }
    let rest = (required.len()..length).filter_map(|_| pick(ids, &all));
    let mut chars: Vec<char> = required.iter().copied().chain(rest).collect();
    for at in (1..chars.len()).rev() {
        chars.swap(at, below(ids, at + 1));
    }
    Ok(chars.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use undercast_store::Env;

    use super::*;

    #[test]
    fn a_password_has_what_was_asked_for() {
        let ids = Env::system().ids;
        for _ in 0..50 {
            let password = make(&*ids, &Wanted { length: Some(4), ..Wanted::default() }).unwrap();
            assert_eq!(password.len(), 4);
            assert!(password.contains(|c: char| c.is_ascii_lowercase()), "{password}");
            assert!(password.contains(|c: char| c.is_ascii_uppercase()), "{password}");
            assert!(password.contains(|c: char| c.is_ascii_digit()), "{password}");
            let digits = Wanted {
                exclude: "123456789",
                no_punctuation: true,
                no_uppercase: true,
                no_lowercase: true,
                ..Wanted::default()
            };
            assert_eq!(make(&*ids, &digits).unwrap(), "0".repeat(32));
        }
        assert!(make(&*ids, &Wanted { length: Some(3), ..Wanted::default() }).is_err());
    }
}
