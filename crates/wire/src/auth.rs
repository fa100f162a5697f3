//! Who calls: the access key gives the identity, in secure mode only with a signature that is right.

use undercast_kernel::{Kernel, Mode, Principal, Seats, Secret, ServiceError};

use crate::error::Family;
use crate::presign::has_expired;
use crate::sigv2;
use crate::sigv4::{Form, Mismatch, Signature, Signed, SigningKey, verify};

/// How far a client's clock may be off.
pub const SKEW_MS: i64 = 15 * 60 * 1000;

/// A caller as far as its key tells.
#[derive(Debug, Clone)]
pub struct Caller {
    pub principal: Principal,
    pub account: String,
    secret: Option<Secret>,
}

/// The account of a key that nobody issued: a key of twelve digits is an account by itself.
fn account_of<'a>(access_key: &'a str, default: &'a str) -> &'a str {
    let digits = access_key.len() == 12 && access_key.bytes().all(|b| b.is_ascii_digit());
    if digits { access_key } else { default }
}

/// Finds out whose access key it is.
pub async fn identify(
    kernel: &Kernel,
    signature: Option<&Signature<'_>>,
) -> Result<Caller, ServiceError> {
    let settings = kernel.settings();
    let Some(signature) = signature else {
        let account = settings.account.clone();
        let principal = match settings.mode {
            Mode::Open => Principal::Root { account: account.clone() },
            Mode::Secure => Principal::Anonymous,
        };
        return Ok(Caller { principal, account, secret: None });
    };
    let key = &*signature.access_key;
    if let Some(port) = kernel.credentials()
        && let Some(secret) = port.lookup(kernel.clone(), key.to_owned()).await?
    {
        let principal = secret.principal.clone();
        let account = principal.account().unwrap_or(&settings.account).to_owned();
        return Ok(Caller { principal, account, secret: Some(secret) });
    }
    let account = account_of(key, &settings.account).to_owned();
    Ok(Caller { principal: Principal::Root { account: account.clone() }, account, secret: None })
}

/// Checks a signature and gives the key that signs chunks, where there is one. `bucket_path` is the
/// path with the bucket in front, wherever the client put that. `now_ms` tells the time of day, however it has been moved by hand.
pub fn authenticate(
    family: Family,
    caller: &Caller,
    signature: &Signature<'_>,
    signed: &Signed<'_>,
    bucket_path: &str,
    now_ms: &[i64],
) -> Result<Option<SigningKey>, ServiceError> {
    let Some(secret) = &caller.secret else {
        return Err(unknown_key(family, signature));
    };
    if signature.form == Form::Foreign {
        return Err(ServiceError::new(
            "InvalidRequest",
            "The authorization mechanism you have provided is not supported. Please use \
             AWS4-HMAC-SHA256.",
        ));
    }
    if signature.form != Form::V2Query {
        check_time(family, signature, now_ms)?;
    }
    if let Some(expires_ms) = secret.expires_ms
        && now_ms.iter().all(|now| *now >= expires_ms)
    {
        return Err(expired_token(family));
    }
    let token = signature.token.as_deref().map(|token| Seats::split(token).0);
    if secret.session_token.as_deref() != token {
        return Err(invalid_token(family));
    }
    let secret = &secret.secret_key;
    let verified = match signature.form {
        Form::V2Header | Form::V2Query => {
            let Signed { method, query, headers, .. } = *signed;
            sigv2::verify(signature, method, bucket_path, query, headers, secret).map(|()| None)
        }
        _ => verify(signature, signed, secret).map(Some),
    };
    verified.map_err(|mismatch| wrong_signature(family, signature, &mismatch))
}

fn check_time(
    family: Family,
    signature: &Signature<'_>,
    now_ms: &[i64],
) -> Result<(), ServiceError> {
    let Some(signed_ms) = signature.signed_ms() else {
        return Err(incomplete(
            family,
            format!("Date must be in ISO-8601 'basic format'. Got '{}'.", signature.time),
        ));
    };
    if matches!(signature.form, Form::Query) {
        // A presigned URL is judged by its own term.
        return Ok(());
    }
    let fits = |now: &i64| (now - signed_ms).abs() <= SKEW_MS;
    if now_ms.iter().any(fits) {
        return Ok(());
    }
    let now = now_ms.first().copied().unwrap_or_default();
    if family == Family::RestXml {
        let iso = |ms| undercast_smithy::Timestamp::from_millis(ms).iso8601();
        return Err(ServiceError::new(
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        )
        .with_status(403)
        .with_field("RequestTime", &*signature.time)
        .with_field("ServerTime", iso(now))
        .with_field("MaxAllowedSkewMilliseconds", SKEW_MS));
    }
    let basic = |ms| undercast_smithy::Timestamp::from_millis(ms).format("%Y%m%dT%H%M%SZ");
    let (time, limit, server) = (&signature.time, basic(now - SKEW_MS), basic(now));
    let message = if signed_ms < now {
        format!("Signature expired: {time} is now earlier than {limit} ({server} - 15 min.)")
    } else {
        let limit = basic(now + SKEW_MS);
        format!(
            "Signature not yet current: {time} is still later than {limit} ({server} + 15 min.)"
        )
    };
    Err(signature_error(family, message))
}

