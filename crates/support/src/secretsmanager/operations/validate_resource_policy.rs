//! `ValidateResourcePolicy`: whether a policy can be set.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::api::secretsmanager::operations::ValidateResourcePolicy;
use crate::api::secretsmanager::shapes::ValidationErrorsEntry;
use crate::api::secretsmanager::shapes::{
    ValidateResourcePolicyInput, ValidateResourcePolicyOutput,
};
use crate::secretsmanager::SecretsManager;
use crate::secretsmanager::engine::{is_public, policy_fault, require};

impl Handler<ValidateResourcePolicy> for SecretsManager {
    fn authorize(&self, _: &Context, _: &ValidateResourcePolicyInput) -> Vec<Access> {
        vec![Access::new("secretsmanager:ValidateResourcePolicy", "*")]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ValidateResourcePolicyInput,
    ) -> Result<ValidateResourcePolicyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            if let Some(id) = &input.secret_id {
                require(&tx, &ctx, id).await?;
            }
            let policy = &input.resource_policy;
            let public = || {
                is_public(policy)
                    .then_some("This resource policy grants broad access to the secret.")
            };
            let fault = policy_fault(policy)
                .map(|fault| ("SYNTAX", fault))
                .or_else(|| public().map(|fault| ("ZELKOVA_ANALYSIS", fault)));
            let errors = fault.iter().map(|(check, fault)| ValidationErrorsEntry {
                check_name: Some((*check).to_owned()),
                error_message: Some((*fault).to_owned()),
            });
            Ok(ValidateResourcePolicyOutput {
                policy_validation_passed: Some(fault.is_none()),
                validation_errors: Some(errors.collect()),
            })
        })
        .await
    }
}
