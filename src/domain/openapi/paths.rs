//! The paths of the OpenAPI document: the routes that are always there, and those of a collection.

use serde_json::{Map, Value, json};

use crate::domain::openapi::{record_name, write_name};
use crate::domain::schema::{Collection, CollectionKind};

/// What a success carries.
enum Success<'a> {
    Nothing,
    Any,
    Of(&'a str),
    PageOf(&'a str),
}

/// Method, path, name of the operation, what it does, what a success carries, whether it takes a body.
type Route = (&'static str, &'static str, &'static str, &'static str, Success<'static>, bool);

const LIST: &[&str] = &["page", "perPage", "sort", "filter", "fields", "skipTotal"];
const RECORDS: &[&str] =
    &["page", "perPage", "sort", "filter", "expand", "fields", "skipTotal", "after", "explain"];
const FIGURES: &[&str] = &["select", "group", "filter", "explain"];
const SHAPE: &[&str] = &["expand", "fields"];

const ROUTES: &[Route] = &[
    ("get", "/health", "health", "Whether the process is there", Success::Any, false),
    ("get", "/health/live", "healthLive", "Whether the process lives", Success::Any, false),
    ("get", "/health/ready", "healthReady", "Whether it can answer", Success::Any, false),
    ("get", "/ready", "ready", "Whether it can answer", Success::Any, false),
    ("get", "/startup", "startup", "Whether it has started", Success::Any, false),
    ("get", "/metrics", "metrics", "Metrics in Prometheus text", Success::Any, false),
    ("get", "/api/health", "apiHealth", "Whether the API is there", Success::Any, false),
    ("get", "/api/openapi.json", "openapi", "This document", Success::Any, false),
    (
        "get",
        "/api/collections",
        "listCollections",
        "Lists collections",
        Success::PageOf("Collection"),
        false,
    ),
    (
        "post",
        "/api/collections",
        "createCollection",
        "Creates a collection",
        Success::Of("Collection"),
        true,
    ),
    (
        "put",
        "/api/collections/import",
        "importCollections",
        "Creates and changes many collections, all or nothing",
        Success::Nothing,
        true,
    ),
    (
        "get",
        "/api/collections/meta/scaffolds",
        "scaffolds",
        "Blank collections with their defaults",
        Success::Any,
        false,
    ),
    (
        "get",
        "/api/collections/meta/oauth2-providers",
        "oauth2Providers",
        "The providers that may be named",
        Success::Any,
        false,
    ),
    (
        "post",
        "/api/collections/meta/dry-run-view",
        "dryRunView",
        "What a view's query would give",
        Success::Any,
        true,
    ),
    (
        "get",
        "/api/collections/{collection}",
        "viewCollection",
        "One collection",
        Success::Of("Collection"),
        false,
    ),
    (
        "patch",
        "/api/collections/{collection}",
        "updateCollection",
        "Changes a collection",
        Success::Of("Collection"),
        true,
    ),
    (
        "delete",
        "/api/collections/{collection}",
        "deleteCollection",
        "Deletes a collection with its records",
        Success::Nothing,
        false,
    ),
    (
        "delete",
        "/api/collections/{collection}/truncate",
        "truncateCollection",
        "Deletes all records",
        Success::Nothing,
        false,
    ),
    (
        "get",
        "/api/collections/{collection}/records",
        "listRecords",
        "Lists records",
        Success::PageOf("Record"),
        false,
    ),
    (
        "post",
        "/api/collections/{collection}/records",
        "createRecord",
        "Creates a record",
        Success::Of("Record"),
        true,
    ),
    (
        "get",
        "/api/collections/{collection}/records/{id}",
        "viewRecord",
        "One record",
        Success::Of("Record"),
        false,
    ),
    (
        "patch",
        "/api/collections/{collection}/records/{id}",
        "updateRecord",
        "Changes a record",
        Success::Of("Record"),
        true,
    ),
    (
        "delete",
        "/api/collections/{collection}/records/{id}",
        "deleteRecord",
        "Deletes a record",
        Success::Nothing,
        false,
    ),
    (
        "get",
        "/api/collections/{collection}/aggregate",
        "aggregate",
        "Counts, sums, extremes and averages, by group",
        Success::Any,
        false,
    ),
    (
        "post",
        "/api/collections/{collection}/explain",
        "explain",
        "Which part of an access rule decided",
        Success::Any,
        true,
    ),
    ("post", "/api/batch", "batch", "Many changes of records, all or nothing", Success::Any, true),
    ("get", "/api/users", "listUsers", "Lists users", Success::PageOf("Record"), false),
    ("post", "/api/users", "createUser", "Creates a user", Success::Of("Record"), true),
    (
        "get",
        "/api/collections/{collection}/auth-methods",
        "authMethods",
        "How one may sign in",
        Success::Any,
        false,
    ),
    (
        "post",
        "/api/collections/{collection}/auth-with-password",
        "authWithPassword",
        "Signs in",
        Success::Any,
        true,
    ),
    (
        "post",
        "/api/collections/{collection}/auth-refresh",
        "authRefresh",
        "A new token for an old one",
        Success::Any,
        false,
    ),
    (
        "post",
        "/api/collections/{collection}/impersonate/{id}",
        "impersonate",
        "A token of somebody else",
        Success::Any,
        true,
    ),
    (
        "get",
        "/.well-known/jwks.json",
        "jwks",
        "The keys that tokens are signed with",
        Success::Any,
        false,
    ),
    (
        "post",
        "/api/test/reset",
        "testReset",
        "Back to the state after seeding; throw-away instances only",
        Success::Nothing,
        false,
    ),
    (
        "get",
        "/api/settings",
        "settings",
        "What superusers may change while it runs",
        Success::Any,
        false,
    ),
    ("patch", "/api/settings", "changeSettings", "Changes settings", Success::Any, true),
];

/// The routes that every server has.
pub fn general() -> Map<String, Value> {
    let mut paths = Map::new();
    for (method, path, name, summary, success, body) in ROUTES {
        let body = body.then(|| json!({ "type": "object", "additionalProperties": true }));
        let query = match success {
            Success::PageOf("Record") => RECORDS,
            Success::PageOf(_) => LIST,
            Success::Any if path.ends_with("/aggregate") => FIGURES,
            Success::Of("Record") => SHAPE,
            Success::Of(_) => &["fields"],
            Success::Any | Success::Nothing => &[],
        };
        add(&mut paths, method, path, operation(path, name, summary, success, body, query));
    }
    paths
}

/// The routes of one collection, with its own types.
pub fn of_collection(collection: &Collection) -> Map<String, Value> {
    let mut paths = Map::new();
    let (name, shown) = (&collection.name, record_name(collection));
    let (all, one) = (
        format!("/api/collections/{name}/records"),
        format!("/api/collections/{name}/records/{{id}}"),
    );
    let written =
        || Some(json!({ "$ref": format!("#/components/schemas/{}", write_name(collection)) }));
    let named = |verb: &str| format!("{verb}.{name}");
    let list = operation(
        &all,
        &named("list"),
        &format!("Lists {name}"),
        &Success::PageOf(&shown),
        None,
        RECORDS,
    );
    add(&mut paths, "get", &all, list);
    let view = operation(
        &one,
        &named("view"),
        &format!("One of {name}"),
        &Success::Of(&shown),
        None,
        SHAPE,
    );
    add(&mut paths, "get", &one, view);
    if collection.kind == CollectionKind::View {
        return paths;
    }
    let create = operation(
        &all,
        &named("create"),
        &format!("Creates one of {name}"),
        &Success::Of(&shown),
        written(),
        SHAPE,
    );
    add(&mut paths, "post", &all, create);
    let update = operation(
        &one,
        &named("update"),
        &format!("Changes one of {name}"),
        &Success::Of(&shown),
        written(),
        SHAPE,
    );
    add(&mut paths, "patch", &one, update);
    let delete = operation(
        &one,
        &named("delete"),
        &format!("Deletes one of {name}"),
        &Success::Nothing,
        None,
        &[],
    );
    add(&mut paths, "delete", &one, delete);
    paths
}

fn add(paths: &mut Map<String, Value>, method: &str, path: &str, operation: Value) {
    let item = paths.entry(path).or_insert_with(|| Value::Object(Map::new()));
    item[method] = operation;
}

fn operation(
    path: &str,
    name: &str,
    summary: &str,
    success: &Success,
    body: Option<Value>,
    query: &[&str],
) -> Value {
    let of = |schema: &str| json!({ "$ref": format!("#/components/schemas/{schema}") });
    let json_of = |schema: Value| json!({ "application/json": { "schema": schema } });
    let page = |schema: &str| {
        let number = || json!({ "type": "integer" });
        json!({ "type": "object", "required": ["page", "perPage", "totalItems", "totalPages", "items"],
            "properties": { "page": number(), "perPage": number(), "totalItems": number(),
                "totalPages": number(), "items": { "type": "array", "items": of(schema) } } })
    };
    let (status, good) = match success {
        Success::Nothing => ("204", json!({ "description": "Done" })),
        Success::Any => ("200", json!({ "description": "Done" })),
        Success::Of(schema) => {
            ("200", json!({ "description": "Done", "content": json_of(of(schema)) }))
        }
        Success::PageOf(schema) => {
            ("200", json!({ "description": "A page", "content": json_of(page(schema)) }))
        }
    };
    let in_path = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameters: Vec<Value> = in_path
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .chain(query.iter().map(|name| {
            let kind = if matches!(*name, "page" | "perPage") { "integer" } else { "string" };
            let mut parameter = json!({ "name": name, "in": "query", "schema": { "type": kind } });
            if *name == "fields" {
                let words = "Only these members; what is required may then be missing.";
                parameter["description"] = words.into();
            }
            parameter
        }))
        .collect();
    let mut operation = json!({
        "operationId": name,
        "summary": summary,
        "parameters": parameters,
        "responses": {
            status: good,
            "default": { "description": "Refused", "content": json_of(of("Error")) },
        },
    });
    if let Some(schema) = body {
        operation["requestBody"] = json!({ "content": json_of(schema) });
    }
    operation
}
