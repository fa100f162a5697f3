//! `ExecuteChangeSet`: lets a change set happen.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use super::create_change_set::find;
use crate::CloudFormation;
use crate::api::cloudformation::operations::ExecuteChangeSet;
use crate::api::cloudformation::shapes::{ExecuteChangeSetInput, ExecuteChangeSetOutput};
use crate::deploy;
use crate::stack;
use crate::store::{CHANGE_SETS, OperationKind, OperationRow};

impl Handler<ExecuteChangeSet> for CloudFormation {
    fn authorize(&self, ctx: &Context, input: &ExecuteChangeSetInput) -> Vec<Access> {
        access(ctx, "ExecuteChangeSet", input.stack_name.as_deref().unwrap_or_default())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ExecuteChangeSetInput,
    ) -> Result<ExecuteChangeSetOutput, ServiceError> {
        let store = ctx.store().clone();
        store
            .transact(move |tx| {
                let (ctx, input) = (ctx.clone(), input.clone());
                async move {
                    let (mut row, set) =
                        find(&tx, &ctx, &input.change_set_name, input.stack_name.as_ref()).await?;
                    if set.status != "CREATE_COMPLETE" || set.execution_status != "AVAILABLE" {
                        return Err(ServiceError::new(
                            "InvalidChangeSetStatusException",
                            format!(
                                "ChangeSet [{}] cannot be executed in its current status of [{}]",
                                set.id, set.status
                            ),
                        ));
                    }
                    let creates = row.current.is_none();
                    if !creates {
                        super::require_updatable(&row)?;
                    }
                    let no_rollback = input.disable_rollback.unwrap_or(false);
                    let chosen = set.on_failure.clone().filter(|_| creates);
                    let on_failure = match (no_rollback, chosen) {
                        (true, _) => "DO_NOTHING".to_owned(),
                        (false, Some(on_failure)) => on_failure,
                        (false, None) => "ROLLBACK".to_owned(),
                    };
                    row.disable_rollback = on_failure == "DO_NOTHING";
                    row.change_set_id = Some(set.id.clone());
                    let (imports, imports_only) = (set.imports.clone(), set.kind == "IMPORT");
                    let kind = if creates && !imports_only {
                        OperationKind::Create
                    } else {
                        OperationKind::Update
                    };
                    row.operation = Some(OperationRow {
                        client_token: input.client_request_token.clone(),
                        on_failure,
                        imports,
                        imports_only,
                        policy: row.policy.clone(),
                        ..OperationRow::new(&tx, &ctx, kind, set.definition.clone())
                    });
                    if creates {
                        row.created_ms = tx.now_ms()
                    }
                    row.updated_ms = Some(tx.now_ms());
                    let status = match (imports_only, creates) {
                        (true, _) => "IMPORT_IN_PROGRESS",
                        (false, true) => "CREATE_IN_PROGRESS",
                        (false, false) => "UPDATE_IN_PROGRESS",
                    };
                    stack::set_status(
                        &tx,
                        &ctx,
                        &mut row,
                        status,
                        Some("User Initiated".to_owned()),
                    )?;
                    let key = stack::key(&ctx, &row.uuid);
                    // A change set is good for one stack as it stood: all others are void now.
                    for (key, _) in
                        CHANGE_SETS.scan(&tx, CHANGE_SETS.prefix(&key), 1_000, false).await?
                    {
                        CHANGE_SETS.delete(&tx, &key)?;
                    }
                    let (account, region, uuid) = key;
                    let mut done = set;
                    done.execution_status = "EXECUTE_COMPLETE".to_owned();
                    let change_set_key = (account, region, uuid, done.uuid.clone());
                    CHANGE_SETS.put(&tx, &change_set_key, &done)?;
                    deploy::begin(&tx, &ctx, &mut row)?;
                    Ok::<_, ServiceError>(())
                }
            })
            .await?;
        Ok(ExecuteChangeSetOutput::default())
    }
}
