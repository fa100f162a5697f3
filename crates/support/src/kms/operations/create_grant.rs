//! `CreateGrant`: lets a principal use a key.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{GRANTS_MAX, access, dry_run, grant_token, require, usable};
use crate::api::kms::operations::CreateGrant;
use crate::api::kms::shapes::{CreateGrantInput, CreateGrantOutput};
use crate::kms::Kms;
use crate::kms::crypto;
use crate::kms::store::{GRANTS, GrantRow};

impl Handler<CreateGrant> for Kms {
    fn authorize(&self, ctx: &Context, input: &CreateGrantInput) -> Vec<Access> {
        access(ctx, "CreateGrant", &input.key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateGrantInput,
    ) -> Result<CreateGrantOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, row) = require(&tx, &ctx, &input.key_id).await?;
            usable(&ctx, &key.2, &row)?;
            let (subset, equals) = match &input.constraints {
                Some(c) => {
                    (c.encryption_context_subset.clone(), c.encryption_context_equals.clone())
                }
                None => (None, None),
            };
            let grant = GrantRow {
                created_ms: tx.now_ms(),
                name: input.name.clone(),
                grantee: input.grantee_principal.clone(),
                retiring: input.retiring_principal.clone(),
                operations: input.operations.clone(),
                subset,
                equals,
            };
            dry_run(input.dry_run)?;
            // A grant with a name is made once.
            let all = GRANTS.scan(&tx, GRANTS.prefix(&key), GRANTS_MAX, false).await?;
            let same = all.iter().find(|(_, old)| {
                grant.name.is_some()
                    && GrantRow { created_ms: grant.created_ms, ..old.clone() } == grant
            });
            let id = match same {
                Some((place, _)) => place.3.clone(),
                None if all.len() >= GRANTS_MAX => {
                    return Err(ServiceError::new(
                        "LimitExceededException",
                        format!("A key can have {GRANTS_MAX} grants."),
                    ));
                }
                None => {
                    crypto::random(tx.ids(), 32).iter().map(|byte| format!("{byte:02x}")).collect()
                }
            };
            if same.is_none() {
                GRANTS.put(
                    &tx,
                    &(key.0.clone(), key.1.clone(), key.2.clone(), id.clone()),
                    &grant,
                )?;
            }
            Ok(CreateGrantOutput {
                grant_token: Some(grant_token(&key.2, &id)),
                grant_id: Some(id),
            })
        })
        .await
    }
}
