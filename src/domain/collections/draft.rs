//! What a definition asks for, laid over what is there: a draft, not checked yet.

use serde_json::{Map, Value};

use crate::domain::collections::providers;
use crate::domain::collections::system;
use crate::domain::fields::date;
use crate::domain::fields::pattern;
use crate::domain::fields::{AuthOptions, Kind, define};
use crate::domain::request::SUPERUSERS_ID;
use crate::domain::schema::{Collection, CollectionKind, Field, Rules};
use crate::domain::{Error, Problems, Result};

/// How the list of fields in a definition counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fields {
    /// It is the whole list: what is missing is dropped.
    Replace,
    /// It only adds and changes.
    Add,
}

/// A collection as asked for, and the statements of its indexes.
pub struct Draft {
    pub collection: Collection,
    pub statements: Vec<String>,
    /// What was wrong already.
    pub problems: Problems,
}

type Definition = Map<String, Value>;

pub fn draft(
    old: Option<&Collection>,
    definition: &Definition,
    fields: Fields,
    now_ms: i64,
) -> Result<Draft> {
    let mut problems = Problems::new();
    let mut collection = match old {
        Some(old) => old.clone(),
        None => blank(definition, &mut problems, now_ms)?,
    };
    if let Some(kind) = text(definition, "type")?.filter(|kind| !kind.is_empty())
        && old.is_some_and(|old| old.kind.name() != kind)
    {
        let message = "The type of a collection cannot change.";
        problems.add("type", "validation_collection_type_change", message);
    }
    let flag = definition.get("system").and_then(Value::as_bool);
    if old.is_some_and(|old| flag.is_some_and(|flag| flag != old.system)) {
        let message = "What belongs to the system is not for clients to say.";
        problems.add("system", "validation_collection_system_flag_change", message);
    }
    if let Some(name) = text(definition, "name")? {
        collection.name = name.to_owned();
    }
    if collection.id.is_empty() {
        collection.id = system::collection_id(collection.kind, &collection.name);
    }
    for (name, rule) in collection.rules.named_mut() {
        match definition.get(name) {
            None => {}
            Some(Value::Null) => *rule = None,
            // Nothing but blanks is no rule, least of all the one that lets everybody in.
            Some(Value::String(text)) if text.trim().is_empty() => *rule = Some(text.clone()),
            Some(Value::String(text)) => *rule = Some(text.trim().to_owned()),
            Some(_) => return Err(misfit(name)),
        }
    }
    if collection.kind == CollectionKind::View {
        nothing_to_write(&mut collection.rules, &mut problems);
        if let Some(query) = text(definition, "viewQuery")? {
            collection.view_query = Some(query.trim().to_owned());
        }
    } else {
        draft_fields(&mut collection, definition, fields, &mut problems)?;
    }
    if let Some(auth) = &mut collection.auth {
        **auth = auth_options(auth, definition)?;
        if collection.id == SUPERUSERS_ID {
            // Superusers must be able to sign in, and not by a stranger's word.
            auth.password_auth.enabled = true;
            auth.oauth2.enabled = false;
        }
    }
    let mut statements = match definition.get("indexes") {
        None | Some(Value::Null) => stated(&collection),
        Some(Value::Array(list)) => {
            let text = |item: &Value| match item {
                Value::Null => Some(String::new()),
                item => item.as_str().map(|text| text.trim().to_owned()),
            };
            list.iter().map(text).collect::<Option<_>>().ok_or_else(|| misfit("indexes"))?
        }
        Some(_) => return Err(misfit("indexes")),
    };
    if collection.kind == CollectionKind::View && !statements.is_empty() {
        let message = "A view has no indexes: its records are made when they are looked at.";
        problems.add("indexes", "validation_indexes_not_supported", message);
        statements.clear();
    }
    collection.updated = date::print(now_ms);
    Ok(Draft { collection, statements, problems })
}

/// Records of a view are only read: rules about writing them are a mistake.
fn nothing_to_write(rules: &mut Rules, problems: &mut Problems) {
    let Rules { create, update, delete, .. } = rules;
    for (name, rule) in [("createRule", create), ("updateRule", update), ("deleteRule", delete)] {
        if rule.take().is_some() {
            problems.add(name, "validation_nil", "Must be null: a view can't be written to.");
        }
    }
}

