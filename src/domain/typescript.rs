//! The collections as TypeScript: records, what may be written, what expands, and a typed client.

use std::collections::HashSet;
use std::fmt::Write;

use crate::domain::fields::Kind;
use crate::domain::schema::{Collection, CollectionKind, Field, Schema};

const OPENING: &str = "\
// Made by `holdall types ts` from the collections; changes here are lost.
import type PocketBase from \"pocketbase\";
import type { RecordModel, RecordOptions, RecordService } from \"pocketbase\";

/** UTC, as `2026-11-21 05:32:23.830Z`; blank is none. */
export type DateText = string;

export interface GeoPoint {
  lon: number;
  lat: number;
}

/** What a file field takes: new files, and the names of stored ones that stay. */
export type FileInput = File | Blob | string;

";

const CLOSING: &str = "
/** The collections by name. */
export type CollectionName = keyof Collections;

/** The records service of one collection. */
export type TypedService<N extends CollectionName> =
  Omit<RecordService<Collections[N][\"record\"]>, \"create\" | \"update\"> & {
    create<T = Collections[N][\"record\"]>(
      body?: Collections[N][\"create\"] | FormData,
      options?: RecordOptions,
    ): Promise<T>;
    update<T = Collections[N][\"record\"]>(
      id: string,
      body?: Collections[N][\"update\"] | FormData,
      options?: RecordOptions,
    ): Promise<T>;
  };

/** The SDK's client, which knows the collections: `new PocketBase(url) as TypedPocketBase`. */
export interface TypedPocketBase extends PocketBase {
  collection<N extends CollectionName>(name: N): TypedService<N>;
  collection<M = RecordModel>(idOrName: string): RecordService<M>;
}
";

/// Prints all of them; the same text for the same schema.
pub fn print(schema: &Schema) -> String {
    let mut collections: Vec<&Collection> = schema.collections().map(AsRef::as_ref).collect();
    collections.sort_by(|a, b| a.name.cmp(&b.name));
    let module = Module { schema, named: named(&collections) };
    let mut out = OPENING.to_owned();
    for collection in &collections {
        module.put(&mut out, collection);
    }
    out.push_str("export interface Collections {\n");
    for collection in &collections {
        let name = module.name(collection);
        let (create, update) = match collection.kind {
            CollectionKind::View => ("never".to_owned(), "never".to_owned()),
            _ => (format!("{name}Create"), format!("{name}Update")),
        };
        let key = &collection.name;
        put(
            &mut out,
            1,
            &format!(
                "{}: {{ record: {name}Record; create: {create}; update: {update} }};",
                key_of(key)
            ),
        );
    }
    out.push_str("}\n");
    out.push_str(CLOSING);
    out
}

struct Module<'a> {
    schema: &'a Schema,
    named: Vec<(u32, String)>,
}

impl Module<'_> {
    fn name(&self, collection: &Collection) -> &str {
        let found = self.named.iter().find(|(number, _)| *number == collection.number);
        found.map_or("", |(_, name)| name)
    }

    fn put(&self, out: &mut String, collection: &Collection) {
        let name = self.name(collection);
        for field in &collection.fields {
            if let Kind::Select(options) = &field.kind {
                let values: Vec<String> =
                    options.values.iter().map(|value| quoted(value)).collect();
                let union = if values.is_empty() { "never".to_owned() } else { values.join(" | ") };
                put(out, 0, &format!("export type {} = {union};", option_name(name, field)));
            }
        }
        self.put_expand(out, collection);
        put(out, 0, &format!("/** A record of `{}`. */", collection.name));
        put(out, 0, &format!("export interface {name}Record {{"));
        put(out, 1, &format!("collectionId: {};", quoted(&collection.id)));
        put(out, 1, &format!("collectionName: {};", quoted(&collection.name)));
        for field in collection.fields.iter().filter(|field| is_shown(field)) {
            // Strangers don't get it: hidden fields never, addresses when their owner hides them.
            let maybe = field.hidden || collection.is_auth() && field.name == "email";
            let mark = if maybe { "?" } else { "" };
            put(
                out,
                1,
                &format!("{}{mark}: {};", key_of(&field.name), self.read_type(name, field)),
            );
        }
        put(out, 1, &format!("expand?: {name}Expand;"));
        put(out, 0, "}\n");
        if collection.kind != CollectionKind::View {
            self.put_written(out, collection);
        }
    }

    fn put_expand(&self, out: &mut String, collection: &Collection) {
        let name = self.name(collection);
        put(out, 0, &format!("/** What `expand` may add to a record of `{}`. */", collection.name));
        put(out, 0, &format!("export interface {name}Expand {{"));
        for field in &collection.fields {
            if let Kind::Relation(options) = &field.kind
                && let Some(target) = self.schema.by_id(&options.collection_id)
            {
                let list = if field.kind.is_multiple() { "[]" } else { "" };
                let target = self.name(target);
                put(out, 1, &format!("{}?: {target}Record{list};", key_of(&field.name)));
            }
        }
        for (number, from) in &self.named {
            let Some(source) = self.schema.by_number(*number) else { continue };
            for (at, _) in source.relations().filter(|(_, to)| to.collection_id == collection.id) {
                let field = &source.fields[at];
                let unique = source.indexes.iter().any(|index| match &index.columns[..] {
                    [column] => index.unique && column.field == Some(at),
                    _ => false,
                });
                let list = if unique && !field.kind.is_multiple() { "" } else { "[]" };
                let key = format!("{}_via_{}", source.name, field.name);
                put(out, 1, &format!("{}?: {from}Record{list};", key_of(&key)));
            }
        }
        put(out, 0, "}\n");
    }

    fn put_written(&self, out: &mut String, collection: &Collection) {
        let name = self.name(collection);
        let (mut create, mut update) = (Vec::new(), Vec::new());
        for field in collection.fields.iter().filter(|field| is_writable(field)) {
            let value = self.write_type(name, field);
            // The server makes these when they are missing.
            let made = matches!(&field.kind, Kind::Text(options) if !options.autogenerate_pattern.is_empty());
            let mark = if field.required && !made { "" } else { "?" };
            create.push(format!("{}{mark}: {value};", key_of(&field.name)));
            if field.name != "id" {
                update.push(format!("{}?: {value} | null;", key_of(&field.name)));
            }
            update.extend(self.modifiers(name, field));
        }
        if collection.is_auth() {
            create.push("passwordConfirm: string;".to_owned());
            update.push("passwordConfirm?: string;".to_owned());
            update.push("oldPassword?: string;".to_owned());
        }
        let shapes = [("Create", "creates", create), ("Update", "changes", update)];
        for (shape, verb, members) in shapes {
            put(out, 0, &format!("/** What {verb} a record of `{}`. */", collection.name));
            put(out, 0, &format!("export interface {name}{shape} {{"));
            members.iter().for_each(|member| put(out, 1, member));
            put(out, 0, "}\n");
        }
    }

    fn modifiers(&self, name: &str, field: &Field) -> Vec<String> {
        let (signs, value): (&[&str], String) = match &field.kind {
            Kind::Number(_) => (&["f+", "f-"], "number".to_owned()),
            Kind::File(_) if field.kind.is_multiple() => {
                let names = "string | string[]".to_owned();
                let files = "FileInput | FileInput[]";
                let mut all: Vec<String> =
                    ["f+", "+f"].iter().map(|sign| modifier(sign, field, files)).collect();
                all.push(modifier("f-", field, &names));
                return all;
            }
            Kind::Select(_) | Kind::Relation(_) if field.kind.is_multiple() => {
                let one = match &field.kind {
                    Kind::Select(_) => option_name(name, field),
                    _ => "string".to_owned(),
                };
                (&["f+", "+f", "f-"], format!("{one} | {one}[]"))
            }
            _ => return Vec::new(),
        };
        signs.iter().map(|sign| modifier(sign, field, &value)).collect()
    }

    fn read_type(&self, name: &str, field: &Field) -> String {
        let list = if field.kind.is_multiple() { "[]" } else { "" };
        match &field.kind {
            Kind::Text(_) | Kind::Editor(_) | Kind::Email(_) | Kind::Url(_) | Kind::Password(_) => {
                "string".to_owned()
            }
            Kind::Number(_) => "number".to_owned(),
            Kind::Bool => "boolean".to_owned(),
            Kind::Date(_) | Kind::Autodate(_) => "DateText".to_owned(),
            Kind::Select(_) if field.kind.is_multiple() || field.required => {
                format!("{}{list}", option_name(name, field))
            }
            Kind::Select(_) => format!("{} | \"\"", option_name(name, field)),
            Kind::File(_) | Kind::Relation(_) => format!("string{list}"),
            Kind::Json(_) => "unknown".to_owned(),
            Kind::GeoPoint => "GeoPoint".to_owned(),
        }
    }

    fn write_type(&self, name: &str, field: &Field) -> String {
        match &field.kind {
            Kind::Date(_) => "DateText | Date".to_owned(),
            Kind::File(_) if field.kind.is_multiple() => "FileInput | FileInput[]".to_owned(),
            Kind::File(_) => "FileInput".to_owned(),
            _ => self.read_type(name, field),
        }
    }
}

