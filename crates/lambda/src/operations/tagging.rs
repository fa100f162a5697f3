//! What has tags: functions and event source mappings.

use std::collections::BTreeMap;

use undercast_kernel::{Arn, Context, ServiceError};
use undercast_store::Tx;

use crate::error::{invalid, no_function, not_found};
use crate::name::FunctionName;
use crate::store::{FUNCTIONS, FunctionKey, FunctionRow, MAPPINGS, MappingRow};

pub(super) enum Tagged {
    Function(FunctionKey, Box<FunctionRow>),
    Mapping((String, String, String), MappingRow),
}

impl Tagged {
    pub(super) fn tags(&self) -> &BTreeMap<String, String> {
        match self {
            Self::Function(_, row) => &row.tags,
            Self::Mapping(_, row) => &row.tags,
        }
    }

    pub(super) fn tags_mut(&mut self) -> &mut BTreeMap<String, String> {
        match self {
            Self::Function(_, row) => &mut row.tags,
            Self::Mapping(_, row) => &mut row.tags,
        }
    }

    pub(super) fn put(&self, tx: &Tx) -> Result<(), ServiceError> {
        match self {
            Self::Function(key, row) => FUNCTIONS.put(tx, key, row)?,
            Self::Mapping(key, row) => MAPPINGS.put(tx, key, row)?,
        }
        Ok(())
    }
}

pub(super) async fn find(tx: &Tx, ctx: &Context, text: &str) -> Result<Tagged, ServiceError> {
    let arn = Arn::parse(text).filter(|arn| arn.service == "lambda");
    let Some(arn) = arn else {
        return Err(invalid(format!("The resource {text} is not one of Lambda.")));
    };
    match arn.resource.split_once(':') {
        Some(("function", _)) => {
            let name = FunctionName::parse(ctx, text, None)?;
            if name.qualifier.is_some() {
                return Err(invalid(
                    "Tags on function aliases and versions are not supported. Please specify a function ARN.",
                ));
            }
            let row = FUNCTIONS.get(tx, &name.key()).await?;
            let row = row.ok_or_else(|| no_function(name.arn()))?;
            Ok(Tagged::Function(name.key(), Box::new(row)))
        }
        Some(("event-source-mapping", uuid)) => {
            let key = (arn.account.clone(), arn.region.clone(), uuid.to_owned());
            let row = MAPPINGS.get(tx, &key).await?;
            let row =
                row.ok_or_else(|| not_found(format!("Event source mapping not found: {text}")))?;
            Ok(Tagged::Mapping(key, row))
        }
        Some((kind, _)) => Err(ServiceError::unsupported(format!("a tag on a {kind}"))),
        None => Err(invalid(format!("The resource {text} is not one of Lambda."))),
    }
}
