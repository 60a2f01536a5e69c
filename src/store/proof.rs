//! Whether base and journal add up to the state. While they do, the state can be made anew at any
//! time; where they don't, it is the only one that has everything, and must not be touched.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use crate::store::base::{self, Base, Unreadable};
use crate::store::directory::Directory;
use crate::store::journal::{self, Damage, End};
use crate::store::open::OpenError;
use crate::store::shared::Shared;
use crate::store::state::Applied;

/// Reads all of base and journal; an error says why the state cannot be made of them.
pub(super) fn prove(directory: &Directory) -> Result<(), OpenError> {
    let start = newest_base(directory)?.map_or_else(Applied::default, |(base, _)| base.start);
    let scanned = journal::scan(&directory.journal(), &directory.line(), u64::MAX, |_| Ok(()));
    let end = scanned.map_err(|damage| match damage {
        Damage::Damaged(what) => OpenError::Damaged(what),
        Damage::Io(error) => OpenError::io(&directory.journal(), &error),
    })?;
    fits(&end, &start).map_err(OpenError::Damaged)
}

/// The newest base that is whole, and how many entries it has.
pub(super) fn newest_base(directory: &Directory) -> Result<Option<(Base, u64)>, OpenError> {
    let io = |error| OpenError::io(&directory.bases(), &error);
    let bases = base::list(&directory.bases(), &directory.line(), true).map_err(io)?;
    for base in bases.into_iter().rev() {
        let mut entries = 0;
        let count = |_, _| {
            entries += 1;
            Ok(())
        };
        match base::read(&base, &directory.line(), count) {
            Ok(()) => return Ok(Some((base, entries))),
            Err(Unreadable::Damaged(why)) => tracing::warn!("a base cannot be used: {why}"),
            Err(Unreadable::Io(error)) => return Err(io(error)),
        }
    }
    Ok(None)
}

/// Is the journal whole from `start` on?
pub(super) fn fits(end: &End, start: &Applied) -> Result<(), String> {
    if end.is_nowhere() {
        return Err("the journal is missing".to_owned());
    }
    if end.last.as_ref().map_or(0, |head| head.seq) < start.seq {
        return Err("the end of the journal is missing".to_owned());
    }
    if begins_behind(end, start) {
        return Err("the journal begins too late to make up the state".to_owned());
    }
    Ok(())
}

/// Are there groups missing between `start` and the first that the journal has?
pub(super) fn begins_behind(end: &End, start: &Applied) -> bool {
    end.first.as_ref().is_some_and(|first| first.seq > start.seq + 1)
}

impl Shared {
    /// Why base and journal would not make up the state; the journal itself was read when the store
    /// opened.
    pub fn doubt(self: &Arc<Self>) -> Option<String> {
        let directory = self.directory.as_ref()?;
        let first = self.core.lock().journal.as_ref().and_then(|journal| journal.first());
        let base = self.base.lock().clone();
        let start = base.as_ref().map_or(0, |base| base.start.seq);
        if first.is_some_and(|first| first > start + 1) {
            return Some("the journal begins too late to make up the state".to_owned());
        }
        let read = base::read(&base?, &directory.line(), |_, _| {
            if self.stop.load(SeqCst) { Err("the store is closing".to_owned()) } else { Ok(()) }
        });
        read.err().map(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::time::{Duration, Instant};

    use crate::store::Home;
    use crate::store::Options;
    use crate::store::Store;
    use crate::store::contract::{all, options, put};
    use crate::store::open::OpenError;

    fn opened(home: &Path, makes_bases: bool) -> Result<Store, OpenError> {
        Store::open(Options {
            segment_bytes: 64 << 10,
            retention_us: 0,
            makes_bases,
            ..options(Home::Files(home.to_owned()))
        })
    }

    /// A store whose journal begins behind its base.
    fn trimmed(home: &Path) -> usize {
        let store = opened(home, true).unwrap();
        (0..300).for_each(|n| put(&store, &format!("R{n:03}"), &format!("c {}", "x".repeat(900))));
        store.make_base().unwrap();
        put(&store, "R999", "late");
        all(&store.snapshot(), b"").len()
    }

    fn base(home: &Path) -> PathBuf {
        fs::read_dir(home.join("base")).unwrap().next().unwrap().unwrap().path()
    }

    fn damage(path: &Path) {
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn state_that_cannot_be_made_anew_is_not_touched() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        let keys = trimmed(home);
        damage(&base(home));

        assert!(matches!(Store::forget_state(home), Err(OpenError::Damaged(_))));
        let store = opened(home, false).unwrap();
        assert_eq!(all(&store.snapshot(), b"").len(), keys);
        let report = store.check().unwrap();
        assert!(!report.unreliable.is_empty() && report.wrong.is_empty(), "{report:?}");
        drop(store);

        fs::write(home.join("state/db"), vec![7; 2 << 20]).unwrap();
        let refused = opened(home, false).err();
        assert!(matches!(refused, Some(OpenError::Damaged(_))), "{refused:?}");
        assert!(home.join("state").exists());
        damage(&base(home));
        let store = opened(home, false).unwrap();
        assert!(store.mended().unwrap().contains("made anew"));
        assert_eq!(all(&store.snapshot(), b"").len(), keys);
        assert_eq!(store.check().unwrap().problems(), [""; 0]);
    }

    #[test]
    fn base_that_is_damaged_or_lost_is_made_anew_while_the_state_has_everything() {
        let hurts: [&dyn Fn(&Path); 3] =
            [&damage, &|path| fs::write(path, b"short").unwrap(), &|path| {
                fs::remove_dir_all(path.parent().unwrap()).unwrap()
            }];
        for hurt in hurts {
            let home = tempfile::tempdir().unwrap();
            let home = home.path();
            let keys = trimmed(home);
            hurt(&base(home));
            let store = opened(home, true).unwrap();
            let begun = Instant::now();
            while !store.check().unwrap().unreliable.is_empty() {
                assert!(begun.elapsed() < Duration::from_secs(20), "no new base");
                std::thread::sleep(Duration::from_millis(20));
            }
            drop(store);
            assert_eq!(fs::read_dir(home.join("base")).unwrap().count(), 1);
            Store::forget_state(home).unwrap();
            let store = opened(home, true).unwrap();
            assert_eq!(all(&store.snapshot(), b"").len(), keys);
        }
    }

    #[test]
    fn lost_journal_is_noticed_whatever_else_is_lost() {
        let losses: [&[&str]; 4] =
            [&["journal"], &["journal", "state"], &["journal", "state", "base"], &["base"]];
        for lost in losses {
            let home = tempfile::tempdir().unwrap();
            let home = home.path();
            let store = opened(home, true).unwrap();
            put(&store, "R1", "red");
            drop(store);
            lost.iter().for_each(|name| fs::remove_dir_all(home.join(name)).unwrap());
            let opened = opened(home, true);
            match lost {
                ["base"] => assert!(opened.is_ok(), "it was empty"),
                _ => assert!(matches!(opened, Err(OpenError::Damaged(_))), "{lost:?}"),
            }
        }
    }
}
