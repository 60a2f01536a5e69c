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
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [place, records] = &arguments[..] {
        let records = records.parse().expect("a number of records");
        return opening::fill_and_die(place.as_ref(), records);
    }
    let home = tempfile::tempdir().expect("a directory can be made");
    let wants = |part: &str| arguments.is_empty() || arguments.iter().any(|wanted| wanted == part);
    if wants("writing") {
        writing::measure(home.path());
    }
    if wants("reading") {
        reading::measure(home.path());
    }
    if wants("opening") {
        opening::measure(home.path());
    }
}
