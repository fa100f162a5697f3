//! `GetTemplateSummary`: what a template needs and declares.

use std::collections::BTreeMap;

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{Source, access, capabilities_reason, fetch_template, read_declared};
use crate::CloudFormation;
use crate::api::cloudformation::operations::GetTemplateSummary;
use crate::api::cloudformation::shapes::{
    GetTemplateSummaryInput, GetTemplateSummaryOutput, ParameterConstraints, ParameterDeclaration,
    ResourceIdentifierSummary,
};
use crate::error::{no_such_stack, validation};
use crate::plan;
use crate::readback;
use crate::template::Template;
use crate::template::model::plain;

impl Handler<GetTemplateSummary> for CloudFormation {
    fn authorize(&self, ctx: &Context, input: &GetTemplateSummaryInput) -> Vec<Access> {
        access(ctx, "GetTemplateSummary", input.stack_name.as_deref().unwrap_or_default())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetTemplateSummaryInput,
    ) -> Result<GetTemplateSummaryOutput, ServiceError> {
        let stack = match &input.stack_name {
            Some(name) => {
                let stack = plan::load(&ctx, name).await?.ok_or_else(|| no_such_stack(name))?;
                if stack.status == "REVIEW_IN_PROGRESS" {
                    return Err(validation(
                        "GetTemplateSummary cannot be called on REVIEW_IN_PROGRESS stacks.",
                    ));
                }
                Some(stack)
            }
            None => None,
        };
        let source = Source {
            body: input.template_body,
            url: input.template_url,
            previous: stack.is_some(),
        };
        let template = read_declared(&fetch_template(&ctx, &source, stack.as_ref()).await?)?;
        let (capabilities, reason) = capabilities_reason(&template);
        let mut types: Vec<String> = template.resources.iter().map(|r| r.kind.clone()).collect();
        types.sort();
        types.dedup();
        let parameters = template.parameters.iter().map(|(name, parameter)| ParameterDeclaration {
            parameter_key: Some(name.clone()),
            default_value: parameter.default.as_ref().map(plain),
            parameter_type: Some(parameter.kind.clone()),
            no_echo: Some(parameter.no_echo),
            description: parameter.description.clone(),
            parameter_constraints: Some(ParameterConstraints {
                allowed_values: Some(parameter.allowed_values.clone()).filter(|v| !v.is_empty()),
            }),
        });
        Ok(GetTemplateSummaryOutput {
            parameters: Some(parameters.collect()),
            description: template.description.clone(),
            capabilities: Some(capabilities.into_iter().map(str::to_owned).collect::<Vec<_>>())
                .filter(|c| !c.is_empty()),
            capabilities_reason: reason,
            resource_identifier_summaries: Some(identifiers(&template)).filter(|i| !i.is_empty()),
            resource_types: Some(types),
            version: Some("2010-09-09".to_owned()),
            metadata: template.metadata.as_ref().map(ToString::to_string),
            declared_transforms: Some(template.transforms.clone()).filter(|t| !t.is_empty()),
            ..GetTemplateSummaryOutput::default()
        })
    }
}

/// What resources are named by when they are imported, by type.
fn identifiers(template: &Template) -> Vec<ResourceIdentifierSummary> {
    let mut by_type: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for resource in &template.resources {
        by_type.entry(&resource.kind).or_default().push(resource.logical_id.clone());
    }
    let known = by_type.into_iter().filter_map(|(kind, names)| {
        Some(ResourceIdentifierSummary {
            resource_identifiers: Some(vec![readback::identifier(kind)?.to_owned()]),
            resource_type: Some(kind.to_owned()),
            logical_resource_ids: Some(names),
        })
    });
    known.collect()
}
