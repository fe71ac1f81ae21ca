//! The master key, and values sealed with it: what must be stored and read back, such as private keys, is encrypted
//! and bound to its place. A sealed value names its key, so a master key can be replaced while old values stay
//! readable.

use crate::base64url;
use aws_lc_rs::{aead, hkdf, rand};
use prokura_domain::{Entropy, EntropyUnavailable};
use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};
use thiserror::Error;
use zeroize::Zeroizing;

const KEY_BYTES: usize = 32;
const VERSION: &str = "v1";

/// A value could not be sealed or opened.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SealError {
    /// The text is not a sealed value.
    #[error("not a sealed value")]
    Malformed,
    /// It was sealed with a key that is not configured.
    #[error("sealed with the unknown master key \"{0}\"")]
    UnknownKey(String),
    /// It was changed, or sealed for another place.
    #[error("the sealed value was changed or belongs elsewhere")]
    Forged,
    /// The operating system gave no randomness.
    #[error("no randomness from the operating system")]
    Entropy,
}

/// A master key could not be had.
#[derive(Debug, Error)]
pub enum MasterKeyError {
    /// The text is no key.
    #[error("a master key is 32 bytes in base64")]
    Malformed,
    /// The operating system gave no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyUnavailable),
    /// Others may read the file.
    #[error("the master key file {path} may be read by others (mode {mode:03o}); run: chmod 600 {path}")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds no key.
    #[error("the file {0} holds no master key: it should be 32 bytes in base64")]
    MalformedFile(PathBuf),
    /// The file could not be read or written.
    #[error("cannot read or create the master key file {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The key everything stored secretly hangs on. Cloning shares it.
#[derive(Clone)]
pub struct MasterKey(Arc<Inner>);

struct Inner {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    id: String,
    sealing: aead::LessSafeKey,
    previous: Vec<MasterKey>,
}

impl MasterKey {
    /// The key with these bytes.
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self::new(Zeroizing::new(bytes), Vec::new())
    }

    /// Reads a key in base64, in the standard or the URL-safe alphabet, with or without padding.
    pub fn from_base64(text: &str) -> Result<Self, MasterKeyError> {
        let mut spelled = Zeroizing::new(text.trim().trim_end_matches('=').to_owned());
        if spelled.contains(['+', '/']) {
            *spelled = spelled.replace('+', "-").replace('/', "_");
        }
        let decoded = Zeroizing::new(base64url::decode(&spelled).ok_or(MasterKeyError::Malformed)?);
        let bytes = <[u8; KEY_BYTES]>::try_from(decoded.as_slice()).map_err(|_| MasterKeyError::Malformed)?;
        Ok(Self::from_bytes(bytes))
    }

