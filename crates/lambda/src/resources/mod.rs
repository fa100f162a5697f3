//! The resource types, made of Lambda's own operations.

mod function;
mod inline;
mod layer;
mod mapping;
mod permission;
mod url;
mod version;

use futures::future::BoxFuture;
use serde_json::{Map, Value};
use undercast_kernel::{Context, Kernel, Listed, ResourceRequest, ServiceError};

use crate::name;
use crate::store::FUNCTIONS;
pub(crate) use function::FunctionType;
pub(crate) use layer::{LayerPermissionType, LayerVersionType};
pub(crate) use mapping::{InvokeConfigType, MappingType};
pub(crate) use permission::PermissionType;
pub(crate) use url::UrlType;
pub(crate) use version::{AliasType, VersionType};

type Future<T> = BoxFuture<'static, Result<T, ServiceError>>;

const GONE: &str = "ResourceNotFoundException";
const EXISTS: &str = "ResourceConflictException";

async fn call(ctx: &Context, operation: &str, input: Value) -> Result<Value, ServiceError> {
    ctx.kernel().call(ctx, "lambda", operation, &input).await
}

/// The same, where the thing not being there is as good.
async fn call_unless_gone(
    ctx: &Context,
    operation: &str,
    input: Value,
) -> Result<(), ServiceError> {
    match call(ctx, operation, input).await {
        Err(error) if error.code() == GONE => Ok(()),
        other => other.map(|_| ()),
    }
}

/// The same for something that an attempt before a crash may have made already; its name is ours alone.
async fn call_unless_made(
    ctx: &Context,
    operation: &str,
    input: Value,
    attempt: u32,
) -> Result<(), ServiceError> {
    match call(ctx, operation, input).await {
        Err(error) if error.code() == EXISTS && attempt > 1 => Ok(()),
        other => other.map(drop),
    }
}

/// The name under which a function stands in a template: a name or an ARN.
fn text(value: &Value, member: &str) -> String {
    let found = value.get(member).and_then(Value::as_str);
    found.unwrap_or_default().to_owned()
}

/// Templates may write numbers and truth as text.
fn plain(value: &Value) -> Value {
    match value {
        Value::String(text) => match text.as_str() {
            "true" => true.into(),
            "false" => false.into(),
            _ => text.parse::<i64>().map_or_else(|_| value.clone(), Into::into),
        },
        Value::Array(items) => Value::Array(items.iter().map(plain).collect()),
        other => other.clone(),
    }
}

/// Takes over properties that are called the same in the API.
fn copy(from: &Value, into: &mut Map<String, Value>, same: &[&str], plainly: &[&str]) {
    for name in same {
        if let Some(value) = from.get(*name) {
            into.insert((*name).to_owned(), value.clone());
        }
    }
    for name in plainly {
        if let Some(value) = from.get(*name) {
            into.insert((*name).to_owned(), plain(value));
        }
    }
}

fn tags(request: &ResourceRequest) -> Value {
    let all = request.tag_list().into_iter();
    Value::Object(all.map(|(key, value)| (key, value.into())).collect())
}

/// Functions, for `undercast ls`.
pub(crate) async fn list(kernel: Kernel) -> Result<Vec<Listed>, ServiceError> {
    let rows = FUNCTIONS.list(kernel.db(), FUNCTIONS.all(), 10_000, false).await?;
    let listed = rows.into_iter().map(|((account, region, name), row)| Listed {
        kind: "AWS::Lambda::Function",
        arn: name::arn(&account, &region, &name),
        account,
        region,
        name,
        note: row.latest.settings.runtime,
    });
    Ok(listed.collect())
}
