//! `DeleteFunction`: removes a function with everything that hangs on it, or one version.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::DeleteFunction;
use crate::api::lambda::shapes::{DeleteFunctionInput, DeleteFunctionOutput};
use undercast_store::Tx;

use crate::code;
use crate::error::{conflict, invalid};
use crate::name::{FunctionName, LATEST, number};
use crate::store::{ALIASES, FUNCTIONS, INVOKE_CONFIGS, POLICIES, VERSIONS};

impl Handler<DeleteFunction> for Lambda {
    fn authorize(&self, ctx: &Context, input: &DeleteFunctionInput) -> Vec<Access> {
        super::access(ctx, "DeleteFunction", &input.function_name, input.qualifier.as_deref())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteFunctionInput,
    ) -> Result<DeleteFunctionOutput, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, input.qualifier.as_deref())?;
        if name.qualifier.as_deref() == Some(LATEST) {
            return Err(invalid(
                "$LATEST version cannot be deleted without deleting the function.",
            ));
        }
        if name.qualifier.as_deref().is_some_and(|q| number(q).is_none()) {
            return Err(invalid("Deletion of aliases is not currently supported."));
        }
        let gone = name.clone();
        ctx.transact(name, |tx, _, name| async move {
            let row = super::require(&tx, &name).await?;
            match name.number() {
                Some(number) => delete_version(&tx, &name, number).await,
                None => {
                    code::link(&tx, &name.key(), LATEST, Some(&row.latest), None)?;
                    delete_all(&tx, &name).await
                }
            }
        })
        .await?;
        if self.is_live(&ctx) {
            match &gone.qualifier {
                Some(version) => self.functions.retire(&gone.key(), version),
                None => self.functions.retire_all(&gone.key()),
            }
        }
        Ok(DeleteFunctionOutput { status_code: Some(204) })
    }
}

async fn delete_version(tx: &Tx, name: &FunctionName, number: u64) -> Result<(), ServiceError> {
    let version = number.to_string();
    let aliases = ALIASES.scan(tx, ALIASES.prefix(&name.key()), 10_000, false).await?;
    let users: Vec<&str> = aliases
        .iter()
        .filter(|(_, row)| row.version == version || row.weights.contains_key(&version))
        .map(|(key, _)| key.3.as_str())
        .collect();
    if !users.is_empty() {
        return Err(conflict(format!(
            "The following aliases reference the specified version: [{}]. Remove the alias references before deleting the version.",
            users.join(", ")
        )));
    }
    let (account, region, function) = name.key();
    let key = (account, region, function, number);
    if let Some(config) = VERSIONS.get(tx, &key).await? {
        code::link(tx, &name.key(), &version, Some(&config), None)?;
        VERSIONS.delete(tx, &key)?;
        POLICIES.delete(tx, &name.qualified_key(&version))?;
        INVOKE_CONFIGS.delete(tx, &name.qualified_key(&version))?;
    }
    Ok(())
}

/// Event source mappings stay, as with AWS: they are resources of their own.
async fn delete_all(tx: &Tx, name: &FunctionName) -> Result<(), ServiceError> {
    let key = name.key();
    FUNCTIONS.delete(tx, &key)?;
    crate::urls::remove_all(tx, &key).await?;
    for (version, config) in VERSIONS.scan(tx, VERSIONS.prefix(&key), 10_000, false).await? {
        code::link(tx, &key, &version.3.to_string(), Some(&config), None)?;
        VERSIONS.delete(tx, &version)?;
    }
    for (alias, _) in ALIASES.scan(tx, ALIASES.prefix(&key), 10_000, false).await? {
        ALIASES.delete(tx, &alias)?;
    }
    for (policy, _) in POLICIES.scan(tx, POLICIES.prefix(&key), 10_000, false).await? {
        POLICIES.delete(tx, &policy)?;
    }
    let range = INVOKE_CONFIGS.prefix(&key);
    for (config, _) in INVOKE_CONFIGS.scan(tx, range, 10_000, false).await? {
        INVOKE_CONFIGS.delete(tx, &config)?;
    }
    Ok(())
}
