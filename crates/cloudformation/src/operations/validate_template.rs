//! `ValidateTemplate`: whether a template can be read, and what it asks for.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{Source, access, capabilities_reason, fetch_template, read_declared};
use crate::CloudFormation;
use crate::api::cloudformation::operations::ValidateTemplate;
use crate::api::cloudformation::shapes::{
    TemplateParameter, ValidateTemplateInput, ValidateTemplateOutput,
};
use crate::template::model::plain;

impl Handler<ValidateTemplate> for CloudFormation {
    fn authorize(&self, ctx: &Context, _: &ValidateTemplateInput) -> Vec<Access> {
        access(ctx, "ValidateTemplate", "")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ValidateTemplateInput,
    ) -> Result<ValidateTemplateOutput, ServiceError> {
        let source = Source { body: input.template_body, url: input.template_url, previous: false };
        let template = read_declared(&fetch_template(&ctx, &source, None).await?)?;
        let (capabilities, reason) = capabilities_reason(&template);
        let parameters = template.parameters.iter().map(|(name, parameter)| TemplateParameter {
            parameter_key: Some(name.clone()),
            default_value: parameter.default.as_ref().map(plain),
            no_echo: Some(parameter.no_echo),
            description: parameter.description.clone(),
        });
        Ok(ValidateTemplateOutput {
            parameters: Some(parameters.collect()),
            description: template.description.clone(),
            capabilities: Some(capabilities.into_iter().map(str::to_owned).collect::<Vec<_>>())
                .filter(|c| !c.is_empty()),
            capabilities_reason: reason,
            declared_transforms: Some(template.transforms.clone()).filter(|t| !t.is_empty()),
        })
    }
}
