//! `ContinueUpdateRollback`: another try at a rollback that failed.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access_with_role, check_role};
use crate::CloudFormation;
use crate::api::cloudformation::operations::ContinueUpdateRollback;
use crate::api::cloudformation::shapes::{
    ContinueUpdateRollbackInput, ContinueUpdateRollbackOutput,
};
use crate::deploy;
use crate::error::validation;
use crate::stack;
use crate::store::{CallerRow, Definition, OperationKind, OperationRow, Phase, RESOURCES};

impl Handler<ContinueUpdateRollback> for CloudFormation {
    fn authorize(&self, ctx: &Context, input: &ContinueUpdateRollbackInput) -> Vec<Access> {
        access_with_role(
            ctx,
            "ContinueUpdateRollback",
            &input.stack_name,
            input.role_arn.as_deref(),
        )
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ContinueUpdateRollbackInput,
    ) -> Result<ContinueUpdateRollbackOutput, ServiceError> {
        check_role(&ctx, input.role_arn.as_deref()).await?;
        let skip = input.resources_to_skip.unwrap_or_default();
        let (name, client_token) = (input.stack_name, input.client_request_token);
        let role = input.role_arn;
        let store = ctx.store().clone();
        store
            .transact(move |tx| {
                let (ctx, name, skip) = (ctx.clone(), name.clone(), skip.clone());
                let (client_token, role) = (client_token.clone(), role.clone());
                async move {
                    let mut row = stack::require(&tx, &ctx, &name).await?;
                    if row.status != "UPDATE_ROLLBACK_FAILED" {
                        return Err(validation(format!(
                            "Stack:{} is in {} state and can not continue rollback.",
                            row.id, row.status
                        )));
                    }
                    // The failed operation's token stands on the resources that it touched.
                    let resources = stack::resources(&tx, &ctx, &row.uuid).await?;
                    let failed = resources
                        .values()
                        .find(|r| r.before.is_some() && r.status.ends_with("_FAILED"));
                    let token = failed.map_or_else(|| tx.ids().uuid(), |r| r.operation.clone());
                    for mut resource in
                        resources.into_values().filter(|r| skip.contains(&r.logical_id))
                    {
                        resource.before = None;
                        resource.operation = "skipped".to_owned();
                        "UPDATE_COMPLETE".clone_into(&mut resource.status);
                        let (account, region, uuid) = stack::key(&ctx, &row.uuid);
                        RESOURCES.put(
                            &tx,
                            &(account, region, uuid, resource.logical_id.clone()),
                            &resource,
                        )?;
                    }
                    row.operation = Some(OperationRow {
                        token,
                        kind: OperationKind::Update,
                        phase: Phase::RollBack,
                        target: Definition {
                            role_arn: role.or(row.role_arn.clone()),
                            ..row.current.clone().unwrap_or_default()
                        },
                        client_token,
                        on_failure: "ROLLBACK".to_owned(),
                        retain: Vec::new(),
                        reason: None,
                        caller: CallerRow::of(ctx.principal()),
                    });
                    let status = "UPDATE_ROLLBACK_IN_PROGRESS";
                    stack::set_status(
                        &tx,
                        &ctx,
                        &mut row,
                        status,
                        Some("User Initiated".to_owned()),
                    )?;
                    deploy::spawn(&tx, &ctx, &mut row)?;
                    Ok::<_, ServiceError>(())
                }
            })
            .await?;
        Ok(ContinueUpdateRollbackOutput::default())
    }
}
