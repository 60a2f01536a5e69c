//! Collections as they lie in the store, and as clients see them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::fields::AuthOptions;
use crate::domain::fields::define;
use crate::domain::schema::{Collection, CollectionKind, Index, Layout, Pending, Rules};
use crate::domain::{Error, Result};

/// The stored form; what clients don't see included.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    number: u32,
    id: String,
    name: String,
    #[serde(rename = "type")]
    kind: CollectionKind,
    system: bool,
    rules: Rules,
    fields: Vec<Map<String, Value>>,
    indexes: Vec<Index>,
    #[serde(default, skip_serializing_if = "Pending::is_empty")]
    pending: Pending,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    auth: Option<Box<AuthOptions>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    view_query: Option<String>,
    layouts: Vec<Layout>,
    created: String,
    updated: String,
}

impl Collection {
    /// The collection that was stored under a collection key.
    pub fn from_stored(bytes: &[u8]) -> Result<Self> {
        let broken = |why: String| Error::Broken(format!("a stored collection: {why}"));
        let stored: Stored =
            serde_json::from_slice(bytes).map_err(|error| broken(error.to_string()))?;
        let fields = stored.fields.iter().map(define::read).collect::<Result<_, _>>();
        Ok(Self {
            number: stored.number,
            id: stored.id,
            name: stored.name,
            kind: stored.kind,
            system: stored.system,
            rules: stored.rules,
            fields: fields.map_err(broken)?,
            indexes: stored.indexes,
            pending: stored.pending,
            auth: stored.auth,
            view_query: stored.view_query,
            layouts: stored.layouts,
            created: stored.created,
            updated: stored.updated,
            shaped: Default::default(),
        })
    }

    pub fn to_stored(&self) -> Vec<u8> {
        let stored = Stored {
            number: self.number,
            id: self.id.clone(),
            name: self.name.clone(),
            kind: self.kind,
            system: self.system,
            rules: self.rules.clone(),
            fields: self.fields.iter().map(define::store).collect(),
            indexes: self.indexes.clone(),
            pending: self.pending.clone(),
            auth: self.auth.clone(),
            view_query: self.view_query.clone(),
            layouts: self.layouts.clone(),
            created: self.created.clone(),
            updated: self.updated.clone(),
        };
        serde_json::to_vec(&stored).expect("a collection is plain data")
    }

    /// The collection as clients see it: no secret, no internal index.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut out = Map::new();
        out.insert("id".into(), self.id.as_str().into());
        out.insert("name".into(), self.name.as_str().into());
        out.insert("type".into(), self.kind.name().into());
        out.insert("system".into(), self.system.into());
        for (name, rule) in self.rules.named() {
            out.insert(name.into(), rule.clone().into());
        }
        let fields = self.fields.iter().map(|field| Value::Object(define::write(field)));
        out.insert("fields".into(), fields.collect());
        // Those on their way too: nobody is to see half of a change.
        let whole = (!self.pending.builds.is_empty()).then(|| self.whole());
        let stated = whole.as_ref().map_or(&self.indexes, |whole| &whole.indexes);
        let visible = stated.iter().filter(|index| !index.internal);
        let statements = visible.map(|index| Value::from(index.statement.as_str()));
        out.insert("indexes".into(), statements.collect());
        out.insert("created".into(), self.created.as_str().into());
        out.insert("updated".into(), self.updated.as_str().into());
        if let Some(query) = &self.view_query {
            out.insert("viewQuery".into(), query.as_str().into());
        }
        if let Some(auth) = &self.auth {
            out.extend(masked(auth));
        }
        out
    }
}

/// Auth options without what is write-only.
fn masked(auth: &AuthOptions) -> Map<String, Value> {
    let Ok(Value::Object(mut members)) = serde_json::to_value(auth) else {
        unreachable!("options are plain objects")
    };
    for member in members.values_mut().filter_map(Value::as_object_mut) {
        member.remove("secret");
    }
    let providers = members.get_mut("oauth2").and_then(|oauth2| oauth2.get_mut("providers"));
    for provider in providers.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(provider) = provider.as_object_mut() {
            provider.remove("clientSecret");
        }
    }
    members
}

impl CollectionKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Auth => "auth",
            Self::View => "view",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Base, Self::Auth, Self::View].into_iter().find(|kind| kind.name() == name)
    }
}

impl Rules {
    /// Each rule with the name that clients know it by.
    pub fn named(&self) -> [(&'static str, &Option<String>); 5] {
        [
            ("listRule", &self.list),
            ("viewRule", &self.view),
            ("createRule", &self.create),
            ("updateRule", &self.update),
            ("deleteRule", &self.delete),
        ]
    }

    pub fn named_mut(&mut self) -> [(&'static str, &mut Option<String>); 5] {
        [
            ("listRule", &mut self.list),
            ("viewRule", &mut self.view),
            ("createRule", &mut self.create),
            ("updateRule", &mut self.update),
            ("deleteRule", &mut self.delete),
        ]
    }
}
