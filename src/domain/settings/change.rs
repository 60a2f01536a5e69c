//! Showing and changing the settings: superusers only, deep partial, secrets write-only.

use serde_json::{Map, Value};

use crate::auth::Safe;
use crate::domain::request::Caller;
use crate::domain::settings::{DOCUMENT, Settings, check};
use crate::domain::{Error, Result};
use crate::store::{Read, Tx, keys};

/// What can be written and never read back.
const SECRETS: &[&[&str]] =
    &[&["smtp", "password"], &["s3", "secret"], &["backups", "s3", "secret"]];

/// The settings as superusers see them.
pub fn shown(read: &dyn Read, caller: &Caller) -> Result<Value> {
    superusers_only(caller)?;
    let mut document = document(&*Settings::load(read)?)?;
    for path in SECRETS {
        if let Some((parent, name)) = parent_of(&mut document, path) {
            parent.remove(name);
        }
    }
    Ok(document)
}

/// Changes what `patch` names and keeps the rest. Lists are replaced, `null` blanks; unknown
/// members are passed over.
pub fn change(tx: &mut Tx, safe: &Safe, caller: &Caller, patch: &Map<String, Value>) -> Result<()> {
    superusers_only(caller)?;
    let mut document = document(&*Settings::load(tx)?)?;
    let mut patch = Value::Object(patch.clone());
    for path in SECRETS {
        seal(safe, &mut patch, path);
    }
    if !merge(&mut document, &patch) {
        return Err(Error::Bad("A group of settings is an object.".to_owned()));
    }
    let settings: Settings = serde_json::from_value(document)
        .map_err(|error| Error::Bad(format!("The settings could not be read: {error}.")))?;
    check::problems(&settings).check("The settings could not be changed.")?;
    let bytes = serde_json::to_vec(&settings).map_err(|error| Error::Broken(error.to_string()))?;
    tx.put(&keys::document(DOCUMENT), bytes)?;
    Ok(())
}

/// Returns a secret of the settings as it was entered; blank when it was sealed by another instance.
pub fn opened(safe: &Safe, name: &str, sealed: &str) -> String {
    let open = || String::from_utf8(safe.seal.open(name, &safe.seal.decode(sealed)?)?).ok();
    if sealed.is_empty() { String::new() } else { open().unwrap_or_default() }
}

fn superusers_only(caller: &Caller) -> Result<()> {
    match caller {
        Caller::Guest => Err(Error::SignedOut),
        caller if caller.is_superuser() => Ok(()),
        _ => Err(Error::Forbidden("Only superusers may see or change the settings.")),
    }
}

fn document(settings: &Settings) -> Result<Value> {
    serde_json::to_value(settings).map_err(|error| Error::Broken(error.to_string()))
}

fn seal(safe: &Safe, patch: &mut Value, path: &[&str]) {
    let Some((parent, name)) = parent_of(patch, path) else { return };
    if let Some(Value::String(secret)) = parent.get_mut(name)
        && !secret.is_empty()
    {
        *secret = safe.seal.encode(&safe.seal.close(&path.join("."), secret.as_bytes()));
    }
}

