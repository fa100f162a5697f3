//! `TransactWriteItems`: up to a hundred changes, all or none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use undercast_kernel::smithy::Shape;
use undercast_kernel::smithy::document::to_document;
use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_store::Tx;

use super::{condition, on_items, shows_failed};
use crate::Dynamo;
use crate::api::dynamodb::operations::TransactWriteItems;
use crate::api::dynamodb::shapes::{
    CancellationReason, ConsumedCapacity, TransactWriteItem, TransactWriteItemsInput,
    TransactWriteItemsOutput, Update,
};
use crate::engine::capacity::Units;
use crate::engine::mutation::{Action, Applied, Mutation};
use crate::engine::table::check_name;
use crate::error::invalid;
use crate::expression::{Kind, Scope, parse_condition, parse_update};
use crate::limits::{TOKEN_MS, TRANSACTION_BYTES_MAX};
use crate::store::{TOKEN_TIMES, TOKENS, TokenRow};
use crate::tasks::spawn_forget_tokens;
use crate::value::{item_bytes, item_from_wire};

/// A token and the hash of the request that came with it.
pub(super) struct Token {
    text: String,
    request: Vec<u8>,
}

impl Token {
    pub(super) fn new(text: String, request: &impl Shape) -> Self {
        let hash = blake3::hash(to_document(request).to_string().as_bytes());
        Self { text, request: hash.as_bytes().to_vec() }
    }
}

impl Handler<TransactWriteItems> for Dynamo {
    fn authorize(&self, ctx: &Context, input: &TransactWriteItemsInput) -> Vec<Access> {
        let access = |item: &TransactWriteItem| {
            let on = |action, table: &str, item| on_items(self, ctx, action, table, [item]);
            if let Some(put) = &item.put {
                return Some(on("PutItem", &put.table_name, &put.item));
            }
            if let Some(update) = &item.update {
                return Some(on("UpdateItem", &update.table_name, &update.key));
            }
            if let Some(delete) = &item.delete {
                return Some(on("DeleteItem", &delete.table_name, &delete.key));
            }
            let check = item.condition_check.as_ref()?;
            Some(on("ConditionCheckItem", &check.table_name, &check.key))
        };
        input.transact_items.iter().filter_map(access).collect()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: TransactWriteItemsInput,
    ) -> Result<TransactWriteItemsOutput, ServiceError> {
        let wanted = input.return_consumed_capacity.clone();
        let token = input.client_request_token.clone().map(|token| {
            Token::new(
                token,
                &TransactWriteItemsInput {
                    client_request_token: None,
                    return_consumed_capacity: None,
                    ..input.clone()
                },
            )
        });
        let items = input.transact_items.into_iter().map(read);
        let mutations: Vec<Mutation> = items.collect::<Result<_, _>>()?;
        let applied = self
            .once(&ctx, token, mutations, |tx, ctx, mutations| async move {
                self.apply_all(&tx, &ctx, &mutations).await
            })
            .await?;
        for applied in &applied {
            applied.units.clone().doubled().count_written(&ctx, &applied.table);
        }
        Ok(TransactWriteItemsOutput {
            consumed_capacity: capacities(applied, wanted.as_deref()),
            item_collection_metrics: None,
        })
    }
}

/// What each table of a transaction used.
pub(super) fn capacities(
    applied: Vec<Applied>,
    mode: Option<&str>,
) -> Option<Vec<ConsumedCapacity>> {
    let mut consumed = BTreeMap::new();
    for applied in applied {
        let name = applied.table.name().to_owned();
        let entry = consumed.entry(name).or_insert((applied.table, Units::default()));
        entry.1.add(&applied.units.doubled());
    }
    let consumed = consumed.values();
    let consumed: Vec<_> =
        consumed.filter_map(|(table, units)| units.answer(mode, table)).collect();
    Some(consumed).filter(|c| !c.is_empty())
}

