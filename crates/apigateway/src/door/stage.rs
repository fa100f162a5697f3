//! Stages ready to serve.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};
use undercast_kernel::{Context, Kernel, ServiceError};
use undercast_store::Tx;

use super::callers::Results;
use super::{Destination, PRINCIPAL};
use crate::engine::compiled::Compiled;
use crate::engine::parts::{STAGE, list, require_api, served};
use crate::engine::throttle::Bucket;
use crate::limits::{ACCOUNT_BURST, ACCOUNT_RATE, STAGES_MAX};
use crate::store::ApiKey;

/// The stages of one API, by name.
/// The store's era and the API's own revision in it: a restore brings old revisions back.
type Revision = (u64, u64);

pub(crate) type OfApi = HashMap<String, Arc<Stage>>;

/// The stages of an API are good while it has the same revision: with it, everything that was remembered for
/// them goes.
#[derive(Default)]
pub(crate) struct Stages {
    known: Mutex<HashMap<String, (Revision, Arc<OfApi>)>>,
    /// By account and region; longer-lived than the stages.
    accounts: Mutex<HashMap<(String, String), Arc<Bucket>>>,
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
        revision: u64,
    ) -> Result<Arc<OfApi>, ServiceError> {
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let wanted = (kernel.db().era(), revision);
            if let Some((_, stages)) = known.get(&api.2).filter(|(r, _)| *r == wanted) {
                return Ok(Arc::clone(stages));
            }
        }
        let era = kernel.db().era();
        let ctx = kernel.service_context(PRINCIPAL, &api.0, &api.1);
        let bucket = self.account_bucket(&ctx);
        let loaded = ctx.transact((api.2.clone(), bucket), |tx, ctx, input| async move {
            load(&tx, &ctx, &input.0, &input.1).await
        });
        let (revision, stages) = loaded.await?;
        let stages = Arc::new(stages);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= STAGES_MAX {
            known.clear();
        }
        known.insert(api.2.clone(), ((era, revision), Arc::clone(&stages)));
        Ok(stages)
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

/// The stages, and the revision that they are of.
async fn load(
    tx: &Tx,
    ctx: &Context,
    api: &str,
    account_bucket: &Arc<Bucket>,
) -> Result<(u64, OfApi), ServiceError> {
    let row = require_api(tx, ctx, api).await?;
    let cors = row.document.get("CorsConfiguration");
    let mut stages = OfApi::new();
    for stage in list(tx, ctx, api, STAGE).await? {
        let document = &stage.document;
        let Some(name) = document.get("StageName").and_then(Value::as_str) else { continue };
        let served = served(tx, ctx, api, document).await?;
        let log = document.get("AccessLogSettings").and_then(|settings| {
            let text = |member: &str| settings.get(member).and_then(Value::as_str);
            let to = Destination::parse(text("DestinationArn")?, api, name)?;
            Some(Log { to, format: text("Format")?.to_owned() })
        });
        let variables = document.get("StageVariables").and_then(Value::as_object).cloned();
        let stage = Stage {
            account: ctx.account().to_owned(),
            region: ctx.region().to_owned(),
            api: api.to_owned(),
            name: name.to_owned(),
            variables: variables.unwrap_or_default(),
            cors: cors.cloned(),
            compiled: Compiled::new(&served, document, ctx.env().clock.monotonic()),
            log,
            account_bucket: Arc::clone(account_bucket),
            results: Results::default(),
        };
        stages.insert(name.to_owned(), Arc::new(stage));
    }
    Ok((row.revision, stages))
}
