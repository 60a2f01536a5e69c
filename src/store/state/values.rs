//! A tree of sled's with values of any length: large ones are cut into pieces.

use std::io;

use bytes::Bytes;
use sled::{IVec, Tree};

use crate::store::Error;
use crate::store::Order;
use crate::store::Range;
use crate::store::Result;
use crate::store::layers::after;

/// What a key and its value may take together: sled has up to 16 in a node, and a node of more than
/// 128 KiB goes to a file that nobody syncs.
pub const PIECE: usize = 7_000;
/// A value that begins so stands for pieces: what follows says how many bytes, and which pieces.
const HEAD: u8 = 0xff;
const HEAD_BYTES: usize = 17;
/// What the name of a piece has beyond its key.
const PIECE_NUMBERS: usize = 12;

/// Keys of several such trees may not be the same: their pieces lie in one tree.
pub struct Values {
    pub tree: Tree,
    pieces: Tree,
}

impl Values {
    pub fn new(tree: Tree, pieces: Tree) -> Self {
        Self { tree, pieces }
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        match self.tree.get(key).map_err(broken)? {
            Some(value) => self.whole(key, value),
            None => Ok(None),
        }
    }

    pub fn scan(&self, range: &Range, order: Order, limit: usize) -> Result<Vec<(Bytes, Bytes)>> {
        let Some(bounds) = range.bounds() else { return Ok(Vec::new()) };
        let mut found = Vec::with_capacity(limit.min(64));
        let mut entries = self.tree.range::<&[u8], _>(bounds);
        while found.len() < limit {
            let next = match order {
                Order::Forward => entries.next(),
                Order::Backward => entries.next_back(),
            };
            let Some(entry) = next else { break };
            let (key, value) = entry.map_err(broken)?;
            if let Some(value) = self.whole(&key, value)? {
                found.push((Bytes::copy_from_slice(&key), value));
            }
        }
        Ok(found)
    }

    /// Puts a value, or takes it away. Pieces are named by `position`: never the same for two values
    /// of a key.
    pub fn set(&self, key: &[u8], value: Option<&[u8]>, position: u64) -> Result<()> {
        let old = match value {
            Some(value) if key.len() + value.len() > PIECE || is_head(value) => {
                let head = self.cut(key, value, position)?;
                self.tree.insert(key, head)
            }
            Some(value) => self.tree.insert(key, value),
            None => self.tree.remove(key),
        };
        match old.map_err(broken)?.filter(|old| is_head(old)) {
            Some(old) => self.drop_pieces(key, &old, position),
            None => Ok(()),
        }
    }

    /// Writes the pieces of a large value, and returns what stands for them.
    fn cut(&self, key: &[u8], value: &[u8], position: u64) -> Result<Vec<u8>> {
        for (number, piece) in value.chunks(room(key)).enumerate() {
            let name = piece_name(key, position, number as u32);
            self.pieces.insert(name, piece).map_err(broken)?;
        }
        let mut head = Vec::with_capacity(HEAD_BYTES);
        head.push(HEAD);
        head.extend_from_slice(&(value.len() as u64).to_be_bytes());
        head.extend_from_slice(&position.to_be_bytes());
        Ok(head)
    }

    fn drop_pieces(&self, key: &[u8], head: &[u8], unless: u64) -> Result<()> {
        let (bytes, position) = read_head(key, head)?;
        if position == unless {
            return Ok(());
        }
        for number in 0..bytes.div_ceil(room(key)) {
            self.pieces.remove(piece_name(key, position, number as u32)).map_err(broken)?;
        }
        Ok(())
    }

    /// Puts a value that was cut together again; `None` if it was removed meanwhile.
    ///
    /// The applier may replace a value between the look at its head and the look at its pieces.
    /// Then what it put there counts: whoever may not see that has its own version in the window.
    pub fn whole(&self, key: &[u8], mut value: IVec) -> Result<Option<Bytes>> {
        while is_head(&value) {
            let (bytes, position) = read_head(key, &value)?;
            if let Some(whole) = self.pieces_of(key, bytes, position)? {
                return Ok(Some(whole));
            }
            let Some(now) = self.tree.get(key).map_err(broken)? else { return Ok(None) };
            if is_head(&now) && read_head(key, &now)?.1 == position {
                return Err(lost_piece(key));
            }
            value = now;
        }
        Ok(Some(Bytes::copy_from_slice(&value)))
    }