fn modifier(sign: &str, field: &Field, value: &str) -> String {
    format!("{}?: {value};", quoted(&sign.replace('f', &field.name)))
}

fn is_shown(field: &Field) -> bool {
    !matches!(field.kind, Kind::Password(_)) && field.name != "tokenKey"
}

fn is_writable(field: &Field) -> bool {
    !matches!(field.kind, Kind::Autodate(_)) && field.name != "tokenKey"
}

fn option_name(collection: &str, field: &Field) -> String {
    format!("{collection}{}Option", pascal(&field.name))
}

/// A name of its own for each collection, made of the words in its name.
fn named(collections: &[&Collection]) -> Vec<(u32, String)> {
    let mut taken = HashSet::new();
    let names = collections.iter().map(|collection| {
        let base = pascal(&collection.name);
        let mut name = base.clone();
        let mut attempt = 1;
        while !taken.insert(name.clone()) {
            attempt += 1;
            name = format!("{base}{attempt}");
        }
        (collection.number, name)
    });
    names.collect()
}

/// `my_posts` as `MyPosts`; a name may not begin with a digit.
fn pascal(name: &str) -> String {
    let mut out = String::new();
    for word in name.split('_').filter(|word| !word.is_empty()) {
        let mut letters = word.chars();
        out.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    if out.chars().next().is_none_or(|first| first.is_ascii_digit()) {
        out.insert(0, 'C');
    }
    out
}

/// A member's name: names of fields and collections are words, which may begin with a digit.
fn key_of(name: &str) -> String {
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        quoted(name)
    } else {
        name.to_owned()
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn put(out: &mut String, depth: usize, line: &str) {
    let _ = writeln!(out, "{}{line}", "  ".repeat(depth));
}
