//! What keys can do: the arithmetic alone, without rows or requests.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use p256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use p256::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::{Generate, PrivateKey};
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use undercast_kernel::{Ids, ServiceError};

/// What kind of key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spec {
    Symmetric,
    /// The bits of the modulus.
    Rsa(usize),
    P256,
    P384,
    P521,
    K256,
    /// The bits of the digest.
    Hmac(usize),
}

const RSA_ENCRYPTION: &[&str] = &["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"];
const RSA_SIGNING: &[&str] = &[
    "RSASSA_PKCS1_V1_5_SHA_256",
    "RSASSA_PKCS1_V1_5_SHA_384",
    "RSASSA_PKCS1_V1_5_SHA_512",
    "RSASSA_PSS_SHA_256",
    "RSASSA_PSS_SHA_384",
    "RSASSA_PSS_SHA_512",
];

impl Spec {
    /// `None` for a spec that is not implemented.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "SYMMETRIC_DEFAULT" => Self::Symmetric,
            "RSA_2048" => Self::Rsa(2048),
            "RSA_3072" => Self::Rsa(3072),
            "RSA_4096" => Self::Rsa(4096),
            "ECC_NIST_P256" => Self::P256,
            "ECC_NIST_P384" => Self::P384,
            "ECC_NIST_P521" => Self::P521,
            "ECC_SECG_P256K1" => Self::K256,
            "HMAC_224" => Self::Hmac(224),
            "HMAC_256" => Self::Hmac(256),
            "HMAC_384" => Self::Hmac(384),
            "HMAC_512" => Self::Hmac(512),
            _ => return None,
        })
    }

    /// What such a key can be made for.
    pub(crate) fn usages(self) -> &'static [&'static str] {
        match self {
            Self::Symmetric => &["ENCRYPT_DECRYPT"],
            Self::Rsa(_) => &["ENCRYPT_DECRYPT", "SIGN_VERIFY"],
            Self::P256 | Self::P384 | Self::P521 | Self::K256 => &["SIGN_VERIFY"],
            Self::Hmac(_) => &["GENERATE_VERIFY_MAC"],
        }
    }

    /// The algorithms of a key of this spec that was made for `usage`.
    pub(crate) fn algorithms(self, usage: &str) -> &'static [&'static str] {
        match (self, usage) {
            (Self::Symmetric, _) => &["SYMMETRIC_DEFAULT"],
            (Self::Rsa(_), "SIGN_VERIFY") => RSA_SIGNING,
            (Self::Rsa(_), _) => RSA_ENCRYPTION,
            (Self::P256 | Self::K256, _) => &["ECDSA_SHA_256"],
            (Self::P384, _) => &["ECDSA_SHA_384"],
            (Self::P521, _) => &["ECDSA_SHA_512"],
            (Self::Hmac(224), _) => &["HMAC_SHA_224"],
            (Self::Hmac(256), _) => &["HMAC_SHA_256"],
            (Self::Hmac(384), _) => &["HMAC_SHA_384"],
            (Self::Hmac(_), _) => &["HMAC_SHA_512"],
        }
    }

    pub(crate) fn is_asymmetric(self) -> bool {
        !matches!(self, Self::Symmetric | Self::Hmac(_))
    }
}

/// The injected source of chance, as the crates of keys want it.
struct Chance(Arc<dyn Ids>);

impl TryRng for Chance {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.u64())
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(to);
        Ok(())
    }
}

impl TryCryptoRng for Chance {}

fn broken(what: impl std::fmt::Display) -> ServiceError {
    ServiceError::internal(format!("a key cannot be used: {what}"))
}

/// Random bytes.
pub(crate) fn random(ids: &dyn Ids, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    ids.fill(&mut bytes);
    bytes
}

/// New material: raw bytes, or a private key as PKCS #8. An RSA key takes its time, outside of the executor.
pub(crate) async fn generate(ids: Arc<dyn Ids>, spec: Spec) -> Result<Vec<u8>, ServiceError> {
    match spec {
        Spec::Rsa(bits) => {
            let work = move || {
                let key = PrivateKey::new(&mut Chance(ids), bits).map_err(broken)?;
                key.to_pkcs8_der().map(|der| der.as_bytes().to_vec()).map_err(broken)
            };
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => runtime.spawn_blocking(work).await.map_err(broken)?,
                Err(_) => work(),
            }
        }
        Spec::Symmetric => Ok(random(&*ids, 32)),
        Spec::Hmac(bits) => Ok(random(&*ids, bits / 8)),
        Spec::P256 => der(&p256::SecretKey::generate_from_rng(&mut Chance(ids))),
        Spec::P384 => der(&p384::SecretKey::generate_from_rng(&mut Chance(ids))),
        Spec::P521 => der(&p521::SecretKey::generate_from_rng(&mut Chance(ids))),
        Spec::K256 => der(&k256::SecretKey::generate_from_rng(&mut Chance(ids))),
    }
}

