//! How programs of each runtime are led to the gateway and made to trust its authority, without changing them: the
//! variables of a child process, and the files that they name.
//!
//! | runtime | finds the gateway by | trusts by |
//! |---|---|---|
//! | curl, Go, Ruby, .NET, Rust, PHP (curl) | the proxy variables | `SSL_CERT_FILE`, `CURL_CA_BUNDLE`, PHP: `php.ini` |
//! | Python (requests, httpx, urllib) | the proxy variables | `REQUESTS_CA_BUNDLE`, `SSL_CERT_FILE` |
//! | Node (fetch, http, https, http2) | a hook in `NODE_OPTIONS`; from 22.21 and 24 also the proxy variables | `NODE_EXTRA_CA_CERTS` |
//! | Deno, Bun | the proxy variables | `DENO_CERT`, `NODE_EXTRA_CA_CERTS` |
//! | JVM | `JAVA_TOOL_OPTIONS` | a trust store named there |
//! | gRPC (C core) | the proxy variables | `GRPC_DEFAULT_SSL_ROOTS_FILE_PATH` |
//!
//! The files hold the run's authority alone: nothing real is to be reached, so nothing real needs to be trusted.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::profile::Capture;
use crate::gateway::{AuthorityError, Door};

/// Leads Node's sockets to the gateway; see there.
const NODE_HOOK: &str = include_str!("runtimes/node.cjs");

/// Hosts that are never asked for by the proxy: the machine itself.
const NO_PROXY: &str = "127.0.0.1,localhost,::1";

/// The files cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// There is no certificate.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// A file cannot be written.
    #[error("cannot write {path}: {source}", path = .path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Files that say whom to trust, in one folder.
#[derive(Debug, Clone)]
pub struct Trust {
    dir: PathBuf,
}

impl Trust {
    /// Writes them: the certificate (never a key) as PEM and as a Java trust store, settings for PHP, the hook for Node.
    ///
    /// # Errors
    /// The certificate cannot be made, or a file not be written.
    pub fn write(dir: &Path, door: &Door) -> Result<Self, TrustError> {
        let authority = door.authority();
        let trust = Self { dir: dir.to_owned() };
        let store = java_store(&authority.certificate_der()?);
        let pem = authority.certificate_pem()?;
        let ca = quoted(&trust.ca());
        let ini = format!("openssl.cafile={ca}\ncurl.cainfo={ca}\n");
        for (path, content) in [
            (trust.ca(), pem.as_bytes()),
            (trust.java_store(), &store),
            (trust.php_dir().join("harness.ini"), ini.as_bytes()),
            (trust.node_hook(), NODE_HOOK.as_bytes()),
        ] {
            let written = path
                .parent()
                .map_or(Ok(()), std::fs::create_dir_all)
                .and_then(|()| write_private(&path, content));
            written.map_err(|source| TrustError::Write { path, source })?;
        }
        Ok(trust)
    }

    /// The certificate of the run's authority, as PEM.
    pub fn ca(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// What Node programs load first (`node --require FILE`).
    pub fn node_hook(&self) -> PathBuf {
        self.dir.join("node.cjs")
    }

    fn java_store(&self) -> PathBuf {
        self.dir.join("ca.jks")
    }

    fn php_dir(&self) -> PathBuf {
        self.dir.join("php")
    }
}

/// One variable of a child's environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Name.
    pub name: &'static str,
    /// Value.
    pub value: String,
    /// Who reads it.
    pub read_by: &'static str,
}

