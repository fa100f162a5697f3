//! What the operations on the treatment of waiting events share.

use undercast_kernel::{Context, ServiceError};

use crate::api::lambda::shapes::{DestinationConfig, FunctionEventInvokeConfig};
use crate::asynchronous::check_destination;
use crate::describe;
use crate::error::{invalid, not_found};
use crate::functions;
use crate::name::{FunctionName, LATEST, number};
use crate::store::{ALIASES, FUNCTIONS, INVOKE_CONFIGS, InvokeConfigRow, QualifiedKey};

pub(super) struct Change {
    pub(super) retries: Option<i32>,
    pub(super) age_s: Option<i32>,
    pub(super) destinations: Option<DestinationConfig>,
}

fn qualifier(name: &FunctionName) -> &str {
    name.qualifier.as_deref().unwrap_or(LATEST)
}

pub(super) fn key(name: &FunctionName) -> QualifiedKey {
    name.qualified_key(qualifier(name))
}

pub(super) fn arn(name: &FunctionName) -> String {
    name.arn_with(qualifier(name))
}

pub(super) fn missing(name: &FunctionName) -> ServiceError {
    not_found(format!("The function {} doesn't have an EventInvokeConfig", arn(name)))
}

/// Applies a change to what `base` makes of the row that is there.
pub(super) async fn put(
    ctx: &Context,
    name: FunctionName,
    change: Change,
    base: impl Fn(Option<InvokeConfigRow>) -> Result<InvokeConfigRow, ServiceError>
    + Send
    + Sync
    + 'static,
) -> Result<FunctionEventInvokeConfig, ServiceError> {
    check(&name, &change)?;
    let base = std::sync::Arc::new(base);
    ctx.transact((name, change), move |tx, _, input| {
        let base = std::sync::Arc::clone(&base);
        async move {
            let (name, change) = &*input;
            let gone = || not_found("The function doesn't exist.");
            let function = FUNCTIONS.get(&tx, &name.key()).await?.ok_or_else(gone)?;
            let wanted = qualifier(name);
            if wanted != LATEST && number(wanted).is_none() {
                ALIASES.get(&tx, &key(name)).await?.ok_or_else(gone)?;
            } else {
                let config = functions::config(&tx, name, function, wanted).await?;
                config.ok_or_else(gone)?;
            }
            let mut row = base(INVOKE_CONFIGS.get(&tx, &key(name)).await?)?;
            apply(&mut row, change);
            row.modified_ms = tx.now_ms();
            INVOKE_CONFIGS.put(&tx, &key(name), &row)?;
            Ok(describe::invoke_config(arn(name), &row))
        }
    })
    .await
}

fn destinations(config: &DestinationConfig) -> (Option<String>, Option<String>) {
    let success = config.on_success.as_ref().and_then(|to| to.destination.clone());
    let failure = config.on_failure.as_ref().and_then(|to| to.destination.clone());
    (success.filter(|arn| !arn.is_empty()), failure.filter(|arn| !arn.is_empty()))
}

fn check(name: &FunctionName, change: &Change) -> Result<(), ServiceError> {
    if change.retries.is_none() && change.age_s.is_none() && change.destinations.is_none() {
        return Err(invalid(
            "You must specify at least one of error handling or destination setting.",
        ));
    }
    let (success, failure) = change.destinations.as_ref().map(destinations).unwrap_or_default();
    for arn in [success, failure].into_iter().flatten() {
        check_destination(&arn)?;
        if arn == name.arn() || arn == self::arn(name) {
            return Err(invalid("You can't specify the function as a destination for itself."));
        }
    }
    Ok(())
}

fn apply(row: &mut InvokeConfigRow, change: &Change) {
    let number = |n: i32| u32::try_from(n).ok();
    row.retries = change.retries.and_then(number).or(row.retries);
    row.age_s = change.age_s.and_then(number).or(row.age_s);
    if let Some(config) = &change.destinations {
        (row.on_success, row.on_failure) = destinations(config);
    }
}
