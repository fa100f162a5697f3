//! Checksums of content: which there are, how they are calculated and put together.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use undercast_kernel::ServiceError;

use super::crc::{CRC32, CRC32C, CRC64_NVME, Crc, Family};
use crate::error::invalid;
use crate::store::Checksum;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

impl Algorithm {
    pub(crate) fn parse(name: &str) -> Result<Self, ServiceError> {
        Ok(match name.to_ascii_uppercase().as_str() {
            "CRC32" => Self::Crc32,
            "CRC32C" => Self::Crc32c,
            "CRC64NVME" => Self::Crc64Nvme,
            "MD5" => Self::Md5,
            "SHA1" => Self::Sha1,
            "SHA256" => Self::Sha256,
            "SHA512" => Self::Sha512,
            name if name.starts_with("XXHASH") => {
                return Err(ServiceError::unsupported(format!("the checksum algorithm {name}")));
            }
            _ => {
                return Err(invalid(
                    "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
                ));
            }
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }

    fn family(self) -> Option<&'static Family> {
        match self {
            Self::Crc32 => Some(&CRC32),
            Self::Crc32c => Some(&CRC32C),
            Self::Crc64Nvme => Some(&CRC64_NVME),
            _ => None,
        }
    }

    /// Whether the checksum of a whole follows from those of its parts.
    pub(crate) fn combines(self) -> bool {
        self.family().is_some()
    }
}

/// A checksum in the making.
pub(crate) enum Hasher {
    Crc32(crc32fast::Hasher),
    Crc32c(Crc),
    Crc64(Crc),
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Sha256),
    Sha512(Box<Sha512>),
}

impl Hasher {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Crc32 => Self::Crc32(crc32fast::Hasher::new()),
            Algorithm::Crc32c => Self::Crc32c(Crc::new(&CRC32C)),
            Algorithm::Crc64Nvme => Self::Crc64(Crc::new(&CRC64_NVME)),
            Algorithm::Md5 => Self::Md5(Md5::new()),
            Algorithm::Sha1 => Self::Sha1(Sha1::new()),
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha512 => Self::Sha512(Box::default()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc32(hasher) => hasher.update(bytes),
            Self::Crc32c(crc) | Self::Crc64(crc) => crc.update(bytes),
            Self::Md5(hasher) => hasher.update(bytes),
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        match self {
            Self::Crc32(hasher) => hasher.finalize().to_be_bytes().to_vec(),
            Self::Crc32c(crc) => (crc.finish() as u32).to_be_bytes().to_vec(),
            Self::Crc64(crc) => crc.finish().to_be_bytes().to_vec(),
            Self::Md5(hasher) => hasher.finalize().to_vec(),
            Self::Sha1(hasher) => hasher.finalize().to_vec(),
            Self::Sha256(hasher) => hasher.finalize().to_vec(),
            Self::Sha512(hasher) => hasher.finalize().to_vec(),
        }
    }
}

pub(crate) fn full(algorithm: Algorithm, value: &[u8]) -> Checksum {
    Checksum {
        algorithm: algorithm.name().to_owned(),
        value: BASE64.encode(value),
        composite: false,
    }
}

/// The checksum of checksums. `None` if a part has none of this kind.
pub(crate) fn composite(algorithm: Algorithm, parts: &[(&Checksum, u64)]) -> Option<Checksum> {
    let mut hasher = Hasher::new(algorithm);
    for (checksum, _) in parts {
        hasher.update(&raw(algorithm, checksum)?);
    }
    let value = BASE64.encode(hasher.finish());
    Some(Checksum {
        algorithm: algorithm.name().to_owned(),
        value: format!("{value}-{}", parts.len()),
        composite: true,
    })
}

/// The checksum of the whole, from those of the parts and their lengths.
pub(crate) fn combined(algorithm: Algorithm, parts: &[(&Checksum, u64)]) -> Option<Checksum> {
    let family = algorithm.family()?;
    let mut whole = 0;
    for (checksum, len) in parts {
        let value = raw(algorithm, checksum)?;
        let value = value.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
        whole = family.combine(whole, value, *len);
    }
    let bytes = whole.to_be_bytes();
    let width = if algorithm == Algorithm::Crc64Nvme { 8 } else { 4 };
    Some(full(algorithm, bytes.get(8 - width..)?))
}

fn raw(algorithm: Algorithm, checksum: &Checksum) -> Option<Vec<u8>> {
    let same = checksum.algorithm == algorithm.name();
    BASE64.decode(&checksum.value).ok().filter(|_| same)
}

/// The one checksum that a caller gives, if any: `given!(input)` is an `Option<(Algorithm, String)>`.
macro_rules! given {
    ($input:expr) => {{
        use $crate::engine::checksum::Algorithm;
        let found = [
            (Algorithm::Crc32, &$input.checksum_crc32),
            (Algorithm::Crc32c, &$input.checksum_crc32_c),
            (Algorithm::Crc64Nvme, &$input.checksum_crc64_nvme),
            (Algorithm::Md5, &$input.checksum_md5),
            (Algorithm::Sha1, &$input.checksum_sha1),
            (Algorithm::Sha256, &$input.checksum_sha256),
            (Algorithm::Sha512, &$input.checksum_sha512),
        ];
        let found =
            found.into_iter().find_map(|(algorithm, value)| Some((algorithm, value.clone()?)));
        found
    }};
}

/// Puts a checksum into an answer, without its type.
macro_rules! answer {
    ($output:expr, $checksum:expr) => {{
        let checksum: &$crate::store::Checksum = $checksum;
        let value = Some(checksum.value.clone());
        match checksum.algorithm.as_str() {
            "CRC32" => $output.checksum_crc32 = value,
            "CRC32C" => $output.checksum_crc32_c = value,
            "CRC64NVME" => $output.checksum_crc64_nvme = value,
            "MD5" => $output.checksum_md5 = value,
            "SHA1" => $output.checksum_sha1 = value,
            "SHA256" => $output.checksum_sha256 = value,
            "SHA512" => $output.checksum_sha512 = value,
            _ => {}
        }
    }};
}

pub(crate) use {answer, given};

/// `COMPOSITE` or `FULL_OBJECT`.
pub(crate) fn kind(composite: bool) -> String {
    let kind = if composite { "COMPOSITE" } else { "FULL_OBJECT" };
    kind.to_owned()
}
