//! `SetStackPolicy`: which resources updates may change from now on.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, policy_text};
use crate::CloudFormation;
use crate::api::cloudformation::operations::SetStackPolicy;
use crate::api::cloudformation::shapes::{SetStackPolicyInput, SetStackPolicyOutput};
use crate::error::validation;
use crate::stack;
use crate::store::STACKS;

impl Handler<SetStackPolicy> for CloudFormation {
    fn authorize(&self, ctx: &Context, input: &SetStackPolicyInput) -> Vec<Access> {
        access(ctx, "SetStackPolicy", &input.stack_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: SetStackPolicyInput,
    ) -> Result<SetStackPolicyOutput, ServiceError> {
        let (name, url) = (input.stack_name, input.stack_policy_url);
        let policy = policy_text(&ctx, input.stack_policy_body, url).await?;
        let Some(policy) = policy else {
            return Err(validation("You must specify either StackPolicyBody or StackPolicyURL."));
        };
        let store = ctx.store().clone();
        store
            .transact(move |tx| {
                let (ctx, name, policy) = (ctx.clone(), name.clone(), policy.clone());
                async move {
                    let mut row = stack::require(&tx, &ctx, &name).await?;
                    row.policy = Some(policy);
                    Ok::<_, ServiceError>(STACKS.put(&tx, &stack::key(&ctx, &row.uuid), &row)?)
                }
            })
            .await?;
        Ok(SetStackPolicyOutput::default())
    }
}
