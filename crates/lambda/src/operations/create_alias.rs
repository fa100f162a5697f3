//! `CreateAlias`: gives a version a name.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::CreateAlias;
use crate::api::lambda::shapes::{AliasConfiguration, CreateAliasInput};
use crate::describe;
use crate::error::conflict;
use crate::name::{FunctionName, number};
use crate::store::{ALIASES, AliasRow};

impl Handler<CreateAlias> for Lambda {
    fn authorize(&self, ctx: &Context, input: &CreateAliasInput) -> Vec<Access> {
        super::access(ctx, "CreateAlias", &input.function_name, None)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateAliasInput,
    ) -> Result<AliasConfiguration, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, None)?;
        if number(&input.name).is_some() {
            return Err(ServiceError::new(
                "ValidationException",
                format!(
                    "1 validation error detected: Value '{}' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)",
                    input.name
                ),
            ));
        }
        ctx.transact((name, input), |tx, _, input| async move {
            let (name, input) = &*input;
            let weights = super::weights(input.routing_config.as_ref());
            super::check_alias(&tx, name, &input.function_version, &weights).await?;
            let key = name.qualified_key(&input.name);
            if ALIASES.get(&tx, &key).await?.is_some() {
                return Err(conflict(format!(
                    "Alias already exists: {}",
                    name.arn_with(&input.name)
                )));
            }
            let row = AliasRow {
                revision: tx.ids().uuid(),
                version: input.function_version.clone(),
                description: input.description.clone().unwrap_or_default(),
                weights,
            };
            ALIASES.put(&tx, &key, &row)?;
            Ok(describe::alias(name, &input.name, &row))
        })
        .await
    }
}
