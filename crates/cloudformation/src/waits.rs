//! Resources that wait for a signal from outside: `AWS::CloudFormation::WaitCondition` and its handle, whose
//! address takes signals by HTTP; and `CreationPolicy`, whose signals come by `SignalResource`.

use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Either, select};
use undercast_kernel::http::{HttpEndpoint, Request, Response};
use undercast_kernel::{Context, Kernel, Resource, ResourceRequest, ResourceType, ServiceError};
use undercast_smithy::Document;
use undercast_store::Tx;

use crate::deploy::interrupted;
use crate::error::failed;
use crate::stack;
use crate::store::{HANDLES, HandleRow, SIGNALS, SignalRow, WAITS, WaitRow};
use crate::template::model::plain;

pub(crate) const CONDITION: &str = "AWS::CloudFormation::WaitCondition";
const PATH: &str = "/_undercast/wait-condition/";
const SIGNAL_BYTES_MAX: u64 = 256 * 1024;
/// How many signals are kept for one resource.
const SIGNALS_MAX: usize = 1_000;
const TIMEOUT_S_MAX: u64 = 43_200;
/// What `CreationPolicy` waits if it does not say.
const POLICY_TIMEOUT_S: u64 = 300;

/// Account, region, stack uuid, and which of the stack's resources is signalled.
type Awaited = (String, String, String, String);

pub(crate) struct WaitConditionHandle;

impl ResourceType for WaitConditionHandle {
    fn name(&self) -> &'static str {
        "AWS::CloudFormation::WaitConditionHandle"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[]
    }

    fn create(
        &self,
        ctx: Context,
        request: ResourceRequest,
    ) -> BoxFuture<'static, Result<Resource, ServiceError>> {
        async move {
            let awaited = of_handle(&ctx, &request);
            let (of, key) = (ctx.clone(), awaited.clone());
            let token = ctx
                .store()
                .transact(move |tx| {
                    let (ctx, key) = (of.clone(), key.clone());
                    async move { token(&tx, &ctx, &key).await }
                })
                .await?;
            let (account, region, uuid, name) = &awaited;
            let url = &ctx.kernel().settings().callback_url;
            Ok(Resource::new(format!("{url}{PATH}{account}/{region}/{uuid}/{name}?token={token}")))
        }
        .boxed()
    }

    fn update(
        &self,
        _: Context,
        request: ResourceRequest,
    ) -> BoxFuture<'static, Result<Resource, ServiceError>> {
        async move { Ok(Resource::new(request.physical_id)) }.boxed()
    }

    fn delete(
        &self,
        ctx: Context,
        request: ResourceRequest,
    ) -> BoxFuture<'static, Result<(), ServiceError>> {
        async move { forget(&ctx, of_handle(&ctx, &request)).await }.boxed()
    }
}

/// The secret in the address of a handle: made once, whoever asks.
async fn token(tx: &Tx, ctx: &Context, key: &Awaited) -> Result<String, ServiceError> {
    if let Some(row) = HANDLES.get(tx, key).await? {
        return Ok(row.token);
    }
    let token = ctx.env().ids.hex(32);
    HANDLES.put(tx, key, &HandleRow { token: token.clone() })?;
    Ok(token)
}

fn of_handle(ctx: &Context, request: &ResourceRequest) -> Awaited {
    let (account, region, uuid) = stack::key(ctx, &uuid(request));
    (account, region, uuid, format!("{}.{}", request.logical_id, request.generation))
}

fn uuid(request: &ResourceRequest) -> String {
    stack::uuid_of(&request.stack_id).unwrap_or_default()
}

/// Who is signalled by the address of a handle, and with which secret.
fn parse(path_and_query: &str) -> Option<(Awaited, &str)> {
    let (path, token) = path_and_query.split_once("?token=")?;
    let mut parts = path.strip_prefix(PATH)?.split('/');
    let mut next = || parts.next().map(str::to_owned);
    Some(((next()?, next()?, next()?, next()?), token))
}

pub(crate) struct WaitCondition;

impl ResourceType for WaitCondition {
    fn name(&self) -> &'static str {
        CONDITION
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Count", "Handle", "Timeout"]
    }

    fn create(
        &self,
        ctx: Context,
        request: ResourceRequest,
    ) -> BoxFuture<'static, Result<Resource, ServiceError>> {
        async move { wait_for_handle(&ctx, &request).await }.boxed()
    }

    fn update(
        &self,
        _: Context,
        request: ResourceRequest,
    ) -> BoxFuture<'static, Result<Resource, ServiceError>> {
        async move {
            let changed = ["Count", "Handle", "Timeout"].iter().any(|name| request.changed(name));
            if changed && !request.is_rollback {
                return Err(failed(format!(
                    "Update to resource type {CONDITION} is not supported."
                )));
            }
            Ok(Resource::new(request.physical_id))
        }
        .boxed()
    }

    fn delete(
        &self,
        ctx: Context,
        request: ResourceRequest,
    ) -> BoxFuture<'static, Result<(), ServiceError>> {
        async move { forget(&ctx, of_resource(&ctx, &uuid(&request), &request.logical_id)).await }
            .boxed()
    }
}

