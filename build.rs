//! Puts the console into the binary, compressed once and for all, and says which commit the binary is made of.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

/// Files below this size don't shrink enough to pay for a header.
const COMPRESS_FROM_BYTES: usize = 512;

/// Endings of what is not compressed already.
const TEXT: [&str; 9] = ["html", "js", "css", "svg", "json", "md", "txt", "map", "webmanifest"];

fn main() {
    let out =
        PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("console");
    console(Path::new("web"), &out);
    commit();
}

/// Copies the built page to `out` with its compressed twins, or what says how to build it.
fn console(web: &Path, out: &Path) {
    let built = web.join("dist");
    // A watched path that does not exist would make every build start over.
    let _ = fs::create_dir_all(&built);
    println!("cargo:rerun-if-changed={}", built.display());
    println!("cargo:rerun-if-changed={}", web.join("unbuilt.html").display());
    println!("cargo:rerun-if-changed=build.rs");
    let _ = fs::remove_dir_all(out);
    fs::create_dir_all(out).expect("cargo's own directory can be written");
    if built.join("index.html").is_file() {
        copy(&built, out);
    } else {
        let page =
            fs::read(web.join("unbuilt.html")).expect("web/unbuilt.html is part of the sources");
        fs::write(out.join("index.html"), page).expect("cargo's own directory can be written");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("cargo's own directory can be written");
    for entry in fs::read_dir(from).expect("the built page can be read") {
        let path = entry.expect("the built page can be read").path();
        let name = path.file_name().expect("a listed file has a name");
        // Names that begin with a dot are never served: marks of the tools that built the page.
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if path.is_dir() {
            copy(&path, &to.join(name));
            continue;
        }
        let bytes = fs::read(&path).expect("the built page can be read");
        let target = to.join(name);
        fs::write(&target, &bytes).expect("cargo's own directory can be written");
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if TEXT.contains(&ending) && bytes.len() >= COMPRESS_FROM_BYTES {
            beside(&target, "br", brotli(&bytes), bytes.len());
            beside(&target, "zst", zstd(&bytes), bytes.len());
            beside(&target, "gz", gzip(&bytes), bytes.len());
        }
    }
}

/// Writes a compressed twin, if it is one.
fn beside(target: &Path, ending: &str, bytes: Vec<u8>, plain_len: usize) {
    if bytes.len() < plain_len {
        let mut name = target.as_os_str().to_owned();
        name.push(".");
        name.push(ending);
        fs::write(name, bytes).expect("cargo's own directory can be written");
    }
}

fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut writer = brotli::CompressorWriter::new(&mut packed, 4096, 11, 22);
    writer.write_all(bytes).expect("memory takes every byte");
    drop(writer);
    packed
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 19).expect("memory takes every byte")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(bytes).expect("memory takes every byte");
    writer.finish().expect("memory takes every byte")
}

/// Hands the commit, whether there were changes on top of it, and its date to `version`. Without git they stay empty.
///
/// Only releases follow every commit: for daily work it would compile the whole program again after each one.
fn commit() {
    let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if let (true, Some(directory)) = (release, git(&["rev-parse", "--absolute-git-dir"])) {
        println!("cargo:rerun-if-changed={directory}/HEAD");
        println!("cargo:rerun-if-changed={directory}/index");
        println!("cargo:rerun-if-changed=src");
    }
    println!("cargo:rerun-if-env-changed=HOLDALL_BUILD_COMMIT");
    // An image is often built from an archive without `.git`: the builder may say what it is.
    let told = std::env::var("HOLDALL_BUILD_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = told.clone().or_else(|| git(&["rev-parse", "--short=12", "HEAD"]));
    let dirty = told.is_none()
        && git(&["status", "--porcelain"]).is_some_and(|changes| !changes.is_empty());
    let date = git(&["show", "-s", "--format=%cs", "HEAD"]);
    println!("cargo:rustc-env=HOLDALL_COMMIT={}", commit.unwrap_or_default());
    println!("cargo:rustc-env=HOLDALL_DIRTY={dirty}");
    println!("cargo:rustc-env=HOLDALL_DATE={}", date.unwrap_or_default());
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
