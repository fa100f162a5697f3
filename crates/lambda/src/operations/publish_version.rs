//! `PublishVersion`: makes a version of what is `$LATEST`.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::PublishVersion;
use crate::api::lambda::shapes::{FunctionConfiguration, PublishVersionInput};
use crate::describe;
use crate::error::{check_revision, invalid};
use crate::name::FunctionName;
use crate::store::FUNCTIONS;

impl Handler<PublishVersion> for Lambda {
    fn authorize(&self, ctx: &Context, input: &PublishVersionInput) -> Vec<Access> {
        super::access(ctx, "PublishVersion", &input.function_name, None)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PublishVersionInput,
    ) -> Result<FunctionConfiguration, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, None)?;
        if input.publish_to.is_some() {
            return Err(ServiceError::unsupported("PublishTo"));
        }
        ctx.transact((name, input), |tx, ctx, input| async move {
            let (name, input) = &*input;
            let mut row = super::require(&tx, name).await?;
            check_revision(input.revision_id.as_deref(), &row.latest.revision, "GetFunction/GetAlias")?;
            match &input.code_sha256 {
                Some(sha256) if !sha256.is_empty() && *sha256 != row.latest.code.sha256 => {
                    return Err(invalid(format!(
                        "CodeSHA256 ({sha256}) is different from current CodeSHA256 in $LATEST ({}). Please try again with the CodeSHA256 in $LATEST.",
                        row.latest.code.sha256
                    )));
                }
                _ => {}
            }
            let description = input.description.as_deref();
            let (number, config) = super::publish(&tx, name, &mut row, description).await?;
            FUNCTIONS.put(&tx, &name.key(), &row)?;
            let version = number.to_string();
            Ok(describe::configuration(&ctx, name, name.arn_with(&version), &version, &config))
        })
        .await
    }
}
