//! What the journal tells its readers of changes to records.

use holdall::store::Op;
use serde_json::json;

use crate::house::House;

#[tokio::test]
async fn journal_tells_what_updates_and_deletes_took_away() {
    let house = House::new();
    let root = house.superuser().await;
    let fields = json!([{ "name": "title", "type": "text" }, { "name": "text", "type": "text" }]);
    let define = json!({ "name": "notes", "type": "base", "fields": fields });
    assert_eq!(root.post("/api/collections", define).await.status, 200);
    let notes = "/api/collections/notes/records";
    let new = root.post(notes, json!({ "title": "one", "text": "stays" })).await;
    let note = format!("{notes}/{}", new.body["id"].as_str().unwrap());
    let mut tail = house.app.store().tail(house.app.store().stats().seq);

    assert_eq!(root.patch(&note, json!({ "title": "two" })).await.status, 200);
    assert_eq!(root.patch(&note, json!({ "title": "two" })).await.status, 200);
    assert_eq!(root.delete(&note).await.status, 204);

    let groups = std::iter::from_fn(|| tail.read().unwrap());
    let ops: Vec<Op> = groups.flat_map(|group| group.commits[0].ops.clone()).collect();
    let [
        Op::Put { undo: first, .. },
        Op::Put { undo: second, value, .. },
        Op::Delete { undo: third, .. },
    ] = &ops[..]
    else {
        panic!("{ops:?}")
    };
    let first = String::from_utf8_lossy(first);
    assert!(first.contains("\"one\"") && !first.contains("stays"), "{first}");
    assert!(second.is_empty(), "nothing was taken away");
    assert_eq!(third, value, "all of it");
}
