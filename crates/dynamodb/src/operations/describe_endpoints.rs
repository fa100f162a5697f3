//! `DescribeEndpoints`: the host that the client has used already.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Dynamo;
use crate::api::dynamodb::operations::DescribeEndpoints;
use crate::api::dynamodb::shapes::{DescribeEndpointsInput, DescribeEndpointsOutput, Endpoint};

impl Handler<DescribeEndpoints> for Dynamo {
    fn authorize(&self, _: &Context, _: &DescribeEndpointsInput) -> Vec<Access> {
        vec![Access::new("dynamodb:DescribeEndpoints", "*")]
    }

    async fn handle(
        &self,
        ctx: Context,
        _: DescribeEndpointsInput,
    ) -> Result<DescribeEndpointsOutput, ServiceError> {
        let url = ctx.public_url();
        let host = url.split_once("://").map_or(url, |(_, host)| host);
        Ok(DescribeEndpointsOutput {
            endpoints: vec![Endpoint { address: host.to_owned(), cache_period_in_minutes: 1440 }],
        })
    }
}
