//! `DescribeLimits`: AWS's default quotas; nothing here is throttled by them.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Dynamo;
use crate::api::dynamodb::operations::DescribeLimits;
use crate::api::dynamodb::shapes::{DescribeLimitsInput, DescribeLimitsOutput};

impl Handler<DescribeLimits> for Dynamo {
    fn authorize(&self, _: &Context, _: &DescribeLimitsInput) -> Vec<Access> {
        vec![Access::new("dynamodb:DescribeLimits", "*")]
    }

    async fn handle(
        &self,
        _: Context,
        _: DescribeLimitsInput,
    ) -> Result<DescribeLimitsOutput, ServiceError> {
        Ok(DescribeLimitsOutput {
            account_max_read_capacity_units: Some(80_000),
            account_max_write_capacity_units: Some(80_000),
            table_max_read_capacity_units: Some(40_000),
            table_max_write_capacity_units: Some(40_000),
        })
    }
}
