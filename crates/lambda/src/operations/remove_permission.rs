//! `RemovePermission`: takes a statement out of a policy.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::policy;
use crate::Lambda;
use crate::api::lambda::operations::RemovePermission;
use crate::api::lambda::shapes::{RemovePermissionInput, RemovePermissionOutput};
use crate::error::{not_found, stale};
use crate::name::FunctionName;
use crate::store::{FUNCTIONS, POLICIES};

impl Handler<RemovePermission> for Lambda {
    fn authorize(&self, ctx: &Context, input: &RemovePermissionInput) -> Vec<Access> {
        super::access(ctx, "RemovePermission", &input.function_name, input.qualifier.as_deref())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: RemovePermissionInput,
    ) -> Result<RemovePermissionOutput, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, input.qualifier.as_deref())?;
        ctx.transact((name, input), |tx, _, input| async move {
            let (name, input) = &*input;
            if FUNCTIONS.get(&tx, &name.key()).await?.is_none() {
                return Err(not_found(format!("No policy found for: {}", name.arn())));
            }
            let (key, mut function) = policy::scope(&tx, name).await?;
            let none = || not_found("No policy is associated with the given resource.");
            let mut row = POLICIES.get(&tx, &key).await?.ok_or_else(none)?;
            if input.revision_id.as_ref().is_some_and(|wanted| *wanted != row.revision) {
                return Err(stale("GetPolicy"));
            }
            let before = row.statements.len();
            row.statements.retain(|s| policy::sid(s) != input.statement_id);
            if row.statements.len() == before {
                return Err(not_found(format!(
                    "Statement {} is not found in resource policy.",
                    input.statement_id
                )));
            }
            row.revision = tx.ids().uuid();
            if name.qualifier.is_none() {
                function.latest.revision.clone_from(&row.revision);
                FUNCTIONS.put(&tx, &name.key(), &function)?;
            }
            match row.statements.is_empty() {
                true => POLICIES.delete(&tx, &key)?,
                false => POLICIES.put(&tx, &key, &row)?,
            }
            Ok(RemovePermissionOutput::default())
        })
        .await
    }
}
