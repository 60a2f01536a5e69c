//! Passwords: argon2id in a bounded lane, and the same cost whether the account exists or not.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use parking_lot::{Condvar, Mutex};

use crate::auth::random;

/// Memory of one hash. 19 MiB with two passes is the leanest setting that the OWASP cheat sheet
/// recommends for argon2id; a staging pod of 512 MiB affords a few of them at once.
const COST: Cost = Cost { memory_kib: 19 * 1024, passes: 2 };
/// The least that argon2 takes.
const LEAST: Cost = Cost { memory_kib: 8, passes: 1 };
const PARALLELISM: u32 = 1;
/// Bytes of the hash itself.
const OUTPUT_BYTES: usize = 32;
/// Most hashes at once, however many cores there are: bounds their memory to 76 MiB.
const LANES_MAX: usize = 4;
/// Most hashes that may wait for a lane: about half a second of work for one lane's share.
const WAITING_MAX: usize = 64;
/// Most questions one request's memo keeps: a batch may create many accounts.
const MEMO_MAX: usize = 1024;

/// Too many hashes are waiting already: try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many sign-ins at once")]
pub struct Busy;

/// What a hash costs whoever makes it, and so whoever guesses.
#[derive(Debug, Clone, Copy)]
struct Cost {
    memory_kib: u32,
    passes: u32,
}

/// Makes and checks password hashes. Blocks: never called on an async thread.
pub struct Passwords {
    argon2: Argon2<'static>,
    /// Has the shape and cost of a real hash, and no password.
    decoy: String,
    lanes: usize,
    queue: Mutex<Queue>,
    freed: Condvar,
}

#[derive(Default)]
struct Queue {
    working: usize,
    waiting: usize,
    /// Hashes computed so far: cost is a promise, and tests count it.
    begun: u64,
}

impl Default for Passwords {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::new(cores.min(LANES_MAX), COST)
    }
}

impl Passwords {
    /// Hashes that cost next to nothing, for accounts that are gone with the process: tests sign in
    /// all the time.
    pub fn of_no_worth() -> Self {
        Self::new(LANES_MAX, LEAST)
    }

    fn new(lanes: usize, cost: Cost) -> Self {
        let params = Params::new(cost.memory_kib, cost.passes, PARALLELISM, Some(OUTPUT_BYTES))
            .expect("the constants are within argon2's limits");
        Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            decoy: decoy(cost),
            lanes: lanes.max(1),
            queue: Mutex::default(),
            freed: Condvar::new(),
        }
    }

    /// Returns the hash of `password`, as a PHC string with a salt of its own.
    pub fn hash(&self, password: &str) -> Result<String, Busy> {
        self.in_lane(|| {
            self.argon2
                .hash_password(password.as_bytes())
                .expect("argon2 takes any password, and the kernel gives a salt")
                .to_string()
        })
    }

    /// Whether `stored` is a hash of `password`. `None` (no such account) costs the same and is false.
    pub fn verify(&self, password: &str, stored: Option<&str>) -> Result<bool, Busy> {
        let known = stored.and_then(|stored| PasswordHash::new(stored).ok());
        let decoy = PasswordHash::new(&self.decoy).expect("the decoy is well-formed");
        let hash = known.as_ref().unwrap_or(&decoy);
        let matches =
            self.in_lane(|| self.argon2.verify_password(password.as_bytes(), hash).is_ok())?;
        Ok(matches && known.is_some())
    }

    fn in_lane<T>(&self, work: impl FnOnce() -> T) -> Result<T, Busy> {
        let mut queue = self.queue.lock();
        if queue.working >= self.lanes {
            if queue.waiting >= WAITING_MAX {
                return Err(Busy);
            }
            queue.waiting += 1;
            while queue.working >= self.lanes {
                self.freed.wait(&mut queue);
            }
            queue.waiting -= 1;
        }
        queue.working += 1;
        queue.begun += 1;
        drop(queue);
        let _lane = Lane(self);
        Ok(work())
    }
}

/// A place in the lane; leaves it when dropped, also by a panic.
struct Lane<'a>(&'a Passwords);

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        self.0.queue.lock().working -= 1;
        self.0.freed.notify_one();
    }
}

fn decoy(cost: Cost) -> String {
    let mut bytes = [0_u8; 16 + OUTPUT_BYTES];
    random::fill(&mut bytes);
    let (salt, output) = bytes.split_at(16);
    let encode = |bytes: &[u8]| STANDARD_NO_PAD.encode(bytes);
    let Cost { memory_kib, passes } = cost;
    format!(
        "$argon2id$v=19$m={memory_kib},t={passes},p={PARALLELISM}${}${}",
        encode(salt),
        encode(output)
    )
}

/// What one request asked of `Passwords`, with the answers: rules may run more than once, and a
/// second run must neither pay again nor find another salt.
#[derive(Clone, Default)]
pub struct Hashing(Arc<Memo>);

#[derive(Default)]
struct Memo {
    passwords: Arc<Passwords>,
    hashed: Mutex<Vec<(Digest, String)>>,
    verified: Mutex<Vec<(Digest, Option<String>, bool)>>,
}

/// Stands for a password in the memo, which so keeps none.
type Digest = [u8; 32];

