//! `UpdateAlias`: points an alias at another version, or shares it between two.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::UpdateAlias;
use crate::api::lambda::shapes::{AliasConfiguration, UpdateAliasInput};
use crate::describe;
use crate::error::{check_revision, not_found};
use crate::name::FunctionName;
use crate::store::ALIASES;

impl Handler<UpdateAlias> for Lambda {
    fn authorize(&self, ctx: &Context, input: &UpdateAliasInput) -> Vec<Access> {
        super::access(ctx, "UpdateAlias", &input.function_name, None)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateAliasInput,
    ) -> Result<AliasConfiguration, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, None)?;
        ctx.transact((name, input), |tx, _, input| async move {
            let (name, input) = &*input;
            super::require(&tx, name).await?;
            let key = name.qualified_key(&input.name);
            let Some(mut row) = ALIASES.get(&tx, &key).await? else {
                return Err(not_found(format!("Alias not found: {}", name.arn_with(&input.name))));
            };
            check_revision(input.revision_id.as_deref(), &row.revision, "GetFunction/GetAlias")?;
            if let Some(version) = &input.function_version {
                row.version.clone_from(version);
            }
            if let Some(description) = &input.description {
                row.description.clone_from(description);
            }
            if input.routing_config.is_some() {
                row.weights = super::weights(input.routing_config.as_ref());
            }
            super::check_alias(&tx, name, &row.version, &row.weights).await?;
            row.revision = tx.ids().uuid();
            ALIASES.put(&tx, &key, &row)?;
            Ok(describe::alias(name, &input.name, &row))
        })
        .await
    }
}
