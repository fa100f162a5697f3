//! Uploads by a form of a browser: `POST` of `multipart/form-data` to a bucket.
//!
//! What may be uploaded is said by a signed policy among the fields (`policy.rs`); the file is the last field
//! and is streamed (`form.rs`).

mod form;
mod policy;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::FutureExt;
use futures::future::BoxFuture;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;
use sha2::Sha256;
use undercast_kernel::http::{HttpEndpoint, Request, Response};
use undercast_kernel::{Context, Handler, Kernel, Mode, Origin, Principal, Seats, ServiceError};

use crate::S3;
use crate::api::s3::operations::PutObject;
use crate::api::s3::shapes::{PutObjectInput, PutObjectOutput};
use crate::engine::notify::Event;
use crate::error::{access_denied, argument, invalid_argument, no_bucket};
use crate::operations::put_object;
use crate::preflight;
use crate::store::BUCKETS;
use form::Form;
use policy::Policy;

pub(crate) struct PostObject;

/// What a request must have to be one.
fn boundary(request: &Request) -> Option<&str> {
    let kind = request.header("content-type")?;
    let (kind, parameters) = kind.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let mut parameters = parameters.split(';').filter_map(|p| p.trim().split_once('='));
    let (_, boundary) = parameters.find(|(name, _)| name.eq_ignore_ascii_case("boundary"))?;
    Some(boundary.trim_matches('"'))
}

impl HttpEndpoint for PostObject {
    fn matches(&self, request: &Request) -> bool {
        let bucket = || preflight::bucket(request);
        let is_root = |bucket: &str| {
            let path = request.path.trim_matches('/');
            path.is_empty() || path == bucket
        };
        request.method == "POST" && boundary(request).is_some() && bucket().is_some_and(is_root)
    }

    /// Any path may begin with the name of a bucket.
    fn yields(&self) -> bool {
        true
    }

    fn serve(&self, kernel: Kernel, request: Request) -> BoxFuture<'static, Response> {
        async move {
            let request_id = kernel.env().ids.uuid();
            let served = serve(&kernel, &request, &request_id).await;
            served.unwrap_or_else(|error| refused(&error, &request_id))
        }
        .boxed()
    }
}

fn refused(error: &ServiceError, request_id: &str) -> Response {
    let mut body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>".to_owned();
    let mut element = |name: &str, text: &str| {
        body.push_str(&format!("<{name}>{}</{name}>", crate::website::escaped(text)));
    };
    // As the wire names what IAM denies.
    let code = match error.code() {
        "AccessDeniedException" => "AccessDenied",
        code => code,
    };
    element("Code", code);
    element("Message", error.message());
    for (name, value) in error.fields() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        element(name, &text);
    }
    element("RequestId", request_id);
    body.push_str("</Error>");
    let status = error.status().unwrap_or(400);
    Response::new(status).header("content-type", "application/xml").body(body)
}

async fn serve(
    kernel: &Kernel,
    request: &Request,
    request_id: &str,
) -> Result<Response, ServiceError> {
    let (Some(bucket), Some(boundary)) = (preflight::bucket(request), boundary(request)) else {
        return Err(access_denied());
    };
    let tx = kernel.db().begin().await?;
    let row = BUCKETS.get(&tx, &(bucket.to_owned(),)).await?.ok_or_else(|| no_bucket(bucket))?;
    drop(tx);
    let form = form::read(request.body.clone(), boundary).await?;
    let caller = caller(kernel, &form).await?;
    let origin = Origin {
        url: format!("{}://{}", request.scheme, request.host),
        source_ip: request.source_ip.clone(),
        ..Origin::default()
    };
    let account = caller.account().unwrap_or("anonymous").to_owned();
    let ctx = kernel.request_context(caller, account, row.region, request_id, origin);
    let policy = form.field("policy").map(Policy::parse).transpose()?;
    if let Some(policy) = &policy {
        policy.check(&form, bucket, ctx.now_ms())?;
    }
    let input = input(&form, bucket, policy.as_ref())?;
    let key = input.key.clone();
    let accesses = Handler::<PutObject>::authorize(&S3, &ctx, &input);
    kernel.check(&ctx, accesses).await?;
    let output = put_object::put(ctx.clone(), input, Event::Post).await?;
    Ok(answer(&ctx, &form, bucket, &key, &output))
}

/// Who signed the form. In open mode a signature says who calls and is not looked at further.
async fn caller(kernel: &Kernel, form: &Form) -> Result<Principal, ServiceError> {
    let settings = kernel.settings();
    let is_secure = settings.mode == Mode::Secure;
    let scope = form.field("x-amz-credential");
    let key = scope.and_then(|scope| scope.split('/').next()).or(form.field("awsaccesskeyid"));
    let Some(key) = key.filter(|_| form.field("policy").is_some()) else {
        let account = settings.account.clone();
        return Ok(if is_secure { Principal::Anonymous } else { Principal::Root { account } });
    };
    let known = match kernel.credentials() {
        Some(port) => port.lookup(kernel.clone(), key.to_owned()).await?,
        None => None,
    };
    let Some(secret) = known else {
        if is_secure {
            let message = "The AWS Access Key Id you provided does not exist in our records.";
            return Err(ServiceError::new("InvalidAccessKeyId", message)
                .with_status(403)
                .with_field("AWSAccessKeyId", key));
        }
        let is_account = key.len() == 12 && key.bytes().all(|b| b.is_ascii_digit());
        let account = if is_account { key.to_owned() } else { settings.account.clone() };
        return Ok(Principal::Root { account });
    };
    if is_secure {
        let token = form.field("x-amz-security-token").map(|token| Seats::split(token).0);
        if token != secret.session_token.as_deref() {
            let message = "The provided token is malformed or otherwise invalid.";
            return Err(ServiceError::new("InvalidToken", message));
        }
        if !is_signed(form, &secret.secret_key) {
            let message = "The request signature we calculated does not match the signature you provided. Check your key and signing method.";
            return Err(ServiceError::new("SignatureDoesNotMatch", message).with_status(403));
        }
    }
    Ok(secret.principal)
}

