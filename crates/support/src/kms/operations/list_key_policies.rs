//! `ListKeyPolicies`: the names of a key's policies: there is one.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, require};
use crate::api::kms::operations::ListKeyPolicies;
use crate::api::kms::shapes::{ListKeyPoliciesInput, ListKeyPoliciesOutput};
use crate::kms::Kms;

impl Handler<ListKeyPolicies> for Kms {
    fn authorize(&self, ctx: &Context, input: &ListKeyPoliciesInput) -> Vec<Access> {
        access(ctx, "ListKeyPolicies", &input.key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListKeyPoliciesInput,
    ) -> Result<ListKeyPoliciesOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            require(&tx, &ctx, &input.key_id).await?;
            Ok(ListKeyPoliciesOutput {
                policy_names: Some(vec!["default".to_owned()]),
                truncated: Some(false),
                ..ListKeyPoliciesOutput::default()
            })
        })
        .await
    }
}