impl Dynamo {
    /// Runs a transaction of changes; one with a token that was seen lately only once.
    pub(super) async fn once<I, F, Fut>(
        &self,
        ctx: &Context,
        token: Option<Token>,
        input: I,
        run: F,
    ) -> Result<Vec<Applied>, ServiceError>
    where
        I: Send + Sync + 'static,
        F: Fn(Tx, Context, Arc<I>) -> Fut + Send + Sync,
        Fut: Future<Output = Result<Vec<Applied>, ServiceError>> + Send,
    {
        let minute = (ctx.now_ms() + TOKEN_MS).div_euclid(60_000);
        let spawns = token.is_some() && self.token_minute.load(Ordering::Relaxed) != minute;
        let run = &run;
        let applied = ctx
            .transact((token, Arc::new(input)), |tx, ctx, given| async move {
                let (token, input) = &*given;
                if let Some(token) = token
                    && is_repeated(&tx, &ctx, token, spawns.then_some(minute)).await?
                {
                    return Ok(Vec::new());
                }
                run(tx, ctx, Arc::clone(input)).await
            })
            .await?;
        if spawns {
            self.token_minute.store(minute, Ordering::Relaxed);
        }
        self.expiries.note(ctx.lane(), applied.iter().filter_map(|applied| applied.due));
        Ok(applied)
    }
}
/// Whether this very request was done before; notes that it is being done.
async fn is_repeated(
    tx: &Tx,
    ctx: &Context,
    Token { text: token, request }: &Token,
    spawn: Option<i64>,
) -> Result<bool, ServiceError> {
    let (account, region) = (ctx.account().to_owned(), ctx.region().to_owned());
    let key = (account.clone(), region.clone(), token.clone());
    if let Some(row) = TOKENS.get(tx, &key).await?.filter(|row| row.until_ms > tx.now_ms()) {
        if row.request == *request {
            return Ok(true);
        }
        return Err(ServiceError::new(
            "IdempotentParameterMismatchException",
            "The request uses the same client token as a previous, but non-identical request. Do not reuse a client token with different requests, unless the requests are identical.",
        ));
    }
    let until_ms = tx.now_ms() + TOKEN_MS;
    let minute = until_ms.div_euclid(60_000);
    let row = TokenRow { request: request.clone(), until_ms };
    TOKENS.put(tx, &key, &row)?;
    TOKEN_TIMES.put(tx, &(minute, account, region, token.clone()), &())?;
    if spawn.is_some() {
        spawn_forget_tokens(tx, minute)?;
    }
    Ok(false)
}

fn read(item: TransactWriteItem) -> Result<Mutation, ServiceError> {
    let one = invalid("TransactItems can only contain one of Check, Put, Update or Delete");
    let mutation = match (item.condition_check, item.put, item.delete, item.update) {
        (Some(check), None, None, None) => Mutation {
            condition: condition(
                Some(&check.condition_expression),
                check.expression_attribute_names,
                check.expression_attribute_values,
            )?,
            show_failed: shows_failed(check.return_values_on_condition_check_failure.as_deref()),
            ..Mutation::new(&check.table_name, Action::Check { key: item_from_wire(check.key)? })
        },
        (None, Some(put), None, None) => Mutation {
            condition: condition(
                put.condition_expression.as_deref(),
                put.expression_attribute_names,
                put.expression_attribute_values,
            )?,
            show_failed: shows_failed(put.return_values_on_condition_check_failure.as_deref()),
            ..Mutation::new(&put.table_name, Action::Put(item_from_wire(put.item)?))
        },
        (None, None, Some(delete), None) => Mutation {
            condition: condition(
                delete.condition_expression.as_deref(),
                delete.expression_attribute_names,
                delete.expression_attribute_values,
            )?,
            show_failed: shows_failed(delete.return_values_on_condition_check_failure.as_deref()),
            ..Mutation::new(&delete.table_name, Action::Delete { key: item_from_wire(delete.key)? })
        },
        (None, None, None, Some(update)) => read_update(update)?,
        _ => return Err(one),
    };
    check_name(&mutation.table)?;
    Ok(mutation)
}

