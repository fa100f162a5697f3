//! `GetTemplate`: the text of a stack's or change set's template.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use super::create_change_set::find;
use crate::CloudFormation;
use crate::api::cloudformation::operations::GetTemplate;
use crate::api::cloudformation::shapes::{GetTemplateInput, GetTemplateOutput};
use crate::error::validation;
use crate::stack;

impl Handler<GetTemplate> for CloudFormation {
    fn authorize(&self, ctx: &Context, input: &GetTemplateInput) -> Vec<Access> {
        access(ctx, "GetTemplate", input.stack_name.as_deref().unwrap_or_default())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetTemplateInput,
    ) -> Result<GetTemplateOutput, ServiceError> {
        let text = ctx
            .transact(input, |tx, ctx, input| async move {
                let processed = input.template_stage.as_deref() == Some("Processed");
                let definition = match (&input.change_set_name, &input.stack_name) {
                    (Some(name), stack) => {
                        Some(find(&tx, &ctx, name, stack.as_ref()).await?.1.definition)
                    }
                    (None, Some(name)) => {
                        let stack = stack::require(&tx, &ctx, name).await?;
                        let target = stack.operation.map(|o| o.target);
                        // A stack that is under review has no template yet; that is no error.
                        stack.current.or(target)
                    }
                    (None, None) => {
                        return Err(validation(
                            "StackName is required if ChangeSetName is not specified.",
                        ));
                    }
                };
                match definition {
                    Some(definition) => {
                        let original = definition.original.as_ref().filter(|_| !processed);
                        let hash = original.unwrap_or(&definition.template);
                        stack::template_text(&tx, &ctx, hash).await.map(Some)
                    }
                    None => Ok(None),
                }
            })
            .await?;
        Ok(GetTemplateOutput {
            template_body: text,
            stages_available: Some(vec!["Original".to_owned(), "Processed".to_owned()]),
        })
    }
}
