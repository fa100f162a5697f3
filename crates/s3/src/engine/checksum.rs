//! Checksums of objects and of their parts, as they are stored and answered.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use undercast_kernel::ServiceError;
pub(crate) use undercast_smithy::checksum::{Algorithm, Hasher};

use crate::error::invalid;
use crate::store::Checksum;

/// The algorithm that a caller names.
pub(crate) fn parse(name: &str) -> Result<Algorithm, ServiceError> {
    Algorithm::named(name).ok_or_else(|| {
        let name = name.to_ascii_uppercase();
        if name.starts_with("XXHASH") {
            return ServiceError::unsupported(format!("the checksum algorithm {name}"));
        }
        invalid(
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
        )
    })
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
    let parts: Option<Vec<_>> =
        parts.iter().map(|(checksum, len)| Some((raw(algorithm, checksum)?, *len))).collect();
    Some(full(algorithm, &algorithm.combine(parts?)?))
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
