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
        access(
            ctx,
            "GetTemplate",
            input.stack_name.as_deref().unwrap_or_default(),
        )
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetTemplateInput,
    ) -> Result<GetTemplateOutput, ServiceError> {
        let store = ctx.store().clone();
        let text = store
            .transact(move |tx| {
                let (ctx, input) = (ctx.clone(), input.clone());
                async move {
                    let definition = match (&input.change_set_name, &input.stack_name) {
                        (Some(name), stack) => {
                            find(&tx, &ctx, name, stack.as_ref()).await?.1.definition
                        }
                        (None, Some(name)) => {
                            let stack = stack::require(&tx, &ctx, name).await?;
                            let target = stack.operation.map(|o| o.target);
                            stack.current.or(target).ok_or_else(|| {
                                validation(format!("Stack with id {name} does not exist"))
                            })?
                        }
                        (None, None) => {
                            return Err(validation(
                                "StackName is required if ChangeSetName is not specified.",
                            ));
                        }
                    };
                    stack::template_text(&tx, &ctx, &definition.template).await
                }
            })
            .await?;
        Ok(GetTemplateOutput {
            template_body: Some(text),
            stages_available: Some(vec!["Original".to_owned(), "Processed".to_owned()]),
        })
    }
}