pub(crate) fn of_resource(ctx: &Context, uuid: &str, logical_id: &str) -> Awaited {
    let (account, region, uuid) = stack::key(ctx, uuid);
    (account, region, uuid, logical_id.to_owned())
}

async fn wait_for_handle(
    ctx: &Context,
    request: &ResourceRequest,
) -> Result<Resource, ServiceError> {
    let condition = format!("{}/{}", request.stack_id, request.logical_id);
    // Without a handle, a creation policy says what is awaited.
    let Some(handle) = request.text("Handle") else {
        return Ok(Resource::new(condition));
    };
    let address = handle.find(PATH).and_then(|at| handle.get(at..)).and_then(parse);
    let Some((awaited, _)) = address else {
        return Err(failed(format!("{handle} is not the address of a WaitConditionHandle")));
    };
    let number = |name: &str| request.properties.get(name).map(plain)?.parse::<u64>().ok();
    let timeout = number("Timeout").filter(|s| *s <= TIMEOUT_S_MAX).ok_or_else(|| {
        failed(format!("Timeout must be a number of seconds, at most {TIMEOUT_S_MAX}"))
    })?;
    let count = usize::try_from(number("Count").unwrap_or(1)).unwrap_or(usize::MAX);
    let own = of_resource(ctx, &uuid(request), &request.logical_id);
    let signals = match signals(ctx, &own, &awaited, count, timeout).await? {
        Waited::Enough(signals) => signals,
        Waited::Failed(signal) => {
            return Err(failed(format!(
                "WaitCondition received failed message: '{}' for uniqueId: {}",
                signal.reason, signal.unique_id
            )));
        }
        Waited::TooFew(have) => {
            return Err(failed(format!(
                "WaitCondition timed out. Received {have} conditions when expecting {count}"
            )));
        }
    };
    let data = signals.into_iter().map(|s| (s.unique_id, Document::from(s.data)));
    let data = Document::Object(data.collect());
    Ok(Resource::new(condition).with("Data", data.to_string()))
}

/// What a `CreationPolicy` waits for, after the resource is made.
pub(crate) async fn resource_signals(
    ctx: &Context,
    uuid: &str,
    logical_id: &str,
    policy: &Document,
) -> Result<(), ServiceError> {
    let Some(signal) = policy.get("ResourceSignal") else {
        return Ok(());
    };
    let count = signal.get("Count").map(plain).and_then(|count| count.parse().ok()).unwrap_or(1);
    let timeout = match signal.get("Timeout").map(plain) {
        Some(text) => seconds(&text)
            .filter(|seconds| *seconds <= TIMEOUT_S_MAX)
            .ok_or_else(|| failed(format!("{text} is not a duration of at most PT12H")))?,
        None => POLICY_TIMEOUT_S,
    };
    let own = of_resource(ctx, uuid, logical_id);
    match signals(ctx, &own, &own, count, timeout).await? {
        Waited::Enough(_) => Ok(()),
        Waited::Failed(signal) => Err(failed(format!(
            "Received 1 FAILURE signal(s) out of {count}: {}",
            signal.unique_id
        ))),
        Waited::TooFew(have) => Err(failed(format!(
            "Failed to receive {} resource signal(s) within the specified duration",
            count.saturating_sub(have)
        ))),
    }
}

/// The seconds of `PT1H30M15S`.
fn seconds(text: &str) -> Option<u64> {
    let mut rest = text.strip_prefix("PT").filter(|rest| !rest.is_empty())?;
    let mut seconds = 0_u64;
    while !rest.is_empty() {
        let at = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = rest.split_at_checked(at)?;
        let factor = match unit.chars().next()? {
            'H' => 3600,
            'M' => 60,
            'S' => 1,
            _ => return None,
        };
        seconds = seconds.checked_add(number.parse::<u64>().ok()?.checked_mul(factor)?)?;
        rest = unit.get(1..)?;
    }
    Some(seconds)
}

enum Waited {
    Enough(Vec<SignalRow>),
    Failed(SignalRow),
    /// How many there were when the time was over.
    TooFew(usize),
}

