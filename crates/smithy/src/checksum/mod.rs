//! The checksums of content that the `httpChecksum` trait of a model names: how they are calculated and
//! put together. `wire` verifies them, S3 stores them.

mod crc;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

use crc::{CRC32, CRC32C, CRC64_NVME, Crc, Family};

/// What a checksum is calculated by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

impl Algorithm {
    pub const ALL: [Self; 7] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Md5,
        Self::Sha1,
        Self::Sha256,
        Self::Sha512,
    ];

    /// As `x-amz-checksum-algorithm` has it.
    pub fn name(self) -> &'static str {
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

    /// By its name, in letters of either case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// Bytes of a finished checksum.
    pub fn size(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
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
    pub fn combines(self) -> bool {
        self.family().is_some()
    }

    /// The checksum of a whole from those of its parts and their lengths in bytes, in their order.
    /// `None` if this kind does not combine.
    pub fn combine(self, parts: impl IntoIterator<Item = (Vec<u8>, u64)>) -> Option<Vec<u8>> {
        let family = self.family()?;
        let whole = parts.into_iter().fold(0, |whole, (checksum, len)| {
            let checksum = checksum.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
            family.combine(whole, checksum, len)
        });
        Some(self.low_bytes(whole))
    }

    /// A CRC in network order.
    fn low_bytes(self, crc: u64) -> Vec<u8> {
        crc.to_be_bytes().into_iter().skip(8 - self.size().min(8)).collect()
    }
}

/// A checksum in the making.
#[derive(Debug)]
pub struct Hasher(State);

#[derive(Debug)]
enum State {
    Crc32(crc32fast::Hasher),
    Crc(Algorithm, Crc),
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Sha256),
    Sha512(Box<Sha512>),
}

impl Hasher {
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Crc32 => State::Crc32(crc32fast::Hasher::new()),
            Algorithm::Crc32c => State::Crc(algorithm, Crc::new(&CRC32C)),
            Algorithm::Crc64Nvme => State::Crc(algorithm, Crc::new(&CRC64_NVME)),
            Algorithm::Md5 => State::Md5(Md5::new()),
            Algorithm::Sha1 => State::Sha1(Sha1::new()),
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Box::default()),
        })
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Crc32(hasher) => hasher.update(bytes),
            State::Crc(_, crc) => crc.update(bytes),
            State::Md5(hasher) => hasher.update(bytes),
            State::Sha1(hasher) => hasher.update(bytes),
            State::Sha256(hasher) => hasher.update(bytes),
            State::Sha512(hasher) => hasher.update(bytes),
        }
    }

    pub fn finish(self) -> Vec<u8> {
        match self.0 {
            State::Crc32(hasher) => hasher.finalize().to_be_bytes().to_vec(),
            State::Crc(algorithm, crc) => algorithm.low_bytes(crc.finish()),
            State::Md5(hasher) => hasher.finalize().to_vec(),
            State::Sha1(hasher) => hasher.finalize().to_vec(),
            State::Sha256(hasher) => hasher.finalize().to_vec(),
            State::Sha512(hasher) => hasher.finalize().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(algorithm: Algorithm) -> String {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(b"12345");
        hasher.update(b"6789");
        hasher.finish().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn every_algorithm_gives_its_published_check_value() {
        assert_eq!(digest(Algorithm::Crc32), "cbf43926");
        assert_eq!(digest(Algorithm::Crc32c), "e3069283");
        assert_eq!(digest(Algorithm::Crc64Nvme), "ae8b14860a799888");
        assert_eq!(digest(Algorithm::Md5), "25f9e794323b453885f5181f1b624d0b");
        assert_eq!(digest(Algorithm::Sha1), "f7c3bc1d808e04732adf679965ccc34ca7ae3441");
    }

    #[test]
    fn sizes_and_names_are_those_of_the_algorithm() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Hasher::new(algorithm).finish().len(), algorithm.size());
            assert_eq!(Algorithm::named(&algorithm.name().to_lowercase()), Some(algorithm));
        }
    }
}
