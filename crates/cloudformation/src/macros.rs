//! Macros of one's own: `AWS::CloudFormation::Macro` names a function, which templates then call by name.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::json;
use undercast_kernel::{
    Access, Context, InvokeKind, InvokeRequest, Resource, ResourceRequest, ResourceType,
    ServiceError,
};
use undercast_smithy::Document;

use crate::error::failed;
use crate::stack;
use crate::store::{MACROS, MacroRow};
use crate::transform::{Budget, Values, weight};

pub(crate) struct Macro;

impl ResourceType for Macro {
    fn name(&self) -> &'static str {
        "AWS::CloudFormation::Macro"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Description", "FunctionName", "Name"]
    }

    fn inert_properties(&self) -> &'static [&'static str] {
        &["LogGroupName", "LogRoleARN"]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["Name"]
    }

    fn create(
        &self,
        ctx: Context,
        request: ResourceRequest,
    ) -> BoxFuture<'static, Result<Resource, ServiceError>> {
        async move { keep(&ctx, &request).await }.boxed()
    }

    fn update(
        &self,
        ctx: Context,
        request: ResourceRequest,
    ) -> BoxFuture<'static, Result<Resource, ServiceError>> {
        async move { keep(&ctx, &request).await }.boxed()
    }

    fn delete(
        &self,
        ctx: Context,
        request: ResourceRequest,
    ) -> BoxFuture<'static, Result<(), ServiceError>> {
        async move {
            let key = stack::key(&ctx, &request.physical_id);
            let store = ctx.store().clone();
            store
                .transact(move |tx| {
                    let key = key.clone();
                    async move { Ok::<_, ServiceError>(MACROS.delete(&tx, &key)?) }
                })
                .await
        }
        .boxed()
    }
}

async fn keep(ctx: &Context, request: &ResourceRequest) -> Result<Resource, ServiceError> {
    let needed = |name: &str| {
        let value = request.text(name).filter(|value| !value.is_empty()).map(str::to_owned);
        value.ok_or_else(|| failed(format!("Property {name} cannot be empty.")))
    };
    let (name, function) = (needed("Name")?, needed("FunctionName")?);
    let function = match function.starts_with("arn:") {
        true => function,
        false => ctx.arn("lambda", format!("function:{function}")),
    };
    let key = stack::key(ctx, &name);
    let row = MacroRow { function, stack_id: request.stack_id.clone() };
    ctx.store()
        .transact(move |tx| {
            let (key, row) = (key.clone(), row.clone());
            async move {
                let taken = MACROS.get(&tx, &key).await?;
                if taken.is_some_and(|taken| taken.stack_id != row.stack_id) {
                    return Err(failed(format!("{} already exists", key.2)));
                }
                Ok(MACROS.put(&tx, &key, &row)?)
            }
        })
        .await?;
    Ok(Resource::new(name))
}

/// Has a macro make another fragment of a fragment. The error is the whole message.
pub(crate) async fn call(
    ctx: &Context,
    name: &str,
    fragment: Document,
    params: Document,
    values: &Values,
) -> Result<Document, String> {
    let id = format!("{}::{name}", ctx.account());
    let row = MACROS.read(ctx.store(), &stack::key(ctx, name)).await.map_err(|e| e.to_string())?;
    let Some(row) = row else {
        return Err(format!("No transform named {id} found."));
    };
    let of_transform = |message: String| format!("Transform {id} failed with: {message}");
    let access = Access::new("lambda:InvokeFunction", row.function.clone());
    let checked = ctx.kernel().check(ctx, vec![access]).await;
    checked.map_err(|error| of_transform(error.message().to_owned()))?;
    let event = json!({
        "region": ctx.region(),
        "accountId": ctx.account(),
        "transformId": id,
        "requestId": ctx.env().ids.uuid(),
        "fragment": fragment,
        "params": params,
        "templateParameterValues": values,
    });
    let invoke = InvokeRequest {
        function: row.function,
        payload: event.to_string().into(),
        kind: InvokeKind::RequestResponse,
        guise: None,
    };
    let invoked = async { ctx.kernel().invoke()?.invoke(ctx.clone(), invoke).await }.await;
    let answer = invoked.map_err(|error| of_transform(error.message().to_owned()))?;
    let body: Document = serde_json::from_slice(&answer.payload).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Document::as_str).map(str::to_owned);
    let status = text("status").unwrap_or_default();
    if answer.function_error.is_some() || !status.eq_ignore_ascii_case("success") {
        return Err(match text("errorMessage") {
            Some(message) => of_transform(message),
            None => format!("Transform {id} failed without an error message."),
        });
    }
    let fragment = body.get("fragment").cloned().unwrap_or_default();
    Budget::default().spend(weight(&fragment)).map_err(of_transform)?;
    Ok(fragment)
}
