//! `GetLayerVersionPolicy`: who else may use a version of a layer.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::policy;
use crate::Lambda;
use crate::api::lambda::operations::GetLayerVersionPolicy;
use crate::api::lambda::shapes::{GetLayerVersionPolicyInput, GetLayerVersionPolicyOutput};
use crate::error::not_found;
use crate::layers;

impl Handler<GetLayerVersionPolicy> for Lambda {
    fn authorize(&self, ctx: &Context, input: &GetLayerVersionPolicyInput) -> Vec<Access> {
        super::layer_access(
            ctx,
            "GetLayerVersionPolicy",
            &input.layer_name,
            Some(input.version_number),
        )
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetLayerVersionPolicyInput,
    ) -> Result<GetLayerVersionPolicyOutput, ServiceError> {
        let key = layers::version_key(&ctx, &input.layer_name, input.version_number)?;
        let row = layers::require(&ctx.store().begin().await?, &key).await?;
        let none = || not_found("No policy is associated with the given resource.");
        let row = row.policy.ok_or_else(none)?;
        Ok(GetLayerVersionPolicyOutput {
            policy: Some(policy::document(&row)),
            revision_id: Some(row.revision),
        })
    }
}
