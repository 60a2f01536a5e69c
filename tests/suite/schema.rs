//! Schema as code from outside: what files make of the collections, and what they may not.

use std::fs;
use std::path::Path;

use holdall::app::Options;
use holdall::store::Home;
use serde_json::{Value, json};

use crate::command::{Done, Holdall};
use crate::house::{Client, House};

const POSTS: &str = r#"{"name": "posts", "type": "base", "listRule": "", "fields": [
    {"name": "title", "type": "text", "max": 80},
    {"name": "tags", "type": "select", "values": ["a", "b"], "maxSelect": 2},
    {"name": "author", "type": "relation", "collectionId": "authors", "maxSelect": 1},
    {"name": "owner", "type": "relation", "collectionId": "users", "maxSelect": 1}],
  "indexes": ["CREATE INDEX posts_title ON posts (title)"]}"#;
const AUTHORS: &str =
    r#"{"name": "authors", "type": "base", "fields": [{"name": "name", "type": "text"}]}"#;
const LATER: &str =
    r#"{"name": "a_view", "type": "view", "viewQuery": "SELECT id, total FROM b_view"}"#;
const SOONER: &str = r#"{"name": "b_view", "type": "view", "viewQuery": "SELECT author AS id, count(*) AS total FROM posts GROUP BY author"}"#;

