//! `GetPolicy`: the policy of a function, version or alias.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::policy;
use crate::Lambda;
use crate::api::lambda::operations::GetPolicy;
use crate::api::lambda::shapes::{GetPolicyInput, GetPolicyOutput};
use crate::error::no_resource;
use crate::name::FunctionName;
use crate::store::POLICIES;

impl Handler<GetPolicy> for Lambda {
    fn authorize(&self, ctx: &Context, input: &GetPolicyInput) -> Vec<Access> {
        super::access(ctx, "GetPolicy", &input.function_name, input.qualifier.as_deref())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetPolicyInput,
    ) -> Result<GetPolicyOutput, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, input.qualifier.as_deref())?;
        let key = name.qualified_key(name.qualifier.as_deref().unwrap_or_default());
        let row = POLICIES.read(ctx.store(), &key).await?.ok_or_else(no_resource)?;
        Ok(GetPolicyOutput {
            policy: Some(policy::document(&row)),
            revision_id: Some(row.revision),
        })
    }
}