fn der(key: &impl EncodePrivateKey) -> Result<Vec<u8>, ServiceError> {
    key.to_pkcs8_der().map(|der| der.as_bytes().to_vec()).map_err(broken)
}

/// The public half, as `SubjectPublicKeyInfo`.
pub(crate) fn public_key(spec: Spec, material: &[u8]) -> Result<Vec<u8>, ServiceError> {
    fn der(key: &impl EncodePublicKey) -> Result<Vec<u8>, ServiceError> {
        key.to_public_key_der().map(|der| der.as_bytes().to_vec()).map_err(broken)
    }
    match spec {
        Spec::P256 => der(&p256::SecretKey::from_pkcs8_der(material).map_err(broken)?.public_key()),
        Spec::P384 => der(&p384::SecretKey::from_pkcs8_der(material).map_err(broken)?.public_key()),
        Spec::P521 => der(&p521::SecretKey::from_pkcs8_der(material).map_err(broken)?.public_key()),
        Spec::K256 => der(&k256::SecretKey::from_pkcs8_der(material).map_err(broken)?.public_key()),
        Spec::Rsa(_) => der(rsa_key(material)?.as_public_key()),
        Spec::Symmetric | Spec::Hmac(_) => Err(broken("it has no public half")),
    }
}

fn rsa_key(material: &[u8]) -> Result<PrivateKey, ServiceError> {
    PrivateKey::from_pkcs8_der(material).map_err(broken)
}

/// The digest that an algorithm signs.
pub(crate) fn digest(algorithm: &str, message: &[u8]) -> Vec<u8> {
    match algorithm.rsplit('_').next() {
        Some("384") => Sha384::digest(message).to_vec(),
        Some("512") => Sha512::digest(message).to_vec(),
        _ => Sha256::digest(message).to_vec(),
    }
}

/// How long such a digest is.
pub(crate) fn digest_bytes(algorithm: &str) -> usize {
    digest(algorithm, b"").len()
}

/// Signs a digest. ECDSA signatures are DER, as AWS gives them.
pub(crate) fn sign(
    spec: Spec,
    material: &[u8],
    algorithm: &str,
    digest: &[u8],
    ids: Arc<dyn Ids>,
) -> Result<Vec<u8>, ServiceError> {
    macro_rules! ecdsa {
        ($curve:ident) => {{
            let key = $curve::SecretKey::from_pkcs8_der(material).map_err(broken)?;
            let key = $curve::ecdsa::SigningKey::from(&key);
            let signature: $curve::ecdsa::Signature = key.sign_prehash(digest).map_err(broken)?;
            Ok(signature.to_der().as_bytes().to_vec())
        }};
    }
    match spec {
        Spec::P256 => ecdsa!(p256),
        Spec::P384 => ecdsa!(p384),
        Spec::P521 => ecdsa!(p521),
        Spec::K256 => ecdsa!(k256),
        Spec::Rsa(_) => {
            let (key, rng) = (rsa_key(material)?, &mut Chance(ids));
            match algorithm {
                "RSASSA_PKCS1_V1_5_SHA_256" => {
                    key.pkcs1v15_sign_prehash_with_rng::<Sha256, _>(rng, digest)
                }
                "RSASSA_PKCS1_V1_5_SHA_384" => {
                    key.pkcs1v15_sign_prehash_with_rng::<Sha384, _>(rng, digest)
                }
                "RSASSA_PKCS1_V1_5_SHA_512" => {
                    key.pkcs1v15_sign_prehash_with_rng::<Sha512, _>(rng, digest)
                }
                "RSASSA_PSS_SHA_256" => key.pss_sign_prehash_with_rng::<Sha256, _>(rng, digest),
                "RSASSA_PSS_SHA_384" => key.pss_sign_prehash_with_rng::<Sha384, _>(rng, digest),
                _ => key.pss_sign_prehash_with_rng::<Sha512, _>(rng, digest),
            }
            .map_err(broken)
        }
        Spec::Symmetric | Spec::Hmac(_) => Err(broken("it does not sign")),
    }
}

