//! Durable commits: one, eight and 64 writers, the store and SQLite in turn.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::rival::Rival;
use crate::store;

const RUN: Duration = Duration::from_secs(3);
const ROUNDS: usize = 3;
/// Records that are there when the measurement begins.
const BEFORE: u64 = 20_000;

struct Figures {
    per_second: f64,
    cpu_us: f64,
    p50_us: f64,
    p99_us: f64,
}

pub fn measure(home: &Path) {
    println!("durable commits of a {} B record with two indexes", store::BODY_BYTES);
    println!("{:>24} {:>10} {:>10} {:>10} {:>10}", "", "commits/s", "CPU µs", "p50 µs", "p99 µs");
    row("the disk alone, 1", &disk(home));
    for writers in [1, 8, 64] {
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        for round in 0..ROUNDS {
            let place = home.join(format!("writing-{writers}-{round}"));
            let store = store::open(&place);
            store::fill(&store, BEFORE);
            ours.push(run(writers, |number| {
                store.write(|tx| store::rule(tx, number)).expect("it commits");
            }));
            store.close();
            let rival = Rival::open(&home.join(format!("rival-{writers}-{round}.db")));
            rival.fill(BEFORE);
            theirs.push(run(writers, |number| rival.put(number)));
        }
        let (ours, theirs) = (median(ours), median(theirs));
        row(&format!("store, {writers}"), &ours);
        row(&format!("SQLite FULL, {writers}"), &theirs);
        println!(
            "{:>24} {:>9.2}x {:>9.2}x",
            "store / SQLite",
            ours.per_second / theirs.per_second,
            ours.cpu_us / theirs.cpu_us
        );
    }
}

fn run(writers: usize, put: impl Fn(u64) + Sync) -> Figures {
    let next = AtomicU64::new(BEFORE);
    let (begun, cpu) = (Instant::now(), cpu());
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        let write = || {
            let mut times = Vec::new();
            while begun.elapsed() < RUN {
                let one = Instant::now();
                put(next.fetch_add(1, Ordering::Relaxed));
                times.push(one.elapsed());
            }
            times
        };
        let threads: Vec<_> = (0..writers).map(|_| scope.spawn(write)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("it writes")).collect()
    });
    figures(&mut times, begun.elapsed(), self::cpu() - cpu)
}

fn figures(times: &mut [Duration], elapsed: Duration, cpu: Duration) -> Figures {
    times.sort_unstable();
    let count = times.len() as f64;
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e6;
    Figures {
        per_second: count / elapsed.as_secs_f64(),
        cpu_us: cpu.as_secs_f64() * 1e6 / count,
        p50_us: at(50),
        p99_us: at(99),
    }
}

/// The disk's own write and sync, into space that was written before.
fn disk(home: &Path) -> Figures {
    let file = File::create(home.join("raw")).expect("a file can be made");
    file.write_all_at(&vec![0; 4 << 20], 0).expect("it can be written");
    file.sync_all().expect("it can be synced");
    let (begun, cpu) = (Instant::now(), cpu());
    let mut times: Vec<Duration> = (0..5_000)
        .map(|n| {
            let one = Instant::now();
            file.write_all_at(&[1; 700], n * 700).expect("it can be written");
            file.sync_data().expect("it can be synced");
            one.elapsed()
        })
        .collect();
    figures(&mut times, begun.elapsed(), self::cpu() - cpu)
}

fn median(mut rounds: Vec<Figures>) -> Figures {
    rounds.sort_by(|a, b| a.cpu_us.total_cmp(&b.cpu_us));
    rounds.swap_remove(rounds.len() / 2)
}

fn row(name: &str, figures: &Figures) {
    let Figures { per_second, cpu_us, p50_us, p99_us } = figures;
    println!("{name:>24} {per_second:>10.0} {cpu_us:>10.1} {p50_us:>10.0} {p99_us:>10.0}");
}

/// Of this whole process, all threads.
fn cpu() -> Duration {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: getrusage fills the struct it is given.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    let time = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec.unsigned_abs())
            + Duration::from_micros(time.tv_usec.unsigned_abs())
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}
