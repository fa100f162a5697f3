//! Stages ready to serve.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};
use undercast_kernel::{Context, Kernel, ServiceError};
use undercast_store::Tx;

use super::callers::Results;
use super::{Destination, PRINCIPAL};
use crate::engine::compiled::Compiled;
use crate::engine::parts::{STAGE, served};
use crate::engine::throttle::Bucket;
use crate::limits::{ACCOUNT_BURST, ACCOUNT_RATE, STAGES_MAX};
use crate::store::{APIS, ApiKey, PARTS};

/// API id and the stage's name.
type Key = (String, String);

/// Each is good while its API has the same revision: with it, everything that was remembered for it goes.
#[derive(Default)]
pub(crate) struct Stages {
    known: Mutex<HashMap<Key, (u64, Arc<Stage>)>>,
    /// By account and region; longer-lived than the stages.
    accounts: Mutex<HashMap<Key, Arc<Bucket>>>,
}

pub(crate) struct Stage {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) api: String,
    pub(crate) name: String,
    pub(crate) variables: Map<String, Value>,
    pub(crate) cors: Option<Value>,
    pub(crate) compiled: Compiled,
    pub(crate) log: Option<Log>,
    pub(crate) account_bucket: Arc<Bucket>,
    /// What its Lambda authorizers said.
    pub(crate) results: Results,
}

/// The stage's access log.
pub(crate) struct Log {
    pub(crate) to: Destination,
    pub(crate) format: String,
}

impl Stages {
    pub(crate) async fn get(
        &self,
        kernel: &Kernel,
        api: &ApiKey,
        name: &str,
        revision: u64,
    ) -> Result<Option<Arc<Stage>>, ServiceError> {
        let cache_key = (api.2.clone(), name.to_owned());
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, stage)) = known.get(&cache_key).filter(|(r, _)| *r == revision) {
                return Ok(Some(Arc::clone(stage)));
            }
        }
        let ctx = kernel.service_context(PRINCIPAL, &api.0, &api.1);
        let bucket = self.account_bucket(&ctx);
        let input = (api.2.clone(), name.to_owned(), bucket);
        let loaded = ctx.transact(input, |tx, ctx, input| async move {
            load(&tx, &ctx, &input.0, &input.1, &input.2).await
        });
        let Some(stage) = loaded.await?.map(Arc::new) else {
            return Ok(None);
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= STAGES_MAX {
            known.clear();
        }
        known.insert(cache_key, (revision, Arc::clone(&stage)));
        Ok(Some(stage))
    }

    fn account_bucket(&self, ctx: &Context) -> Arc<Bucket> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.len() >= STAGES_MAX {
            accounts.clear();
        }
        let now = ctx.env().clock.monotonic();
        let key = (ctx.account().to_owned(), ctx.region().to_owned());
        let new = || Arc::new(Bucket::new(ACCOUNT_RATE, ACCOUNT_BURST, now));
        Arc::clone(accounts.entry(key).or_insert_with(new))
    }
}

async fn load(
    tx: &Tx,
    ctx: &Context,
    api: &str,
    name: &str,
    account_bucket: &Arc<Bucket>,
) -> Result<Option<Stage>, ServiceError> {
    let key = (api.to_owned(), STAGE.to_owned(), name.to_owned());
    let Some(row) = PARTS.get(tx, &key).await? else {
        return Ok(None);
    };
    let of_stage = |member: &str| row.document.get(member);
    let served = served(tx, ctx, api, name).await?;
    let key = (ctx.account().to_owned(), ctx.region().to_owned(), api.to_owned());
    let cors = APIS.get(tx, &key).await?;
    let cors = cors.and_then(|row| row.document.get("CorsConfiguration").cloned());
    let log = of_stage("AccessLogSettings").and_then(|settings| {
        let text = |member: &str| settings.get(member).and_then(Value::as_str);
        let to = Destination::parse(text("DestinationArn")?, api, name)?;
        Some(Log { to, format: text("Format")?.to_owned() })
    });
    let now = ctx.env().clock.monotonic();
    Ok(Some(Stage {
        account: key.0,
        region: key.1,
        api: key.2,
        name: name.to_owned(),
        variables: of_stage("StageVariables")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default(),
        cors,
        compiled: Compiled::new(&served, &row.document, now),
        log,
        account_bucket: Arc::clone(account_bucket),
        results: Results::default(),
    }))
}