/// A directory with files of collections, and one for data beside it.
struct Files(tempfile::TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("schema")).unwrap();
        let made = Self(home);
        files.iter().for_each(|(name, text)| made.put(name, text));
        made
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.schema().join(name), text).unwrap();
    }

    fn schema(&self) -> std::path::PathBuf {
        self.0.path().join("schema")
    }

    fn data(&self) -> std::path::PathBuf {
        self.0.path().join("data")
    }

    /// Runs a command about these files and this data.
    fn run(&self, line: &str) -> Done {
        let holdall = Holdall::new(line).arg("--data").arg(text(&self.data()));
        holdall.arg("--schema").arg(text(&self.schema())).run()
    }

    /// A server on the data, as the settings leave it.
    fn house(&self) -> House {
        House::with(Options { home: Home::Files(self.data()), ..Options::default() })
    }

    /// Makes the data directory, as the first start does.
    async fn begin(&self) {
        drop(self.house());
        let applied = self.run("schema apply");
        assert_eq!(applied.code, 0, "{}", applied.err);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

async fn collection(root: &Client, name: &str) -> Value {
    root.get(&format!("/api/collections/{name}")).await.body
}

fn fields(collection: &Value) -> Vec<&str> {
    let fields = collection["fields"].as_array().unwrap();
    fields.iter().map(|field| field["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn files_make_the_collections_and_say_so_once() {
    let files = Files::new(&[
        ("posts.json", POSTS),
        ("authors.json", AUTHORS),
        ("a_view.json", LATER),
        ("b_view.json", SOONER),
    ]);
    drop(files.house());

    let first = files.run("schema apply");
    let second = files.run("schema apply");

    assert_eq!(first.code, 0, "{}", first.err);
    for line in ["+ collection posts", "    + field title (text)", "    + index posts_title"] {
        assert!(first.out.lines().any(|said| said == line), "{line} in {}", first.out);
    }
    assert_eq!(second.out, "the schema is as the files say already\n");
    let house = files.house();
    let root = house.superuser().await;
    let posts = collection(&root, "posts").await;
    assert_eq!(fields(&posts), ["id", "title", "tags", "author", "owner"]);
    assert_eq!(posts["fields"][4]["collectionId"], "_pb_users_auth_");
    assert_eq!(posts["fields"][3]["collectionId"], collection(&root, "authors").await["id"]);
    assert_eq!(collection(&root, "a_view").await["fields"][1]["name"], "total");
    assert_eq!(collection(&root, "users").await["type"], "auth");
}

#[tokio::test]
async fn what_would_lose_data_is_refused_as_a_whole_until_it_is_allowed() {
    let files = Files::new(&[("posts.json", POSTS), ("authors.json", AUTHORS)]);
    files.begin().await;
    {
        let house = files.house();
        let root = house.superuser().await;
        let path = "/api/collections/posts/records";
        let post = json!({"title": "kept", "tags": ["a", "b"]});
        assert_eq!(root.post(path, post).await.status, 200);
        let author = json!({"name": "Ada"});
        assert_eq!(root.post("/api/collections/authors/records", author).await.status, 200);
    }
    let narrowed = POSTS
        .replace("\"maxSelect\": 2", "\"maxSelect\": 1")
        .replace(r#"{"name": "title", "type": "text", "max": 80},"#, "")
        .replace(r#"["CREATE INDEX posts_title ON posts (title)"]"#, "[]")
        .replace(
            r#"{"name": "author", "type": "relation", "collectionId": "authors", "maxSelect": 1},"#,
            r#"{"name": "extra", "type": "bool"},"#,
        );
    files.put("posts.json", &narrowed);
    fs::remove_file(files.schema().join("authors.json")).unwrap();

    let diff = files.run("schema diff");
    let checked = files.run("schema diff --exit-code");
    let unread = files.run("schema diff none.json --exit-code");
    let refused = files.run("schema apply");
    let served = files.run("serve --listen 127.0.0.1:0");
    let untouched = files.run("schema diff");
    let allowed = files.run("schema apply --schema-allow-data-loss");

    assert_eq!((diff.code, checked.code, &untouched.out), (0, 1, &diff.out), "{}", diff.err);
    assert_eq!(unread.code, 2, "what cannot be read is no difference: {}", unread.err);
    assert!(diff.out.contains("~ field tags: maxSelect 2 -> 1\n"), "{}", diff.out);
    for done in [&refused, &served] {
        assert_eq!(done.code, 2, "{}", done.err);
        for loss in [
            "the field posts.title would go (1 records)",
            "the field posts.author would go (1 records)",
            "the field posts.tags would keep only the last of several values (1 records)",
            "the collection authors would go (1 records)",
            "--schema-allow-data-loss",
        ] {
            assert!(done.err.contains(loss), "{loss} in {}", done.err);
        }
    }
    assert_eq!(allowed.code, 0, "{}", allowed.err);
    let house = files.house();
    let root = house.superuser().await;
    assert_eq!(collection(&root, "authors").await["status"], 404);
    let list = root.get("/api/collections/posts/records").await;
    assert_eq!(list.body["items"][0]["tags"], "b");
    assert_eq!(list.body["items"][0]["extra"], false);
}

#[tokio::test]
async fn what_nothing_relates_to_any_more_may_go_and_the_rest_may_not() {
    let files = Files::new(&[("posts.json", POSTS), ("authors.json", AUTHORS)]);
    files.begin().await;
    fs::remove_file(files.schema().join("authors.json")).unwrap();

    let orphaned = files.run("schema apply");
    fs::remove_file(files.schema().join("posts.json")).unwrap();
    let nothing = files.run("schema apply");
    files.put("tags.json", &AUTHORS.replace("authors", "tags"));
    let replaced = files.run("schema apply");

    assert_eq!(orphaned.code, 2, "{}", orphaned.err);
    assert!(orphaned.err.contains("posts relates to authors"), "{}", orphaned.err);
    assert_eq!(nothing.code, 2, "{}", nothing.err);
    assert!(nothing.err.contains("there is no collection in"), "{}", nothing.err);
    // Neither has a record: nothing is lost.
    assert_eq!(replaced.code, 0, "{}", replaced.err);
    assert!(replaced.out.contains("- collection posts\n"), "{}", replaced.out);
}

#[tokio::test]
async fn renamed_fields_keep_their_values() {
    let files = Files::new(&[("posts.json", POSTS), ("authors.json", AUTHORS)]);
    files.begin().await;
    assert_eq!(files.run(&format!("schema export {}", text(&files.schema()))).code, 0);
    {
        let house = files.house();
        let root = house.superuser().await;
        let path = "/api/collections/posts/records";
        assert_eq!(root.post(path, json!({"title": "kept"})).await.status, 200);
    }
    let exported = fs::read_to_string(files.schema().join("posts.json")).unwrap();
    let half = exported.replace("\"name\": \"title\"", "\"name\": \"headline\"");
    files.put("posts.json", &half);
    let refused = files.run("schema apply");
    files.put("posts.json", &half.replace("ON posts (title)", "ON posts (headline)"));

    let renamed = files.run("schema apply");
    let again = files.run("schema diff --exit-code");

    assert_eq!((refused.code, again.code), (2, 0), "{refused:?} {again:?}");
    let words = "an index of posts names the field title, which is called headline now";
    assert!(refused.err.contains(words), "{refused:?}");

    assert_eq!(renamed.code, 0, "{}", renamed.err);
    assert!(
        renamed.out.contains("~ field title: name \"title\" -> \"headline\"\n"),
        "{}",
        renamed.out
    );
    let house = files.house();
    let list = house.superuser().await.get("/api/collections/posts/records").await;
    assert_eq!(list.body["items"][0]["headline"], "kept");
}

#[tokio::test]
async fn export_writes_what_apply_takes_and_the_same_every_time() {
    let files = Files::new(&[("posts.json", POSTS), ("authors.json", AUTHORS)]);
    files.begin().await;
    let schema = files.schema();
    files.put("notes.json", "[]");
    files.put("old.json", &AUTHORS.replace("authors", "old"));

    let first = files.run(&format!("schema export {}", text(&schema)));
    let once = fs::read_to_string(schema.join("posts.json")).unwrap();
    let again = files.run(&format!("schema export {}", text(&schema)));
    let diff = files.run("schema diff --exit-code");
    let whole = Holdall::new("schema export --data").arg(text(&files.data())).run();

    assert_eq!(first.code, 0, "{}", first.err);
    assert!(first.out.contains("removed") && first.out.contains("old.json"), "{}", first.out);
    assert!(schema.join("notes.json").exists());
    assert_eq!((again.code, again.out.as_str()), (0, ""), "{}", again.err);
    assert_eq!(diff.code, 0, "{}{}", diff.out, diff.err);
    assert!(!once.contains("updated"), "{once}");
    let whole: Value = serde_json::from_str(&whole.out).unwrap();
    let names: Vec<_> = whole.as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["authors", "posts", "users"]);
}

#[tokio::test]
async fn a_running_server_is_asked() {
    let files = Files::new(&[("posts.json", POSTS), ("authors.json", AUTHORS)]);
    let ready = files.0.path().join("ready.json");
    let (mut command, _home) = Holdall::new("serve --listen 127.0.0.1:0 --data")
        .arg(text(&files.data()))
        .arg("--schema")
        .arg(text(&files.schema()))
        .arg("--ready-file")
        .arg(text(&ready))
        .into_command();
    let log = fs::File::create(files.0.path().join("log")).unwrap();
    let mut server = command.stderr(log).spawn().unwrap();
    while !ready.exists() {
        assert!(server.try_wait().unwrap().is_none(), "the server ended");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    files.put("posts.json", &POSTS.replace("\"max\": 80", "\"max\": 90"));

    let diff = files.run("schema diff");
    let applied = files.run("schema apply");
    let second = files.run("schema diff --exit-code");
    let whole = Holdall::new("schema export --data").arg(text(&files.data())).run();
    let types = Holdall::new("types ts --data").arg(text(&files.data())).run();
    files.put("authors.json", &AUTHORS.replace("\"text\"", "\"nothing\""));
    let refused = files.run("schema apply");

    // SAFETY: sends a signal to a process that this test started.
    assert_eq!(unsafe { libc::kill(i32::try_from(server.id()).unwrap(), libc::SIGTERM) }, 0);
    server.wait().unwrap();
    let log = fs::read_to_string(files.0.path().join("log")).unwrap();
    assert!(log.contains("schema: + collection posts"), "{log}");
    assert_eq!(diff.out, "~ collection posts\n    ~ field title: max 80 -> 90\n");
    assert_eq!((applied.code, &applied.out), (0, &diff.out));
    assert_eq!(second.code, 0, "{}", second.err);
    assert!(whole.out.contains("\"max\": 90"), "{}", whole.out);
    assert!(types.out.contains("export interface PostsRecord {"), "{}", types.out);
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(refused.err.contains("no field type \"nothing\""), "{}", refused.err);
}

#[test]
fn commands_want_files_and_a_store() {
    let nowhere = Holdall::new("schema diff --data nowhere --schema").arg("schema.json");
    let nowhere = nowhere.file("schema.json", AUTHORS).run();
    let unsaid = Holdall::new("schema diff --data nowhere").run();

    assert_eq!((nowhere.code, unsaid.code), (2, 2));
    assert!(nowhere.err.contains("there is no store in"), "{}", nowhere.err);
    assert!(unsaid.err.contains("HOLDALL_SCHEMA"), "{}", unsaid.err);
}

#[tokio::test]
async fn unique_index_over_lower_case_takes_names_for_one() {
    let house = House::new();
    let root = house.superuser().await;
    let index = "CREATE UNIQUE INDEX `by_name` ON `tags` (lower(name))";
    let made = root
        .post(
            "/api/collections",
            json!({"name": "tags", "type": "base", "fields": [{"name": "name", "type": "text"}],
                "indexes": [index]}),
        )
        .await;
    assert_eq!((made.status, &made.body["indexes"][0]), (200, &json!(index)));
    let add = async |name: &str| {
        root.post("/api/collections/tags/records", json!({ "name": name })).await
    };
    assert_eq!(add("Rust").await.status, 200);
    let taken = add("rUST").await;
    assert_eq!(taken.body["data"]["name"]["code"], "validation_not_unique");
}

#[tokio::test]
async fn values_that_a_single_field_dropped_stay_dropped() {
    let house = House::new();
    let root = house.superuser().await;
    let fields = |max: u32| json!({"fields": [{"id": "f_tags", "name": "tags", "type": "select", "values": ["a", "b", "c"], "maxSelect": max}]});
    let mut definition = fields(3);
    definition["name"] = "notes".into();
    definition["type"] = "base".into();
    assert_eq!(root.post("/api/collections", definition).await.status, 200);
    let records = "/api/collections/notes/records";
    for tags in [json!(["a", "b"]), json!([])] {
        assert_eq!(root.post(records, json!({ "tags": tags })).await.status, 200);
    }
    for max in [1, 3] {
        assert_eq!(root.patch("/api/collections/notes", fields(max)).await.status, 200);
    }
    let list = root.get(&format!("{records}?sort=@rowid")).await.body;
    assert_eq!(list["items"][0]["tags"], json!(["b"]));
    assert_eq!(list["items"][1]["tags"], json!([]));
    let found = root.get(&format!("{records}?filter=tags~'a'")).await.body;
    assert_eq!(found["totalItems"], 0);
}

#[test]
fn differences_that_cannot_be_found_out_are_no_differences() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("notes.json"), r#"{"name": "notes"}"#).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(home.path().join("control.sock"));
    let listener = listener.unwrap();
    // A server that hangs up on everybody.
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let data = home.path().to_str().unwrap();

    let diff = Holdall::new("schema diff --exit-code --data").arg(data);
    let done = diff.arg(&format!("{data}/notes.json")).run();

    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.err.contains("the server"), "{done:?}");
}
