//! TLS to PostgreSQL with the words of libpq: `sslmode` and `sslrootcert` in the URL.
//!
//! Only `verify-full` shows who is at the other end; `require` keeps listeners out, but not who stands in between.

use super::super::{StoreError, error::Reason};
use percent_encoding::percent_decode_str;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};
use std::{
    io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::{
    Socket,
    config::SslMode,
    tls::{ChannelBinding, MakeTlsConnect, TlsConnect},
};
use tokio_rustls::TlsConnector;

/// What the URL asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    mode: Mode,
    root: Option<PathBuf>,
}

/// The values of `sslmode` (PostgreSQL manual, table 32.1; `allow` is left out, as no one should want it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// Takes `sslmode` and `sslrootcert` out of a URL; the rest is for the driver.
///
/// # Errors
/// A mode nobody knows.
pub(super) fn split(url: &str) -> Result<(String, Wanted), StoreError> {
    // A password may hold a question mark; it ends at the first `@`.
    let host = url.find('@').map_or(0, |at| at + 1);
    let mut wanted = Wanted { mode: Mode::Prefer, root: None };
    let Some((mut begin, query)) = url.get(host..).and_then(|rest| rest.split_once('?')).map(|(before, query)| {
        let end = host + before.len();
        (url.get(..end).unwrap_or_default().to_owned(), query)
    }) else {
        return Ok((url.to_owned(), wanted));
    };
    let mut mark = '?';
    for parameter in query.split('&') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = percent_decode_str(value).decode_utf8_lossy();
        match name {
            "sslmode" => wanted.mode = mode(&value)?,
            "sslrootcert" => wanted.root = (value != "system").then(|| PathBuf::from(value.as_ref())),
            _ => {
                begin.push(mark);
                begin.push_str(parameter);
                mark = '&';
            }
        }
    }
    Ok((begin, wanted))
}

fn mode(text: &str) -> Result<Mode, StoreError> {
    Ok(match text {
        "disable" => Mode::Disable,
        "prefer" => Mode::Prefer,
        "require" => Mode::Require,
        "verify-ca" => Mode::VerifyCa,
        "verify-full" => Mode::VerifyFull,
        _ => {
            return Err(StoreError::misuse(
                "sslmode in the database URL must be disable, prefer, require, verify-ca or verify-full",
            ));
        }
    })
}

impl Wanted {
    /// What the driver decides by: whether to encrypt, not whom to believe.
    pub(super) fn ssl_mode(&self) -> SslMode {
        match self.mode {
            Mode::Disable => SslMode::Disable,
            Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
        }
    }

    /// How to make connections.
    ///
    /// # Errors
    /// A file of roots that cannot be read or holds none.
    pub(super) fn connector(&self) -> Result<Tls, StoreError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(StoreError::other)?;
        let checks_chain = self.root.is_some() || matches!(self.mode, Mode::VerifyCa | Mode::VerifyFull);
        let mut config = if self.mode == Mode::VerifyFull {
            builder.with_root_certificates(roots(self.root.as_deref())?).with_no_client_auth()
        } else {
            let chain = if checks_chain && self.mode != Mode::Disable {
                let roots = Arc::new(roots(self.root.as_deref())?);
                let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
                Some(verifier.map_err(StoreError::other)?)
            } else {
                None
            };
            let verifier = Arc::new(AnyName { chain, provider });
            builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
        };
        // For `sslnegotiation=direct`; whoever does not know it takes no notice.
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(Tls { config: Arc::new(config) })
    }
}

/// The roots in `file`, or those of the operating system.
fn roots(file: Option<&Path>) -> Result<RootCertStore, StoreError> {
    let mut store = RootCertStore::empty();
    let wrong = |what: String| StoreError::misuse(format!("sslrootcert in the database URL: {what}"));
    if let Some(file) = file {
        let unreadable = |error: &dyn std::fmt::Display| wrong(format!("{}: {error}", file.display()));
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| unreadable(&error))? {
            let certificate = certificate.map_err(|error| unreadable(&error))?;
            store.add(certificate).map_err(|error| unreadable(&error))?;
        }
        if store.is_empty() {
            return Err(wrong(format!("{} holds no certificate in PEM", file.display())));
        }
    } else {
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if store.is_empty() {
            return Err(wrong("this machine trusts no certificates of its own, so name a file".to_owned()));
        }
    }
    Ok(store)
}

/// Checks the chain where there are roots, and the name nowhere (`prefer`, `require`, `verify-ca`).
#[derive(Debug)]
struct AnyName {
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        // The name is what it looks at last.
        match chain.verify_server_cert(certificate, intermediates, name, stapled, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Makes connections. Clones share everything.
#[derive(Clone)]
pub(super) struct Tls {
    config: Arc<ClientConfig>,
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Encrypted;
    type TlsConnect = Handshake;
    type Error = StoreError;

    fn make_tls_connect(&mut self, host: &str) -> Result<Handshake, StoreError> {
        // Asked for even where nothing is encrypted, as with a socket in the file system.
        let name = ServerName::try_from(host.to_owned()).ok();
        Ok(Handshake { connector: TlsConnector::from(Arc::clone(&self.config)), name })
    }
}

/// One handshake to come.
pub(super) struct Handshake {
    connector: TlsConnector,
    name: Option<ServerName<'static>>,
}

impl TlsConnect<Socket> for Handshake {
    type Stream = Encrypted;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let name = self.name.ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidInput, Reason("the host is no name for a certificate".to_owned()))
            })?;
            self.connector.connect(name, socket).await.map(Encrypted)
        })
    }
}

/// An encrypted connection.
pub(super) struct Encrypted(tokio_rustls::client::TlsStream<Socket>);

impl tokio_postgres::tls::TlsStream for Encrypted {
    /// None: who was verified in full needs no second proof from the password.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_parameters_are_taken_out() {
        let whole = |mode| Wanted { mode, root: None };
        for (url, rest, wanted) in [
            ("postgresql://h/d", "postgresql://h/d", whole(Mode::Prefer)),
            ("postgresql://h/d?sslmode=disable", "postgresql://h/d", whole(Mode::Disable)),
            (
                "postgresql://u:p?sslmode=no@h/d?a=b&sslmode=require&c=d",
                "postgresql://u:p?sslmode=no@h/d?a=b&c=d",
                whole(Mode::Require),
            ),
            ("postgresql://h/d?sslmode=verify-full&sslrootcert=system", "postgresql://h/d", whole(Mode::VerifyFull)),
            (
                "postgresql://h,i/d?sslrootcert=%2Fetc%2Fca%201.pem&sslmode=verify-ca&target_session_attrs=read-write",
                "postgresql://h,i/d?target_session_attrs=read-write",
                Wanted { mode: Mode::VerifyCa, root: Some(PathBuf::from("/etc/ca 1.pem")) },
            ),
        ] {
            assert_eq!(split(url).unwrap(), (rest.to_owned(), wanted), "{url}");
        }
        assert!(split("postgresql://h/d?sslmode=allow").is_err());
    }
}
