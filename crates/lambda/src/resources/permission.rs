//! `AWS::Lambda::Permission`.

use futures::FutureExt;
use serde_json::{Map, Value, json};
use undercast_kernel::{Context, Resource, ResourceRequest, ResourceType};

use super::{Future, call_unless_gone, call_unless_made, copy, text};
use crate::name::FunctionName;

pub(crate) struct PermissionType;

impl ResourceType for PermissionType {
    fn name(&self) -> &'static str {
        "AWS::Lambda::Permission"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "Action",
            "EventSourceToken",
            "FunctionName",
            "FunctionUrlAuthType",
            "InvokedViaFunctionUrl",
            "Principal",
            "PrincipalOrgID",
            "SourceAccount",
            "SourceArn",
        ]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        self.properties()
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let id = request.generated_name(100);
            let p = &request.properties;
            let mut input = Map::new();
            copy(
                p,
                &mut input,
                &[
                    "Action",
                    "EventSourceToken",
                    "FunctionName",
                    "FunctionUrlAuthType",
                    "Principal",
                    "PrincipalOrgID",
                    "SourceArn",
                ],
                &["InvokedViaFunctionUrl"],
            );
            // A number in YAML is an account all the same.
            for name in ["Principal", "SourceAccount"] {
                if let Some(value) = p.get(name) {
                    let digits = value.as_u64().map(|n| format!("{n:012}").into());
                    input.insert(name.to_owned(), digits.unwrap_or_else(|| value.clone()));
                }
            }
            input.insert("StatementId".to_owned(), id.clone().into());
            let input = Value::Object(input);
            call_unless_made(&ctx, "AddPermission", input, request.attempt).await?;
            Ok(Resource::new(id.clone()).with("Id", id))
        }
        .boxed()
    }

    /// Every property replaces the permission; what is left to change is nothing.
    fn update(&self, _: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let id = request.physical_id;
            Ok(Resource::new(id.clone()).with("Id", id))
        }
        .boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            let function = text(&request.properties, "FunctionName");
            let name = FunctionName::loose(&ctx, &function, None);
            let input = json!({
                "FunctionName": name.own_arn(),
                "StatementId": request.physical_id,
            });
            call_unless_gone(&ctx, "RemovePermission", input).await
        }
        .boxed()
    }
}
