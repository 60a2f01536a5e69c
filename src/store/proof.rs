//! Whether base and journal add up to the state. While they do, the state can be made anew at any
//! time; where they don't, it is the only one that has everything, and must not be touched.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::store::base::{self, Base, Unreadable};
use crate::store::directory::Directory;
use crate::store::journal::{self, Damage, End};
use crate::store::open::OpenError;
use crate::store::shared::Shared;
use crate::store::state::{Applied, Sled};

/// Reads all of base and journal; an error says why the state cannot be made of them.
pub(super) fn prove(directory: &Directory) -> Result<(), OpenError> {
    let start = newest_base(directory)?.map_or_else(Applied::default, |(base, _)| base.start);
    let claimed = Sled::claimed(&directory.state()).unwrap_or_default();
    let end = follow(directory, &[start, claimed]).map_err(|damage| match damage {
        Damage::Damaged(what) => OpenError::Damaged(what),
        Damage::Io(error) => OpenError::io(&directory.journal(), &error),
    })?;
    fits(&end, &start).and_then(|()| reaches(&end, &claimed)).map_err(OpenError::Damaged)
}

/// Reads the journal through; what was at some groups must be so in this history.
fn follow(directory: &Directory, known: &[Applied]) -> Result<End, Damage> {
    let after = known.iter().map(|known| known.seq).min().unwrap_or(0).saturating_sub(1);
    journal::scan(&directory.journal(), &directory.line(), after, |frame| {
        let head = &frame.head;
        let is_other = |known: &Applied| {
            (head.seq == known.seq && head.gid != known.gid)
                || (head.seq == known.seq + 1 && head.prev != known.gid)
        };
        if known.iter().any(is_other) {
            return Err("is of another history".to_owned());
        }
        Ok(())
    })
}

/// The newest base that is whole, and how many entries it has.
pub(super) fn newest_base(directory: &Directory) -> Result<Option<(Base, u64)>, OpenError> {
    let io = |error| OpenError::io(&directory.bases(), &error);
    let bases = base::list(&directory.bases(), &directory.line()).map_err(io)?;
    for base in bases.into_iter().rev() {
        let mut entries = 0;
        let count = |_: &Bytes, _: &[u8], _: &[u8]| {
            entries += 1;
            Ok(())
        };
        match base::look_through(&base, &directory.line(), count) {
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
    reaches(end, start)?;
    if begins_behind(end, start) {
        return Err("the journal begins too late to make up the state".to_owned());
    }
    Ok(())
}

pub(super) fn reaches(end: &End, known: &Applied) -> Result<(), String> {
    if end.last.as_ref().map_or(0, |head| head.seq) < known.seq {
        return Err("the end of the journal is missing".to_owned());
    }
    Ok(())
}

/// Are there groups missing between `start` and the first that the journal has?
pub(super) fn begins_behind(end: &End, start: &Applied) -> bool {
    end.first.as_ref().is_some_and(|first| first.seq > start.seq + 1)
}

/// How long a base is looked through before that rests so many times as long: nothing waits for it.
const STRETCH: Duration = Duration::from_millis(1);
const RESTS: u32 = 9;
const REST_MAX: Duration = Duration::from_millis(50);

/// What a look at base and journal found.
pub(super) enum Look {
    Whole,
    /// Why they do not make up the state.
    Lacking(String),
    /// Nobody needs to know any more: the store closes, or a new base is due.
    Ended,
}

impl Shared {
    /// Looks whether base and journal would make up the state.
    pub fn look(self: &Arc<Self>) -> Look {
        let Some(directory) = &self.directory else { return Look::Whole };
        let base = self.base.lock().clone();
        let start = base.as_ref().map(|base| base.start).unwrap_or_default();
        match follow(directory, &[start]) {
            Err(Damage::Damaged(what)) => return Look::Lacking(what),
            // A segment that was trimmed meanwhile; a new base is there then.
            Err(Damage::Io(_)) => return Look::Whole,
            Ok(end) if begins_behind(&end, &start) => {
                let words = "the journal begins too late to make up the state";
                return Look::Lacking(words.to_owned());
            }
            Ok(_) => {}
        }
        let Some(base) = base else { return Look::Whole };
        let mut begun = Instant::now();
        let mut is_ended = false;
        let read = base::look_through(&base, &directory.line(), |_, _, _| {
            let worked = begun.elapsed();
            if worked < STRETCH {
                return Ok(());
            }
            if self.stop.load(SeqCst) || self.is_base_due() {
                is_ended = true;
                return Err("nobody needs to know any more".to_owned());
            }
            std::thread::sleep((worked * RESTS).min(REST_MAX));
            begun = Instant::now();
            Ok(())
        });
        match read {
            _ if is_ended => Look::Ended,
            Ok(()) => Look::Whole,
            // It was replaced meanwhile.
            Err(Unreadable::Io(error)) if error.kind() == io::ErrorKind::NotFound => Look::Whole,
            Err(error) => Look::Lacking(error.to_string()),
        }
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
    use crate::store::contract::{all, forget, options, put};
    use crate::store::open::OpenError;
    use crate::store::restarts::copy;

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

        let forgotten = Store::forget_state(&options(Home::Files(home.to_owned())));
        assert!(matches!(forgotten, Err(OpenError::Damaged(_))));
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
            forget(home);
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

    /// The end of the journal is damaged: what only the state has is never given up for it.
    #[test]
    fn state_that_has_more_than_the_journal_is_never_set_aside() {
        let hurts: [&dyn Fn(&Path); 3] =
            [&|_| {}, &|home| fs::remove_file(home.join("state/CREATED")).unwrap(), &|home| {
                fs::remove_file(home.join("state/db")).unwrap()
            }];
        for hurt in hurts {
            let home = tempfile::tempdir().unwrap();
            let home = home.path();
            let store = opened(home, true).unwrap();
            (0..50).for_each(|n| put(&store, &format!("R{n:02}"), "red"));
            drop(store);
            let segment = home.join("journal/0000000001.segment");
            let mut bytes = fs::read(&segment).unwrap();
            let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
            bytes[end - 20..].fill(0);
            fs::write(&segment, bytes).unwrap();
            hurt(home);

            let forgotten = Store::forget_state(&options(Home::Files(home.to_owned())));
            assert!(matches!(forgotten, Err(OpenError::Damaged(_))), "{forgotten:?}");
            assert!(matches!(opened(home, true), Err(OpenError::Damaged(_))));
            assert!(home.join("state").exists());
        }
    }

    #[test]
    fn base_of_another_branch_is_replaced_by_one_of_this() {
        let home = tempfile::tempdir().unwrap();
        let [ours, theirs] = ["ours", "theirs"].map(|name| home.path().join(name));
        drop(opened(&ours, true).unwrap());
        put(&opened(&ours, true).unwrap(), "R1", "red");
        copy(&ours, &theirs);
        for home in [&ours, &theirs] {
            let store = opened(home, true).unwrap();
            (0..300).for_each(|n| put(&store, &format!("R{n:03}"), &"x".repeat(900)));
            store.make_base().unwrap();
        }
        fs::copy(base(&theirs), base(&ours)).unwrap();

        let forgotten = Store::forget_state(&options(Home::Files(ours.clone())));
        assert!(matches!(forgotten, Err(OpenError::Damaged(_))), "{forgotten:?}");
        let store = opened(&ours, true).unwrap();
        let begun = Instant::now();
        while !store.check().unwrap().problems().is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(20), "no new base");
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(store);
        forget(&ours);
        assert_eq!(all(&opened(&ours, true).unwrap().snapshot(), b"R").len(), 301);
    }
}