/// Whether a presigned URL is past its term, with S3's answer to that. Holds in open mode, too.
pub fn check_expiry(signature: &Signature<'_>, now_ms: &[i64]) -> Result<(), ServiceError> {
    if !matches!(signature.form, Form::Query | Form::V2Query) {
        return Ok(());
    }
    has_expired(signature, now_ms)
}

fn signature_error(family: Family, message: impl Into<String>) -> ServiceError {
    let code = match family {
        Family::Query | Family::RestXml => "SignatureDoesNotMatch",
        Family::Json | Family::RestJson => "InvalidSignatureException",
    };
    ServiceError::new(code, message).with_status(forbidden(family))
}

/// awsJson answers 400 where the others answer 403.
fn forbidden(family: Family) -> u16 {
    if family == Family::Json { 400 } else { 403 }
}

fn unknown_key(family: Family, signature: &Signature<'_>) -> ServiceError {
    let invalid = "The security token included in the request is invalid.";
    match family {
        Family::RestXml => ServiceError::new(
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
        )
        .with_field("AWSAccessKeyId", &*signature.access_key),
        Family::Query => ServiceError::new("InvalidClientTokenId", invalid),
        Family::Json | Family::RestJson => {
            ServiceError::new("UnrecognizedClientException", invalid)
        }
    }
    .with_status(forbidden(family))
}

fn invalid_token(family: Family) -> ServiceError {
    match family {
        Family::RestXml => ServiceError::new(
            "InvalidToken",
            "The provided token is malformed or otherwise invalid.",
        )
        .with_status(400),
        Family::Query => ServiceError::new(
            "InvalidClientTokenId",
            "The security token included in the request is invalid",
        )
        .with_status(403),
        Family::Json | Family::RestJson => ServiceError::new(
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        )
        .with_status(forbidden(family)),
    }
}

fn expired_token(family: Family) -> ServiceError {
    match family {
        Family::RestXml => {
            ServiceError::new("ExpiredToken", "The provided token has expired.").with_status(400)
        }
        Family::Query => ServiceError::new(
            "ExpiredToken",
            "The security token included in the request is expired",
        )
        .with_status(403),
        Family::Json | Family::RestJson => ServiceError::new(
            "ExpiredTokenException",
            "The security token included in the request is expired",
        )
        .with_status(forbidden(family)),
    }
}

fn wrong_signature(family: Family, signature: &Signature<'_>, mismatch: &Mismatch) -> ServiceError {
    if family == Family::RestXml {
        let bytes = |text: &str| {
            let bytes: Vec<_> = text.bytes().map(|byte| format!("{byte:02x}")).collect();
            bytes.join(" ")
        };
        return signature_error(
            family,
            "The request signature we calculated does not match the signature you provided. Check \
             your key and signing method.",
        )
        .with_field("AWSAccessKeyId", &*signature.access_key)
        .with_field("StringToSign", mismatch.string_to_sign.as_str())
        .with_field("SignatureProvided", &*signature.signature)
        .with_field("StringToSignBytes", bytes(&mismatch.string_to_sign))
        .with_field("CanonicalRequest", mismatch.canonical_request.as_str())
        .with_field("CanonicalRequestBytes", bytes(&mismatch.canonical_request));
    }
    signature_error(
        family,
        "The request signature we calculated does not match the signature you provided. Check your \
         AWS Secret Access Key and signing method. Consult the service documentation for details.",
    )
}

/// A signature that lacks a part.
pub fn incomplete(family: Family, message: String) -> ServiceError {
    match family {
        Family::RestXml
            if message.starts_with("Query-string") || message.starts_with("Error parsing") =>
        {
            ServiceError::new("AuthorizationQueryParametersError", message)
        }
        Family::RestXml => ServiceError::new("AuthorizationHeaderMalformed", message),
        Family::Query => ServiceError::new("IncompleteSignature", message),
        Family::Json | Family::RestJson => {
            ServiceError::new("IncompleteSignatureException", message)
        }
    }
}

/// A call without a signature that needs one.
pub fn missing(family: Family) -> ServiceError {
    match family {
        Family::RestXml => ServiceError::new("AccessDenied", "Access Denied").with_status(403),
        Family::Query => ServiceError::new(
            "MissingAuthenticationToken",
            "Request is missing Authentication Token",
        )
        .with_status(403),
        Family::Json | Family::RestJson => {
            ServiceError::new("MissingAuthenticationTokenException", "Missing Authentication Token")
                .with_status(forbidden(family))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twelve_digits_are_an_account() {
        assert_eq!(account_of("123456789012", "0"), "123456789012");
        assert_eq!(account_of("test", "0"), "0");
        assert_eq!(account_of("12345678901a", "0"), "0");
    }
}
