//! `UpdateFunctionCode`: gives a function other code.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::UpdateFunctionCode;
use crate::api::lambda::shapes::{FunctionConfiguration, UpdateFunctionCodeInput};
use crate::code;
use crate::describe;
use crate::error::{check_revision, invalid};
use crate::name::{FunctionName, LATEST};
use crate::store::FUNCTIONS;

impl Handler<UpdateFunctionCode> for Lambda {
    fn authorize(&self, ctx: &Context, input: &UpdateFunctionCodeInput) -> Vec<Access> {
        super::access(ctx, "UpdateFunctionCode", &input.function_name, None)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateFunctionCodeInput,
    ) -> Result<FunctionConfiguration, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, None)?;
        if input.image_uri.is_some() {
            return Err(invalid(
                "Please don't provide ImageUri when updating a function with packageType Zip.",
            ));
        }
        if input.publish_to.is_some() {
            return Err(ServiceError::unsupported("PublishTo"));
        }
        code::check_size(input.zip_file.as_ref().map(|blob| &blob.0), "UpdateFunctionCode")?;
        if FUNCTIONS.read(ctx.store(), &name.key()).await?.is_none() {
            return Err(crate::error::no_function(name.arn()));
        }
        let code = self.functions.code.receive(&ctx, (&input).into()).await?;
        let key = name.key();
        let answer = ctx
            .transact((name, input, code), |tx, ctx, input| async move {
                let (name, input, code) = &*input;
                let mut row = super::require(&tx, name).await?;
                check_revision(
                    input.revision_id.as_deref(),
                    &row.latest.revision,
                    "GetFunction/GetAlias",
                )?;
                let architecture = input.architectures.as_ref().and_then(|all| all.first());
                let old = row.latest.clone();
                let latest = &mut row.latest;
                latest.settings.architecture =
                    architecture.unwrap_or(&old.settings.architecture).clone();
                latest.code = code.clone();
                code::check_together(latest)?;
                latest.modified_ms = tx.now_ms();
                latest.revision = tx.ids().uuid();
                if latest.code != old.code || latest.settings != old.settings {
                    latest.build = tx.ids().hex(16);
                }
                if input.dry_run.unwrap_or_default() {
                    return Ok(describe::configuration(&ctx, name, name.arn(), LATEST, latest));
                }
                code::link(&tx, &name.key(), LATEST, Some(&old), Some(latest))?;
                let answer = match input.publish.unwrap_or_default() {
                    true => {
                        let (number, config) = super::publish(&tx, name, &mut row, None).await?;
                        let version = number.to_string();
                        describe::configuration(
                            &ctx,
                            name,
                            name.arn_with(&version),
                            &version,
                            &config,
                        )
                    }
                    false => describe::configuration(&ctx, name, name.arn(), LATEST, &row.latest),
                };
                FUNCTIONS.put(&tx, &name.key(), &row)?;
                Ok(answer)
            })
            .await?;
        self.changed(&ctx, &key);
        Ok(answer)
    }
}