fn blank(definition: &Definition, problems: &mut Problems, now_ms: i64) -> Result<Collection> {
    let kind = match text(definition, "type")?.unwrap_or_default() {
        "" => CollectionKind::Base,
        name => CollectionKind::from_name(name).unwrap_or_else(|| {
            problems.add("type", "validation_in_invalid", "Must be base, auth or view.");
            CollectionKind::Base
        }),
    };
    let auth = (kind == CollectionKind::Auth).then(|| Box::new(AuthOptions::default()));
    Ok(Collection {
        number: 0,
        id: text(definition, "id")?.unwrap_or_default().to_owned(),
        name: String::new(),
        kind,
        system: definition.get("system") == Some(&Value::Bool(true)),
        rules: Default::default(),
        fields: Vec::new(),
        indexes: Vec::new(),
        pending: Default::default(),
        auth,
        view_query: (kind == CollectionKind::View).then(String::new),
        layouts: Vec::new(),
        created: date::print(now_ms),
        updated: String::new(),
        shaped: Default::default(),
    })
}

fn stated(collection: &Collection) -> Vec<String> {
    let stated = collection.indexes.iter().filter(|index| !index.internal);
    stated.map(|index| index.statement.clone()).collect()
}

/// Matches the fields asked for with those that are there, by id, or by name where they have none.
fn draft_fields(
    collection: &mut Collection,
    definition: &Definition,
    how: Fields,
    problems: &mut Problems,
) -> Result<()> {
    let old = std::mem::take(&mut collection.fields);
    let mut next_slot = next_slot(collection, &old);
    let mut fields: Vec<Field> = Vec::new();
    match definition.get("fields") {
        None | Some(Value::Null) => fields = old.clone(),
        Some(Value::Array(list)) => {
            for item in list {
                let item = item.as_object().ok_or_else(|| misfit("fields"))?;
                fields.push(define::read(item).map_err(Error::Bad)?);
            }
            lead_with_id(&mut fields, collection.kind, &old, how);
        }
        Some(_) => return Err(misfit("fields")),
    }
    if definition.get("fields").is_some_and(Value::is_array) {
        let mut list = Problems::new();
        for (position, field) in fields.iter_mut().enumerate() {
            settle(field, position, &old, &mut next_slot, &mut list);
        }
        problems.nest("fields", list);
        let missing = |field: &Field| !fields.iter().any(|kept| kept.slot == field.slot);
        let old = old.iter().enumerate();
        let kept = old.filter(|(_, field)| missing(field) && (how == Fields::Add || field.system));
        // A list that only adds takes the place of nothing: two of a name are refused later on.
        let replaced = |field: &Field| fields.iter().any(|new| new.name == field.name);
        let kept: Vec<_> = kept
            .filter(|(_, field)| how == Fields::Add || !replaced(field))
            .map(|(at, field)| (at, field.clone()))
            .collect();
        for (at, field) in kept {
            // System fields stay where they were: who leaves them out means no change.
            let at = if field.system { at.min(fields.len()) } else { fields.len() };
            fields.insert(at, field);
        }
    }
    for proto in system::fields(collection.kind) {
        match fields.iter_mut().find(|field| field.name == proto.name) {
            Some(field) if field.kind.name() == proto.kind.name() || field.name == "id" => {
                hold(field, &proto);
            }
            // What signing in relies on stays what it is.
            Some(field) => match old.iter().find(|old| old.name == proto.name) {
                Some(old) => *field = old.clone(),
                None => *field = Field { slot: field.slot, ..proto },
            },
            None => {
                let mut field = proto;
                field.slot = next_slot;
                next_slot += 1;
                fields.push(field);
            }
        }
    }
    give_ids(&mut fields);
    collection.fields = fields;
    Ok(())
}

/// A list without the id begins with it all the same, and what is said of the list counts it.
fn lead_with_id(fields: &mut Vec<Field>, kind: CollectionKind, old: &[Field], how: Fields) {
    let is_id = |field: &Field| field.name == "id";
    let known = old.iter().find(|field| is_id(field));
    if fields.iter().any(is_id) || how == Fields::Add && known.is_some() {
        return;
    }
    let proto = || system::fields(kind).into_iter().find(is_id);
    if let Some(id) = known.cloned().or_else(proto) {
        fields.insert(0, id);
    }
}

/// Gives `field` the slot of the field that it was, or a new one.
fn settle(field: &mut Field, at: usize, old: &[Field], next: &mut u32, problems: &mut Problems) {
    field.slot = 0;
    let by_id = old.iter().find(|before| !field.id.is_empty() && before.id == field.id);
    let by_name = || old.iter().find(|before| field.id.is_empty() && before.name == field.name);
    let before = by_id.or_else(by_name);
    let same_kind = before.is_some_and(|before| before.kind.name() == field.kind.name());
    if by_id.is_some() && !same_kind {
        let message = "The type of a field cannot change; make a new field.";
        problems.add(&at.to_string(), "validation_field_type_change", message);
    }
    match before {
        Some(before) if same_kind => {
            field.slot = before.slot;
            field.id = before.id.clone();
            field.system = before.system;
        }
        _ => {
            field.slot = *next;
            *next += 1;
        }
    }
    // A field that takes the place of another of the same name is another field.
    if by_id.is_none() && !same_kind && before.is_some() {
        field.system = false;
    }
}

