//! `CreateAccessKey`: makes a key for a user.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::Timestamp;

use super::{access, keys_of, require_user, user_name};
use crate::store::{KEYS, KeyRow, Owner};

use crate::Iam;
use crate::api::iam::operations::CreateAccessKey;
use crate::api::iam::shapes::{AccessKey, CreateAccessKeyInput, CreateAccessKeyOutput};

impl Handler<CreateAccessKey> for Iam {
    fn authorize(&self, ctx: &Context, input: &CreateAccessKeyInput) -> Vec<Access> {
        access(ctx, "CreateAccessKey", "user", input.user_name.as_deref().unwrap_or_default())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateAccessKeyInput,
    ) -> Result<CreateAccessKeyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let name = user_name(&ctx, input.user_name.as_deref())?;
            let user = require_user(&tx, &ctx, &name).await?;
            if keys_of(&tx, &ctx, &name).await?.len() >= KEYS_PER_USER_MAX {
                return Err(ServiceError::new(
                    "LimitExceededException",
                    "Cannot exceed quota for AccessKeysPerUser: 2",
                ));
            }
            let id = format!("AKIA{}", tx.ids().alphanumeric(16).to_uppercase());
            let secret = tx.ids().alphanumeric(40);
            let row = KeyRow {
                account: ctx.account().to_owned(),
                secret: ctx.kernel().settings().vault.seal(tx.ids(), &id, &secret)?,
                owner: Owner::User { name: user.name.clone(), id: user.id },
                active: true,
                session_token: None,
                expires_ms: None,
                created_ms: tx.now_ms(),
            };
            KEYS.put(&tx, &id, &row)?;
            Ok(CreateAccessKeyOutput {
                access_key: AccessKey {
                    user_name: user.name,
                    access_key_id: id,
                    status: "Active".to_owned(),
                    secret_access_key: secret,
                    create_date: Some(Timestamp::from_millis(row.created_ms)),
                },
            })
        })
        .await
    }
}

const KEYS_PER_USER_MAX: usize = 2;
