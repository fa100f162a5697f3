//! Signature Version 4: what a request says about its signer, and whether that is true.
//!
//! [`find`] reads a signature from headers or query without judging it; [`verify`] recomputes it.
//! Signed chunks are in [`crate::chunked`], what presigned URLs add in [`crate::presign`].

use std::borrow::Cow;

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::codec::query::Pairs;
use crate::http_binding::header_text;

/// Every byte but the unreserved ones.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const ENCODED_PATH: &AsciiSet = &ENCODED.remove(b'/');

pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
pub(crate) const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
pub(crate) const EMPTY_SHA256: &str =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What a request says about who signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature<'a> {
    pub form: Form,
    pub access_key: Cow<'a, str>,
    /// The day in the scope: `20261124`.
    pub day: Cow<'a, str>,
    pub region: Cow<'a, str>,
    pub service: Cow<'a, str>,
    /// Names of headers, in lower case.
    pub signed_headers: Vec<String>,
    pub signature: Cow<'a, str>,
    /// `X-Amz-Date`, or the `Date` header as it is.
    pub time: Cow<'a, str>,
    pub token: Option<Cow<'a, str>>,
    /// How many seconds a presigned URL is good for.
    pub expires_s: Option<i64>,
    /// When a URL presigned by version 2 ends, in seconds since the epoch.
    pub expires_at_s: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Header,
    /// A presigned URL.
    Query,
    /// Version 2 of S3, in a header or in a URL.
    V2Header,
    V2Query,
    /// Another signature or a part of one, which tells the access key and cannot be verified.
    Foreign,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<'a> {
    Nothing,
    Signed(Box<Signature<'a>>),
    /// There is one, and it is not complete: what is missing, in AWS's words, and what is there.
    Incomplete(String, Option<Box<Signature<'a>>>),
}

/// Reads the signature of a request, if it has one.
pub fn find<'a>(headers: &'a HeaderMap, query: &Pairs<'a>) -> Found<'a> {
    if let Some(value) = headers.get(http::header::AUTHORIZATION) {
        let text = header_text(value.as_bytes());
        let Cow::Borrowed(text) = text else {
            return Found::Nothing;
        };
        return from_header(text, headers);
    }
    let get =
        |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    if get("X-Amz-Algorithm").is_some() || get("X-Amz-Signature").is_some() {
        return from_query(&get);
    }
    match (get("AWSAccessKeyId"), get("Signature")) {
        (Some(key), Some(signature)) => {
            let expires_at_s = get("Expires").and_then(|time| time.parse().ok());
            let token = get("x-amz-security-token");
            let found =
                Signature { token, expires_at_s, ..version2(Form::V2Query, key, signature) };
            Found::Signed(Box::new(found))
        }
        _ => Found::Nothing,
    }
}

fn version2<'a>(form: Form, access_key: Cow<'a, str>, signature: Cow<'a, str>) -> Signature<'a> {
    let (day, region) = (Cow::Borrowed(""), Cow::Borrowed(""));
    let scope = Scope { access_key, day, region, service: Cow::Borrowed("s3") };
    Signature { form, signature, ..Signature::unverifiable(scope) }
}

fn from_header<'a>(text: &'a str, headers: &'a HeaderMap) -> Found<'a> {
    if let Some(rest) = text.strip_prefix("AWS ") {
        let (key, signature) = rest.split_once(':').unwrap_or((rest, ""));
        let date = headers.get("x-amz-date").or_else(|| headers.get(http::header::DATE));
        let found = Signature {
            time: date.map(|date| header_text(date.as_bytes())).unwrap_or_default(),
            token: headers.get("x-amz-security-token").map(|t| header_text(t.as_bytes())),
            ..version2(Form::V2Header, Cow::Borrowed(key), Cow::Borrowed(signature))
        };
        return Found::Signed(Box::new(found));
    }
    let Some((algorithm, rest)) = text.split_once(' ') else {
        return Found::Nothing;
    };
    if !algorithm.starts_with("AWS4-") {
        // A bearer token or basic credentials: not ours to judge.
        return Found::Nothing;
    }
    let part = |name: &str| {
        let mut parts = rest.split(',').map(str::trim);
        parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
    };
    let (credential, signed, signature) =
        (part("Credential"), part("SignedHeaders"), part("Signature"));
    let date = headers.get("x-amz-date").or_else(|| headers.get(http::header::DATE));
    let mut missing = String::new();
    for (name, found) in [
        ("'Credential' parameter", credential.is_some()),
        ("'Signature' parameter", signature.is_some()),
        ("'SignedHeaders' parameter", signed.is_some()),
        ("existence of either a 'X-Amz-Date' or a 'Date' header", date.is_some()),
    ] {
        if !found {
            missing.push_str(&format!("Authorization header requires {name}. "));
        }
    }
    let (Some(credential), Some(signed), Some(signature), Some(date)) =
        (credential, signed, signature, date)
    else {
        let scope = credential.and_then(|c| Scope::parse(Cow::Borrowed(c)));
        let partial = scope.map(|scope| Box::new(Signature::unverifiable(scope)));
        return Found::Incomplete(format!("{missing}Authorization={algorithm}"), partial);
    };
    let Some(scope) = Scope::parse(Cow::Borrowed(credential)) else {
        let message = format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. \
             keyid/date/region/service/term, got '{credential}'"
        );
        return Found::Incomplete(message, None);
    };
    let token = headers.get("x-amz-security-token").map(|t| header_text(t.as_bytes()));
    Found::Signed(Box::new(Signature {
        form: if algorithm == ALGORITHM { Form::Header } else { Form::Foreign },
        access_key: scope.access_key,
        day: scope.day,
        region: scope.region,
        service: scope.service,
        signed_headers: signed.split(';').map(str::to_ascii_lowercase).collect(),
        signature: Cow::Borrowed(signature),
        time: header_text(date.as_bytes()),
        token,
        expires_s: None,
        expires_at_s: None,
    }))
}

