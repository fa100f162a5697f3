//! `DescribeChangeSet`: what a change set would do.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::Document;

use super::create_change_set::find;
use super::{access, offset, page, shown_parameters, shown_tags, time};
use crate::CloudFormation;
use crate::api::cloudformation::operations::DescribeChangeSet;
use crate::api::cloudformation::shapes::{
    Change, DescribeChangeSetInput, DescribeChangeSetOutput, ResourceChange, ResourceChangeDetail,
    ResourceTargetDefinition, RollbackConfiguration,
};
use crate::stack;
use crate::store::ChangeRow;
use crate::template::{Template, model::plain};

impl Handler<DescribeChangeSet> for CloudFormation {
    fn authorize(&self, ctx: &Context, input: &DescribeChangeSetInput) -> Vec<Access> {
        access(ctx, "DescribeChangeSet", input.stack_name.as_deref().unwrap_or_default())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeChangeSetInput,
    ) -> Result<DescribeChangeSetOutput, ServiceError> {
        let start = offset(input.next_token.as_ref())?;
        let with_values = input.include_property_values == Some(true);
        let (name, stack_name) = (input.change_set_name, input.stack_name);
        let store = ctx.store().clone();
        let (stack, set, template) = store
            .transact(move |tx| {
                let (ctx, name, stack_name) = (ctx.clone(), name.clone(), stack_name.clone());
                async move {
                    let (stack, set) = find(&tx, &ctx, &name, stack_name.as_ref()).await?;
                    let text = stack::template_text(&tx, &ctx, &set.definition.template).await?;
                    Ok::<_, ServiceError>((stack, set, Template::parse(&text).ok()))
                }
            })
            .await?;
        let shown = |change| shown(change, with_values);
        let changes: Vec<Change> = set.changes.iter().map(shown).collect();
        let (changes, next_token) = page(changes, start, 1_000);
        Ok(DescribeChangeSetOutput {
            change_set_name: Some(set.name),
            change_set_id: Some(set.id),
            stack_id: Some(stack.id),
            stack_name: Some(stack.name),
            description: set.description,
            parameters: Some(shown_parameters(&set.definition, template.as_ref()))
                .filter(|p| !p.is_empty()),
            creation_time: Some(time(set.created_ms)),
            execution_status: Some(set.execution_status),
            status: Some(set.status),
            status_reason: set.reason,
            notification_arns: Some(set.definition.notification_arns.clone()),
            rollback_configuration: Some(RollbackConfiguration::default()),
            capabilities: Some(set.definition.capabilities.clone()),
            tags: Some(shown_tags(&set.definition.tags)).filter(|t| !t.is_empty()),
            changes: Some(changes),
            next_token,
            // Change sets are not made of the stacks within.
            include_nested_stacks: Some(false),
            on_stack_failure: set.on_failure,
            ..DescribeChangeSetOutput::default()
        })
    }
}

fn shown(change: &ChangeRow, with_values: bool) -> Change {
    let before = change.before.as_ref().filter(|_| with_values);
    let after = change.after.as_ref().filter(|_| with_values);
    let context = |properties: &Document| serde_json::json!({"Properties": properties}).to_string();
    let value = |properties: Option<&Document>, name: &str| properties?.get(name).map(plain);
    let kind = |name: &str| match (value(before, name), value(after, name)) {
        _ if !with_values => None,
        (None, Some(_)) => Some("Add".to_owned()),
        (Some(_), None) => Some("Remove".to_owned()),
        _ => Some("Modify".to_owned()),
    };
    let details = change.properties.iter().map(|(name, recreation)| ResourceChangeDetail {
        target: Some(ResourceTargetDefinition {
            attribute: Some("Properties".to_owned()),
            name: Some(name.clone()),
            requires_recreation: Some(recreation.clone()),
            path: with_values.then(|| format!("/Properties/{name}")),
            before_value: value(before, name),
            after_value: value(after, name),
            attribute_change_type: kind(name),
            ..ResourceTargetDefinition::default()
        }),
        evaluation: Some("Static".to_owned()),
        change_source: Some("DirectModification".to_owned()),
        causing_entity: None,
    });
    let scope = if change.action == "Modify" { vec!["Properties".to_owned()] } else { Vec::new() };
    Change {
        r#type: Some("Resource".to_owned()),
        resource_change: Some(ResourceChange {
            action: Some(change.action.clone()),
            logical_resource_id: Some(change.logical_id.clone()),
            physical_resource_id: change.physical_id.clone(),
            resource_type: Some(change.kind.clone()),
            replacement: change.replacement.clone(),
            scope: Some(scope),
            details: Some(details.collect()),
            before_context: before.map(context),
            after_context: after.map(context),
            ..ResourceChange::default()
        }),
        ..Change::default()
    }
}
