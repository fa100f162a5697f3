//! `PutQueryDefinition`: keeps a query under a name, or changes it.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{no_definition, query_key};
use crate::Logs;
use crate::api::logs::operations::PutQueryDefinition;
use crate::api::logs::shapes::{PutQueryDefinitionInput, PutQueryDefinitionOutput};
use crate::store::{DEFINITIONS, DefinitionRow};

impl Handler<PutQueryDefinition> for Logs {
    fn authorize(&self, _: &Context, _: &PutQueryDefinitionInput) -> Vec<Access> {
        vec![Access::new("logs:PutQueryDefinition", "*")]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutQueryDefinitionInput,
    ) -> Result<PutQueryDefinitionOutput, ServiceError> {
        if input.query_language.as_deref().is_some_and(|language| language != "CWLI")
            || input.parameters.as_ref().is_some_and(|all| !all.is_empty())
        {
            return Err(ServiceError::unsupported("queries in SQL and PPL, and with parameters"));
        }
        ctx.transact(input, |tx, ctx, input| async move {
            let id = match &input.query_definition_id {
                Some(id) => {
                    let old = DEFINITIONS.get(&tx, &query_key(&ctx, id)).await?;
                    old.ok_or_else(no_definition)?;
                    id.clone()
                }
                None => tx.ids().uuid(),
            };
            let row = DefinitionRow {
                name: input.name.clone(),
                query: input.query_string.clone(),
                groups: input.log_group_names.clone().unwrap_or_default(),
                modified_ms: tx.now_ms(),
            };
            DEFINITIONS.put(&tx, &query_key(&ctx, &id), &row)?;
            Ok(PutQueryDefinitionOutput { query_definition_id: Some(id) })
        })
        .await
    }
}
