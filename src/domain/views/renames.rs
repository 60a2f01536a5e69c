//! Views go on working when what they look at has another name: their text is written anew.

use sqlparser::ast::Ident;
use sqlparser::tokenizer::{Location, Span};

use crate::domain::schema::Schema;
use crate::domain::views::parse;

/// A name in a query, and what it stands for.
#[derive(Debug, Clone, Copy)]
pub struct Mention {
    span: Span,
    quote: Option<char>,
    meaning: Meaning,
    /// The column that shows it has its name, too: that one stays as it was.
    is_shown: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// The number of a collection.
    Collection(u32),
    /// That number, and the slot of a field.
    Field(u32, u32),
}

impl Mention {
    pub fn of(name: &Ident, meaning: Meaning) -> Self {
        Self { span: name.span, quote: name.quote_style, meaning, is_shown: false }
    }

    /// Whether this is the mention of `name`, which gives its name to a column as well.
    pub fn shows(&mut self, name: &Ident) {
        self.is_shown |= self.span == name.span;
    }

    pub fn start(&self) -> (u64, u64) {
        (self.span.start.line, self.span.start.column)
    }

    fn written(&self, name: &str, before: &str, quote: Option<char>) -> String {
        let quoted = |name: &str, quote: Option<char>| match quote {
            Some('[') => format!("[{name}]"),
            Some(quote) => format!("{quote}{name}{quote}"),
            None => name.to_owned(),
        };
        let name = quoted(name, self.quote.or(quote));
        if self.is_shown { format!("{name} AS {}", quoted(before, self.quote)) } else { name }
    }
}

/// The query with the names that are right in `after`, if those are others. An error where it would be
/// another query: a name that is new, or that something else has left, may catch a name in it.
pub fn renamed(before: &Schema, after: &Schema, query: &str) -> Result<Option<String>, String> {
    // What was broken already, or looks at what is gone, is for others to tell.
    let Ok(mentions) = parse::mentions(before, query) else { return Ok(None) };
    let is_same = |text: &str| {
        let found = parse::mentions(after, text).ok()?;
        let same = |(known, found): (&Mention, &Mention)| {
            known.meaning == found.meaning
                || takes_its_place(before, after, known.meaning, found.meaning)
        };
        Some(found.len() == mentions.len() && mentions.iter().zip(&found).all(same))
    };
    let mut verdict = None;
    // Some names are words of SQL, too.
    for quote in [None, Some('`')] {
        let Some(text) = written(before, after, query, &mentions, quote) else { break };
        verdict = is_same(&text);
        if verdict == Some(true) {
            return Ok((text != query).then_some(text));
        }
    }
    match verdict {
        Some(false) => Err("a name in it would stand for something else".to_owned()),
        _ => Ok(None),
    }
}

/// Whether what `found` stands for has the name, and in the same collection, of what is gone.
fn takes_its_place(before: &Schema, after: &Schema, gone: Meaning, found: Meaning) -> bool {
    let is_there = match (gone, found) {
        (Meaning::Collection(_), Meaning::Collection(_)) => true,
        (Meaning::Field(of, _), Meaning::Field(other, _)) => {
            of == other || after.by_number(of).is_none()
        }
        _ => false,
    };
    let named = |schema, meaning| name(schema, meaning).map(|name| name.to_lowercase());
    is_there && name(after, gone).is_none() && named(before, gone) == named(after, found)
}

/// The query with the names of `after`; what is gone has the name it had.
fn written(
    before: &Schema,
    after: &Schema,
    query: &str,
    mentions: &[Mention],
    quote: Option<char>,
) -> Option<String> {
    let mut text = String::with_capacity(query.len());
    let mut rest = 0;
    for mention in mentions {
        let old = name(before, mention.meaning)?;
        let new = name(after, mention.meaning).unwrap_or_else(|| old.clone());
        let (from, until) = (place(query, mention.span.start)?, place(query, mention.span.end)?);
        if old == new {
            continue;
        }
        text.push_str(query.get(rest..from)?);
        text.push_str(&mention.written(&new, &old, quote));
        rest = until;
    }
    text.push_str(query.get(rest..)?);
    Some(text)
}

