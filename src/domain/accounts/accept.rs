//! What an account accepts for its own fields, and how every password becomes a hash.

use serde_json::Value;

use crate::auth::random;
use crate::domain::Problems;
use crate::domain::Result;
use crate::domain::accounts::manages;
use crate::domain::fields::text::cast;
use crate::domain::fields::{Kind, PasswordOptions, password};
use crate::domain::record::{Record, Values};
use crate::domain::request::SUPERUSERS;
use crate::domain::schema::Collection;
use crate::query::Scope;

/// Characters of a token key: as many as clients of other servers see.
const TOKEN_KEY_LENGTH: usize = 50;
/// Fewest characters of a token key that a superuser sets by hand.
const TOKEN_KEY_MIN: usize = 30;

const MISMATCH: (&str, &str) = ("validation_values_mismatch", "Values don't match.");
const REQUIRED: (&str, &str) = ("validation_required", "Cannot be blank.");

/// A record on its way into the store.
pub struct Change<'a> {
    pub scope: &'a Scope<'a>,
    pub collection: &'a Collection,
    /// Whom the manage rule is asked about: the stored record, or the one about to be.
    pub subject: &'a Record,
    pub old: Option<&'a Record>,
}

/// Checks and completes `values` before they are stored. Called for records of every collection by
/// `records::create` and `records::update`, after casting, after the access rule, after the other
/// fields were validated (all but those of kind password, which are checked here, as plain text) and
/// before unique indexes are asked.
///
/// Afterwards password fields hold hashes, an account has a token key, and a new one where the
/// password or the address changed. Hashes only when there is nothing wrong: it takes long.
pub fn accept(change: &Change, values: &mut Values, problems: &mut Problems) -> Result<()> {
    if change.collection.is_auth() {
        let mut own = Account { change, values, manages: None };
        let mut refused = Problems::new();
        own.accept(&mut refused)?;
        // Who may not do this at all is not told what else is wrong with it.
        if !refused.is_empty() {
            *problems = refused;
            return Ok(());
        }
    }
    let submitted: Vec<_> = passwords(change).collect();
    for (field, options) in &submitted {
        let name = &change.collection.fields[*field].name;
        let required = change.collection.fields[*field].required;
        let plain = text(values, *field);
        if plain.is_empty() && required {
            problems.add(name, REQUIRED.0, REQUIRED.1);
        } else if let Some(found) = password::problem(options, plain) {
            problems.add_with(name, found.code, &found.message, found.params.unwrap_or_default());
        }
    }
    if !problems.is_empty() {
        return Ok(());
    }
    for (field, _) in submitted {
        let plain = text(values, field);
        if plain.is_empty() {
            continue;
        }
        // The address sets apart two accounts of one batch that chose the same password.
        let owner = change.collection.field("email").map_or("", |(email, _)| text(values, email));
        let hash = change.scope.request.hashing.hash(owner, plain)?;
        values[field] = Some(hash.into());
    }
    Ok(())
}

/// The password fields that hold plain text now: all that were sent, and on create those that
/// should have been.
fn passwords<'a>(change: &'a Change) -> impl Iterator<Item = (usize, PasswordOptions)> + 'a {
    let sent = |name: &str| change.old.is_none() || change.scope.request.body.contains_key(name);
    change.collection.fields.iter().enumerate().filter_map(move |(field, definition)| {
        match &definition.kind {
            Kind::Password(options) if sent(&definition.name) => Some((field, options.clone())),
            _ => None,
        }
    })
}

struct Account<'a> {
    change: &'a Change<'a>,
    values: &'a mut Values,
    /// Asked at most once, and only when it matters.
    manages: Option<bool>,
}

