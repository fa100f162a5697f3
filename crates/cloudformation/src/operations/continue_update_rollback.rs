//! `ContinueUpdateRollback`: another try at a rollback that failed.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_store::Tx;

use super::{access_with_role, check_role};
use crate::CloudFormation;
use crate::api::cloudformation::operations::ContinueUpdateRollback;
use crate::api::cloudformation::shapes::{
    ContinueUpdateRollbackInput, ContinueUpdateRollbackOutput,
};
use crate::deploy;
use crate::error::validation;
use crate::stack;
use crate::store::{Definition, OperationKind, OperationRow, Phase, RESOURCES, StackRow};

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
                    begin(&tx, &ctx, &mut row, &skip, How { client_token, role, by_parent: false })
                        .await
                }
            })
            .await?;
        Ok(ContinueUpdateRollbackOutput::default())
    }
}

/// What is said about another try at a rollback.
#[derive(Default)]
pub(crate) struct How {
    pub(crate) client_token: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) by_parent: bool,
}

/// Goes on with the rollback that failed, without the resources in `skip`.
pub(crate) async fn begin(
    tx: &Tx,
    ctx: &Context,
    row: &mut StackRow,
    skip: &[String],
    how: How,
) -> Result<(), ServiceError> {
    if row.status != "UPDATE_ROLLBACK_FAILED" {
        return Err(validation(format!(
            "Stack:{} is in {} state and can not continue rollback.",
            row.id, row.status
        )));
    }
    // The failed operation's token stands on the resources that it touched.
    let resources = stack::resources(tx, ctx, &row.uuid).await?;
    let failed = resources.values().find(|r| r.before.is_some() && r.status.ends_with("_FAILED"));
    let token = failed.map_or_else(|| tx.ids().uuid(), |r| r.operation.clone());
    for mut resource in resources.into_values().filter(|r| skip.contains(&r.logical_id)) {
        resource.before = None;
        resource.operation = "skipped".to_owned();
        "UPDATE_COMPLETE".clone_into(&mut resource.status);
        let (account, region, uuid) = stack::key(ctx, &row.uuid);
        RESOURCES.put(tx, &(account, region, uuid, resource.logical_id.clone()), &resource)?;
    }
    let target = Definition {
        role_arn: how.role.or(row.role_arn.clone()),
        ..row.current.clone().unwrap_or_default()
    };
    row.operation = Some(OperationRow {
        token,
        phase: Phase::RollBack,
        client_token: how.client_token,
        by_parent: how.by_parent,
        ..OperationRow::new(tx, ctx, OperationKind::Update, target)
    });
    let reason = Some("User Initiated".to_owned());
    stack::set_status(tx, ctx, row, "UPDATE_ROLLBACK_IN_PROGRESS", reason)?;
    deploy::begin(tx, ctx, row)
}
