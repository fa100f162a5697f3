//! `UpdateStack`: changes a stack at once, without a change set.

use std::collections::BTreeMap;

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_store::Tx;

use super::{
    Parts, Source, access_with_role, check_role, fetch_template, parts, policy_text,
    require_updatable,
};
use crate::CloudFormation;
use crate::api::cloudformation::operations::UpdateStack;
use crate::api::cloudformation::shapes::{UpdateStackInput, UpdateStackOutput};
use crate::deploy;
use crate::error::{no_such_stack, validation};
use crate::plan;
use crate::stack;
use crate::store::{OperationKind, OperationRow, StackRow};

impl Handler<UpdateStack> for CloudFormation {
    fn authorize(&self, ctx: &Context, input: &UpdateStackInput) -> Vec<Access> {
        access_with_role(ctx, "UpdateStack", &input.stack_name, input.role_arn.as_deref())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateStackInput,
    ) -> Result<UpdateStackOutput, ServiceError> {
        check_role(&ctx, input.role_arn.as_deref()).await?;
        let policy = policy_text(&ctx, input.stack_policy_body, input.stack_policy_url).await?;
        let during = policy_text(
            &ctx,
            input.stack_policy_during_update_body,
            input.stack_policy_during_update_url,
        )
        .await?;
        let name = input.stack_name.clone();
        let current = plan::load(&ctx, &name).await?.ok_or_else(|| no_such_stack(&name))?;
        let source = Source {
            body: input.template_body,
            url: input.template_url,
            previous: input.use_previous_template.unwrap_or(false),
        };
        let text = fetch_template(&ctx, &source, Some(&current)).await?;
        let mut parts = parts(
            text,
            input.parameters,
            input.tags,
            input.capabilities,
            input.role_arn,
            input.notification_arns,
        );
        parts.transform(&ctx, current.current.as_ref()).await?;
        parts.require_auto_expand()?;
        let resolved = parts.resolve_ssm(&ctx, current.current.as_ref()).await?;
        let on_failure =
            if input.disable_rollback.unwrap_or(false) { "DO_NOTHING" } else { "ROLLBACK" };
        let client_token = input.client_request_token;
        let store = ctx.store().clone();
        let id = store
            .transact(move |tx| {
                let (ctx, parts, resolved) = (ctx.clone(), parts.clone(), resolved.clone());
                let (name, client_token) = (name.clone(), client_token.clone());
                let (policy, during) = (policy.clone(), during.clone());
                async move {
                    let mut row = stack::require(&tx, &ctx, &name).await?;
                    let how = How {
                        client_token,
                        on_failure: on_failure.to_owned(),
                        by_parent: false,
                        policy: during.or(row.policy.clone()),
                    };
                    row.policy = policy.or(row.policy);
                    if !begin(&tx, &ctx, &mut row, (&parts, &resolved), how).await? {
                        return Err(validation("No updates are to be performed."));
                    }
                    Ok(row.id)
                }
            })
            .await?;
        Ok(UpdateStackOutput { stack_id: Some(id), ..UpdateStackOutput::default() })
    }
}

/// What is said about an update beside what the stack is made from.
pub(crate) struct How {
    pub(crate) client_token: Option<String>,
    pub(crate) on_failure: String,
    pub(crate) by_parent: bool,
    /// The stack policy that holds for this update.
    pub(crate) policy: Option<String>,
}

/// Begins an update; whether there is anything to do.
pub(crate) async fn begin(
    tx: &Tx,
    ctx: &Context,
    row: &mut StackRow,
    (parts, resolved): (&Parts, &BTreeMap<String, String>),
    how: How,
) -> Result<bool, ServiceError> {
    require_updatable(row)?;
    let (definition, prepared) = parts.define(tx, ctx, row, resolved).await?;
    let changes = plan::changes(tx, ctx, row, &prepared).await?;
    if changes.is_empty() && plan::same(row.current.as_ref(), &definition) {
        return Ok(false);
    }
    row.description.clone_from(&prepared.template.description);
    row.updated_ms = Some(tx.now_ms());
    row.operation = Some(OperationRow {
        client_token: how.client_token,
        on_failure: how.on_failure,
        by_parent: how.by_parent,
        policy: how.policy,
        ..OperationRow::new(tx, ctx, OperationKind::Update, definition)
    });
    let reason = Some("User Initiated".to_owned());
    stack::set_status(tx, ctx, row, "UPDATE_IN_PROGRESS", reason)?;
    deploy::begin(tx, ctx, row)?;
    Ok(true)
}
