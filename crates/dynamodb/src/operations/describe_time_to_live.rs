//! `DescribeTimeToLive`: whether items expire, and by which attribute.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::on_table;
use crate::Dynamo;
use crate::api::dynamodb::operations::DescribeTimeToLive;
use crate::api::dynamodb::shapes::{
    DescribeTimeToLiveInput, DescribeTimeToLiveOutput, TimeToLiveDescription,
};
use crate::engine::table::{check_name, table_key};
use crate::error::no_table;
use crate::store::TABLES;

impl Handler<DescribeTimeToLive> for Dynamo {
    fn authorize(&self, ctx: &Context, input: &DescribeTimeToLiveInput) -> Vec<Access> {
        on_table(ctx, "DescribeTimeToLive", &input.table_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeTimeToLiveInput,
    ) -> Result<DescribeTimeToLiveOutput, ServiceError> {
        check_name(&input.table_name)?;
        let key = table_key(&ctx, &input.table_name);
        let row = TABLES.read(ctx.store(), &key).await?;
        let row = row.ok_or_else(|| no_table(&key.2))?;
        let status = if row.ttl.is_some() { "ENABLED" } else { "DISABLED" };
        Ok(DescribeTimeToLiveOutput {
            time_to_live_description: Some(TimeToLiveDescription {
                time_to_live_status: Some(status.to_owned()),
                attribute_name: row.ttl.map(|ttl| ttl.attribute),
            }),
        })
    }
}
