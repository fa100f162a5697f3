//! The many ways to name a function: `f`, `f:live`, `123456789012:function:f`, a whole ARN.

use undercast_kernel::{Arn, Context, ServiceError};

use crate::error::{invalid, not_found};
use crate::store::{FunctionKey, QualifiedKey};

pub(crate) const LATEST: &str = "$LATEST";

/// A function as a caller named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FunctionName {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) name: String,
    /// `$LATEST`, a number or an alias, where there was one.
    pub(crate) qualifier: Option<String>,
}

impl FunctionName {
    /// What `text` names; `qualifier` is the one that stands beside it.
    pub(crate) fn parse(
        ctx: &Context,
        text: &str,
        qualifier: Option<&str>,
    ) -> Result<Self, ServiceError> {
        let mut name = Self::split(ctx.account(), ctx.region(), text);
        if name.region != ctx.region() {
            return Err(not_found(format!(
                "Functions from '{}' are not reachable in this region ('{}')",
                name.region,
                ctx.region()
            )));
        }
        match (&name.qualifier, qualifier) {
            (Some(own), Some(beside)) if own != beside => {
                return Err(invalid(
                    "The derived qualifier from the function name does not match the specified qualifier.",
                ));
            }
            (None, Some(beside)) => name.qualifier = Some(beside.to_owned()),
            _ => {}
        }
        Ok(name)
    }

    /// Leading parts are taken as far as something is left for the name.
    fn split(account: &str, region: &str, text: &str) -> Self {
        let mut parts: Vec<&str> = text.split(':').collect();
        if let ["arn", _, "lambda", rest @ ..] = parts.as_slice() {
            parts = rest.to_vec();
        }
        let mut parts = parts.into_iter().peekable();
        let mut left = parts.len();
        let mut take = |wanted: &dyn Fn(&str) -> bool| {
            let part = parts.next_if(|part| left > 1 && wanted(part));
            left -= usize::from(part.is_some());
            part.map(str::to_owned)
        };
        let region = take(&is_region).unwrap_or_else(|| region.to_owned());
        let account = take(&is_account).unwrap_or_else(|| account.to_owned());
        take(&|part| part == "function");
        Self {
            account,
            region,
            name: parts.next().unwrap_or_default().to_owned(),
            qualifier: parts.next().map(str::to_owned),
        }
    }

    /// For authorization, where nothing can fail.
    pub(crate) fn loose(ctx: &Context, text: &str, qualifier: Option<&str>) -> Self {
        let mut name = Self::split(ctx.account(), ctx.region(), text);
        if name.qualifier.is_none() {
            name.qualifier = qualifier.map(str::to_owned);
        }
        name
    }

    pub(crate) fn key(&self) -> FunctionKey {
        (self.account.clone(), self.region.clone(), self.name.clone())
    }

    pub(crate) fn qualified_key(&self, qualifier: &str) -> QualifiedKey {
        (self.account.clone(), self.region.clone(), self.name.clone(), qualifier.to_owned())
    }

    /// The ARN without a qualifier.
    pub(crate) fn arn(&self) -> String {
        arn(&self.account, &self.region, &self.name)
    }

    pub(crate) fn arn_with(&self, qualifier: &str) -> String {
        format!("{}:{qualifier}", self.arn())
    }

    /// The ARN as the caller qualified it.
    pub(crate) fn own_arn(&self) -> String {
        match &self.qualifier {
            Some(qualifier) => self.arn_with(qualifier),
            None => self.arn(),
        }
    }

    /// The number, if the qualifier is one.
    pub(crate) fn number(&self) -> Option<u64> {
        self.qualifier.as_deref().and_then(number)
    }
}

pub(crate) fn arn(account: &str, region: &str, name: &str) -> String {
    Arn::new("lambda", region, account, format!("function:{name}")).to_string()
}

/// The number of a published version.
pub(crate) fn number(qualifier: &str) -> Option<u64> {
    let digits = !qualifier.is_empty() && qualifier.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| qualifier.parse().ok()).flatten()
}

fn is_account(part: &str) -> bool {
    part.len() == 12 && part.bytes().all(|b| b.is_ascii_digit())
}

/// `eu-west-1`, `us-gov-east-1`.
fn is_region(part: &str) -> bool {
    let words: Vec<&str> = part.split('-').collect();
    let [first, middle @ .., last] = words.as_slice() else {
        return false;
    };
    first.len() == 2
        && !middle.is_empty()
        && last.len() == 1
        && last.bytes().all(|b| b.is_ascii_digit())
        && [&[*first], middle]
            .concat()
            .iter()
            .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> (String, String, String, Option<String>) {
        let name = FunctionName::split("000000000000", "us-east-1", text);
        (name.account, name.region, name.name, name.qualifier)
    }

    fn want(
        account: &str,
        region: &str,
        name: &str,
        qualifier: Option<&str>,
    ) -> (String, String, String, Option<String>) {
        (account.into(), region.into(), name.into(), qualifier.map(Into::into))
    }

    #[test]
    fn every_form_of_a_name_is_understood() {
        let own = |name, qualifier| want("000000000000", "us-east-1", name, qualifier);
        assert_eq!(split("f"), own("f", None));
        assert_eq!(split("f:live"), own("f", Some("live")));
        assert_eq!(split("function:f"), own("f", None));
        assert_eq!(split("function"), own("function", None));
        assert_eq!(split("f:$LATEST"), own("f", Some("$LATEST")));
        assert_eq!(split("123456789012:function:f"), want("123456789012", "us-east-1", "f", None));
        assert_eq!(split("123456789012:f:1"), want("123456789012", "us-east-1", "f", Some("1")));
        assert_eq!(
            split("arn:aws:lambda:eu-west-1:123456789012:function:f:7"),
            want("123456789012", "eu-west-1", "f", Some("7"))
        );
        assert_eq!(
            split("arn:aws:lambda:us-east-1:111111111111:function"),
            want("111111111111", "us-east-1", "function", None)
        );
        assert_eq!(split("123456789012"), own("123456789012", None));
    }
}
