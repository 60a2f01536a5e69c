//! Files for browsers: the console, the team's own site, and what neither of them gives away.

use std::path::Path;

use holdall::app::Options;
use http::Method;
use tempfile::TempDir;

use crate::house::Answer;
use crate::house::House;

/// A house that serves a folder with a small site in it.
fn site() -> (House, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| write(folder.path(), name, text);
    write("index.html", "<title>Ours</title>");
    write("assets/app-B3xk2Lq9.js", &"console.log('holdall');\n".repeat(200));
    write("words.txt", "0123456789");
    write("docs/index.html", "<title>Docs</title>");
    write(".env", "SECRET=1");
    let options = Options { public: Some(folder.path().to_owned()), ..Options::default() };
    (House::with(options), folder)
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn text(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.bytes).unwrap()
}

#[tokio::test]
async fn without_a_site_the_start_page_says_what_runs() {
    let house = House::new();
    let start = house.guest().get("/").await;
    assert_eq!((start.status, start.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(text(&start).contains("Holdall is running"));
    assert!(text(&start).contains(env!("CARGO_PKG_VERSION")));
    for path in ["/deep/link", "/x.js", "/favicon.ico"] {
        let answer = house.guest().get(path).await;
        assert_eq!((answer.status, &answer.body["code"]), (404, &"not_found".into()), "{path}");
    }
}

#[tokio::test]
async fn a_site_takes_no_path_at_which_programs_ask() {
    let (house, _folder) = site();
    assert_eq!(house.guest().get("/deep/link").await.status, 200);
    for path in ["/api", "/api/x", "/health/", "/health/redy"] {
        let answer = house.guest().get(path).await;
        assert_eq!((answer.status, &answer.body["code"]), (404, &"not_found".into()), "{path}");
    }
}

#[tokio::test]
async fn the_console_answers_everywhere_below_its_address() {
    let house = House::new();
    let page = house.guest().get("/_/").await;
    assert_eq!((page.status, page.header("cache-control")), (200, "no-cache"));
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    assert_eq!(house.guest().get("/_/docs/configuration").await.bytes, page.bytes);
    assert_eq!(house.guest().get("/_/missing.js").await.status, 404);
    let moved = house.guest().get("/_").await;
    assert_eq!((moved.status, moved.header("location")), (308, "/_/"));
    assert_eq!(house.guest().post("/_/", serde_json::json!({})).await.status, 404);
}

#[tokio::test]
async fn pages_fall_back_to_the_index_and_files_do_not() {
    let (house, _folder) = site();
    for path in ["/", "/deep/link", "/deep/link/", "/index.html", "/deep?next=/x.js"] {
        let page = house.guest().get(path).await;
        assert_eq!((page.status, text(&page)), (200, "<title>Ours</title>"), "{path}");
        assert_eq!(page.header("cache-control"), "no-cache");
    }
    for path in ["/x.js", "/assets/app-00000000.js", "/api/x", "/api", "/deep/x.png"] {
        let answer = house.guest().get(path).await;
        assert_eq!((answer.status, &answer.body["code"]), (404, &"not_found".into()), "{path}");
    }
    assert_eq!(text(&house.guest().get("/docs/").await), "<title>Docs</title>");
    assert_eq!(house.guest().get("/docs").await.header("location"), "/docs/");
    let asked = house.guest().get("/docs?page=2&q=a%20b").await;
    assert_eq!(asked.header("location"), "/docs/?page=2&q=a%20b");
    assert_eq!(house.guest().post("/", serde_json::json!({})).await.status, 404);
}

#[tokio::test]
async fn no_path_leads_out_of_the_folder() {
    let (house, folder) = site();
    write(folder.path().parent().unwrap(), "holdall-outside.txt", "outside");
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link.txt")).unwrap();
    std::os::unix::fs::symlink("words.txt", folder.path().join("inside.txt")).unwrap();
    for path in [
        "/../holdall-outside.txt",
        "/%2e%2e/holdall-outside.txt",
        "/..%2fholdall-outside.txt",
        "/docs/..%5c..%5choldall-outside.txt",
        "/docs/%2e%2e/%2e%2e/holdall-outside.txt",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/link.txt",
        "/.env",
        "/%2eenv",
        "/words.txt%00.html",
        "/%ff.txt",
        "/%zz",
    ] {
        let answer = house.guest().get(path).await;
        assert_eq!((answer.status, &answer.body["code"]), (404, &"not_found".into()), "{path}");
    }
    assert_eq!(text(&house.guest().get("/inside.txt").await), "0123456789");
    std::fs::remove_file(folder.path().parent().unwrap().join("holdall-outside.txt")).unwrap();
}

#[tokio::test]
async fn hashed_files_are_kept_for_good_and_known_ones_not_sent_again() {
    let (house, _folder) = site();
    let first = house.guest().get("/assets/app-B3xk2Lq9.js").await;
    assert_eq!(first.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(first.header("content-type"), "text/javascript; charset=utf-8");
    let etag = first.header("etag").to_owned();
    assert!(etag.starts_with('"') && etag.len() > 10, "{etag}");

    for known in [etag.clone(), format!("\"x\", W/{etag}"), "*".to_owned()] {
        let again = house.guest().with("if-none-match", &known);
        let again = again.get("/assets/app-B3xk2Lq9.js").await;
        assert_eq!((again.status, again.bytes.len()), (304, 0), "{known}");
        assert_eq!(again.header("etag"), etag);
    }
    for encoding in ["identity", "gzip"] {
        let guest = || house.guest().with("accept-encoding", encoding);
        let whole = guest().get("/assets/app-B3xk2Lq9.js").await;
        let guest = guest().with("if-none-match", whole.header("etag"));
        let head = guest.send(Method::HEAD, "/assets/app-B3xk2Lq9.js", Default::default()).await;
        assert_eq!((head.status, head.bytes.len()), (304, 0), "{encoding}");
        assert_eq!(head.header("content-length"), whole.header("content-length"), "{encoding}");
    }
    let other = house.guest().with("if-none-match", "\"x\"").get("/assets/app-B3xk2Lq9.js").await;
    assert_eq!((other.status, other.bytes), (200, first.bytes));
}

#[tokio::test]
async fn a_changed_file_is_a_new_file() {
    let (house, folder) = site();
    let before = house.guest().get("/words.txt").await;
    write(folder.path(), "words.txt", "something else");
    let after = house.guest().get("/words.txt").await;
    assert_eq!(text(&after), "something else");
    assert_ne!(before.header("etag"), after.header("etag"));
    std::fs::remove_file(folder.path().join("words.txt")).unwrap();
    assert_eq!(house.guest().get("/words.txt").await.status, 404);
}

#[tokio::test]
async fn text_is_compressed_as_the_client_likes_it() {
    let (house, _folder) = site();
    let path = "/assets/app-B3xk2Lq9.js";
    let plain = house.guest().get(path).await;
    assert_eq!((plain.header("content-encoding"), plain.header("vary")), ("", "accept-encoding"));
    let mut etags = vec![plain.header("etag").to_owned()];
    for (accepts, encoding) in [
        ("gzip, deflate, br, zstd", "br"),
        ("zstd, gzip", "zstd"),
        ("gzip", "gzip"),
        ("br;q=0, gzip", "gzip"),
    ] {
        let packed = house.guest().with("accept-encoding", accepts).get(path).await;
        assert_eq!(packed.header("content-encoding"), encoding, "{accepts}");
        assert_eq!(unpack(encoding, &packed.bytes), plain.bytes, "{accepts}");
        assert_eq!(packed.header("content-length"), packed.bytes.len().to_string());
        etags.push(packed.header("etag").to_owned());
    }
    etags.sort();
    etags.dedup();
    assert_eq!(etags.len(), 4, "every form has a mark of its own");
}

#[tokio::test]
async fn what_a_build_compressed_is_sent_as_it_is() {
    let (house, folder) = site();
    write(folder.path(), "big.css", &"a { color: red }\n".repeat(100));
    write(folder.path(), "big.css.br", "made elsewhere");
    let brotli = house.guest().with("accept-encoding", "br").get("/big.css").await;
    assert_eq!((brotli.header("content-encoding"), text(&brotli)), ("br", "made elsewhere"));
}

#[tokio::test]
async fn parts_can_be_asked_for() {
    let (house, _folder) = site();
    for (range, status, body, told) in [
        ("bytes=2-4", 206, "234", "bytes 2-4/10"),
        ("bytes=-3", 206, "789", "bytes 7-9/10"),
        ("bytes=8-", 206, "89", "bytes 8-9/10"),
        ("bytes=0-1,3-4", 200, "0123456789", ""),
    ] {
        let part = house.guest().with("range", range).with("accept-encoding", "br");
        let part = part.get("/words.txt").await;
        assert_eq!((part.status, text(&part)), (status, body), "{range}");
        assert_eq!(part.header("content-range"), told, "{range}");
    }
    let outside = house.guest().with("range", "bytes=10-").get("/words.txt").await;
    assert_eq!((outside.status, outside.header("content-range")), (416, "bytes */10"));
    assert_eq!(outside.body["code"], "range_outside");
    let stale = house.guest().with("range", "bytes=2-4").with("if-range", "\"old\"");
    assert_eq!(stale.get("/words.txt").await.status, 200);
}

#[tokio::test]
async fn head_tells_what_get_would_send() {
    let (house, _folder) = site();
    let head = house.guest().send(Method::HEAD, "/words.txt", Default::default()).await;
    assert_eq!((head.status, head.bytes.len()), (200, 0));
    assert_eq!((head.header("content-length"), head.header("accept-ranges")), ("10", "bytes"));
    for range in ["bytes=2-4", "bytes=10-"] {
        let part = house.guest().with("range", range);
        let part = part.send(Method::HEAD, "/words.txt", Default::default()).await;
        assert_eq!((part.status, part.header("content-length")), (200, "10"), "{range}");
        assert_eq!(part.header("content-range"), "", "{range}");
    }
}

#[tokio::test]
async fn who_wants_another_file_than_there_is_gets_none() {
    let (house, _folder) = site();
    let etag = house.guest().get("/words.txt").await.header("etag").to_owned();
    for (wanted, status) in [
        (etag.clone(), 200),
        (format!("\"x\", {etag}"), 200),
        ("*".to_owned(), 200),
        ("\"x\"".to_owned(), 412),
        (format!("W/{etag}"), 412),
        (String::new(), 412),
    ] {
        for method in [Method::GET, Method::HEAD] {
            let guest = house.guest().with("if-match", &wanted).with("range", "bytes=50-");
            let answer = guest.send(method.clone(), "/words.txt", Default::default()).await;
            let expected = if status == 200 && method == Method::GET { 416 } else { status };
            assert_eq!(answer.status, expected, "{method} {wanted}");
        }
        let guest = house.guest().with("if-match", &wanted).with("if-none-match", &etag);
        let answer = guest.get("/words.txt").await;
        assert_eq!(answer.status, if status == 200 { 304 } else { status }, "{wanted}");
    }
    let refused = house.guest().with("if-match", "\"x\"").get("/words.txt").await;
    assert_eq!(refused.body["code"], "precondition_failed");
}

#[tokio::test]
async fn files_too_large_to_keep_are_read_as_they_are_sent() {
    let (house, folder) = site();
    let film: Vec<u8> = (0..9 * 1024 * 1024u32).map(|n| (n % 251) as u8).collect();
    std::fs::write(folder.path().join("film.mp4"), &film).unwrap();
    let whole = house.guest().get("/film.mp4").await;
    assert_eq!((whole.status, whole.bytes.len()), (200, film.len()));
    assert!(whole.bytes == film);
    let part = house.guest().with("range", "bytes=5000000-7000000").get("/film.mp4").await;
    assert!(part.status == 206 && part.bytes == film[5_000_000..=7_000_000]);
}

fn unpack(encoding: &str, bytes: &[u8]) -> Vec<u8> {
    use std::io::Read;
    let mut plain = Vec::new();
    match encoding {
        "br" => brotli::Decompressor::new(bytes, 4096).read_to_end(&mut plain).unwrap(),
        "gzip" => flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).unwrap(),
        _ => {
            plain = zstd::bulk::decompress(bytes, 1 << 20).unwrap();
            plain.len()
        }
    };
    plain
}
