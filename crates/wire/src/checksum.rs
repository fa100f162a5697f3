//! Checksums of S3's bodies, verified while they stream.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use http::HeaderMap;
use undercast_kernel::ServiceError;
use undercast_smithy::BodyError;
use undercast_smithy::checksum::{Algorithm, Hasher};

use crate::codec::json::BASE64;
use crate::http_binding::header_text;

const HEADERS: [(&str, Algorithm); 7] = [
    ("x-amz-checksum-crc32", Algorithm::Crc32),
    ("x-amz-checksum-crc32c", Algorithm::Crc32c),
    ("x-amz-checksum-crc64nvme", Algorithm::Crc64Nvme),
    ("x-amz-checksum-md5", Algorithm::Md5),
    ("x-amz-checksum-sha1", Algorithm::Sha1),
    ("x-amz-checksum-sha256", Algorithm::Sha256),
    ("x-amz-checksum-sha512", Algorithm::Sha512),
];

/// Where a checksum was declared, which decides how a wrong one is worded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Declared {
    ContentMd5,
    ContentSha256,
    Checksum(Algorithm),
}

impl Declared {
    fn wrong(self) -> BodyError {
        match self {
            Self::ContentMd5 => BodyError::Invalid {
                code: "BadDigest",
                message: "The Content-MD5 you specified did not match what we received.".to_owned(),
            },
            Self::ContentSha256 => BodyError::Invalid {
                code: "XAmzContentSHA256Mismatch",
                message:
                    "The provided 'x-amz-content-sha256' header does not match what was computed."
                        .to_owned(),
            },
            Self::Checksum(algorithm) => BodyError::Invalid {
                code: "BadDigest",
                message: format!(
                    "The {} you specified did not match the calculated checksum.",
                    algorithm.name()
                ),
            },
        }
    }
}

/// Trailing headers, filled when a chunked body has ended.
pub type Trailers = Arc<Mutex<Vec<(String, String)>>>;

/// All that has to be true of a body.
#[derive(Debug, Default)]
pub struct Checks {
    declared: Vec<(Declared, Vec<u8>, Hasher)>,
    /// The checksum that a trailer will declare.
    trailing: Option<(&'static str, Algorithm, Hasher)>,
    trailers: Option<Trailers>,
}

impl Checks {
    /// Reads what the headers declare. `of_body` is false where `x-amz-checksum-…` speaks of
    /// something else than the body (`CompleteMultipartUpload`).
    pub fn declared(headers: &HeaderMap, of_body: bool) -> Result<Self, ServiceError> {
        let mut checks = Self::default();
        if let Some(value) = headers.get("content-md5") {
            let value = BASE64.decode(value.as_bytes()).ok().filter(|v| v.len() == 16);
            let value = value.ok_or_else(|| {
                ServiceError::new("InvalidDigest", "The Content-MD5 you specified was invalid.")
            })?;
            checks.add(Declared::ContentMd5, value, Algorithm::Md5);
        }
        if let Some(value) = headers.get("x-amz-content-sha256")
            && let Ok(value) = hex::decode(value.as_bytes())
            && value.len() == 32
        {
            checks.add(Declared::ContentSha256, value, Algorithm::Sha256);
        }
        let mut found = 0;
        for (header, algorithm) in HEADERS.into_iter().filter(|_| of_body) {
            let Some(value) = headers.get(header) else {
                continue;
            };
            found += 1;
            let value =
                BASE64.decode(value.as_bytes()).ok().filter(|v| v.len() == algorithm.size());
            let value = value.ok_or_else(|| {
                let message = format!("Value for {header} header is invalid.");
                ServiceError::new("InvalidRequest", message)
            })?;
            checks.add(Declared::Checksum(algorithm), value, algorithm);
        }
        if found > 1 {
            return Err(ServiceError::new(
                "InvalidRequest",
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
            ));
        }
        Ok(checks)
    }

    /// Expects the trailer that `x-amz-trailer` announces.
    pub fn expect_trailer(&mut self, headers: &HeaderMap, trailers: &Trailers) {
        let announced = headers.get("x-amz-trailer").map(|value| header_text(value.as_bytes()));
        let Some(announced) = announced else { return };
        let known = HEADERS.into_iter().find(|(header, _)| {
            announced.split(',').any(|name| name.trim().eq_ignore_ascii_case(header))
        });
        if let Some((header, algorithm)) = known {
            self.trailing = Some((header, algorithm, Hasher::new(algorithm)));
            self.trailers = Some(Arc::clone(trailers));
        }
    }

    fn add(&mut self, declared: Declared, value: Vec<u8>, algorithm: Algorithm) {
        self.declared.push((declared, value, Hasher::new(algorithm)));
    }

    pub fn is_empty(&self) -> bool {
        self.declared.is_empty() && self.trailing.is_none()
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.declared.iter_mut().for_each(|(_, _, hasher)| hasher.update(bytes));
        if let Some((_, _, hasher)) = &mut self.trailing {
            hasher.update(bytes);
        }
    }

    /// Compares, once the body has ended.
    pub fn finish(self) -> Result<(), BodyError> {
        for (declared, expected, hasher) in self.declared {
            if hasher.finish() != expected {
                return Err(declared.wrong());
            }
        }
        let (Some((header, algorithm, hasher)), Some(trailers)) = (self.trailing, self.trailers)
        else {
            return Ok(());
        };
        let trailers = trailers.lock().unwrap_or_else(PoisonError::into_inner);
        let found = trailers.iter().find(|(name, _)| name.eq_ignore_ascii_case(header));
        let Some((_, value)) = found else {
            return Err(BodyError::Invalid {
                code: "MalformedTrailerError",
                message: "The request contained trailing data that was not well-formed or did not \
                          conform to our published schema."
                    .to_owned(),
            });
        };
        if BASE64.decode(value.trim()).ok() == Some(hasher.finish()) {
            Ok(())
        } else {
            Err(Declared::Checksum(algorithm).wrong())
        }
    }

    /// Lets a body pass and fails at its end where a checksum is wrong.
    pub fn over(
        self,
        stream: BoxStream<'static, Result<Bytes, BodyError>>,
    ) -> BoxStream<'static, Result<Bytes, BodyError>> {
        let state = Some((self, stream));
        futures::stream::unfold(state, |state| async move {
            let (mut checks, mut stream) = state?;
            match stream.next().await {
                Some(Ok(chunk)) => {
                    checks.update(&chunk);
                    Some((Ok(chunk), Some((checks, stream))))
                }
                Some(Err(error)) => Some((Err(error), None)),
                None => checks.finish().err().map(|error| (Err(error), None)),
            }
        })
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_that_cannot_be_right_is_refused_at_once() {
        let check = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap()));
            Checks::declared(&pairs.collect(), true).map(|_| ()).map_err(|e| e.code().to_owned())
        };
        assert_eq!(check(&[("x-amz-checksum-crc32", "y/Q5Jg==")]), Ok(()));
        assert_eq!(check(&[("x-amz-checksum-crc32", "AA==")]), Err("InvalidRequest".into()));
        assert_eq!(check(&[("content-md5", "x")]), Err("InvalidDigest".into()));
        let two = [("x-amz-checksum-crc32", "y/Q5Jg=="), ("x-amz-checksum-crc32c", "y/Q5Jg==")];
        assert_eq!(check(&two), Err("InvalidRequest".into()));
    }
}
