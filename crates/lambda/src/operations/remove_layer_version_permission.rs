//! `RemoveLayerVersionPermission`: takes a statement out of the policy of a layer.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::policy;
use crate::Lambda;
use crate::api::lambda::operations::RemoveLayerVersionPermission;
use crate::api::lambda::shapes::{
    RemoveLayerVersionPermissionInput, RemoveLayerVersionPermissionOutput,
};
use crate::error::{not_found, stale};
use crate::layers;
use crate::store::LAYER_VERSIONS;

impl Handler<RemoveLayerVersionPermission> for Lambda {
    fn authorize(&self, ctx: &Context, input: &RemoveLayerVersionPermissionInput) -> Vec<Access> {
        super::layer_access(
            ctx,
            "RemoveLayerVersionPermission",
            &input.layer_name,
            Some(input.version_number),
        )
    }

    async fn handle(
        &self,
        ctx: Context,
        input: RemoveLayerVersionPermissionInput,
    ) -> Result<RemoveLayerVersionPermissionOutput, ServiceError> {
        let key = layers::version_key(&ctx, &input.layer_name, input.version_number)?;
        ctx.transact((key, input), |tx, _, input| async move {
            let (key, input) = &*input;
            let mut row = layers::require(&tx, key).await?;
            let none = || not_found("No policy is associated with the given resource.");
            let mut have = row.policy.take().ok_or_else(none)?;
            if input.revision_id.as_ref().is_some_and(|wanted| *wanted != have.revision) {
                return Err(stale("GetLayerVersionPolicy"));
            }
            let before = have.statements.len();
            have.statements.retain(|s| policy::sid(s) != input.statement_id);
            if have.statements.len() == before {
                return Err(not_found(format!(
                    "Statement {} is not found in resource policy.",
                    input.statement_id
                )));
            }
            have.revision = tx.ids().uuid();
            row.policy = Some(have).filter(|policy| !policy.statements.is_empty());
            LAYER_VERSIONS.put(&tx, key, &row)?;
            Ok(RemoveLayerVersionPermissionOutput::default())
        })
        .await
    }
}
