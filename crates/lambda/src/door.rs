//! The address under which `GetFunction` hands out code: signed, good for some minutes.

use futures::FutureExt;
use futures::future::BoxFuture;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use undercast_kernel::http::{HttpEndpoint, Request, Response};
use undercast_kernel::{Context, Db, Kernel, ServiceError};

use crate::name::{FunctionName, LATEST, number};
use crate::store::{
    CodeRow, FUNCTIONS, LAYER_VERSIONS, LayerVersionKey, SECRETS, SecretRow, VERSIONS,
};

const PREFIX: &str = "/_undercast/lambda/code/";
/// Stands before the name of a layer; no function has such a name.
const LAYER: &str = "layer.";
const GOOD_FOR_MS: i64 = 10 * 60_000;

/// Serves archives.
pub(crate) struct CodeDoor;

/// The address of a version's code.
pub(crate) async fn location(
    ctx: &Context,
    name: &FunctionName,
    version: &str,
) -> Result<String, ServiceError> {
    let expires = ctx.now_ms() + GOOD_FOR_MS;
    let (account, region) = (&name.account, &name.region);
    address(ctx, format!("{PREFIX}{account}/{region}/{}/{version}", name.name), expires).await
}

/// The address of a layer's archive.
pub(crate) async fn layer_location(
    ctx: &Context,
    (account, region, name, number): &LayerVersionKey,
) -> Result<String, ServiceError> {
    let expires = ctx.now_ms() + GOOD_FOR_MS;
    address(ctx, format!("{PREFIX}{account}/{region}/{LAYER}{name}/{number}"), expires).await
}

async fn address(ctx: &Context, path: String, expires: i64) -> Result<String, ServiceError> {
    let signature = sign(&secret(ctx).await?, &path, expires)?;
    Ok(format!("{}{path}?Expires={expires}&Signature={signature}", ctx.public_url()))
}

async fn secret(ctx: &Context) -> Result<String, ServiceError> {
    if let Some(row) = SECRETS.read(ctx.store(), &("code".to_owned(),)).await? {
        return Ok(row.key);
    }
    ctx.transact((), |tx, _, _| async move {
        let key = ("code".to_owned(),);
        if let Some(row) = SECRETS.get(&tx, &key).await? {
            return Ok(row.key);
        }
        let row = SecretRow { key: tx.ids().hex(64) };
        SECRETS.put(&tx, &key, &row)?;
        Ok(row.key)
    })
    .await
}

fn mac(secret: &str, path: &str, expires: i64) -> Result<Hmac<Sha256>, ServiceError> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(ServiceError::internal)?;
    mac.update(format!("{path}\n{expires}").as_bytes());
    Ok(mac)
}

fn sign(secret: &str, path: &str, expires: i64) -> Result<String, ServiceError> {
    Ok(hex::encode(mac(secret, path, expires)?.finalize().into_bytes()))
}

impl HttpEndpoint for CodeDoor {
    fn matches(&self, request: &Request) -> bool {
        request.path.starts_with(PREFIX)
    }

    fn serve(&self, kernel: Kernel, request: Request) -> BoxFuture<'static, Response> {
        async move {
            match archive(&kernel, &request).await {
                Ok(Some(zip)) => {
                    Response::new(200).header("content-type", "application/zip").body(zip)
                }
                Ok(None) => Response::new(403).body("the address is wrong or has expired"),
                Err(_) => Response::new(500),
            }
        }
        .boxed()
    }
}

/// The archive, if the request is signed by us and in time.
async fn archive(kernel: &Kernel, request: &Request) -> Result<Option<bytes::Bytes>, ServiceError> {
    let parameter = |name: &str| {
        let mut pairs = request.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(n, _)| *n == name).map(|(_, value)| value)
    };
    let expires = parameter("Expires").and_then(|text| text.parse::<i64>().ok());
    let signature = parameter("Signature").and_then(|text| hex::decode(text).ok());
    let (Some(expires), Some(signature)) = (expires, signature) else {
        return Ok(None);
    };
    let path = request.path.replace("%24", "$");
    let Some(row) = SECRETS.read(kernel.db(), &("code".to_owned(),)).await? else {
        return Ok(None);
    };
    let is_ours = mac(&row.key, &path, expires)?.verify_slice(&signature).is_ok();
    if !is_ours || kernel.env().clock.now_ms() > expires {
        return Ok(None);
    }
    let Some(code) = code_of(kernel.db(), &path).await? else {
        return Ok(None);
    };
    Ok(Some(kernel.db().blobs().get(&code.blob).await?))
}

async fn code_of(db: &Db, path: &str) -> Result<Option<CodeRow>, ServiceError> {
    let parts: Vec<&str> = path.trim_start_matches(PREFIX).split('/').collect();
    let [account, region, name, version] = parts.as_slice() else {
        return Ok(None);
    };
    let (account, region, name) = ((*account).to_owned(), (*region).to_owned(), (*name).to_owned());
    if let (Some(layer), Some(number)) = (name.strip_prefix(LAYER), number(version)) {
        let key = (account, region, layer.to_owned(), number);
        return Ok(LAYER_VERSIONS.read(db, &key).await?.map(|row| row.code));
    }
    let config = match number(version) {
        Some(number) => VERSIONS.read(db, &(account, region, name, number)).await?,
        None if *version == LATEST => {
            let row = FUNCTIONS.read(db, &(account, region, name)).await?;
            row.map(|row| row.latest)
        }
        None => None,
    };
    Ok(config.map(|config| config.code))
}
