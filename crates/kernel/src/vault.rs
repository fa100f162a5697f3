//! Secrets at rest: sealed with a key that is not in the store.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use undercast_store::Ids;

use crate::ServiceError;

/// Seals and opens secrets by AES-256-GCM. Without a key it leaves them as they are. Cheap to clone.
///
/// It seals with its first key; the others open what came from elsewhere.
#[derive(Clone, Default)]
pub struct Vault(Arc<RwLock<Vec<LessSafeKey>>>);

/// A secret as it is kept: a field of a row.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Sealed {
    /// Where there is no key, and what was kept before there was one.
    Plain(String),
    /// The nonce, then the sealed text with its tag.
    Sealed(ByteBuf),
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({} keys)", self.keys().len())
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(…)")
    }
}

fn sealing(what: impl fmt::Display) -> ServiceError {
    ServiceError::internal(format!("a secret cannot be sealed or opened: {what}"))
}

impl Vault {
    pub fn new(key: &[u8; 32]) -> Self {
        let vault = Self::default();
        vault.add(key);
        vault
    }

    /// From now on, what was sealed with this key opens as well.
    pub fn add(&self, key: &[u8; 32]) {
        if let Ok(key) = UnboundKey::new(&AES_256_GCM, key) {
            let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
            keys.push(LessSafeKey::new(key));
        }
    }

    fn keys(&self) -> RwLockReadGuard<'_, Vec<LessSafeKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// `name` says whose secret it is: under another name it does not open.
    pub fn seal(&self, ids: &dyn Ids, name: &str, secret: &str) -> Result<Sealed, ServiceError> {
        let keys = self.keys();
        let Some(key) = keys.first() else {
            return Ok(Sealed::Plain(secret.to_owned()));
        };
        let mut nonce = [0; NONCE_LEN];
        ids.fill(&mut nonce);
        let mut text = secret.as_bytes().to_vec();
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(name.as_bytes()),
            &mut text,
        )
        .map_err(sealing)?;
        Ok(Sealed::Sealed(ByteBuf::from([&nonce[..], &text].concat())))
    }

    pub fn open(&self, name: &str, sealed: &Sealed) -> Result<String, ServiceError> {
        let bytes = match sealed {
            Sealed::Plain(secret) => return Ok(secret.clone()),
            Sealed::Sealed(bytes) => bytes,
        };
        let (nonce, text) =
            bytes.split_first_chunk::<NONCE_LEN>().ok_or_else(|| sealing("it is cut off"))?;
        for key in self.keys().iter() {
            let mut text = text.to_vec();
            let nonce = Nonce::assume_unique_for_key(*nonce);
            if let Ok(opened) = key.open_in_place(nonce, Aad::from(name.as_bytes()), &mut text) {
                return String::from_utf8(opened.to_vec()).map_err(sealing);
            }
        }
        Err(sealing("it was sealed with another key"))
    }
}

#[cfg(test)]
mod tests {
    use undercast_store::Env;

    use super::*;

    #[test]
    fn a_secret_opens_with_its_key_and_name_alone() {
        let ids = Env::system().ids;
        let vault = Vault::new(&[1; 32]);
        let sealed = vault.seal(&*ids, "AKIA1", "secret").unwrap();
        let Sealed::Sealed(bytes) = &sealed else { panic!("it is not sealed") };
        assert!(!bytes.windows(6).any(|part| part == b"secret"));
        assert_eq!(vault.open("AKIA1", &sealed).unwrap(), "secret");
        assert!(vault.open("AKIA2", &sealed).is_err());
        assert!(Vault::new(&[2; 32]).open("AKIA1", &sealed).is_err());
        assert!(Vault::default().open("AKIA1", &sealed).is_err());
        let other = Vault::new(&[2; 32]);
        other.add(&[1; 32]);
        assert_eq!(other.open("AKIA1", &sealed).unwrap(), "secret");
        let Sealed::Sealed(again) = vault.seal(&*ids, "AKIA1", "secret").unwrap() else {
            panic!("it is not sealed")
        };
        assert_ne!(*bytes, again);
        assert!(vault.open("AKIA1", &Sealed::Sealed(ByteBuf::from(vec![0; 5]))).is_err());
    }

    #[test]
    fn without_a_key_a_secret_stays_as_it_is() {
        let ids = Env::system().ids;
        let plain = Vault::default().seal(&*ids, "n", "secret").unwrap();
        assert_eq!(Vault::new(&[1; 32]).open("n", &plain).unwrap(), "secret");
        assert!(!format!("{plain:?}").contains("secret"));
    }
}
