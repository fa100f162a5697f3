//! `CreateAlias`: gives a key a name.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, alias_arn, check_alias, key, require, usable};
use crate::api::kms::operations::CreateAlias;
use crate::api::kms::shapes::{CreateAliasInput, CreateAliasOutput};
use crate::kms::Kms;
use crate::kms::store::{ALIASES, AliasRow};

impl Handler<CreateAlias> for Kms {
    fn authorize(&self, ctx: &Context, input: &CreateAliasInput) -> Vec<Access> {
        access(ctx, "CreateAlias", &input.target_key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateAliasInput,
    ) -> Result<CreateAliasOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            check_alias(&input.alias_name)?;
            let (target, row) = require(&tx, &ctx, &input.target_key_id).await?;
            usable(&ctx, &target.2, &row)?;
            let key = key(&ctx, &input.alias_name);
            if ALIASES.get(&tx, &key).await?.is_some() {
                return Err(ServiceError::new(
                    "AlreadyExistsException",
                    format!(
                        "An alias with the name {} already exists",
                        alias_arn(&ctx, &input.alias_name)
                    ),
                ));
            }
            let row =
                AliasRow { key_id: target.2, created_ms: tx.now_ms(), updated_ms: tx.now_ms() };
            ALIASES.put(&tx, &key, &row)?;
            Ok(CreateAliasOutput::default())
        })
        .await
    }
}