/// What may not change about a system field.
fn hold(field: &mut Field, proto: &Field) {
    if field.kind.name() != proto.kind.name() {
        return;
    }
    field.system = true;
    field.hidden = proto.hidden;
    field.required = proto.required || field.name == "emailVisibility" && field.required;
    if let (Kind::Text(options), Kind::Text(held)) = (&mut field.kind, &proto.kind) {
        options.primary_key = held.primary_key;
        if options.pattern.is_empty() {
            options.pattern = held.pattern.clone();
        }
        if field.name == "tokenKey" {
            *options = held.clone();
        }
    }
}

fn next_slot(collection: &Collection, fields: &[Field]) -> u32 {
    let in_layouts = collection.layouts.iter().flat_map(|layout| &layout.slots);
    let slots = in_layouts.map(|slot| slot.slot).chain(fields.iter().map(|field| field.slot));
    slots.max().map_or(1, |last| last + 1)
}

fn give_ids(fields: &mut [Field]) {
    for at in 0..fields.len() {
        if !fields[at].id.is_empty() {
            continue;
        }
        let base = system::field_id(&fields[at]);
        let mut id = base.clone();
        let mut attempt = 1;
        while fields.iter().any(|field| field.id == id) {
            attempt += 1;
            id = format!("{base}_{attempt}");
        }
        fields[at].id = id;
    }
}

/// Lays the members of `definition` over `old`; what is not sent stays, secrets above all.
fn auth_options(old: &AuthOptions, definition: &Definition) -> Result<AuthOptions> {
    let broken = |error: serde_json::Error| Error::Bad(error.to_string());
    let mut merged = serde_json::to_value(old).map_err(broken)?;
    let members = merged.as_object_mut().expect("options are plain objects");
    for (name, value) in definition {
        let nullable = matches!(name.as_str(), "authRule" | "manageRule");
        if let Some(place) = members.get_mut(name)
            && (nullable || !value.is_null())
        {
            lay_over(place, value);
        }
    }
    let mut options: AuthOptions = serde_json::from_value(merged).map_err(broken)?;
    let tokens = [
        (&mut options.auth_token, &old.auth_token),
        (&mut options.password_reset_token, &old.password_reset_token),
        (&mut options.email_change_token, &old.email_change_token),
        (&mut options.verification_token, &old.verification_token),
        (&mut options.file_token, &old.file_token),
    ];
    // What a rule revoked must not come back with the rule before it.
    let is_revoked = options.auth_rule != old.auth_rule;
    for (token, before) in tokens {
        if token.secret.is_empty() && !is_revoked {
            token.secret.clone_from(&before.secret);
        }
        if is_revoked && token.secret == before.secret {
            token.secret.clear();
        }
        if token.secret.is_empty() {
            token.secret = pattern::generate("[a-zA-Z0-9]{50}").expect("a pattern of the subset");
        }
    }
    for provider in &mut options.oauth2.providers {
        let same = |before: &&Value| before.get("name") == provider.get("name");
        let secret = old.oauth2.providers.iter().find(same);
        let secret = secret.and_then(|before| before.get("clientSecret")).cloned();
        let members = provider.as_object_mut().ok_or_else(|| misfit("oauth2.providers"))?;
        let given = members.get("clientSecret").and_then(Value::as_str).unwrap_or_default();
        if let (true, Some(secret)) = (given.is_empty(), secret) {
            members.insert("clientSecret".to_owned(), secret);
        }
        for (name, blank) in providers::blank() {
            members.entry(name).or_insert(blank);
        }
    }
    Ok(options)
}

fn lay_over(place: &mut Value, value: &Value) {
    match (place, value) {
        (Value::Object(members), Value::Object(new)) => {
            for (name, value) in new.iter().filter(|(_, value)| !value.is_null()) {
                match members.get_mut(name) {
                    Some(place) => lay_over(place, value),
                    None => {
                        members.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        (place, value) => *place = value.clone(),
    }
}

fn text<'a>(definition: &'a Definition, name: &str) -> Result<Option<&'a str>> {
    match definition.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(misfit(name)),
    }
}

fn misfit(name: &str) -> Error {
    Error::Bad(format!("{name} has the wrong JSON type"))
}