impl Account<'_> {
    fn accept(&mut self, problems: &mut Problems) -> Result<()> {
        let is_superusers = self.change.collection.name == SUPERUSERS;
        if is_superusers {
            self.set("verified", Value::Bool(true));
        }
        if !is_superusers && self.verified_changes() && !self.manages()? {
            problems.add("verified", MISMATCH.0, MISMATCH.1);
        }
        let address_changes = self.address_changes();
        if address_changes && self.change.old.is_some() && !self.manages()? {
            problems.add("email", MISMATCH.0, MISMATCH.1);
        }
        let password_changes = self.password_changes();
        if password_changes {
            self.check_confirmation(problems);
            self.check_old_password(problems)?;
        }
        let key = self.token_key(address_changes || password_changes);
        self.set("tokenKey", key.into());
        Ok(())
    }

    fn manages(&mut self) -> Result<bool> {
        if self.manages.is_none() {
            self.manages = Some(manages(self.change.scope, self.change.subject)?);
        }
        Ok(self.manages == Some(true))
    }

    fn verified_changes(&self) -> bool {
        let Some((field, _)) = self.change.collection.field("verified") else { return false };
        let before = self.change.old.is_some_and(|old| old.raw(field) == "true");
        (self.values[field] == Some(Value::Bool(true))) != before
    }

    fn address_changes(&self) -> bool {
        let Some((field, _)) = self.change.collection.field("email") else { return false };
        self.change.old.is_none_or(|old| old.text(field) != text(self.values, field))
    }

    /// Whether a password is being set. A blank one is not: it is refused as every blank password.
    fn password_changes(&self) -> bool {
        let names = ["password", "passwordConfirm", "oldPassword"];
        self.change.old.is_none() || names.iter().any(|name| !self.sent_text(name).is_empty())
    }

    fn check_confirmation(&self, problems: &mut Problems) {
        let plain = self.sent_text("password");
        if plain.is_empty() {
            problems.add("password", REQUIRED.0, REQUIRED.1);
        }
        match self.sent_text("passwordConfirm").as_str() {
            "" => problems.add("passwordConfirm", REQUIRED.0, REQUIRED.1),
            confirmed if confirmed != plain => {
                problems.add("passwordConfirm", MISMATCH.0, MISMATCH.1);
            }
            _ => {}
        }
    }

    /// Whoever changes a password must know the old one, or manage the account.
    fn check_old_password(&mut self, problems: &mut Problems) -> Result<()> {
        let Some(old) = self.change.old else { return Ok(()) };
        if self.manages()? {
            return Ok(());
        }
        let given = self.sent_text("oldPassword");
        if given.is_empty() {
            problems.add("oldPassword", REQUIRED.0, REQUIRED.1);
            return Ok(());
        }
        if ["password", "passwordConfirm"].iter().all(|name| self.sent_text(name).is_empty()) {
            return Ok(()); // Refused for that already: no need to find out.
        }
        let hash = old.text_of("password");
        if !self.change.scope.request.hashing.verify(&given, Some(&hash))? {
            let message = "Missing or invalid old password.";
            problems.add("oldPassword", "validation_invalid_old_password", message);
        }
        Ok(())
    }

    /// The key that an account's tokens hang on: only a superuser chooses it, to revoke them.
    fn token_key(&self, renew: bool) -> String {
        let new = || random::text(random::MIXED, TOKEN_KEY_LENGTH);
        let chosen = self.sent_text("tokenKey");
        let old = self.change.old.map(|old| old.text_of("tokenKey").into_owned());
        let before = old.unwrap_or_default();
        if self.change.scope.request.caller.is_superuser()
            && chosen.len() >= TOKEN_KEY_MIN
            && chosen != before
        {
            return chosen.to_owned();
        }
        if renew || before.is_empty() { new() } else { before }
    }

    /// What was sent under `name`, as a text field would take it.
    fn sent_text(&self, name: &str) -> String {
        match self.change.scope.request.body.get(name).map(cast) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        }
    }

    fn set(&mut self, name: &str, value: Value) {
        if let Some((field, _)) = self.change.collection.field(name) {
            self.values[field] = Some(value);
        }
    }
}

/// The text of a value, blank where there is none.
fn text(values: &Values, field: usize) -> &str {
    values.get(field).and_then(Option::as_ref).and_then(Value::as_str).unwrap_or_default()
}
