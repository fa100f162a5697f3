//! `CreateSecret`: makes a secret, with or without its first value.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{check_key, check_name, check_tags};
use crate::api::secretsmanager::operations::CreateSecret;
use crate::api::secretsmanager::shapes::{CreateSecretInput, CreateSecretOutput};
use crate::secretsmanager::SecretsManager;
use crate::secretsmanager::engine::{self, arn};
use crate::secretsmanager::error::{exists, refused};
use crate::secretsmanager::store::{SECRETS, SecretRow};

const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

impl Handler<CreateSecret> for SecretsManager {
    fn authorize(&self, ctx: &Context, input: &CreateSecretInput) -> Vec<Access> {
        vec![Access::new(
            "secretsmanager:CreateSecret",
            ctx.arn("secretsmanager", format!("secret:{}-??????", input.name)),
        )]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateSecretInput,
    ) -> Result<CreateSecretOutput, ServiceError> {
        if input.add_replica_regions.as_ref().is_some_and(|regions| !regions.is_empty()) {
            return Err(ServiceError::unsupported("a replica of a secret"));
        }
        if input.r#type.is_some() {
            return Err(ServiceError::unsupported("a secret managed elsewhere"));
        }
        check_key(&ctx, input.kms_key_id.as_deref()).await?;
        ctx.transact(input, |tx, ctx, input| async move {

            check_name(&input.name)?;
            let key = engine::key(&ctx, &input.name);
            let version = engine::token(&tx, input.client_request_token.as_ref());
            let given = engine::given(input.secret_string.as_ref(), input.secret_binary.as_ref())?;
            if let Some(old) = SECRETS.get(&tx, &key).await? {
                if old.deleted_ms.is_some() {
                    return Err(refused("You can't create this secret because a secret with this name is already scheduled for deletion."));
                }
                // The same request again.
                let value = engine::value(&tx, &ctx, &key, &version).await?;
                if given.is_none() || value != given {
                    return Err(exists(&input.name));
                }
                return Ok(CreateSecretOutput {
                    arn: Some(arn(&ctx, &key.2, &old)),
                    name: Some(key.2),
                    version_id: Some(version),
                    replication_status: None,
                });
            }
            let letters = |_| char::from(LETTERS.get((tx.ids().u64() % LETTERS.len() as u64) as usize).copied().unwrap_or(b'a'));
            let mut row = SecretRow {
                suffix: (0..6).map(letters).collect(),
                description: input.description.clone(),
                kms_key: input.kms_key_id.clone(),
                created_ms: tx.now_ms(),
                changed_ms: tx.now_ms(),
                tags: engine::tag_map(input.tags.iter().flatten()).collect(),
                ..SecretRow::default()
            };
            check_tags(&row)?;
            if let Some(given) = &given {
                let stages = [engine::CURRENT.to_owned()];
                engine::put_value(&tx, &ctx, &key, &mut row, &version, given, &stages).await?;
            }
            SECRETS.put(&tx, &key, &row)?;
            Ok(CreateSecretOutput {
                arn: Some(arn(&ctx, &key.2, &row)),
                name: Some(key.2),
                version_id: given.map(|_| version),
                replication_status: None,
            })
        })
        .await
    }
}