/// Waits until there are enough signals, one says that something failed, or the time is over. `own` names
/// the wait: how long it may still last is remembered through a crash.
async fn signals(
    ctx: &Context,
    own: &Awaited,
    awaited: &Awaited,
    count: usize,
    timeout_s: u64,
) -> Result<Waited, ServiceError> {
    let timeout = Duration::from_secs(timeout_s);
    let key = own.clone();
    let deadline_ms = ctx
        .store()
        .transact(move |tx| {
            let key = key.clone();
            async move {
                if let Some(row) = WAITS.get(&tx, &key).await? {
                    return Ok(row.deadline_ms);
                }
                let millis = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
                let row = WaitRow { deadline_ms: tx.now_ms().saturating_add(millis) };
                WAITS.put(&tx, &key, &row)?;
                Ok::<_, ServiceError>(row.deadline_ms)
            }
        })
        .await?;
    let mut watch = SIGNALS.watch(ctx.store(), awaited);
    let enough = async {
        loop {
            let rows = SIGNALS.list(ctx.store(), SIGNALS.prefix(awaited), SIGNALS_MAX, false);
            let rows: Vec<SignalRow> = rows.await?.into_iter().map(|(_, row)| row).collect();
            if let Some(bad) = rows.iter().find(|row| !row.success) {
                return Ok(Waited::Failed(bad.clone()));
            }
            let over = ctx.now_ms() >= deadline_ms;
            match rows.len() {
                have if have >= count => return Ok(Waited::Enough(rows)),
                have if over => return Ok(Waited::TooFew(have)),
                _ => {}
            }
            let sleep = ctx.env().clock.sleep_until_ms(deadline_ms);
            select(watch.changed().boxed(), sleep).await;
        }
    };
    let waited = match select(enough.boxed(), interrupted(ctx, &own.2).boxed()).await {
        Either::Left((waited, _)) => waited,
        Either::Right(_) => Err(failed("Resource creation cancelled")),
    };
    let key = own.clone();
    ctx.store()
        .transact(move |tx| {
            let key = key.clone();
            async move { Ok::<_, ServiceError>(WAITS.delete(&tx, &key)?) }
        })
        .await?;
    waited
}

/// Keeps a signal; the first one with its id counts. Whether there was room.
pub(crate) async fn signal(
    tx: &Tx,
    awaited: &Awaited,
    row: SignalRow,
) -> Result<bool, ServiceError> {
    let (account, region, uuid, name) = awaited.clone();
    let key = (account, region, uuid, name, row.unique_id.clone());
    if SIGNALS.get(tx, &key).await?.is_some() {
        return Ok(true);
    }
    if SIGNALS.scan(tx, SIGNALS.prefix(awaited), SIGNALS_MAX, false).await?.len() >= SIGNALS_MAX {
        return Ok(false);
    }
    SIGNALS.put(tx, &key, &row)?;
    Ok(true)
}

async fn forget(ctx: &Context, awaited: Awaited) -> Result<(), ServiceError> {
    ctx.store()
        .transact(move |tx| {
            let awaited = awaited.clone();
            async move {
                HANDLES.delete(&tx, &awaited)?;
                let prefix = SIGNALS.prefix(&awaited);
                for (key, _) in SIGNALS.scan(&tx, prefix, SIGNALS_MAX, false).await? {
                    SIGNALS.delete(&tx, &key)?;
                }
                Ok::<_, ServiceError>(())
            }
        })
        .await
}

/// Takes the signals for handles.
pub(crate) struct SignalEndpoint;

impl HttpEndpoint for SignalEndpoint {
    fn matches(&self, request: &Request) -> bool {
        request.path.starts_with(PATH)
    }

    fn serve(&self, kernel: Kernel, request: Request) -> BoxFuture<'static, Response> {
        async move {
            if request.method != "PUT" {
                return Response::new(405);
            }
            let address = format!("{}?{}", request.path, request.query);
            let Some((awaited, token)) = parse(&address) else {
                return Response::new(403);
            };
            let token = token.to_owned();
            let Ok(body) = request.body.collect(SIGNAL_BYTES_MAX).await else {
                return Response::new(413);
            };
            let Some(row) = read_signal(&body) else {
                return Response::new(400);
            };
            let kept = kernel.db().transact(move |tx| {
                let (awaited, token, row) = (awaited.clone(), token.clone(), row.clone());
                async move {
                    let handle = HANDLES.get(&tx, &awaited).await?;
                    if handle.is_none_or(|handle| handle.token != token) {
                        return Ok(false);
                    }
                    signal(&tx, &awaited, row).await
                }
            });
            match kept.await {
                Ok(true) => Response::new(200),
                Ok(false) => Response::new(403),
                Err::<_, ServiceError>(_) => Response::new(503),
            }
        }
        .boxed()
    }
}

fn read_signal(body: &[u8]) -> Option<SignalRow> {
    let body: Document = serde_json::from_slice(body).ok()?;
    let text = |name: &str| body.get(name).map(plain).unwrap_or_default();
    let success = match text("Status").as_str() {
        "SUCCESS" => true,
        "FAILURE" => false,
        _ => return None,
    };
    let unique_id = Some(text("UniqueId")).filter(|id| !id.is_empty() && id.len() <= 256)?;
    Some(SignalRow { unique_id, success, reason: text("Reason"), data: text("Data") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        assert_eq!(seconds("PT5M"), Some(300));
        assert_eq!(seconds("PT1H30M15S"), Some(5415));
        for bad in ["", "PT", "5M", "PT5", "PT5X", "PT99999999999999999999S"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_handle_names_whom_it_signals() {
        let (awaited, token) = parse("/_undercast/wait-condition/1/r/u/H.0?token=t").unwrap();
        assert_eq!(awaited, ("1".to_owned(), "r".to_owned(), "u".to_owned(), "H.0".to_owned()));
        assert_eq!(token, "t");
        assert!(parse("/_undercast/wait-condition/1/r/u?token=t").is_none());
    }
}