/// The object that holds the last member of `path`, and that member's name.
fn parent_of<'a, 'p>(
    document: &'a mut Value,
    path: &[&'p str],
) -> Option<(&'a mut Map<String, Value>, &'p str)> {
    let (name, parents) = path.split_last()?;
    let mut at = document;
    for parent in parents {
        at = at.get_mut(parent)?;
    }
    Some((at.as_object_mut()?, name))
}

/// Lays `patch` over `document`: members of objects one by one, anything else whole. False when
/// it puts something else in an object's place.
fn merge(document: &mut Value, patch: &Value) -> bool {
    match (document, patch) {
        (Value::Object(members), Value::Object(changes)) => {
            changes.iter().all(|(name, change)| match members.get_mut(name) {
                Some(member) => merge(member, change),
                None => true,
            })
        }
        (member, Value::Null) => {
            *member = blank(member);
            true
        }
        (Value::Object(_), _) => false,
        (member, change) => {
            *member = change.clone();
            true
        }
    }
}

fn blank(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Bool(_) => false.into(),
        Value::Number(_) => 0.into(),
        Value::String(_) => "".into(),
        Value::Array(_) => Value::Array(Vec::new()),
        Value::Object(members) => {
            members.iter().map(|(name, member)| (name.clone(), blank(member))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::config::secret::Secret;
    use crate::domain::Problems;
    use crate::store::{self, Derive, Derived, Store};

    struct Underived;

    impl Derive for Underived {
        fn derive(&self, _: &dyn Read, _: &[u8], _: &[u8], _: &mut Derived) -> store::Result<()> {
            Ok(())
        }
    }

    fn world() -> (Store, Safe) {
        (Store::memory(Arc::new(Underived)), Safe::new(&Secret::new("a secret of an instance")))
    }

    fn operator() -> Caller {
        Caller::Operator("cli:0".to_owned())
    }

    fn changed(store: &Store, safe: &Safe, patch: Value) -> Result<Value> {
        let patch = patch.as_object().unwrap().clone();
        store.write(|tx| change(tx, safe, &operator(), &patch))?;
        shown(&store.snapshot(), &operator())
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let (store, safe) = world();

        changed(&store, &safe, json!({"batch": {"enabled": true}})).unwrap();
        let shown = changed(&store, &safe, json!({"batch": {"timeout": 9}, "nope": 1})).unwrap();

        assert_eq!(
            shown["batch"],
            json!({"enabled": true, "maxRequests": 50, "timeout": 9, "maxBodySize": 0})
        );
        assert!(Settings::load(&store.snapshot()).unwrap().batch.enabled);
        assert_eq!(shown.get("nope"), None);
    }

    #[test]
    fn secrets_go_in_and_never_come_out() {
        let (store, safe) = world();
        let patch = json!({"smtp": {"password": "canary"}, "s3": {"secret": "canary"},
            "backups": {"s3": {"secret": "canary"}}});

        let shown = changed(&store, &safe, patch).unwrap();

        let stored = store.snapshot().get(&keys::document(DOCUMENT)).unwrap().unwrap();
        assert!(!String::from_utf8_lossy(&stored).contains("canary"));
        assert!(!shown.to_string().contains("secret") && !shown.to_string().contains("password"));
        let kept = changed(&store, &safe, json!({"smtp": {"port": 25}})).unwrap();
        assert_eq!(kept["smtp"]["port"], 25);
        let settings = Settings::load(&store.snapshot()).unwrap();
        assert_eq!(opened(&safe, "smtp.password", &settings.smtp.password), "canary");
        assert_eq!(opened(&safe, "s3.secret", &settings.smtp.password), "");
    }

    #[test]
    fn problems_lie_where_the_input_did_and_nothing_is_stored() {
        let (store, safe) = world();

        let refused = changed(&store, &safe, json!({"meta": {"appName": null, "appURL": "x y"}}));

        let Err(Error::Invalid { problems, .. }) = refused else { panic!("{refused:?}") };
        let mut inner = Problems::new();
        inner.add("appName", "validation_required", "Cannot be blank.");
        inner.add("appURL", "validation_is_url", "Must be a URL such as https://example.com.");
        let mut expected = Problems::new();
        expected.nest("meta", inner);
        assert_eq!(problems, expected);
        assert_eq!(*Settings::load(&store.snapshot()).unwrap(), Settings::default());
        for wrong in [json!({"meta": 5}), json!({"meta": {"appName": 5}}), json!({"batch": []})] {
            assert!(matches!(changed(&store, &safe, wrong), Err(Error::Bad(_))));
        }
    }

    #[test]
    fn nobody_but_superusers_sees_them() {
        let (store, _) = world();
        assert!(matches!(shown(&store.snapshot(), &Caller::Guest), Err(Error::SignedOut)));
    }
}
