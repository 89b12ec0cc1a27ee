//! The authority that the relay under test trusts during a run, and the leaf certificates that it signs on the fly.
//!
//! Nothing is made before somebody asks: a run by base URL never pays for it. The run's own key stays in memory and
//! ends with the run; [`Authority::create`] makes a lasting one, for relays that are started by hand.

use std::{
    collections::HashMap,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::{
    RootCertStore, ServerConfig,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier as _},
    pki_types::{
        CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime,
        pem::PemObject as _,
    },
};
use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};

use super::wire::lock;
use crate::bounded::{self, ReadError};

/// File name of a lasting authority's certificate.
pub const CERTIFICATE_FILE: &str = "ca.pem";

/// File name of a lasting authority's key.
pub const KEY_FILE: &str = "ca.key";

/// Longest file of an authority, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// Hosts whose certificates are kept; one more and all are made anew.
const HOSTS_KEPT: usize = 256;

/// Longest name that a certificate is made for: the limit of DNS.
const NAME_LIMIT: usize = 253;

/// How long certificates are valid: from a little before now, for clocks that are behind, to long after, for relays
/// whose clock is moved on.
const BEFORE: Duration = Duration::days(2);
const LEAF_DAYS: Duration = Duration::days(820);
const AUTHORITY_DAYS: Duration = Duration::days(3_650);

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The certificate cannot be made.
    #[error("cannot make a certificate for `{name}`: {why}")]
    Make {
        /// For whom.
        name: String,
        /// Why.
        why: String,
    },
    /// A file of the authority cannot be read or written.
    #[error("cannot {what} {path}: {source}", path = .path.display())]
    File {
        /// `read` or `write`.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What is in the folder cannot be used.
    #[error("{path} cannot be used: {why}\nhint: make an authority with `harness ca --out DIR`", path = .path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// There is an authority in the folder already.
    #[error("{path} exists and is not overwritten: whatever trusts it would break\nhint: choose another folder, or delete it", path = .path.display())]
    Exists {
        /// Which file.
        path: PathBuf,
    },
}

/// Signs for any host. Cheap until it is first asked; see the module.
pub struct Authority {
    made: Mutex<Option<Arc<Made>>>,
    hosts: Mutex<HashMap<String, Arc<ServerConfig>>>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the key.
        f.debug_struct("Authority").field("made", &lock(&self.made).is_some()).finish()
    }
}

/// The authority's certificate and key, and the key that all leaves share: a new one for each would only cost time.
struct Made {
    pem: String,
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    leaf_key: KeyPair,
}

impl Default for Authority {
    fn default() -> Self {
        Self { made: Mutex::new(None), hosts: Mutex::default() }
    }
}

impl Authority {
    /// Makes a lasting authority: `ca.pem` and `ca.key` (readable by its owner alone) in this folder.
    ///
    /// # Errors
    /// Either file exists already or cannot be written.
    pub fn create(dir: &Path) -> Result<(), AuthorityError> {
        let (certificate, key) = (dir.join(CERTIFICATE_FILE), dir.join(KEY_FILE));
        for path in [&certificate, &key] {
            if path.symlink_metadata().is_ok() {
                return Err(AuthorityError::Exists { path: path.clone() });
            }
        }
        let pair = key_pair()?;
        let made = Made::new(pair)?;
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| AuthorityError::File { what: "write", path, source }
        };
        std::fs::create_dir_all(dir).map_err(failed(dir))?;
        write_new(&key, &made.issuer.key().serialize_pem(), 0o600).map_err(failed(&key))?;
        write_new(&certificate, &made.pem, 0o644).map_err(failed(&certificate))
    }

    /// Reads an authority that [`Authority::create`] made.
    ///
    /// # Errors
    /// A file is missing, is something else, or the key is not the certificate's; or the certificate has expired.
    pub fn load(dir: &Path) -> Result<Self, AuthorityError> {
        let (certificate, key) = (dir.join(CERTIFICATE_FILE), dir.join(KEY_FILE));
        let unusable =
            |path: &Path, why: String| AuthorityError::Unusable { path: path.to_owned(), why };
        let read = |path: &Path| {
            bounded::read(path, MAX_FILE).map_err(|error| match error {
                ReadError::Unreadable(source) => {
                    AuthorityError::File { what: "read", path: path.to_owned(), source }
                }
                other => unusable(path, other.to_string()),
            })
        };
        let pem = read(&certificate)?;
        let pair = KeyPair::from_pem(&read(&key)?).map_err(|e| unusable(&key, e.to_string()))?;
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|e| unusable(&certificate, e.to_string()))?;
        let made = Made {
            der,
            pem,
            // The certificate is not read back: what `create` wrote follows from the key.
            issuer: Issuer::new(authority_params(&pair), pair),
            leaf_key: key_pair()?,
        };
        made.check().map_err(|why| unusable(&certificate, why))?;
        Ok(Self { made: Mutex::new(Some(Arc::new(made))), hosts: Mutex::default() })
    }

    /// The certificate that a client has to trust, as PEM.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn certificate_pem(&self) -> Result<String, AuthorityError> {
        Ok(self.made()?.pem.clone())
    }

    /// The same as DER, for trust stores of other forms.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn certificate_der(&self) -> Result<CertificateDer<'static>, AuthorityError> {
        Ok(self.made()?.der.clone())
    }

    /// How TLS is spoken as this host (a name or an address).
    pub(super) fn server_config(&self, host: &str) -> Result<Arc<ServerConfig>, AuthorityError> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        if let Some(known) = lock(&self.hosts).get(&host) {
            return Ok(Arc::clone(known));
        }
        let config = Arc::new(self.made()?.server_config(&host)?);
        let mut hosts = lock(&self.hosts);
        if hosts.len() >= HOSTS_KEPT {
            hosts.clear();
        }
        hosts.insert(host, Arc::clone(&config));
        Ok(config)
    }

    fn made(&self) -> Result<Arc<Made>, AuthorityError> {
        let mut made = lock(&self.made);
        if let Some(made) = made.as_ref() {
            return Ok(Arc::clone(made));
        }
        let new = Arc::new(Made::new(key_pair()?)?);
        *made = Some(Arc::clone(&new));
        Ok(new)
    }
}

