//! What the data directory itself keeps of the settings: the instance secret.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::config::secret::Secret;

const NAME: &str = "instance-secret";
const BYTES: usize = 32;

/// Returns the secret kept in `directory`, and makes it at first. The caller holds the lock.
pub fn instance_secret(directory: &Path) -> io::Result<Secret> {
    let path = directory.join(NAME);
    match fs::read(&path) {
        Ok(bytes) if bytes.len() < BYTES => Err(io::Error::new(
            ErrorKind::InvalidData,
            format!("{} is shorter than {BYTES} bytes; restore it from a backup", path.display()),
        )),
        Ok(bytes) => {
            let open_to_others = fs::metadata(&path)?.permissions().mode() & 0o077 != 0;
            if open_to_others {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            }
            Ok(Secret::new(bytes))
        }
        Err(missing) if missing.kind() == ErrorKind::NotFound => make(directory, &path),
        Err(error) => Err(error),
    }
}

/// Written beside, synced and renamed: a power cut leaves the whole secret or none.
fn make(directory: &Path, path: &Path) -> io::Result<Secret> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    let secret = Secret::new(hex(&bytes));
    let beside = directory.join("instance-secret.tmp");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(secret.expose())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    File::open(directory)?.sync_all()?;
    Ok(secret)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_once_and_for_the_owner_only() {
        let directory = tempfile::tempdir().unwrap();

        let first = instance_secret(directory.path()).unwrap();
        let second = instance_secret(directory.path()).unwrap();

        assert_eq!(first, second);
        assert_eq!(first.len(), 64);
        let mode = fs::metadata(directory.path().join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_torn_one_is_refused_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(NAME), "short").unwrap();

        let refused = instance_secret(directory.path()).unwrap_err();

        assert!(refused.to_string().contains("restore it from a backup"), "{refused}");
    }
}
