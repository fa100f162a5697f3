//! One file for each operation; what several of them share is here.

mod cancel_update_stack;
pub(crate) mod continue_update_rollback;
mod create_change_set;
pub(crate) mod create_stack;
mod delete_change_set;
pub(crate) mod delete_stack;
mod describe_account_limits;
mod describe_change_set;
mod describe_events;
mod describe_stack_drift_detection_status;
mod describe_stack_events;
mod describe_stack_resource;
mod describe_stack_resource_drifts;
mod describe_stack_resources;
mod describe_stacks;
mod describe_type;
mod detect_stack_drift;
mod detect_stack_resource_drift;
mod execute_change_set;
mod get_stack_policy;
mod get_template;
mod get_template_summary;
mod list_change_sets;
mod list_exports;
mod list_imports;
mod list_stack_resources;
mod list_stacks;
mod list_types;
mod rollback_stack;
mod set_stack_policy;
mod signal_resource;
mod source;
mod transformed;
pub(crate) mod update_stack;
mod update_termination_protection;
mod validate_template;

pub(crate) use source::{Parts, Source, fetch_template, parts};
pub(crate) use transformed::read_declared;

use std::collections::BTreeMap;

use undercast_kernel::{Access, Context, Mode, ServiceError};
use undercast_smithy::Timestamp;
use undercast_store::Tx;

use crate::api::cloudformation::shapes::{Parameter, Tag};
use crate::error::validation;
use crate::policy;
use crate::stack;
use crate::store::{Definition, IMPORTS, ResourceRow, StackRow};
use crate::template::Template;

/// `cloudformation:{operation}` on a stack, however it is named.
pub(crate) fn access(ctx: &Context, operation: &str, stack: &str) -> Vec<Access> {
    let resource = match (stack.is_empty(), stack.starts_with("arn:")) {
        (true, _) => "*".to_owned(),
        (_, true) => stack.to_owned(),
        _ => ctx.arn("cloudformation", format!("stack/{stack}/*")),
    };
    vec![Access::new(format!("cloudformation:{operation}"), resource)]
}

/// The same, and the role that is handed to CloudFormation.
pub(crate) fn access_with_role(
    ctx: &Context,
    operation: &str,
    stack: &str,
    role: Option<&str>,
) -> Vec<Access> {
    let passed =
        role.map(|role| Access::new("iam:PassRole", role).when("iam:PassedToService", crate::NAME));
    access(ctx, operation, stack).into_iter().chain(passed).collect()
}

/// Where policies are enforced, the role has to be one that CloudFormation may take on.
pub(crate) async fn check_role(ctx: &Context, role: Option<&str>) -> Result<(), ServiceError> {
    let Some(role) = role.filter(|_| ctx.kernel().settings().mode == Mode::Secure) else {
        return Ok(());
    };
    let service = ctx.kernel().service_context(crate::NAME, ctx.account(), ctx.region());
    let input = serde_json::json!({"RoleArn": role, "RoleSessionName": "AWSCloudFormation"});
    match ctx.kernel().call(&service, "sts", "AssumeRole", &input).await {
        Ok(_) => Ok(()),
        Err(error) if error.fault() == undercast_smithy::Fault::Receiver => Err(error),
        Err(_) => Err(validation(format!("Role {role} is invalid or cannot be assumed"))),
    }
}

/// The stack policy that is given in one of two ways, checked.
pub(crate) async fn policy_text(
    ctx: &Context,
    body: Option<String>,
    url: Option<String>,
) -> Result<Option<String>, ServiceError> {
    let text = match (body, url) {
        (None, None) => return Ok(None),
        (Some(body), None) => body,
        (None, Some(url)) => source::fetch_url(ctx, &url).await?,
        (Some(_), Some(_)) => {
            return Err(validation("You cannot specify both StackPolicyURL and StackPolicyBody."));
        }
    };
    policy::check(&text).map_err(validation)?;
    Ok(Some(text))
}

/// How many rows a page of a listing has.
pub(crate) const PAGE: usize = 100;

/// The offset that a `NextToken` stands for.
pub(crate) fn offset(token: Option<&String>) -> Result<usize, ServiceError> {
    match token {
        None => Ok(0),
        Some(token) => token.parse().map_err(|_| validation("Invalid NextToken")),
    }
}

/// One page of `rows` from `start`, and the token of the next.
pub(crate) fn page<T>(rows: Vec<T>, start: usize, size: usize) -> (Vec<T>, Option<String>) {
    let more = rows.len() > start + size;
    let rows = rows.into_iter().skip(start).take(size).collect();
    (rows, more.then(|| (start + size).to_string()))
}

