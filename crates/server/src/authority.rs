//! The local certificate authority: made once, kept in the data folder, trusted by every function.
//! It signs a certificate for whatever name a client asks for, so that `https://*.amazonaws.com`
//! inside a function finds us.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::terminal::Failure;

/// How many names have a certificate in memory at once.
const NAMES_MAX: usize = 1_000;
/// Where systems keep the public authorities.
const SYSTEM_BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

pub(crate) struct Authority {
    certificate: String,
    key: String,
    /// Ours and the public authorities, in one file.
    pub(crate) bundle: PathBuf,
}

impl Authority {
    /// Opens the authority in `folder`, or makes it.
    pub(crate) fn open(folder: &Path) -> Result<Self, Failure> {
        let failed = |e: &dyn std::fmt::Display| {
            format!("the certificate authority in {}: {e}", folder.display())
        };
        fs::create_dir_all(folder).map_err(|e| failed(&e))?;
        let (certificate_path, key_path) = (folder.join("ca.pem"), folder.join("ca.key"));
        if !certificate_path.exists() || !key_path.exists() {
            let (certificate, key) = make().map_err(|e| failed(&e))?;
            write_secret(&key_path, &key).map_err(|e| failed(&e))?;
            fs::write(&certificate_path, certificate).map_err(|e| failed(&e))?;
        }
        let certificate = fs::read_to_string(&certificate_path).map_err(|e| failed(&e))?;
        let key = fs::read_to_string(&key_path).map_err(|e| failed(&e))?;
        let bundle = folder.join("bundle.pem");
        let public = SYSTEM_BUNDLES.iter().find_map(|path| fs::read_to_string(path).ok());
        let text = format!("{certificate}\n{}", public.unwrap_or_default());
        if fs::read_to_string(&bundle).ok().as_deref() != Some(&text) {
            fs::write(&bundle, text).map_err(|e| failed(&e))?;
        }
        Ok(Self { certificate, key, bundle })
    }

    /// Answers TLS for any name; `address` is for clients that name none.
    pub(crate) fn server_config(&self, address: IpAddr) -> Result<Arc<ServerConfig>, Failure> {
        let key = KeyPair::from_pem(&self.key).map_err(|e| e.to_string())?;
        let issuer = Issuer::from_ca_cert_pem(&self.certificate, key).map_err(|e| e.to_string())?;
        let resolver = Resolver { issuer, address, names: Mutex::default() };
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(resolver));
        Ok(Arc::new(config))
    }
}

fn make() -> Result<(String, String), rcgen::Error> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, "Undercast local authority");
    params.not_before = rcgen::date_time_ymd(2024, 1, 1);
    params.not_after = rcgen::date_time_ymd(2124, 1, 1);
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// A file that only its owner can read, there whole or not at all.
pub(crate) fn write_secret(path: &Path, content: impl AsRef<[u8]>) -> std::io::Result<()> {
    let temporary = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary)?;
    file.write_all(content.as_ref())?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    path.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
}

struct Resolver {
    issuer: Issuer<'static, KeyPair>,
    address: IpAddr,
    names: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resolver")
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().unwrap_or_default().to_owned();
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(&name) {
            return Some(Arc::clone(known));
        }
        let made = Arc::new(self.issue(&name)?);
        if names.len() >= NAMES_MAX {
            names.clear();
        }
        names.insert(name, Arc::clone(&made));
        Some(made)
    }
}

impl Resolver {
    fn issue(&self, name: &str) -> Option<CertifiedKey> {
        let mut params = CertificateParams::default();
        let loopback = IpAddr::from([127, 0, 0, 1]);
        params.subject_alt_names =
            vec![SanType::IpAddress(self.address), SanType::IpAddress(loopback)];
        let name = if name.is_empty() { "localhost" } else { name };
        params.subject_alt_names.push(SanType::DnsName(name.to_owned().try_into().ok()?));
        params.distinguished_name.push(DnType::CommonName, "Undercast");
        params.not_before = rcgen::date_time_ymd(2024, 1, 1);
        params.not_after = rcgen::date_time_ymd(2124, 1, 1);
        let key = KeyPair::generate().ok()?;
        let certificate = params.signed_by(&key, &self.issuer).ok()?;
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signing = ring::sign::any_supported_type(&der).ok()?;
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        Some(CertifiedKey::new(chain, signing))
    }
}
