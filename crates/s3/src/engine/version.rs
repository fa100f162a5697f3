//! Ids of versions: a version's number, and digits that tell a made-up id from one of ours.

use crate::store::ObjectRow;

const MASK: u64 = 0x5D1B_93C6_A4E8_270F;

fn mixed(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

pub(crate) fn id(row: &ObjectRow) -> String {
    if row.null {
        return "null".to_owned();
    }
    format!("{:016x}{:016x}", mixed(row.number), row.number ^ MASK)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Null,
    Number(u64),
}

pub(crate) fn parse(id: &str) -> Option<Version> {
    if id == "null" {
        return Some(Version::Null);
    }
    let (check, number) = id.split_at_checked(16).filter(|_| id.len() == 32)?;
    let number = u64::from_str_radix(number, 16).ok()? ^ MASK;
    let good = u64::from_str_radix(check, 16).ok()? == mixed(number);
    good.then_some(Version::Number(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_of_ours_are_read() {
        let id = format!("{:016x}{:016x}", mixed(7), 7 ^ MASK);
        assert_eq!(parse(&id), Some(Version::Number(7)));
        assert_eq!(parse("null"), Some(Version::Null));
        assert_eq!(parse("virtual-id"), None);
        assert_eq!(parse(&id.replace('a', "b").replace('1', "2")), None);
    }
}
