//! `RotateKeyOnDemand`: gives a key new material now.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, arn, changeable, require, rotatable, usable};
use crate::api::kms::operations::RotateKeyOnDemand;
use crate::api::kms::shapes::{RotateKeyOnDemandInput, RotateKeyOnDemandOutput};
use crate::kms::Kms;
use crate::kms::material;

/// On-demand rotations of a key, over its life.
const ON_DEMAND_MAX: u32 = 25;

impl Handler<RotateKeyOnDemand> for Kms {
    fn authorize(&self, ctx: &Context, input: &RotateKeyOnDemandInput) -> Vec<Access> {
        access(ctx, "RotateKeyOnDemand", &input.key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: RotateKeyOnDemandInput,
    ) -> Result<RotateKeyOnDemandOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {

            let (key, mut row) = require(&tx, &ctx, &input.key_id).await?;
            changeable(&ctx, &key.2, &row)?;
            usable(&ctx, &key.2, &row)?;
            rotatable(&ctx, &key, &row)?;
            if row.on_demand >= ON_DEMAND_MAX {
                return Err(ServiceError::new(
                    "LimitExceededException",
                    format!("You have reached the maximum number of on-demand rotations, {ON_DEMAND_MAX}, for {}.", arn(&ctx, &key.2)),
                ));
            }
            row.on_demand += 1;
            material::rotate(&tx, ctx.kernel(), &key, &mut row, "ON_DEMAND").await?;
            Ok(RotateKeyOnDemandOutput { key_id: Some(key.2) })
        })
        .await
    }
}
