//! `DescribeType`: which properties a resource type has here.

use serde_json::json;
use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::Document;

use super::access;
use crate::CloudFormation;
use crate::api::cloudformation::operations::DescribeType;
use crate::api::cloudformation::shapes::{DescribeTypeInput, DescribeTypeOutput};
use crate::types;

impl Handler<DescribeType> for CloudFormation {
    fn authorize(&self, ctx: &Context, _: &DescribeTypeInput) -> Vec<Access> {
        access(ctx, "DescribeType", "")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeTypeInput,
    ) -> Result<DescribeTypeOutput, ServiceError> {
        let of_arn = input.arn.as_deref().and_then(|arn| arn.rsplit('/').next());
        let name = input.type_name.or(of_arn.map(|name| name.replace('-', "::")));
        let name = name.unwrap_or_default();
        let Some(found) = ctx.kernel().resource_type(&name) else {
            return Err(ServiceError::new(
                "TypeNotFoundException",
                format!("The type '{name}' cannot be found."),
            ));
        };
        let all = || found.properties().iter().chain(found.inert_properties());
        let properties = all().filter(|name| **name != "*");
        let properties = properties.map(|name| ((*name).to_owned(), json!({})));
        let create_only = found.replaced_by().iter().map(|name| format!("/properties/{name}"));
        let schema = json!({
            "typeName": name,
            "additionalProperties": all().any(|name| *name == "*"),
            "properties": Document::Object(properties.collect()),
            "createOnlyProperties": create_only.collect::<Vec<_>>(),
        });
        Ok(DescribeTypeOutput {
            arn: Some(types::arn(&ctx, &name)),
            r#type: Some("RESOURCE".to_owned()),
            type_name: Some(name),
            schema: Some(schema.to_string()),
            provisioning_type: Some("FULLY_MUTABLE".to_owned()),
            deprecated_status: Some("LIVE".to_owned()),
            visibility: Some("PUBLIC".to_owned()),
            ..DescribeTypeOutput::default()
        })
    }
}
