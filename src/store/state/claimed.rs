//! How far the state is, told beside sled: whoever is about to set a state aside can then see that
//! base and journal reach as far, whatever became of sled's files.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::store::state::Applied;

const NAME: &str = "CLAIMED";
const BYTES: usize = 36;

pub fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600).open(path.join(NAME))
}

pub fn encode(applied: &Applied) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes[..8].copy_from_slice(&applied.seq.to_le_bytes());
    bytes[8..24].copy_from_slice(&applied.gid);
    bytes[24..32].copy_from_slice(&applied.stamp.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..32]);
    bytes[32..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// `None` if nothing was claimed, or nobody can tell.
pub fn read(path: &Path) -> Option<Applied> {
    let found: [u8; BYTES] = fs::read(path.join(NAME)).ok()?.try_into().ok()?;
    let number = |at: usize| found[at..at + 8].try_into().map(u64::from_le_bytes).ok();
    let gid = found[8..24].try_into().ok()?;
    let applied = Applied { seq: number(0)?, gid, stamp: number(24)? };
    (encode(&applied) == found).then_some(applied)
}