/// Whether a signature over a digest is the key's.
pub(crate) fn verify(
    spec: Spec,
    material: &[u8],
    algorithm: &str,
    digest: &[u8],
    signature: &[u8],
) -> Result<bool, ServiceError> {
    macro_rules! ecdsa {
        ($curve:ident) => {{
            let key = $curve::SecretKey::from_pkcs8_der(material).map_err(broken)?;
            let key = $curve::ecdsa::VerifyingKey::from(&key.public_key());
            let signature = $curve::ecdsa::Signature::from_der(signature).ok();
            // Of the two forms of one signature, some curves take one alone.
            let normal = signature.map(|signature| signature.normalize_s());
            let is_right = |s: &$curve::ecdsa::Signature| key.verify_prehash(digest, s).is_ok();
            Ok(normal.is_some_and(|s| is_right(&s)))
        }};
    }
    match spec {
        Spec::P256 => ecdsa!(p256),
        Spec::P384 => ecdsa!(p384),
        Spec::P521 => ecdsa!(p521),
        Spec::K256 => ecdsa!(k256),
        Spec::Rsa(_) => {
            let key = rsa_key(material)?.to_public_key();
            let verified = match algorithm {
                "RSASSA_PKCS1_V1_5_SHA_256" => {
                    key.pkcs1v15_verify_prehash::<Sha256>(digest, signature)
                }
                "RSASSA_PKCS1_V1_5_SHA_384" => {
                    key.pkcs1v15_verify_prehash::<Sha384>(digest, signature)
                }
                "RSASSA_PKCS1_V1_5_SHA_512" => {
                    key.pkcs1v15_verify_prehash::<Sha512>(digest, signature)
                }
                "RSASSA_PSS_SHA_256" => key.pss_verify_prehash::<Sha256>(digest, signature),
                "RSASSA_PSS_SHA_384" => key.pss_verify_prehash::<Sha384>(digest, signature),
                _ => key.pss_verify_prehash::<Sha512>(digest, signature),
            };
            Ok(verified.is_ok())
        }
        Spec::Symmetric | Spec::Hmac(_) => Err(broken("it does not sign")),
    }
}

/// The code of a message.
pub(crate) fn mac(
    algorithm: &str,
    material: &[u8],
    message: &[u8],
) -> Result<Vec<u8>, ServiceError> {
    macro_rules! hmac {
        ($digest:ty) => {{
            let mut mac = Hmac::<$digest>::new_from_slice(material).map_err(broken)?;
            mac.update(message);
            Ok(mac.finalize().into_bytes().to_vec())
        }};
    }
    match algorithm {
        "HMAC_SHA_224" => hmac!(Sha224),
        "HMAC_SHA_256" => hmac!(Sha256),
        "HMAC_SHA_384" => hmac!(Sha384),
        _ => hmac!(Sha512),
    }
}

/// Whether two codes are the same, in a time that tells nothing.
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

/// Encrypts with the public half of an RSA key; `None` where the text is too long.
pub(crate) fn encrypt_rsa(
    material: &[u8],
    algorithm: &str,
    text: &[u8],
    ids: Arc<dyn Ids>,
) -> Result<Option<Vec<u8>>, ServiceError> {
    let (key, rng) = (rsa_key(material)?.to_public_key(), &mut Chance(ids));
    Ok(match algorithm {
        "RSAES_OAEP_SHA_1" => key.oaep_encrypt_with_rng::<Sha1, _>(rng, text),
        _ => key.oaep_encrypt_with_rng::<Sha256, _>(rng, text),
    }
    .ok())
}

/// `None` for what was not encrypted with this key and algorithm.
pub(crate) fn decrypt_rsa(
    material: &[u8],
    algorithm: &str,
    blob: &[u8],
    ids: Arc<dyn Ids>,
) -> Result<Option<Vec<u8>>, ServiceError> {
    let (key, rng) = (rsa_key(material)?, &mut Chance(ids));
    Ok(match algorithm {
        "RSAES_OAEP_SHA_1" => key.oaep_decrypt_with_rng::<Sha1, _>(rng, blob),
        _ => key.oaep_decrypt_with_rng::<Sha256, _>(rng, blob),
    }
    .ok())
}

pub(crate) type EncryptionContext = Option<BTreeMap<String, String>>;

/// The first byte of what a symmetric key encrypts.
const FORMAT: u8 = 1;

/// What stands in front of an encrypted text: which key, and which of its materials.
pub(crate) struct Header {
    pub(crate) key_arn: String,
    pub(crate) material: u32,
    length: usize,
}

/// `None` for what no symmetric key of ours made.
pub(crate) fn header(blob: &[u8]) -> Option<Header> {
    let (&[FORMAT, size], rest) = blob.split_first_chunk::<2>()? else { return None };
    let (arn, rest) = rest.split_at_checked(usize::from(size))?;
    let (material, _) = rest.split_first_chunk::<4>()?;
    Some(Header {
        key_arn: String::from_utf8(arn.to_vec()).ok()?,
        material: u32::from_be_bytes(*material),
        length: 2 + arn.len() + 4,
    })
}