impl Hashing {
    pub fn new(passwords: Arc<Passwords>) -> Self {
        // Not from a default: that would ask the system for its cores, on every request.
        let (hashed, verified) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Memo { passwords, hashed, verified }))
    }

    /// As `Passwords::hash`, once per owner and password. The owner is whatever tells two accounts of
    /// one request apart, so that equal passwords don't get equal hashes.
    pub fn hash(&self, owner: &str, password: &str) -> Result<String, Busy> {
        let digest = digest_of(owner, password);
        let known = self.0.hashed.lock().iter().find(|known| known.0 == digest).cloned();
        if let Some((_, hash)) = known {
            return Ok(hash);
        }
        let hash = self.0.passwords.hash(password)?;
        let mut hashed = self.0.hashed.lock();
        if hashed.len() < MEMO_MAX {
            hashed.push((digest, hash.clone()));
        }
        Ok(hash)
    }

    /// As `Passwords::verify`, once per question.
    pub fn verify(&self, password: &str, stored: Option<&str>) -> Result<bool, Busy> {
        let digest = digest_of("", password);
        let asked = |known: &&(Digest, Option<String>, bool)| {
            known.0 == digest && known.1.as_deref() == stored
        };
        let known = self.0.verified.lock().iter().find(asked).map(|known| known.2);
        if let Some(matches) = known {
            return Ok(matches);
        }
        let matches = self.0.passwords.verify(password, stored)?;
        let mut verified = self.0.verified.lock();
        if verified.len() < MEMO_MAX {
            verified.push((digest, stored.map(str::to_owned), matches));
        }
        Ok(matches)
    }
}

impl std::fmt::Debug for Hashing {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Hashing(***)")
    }
}

fn digest_of(owner: &str, password: &str) -> Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&(owner.len() as u64).to_be_bytes());
    context.update(owner.as_bytes());
    context.update(password.as_bytes());
    context.finish().as_ref().try_into().expect("a SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_verifies_its_password_and_no_other() {
        let passwords = Passwords::new(2, COST);

        let hash = passwords.hash("correct horse").unwrap();

        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_eq!(passwords.verify("correct horse", Some(&hash)), Ok(true));
        assert_eq!(passwords.verify("correct horsf", Some(&hash)), Ok(false));
        assert_ne!(passwords.hash("correct horse").unwrap(), hash, "a salt for each");
    }

    #[test]
    fn hash_of_no_worth_is_one_all_the_same() {
        let passwords = Passwords::of_no_worth();

        let hash = passwords.hash("correct horse").unwrap();

        assert!(hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"));
        assert_eq!(passwords.verify("correct horse", Some(&hash)), Ok(true));
        assert_eq!(passwords.verify("correct horsf", Some(&hash)), Ok(false));
        assert_eq!(passwords.verify("correct horse", None), Ok(false));
    }

    #[test]
    fn an_unknown_account_costs_what_a_known_one_costs() {
        let passwords = Passwords::new(1, COST);
        let hash = passwords.hash("x").unwrap();
        let cost = |stored: Option<&str>| {
            let before = begun(&passwords);
            assert_eq!(passwords.verify("wrong", stored), Ok(false));
            begun(&passwords) - before
        };

        assert_eq!([cost(Some(&hash)), cost(None), cost(Some("not a hash"))], [1, 1, 1]);
        // One hash each, and of the same cost: parameters, salt and output alike.
        let shape = |hash: &str| -> Vec<String> {
            let parts: Vec<_> = hash.split('$').map(str::to_owned).collect();
            let lengths = parts[4..].iter().map(|part| part.len().to_string());
            parts[..4].iter().cloned().chain(lengths).collect()
        };
        assert_eq!(shape(&passwords.decoy), shape(&hash));
    }

    fn begun(passwords: &Passwords) -> u64 {
        passwords.queue.lock().begun
    }

    #[test]
    fn a_second_run_of_a_rule_gets_the_first_answer() {
        let hashing = Hashing::default();

        let first = hashing.hash("ada", "secret").unwrap();
        let before = begun(&hashing.0.passwords);
        let second = hashing.hash("ada", "secret").unwrap();
        let cost = begun(&hashing.0.passwords) - before;

        assert_eq!(first, second);
        assert_eq!(cost, 0);
        assert_ne!(hashing.hash("bob", "secret").unwrap(), first);
        assert_eq!(hashing.verify("secret", Some(&first)), Ok(true));
        assert_eq!(hashing.verify("secret", None), Ok(false));
        assert_eq!(format!("{hashing:?}"), "Hashing(***)");
    }

    #[test]
    fn lanes_bound_what_works_at_once_and_refuse_a_long_queue() {
        let passwords = Passwords::new(1, COST);
        let gate = std::sync::Barrier::new(2);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                passwords.in_lane(|| {
                    gate.wait();
                    gate.wait();
                })
            });
            gate.wait();
            passwords.queue.lock().waiting = WAITING_MAX;
            let refused = passwords.in_lane(|| ());
            passwords.queue.lock().waiting = 0;
            let waits = threads.spawn(|| passwords.in_lane(|| "worked"));
            gate.wait();

            assert_eq!(refused, Err(Busy));
            assert_eq!(waits.join().unwrap(), Ok("worked"));
        });
        assert_eq!(passwords.queue.lock().working, 0);
    }
}
