//! A stack and what is around it: finding it, its scope, its events.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};
use undercast_kernel::{Arn, Context, ServiceError};
use undercast_smithy::Document;
use undercast_store::Tx;

use crate::error;
use crate::store::{
    Definition, EVENTS, EXPORTS, EventRow, NAMES, RESOURCES, ResourceRow, STACKS, StackKey,
    StackRow, TEMPLATES, TemplateRow,
};
use crate::template::model::plain;
use crate::template::{Error as TemplateError, Pseudo, Template, intrinsics, parameters};

pub fn key(ctx: &Context, uuid: &str) -> StackKey {
    (ctx.account().to_owned(), ctx.region().to_owned(), uuid.to_owned())
}

/// `arn:aws:cloudformation:{region}:{account}:stack/{name}/{uuid}`.
pub fn arn(ctx: &Context, name: &str, uuid: &str) -> String {
    ctx.arn("cloudformation", format!("stack/{name}/{uuid}"))
}

/// The uuid in a stack ARN.
pub fn uuid_of(arn: &str) -> Option<String> {
    let resource = Arn::parse(arn)?.resource;
    let mut parts = resource.strip_prefix("stack/")?.split('/');
    parts.next()?;
    parts.next().map(str::to_owned)
}

/// Finds a stack by its name (only if it is not deleted) or its id.
pub async fn find(
    tx: &Tx,
    ctx: &Context,
    name_or_id: &str,
) -> Result<Option<StackRow>, ServiceError> {
    let uuid = match uuid_of(name_or_id) {
        Some(uuid) => uuid,
        None => match NAMES.get(tx, &key(ctx, name_or_id)).await? {
            Some(row) => row.uuid,
            None => return Ok(None),
        },
    };
    Ok(STACKS.get(tx, &key(ctx, &uuid)).await?)
}

/// The same, or AWS's error.
pub async fn require(tx: &Tx, ctx: &Context, name_or_id: &str) -> Result<StackRow, ServiceError> {
    find(tx, ctx, name_or_id).await?.ok_or_else(|| error::no_such_stack(name_or_id))
}

pub async fn resources(
    tx: &Tx,
    ctx: &Context,
    uuid: &str,
) -> Result<BTreeMap<String, ResourceRow>, ServiceError> {
    let rows = RESOURCES.scan(tx, RESOURCES.prefix(&key(ctx, uuid)), 2_000, false).await?;
    Ok(rows.into_iter().map(|(key, row)| (key.3, row)).collect())
}

pub async fn exports(tx: &Tx, ctx: &Context) -> Result<BTreeMap<String, String>, ServiceError> {
    let prefix = (ctx.account().to_owned(), ctx.region().to_owned());
    let rows = EXPORTS.scan(tx, EXPORTS.prefix(&prefix), 10_000, false).await?;
    Ok(rows.into_iter().map(|(key, row)| (key.2, row.value)).collect())
}

/// Keeps the text of a template and answers the name under which it is kept.
pub fn keep_template(tx: &Tx, ctx: &Context, text: &str) -> Result<String, ServiceError> {
    let hash = hash(text);
    TEMPLATES.put(tx, &key(ctx, &hash), &TemplateRow { text: text.to_owned() })?;
    Ok(hash)
}

pub fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

pub async fn template_text(tx: &Tx, ctx: &Context, hash: &str) -> Result<String, ServiceError> {
    let row = TEMPLATES.get(tx, &key(ctx, hash)).await?;
    row.map(|row| row.text).ok_or_else(|| ServiceError::internal("a template is missing"))
}

static SEQUENCE: AtomicU64 = AtomicU64::new(0);

/// Something that happened to a resource, or to the stack itself.
pub struct Event<'a> {
    pub logical_id: &'a str,
    pub physical_id: &'a str,
    pub kind: &'a str,
    pub status: &'a str,
    pub reason: Option<String>,
    pub properties: Option<String>,
    /// When it happened, if that was before this transaction.
    pub time_ms: Option<i64>,
}

pub fn record(
    tx: &Tx,
    ctx: &Context,
    stack: &StackRow,
    event: Event<'_>,
) -> Result<(), ServiceError> {
    let sequence = SEQUENCE.fetch_add(1, Ordering::Relaxed);
    let (account, region, uuid) = key(ctx, &stack.uuid);
    let id = if event.logical_id == stack.name {
        tx.ids().uuid()
    } else {
        format!("{}-{}-{}", event.logical_id, event.status, tx.ids().uuid())
    };
    let time_ms = event.time_ms.unwrap_or_else(|| tx.now_ms());
    let row = EventRow {
        id,
        logical_id: event.logical_id.to_owned(),
        physical_id: event.physical_id.to_owned(),
        kind: event.kind.to_owned(),
        status: event.status.to_owned(),
        reason: event.reason,
        properties: event.properties,
        time_ms,
        client_token: stack.operation.as_ref().and_then(|o| o.client_token.clone()),
    };
    EVENTS.put(tx, &(account, region, uuid, time_ms, sequence), &row)?;
    Ok(())
}

