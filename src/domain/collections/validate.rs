//! Whether a collection may be defined so.

use std::sync::Arc;

use serde_json::json;

use crate::domain::Problems;
use crate::domain::collections::auth_options;
use crate::domain::fields::{Kind, check};
use crate::domain::schema::{Collection, CollectionKind, Field, Schema};
use crate::query;

/// Names that a record or the query language uses for itself.
const RESERVED: [&str; 5] = ["_rowid_", "expand", "collectionId", "collectionName", "__proto__"];
/// Words of the query language, in whatever case.
const LITERALS: [&str; 3] = ["null", "true", "false"];
/// What forms of auth collections send beside the fields.
const RESERVED_AUTH: [&str; 2] = ["passwordConfirm", "oldPassword"];
const NAME_LIMIT: usize = 255;
/// Characters of the id of a collection.
const ID_LIMIT: usize = 100;
/// Characters of a field's name, or of its id.
const FIELD_NAME_LIMIT: usize = 100;
/// Characters of what explains a field.
const HELP_LIMIT: usize = 300;
/// Most fields: a record on disk counts its values.
const FIELD_LIMIT: usize = 250;

/// What is wrong with `new`, which stands in `schema` and in the list `all` it was made of already,
/// in place of `old`. A schema cannot hold two of one id: the list can.
pub fn problems(
    schema: &Arc<Schema>,
    all: &[Arc<Collection>],
    old: Option<&Collection>,
    new: &Arc<Collection>,
) -> Problems {
    let mut problems = Problems::new();
    name(all, old, new, &mut problems);
    if old.is_none() {
        id(&new.id, &mut problems);
    }
    let twin = |other: &&Arc<Collection>| other.number != new.number && other.id == new.id;
    if !problems.has("name") && all.iter().any(|other| twin(&other)) {
        problems.add(
            "id",
            "validation_invalid_or_existing_id",
            "There is such a collection already.",
        );
    }
    if let Some(old) = old.filter(|old| old.system) {
        if old.name != new.name {
            let message = "A system collection keeps its name.";
            problems.add("name", "validation_collection_system_name_change", message);
        }
        for ((name, before), (_, after)) in rules_of(old).into_iter().zip(rules_of(new)) {
            if before != after {
                let message = "A system collection keeps its rules.";
                problems.add(name, "validation_collection_system_rule_change", message);
            }
        }
    }
    problems.nest("fields", fields(schema, old, new));
    rules(schema, new, &mut problems);
    if let Some(auth) = &new.auth {
        auth_options::problems(schema, new, auth, &mut problems);
    }
    problems
}

/// All rules that a collection has, of accounts too.
fn rules_of(collection: &Collection) -> Vec<(&'static str, &Option<String>)> {
    let mut rules: Vec<_> = collection.rules.named().into();
    if let Some(auth) = &collection.auth {
        rules.push(("authRule", &auth.auth_rule));
        rules.push(("manageRule", &auth.manage_rule));
    }
    rules
}

fn id(id: &str, problems: &mut Problems) {
    if id.len() > ID_LIMIT {
        let message = format!("Must have no more than {ID_LIMIT} characters.");
        problems.add("id", "validation_length_out_of_range", &message);
    } else if !is_word(id) {
        problems.add("id", "validation_match_invalid", "Must consist of letters, digits and _.");
    }
}

fn name(
    all: &[Arc<Collection>],
    old: Option<&Collection>,
    new: &Collection,
    problems: &mut Problems,
) {
    if new.name.is_empty() {
        return problems.add("name", "validation_required", "Cannot be blank.");
    }
    if new.name.len() > NAME_LIMIT {
        let message = "Must have no more than 255 characters.";
        let params = json!({"min": 1, "max": NAME_LIMIT});
        return problems.add_with("name", "validation_length_out_of_range", message, params);
    }
    if !is_word(&new.name) {
        let message = "Must consist of letters, digits and _.";
        return problems.add("name", "validation_match_invalid", message);
    }
    if new.name.contains("_via_") {
        return problems.add("name", "validation_found_via", "Must not contain _via_.");
    }
    if old.is_some_and(|old| old.name == new.name) {
        return;
    }
    let others = || all.iter().filter(|other| other.number != new.number);
    if others().any(|other| other.name.eq_ignore_ascii_case(&new.name)) {
        let message = "There is a collection of that name, in whatever case.";
        problems.add("name", "validation_collection_name_exists", message);
    } else if others().any(|other| other.id == new.name) {
        let message = "This is the id of another collection.";
        problems.add("name", "validation_collection_name_id_duplicate", message);
    }
}