fn from_query<'a>(get: &impl Fn(&str) -> Option<Cow<'a, str>>) -> Found<'a> {
    let (Some(algorithm), Some(credential), Some(signature), Some(time), Some(signed)) = (
        get("X-Amz-Algorithm"),
        get("X-Amz-Credential"),
        get("X-Amz-Signature"),
        get("X-Amz-Date"),
        get("X-Amz-SignedHeaders"),
    ) else {
        return Found::Incomplete(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, \
             X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
                .to_owned(),
            get("X-Amz-Credential").and_then(Scope::parse).map(|s| Box::new(Signature::unverifiable(s))),
        );
    };
    let Some(scope) = Scope::parse(credential) else {
        return Found::Incomplete(
            "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting \
             \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\"."
                .to_owned(),
            None,
        );
    };
    Found::Signed(Box::new(Signature {
        form: if algorithm == ALGORITHM { Form::Query } else { Form::Foreign },
        access_key: scope.access_key,
        day: scope.day,
        region: scope.region,
        service: scope.service,
        signed_headers: signed.split(';').map(str::to_ascii_lowercase).collect(),
        signature,
        time,
        token: get("X-Amz-Security-Token"),
        expires_s: get("X-Amz-Expires").and_then(|s| s.parse().ok()),
        expires_at_s: None,
    }))
}

struct Scope<'a> {
    access_key: Cow<'a, str>,
    day: Cow<'a, str>,
    region: Cow<'a, str>,
    service: Cow<'a, str>,
}

impl<'a> Scope<'a> {
    /// `key/day/region/service/aws4_request`; an asymmetric signature has no region.
    fn parse(credential: Cow<'a, str>) -> Option<Self> {
        match credential {
            Cow::Borrowed(text) => Self::split(text, Cow::Borrowed),
            Cow::Owned(text) => Self::split(&text, |part| Cow::Owned(part.to_owned())),
        }
    }

