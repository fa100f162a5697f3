//! `AddLayerVersionPermission`: lets other accounts use a version of a layer.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::AddLayerVersionPermission;
use serde_json::{Value, json};

use super::policy;
use crate::api::lambda::shapes::{AddLayerVersionPermissionInput, AddLayerVersionPermissionOutput};
use crate::error::{conflict, stale};
use crate::layers;
use crate::store::{LAYER_VERSIONS, PolicyRow};

impl Handler<AddLayerVersionPermission> for Lambda {
    fn authorize(&self, ctx: &Context, input: &AddLayerVersionPermissionInput) -> Vec<Access> {
        super::layer_access(
            ctx,
            "AddLayerVersionPermission",
            &input.layer_name,
            Some(input.version_number),
        )
    }

    async fn handle(
        &self,
        ctx: Context,
        input: AddLayerVersionPermissionInput,
    ) -> Result<AddLayerVersionPermissionOutput, ServiceError> {
        let key = layers::version_key(&ctx, &input.layer_name, input.version_number)?;
        ctx.transact((key, input), |tx, _, input| async move {
            let (key, input) = &*input;
            let mut row = layers::require(&tx, key).await?;
            let have = row.policy.take();
            let current = have.as_ref().map(|policy| &policy.revision);
            if input.revision_id.is_some() && input.revision_id.as_ref() != current {
                return Err(stale("GetLayerVersionPolicy"));
            }
            let mut statements = have.map(|policy| policy.statements).unwrap_or_default();
            if statements.iter().any(|s| policy::sid(s) == input.statement_id) {
                return Err(conflict(format!(
                    "The statement id ({}) provided already exists. Please provide a new statement id, or remove the existing statement.",
                    input.statement_id
                )));
            }
            let mut statement = json!({
                "Sid": input.statement_id,
                "Effect": "Allow",
                "Principal": principal(&input.principal),
                "Action": input.action,
                "Resource": layers::version_arn(key),
            });
            if let (Value::Object(statement), Some(organization)) =
                (&mut statement, &input.organization_id)
            {
                let condition = json!({"StringEquals": {"aws:PrincipalOrgID": organization}});
                statement.insert("Condition".to_owned(), condition);
            }
            let statement = statement.to_string();
            statements.push(statement.clone());
            let revision = tx.ids().uuid();
            row.policy = Some(PolicyRow { revision: revision.clone(), statements });
            LAYER_VERSIONS.put(&tx, key, &row)?;
            Ok(AddLayerVersionPermissionOutput {
                statement: Some(statement),
                revision_id: Some(revision),
            })
        })
        .await
    }
}

fn principal(text: &str) -> Value {
    let is_account = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    match (text, is_account) {
        ("*", _) => json!("*"),
        (_, true) => json!({"AWS": format!("arn:aws:iam::{text}:root")}),
        (_, false) => json!({"AWS": text}),
    }
}
