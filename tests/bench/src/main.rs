//! Figures of the store, beside what SQLite and the disk itself do in the same run. Nothing here
//! is a promise: ratios of one run say something, single figures do not.

mod opening;
mod reading;
mod rival;
mod store;
mod writing;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let home = tempfile::tempdir().expect("a directory can be made");
    writing::measure(home.path());
    reading::measure(home.path());
    opening::measure(home.path());
}