fn name(schema: &Schema, meaning: Meaning) -> Option<String> {
    match meaning {
        Meaning::Collection(number) => Some(schema.by_number(number)?.name.clone()),
        Meaning::Field(number, slot) => {
            let fields = &schema.by_number(number)?.fields;
            Some(fields.iter().find(|field| field.slot == slot)?.name.clone())
        }
    }
}

/// Where in `text` a line and a column are, both counted from 1.
fn place(text: &str, at: Location) -> Option<usize> {
    let line = usize::try_from(at.line.checked_sub(1)?).ok()?;
    let column = usize::try_from(at.column.checked_sub(1)?).ok()?;
    let start = match line {
        0 => 0,
        line => text.match_indices('\n').nth(line - 1)?.0 + 1,
    };
    let rest = &text[start..];
    rest.char_indices().map(|(at, _)| at).chain([rest.len()]).nth(column).map(|at| start + at)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::Result;
    use crate::domain::collections;
    use crate::domain::request::Caller;
    use crate::domain::views::tests::{create, shown, world};
    use crate::store::Store;

    fn update(store: &Store, name: &'static str, definition: Value) -> Result<()> {
        let definition = definition.as_object().unwrap().clone();
        let caller = Caller::Operator("cli:0".to_owned());
        let rule = move |tx: &mut _| collections::update(tx, &caller, name, &definition, 0);
        store.write(rule).map(drop)
    }

    fn query(store: &Store, name: &str) -> String {
        let schema = Schema::load(&store.snapshot()).unwrap();
        schema.find(name).unwrap().view_query.clone().unwrap()
    }

    /// Gives posts another name, and their title and number.
    fn rename(store: &Store) -> Result<()> {
        let schema = Schema::load(&store.snapshot()).unwrap();
        let fields = schema.find("posts").unwrap().fields.iter().map(|field| {
            let name = match &field.name[..] {
                "title" => "headline",
                "n" => "number",
                other => other,
            };
            let kind = field.kind.name();
            json!({"id": field.id, "name": name, "type": kind, "collectionId": "people_id"})
        });
        let fields: Vec<Value> = fields.collect();
        update(store, "posts", json!({"name": "articles", "fields": fields}))
    }

    #[test]
    fn names_are_written_anew_wherever_they_stand() {
        for (before, after) in [
            ("select id, title from posts", "select id, title from articles"),
            (
                "SELECT p.id, p.title, (p.n + 1) AS n FROM posts p\nWHERE p.n > 1 AND p.title != 'title'",
                "SELECT p.id, p.headline AS title, (p.number + 1) AS n FROM articles p\nWHERE p.number > 1 AND p.headline != 'title'",
            ),
            (
                "select posts.id, `Posts`.`title` from Posts join people on people.id = posts.by",
                "select articles.id, `articles`.`headline` AS `title` from articles join people on people.id = articles.by",
            ),
            (
                "with x as (select id, n from posts) select x.id, x.n from x join x y on y.id = x.id",
                "with x as (select id, number AS n from articles) select x.id, x.n from x join x y on y.id = x.id",
            ),
            (
                "select by as id, count(*) as c, sum(n) as s from posts group by by order by s",
                "select by as id, count(*) as c, sum(number) as s from articles group by by order by s",
            ),
        ] {
            let after = after.replace("id, title from", "id, headline AS title from");
            let store = world(before);
            let columns: Vec<String> = {
                let schema = Schema::load(&store.snapshot()).unwrap();
                schema.find("v").unwrap().fields.iter().map(|field| field.name.clone()).collect()
            };
            let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
            let rows = shown(&store, "", &columns);
            rename(&store).unwrap();
            assert_eq!(query(&store, "v"), after);
            assert_eq!(shown(&store, "", &columns), rows, "{before}");
        }
    }

    #[test]
    fn fields_that_change_places_stay_what_they_were() {
        let store = world("select id, title, \"n\" \"title2\" from posts where [title] = 'b'");
        let rows = shown(&store, "", &["title", "title2"]);
        let schema = Schema::load(&store.snapshot()).unwrap();
        let id = |name: &str| schema.find("posts").unwrap().field(name).unwrap().1.id.clone();
        let fields = json!([{"id": id("title"), "name": "n", "type": "text"},
            {"id": id("n"), "name": "title", "type": "number"}]);
        update(&store, "posts", json!({"fields": fields})).unwrap();
        let after = "select id, n AS title, \"title\" \"title2\" from posts where [n] = 'b'";
        assert_eq!(
            (query(&store, "v").as_str(), shown(&store, "", &["title", "title2"])),
            (after, rows)
        );
    }

    #[test]
    fn names_that_are_words_of_sql_are_quoted() {
        let store = world("select id, title from posts where title != ''");
        let rows = shown(&store, "", &["title"]);
        let schema = Schema::load(&store.snapshot()).unwrap();
        let id = &schema.find("posts").unwrap().field("title").unwrap().1.id;
        for (name, after) in [
            ("from", "select id, `from` AS title from posts where `from` != ''"),
            ("headline", "select id, `headline` AS title from posts where `headline` != ''"),
        ] {
            let fields = json!([{"id": id, "name": name, "type": "text"}]);
            update(&store, "posts", json!({"fields": fields})).unwrap();
            assert_eq!(query(&store, "v"), after);
            assert_eq!(shown(&store, "", &["title"]), rows);
        }
    }

    #[test]
    fn what_takes_the_place_of_a_field_is_looked_at_in_its_stead() {
        let store = world("select p.id, p.n, q.name from posts p join people q on q.id = p.by");
        let schema = Schema::load(&store.snapshot()).unwrap();
        let id = |name: &str| schema.find("posts").unwrap().field(name).unwrap().1.id.clone();
        let fields = json!([{"id": id("title"), "name": "headline", "type": "text"},
            {"name": "n", "type": "text", "id": "another_n"},
            {"id": id("by"), "name": "author", "type": "relation", "collectionId": "people_id"}]);
        update(&store, "posts", json!({"fields": fields})).unwrap();
        let after = "select p.id, p.n, q.name from posts p join people q on q.id = p.author";
        assert_eq!(query(&store, "v"), after);
        assert_eq!(shown(&store, "", &["n", "name"]), [json!(["", "Ada"]), json!(["", "Ada"])]);
    }

    #[test]
    fn new_names_catch_nothing_in_a_query() {
        let inner = "select id, (select title from people where people.id = by) as t from posts";
        let store = world(inner);
        let schema = Schema::load(&store.snapshot()).unwrap();
        let name = schema.find("people").unwrap().field("name").unwrap().1.id.clone();
        for fields in [
            json!([{"id": name, "name": "title", "type": "text"}]),
            json!([{"id": name, "name": "name", "type": "text"}, {"name": "title", "type": "text"}]),
        ] {
            let refused = update(&store, "people", json!({"fields": fields})).unwrap_err();
            let told = "the view v depends on this: a name in it would stand for something else";
            assert_eq!(refused.to_string(), told);
        }
    }

    #[test]
    fn views_over_views_go_on_too() {
        let store = world("select id, title from posts");
        let over = json!({"name": "w", "type": "view", "viewQuery": "select id, title from v"});
        create(&store, over).unwrap();
        rename(&store).unwrap();
        update(&store, "v", json!({"name": "u"})).unwrap();
        assert_eq!(query(&store, "w"), "select id, title from u");
        assert_eq!(query(&store, "u"), "select id, headline AS title from articles");
    }

    #[test]
    fn what_another_name_would_make_another_query_is_refused() {
        let hidden = "with articles as (select id from people) select p.id from posts p";
        for query in [hidden, "select articles.id from posts join people articles on 1 = 1"] {
            let store = world(query);
            let refused = rename(&store).unwrap_err().to_string();
            assert!(refused.contains("the view v depends on this"), "{refused}");
        }
    }
}
