//! TLS of a port: certificate and key from PEM files, read again when they change, so that a renewed certificate needs
//! no restart. Connections that are open keep the one they began with.

use parking_lot::RwLock;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// Certificate and key of a port.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    certificate: PathBuf,
    key: PathBuf,
    state: RwLock<State>,
}

/// What was read, and what it was made of.
struct State {
    config: Arc<ServerConfig>,
    files: (Vec<u8>, Vec<u8>),
}

/// Files TLS cannot be served with.
#[derive(Debug, Error)]
pub enum TlsFault {
    /// A file that cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file without what it should hold in PEM.
    #[error("{} holds no {what} in PEM", path.display())]
    Empty {
        /// Which one.
        path: PathBuf,
        /// What is missing.
        what: &'static str,
    },
    /// Certificate and key do not belong together, or are of a kind we do not serve with.
    #[error("certificate and key cannot be used together")]
    Unusable(#[source] rustls::Error),
}

impl Tls {
    /// Reads a certificate with its chain, and its key, both PEM.
    ///
    /// # Errors
    /// [`TlsFault`] names the file.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, TlsFault> {
        let files = (read(certificate)?, read(key)?);
        let config = config(certificate, key, &files)?;
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        Ok(Self(Arc::new(Inner { certificate, key, state: RwLock::new(State { config, files }) })))
    }

    /// Reads the files again; `true` when there is something new in them. Files that cannot be used change nothing.
    ///
    /// # Errors
    /// [`TlsFault`] names the file; connections are still accepted with what was read before.
    pub fn reload(&self) -> Result<bool, TlsFault> {
        let files = (read(&self.0.certificate)?, read(&self.0.key)?);
        if self.0.state.read().files == files {
            return Ok(false);
        }
        let config = config(&self.0.certificate, &self.0.key, &files)?;
        *self.0.state.write() = State { config, files };
        Ok(true)
    }

    /// Shakes hands; `None` when the peer takes too long or does not speak TLS.
    pub(super) async fn accept(&self, stream: TcpStream, patience: Duration) -> Option<TlsStream<TcpStream>> {
        let config = Arc::clone(&self.0.state.read().config);
        tokio::time::timeout(patience, TlsAcceptor::from(config).accept(stream)).await.ok()?.ok()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsFault> {
    fs::read(path).map_err(|source| TlsFault::Unreadable { path: path.to_owned(), source })
}

fn config(certificate: &Path, key: &Path, files: &(Vec<u8>, Vec<u8>)) -> Result<Arc<ServerConfig>, TlsFault> {
    let empty = |path: &Path, what| TlsFault::Empty { path: path.to_owned(), what };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&files.0).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| empty(certificate, "certificate"))?;
    let private = PrivateKeyDer::from_pem_slice(&files.1).map_err(|_| empty(key, "private key"))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(TlsFault::Unusable)?.with_no_client_auth();
    let mut config = builder.with_single_cert(chain, private).map_err(TlsFault::Unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        router_service,
        server::{Limits, serve_tls},
    };
    use axum::{Router, routing::get};
    use std::time::Instant;
    use tokio::{io::AsyncReadExt as _, net::TcpListener};

    /// A certificate of its own for `localhost`, written beside its key; answers with the certificate.
    fn certify(folder: &Path) -> Vec<u8> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        fs::write(folder.join("certificate.pem"), made.cert.pem()).unwrap();
        made.cert.der().to_vec()
    }

    /// A request of somebody who trusts that certificate alone.
    async fn ask(port: u16, trusted: &[u8], has_http2: bool) -> Option<http::Version> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from(trusted.to_vec())).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder =
            rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = if has_http2 { vec![b"h2".to_vec()] } else { vec![b"http/1.1".to_vec()] };
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = connector.connect("localhost".try_into().unwrap(), stream).await.ok()?;
        let io = hyper_util::rt::TokioIo::new(stream);
        let request = http::Request::get("https://localhost/").header("host", "localhost");
        let request = request.body(axum::body::Body::empty()).unwrap();
        if has_http2 {
            let executor = hyper_util::rt::TokioExecutor::new();
            let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
            tokio::spawn(connection);
            Some(sender.send_request(request).await.unwrap().version())
        } else {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            let (mut parts, body) = request.into_parts();
            parts.uri = "/".parse().unwrap();
            Some(sender.send_request(http::Request::from_parts(parts, body)).await.unwrap().version())
        }
    }

    #[tokio::test]
    async fn a_port_speaks_tls_and_takes_a_renewed_certificate_without_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let first = certify(folder.path());
        let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
        let tls = Tls::from_files(&certificate, &key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = router_service(Router::new().route("/", get(async || "here")));
        let limits = Limits { handshake: Duration::from_millis(300), ..Limits::default() };
        tokio::spawn(serve_tls(listener, tls.clone(), router, limits, std::future::pending()));
        assert_eq!(ask(port, &first, false).await, Some(http::Version::HTTP_11));
        assert_eq!(ask(port, &first, true).await, Some(http::Version::HTTP_2));

        let second = certify(folder.path());
        assert!(ask(port, &second, true).await.is_none(), "not read yet");
        assert!(tls.reload().unwrap());
        assert_eq!(ask(port, &second, true).await, Some(http::Version::HTTP_2));
        assert!(!tls.reload().unwrap(), "nothing new");
        fs::write(&key, "no key").unwrap();
        assert!(matches!(tls.reload(), Err(TlsFault::Empty { .. })));
        assert_eq!(ask(port, &second, true).await, Some(http::Version::HTTP_2), "what was good stays");

        // S-131: who says nothing is not waited for.
        let begun = Instant::now();
        let mut silent = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let _ = silent.read(&mut [0; 1]).await;
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}
