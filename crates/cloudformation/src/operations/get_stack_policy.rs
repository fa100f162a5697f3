//! `GetStackPolicy`: the policy of a stack, if it has one.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::CloudFormation;
use crate::api::cloudformation::operations::GetStackPolicy;
use crate::api::cloudformation::shapes::{GetStackPolicyInput, GetStackPolicyOutput};
use crate::error::no_such_stack;
use crate::plan;

impl Handler<GetStackPolicy> for CloudFormation {
    fn authorize(&self, ctx: &Context, input: &GetStackPolicyInput) -> Vec<Access> {
        access(ctx, "GetStackPolicy", &input.stack_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetStackPolicyInput,
    ) -> Result<GetStackPolicyOutput, ServiceError> {
        let name = input.stack_name;
        let stack = plan::load(&ctx, &name).await?.ok_or_else(|| no_such_stack(&name))?;
        Ok(GetStackPolicyOutput { stack_policy_body: stack.policy })
    }
}