fn fields(schema: &Schema, old: Option<&Collection>, new: &Collection) -> Problems {
    let mut problems = Problems::new();
    if new.fields.len() > FIELD_LIMIT {
        let message = "There are too many fields.";
        problems.add(&FIELD_LIMIT.to_string(), "validation_length_too_long", message);
    }
    for (at, field) in new.fields.iter().enumerate() {
        let mut own = check::options(&field.kind);
        field_name(new, at, field, &mut own);
        if field.help.chars().count() > HELP_LIMIT {
            let message = "Must have no more than 300 characters.";
            own.add("help", "validation_length_out_of_range", message);
        }
        if field.id.len() > FIELD_NAME_LIMIT {
            let message = "Must have no more than 100 characters.";
            own.add("id", "validation_length_out_of_range", message);
        }
        let before = &new.fields[..at];
        if before.iter().any(|other| other.id == field.id) {
            own.add("id", "validation_duplicated_field_id", "Another field has this id.");
        }
        if let Kind::Text(options) = &field.kind
            && options.primary_key != (field.name == "id")
        {
            let message = "The primary key is the field named id, and no other.";
            own.add("primaryKey", "validation_unsupported_composite_pk", message);
        }
        if field.name == "id" && !matches!(field.kind, Kind::Text(_)) {
            own.add("type", "validation_in_invalid", "The id is a text.");
        }
        if let Kind::Relation(options) = &field.kind
            && !options.collection_id.is_empty()
        {
            let was = old.and_then(|old| old.fields.iter().find(|was| was.slot == field.slot));
            let moved = |was: &Field| matches!(&was.kind, Kind::Relation(was) if was.collection_id != options.collection_id);
            if was.is_some_and(moved) {
                let message = "A relation keeps its collection; make a new field.";
                own.add("collectionId", "validation_field_relation_change", message);
            } else if let Some((code, message)) = unrelated(schema, new, &options.collection_id) {
                own.add("collectionId", code, message);
            }
        }
        problems.nest(&at.to_string(), own);
    }
    problems
}

/// Why a field of `new` cannot point into the collection with this id, if it can't.
fn unrelated(schema: &Schema, new: &Collection, id: &str) -> Option<(&'static str, &'static str)> {
    let Some(other) = schema.collections().find(|other| other.id == id) else {
        let message = "There is no such collection to relate to.";
        return Some(("validation_field_relation_missing_collection", message));
    };
    let into_view = other.kind == CollectionKind::View && new.kind != CollectionKind::View;
    into_view.then_some((
        "validation_relation_field_non_view_base_collection",
        "Records cannot point into views, which have none of their own.",
    ))
}

fn field_name(collection: &Collection, at: usize, field: &Field, problems: &mut Problems) {
    let name = field.name.as_str();
    let reserved =
        LITERALS.iter().any(|word| word.eq_ignore_ascii_case(name)) || RESERVED.contains(&name);
    let twice =
        || collection.fields[..at].iter().any(|other| other.name.eq_ignore_ascii_case(name));
    if name.is_empty() {
        problems.add("name", "validation_required", "Cannot be blank.");
    } else if name.len() > FIELD_NAME_LIMIT {
        let message = "Must have no more than 100 characters.";
        let params = json!({"min": 1, "max": FIELD_NAME_LIMIT});
        problems.add_with("name", "validation_length_out_of_range", message, params);
    } else if !is_word(name) {
        problems.add("name", "validation_match_invalid", "Must consist of letters, digits and _.");
    } else if reserved {
        problems.add(
            "name",
            "validation_not_in_invalid",
            "This name is taken by records themselves.",
        );
    } else if collection.is_auth() && RESERVED_AUTH.contains(&name) {
        let message = "Forms of accounts send something else by this name.";
        problems.add("name", "validation_reserved_field_name", message);
    } else if name.contains("_via_") {
        problems.add("name", "validation_found_via", "Must not contain _via_.");
    } else if twice() {
        let message = "Another field has this name, in whatever case.";
        let params = json!({"fieldName": name});
        problems.add_with("name", "validation_duplicated_field_name", message, params);
    }
}

fn rules(schema: &Arc<Schema>, new: &Arc<Collection>, problems: &mut Problems) {
    for (name, rule) in new.rules.named() {
        check_rule(schema, new, name, rule.as_deref(), problems);
    }
    for (at, index) in new.indexes.iter().filter(|index| !index.internal).enumerate() {
        if let Some(condition) = &index.condition
            && let Err(error) = query::check_rule(schema, new, condition)
        {
            let message = format!("The condition is not understood: {error}");
            let code = "validation_invalid_index_expression";
            problems.nest("indexes", Problems::one(&at.to_string(), code, &message));
        }
    }
}

pub fn check_rule(
    schema: &Arc<Schema>,
    collection: &Arc<Collection>,
    name: &str,
    rule: Option<&str>,
    problems: &mut Problems,
) {
    let Some(rule) = rule.filter(|rule| !rule.is_empty()) else { return };
    if rule.trim().is_empty() {
        return problems.add(name, "validation_invalid_rule", "A rule of blanks is none.");
    }
    if let Err(error) = query::check_rule(schema, collection, rule) {
        problems.add(name, "validation_invalid_rule", &format!("The rule is not valid: {error}"));
    }
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