/// Header and encryption context, unambiguously: both are authenticated with the text.
fn authenticated(header: &[u8], context: &EncryptionContext) -> Vec<u8> {
    let mut all = header.to_vec();
    for (name, value) in context.iter().flatten() {
        for part in [name, value] {
            all.extend((part.len() as u64).to_be_bytes());
            all.extend(part.as_bytes());
        }
    }
    all
}

fn aead(material: &[u8]) -> Result<LessSafeKey, ServiceError> {
    UnboundKey::new(&AES_256_GCM, material).map(LessSafeKey::new).map_err(broken)
}

pub(crate) fn encrypt(
    material: &[u8],
    number: u32,
    key_arn: &str,
    context: &EncryptionContext,
    text: &[u8],
    ids: &dyn Ids,
) -> Result<Vec<u8>, ServiceError> {
    let size = u8::try_from(key_arn.len()).map_err(broken)?;
    let mut blob = vec![FORMAT, size];
    blob.extend(key_arn.as_bytes());
    blob.extend(number.to_be_bytes());
    let aad = authenticated(&blob, context);
    let mut nonce = [0; NONCE_LEN];
    ids.fill(&mut nonce);
    let mut text = text.to_vec();
    aead(material)?
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(aad.as_slice()),
            &mut text,
        )
        .map_err(broken)?;
    blob.extend(nonce);
    blob.extend(text);
    Ok(blob)
}

/// `None` where the context is another one, or something has been changed.
pub(crate) fn decrypt(
    material: &[u8],
    header: &Header,
    context: &EncryptionContext,
    blob: &[u8],
) -> Result<Option<Vec<u8>>, ServiceError> {
    let Some((head, rest)) = blob.split_at_checked(header.length) else { return Ok(None) };
    let Some((nonce, text)) = rest.split_first_chunk::<NONCE_LEN>() else { return Ok(None) };
    let aad = authenticated(head, context);
    let mut text = text.to_vec();
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let opened = aead(material)?.open_in_place(nonce, Aad::from(aad.as_slice()), &mut text);
    Ok(opened.ok().map(|text| text.to_vec()))
}

#[cfg(test)]
mod tests {
    use undercast_store::Env;

    use super::*;

    fn ids() -> Arc<dyn Ids> {
        Env::system().ids
    }

    #[tokio::test]
    async fn a_blob_opens_with_its_key_and_context_alone() {
        let key = generate(ids(), Spec::Symmetric).await.unwrap();
        let context = Some(BTreeMap::from([("a".to_owned(), "b".to_owned())]));
        let blob = encrypt(&key, 3, "arn:k", &context, b"text", &*ids()).unwrap();
        let head = header(&blob).unwrap();
        assert_eq!((head.key_arn.as_str(), head.material), ("arn:k", 3));
        assert_eq!(decrypt(&key, &head, &context, &blob).unwrap().unwrap(), b"text");
        assert_eq!(decrypt(&key, &head, &None, &blob).unwrap(), None);
        // The same letters, cut elsewhere.
        let other = Some(BTreeMap::from([("ab".to_owned(), String::new())]));
        assert_eq!(decrypt(&key, &head, &other, &blob).unwrap(), None);
        for at in 0..blob.len() {
            let mut changed = blob.clone();
            changed[at] ^= 1;
            let opened = header(&changed).map(|head| decrypt(&key, &head, &context, &changed));
            assert!(opened.is_none_or(|opened| opened.unwrap().is_none()), "byte {at}");
        }
        for short in 0..blob.len() {
            let cut = &blob[..short];
            let opened = header(cut).map(|head| decrypt(&key, &head, &context, cut));
            assert!(opened.is_none_or(|opened| opened.unwrap().is_none()), "{short} bytes");
        }
    }

    #[tokio::test]
    async fn every_signing_key_verifies_what_it_signed() {
        for spec in [Spec::P256, Spec::P384, Spec::P521, Spec::K256, Spec::Rsa(2048)] {
            let key = generate(ids(), spec).await.unwrap();
            assert!(public_key(spec, &key).unwrap().len() > 64);
            for algorithm in spec.algorithms("SIGN_VERIFY") {
                let hash = digest(algorithm, b"message");
                let signature = sign(spec, &key, algorithm, &hash, ids()).unwrap();
                assert!(verify(spec, &key, algorithm, &hash, &signature).unwrap(), "{algorithm}");
                let other = digest(algorithm, b"other");
                assert!(!verify(spec, &key, algorithm, &other, &signature).unwrap());
                assert!(!verify(spec, &key, algorithm, &hash, b"nonsense").unwrap());
            }
        }
    }
}
