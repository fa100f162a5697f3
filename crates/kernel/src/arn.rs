//! Amazon resource names.

use std::fmt;

/// `arn:aws:sqs:eu-west-1:000000000000:orders`, in parts. The partition is always `aws`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Arn {
    pub service: String,
    pub region: String,
    pub account: String,
    pub resource: String,
}

impl Arn {
    pub fn new(
        service: impl Into<String>,
        region: impl Into<String>,
        account: impl Into<String>,
        resource: impl Into<String>,
    ) -> Self {
        Self {
            service: service.into(),
            region: region.into(),
            account: account.into(),
            resource: resource.into(),
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        if parts.next()? != "arn" || !parts.next()?.starts_with("aws") {
            return None;
        }
        let arn = Self::new(parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        (!arn.service.is_empty() && !arn.resource.is_empty()).then_some(arn)
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, region, account, resource } = self;
        write!(f, "arn:aws:{service}:{region}:{account}:{resource}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_survive_a_round_trip() {
        let text = "arn:aws:lambda:eu-west-1:123456789012:function:f:live";
        let arn = Arn::parse(text).unwrap();
        assert_eq!(arn.resource, "function:f:live");
        assert_eq!(arn.to_string(), text);
        assert_eq!(Arn::parse("arn:aws:s3:::bucket").unwrap().resource, "bucket");
        assert_eq!(Arn::parse("orders"), None);
        assert_eq!(Arn::parse("arn:aws:sqs"), None);
    }
}