pub(crate) fn time(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

/// The parameters as answers show them: `NoEcho` ones masked, SSM ones with their values.
pub(crate) fn shown_parameters(
    definition: &Definition,
    template: Option<&Template>,
) -> Vec<Parameter> {
    let hidden = |name: &str| {
        template.and_then(|t| t.parameters.get(name)).is_some_and(|parameter| parameter.no_echo)
    };
    let show = |(name, value): (&String, &String)| Parameter {
        parameter_key: Some(name.clone()),
        parameter_value: Some(if hidden(name) { "****".to_owned() } else { value.clone() }),
        resolved_value: definition.resolved.get(name).cloned(),
        ..Parameter::default()
    };
    definition.parameters.iter().map(show).collect()
}

pub(crate) fn shown_tags(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect()
}

/// Somebody who imports an export holds it in place.
pub(crate) async fn refuse_if_imported(
    tx: &Tx,
    ctx: &Context,
    export: &str,
    verb: &str,
) -> Result<(), ServiceError> {
    let prefix = (ctx.account().to_owned(), ctx.region().to_owned(), export.to_owned());
    let rows = IMPORTS.scan(tx, IMPORTS.prefix(&prefix), 10, false).await?;
    let names: Vec<&str> = rows.iter().map(|(_, row)| row.stack_name.as_str()).collect();
    match names.as_slice() {
        [] => Ok(()),
        names => Err(validation(format!(
            "Cannot {verb} {export} as it is in use by {}",
            names.join(" and ")
        ))),
    }
}

/// An update needs a stack at rest.
pub(crate) fn require_updatable(stack: &StackRow) -> Result<(), ServiceError> {
    let updatable = matches!(
        stack.status.as_str(),
        "CREATE_COMPLETE"
            | "UPDATE_COMPLETE"
            | "UPDATE_ROLLBACK_COMPLETE"
            | "IMPORT_COMPLETE"
            | "IMPORT_ROLLBACK_COMPLETE"
            | "UPDATE_FAILED"
            | "CREATE_FAILED"
    );
    if updatable {
        return Ok(());
    }
    Err(validation(format!(
        "Stack:{} is in {} state and can not be updated.",
        stack.id, stack.status
    )))
}

/// `CAPABILITY_IAM` and its kin, as far as the template's resources ask for them.
pub(crate) fn required_capabilities(template: &Template) -> (Vec<&'static str>, Vec<String>) {
    let named = |kind: &str, properties: &undercast_smithy::Document| match kind {
        "AWS::IAM::Role" => properties.get("RoleName").is_some(),
        "AWS::IAM::User" => properties.get("UserName").is_some(),
        "AWS::IAM::Group" => properties.get("GroupName").is_some(),
        "AWS::IAM::ManagedPolicy" => properties.get("ManagedPolicyName").is_some(),
        "AWS::IAM::InstanceProfile" => properties.get("InstanceProfileName").is_some(),
        _ => false,
    };
    let iam: Vec<_> =
        template.resources.iter().filter(|r| r.kind.starts_with("AWS::IAM::")).collect();
    let mut kinds: Vec<String> = iam.iter().map(|r| r.kind.clone()).collect();
    kinds.sort();
    kinds.dedup();
    if iam.iter().any(|r| named(&r.kind, &r.properties)) {
        return (vec!["CAPABILITY_NAMED_IAM"], kinds);
    }
    if kinds.is_empty() { (Vec::new(), kinds) } else { (vec!["CAPABILITY_IAM"], kinds) }
}

/// The capabilities that a template asks for before its transforms are run, and why.
pub(crate) fn capabilities_reason(template: &Template) -> (Vec<&'static str>, Option<String>) {
    let (mut capabilities, mut kinds) = required_capabilities(template);
    if !template.transforms.is_empty() {
        capabilities.push("CAPABILITY_AUTO_EXPAND");
        let ours = template.resources.iter().map(|r| &r.kind);
        kinds.extend(ours.filter(|kind| kind.starts_with("AWS::Serverless::")).cloned());
        kinds.sort();
        kinds.dedup();
    }
    let reason = (!kinds.is_empty())
        .then(|| format!("The following resource(s) require capabilities: [{}]", kinds.join(", ")));
    (capabilities, reason)
}

/// The capabilities that the caller acknowledged have to cover those.
pub(crate) fn check_capabilities(
    template: &Template,
    given: &[String],
) -> Result<(), ServiceError> {
    let has = |name: &str| given.iter().any(|c| c == name);
    let (required, _) = required_capabilities(template);
    for capability in required {
        let covered =
            has(capability) || (capability == "CAPABILITY_IAM" && has("CAPABILITY_NAMED_IAM"));
        if !covered {
            return Err(ServiceError::new(
                "InsufficientCapabilitiesException",
                format!("Requires capabilities : [{capability}]"),
            ));
        }
    }
    Ok(())
}

/// A stack and its resources by their logical ids.
pub(crate) async fn stack_and_resources(
    ctx: &Context,
    name: &str,
) -> Result<(StackRow, BTreeMap<String, ResourceRow>), ServiceError> {
    let name = name.to_owned();
    ctx.transact(name, |tx, ctx, name| async move {
        let stack = stack::require(&tx, &ctx, &name).await?;
        let resources = stack::resources(&tx, &ctx, &stack.uuid).await?;
        Ok((stack, resources))
    })
    .await
}

/// Reads the current template of a stack.
pub(crate) async fn current_template(
    tx: &Tx,
    ctx: &Context,
    stack: &StackRow,
) -> Result<Option<Template>, ServiceError> {
    let Some(definition) = &stack.current else {
        return Ok(None);
    };
    let text = stack::template_text(tx, ctx, &definition.template).await?;
    Ok(Template::parse(&text).ok())
}
