//! `AddPermission`: adds a statement to the policy of a function, version or alias.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::AddPermission;
use crate::api::lambda::shapes::{AddPermissionInput, AddPermissionOutput};
use serde_json::{Map, Value, json};

use super::policy;
use crate::error::{conflict, invalid, stale};
use crate::limits::POLICY_BYTES_MAX;
use crate::name::FunctionName;
use crate::store::{FUNCTIONS, POLICIES, PolicyRow};

impl Handler<AddPermission> for Lambda {
    fn authorize(&self, ctx: &Context, input: &AddPermissionInput) -> Vec<Access> {
        super::access(ctx, "AddPermission", &input.function_name, input.qualifier.as_deref())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: AddPermissionInput,
    ) -> Result<AddPermissionOutput, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, input.qualifier.as_deref())?;
        ctx.transact((name, input), |tx, _, input| async move {
            let (name, input) = &*input;
            let (key, mut function) = policy::scope(&tx, name).await?;
            let statement = statement(name, input)?;
            let have = POLICIES.get(&tx, &key).await?;
            let current = have.as_ref().map_or(&function.latest.revision, |row| &row.revision);
            if input.revision_id.as_ref().is_some_and(|wanted| wanted != current) {
                return Err(stale("GetPolicy"));
            }
            let mut row = have.unwrap_or_else(|| PolicyRow {
                revision: String::new(),
                statements: Vec::new(),
            });
            if row.statements.iter().any(|s| policy::sid(s) == input.statement_id) {
                return Err(conflict(format!(
                    "The statement id ({}) provided already exists. Please provide a new statement id, or remove the existing statement.",
                    input.statement_id
                )));
            }
            row.statements.push(statement.clone());
            if row.statements.iter().map(String::len).sum::<usize>() > POLICY_BYTES_MAX {
                return Err(ServiceError::new(
                    "PolicyLengthExceededException",
                    format!("The final policy size is bigger than the limit ({POLICY_BYTES_MAX})."),
                )
                .with_field("Type", "User"));
            }
            row.revision = tx.ids().uuid();
            if name.qualifier.is_none() {
                function.latest.revision.clone_from(&row.revision);
                FUNCTIONS.put(&tx, &name.key(), &function)?;
            }
            POLICIES.put(&tx, &key, &row)?;
            Ok(AddPermissionOutput {
                statement: Some(statement),
            })
        })
        .await
    }
}

/// The statement, its members in the order in which AWS writes them.
fn statement(name: &FunctionName, input: &AddPermissionInput) -> Result<String, ServiceError> {
    let mut equal = Map::new();
    let mut put = |key: &str, value: Option<&String>| {
        if let Some(value) = value {
            equal.insert(key.to_owned(), value.clone().into());
        }
    };
    put("AWS:SourceAccount", input.source_account.as_ref());
    put("lambda:EventSourceToken", input.event_source_token.as_ref());
    put("lambda:FunctionUrlAuthType", input.function_url_auth_type.as_ref());
    put("aws:PrincipalOrgID", input.principal_org_id.as_ref());
    let mut condition = Map::new();
    if !equal.is_empty() {
        condition.insert("StringEquals".to_owned(), Value::Object(equal));
    }
    if let Some(invoked) = input.invoked_via_function_url {
        let invoked = json!({"lambda:InvokedViaFunctionUrl": invoked.to_string()});
        condition.insert("Bool".to_owned(), invoked);
    }
    if let Some(arn) = &input.source_arn {
        condition.insert("ArnLike".to_owned(), json!({"AWS:SourceArn": arn}));
    }
    let mut statement = json!({
        "Sid": input.statement_id,
        "Effect": "Allow",
        "Principal": principal(&input.principal)?,
        "Action": input.action,
        "Resource": name.own_arn(),
    });
    if let (Value::Object(statement), false) = (&mut statement, condition.is_empty()) {
        statement.insert("Condition".to_owned(), Value::Object(condition));
    }
    Ok(statement.to_string())
}

fn principal(text: &str) -> Result<Value, ServiceError> {
    let is_account = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    if text == "*" {
        return Ok(text.into());
    }
    if is_account {
        return Ok(json!({"AWS": format!("arn:aws:iam::{text}:root")}));
    }
    if text.starts_with("arn:aws:iam::") || text.starts_with("arn:aws:sts::") {
        return Ok(json!({"AWS": text}));
    }
    let is_service = text.ends_with(".amazonaws.com") || text.ends_with(".amazon.com");
    match is_service {
        true => Ok(json!({"Service": text})),
        false => Err(invalid(
            "The provided principal was invalid. Please check the principal and try again.",
        )),
    }
}
