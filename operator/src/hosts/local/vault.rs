//! The key file of a folder: encryption of values at rest, and the key of all digests.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hmac,
};
use forkable_core::{DigestKey, Secret};

/// Bytes of a key.
const KEY_LEN: usize = 32;

/// The keys of one folder. The file has one key per line, in hex: the first encrypts, the others still decrypt, and
/// the last, which is the oldest, is the one that digests derive from. To rotate, put a new line on top.
pub(super) struct Vault {
    keys: Vec<Key>,
}

struct Key {
    id: String,
    bytes: [u8; KEY_LEN],
}

/// A value that can lie on disk.
pub(super) struct Sealed {
    pub(super) key_id: String,
    pub(super) nonce: Vec<u8>,
    pub(super) bytes: Vec<u8>,
}

/// The key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("{}", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// Generated values could never be read again, and would be made anew everywhere.
    #[error("{} is missing, but values are stored that only it can decrypt: restore it from a backup", path.display())]
    Lost { path: PathBuf },
    #[error("{}: line {line} is not a key of 64 hex digits: restore the file from a backup", path.display())]
    Broken { path: PathBuf, line: usize },
}

/// A stored value that cannot be decrypted.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnsealError {
    #[error("it was encrypted with the key {0}, which is not in the key file")]
    UnknownKey(String),
    #[error("it was changed, or belongs to another record")]
    Tampered,
}

impl Vault {
    /// Reads the key file, or makes it if `may_create`.
    pub(super) fn open(path: &Path, may_create: bool) -> Result<Self, KeyError> {
        let io_error = |source| KeyError::Io { path: path.to_owned(), source };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && may_create => create(path).map_err(io_error)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(KeyError::Lost { path: path.to_owned() });
            }
            Err(error) => return Err(io_error(error)),
        };
        restrict(path).map_err(io_error)?;
        let broken = |line| KeyError::Broken { path: path.to_owned(), line };
        let mut keys = Vec::new();
        for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let mut bytes = [0; KEY_LEN];
            hex::decode_to_slice(line.trim(), &mut bytes).map_err(|_| broken(i + 1))?;
            let id = hex::encode(&tag(&bytes, "key id")[..8]);
            keys.push(Key { id, bytes });
        }
        if keys.is_empty() { Err(broken(1)) } else { Ok(Self { keys }) }
    }

    /// Encrypts with a fresh nonce; only the same `identity` opens it again.
    pub(super) fn seal(&self, identity: &str, value: &Secret) -> Sealed {
        let key = &self.keys[0];
        let mut bytes = value.expose().as_bytes().to_vec();
        let nonce = cipher(key)
            .seal_in_place_append_tag(Aad::from(identity.as_bytes()), &mut bytes)
            .expect("a value is shorter than 64 GiB and the system has random numbers");
        Sealed { key_id: key.id.clone(), nonce: nonce.as_ref().to_vec(), bytes }
    }

    pub(super) fn unseal(&self, identity: &str, sealed: &Sealed) -> Result<Secret, UnsealError> {
        let key = self.keys.iter().find(|key| key.id == sealed.key_id);
        let key = key.ok_or_else(|| UnsealError::UnknownKey(sealed.key_id.clone()))?;
        let nonce: [u8; NONCE_LEN] = sealed.nonce[..].try_into().map_err(|_| UnsealError::Tampered)?;
        let mut bytes = sealed.bytes.clone();
        let plain = cipher(key)
            .open_in_place(Nonce::from(&nonce), Aad::from(identity.as_bytes()), &mut bytes)
            .map_err(|_| UnsealError::Tampered)?;
        std::str::from_utf8(plain).map(Secret::new).map_err(|_| UnsealError::Tampered)
    }

    /// The key of all digests: it stays the same when the encrypting key is rotated.
    pub(super) fn digest_key(&self) -> DigestKey {
        let oldest = self.keys.last().expect("a vault has at least one key");
        DigestKey::new(Secret::new(hex::encode(tag(&oldest.bytes, "digests"))))
    }
}

fn cipher(key: &Key) -> RandomizedNonceKey {
    RandomizedNonceKey::new(&AES_256_GCM, &key.bytes).expect("the key has the length that the cipher takes")
}

/// A value derived from a key for one purpose.
fn tag(key: &[u8], purpose: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, format!("forkable {purpose} v1").as_bytes()).as_ref().to_vec()
}

/// Writes a new key; the file is there whole or not at all.
fn create(path: &Path) -> io::Result<String> {
    let mut bytes = [0; KEY_LEN];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| io::Error::other("no random numbers"))?;
    let text = format!("{}\n", hex::encode(bytes));
    let draft = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(draft, path)?;
    Ok(text)
}

/// Takes the file away from everybody but its owner.
fn restrict(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary folder")
    }

    #[test]
    fn a_value_opens_only_with_its_key_and_identity() {
        let dir = folder();
        let vault = Vault::open(&dir.path().join("key"), true).expect("made");
        let sealed = vault.seal("generated/default/acme/TOKEN", &Secret::new("hunter2"));
        assert_eq!(vault.unseal("generated/default/acme/TOKEN", &sealed).expect("ours").expose(), "hunter2");
        assert!(matches!(vault.unseal("generated/default/other/TOKEN", &sealed), Err(UnsealError::Tampered)));
        let other = Vault::open(&dir.path().join("other"), true).expect("made");
        assert!(matches!(other.unseal("generated/default/acme/TOKEN", &sealed), Err(UnsealError::UnknownKey(_))));
        let again = vault.seal("generated/default/acme/TOKEN", &Secret::new("hunter2"));
        assert_ne!(again.nonce, sealed.nonce);
        assert_ne!(again.bytes, sealed.bytes);
    }

    #[test]
    fn a_rotated_key_file_still_opens_old_values_and_keeps_the_digests() {
        let dir = folder();
        let path = dir.path().join("key");
        let vault = Vault::open(&path, true).expect("made");
        let sealed = vault.seal("a", &Secret::new("v"));
        let digest = vault.digest_key().digest("c", "v");
        let old = fs::read_to_string(&path).expect("readable");
        fs::write(&path, format!("{}\n{old}", "ab".repeat(KEY_LEN))).expect("writable");
        let rotated = Vault::open(&path, false).expect("two keys");
        assert_eq!(rotated.unseal("a", &sealed).expect("the old key is there").expose(), "v");
        assert_ne!(rotated.seal("a", &Secret::new("v")).key_id, sealed.key_id);
        assert_eq!(rotated.digest_key().digest("c", "v"), digest);
    }

    #[test]
    fn a_missing_or_broken_key_file_is_never_replaced() {
        let dir = folder();
        let path = dir.path().join("key");
        assert!(matches!(Vault::open(&path, false), Err(KeyError::Lost { .. })));
        fs::write(&path, "").expect("writable");
        assert!(matches!(Vault::open(&path, true), Err(KeyError::Broken { line: 1, .. })));
        fs::write(&path, format!("{}\nnot a key\n", "ab".repeat(KEY_LEN))).expect("writable");
        assert!(matches!(Vault::open(&path, true), Err(KeyError::Broken { line: 2, .. })));
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_key() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = folder();
        let path = dir.path().join("key");
        let mode = || fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        Vault::open(&path, true).expect("made");
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("ours");
        Vault::open(&path, true).expect("there");
        assert_eq!(mode(), 0o600);
    }
}
