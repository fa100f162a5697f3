//! `DescribeAccountLimits`: how much of everything an account may have.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::CloudFormation;
use crate::api::cloudformation::operations::DescribeAccountLimits;
use crate::api::cloudformation::shapes::{
    AccountLimit, DescribeAccountLimitsInput, DescribeAccountLimitsOutput,
};

/// AWS's numbers.
const LIMITS: &[(&str, i32)] =
    &[("ConcurrentResourcesLimit", 2500), ("StackLimit", 2000), ("StackOutputsLimit", 200)];

impl Handler<DescribeAccountLimits> for CloudFormation {
    fn authorize(&self, ctx: &Context, _: &DescribeAccountLimitsInput) -> Vec<Access> {
        access(ctx, "DescribeAccountLimits", "")
    }

    async fn handle(
        &self,
        _: Context,
        _: DescribeAccountLimitsInput,
    ) -> Result<DescribeAccountLimitsOutput, ServiceError> {
        let limit = |(name, value): &(&str, i32)| AccountLimit {
            name: Some((*name).to_owned()),
            value: Some(*value),
        };
        let account_limits = Some(LIMITS.iter().map(limit).collect());
        Ok(DescribeAccountLimitsOutput { account_limits, next_token: None })
    }
}
