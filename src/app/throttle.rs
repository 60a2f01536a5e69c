//! Counts requests in windows of time: who has had enough.

use std::collections::HashMap;
use std::net::IpAddr;

use parking_lot::Mutex;

/// Most windows kept, about 100 bytes each. When they are used up, those that ended go; if none
/// did, all go: then many addresses take part, and a limit for each of them holds nobody up.
const WINDOWS_MAX: usize = 20_000;

/// Open windows, by what is limited and whose requests are counted.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<HashMap<(String, IpAddr), Window>>);

#[derive(Debug, Clone, Copy)]
struct Window {
    ends_ms: i64,
    left: i64,
}

impl Throttle {
    /// Counts a request of `address` under `label`, of which there may be `most` in `duration_ms`.
    /// False when that were too many.
    pub fn admits(
        &self,
        label: &str,
        address: IpAddr,
        most: i64,
        duration_ms: i64,
        now_ms: i64,
    ) -> bool {
        let mut windows = self.0.lock();
        if windows.len() >= WINDOWS_MAX {
            windows.retain(|_, window| window.ends_ms > now_ms);
        }
        if windows.len() >= WINDOWS_MAX {
            windows.clear();
        }
        let fresh = Window { ends_ms: now_ms.saturating_add(duration_ms), left: most };
        let window = windows.entry((label.to_owned(), address)).or_insert(fresh);
        if window.ends_ms <= now_ms {
            *window = fresh;
        }
        window.left = window.left.min(most) - 1;
        window.left >= 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_admits_so_many_and_then_the_next_one_opens() {
        let throttle = Throttle::default();
        let (ada, bob) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let admits = |label, address, now_ms| throttle.admits(label, address, 2, 1000, now_ms);

        let first: Vec<_> = (0..3).map(|at| admits("*:auth", ada, at)).collect();

        assert_eq!(first, [true, true, false]);
        assert!(admits("*:auth", bob, 5), "another address");
        assert!(admits("/api/", ada, 5), "another limit");
        assert!(!admits("*:auth", ada, 999));
        assert!(admits("*:auth", ada, 1000), "the next window");
    }

    #[test]
    fn the_table_stays_bounded() {
        let throttle = Throttle::default();
        for number in 0..50_000_u32 {
            throttle.admits("x", IpAddr::from(number.to_be_bytes()), 1, 1000, 0);
        }
        assert!(throttle.0.lock().len() <= WINDOWS_MAX);
    }
}