fn read_update(update: Update) -> Result<Mutation, ServiceError> {
    let mut scope = Scope::new(
        update.expression_attribute_names,
        update.expression_attribute_values,
        true,
        None,
    )?;
    let change = parse_update(&update.update_expression, &mut scope)?;
    let parse = |text: &String| parse_condition(Kind::Condition, text, &mut scope);
    let condition = update.condition_expression.as_ref().map(parse).transpose()?;
    scope.finish()?;
    let action = Action::Update { key: item_from_wire(update.key)?, update: Some(change) };
    Ok(Mutation {
        condition,
        show_failed: shows_failed(update.return_values_on_condition_check_failure.as_deref()),
        ..Mutation::new(&update.table_name, action)
    })
}

impl Dynamo {
    pub(super) async fn apply_all(
        &self,
        tx: &Tx,
        ctx: &Context,
        mutations: &[Mutation],
    ) -> Result<Vec<Applied>, ServiceError> {
        let mut tables = Vec::with_capacity(mutations.len());
        let mut seen = BTreeSet::new();
        let mut bytes = 0;
        for mutation in mutations {
            let table = self.tables.require(tx, ctx, &mutation.table).await?;
            if let Ok(key) = mutation.key_of(&table)
                && !seen.insert(key.in_table(table.row.number))
            {
                return Err(invalid(
                    "Transaction request cannot include multiple operations on one item",
                ));
            }
            if let Action::Put(item) = &mutation.action {
                bytes += item_bytes(item);
            }
            tables.push(table);
        }
        if bytes > TRANSACTION_BYTES_MAX {
            return Err(invalid("Member must have size less than or equal to 4194304"));
        }
        let mut applied = Vec::with_capacity(mutations.len());
        let mut reasons = Vec::with_capacity(mutations.len());
        for (mutation, table) in mutations.iter().zip(tables) {
            match self.apply_to(tx, table, mutation).await {
                Ok(done) => {
                    applied.push(done);
                    reasons.push(None);
                }
                Err(error) if is_reason(&error) => reasons.push(Some(error)),
                Err(error) => return Err(error),
            }
        }
        if reasons.iter().any(Option::is_some) {
            return Err(canceled(&reasons));
        }
        Ok(applied)
    }
}

fn is_reason(error: &ServiceError) -> bool {
    matches!(
        error.code(),
        "ConditionalCheckFailedException" | "DuplicateItemException" | "ValidationException"
    )
}

/// The error that lists for every item why it kept the transaction from happening.
fn canceled(reasons: &[Option<ServiceError>]) -> ServiceError {
    let code = |reason: &Option<ServiceError>| match reason.as_ref().map(ServiceError::code) {
        None => "None",
        Some("ConditionalCheckFailedException") => "ConditionalCheckFailed",
        Some("DuplicateItemException") => "DuplicateItem",
        Some(_) => "ValidationError",
    };
    let codes: Vec<&str> = reasons.iter().map(code).collect();
    let documents = reasons.iter().map(|reason| {
        let mut document = to_document(&CancellationReason {
            item: None,
            code: Some(code(reason).to_owned()),
            message: reason.as_ref().map(|error| error.message().to_owned()),
        });
        let fields = reason.iter().flat_map(|error| error.fields());
        for (name, value) in fields {
            if let Some(object) = document.as_object_mut() {
                object.insert((*name).to_owned(), value.clone());
            }
        }
        document
    });
    let documents: Vec<_> = documents.collect();
    ServiceError::new(
        "TransactionCanceledException",
        format!(
            "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
            codes.join(", ")
        ),
    )
    .with_field("CancellationReasons", documents)
}
