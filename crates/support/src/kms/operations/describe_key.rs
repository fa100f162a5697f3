//! `DescribeKey`: a key.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, allowed, require, shown};
use crate::api::kms::operations::DescribeKey;
use crate::api::kms::shapes::{DescribeKeyInput, DescribeKeyOutput};
use crate::kms::Kms;

impl Handler<DescribeKey> for Kms {
    fn authorize(&self, ctx: &Context, input: &DescribeKeyInput) -> Vec<Access> {
        access(ctx, "DescribeKey", &input.key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeKeyInput,
    ) -> Result<DescribeKeyOutput, ServiceError> {
        allowed(&ctx, "DescribeKey", &input.key_id).await?;
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, row) = require(&tx, &ctx, &input.key_id).await?;
            Ok(DescribeKeyOutput { key_metadata: Some(shown(&ctx, &key.2, &row)) })
        })
        .await
    }
}
