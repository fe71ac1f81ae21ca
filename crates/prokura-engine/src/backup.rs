//! Backup of the embedded database, and the epoch a restore of either database begins (S-145, S-146). The copy is taken
//! by the database itself, so it is whole whatever goes on meanwhile, and sealed in pieces with the master key. Whatever
//! was handed out before a restore is not good any more, so a backup cannot raise what was revoked since.

use crate::{
    Actor, Engine, Error, Fault, Origin, Tenant,
    audit::Entry,
    store::{DatabaseConfig, StoreError, copy},
};
use prokura_jose::MasterKey;
use std::{
    fs::{File, OpenOptions, TryLockError, remove_file},
    io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// The first line of a backup.
const HEADER: &str = "prokura backup 1";
/// Bytes of the database under one seal.
const PIECE: usize = 1 << 20;

/// Writes a sealed copy of the embedded database to `file`, which must not exist, and returns the size of the copied
/// database in bytes. A node may be running on it, and goes on.
///
/// # Errors
/// A fault: no database there, another backup under way, a file that cannot be written. On PostgreSQL always, with the
/// tool to take instead.
pub async fn back_up(database: &DatabaseConfig, master_key: &MasterKey, file: &Path) -> Result<u64, Error> {
    let DatabaseConfig::Sqlite { path, .. } = database else {
        copy(database, file).await?;
        return Ok(0);
    };
    // What is not sealed yet stays beside the database it is a copy of, and never lies where backups are kept.
    let plain = PlainCopy::begin(path).map_err(StoreError::unavailable)?;
    copy(database, &plain.path).await?;
    let (master_key, to) = (master_key.clone(), file.to_owned());
    let sealed = tokio::task::spawn_blocking(move || seal(&master_key, &plain.path, &to)).await;
    Ok(sealed.map_err(|_| Fault::Worker)?.map_err(StoreError::unavailable)?)
}

/// The copy before it is sealed, gone with this value. One at a time: the lock is let go of however the process ends,
/// and who comes next removes what was left.
struct PlainCopy {
    path: PathBuf,
    _lock: File,
}

impl PlainCopy {
    fn begin(database: &Path) -> io::Result<Self> {
        let beside = |suffix: &str| {
            let mut name = database.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(beside(".copy-lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::other("another backup of this database is under way"),
            TryLockError::Error(error) => error,
        })?;
        let path = beside(".copy");
        if path.exists() {
            remove_file(&path)?;
        }
        Ok(Self { path, _lock: lock })
    }
}

impl Drop for PlainCopy {
    fn drop(&mut self) {
        let _ = remove_file(&self.path);
    }
}

impl Engine {
    /// The number of the newest migration.
    ///
    /// # Errors
    /// Only faults.
    pub async fn schema_version(&self) -> Result<i64, Error> {
        Ok(self.store.read().await?.schema_version().await?)
    }

    /// After a restore, by whatever tool: ends every session, refresh token, one-time link and signing key from before it.
    /// Returns the sessions ended. Done again after it was interrupted, it goes on.
    ///
    /// # Errors
    /// Only faults.
    pub async fn begin_restored_epoch(&self) -> Result<u64, Error> {
        let now = self.clock.now();
        let origin = Origin::local("restore");
        self.load_tenants().await?;
        let mut ended = 0;
        for tenant in self.loaded_tenants() {
            let mut tx = self.store.write().await?;
            self.tell_all_clients(&mut tx, &tenant, now).await?;
            ended += tx.end_everything(&tenant.id, now).await?;
            let entry = Entry::new(&Actor::System, "installation.restore", "tenant", tenant.id.as_str());
            self.audit(&mut tx, &tenant.id, &origin, entry, now).await?;
            tx.commit().await?;
            self.replace_keys(&tenant, &origin).await?;
        }
        Ok(ended)
    }
}

impl Engine {
    /// No key from before signs or verifies any more: neither the active one, nor those that were retired since or were
    /// still to come when the backup was made.
    async fn replace_keys(&self, tenant: &Tenant, origin: &Origin) -> Result<(), Error> {
        let keys = self.keys(tenant).await?;
        let of = |state: &'static str| keys.iter().filter(move |key| key.state == state && key.algorithm != "HS256");
        for key in of("next").chain(of("retired")).chain(of("active")) {
            self.retire_key(tenant, &key.kid, true, &Actor::System, origin).await?;
        }
        Ok(())
    }
}

/// Opens a backup into the plain database file `to`.
///
/// # Errors
/// A file that is no backup, was altered or cut, or was sealed with another key.
pub fn open_backup(master_key: &MasterKey, from: &Path, to: &Path) -> io::Result<u64> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut lines = BufReader::new(File::open(from)?).lines();
    if lines.next().transpose()?.as_deref() != Some(HEADER) {
        return Err(wrong("this is no backup"));
    }
    let mut out = BufWriter::new(File::create_new(to)?);
    let (mut written, mut number, mut is_whole) = (0, 0_u64, false);
    for line in lines {
        let line = line?;
        let (mark, sealed) = line.split_once(' ').ok_or_else(|| wrong("the backup was altered"))?;
        if is_whole {
            return Err(wrong("the backup goes on after its end"));
        }
        let piece = master_key
            .open(&["backup", &number.to_string(), mark], sealed)
            .map_err(|_| wrong("the backup was altered, or sealed with another master key"))?;
        out.write_all(&piece)?;
        written += piece.len() as u64;
        number += 1;
        is_whole = mark == "last";
    }
    if !is_whole {
        return Err(wrong("the backup was cut short"));
    }
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(written)
}

/// Seals `from` piece by piece into the new file `to`. When that fails, nothing is left of it.
fn seal(master_key: &MasterKey, from: &Path, to: &Path) -> io::Result<u64> {
    let from = File::open(from)?;
    let out = OpenOptions::new().create_new(true).write(true).mode(0o600).open(to)?;
    seal_into(master_key, from, out).inspect_err(|_| {
        let _ = remove_file(to);
    })
}

fn seal_into(master_key: &MasterKey, mut from: File, out: File) -> io::Result<u64> {
    let mut out = BufWriter::new(out);
    writeln!(out, "{HEADER}")?;
    let mut read = |piece: &mut Vec<u8>| {
        piece.clear();
        io::Read::by_ref(&mut from).take(PIECE as u64).read_to_end(piece)
    };
    let (mut piece, mut next) = (Vec::new(), Vec::new());
    let (mut written, mut number) = (0, 0_u64);
    read(&mut piece)?;
    loop {
        read(&mut next)?;
        let mark = if next.is_empty() { "last" } else { "more" };
        let sealed = master_key.seal(&["backup", &number.to_string(), mark], &piece).map_err(io::Error::other)?;
        writeln!(out, "{mark} {sealed}")?;
        written += piece.len() as u64;
        number += 1;
        if next.is_empty() {
            break;
        }
        std::mem::swap(&mut piece, &mut next);
    }
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s145_a_backup_that_was_touched_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let (plain, sealed) = (folder.path().join("plain"), folder.path().join("sealed"));
        let bytes: Vec<u8> = (0..(2 * PIECE + 17)).map(|n| u8::try_from(n % 251).unwrap()).collect();
        std::fs::write(&plain, &bytes).unwrap();
        let key = MasterKey::from_bytes([1; 32]);
        seal(&key, &plain, &sealed).unwrap();
        let opened = folder.path().join("opened");
        assert_eq!(open_backup(&key, &sealed, &opened).unwrap(), bytes.len() as u64);
        assert_eq!(std::fs::read(&opened).unwrap(), bytes);

        let text = std::fs::read_to_string(&sealed).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let swapped = [lines[0], lines[2], lines[1], lines[3]].join("\n");
        let cut = lines[..3].join("\n");
        let renamed = cut.replacen("\nmore", "\nlast", 1);
        for (name, altered) in [("swapped", swapped), ("cut", cut), ("renamed", renamed), ("other", "x".to_owned())] {
            let file = folder.path().join(name);
            std::fs::write(&file, altered).unwrap();
            assert!(open_backup(&key, &file, &folder.path().join(format!("{name}.out"))).is_err(), "{name}");
        }
        let other = MasterKey::from_bytes([2; 32]);
        assert!(open_backup(&other, &sealed, &folder.path().join("other.out2")).is_err());
    }
}