    fn split<'t>(text: &'t str, part: impl Fn(&'t str) -> Cow<'a, str>) -> Option<Self> {
        let mut parts = text.rsplitn(5, '/');
        let term = parts.next()?;
        let (service, region, day, access_key) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next());
        if term != "aws4_request" {
            return None;
        }
        Some(match access_key {
            Some(key) => Self {
                access_key: part(key),
                day: part(day),
                region: part(region),
                service: part(service),
            },
            None => Self {
                access_key: part(day),
                day: part(region),
                region: Cow::Borrowed(""),
                service: part(service),
            },
        })
    }
}

/// The parts of a request that a signature covers.
pub struct Signed<'a> {
    pub method: &'a str,
    /// As it came.
    pub path: &'a str,
    /// As it came, without `?`.
    pub query: &'a str,
    pub headers: &'a HeaderMap,
    /// Of the payload, or what stands for it.
    pub payload_hash: &'a str,
}

/// A signature that is not the one we calculate; what we calculated it from helps the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    pub canonical_request: String,
    pub string_to_sign: String,
}

/// Recomputes a signature. The key that comes back signs the chunks of a streamed body.
pub fn verify(
    signature: &Signature<'_>,
    signed: &Signed<'_>,
    secret: &str,
) -> Result<SigningKey, Box<Mismatch>> {
    let key = SigningKey::new(secret, &signature.day, &signature.region, &signature.service);
    let s3 = matches!(&*signature.service, "s3" | "s3express" | "s3-object-lambda");
    let mut mismatch = None;
    for path in canonical_paths(signed.path, s3) {
        let request = canonical_request(signature, signed, &path);
        let text = string_to_sign(signature, &request);
        if same(key.sign(&text).as_bytes(), signature.signature.as_bytes()) {
            return Ok(key);
        }
        mismatch.get_or_insert(Mismatch { canonical_request: request, string_to_sign: text });
    }
    Err(Box::new(
        mismatch.unwrap_or(Mismatch {
            canonical_request: String::new(),
            string_to_sign: String::new(),
        }),
    ))
}

/// Compares without telling by its time where the difference is.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

/// The forms in which clients sign a path: S3's are encoded once and never normalized, though some
/// clients send less encoded paths than they sign; all others are normalized and encoded twice.
fn canonical_paths(path: &str, s3: bool) -> Vec<String> {
    let path = if path.is_empty() { "/" } else { path };
    if s3 {
        let decoded = percent_decode_str(path).decode_utf8_lossy();
        let encoded = utf8_percent_encode(&decoded, ENCODED_PATH).to_string();
        let mut paths = vec![path.to_owned()];
        paths.extend((encoded != path).then_some(encoded));
        return paths;
    }
    let twice = |path: &str| utf8_percent_encode(path, ENCODED_PATH).to_string();
    let normal = twice(&normalize(path));
    let plain = twice(path);
    let mut paths = vec![normal];
    paths.extend((paths.first() != Some(&plain)).then_some(plain));
    paths
}

/// Removes `.`, `..` and empty segments.
fn normalize(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    let slash = if path.ends_with('/') && !kept.is_empty() { "/" } else { "" };
    format!("/{}{slash}", kept.join("/"))
}

fn canonical_query(query: &str, presigned: bool) -> String {
    let encode = |text: &str| {
        let decoded = percent_decode_str(&text.replace('+', " ")).collect::<Vec<u8>>();
        percent_encoding::percent_encode(&decoded, ENCODED).to_string()
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<_> = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(|(key, _)| !(presigned && *key == "X-Amz-Signature"))
        .map(|(key, value)| (encode(key), encode(value)))
        .collect();
    pairs.sort();
    let pairs: Vec<_> = pairs.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join("&")
}

fn canonical_request(signature: &Signature<'_>, signed: &Signed<'_>, path: &str) -> String {
    let presigned = signature.form == Form::Query;
    let mut text =
        format!("{}\n{path}\n{}\n", signed.method, canonical_query(signed.query, presigned));
    for name in &signature.signed_headers {
        text.push_str(name);
        text.push(':');
        for (index, value) in signed.headers.get_all(name).iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            let value = header_text(value.as_bytes());
            let mut words = value.split(' ').filter(|word| !word.is_empty());
            text.push_str(words.next().unwrap_or_default());
            words.for_each(|word| {
                text.push(' ');
                text.push_str(word);
            });
        }
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&signature.signed_headers.join(";"));
    text.push('\n');
    text.push_str(signed.payload_hash);
    text
}

