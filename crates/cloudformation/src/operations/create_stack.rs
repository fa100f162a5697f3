//! `CreateStack`: makes a stack from a template at once, without a change set.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_store::Tx;

use super::{Parts, Source, access_with_role, check_role, fetch_template, parts};
use crate::CloudFormation;
use crate::api::cloudformation::operations::CreateStack;
use crate::api::cloudformation::shapes::{CreateStackInput, CreateStackOutput};
use crate::deploy;
use crate::error::validation;
use crate::stack;
use crate::store::{CallerRow, NAMES, NameRow, OperationKind, OperationRow, Phase, StackRow};

impl Handler<CreateStack> for CloudFormation {
    fn authorize(&self, ctx: &Context, input: &CreateStackInput) -> Vec<Access> {
        access_with_role(ctx, "CreateStack", &input.stack_name, input.role_arn.as_deref())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateStackInput,
    ) -> Result<CreateStackOutput, ServiceError> {
        check_role(&ctx, input.role_arn.as_deref()).await?;
        if input.stack_policy_body.is_some() || input.stack_policy_url.is_some() {
            return Err(ServiceError::unsupported("a stack policy"));
        }
        let source = Source { body: input.template_body, url: input.template_url, previous: false };
        let text = fetch_template(&ctx, &source, None).await?;
        let mut parts = parts(
            text,
            input.parameters,
            input.tags,
            input.capabilities,
            input.role_arn,
            input.notification_arns,
        );
        parts.transform(&ctx, None).await?;
        parts.require_auto_expand()?;
        let resolved = parts.resolve_ssm(&ctx, None).await?;
        let on_failure = match (input.disable_rollback, input.on_failure) {
            (Some(_), Some(_)) => {
                return Err(validation("You cannot specify both DisableRollback and OnFailure."));
            }
            (Some(true), None) => "DO_NOTHING".to_owned(),
            (_, on_failure) => on_failure.unwrap_or_else(|| "ROLLBACK".to_owned()),
        };
        let new = New {
            name: input.stack_name,
            on_failure,
            client_token: input.client_request_token,
            termination_protection: input.enable_termination_protection.unwrap_or(false),
            timeout_minutes: input.timeout_in_minutes,
        };
        let store = ctx.store().clone();
        let id = store
            .transact(move |tx| {
                let (ctx, parts, resolved, new) =
                    (ctx.clone(), parts.clone(), resolved.clone(), new.clone());
                async move { create(&tx, &ctx, &parts, &resolved, &new).await }
            })
            .await?;
        Ok(CreateStackOutput { stack_id: Some(id), ..CreateStackOutput::default() })
    }
}

#[derive(Clone)]
struct New {
    name: String,
    on_failure: String,
    client_token: Option<String>,
    termination_protection: bool,
    timeout_minutes: Option<i32>,
}

async fn create(
    tx: &Tx,
    ctx: &Context,
    parts: &Parts,
    resolved: &std::collections::BTreeMap<String, String>,
    new: &New,
) -> Result<String, ServiceError> {
    if stack::find(tx, ctx, &new.name).await?.is_some() {
        return Err(ServiceError::new(
            "AlreadyExistsException",
            format!("Stack [{}] already exists", new.name),
        ));
    }
    let mut row = fresh(tx, ctx, &new.name);
    row.termination_protection = new.termination_protection;
    row.timeout_minutes = new.timeout_minutes;
    row.disable_rollback = new.on_failure == "DO_NOTHING";
    let (definition, prepared) = parts.define(tx, ctx, &row, resolved).await?;
    row.description.clone_from(&prepared.template.description);
    row.operation = Some(OperationRow {
        token: tx.ids().uuid(),
        kind: OperationKind::Create,
        phase: Phase::Forward,
        target: definition,
        client_token: new.client_token.clone(),
        on_failure: new.on_failure.clone(),
        retain: Vec::new(),
        reason: None,
        caller: CallerRow::of(ctx.principal()),
    });
    stack::set_status(tx, ctx, &mut row, "CREATE_IN_PROGRESS", Some("User Initiated".to_owned()))?;
    NAMES.put(tx, &stack::key(ctx, &row.name), &NameRow { uuid: row.uuid.clone() })?;
    deploy::spawn(tx, ctx, &mut row)?;
    Ok(row.id)
}

/// A stack that nothing has happened to.
pub(crate) fn fresh(tx: &Tx, ctx: &Context, name: &str) -> StackRow {
    let uuid = tx.ids().uuid();
    StackRow {
        id: stack::arn(ctx, name, &uuid),
        name: name.to_owned(),
        uuid,
        status: String::new(),
        reason: None,
        created_ms: tx.now_ms(),
        updated_ms: None,
        deleted_ms: None,
        description: None,
        termination_protection: false,
        disable_rollback: false,
        timeout_minutes: None,
        current: None,
        outputs: Vec::new(),
        operation: None,
        role_arn: None,
        change_set_id: None,
    }
}