impl Made {
    fn new(pair: KeyPair) -> Result<Self, AuthorityError> {
        let params = authority_params(&pair);
        let certificate = params.self_signed(&pair).map_err(unmade("the authority"))?;
        Ok(Self {
            pem: certificate.pem(),
            der: certificate.der().clone(),
            issuer: Issuer::new(params, pair),
            leaf_key: key_pair()?,
        })
    }

    fn leaf(&self, host: &str) -> Result<CertificateDer<'static>, AuthorityError> {
        let name = match host.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) if host.is_empty() || host.len() > NAME_LIMIT => {
                return Err(AuthorityError::Make {
                    name: host.chars().take(80).collect(),
                    why: format!("a host name has 1 to {NAME_LIMIT} bytes"),
                });
            }
            Err(_) => SanType::DnsName(host.try_into().map_err(unmade(host))?),
        };
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![name];
        params.distinguished_name = DistinguishedName::new();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // Strict verifiers (Python 3.13) refuse leaves that do not name their issuer's key.
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = valid_for(LEAF_DAYS);
        let signed = params.signed_by(&self.leaf_key, &self.issuer).map_err(unmade(host))?;
        Ok(signed.der().clone())
    }

    fn server_config(&self, host: &str) -> Result<ServerConfig, AuthorityError> {
        let chain = vec![self.leaf(host)?];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.leaf_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(unmade(host))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Lets a client's verifier look at a leaf: the one test that a key, a certificate and today's date fit together.
    fn check(&self) -> Result<(), String> {
        const NAME: &str = "check.invalid";
        let text = |e: &dyn std::fmt::Display| e.to_string();
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).map_err(|e| text(&e))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|e| text(&e))?;
        let leaf = self.leaf(NAME).map_err(|e| text(&e))?;
        let name = ServerName::try_from(NAME).map_err(|e| text(&e))?;
        verifier
            .verify_server_cert(&leaf, &[], &name, &[], UnixTime::now())
            .map(|_| ())
            .map_err(|e| format!("what its key signs does not verify against it ({e})"))
    }
}

/// What an authority's certificate says; it follows from its key. Each has a name of its own, so that a client that
/// trusts an older one says "unknown" and not "forged".
fn authority_params(pair: &KeyPair) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    let digest = hex::encode(Sha256::digest(pair.public_key_raw()));
    let id = digest.get(..12).unwrap_or_default();
    name.push(DnType::CommonName, format!("harness test authority {id}"));
    name.push(DnType::OrganizationName, "harness, for relays under test only");
    params.distinguished_name = name;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = valid_for(AUTHORITY_DAYS);
    params
}

fn valid_for(span: Duration) -> (OffsetDateTime, OffsetDateTime) {
    let now = OffsetDateTime::now_utc();
    (now.saturating_sub(BEFORE), now.saturating_add(span))
}

fn key_pair() -> Result<KeyPair, AuthorityError> {
    KeyPair::generate().map_err(unmade("a key"))
}

fn unmade<E: std::fmt::Display>(name: &str) -> impl FnOnce(E) -> AuthorityError {
    let name = name.to_owned();
    move |why| AuthorityError::Make { name, why: why.to_string() }
}

fn write_new(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    options.open(path)?.write_all(text.as_bytes())
}