    fn pieces_of(&self, key: &[u8], bytes: usize, position: u64) -> Result<Option<Bytes>> {
        let mut whole = Vec::with_capacity(bytes);
        for number in 0..bytes.div_ceil(room(key)) {
            let name = piece_name(key, position, number as u32);
            let Some(piece) = self.pieces.get(name).map_err(broken)? else { return Ok(None) };
            whole.extend_from_slice(&piece);
        }
        Ok((whole.len() == bytes).then(|| whole.into()))
    }

    fn owns(&self, key: &[u8], position: u64) -> Result<bool> {
        let owner = self.tree.get(key).map_err(broken)?;
        let Some(head) = owner.filter(|value| is_head(value)) else { return Ok(false) };
        Ok(read_head(key, &head)?.1 == position)
    }
}

/// Removes pieces that no value stands for: a crash between the two left them.
pub fn sweep(trees: [&Values; 2]) -> Result<usize> {
    let [values, _] = trees;
    let mut swept = 0;
    let mut from = Vec::new();
    while let Some((name, _)) =
        values.pieces.range(&from[..]..).next().transpose().map_err(broken)?
    {
        from = after(&name);
        let Some((key, position)) = split_piece_name(&name) else { continue };
        if !trees[0].owns(key, position)? && !trees[1].owns(key, position)? {
            values.pieces.remove(&name).map_err(broken)?;
            swept += 1;
        }
    }
    Ok(swept)
}

fn piece_name(key: &[u8], position: u64, number: u32) -> Vec<u8> {
    let mut name = Vec::with_capacity(key.len() + PIECE_NUMBERS);
    name.extend_from_slice(key);
    name.extend_from_slice(&position.to_be_bytes());
    name.extend_from_slice(&number.to_be_bytes());
    name
}

fn split_piece_name(name: &[u8]) -> Option<(&[u8], u64)> {
    let (rest, _number) = name.split_last_chunk::<4>()?;
    let (key, position) = rest.split_last_chunk::<8>()?;
    Some((key, u64::from_be_bytes(*position)))
}

/// How much of a value a piece of it holds.
fn room(key: &[u8]) -> usize {
    PIECE.saturating_sub(key.len() + PIECE_NUMBERS).max(PIECE / 7)
}

fn is_head(value: &[u8]) -> bool {
    value.first() == Some(&HEAD)
}

/// Length of the value and position of its pieces.
fn read_head(key: &[u8], head: &[u8]) -> Result<(usize, u64)> {
    let numbers = head[1..].as_chunks().0;
    let [bytes, position] = *numbers else { return Err(lost_piece(key)) };
    Ok((u64::from_be_bytes(bytes) as usize, u64::from_be_bytes(position)))
}

fn lost_piece(key: &[u8]) -> Error {
    Error::Damaged(format!("a piece of the value under {} is missing", key.escape_ascii()))
}

pub fn broken(error: sled::Error) -> Error {
    if is_damage(&error) {
        // sled adds where it was, which it does not know without a debugger's help.
        let told = error.to_string();
        return Error::Damaged(told.trim_end_matches(" backtrace ()").to_owned());
    }
    Error::Broken(error.to_string())
}

/// Is it about what is on the disk?
fn is_damage(error: &sled::Error) -> bool {
    match error {
        sled::Error::Io(error) => is_told_of_damage(error),
        _ => true,
    }
}

/// Some damage sled tells as an error of the disk. One of those has a number, or at least its kind
/// where sled wrapped it.
pub fn is_told_of_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    error.raw_os_error().is_none()
        && matches!(error.kind(), InvalidData | InvalidInput | Other | UnexpectedEof)
        && !is_locked(&error.to_string())
}

/// Does sled say that somebody has its files?
pub fn is_locked(why: &str) -> bool {
    why.contains("could not acquire lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_disk_is_no_damage() {
        let io = |error| is_damage(&sled::Error::Io(error));
        assert!(!io(io::Error::from_raw_os_error(28)));
        assert!(!io(io::Error::new(io::ErrorKind::StorageFull, "wrapped")));
        assert!(!io(io::Error::other("could not acquire lock on x")));
        assert!(io(io::Error::other("Read corrupted data at file offset")));
        assert!(is_damage(&sled::Error::Unsupported("an older version".to_owned())));
    }
}