/// The variables that lead a child process to this door; none if it is given the platforms' base URLs.
///
/// With [`Capture::Hosts`] no proxy is named: the platforms' host names have to lead to the gateway (`/etc/hosts`, DNS,
/// a container's `extra_hosts`), and its port be 443. Node programs need neither, for the hook leads them there.
pub fn variables(capture: Capture, door: &Door, trust: &Trust) -> Vec<Variable> {
    let ca = trust.ca().display().to_string();
    let mut all = Vec::new();
    let mut add = |names: &[&'static str], value: &str, read_by| {
        let value = value.to_owned();
        all.extend(names.iter().map(|&name| Variable { name, value: value.clone(), read_by }));
    };
    let mut java = vec![
        format!("-Djavax.net.ssl.trustStore={}", quoted(&trust.java_store())),
        "-Djavax.net.ssl.trustStoreType=JKS".to_owned(),
    ];
    match capture {
        Capture::BaseUrl => return Vec::new(),
        Capture::Hosts => {}
        Capture::Proxy => {
            let proxy = door.origin();
            let names = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];
            add(&names, &proxy, "most runtimes");
            add(&["NO_PROXY", "no_proxy"], NO_PROXY, "most runtimes");
            add(&["NODE_USE_ENV_PROXY"], "1", "Node from 22.21 and 24");
            if let Some((host, port)) = door.address().rsplit_once(':') {
                for scheme in ["http", "https"] {
                    java.push(format!("-D{scheme}.proxyHost={host}"));
                    java.push(format!("-D{scheme}.proxyPort={port}"));
                }
                java.push("-Dhttp.nonProxyHosts=localhost|127.*|[::1]".to_owned());
            }
        }
    }
    let hook = format!("--require {}", quoted(&trust.node_hook()));
    add(&["HARNESS_GATEWAY"], door.address(), "the hook for Node");
    add(&["NODE_OPTIONS"], &hook, "Node");
    add(&["NODE_EXTRA_CA_CERTS"], &ca, "Node, Bun");
    add(&["SSL_CERT_FILE"], &ca, "OpenSSL, Python, Go, Ruby, .NET, Rust");
    add(&["REQUESTS_CA_BUNDLE"], &ca, "Python requests");
    add(&["AWS_CA_BUNDLE"], &ca, "the AWS clients");
    add(&["CURL_CA_BUNDLE"], &ca, "curl, Python requests");
    add(&["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"], &ca, "gRPC");
    add(&["DENO_CERT"], &ca, "Deno");
    // The empty entry stands for the folder that it was built with.
    add(&["PHP_INI_SCAN_DIR"], &format!(":{}", trust.php_dir().display()), "PHP");
    add(&["JAVA_TOOL_OPTIONS"], &java.join(" "), "the JVM");
    all
}

/// The same as a map, for a process to be started.
pub fn environment(capture: Capture, door: &Door, trust: &Trust) -> BTreeMap<String, String> {
    variables(capture, door, trust).into_iter().map(|v| (v.name.to_owned(), v.value)).collect()
}

/// For variables that hold several options: they split at spaces, but for those in quotes.
fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('\\', "\\\\").replace('"', "\\\""))
}

/// A Java key store ("JKS") with one trusted certificate. Its trailing digest is keyed by a password; the JVM checks it
/// only if it is given one, which it is not.
fn java_store(certificate: &[u8]) -> Vec<u8> {
    const MAGIC: u32 = 0xFEED_FEED;
    const VERSION: u32 = 2;
    const TRUSTED_CERTIFICATE: u32 = 2;
    const DIGEST: [u8; 20] = [0; 20];
    let mut out = Vec::with_capacity(certificate.len() + 80);
    let text = |out: &mut Vec<u8>, text: &str| {
        out.extend(u16::try_from(text.len()).unwrap_or_default().to_be_bytes());
        out.extend(text.as_bytes());
    };
    for number in [MAGIC, VERSION, 1, TRUSTED_CERTIFICATE] {
        out.extend(number.to_be_bytes());
    }
    text(&mut out, "harness");
    // When it was made, in milliseconds since 1970: nobody asks.
    out.extend(0_u64.to_be_bytes());
    text(&mut out, "X.509");
    out.extend(u32::try_from(certificate.len()).unwrap_or_default().to_be_bytes());
    out.extend(certificate);
    out.extend(DIGEST);
    out
}

fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(content)
}
