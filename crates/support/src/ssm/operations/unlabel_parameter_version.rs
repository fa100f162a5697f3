//! `UnlabelParameterVersion`: takes labels off a version.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, key, no_version, not_found};
use crate::api::ssm::operations::UnlabelParameterVersion;
use crate::api::ssm::shapes::{UnlabelParameterVersionInput, UnlabelParameterVersionOutput};
use crate::ssm::Ssm;
use crate::ssm::store::{PARAMETERS, VERSIONS};

impl Handler<UnlabelParameterVersion> for Ssm {
    fn authorize(&self, ctx: &Context, input: &UnlabelParameterVersionInput) -> Vec<Access> {
        access(ctx, "UnlabelParameterVersion", &input.name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UnlabelParameterVersionInput,
    ) -> Result<UnlabelParameterVersionOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let key = key(&ctx, &input.name);
            let _ = PARAMETERS.get(&tx, &key).await?.ok_or_else(|| not_found(&input.name))?;
            let place = |version| (key.0.clone(), key.1.clone(), key.2.clone(), version);
            let row = VERSIONS.get(&tx, &place(input.parameter_version)).await?;
            let mut row =
                row.ok_or_else(|| no_version(&input.name, &input.parameter_version.to_string()))?;
            let (removed, invalid): (Vec<String>, Vec<String>) =
                input.labels.iter().cloned().partition(|label| row.labels.remove(label));
            VERSIONS.put(&tx, &place(input.parameter_version), &row)?;
            Ok(UnlabelParameterVersionOutput {
                removed_labels: Some(removed),
                invalid_labels: Some(invalid),
            })
        })
        .await
    }
}