/// Sets the stack's status and records the event that says so. The caller puts the row.
pub fn set_status(
    tx: &Tx,
    ctx: &Context,
    stack: &mut StackRow,
    status: &str,
    reason: Option<String>,
) -> Result<(), ServiceError> {
    status.clone_into(&mut stack.status);
    stack.reason.clone_from(&reason);
    let event = Event {
        logical_id: &stack.name,
        physical_id: &stack.id,
        kind: "AWS::CloudFormation::Stack",
        status,
        reason,
        properties: None,
        time_ms: None,
    };
    record(tx, ctx, stack, event)
}

/// A template with everything that is known before its resources are.
pub struct Prepared {
    pub template: Template,
    pub parameters: BTreeMap<String, Document>,
    pub conditions: BTreeMap<String, bool>,
    pub pseudo: Pseudo,
}

impl Prepared {
    pub fn new(
        text: &str,
        definition: &Definition,
        pseudo: Pseudo,
        exports: &BTreeMap<String, String>,
    ) -> Result<Self, TemplateError> {
        let template = Template::parse(text)?;
        let values: BTreeMap<String, Document> = template
            .parameters
            .iter()
            .filter_map(|(name, parameter)| {
                let value = definition.resolved.get(name).or(definition.parameters.get(name))?;
                Some((name.clone(), parameters::typed(&parameter.kind, value)))
            })
            .collect();
        let none = BTreeMap::new();
        let scope = intrinsics::Scope {
            parameters: &values,
            conditions: &none,
            mappings: &template.mappings,
            pseudo: &pseudo,
            exports,
            resource: &|_, _| intrinsics::Lookup::Missing,
        };
        let conditions = intrinsics::conditions(&template.conditions, &scope)?;
        check_rules(&template, &intrinsics::Scope { conditions: &conditions, ..scope })?;
        Ok(Self { parameters: values, conditions, pseudo, template })
    }

    /// The scope of this template over resources that `resource` knows.
    pub fn scope<'a>(
        &'a self,
        exports: &'a BTreeMap<String, String>,
        resource: &'a (dyn Fn(&str, Option<&str>) -> intrinsics::Lookup + Sync),
    ) -> intrinsics::Scope<'a> {
        intrinsics::Scope {
            parameters: &self.parameters,
            conditions: &self.conditions,
            mappings: &self.template.mappings,
            pseudo: &self.pseudo,
            exports,
            resource,
        }
    }

    /// The resources whose conditions hold, in the template's order.
    pub fn resources(&self) -> impl Iterator<Item = &crate::template::ResourceDefinition> {
        self.template.resources.iter().filter(|r| self.holds(r.condition.as_ref()))
    }

    pub fn holds(&self, condition: Option<&String>) -> bool {
        condition.is_none_or(|name| self.conditions.get(name).copied().unwrap_or(false))
    }
}

/// `Rules`: assertions over parameters.
fn check_rules(template: &Template, scope: &intrinsics::Scope<'_>) -> Result<(), TemplateError> {
    for rule in template.rules.values() {
        let applies = match rule.get("RuleCondition") {
            Some(condition) => {
                intrinsics::holds(condition, scope).map_err(intrinsics::Unresolved::into_error)?
            }
            None => true,
        };
        if !applies {
            continue;
        }
        for assertion in rule.get("Assertions").and_then(Document::as_array).into_iter().flatten() {
            let Some(body) = assertion.get("Assert") else {
                continue;
            };
            let holds =
                intrinsics::holds(body, scope).map_err(intrinsics::Unresolved::into_error)?;
            if !holds {
                let description =
                    assertion.get("AssertDescription").map_or_else(String::new, plain);
                return Err(TemplateError(format!("Template constraint failed: {description}")));
            }
        }
    }
    Ok(())
}

pub fn pseudo(ctx: &Context, stack: &StackRow, definition: &Definition) -> Pseudo {
    Pseudo {
        account: ctx.account().to_owned(),
        region: ctx.region().to_owned(),
        stack_name: stack.name.clone(),
        stack_id: stack.id.clone(),
        notification_arns: definition.notification_arns.clone(),
    }
}
