//! `UpdateFunctionConfiguration`: changes how a function runs.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::UpdateFunctionConfiguration;
use crate::api::lambda::shapes::{FunctionConfiguration, UpdateFunctionConfigurationInput};
use crate::code;
use crate::describe;
use crate::error::check_revision;
use crate::layers;
use crate::name::{FunctionName, LATEST};
use crate::settings::{self, Sealing};
use crate::store::FUNCTIONS;

impl Handler<UpdateFunctionConfiguration> for Lambda {
    fn authorize(&self, ctx: &Context, input: &UpdateFunctionConfigurationInput) -> Vec<Access> {
        let action = "UpdateFunctionConfiguration";
        let mut all = super::access(ctx, action, &input.function_name, None);
        all.extend(layers::accesses(input.layers.as_deref()));
        all
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateFunctionConfigurationInput,
    ) -> Result<FunctionConfiguration, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, None)?;
        let layers = match &input.layers {
            Some(arns) => Some(layers::used(&ctx, arns).await?),
            None => None,
        };
        let key = name.key();
        let answer = ctx
            .transact((name, input, layers), |tx, ctx, input| async move {
                let (name, input, layers) = &*input;
                let mut row = super::require(&tx, name).await?;
                let latest = &mut row.latest;
                check_revision(
                    input.revision_id.as_deref(),
                    &latest.revision,
                    "GetFunction/GetAlias",
                )?;
                let old = latest.clone();
                let mut settings = {
                    let vault = &ctx.kernel().settings().vault;
                    let sealing = Sealing { vault, ids: tx.ids() };
                    settings::update(&latest.settings, input, &name.name, sealing)?
                };
                if let Some(layers) = layers {
                    settings.layers.clone_from(layers);
                }
                if settings != latest.settings {
                    latest.build = tx.ids().hex(16);
                }
                latest.settings = settings;
                code::check_together(latest)?;
                code::link(&tx, &name.key(), LATEST, Some(&old), Some(latest))?;
                latest.modified_ms = tx.now_ms();
                latest.revision = tx.ids().uuid();
                FUNCTIONS.put(&tx, &name.key(), &row)?;
                Ok(describe::configuration(&ctx, name, name.arn(), LATEST, &row.latest))
            })
            .await?;
        self.changed(&ctx, &key);
        Ok(answer)
    }
}