/// Whether the policy is signed with this key: in version 4, or in version 2, which SDKs still use for forms.
fn is_signed(form: &Form, secret: &str) -> bool {
    let policy = form.field("policy").unwrap_or_default();
    if let Some(given) = form.field("x-amz-signature") {
        let scope = form.field("x-amz-credential").unwrap_or_default();
        let mut key = format!("AWS4{secret}").into_bytes();
        for part in scope.split('/').skip(1).chain([policy]) {
            let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else {
                return false;
            };
            mac.update(part.as_bytes());
            if part == policy {
                return hex::decode(given).is_ok_and(|given| mac.verify_slice(&given).is_ok());
            }
            key = mac.finalize().into_bytes().to_vec();
        }
        return false;
    }
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret.as_bytes()) else {
        return false;
    };
    mac.update(policy.as_bytes());
    let given = form.field("signature").and_then(|text| BASE64.decode(text).ok());
    given.is_some_and(|given| mac.verify_slice(&given).is_ok())
}

/// The form as the operation that it stands for.
fn input(
    form: &Form,
    bucket: &str,
    policy: Option<&Policy>,
) -> Result<PutObjectInput, ServiceError> {
    let key = form.field("key").filter(|key| !key.is_empty()).ok_or_else(|| {
        invalid_argument(
            "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.",
        )
    })?;
    let file = form.file.as_ref().ok_or_else(|| {
        argument("file", "0", "POST requires exactly one file upload per request.")
    })?;
    let field = |name: &str| form.field(name).map(str::to_owned);
    for absent in ["tagging", "x-amz-server-side-encryption-customer-algorithm"] {
        if form.field(absent).is_some() {
            return Err(ServiceError::unsupported(format!("the field {absent} of a form")));
        }
    }
    if let Some((name, _)) = form.fields.iter().find(|(n, _)| n.starts_with("x-amz-object-lock-")) {
        return Err(ServiceError::unsupported(format!("the field {name} of a form")));
    }
    let own = form.fields.iter().filter_map(|(name, value)| {
        Some((name.strip_prefix("x-amz-meta-")?.to_owned(), value.clone()))
    });
    let range = policy.and_then(Policy::length_range);
    Ok(PutObjectInput {
        bucket: bucket.to_owned(),
        key: key.replace("${filename}", file.name.as_deref().unwrap_or_default()),
        body: form::within(file.content.clone(), range),
        acl: field("acl"),
        cache_control: field("cache-control"),
        content_disposition: field("content-disposition"),
        content_encoding: field("content-encoding"),
        content_type: field("content-type"),
        expires: field("expires"),
        metadata: Some(own.collect()),
        storage_class: field("x-amz-storage-class"),
        server_side_encryption: field("x-amz-server-side-encryption"),
        ssekms_key_id: field("x-amz-server-side-encryption-aws-kms-key-id"),
        website_redirect_location: field("x-amz-website-redirect-location"),
        checksum_crc32: field("x-amz-checksum-crc32"),
        checksum_crc32_c: field("x-amz-checksum-crc32c"),
        checksum_crc64_nvme: field("x-amz-checksum-crc64nvme"),
        checksum_sha1: field("x-amz-checksum-sha1"),
        checksum_sha256: field("x-amz-checksum-sha256"),
        ..PutObjectInput::default()
    })
}

fn answer(
    ctx: &Context,
    form: &Form,
    bucket: &str,
    key: &str,
    output: &PutObjectOutput,
) -> Response {
    let etag = output.e_tag.clone().unwrap_or_default();
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let location = format!("{}/{bucket}/{}", ctx.public_url(), encoded(key));
    let redirect = form.field("success_action_redirect").or(form.field("redirect"));
    let status = form.field("success_action_status");
    let mut response = match (redirect, status) {
        (Some(to), _) if to.starts_with("http://") || to.starts_with("https://") => {
            let mark = if to.contains('?') { '&' } else { '?' };
            let safe: String = to.chars().filter(|c| !c.is_control()).collect();
            let (key, tag) = (encoded(key), encoded(&etag));
            let to = format!("{safe}{mark}bucket={bucket}&key={key}&etag={tag}");
            return Response::new(303).header("location", to).header("etag", etag);
        }
        (_, Some("201")) => {
            let (at, key) = (crate::website::escaped(&location), crate::website::escaped(key));
            let tag = etag.replace('"', "&quot;");
            Response::new(201).header("content-type", "application/xml").body(format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse><Location>{at}</Location><Bucket>{bucket}</Bucket><Key>{key}</Key><ETag>{tag}</ETag></PostResponse>"
            ))
        }
        (_, Some("200")) => Response::new(200),
        _ => Response::new(204),
    };
    if let Some(version) = &output.version_id {
        response = response.header("x-amz-version-id", version);
    }
    response.header("etag", etag).header("location", location)
}
