//! `CreateStack`: makes a stack from a template at once, without a change set.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_store::Tx;

use super::{Parts, Source, access_with_role, check_role, fetch_template, parts, policy_text};
use crate::CloudFormation;
use crate::api::cloudformation::operations::CreateStack;
use crate::api::cloudformation::shapes::{CreateStackInput, CreateStackOutput};
use crate::deploy;
use crate::error::validation;
use crate::stack;
use crate::store::{NAMES, NameRow, OperationKind, OperationRow, StackRow};

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
        let policy = policy_text(&ctx, input.stack_policy_body, input.stack_policy_url).await?;
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
            policy,
            ..New::default()
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

/// What is said about a new stack beside what it is made from.
#[derive(Clone, Default)]
pub(crate) struct New {
    pub(crate) name: String,
    pub(crate) on_failure: String,
    pub(crate) client_token: Option<String>,
    pub(crate) termination_protection: bool,
    pub(crate) timeout_minutes: Option<i32>,
    pub(crate) policy: Option<String>,
    pub(crate) deadline_ms: Option<i64>,
    /// The stack that this one is a resource of, and the one at the top.
    pub(crate) parent: Option<(String, String)>,
}

pub(crate) async fn create(
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
    row.policy.clone_from(&new.policy);
    row.disable_rollback = new.on_failure == "DO_NOTHING";
    if let Some((parent, root)) = new.parent.clone() {
        (row.parent_id, row.root_id) = (Some(parent), Some(root));
    }
    let (definition, prepared) = parts.define(tx, ctx, &row, resolved).await?;
    row.description.clone_from(&prepared.template.description);
    let own_deadline = new.timeout_minutes.map(|m| tx.now_ms() + i64::from(m) * 60_000);
    row.operation = Some(OperationRow {
        client_token: new.client_token.clone(),
        on_failure: new.on_failure.clone(),
        by_parent: new.parent.is_some(),
        deadline_ms: own_deadline.into_iter().chain(new.deadline_ms).min(),
        ..OperationRow::new(tx, ctx, OperationKind::Create, definition)
    });
    stack::set_status(tx, ctx, &mut row, "CREATE_IN_PROGRESS", Some("User Initiated".to_owned()))?;
    NAMES.put(tx, &stack::key(ctx, &row.name), &NameRow { uuid: row.uuid.clone() })?;
    deploy::begin(tx, ctx, &mut row)?;
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
        parent_id: None,
        root_id: None,
        drift: None,
        policy: None,
    }
}