fn string_to_sign(signature: &Signature<'_>, canonical_request: &str) -> String {
    let hash = sha256_hex(canonical_request.as_bytes());
    format!("{ALGORITHM}\n{}\n{}\n{hash}", signature.time, signature.scope())
}

impl<'a> Signature<'a> {
    /// What only tells the caller.
    fn unverifiable(scope: Scope<'a>) -> Self {
        Self {
            form: Form::Foreign,
            access_key: scope.access_key,
            day: scope.day,
            region: scope.region,
            service: scope.service,
            signed_headers: Vec::new(),
            signature: Cow::Borrowed(""),
            time: Cow::Borrowed(""),
            token: None,
            expires_s: None,
            expires_at_s: None,
        }
    }

    /// `20261124/us-east-1/s3/aws4_request`.
    pub fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.day, self.region, self.service)
    }

    /// When it was signed.
    pub fn signed_ms(&self) -> Option<i64> {
        parse_time(&self.time)
    }
}

/// `20261124T080000Z` or any HTTP date, in milliseconds.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    if let Ok(time) = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text) {
        let zoned = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        return Some(zoned.timestamp().as_millisecond());
    }
    undercast_smithy::Timestamp::parse_http_date(text)
        .or_else(|| undercast_smithy::Timestamp::parse_iso8601(text))
        .map(undercast_smithy::Timestamp::millis)
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The key that a secret derives for one day, region and service.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey")
    }
}

impl SigningKey {
    pub fn new(secret: &str, day: &str, region: &str, service: &str) -> Self {
        let mut key = hmac(format!("AWS4{secret}").as_bytes());
        for part in [day, region, service, "aws4_request"] {
            key.update(part.as_bytes());
            key = hmac(&key.finalize().into_bytes());
        }
        Self(key)
    }

    /// The signature of `text`, in hexadecimal.
    pub fn sign(&self, text: &str) -> String {
        let mut mac = self.0.clone();
        mac.update(text.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    // A key of any length is good for HMAC, so the fallback is never taken.
    Hmac::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_signed_as_clients_sign_them() {
        assert_eq!(canonical_paths("/a%20b//c/../d", true).first().unwrap(), "/a%20b//c/../d");
        assert_eq!(canonical_paths("/a b", true), ["/a b", "/a%20b"]);
        assert_eq!(canonical_paths("/a%20b//c/../d/", false).first().unwrap(), "/a%2520b/d/");
        assert_eq!(canonical_paths("", false), ["/"]);
    }

    #[test]
    fn the_query_is_sorted_and_encoded_again() {
        assert_eq!(canonical_query("b=2&a=x+y&a=%2a&c", false), "a=%2A&a=x%20y&b=2&c=");
        assert_eq!(canonical_query("X-Amz-Signature=1&X-Amz-Date=2", true), "X-Amz-Date=2");
    }

    #[test]
    fn an_incomplete_header_says_what_is_missing() {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", "AWS4-HMAC-SHA256 Credential=a/b/c".parse().unwrap());
        let found = find(&headers, &Vec::new());
        let Found::Incomplete(message, None) = found else { panic!("{found:?}") };
        assert!(message.contains("requires 'Signature' parameter. "), "{message}");
        headers.insert("authorization", "Bearer x".parse().unwrap());
        assert_eq!(find(&headers, &Vec::new()), Found::Nothing);
    }
}
