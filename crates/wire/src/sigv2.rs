//! Signature Version 2 of S3, which some SDKs still presign URLs with.

use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use percent_encoding::percent_decode_str;
use sha1::Sha1;

use crate::codec::json::BASE64;
use crate::codec::query::decode;
use crate::http_binding::header_text;
use crate::sigv4::{Form, Mismatch, Signature, same};

/// Parameters that belong to the signed resource.
const SUBRESOURCES: [&str; 35] = [
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "defaultObjectAcl",
    "delete",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "select",
    "select-type",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// Recomputes a signature. `path` begins with the bucket and is as encoded as the client sent it.
pub fn verify(
    signature: &Signature<'_>,
    method: &str,
    path: &str,
    query: &str,
    headers: &HeaderMap,
    secret: &str,
) -> Result<(), Box<Mismatch>> {
    let text = string_to_sign(signature, method, path, query, headers);
    let mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).map(|mut mac| {
        mac.update(text.as_bytes());
        BASE64.encode(mac.finalize().into_bytes())
    });
    match mac {
        Ok(expected) if same(expected.as_bytes(), signature.signature.as_bytes()) => Ok(()),
        _ => Err(Box::new(Mismatch { canonical_request: String::new(), string_to_sign: text })),
    }
}

fn string_to_sign(
    signature: &Signature<'_>,
    method: &str,
    path: &str,
    query: &str,
    headers: &HeaderMap,
) -> String {
    let pairs: Vec<_> =
        query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    let parameter =
        |name: &str| pairs.iter().find(|(k, _)| *k == name).map(|(_, v)| decode(v).into_owned());
    let header = |name: &str| {
        let value = headers.get(name).map(|value| header_text(value.as_bytes()).into_owned());
        value.or_else(|| parameter(name)).unwrap_or_default()
    };
    let mut custom: Vec<(String, String)> = Vec::new();
    for name in headers.keys().filter(|name| name.as_str().starts_with("x-amz-")) {
        let values = headers.get_all(name).iter().map(|value| header_text(value.as_bytes()));
        custom.push((name.as_str().to_owned(), values.collect::<Vec<_>>().join(",")));
    }
    for (name, value) in pairs.iter().filter(|(name, _)| name.starts_with("x-amz-")) {
        if !headers.contains_key(*name) {
            custom.push(((*name).to_owned(), decode(value).into_owned()));
        }
    }
    custom.sort();
    let date = match signature.form {
        Form::V2Query => signature.expires_at_s.unwrap_or_default().to_string(),
        _ if headers.contains_key("x-amz-date") => String::new(),
        _ => header("date"),
    };
    let mut text =
        format!("{method}\n{}\n{}\n{date}\n", header("content-md5"), header("content-type"));
    for (name, value) in custom {
        text.push_str(&format!("{name}:{value}\n"));
    }
    text.push_str(path);
    text.push_str(&subresources(query));
    text
}

fn subresources(query: &str) -> String {
    let known = |name: &str| SUBRESOURCES.contains(&name);
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut kept: Vec<_> =
        pairs.filter(|pair| known(pair.split('=').next().unwrap_or_default())).collect();
    kept.sort_by_key(|pair| pair.split('=').next());
    let kept = kept.into_iter().map(|pair| match pair.split_once('=') {
        Some((name, value)) => {
            format!("{name}={}", percent_decode_str(value).decode_utf8_lossy())
        }
        None => pair.to_owned(),
    });
    let kept = kept.collect::<Vec<_>>().join("&");
    if kept.is_empty() { kept } else { format!("?{kept}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::query::parse_pairs;
    use crate::sigv4::{Found, find};

    /// The example of S3's documentation: a presigned GET of `/awsexamplebucket1/photos/puppy.jpg`.
    #[test]
    fn the_published_presigned_url_is_verified() {
        let query = "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620";
        let headers = HeaderMap::new();
        let pairs = parse_pairs(query).unwrap();
        let Found::Signed(signature) = find(&headers, &pairs) else { panic!("not found") };
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let check = |path| verify(&signature, "GET", path, query, &headers, secret);
        // The documentation's bucket was called `johnsmith` when the example was calculated.
        assert!(check("/johnsmith/photos/puppy.jpg").is_ok());
        assert!(check("/johnsmith/photos/puppy.png").is_err());
    }

    #[test]
    fn subresources_are_sorted_and_decoded() {
        assert_eq!(
            subresources("x=1&uploads&response-content-type=a%20b&acl"),
            "?acl&response-content-type=a b&uploads"
        );
        assert_eq!(subresources("x=1"), "");
    }
}