    /// Draws a new key.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, EntropyUnavailable> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        entropy.fill(bytes.as_mut())?;
        Ok(Self::new(bytes, Vec::new()))
    }

    /// Reads the key file at `path`, or creates it, readable by its owner alone. When two processes create it at the
    /// same time, both end up with the same key.
    pub fn load_or_create(path: &Path, entropy: &dyn Entropy) -> Result<Self, MasterKeyError> {
        let failed = |source| MasterKeyError::File { path: path.to_owned(), source };
        match File::open(path) {
            Ok(file) => Self::load(path, file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Self::generate(entropy)?.create_file(path).map_err(failed)?;
                Self::load(path, File::open(path).map_err(failed)?)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// This key for sealing, and `previous` ones for opening what was sealed before.
    #[must_use]
    pub fn with_previous(self, previous: Vec<Self>) -> Self {
        Self::new(self.0.bytes.clone(), previous)
    }

    /// The name of this key, as sealed values carry it. It says nothing about the key.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Encrypts `plaintext` for the place `aad` names, such as a table, a tenant and a row; only the same place can
    /// open it. Good for 2^32 values per key.
    pub fn seal(&self, aad: &[&str], plaintext: &[u8]) -> Result<String, SealError> {
        let mut nonce = [0; aead::NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| SealError::Entropy)?;
        let mut sealed = Vec::with_capacity(nonce.len() + plaintext.len() + aead::MAX_TAG_LEN);
        sealed.extend_from_slice(&nonce);
        let mut body = plaintext.to_vec();
        let nonce = aead::Nonce::assume_unique_for_key(nonce);
        self.0
            .sealing
            .seal_in_place_append_tag(nonce, aead::Aad::from(flatten(aad)), &mut body)
            .map_err(|_| SealError::Entropy)?;
        sealed.append(&mut body);
        Ok(format!("{VERSION}.{}.{}", self.0.id, base64url::encode(sealed)))
    }

    /// Decrypts what [`seal`](Self::seal) made for the same place, with this key or a previous one.
    pub fn open(&self, aad: &[&str], sealed: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let mut parts = sealed.split('.');
        let (Some(VERSION), Some(id), Some(body), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(SealError::Malformed);
        };
        let key = std::iter::once(self)
            .chain(&self.0.previous)
            .find(|key| key.0.id == id)
            .ok_or_else(|| SealError::UnknownKey(id.chars().take(16).collect()))?;
        let bytes = base64url::decode(body).ok_or(SealError::Malformed)?;
        let (nonce, ciphertext) = bytes.split_at_checked(aead::NONCE_LEN).ok_or(SealError::Malformed)?;
        let nonce = aead::Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Malformed)?;
        let mut plaintext = Zeroizing::new(ciphertext.to_vec());
        let length = key
            .0
            .sealing
            .open_in_place(nonce, aead::Aad::from(flatten(aad)), &mut plaintext)
            .map_err(|_| SealError::Forged)?
            .len();
        plaintext.truncate(length);
        Ok(plaintext)
    }

    /// A key for another purpose: always the same for a `label`, unrelated to those of other labels (RFC 5869).
    pub fn derive(&self, label: &str) -> [u8; KEY_BYTES] {
        expand(&self.0.bytes, "prokura derive v1", label)
    }

    fn new(bytes: Zeroizing<[u8; KEY_BYTES]>, previous: Vec<Self>) -> Self {
        let id = expand(&bytes, "prokura key id v1", "");
        let id = base64url::encode(id.first_chunk::<6>().expect("32 bytes have a first six"));
        let sealing = Zeroizing::new(expand(&bytes, "prokura seal v1", ""));
        let sealing = aead::UnboundKey::new(&aead::AES_256_GCM, sealing.as_ref()).expect("AES-256 takes 32 bytes");
        Self(Arc::new(Inner { bytes, id, sealing: aead::LessSafeKey::new(sealing), previous }))
    }

    /// Writes the key beside `path` first and then links it there: a reader never sees half a key, and a link to a
    /// name that exists fails instead of replacing another process's key.
    fn create_file(&self, path: &Path) -> io::Result<()> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}.new", self.0.id));
        let beside = PathBuf::from(beside);
        let written = write_private(&beside, &base64url::encode(self.0.bytes.as_ref()));
        let linked = written.and_then(|()| match fs::hard_link(&beside, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        });
        fs::remove_file(&beside).ok();
        linked?;
        sync_directory(path)
    }

    fn load(path: &Path, file: File) -> Result<Self, MasterKeyError> {
        let failed = |source| MasterKeyError::File { path: path.to_owned(), source };
        let mode = permission_bits(&file.metadata().map_err(failed)?);
        if mode & 0o077 != 0 {
            return Err(MasterKeyError::Exposed { path: path.to_owned(), mode });
        }
        let mut text = Zeroizing::new(String::with_capacity(128));
        file.take(128).read_to_string(&mut text).map_err(failed)?;
        Self::from_base64(&text).map_err(|_| MasterKeyError::MalformedFile(path.to_owned()))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.0.id)
    }
}

/// HKDF-SHA256 of a master key, for one `purpose` of ours and one `label` of the caller.
fn expand(bytes: &[u8; KEY_BYTES], purpose: &str, label: &str) -> [u8; KEY_BYTES] {
    let mut out = [0; KEY_BYTES];
    hkdf::Salt::new(hkdf::HKDF_SHA256, purpose.as_bytes())
        .extract(bytes)
        .expand(&[label.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut out))
        .expect("32 bytes are one block of HKDF-SHA256");
    out
}

/// One byte string for several parts; no two lists of parts give the same.
fn flatten(parts: &[&str]) -> Vec<u8> {
    let mut flat = VERSION.as_bytes().to_vec();
    for part in parts {
        flat.extend_from_slice(&(part.len() as u64).to_be_bytes());
        flat.extend_from_slice(part.as_bytes());
    }
    flat
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

/// Makes the name of a new file last through a power cut.
fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if cfg!(unix) { File::open(parent)?.sync_all() } else { Ok(()) }
}

#[cfg(unix)]
fn permission_bits(metadata: &fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::mode(metadata) & 0o777
}

/// Elsewhere access lists of the directory decide.
#[cfg(not(unix))]
fn permission_bits(_: &fs::Metadata) -> u32 {
    0
}

#[cfg(test)]
mod tests;
