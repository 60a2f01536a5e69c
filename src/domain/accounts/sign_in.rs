//! Signing in: by password, by a token that still holds, and on somebody's behalf.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::auth::Safe;
use crate::auth::tokens::Kind;
use crate::domain::accounts::{find, passes, tokens};
use crate::domain::fields::AuthOptions;
use crate::domain::record::Record;
use crate::domain::request::{Caller, Request};
use crate::domain::schema::{Collection, Schema};
use crate::domain::{Error, Problems, Result};
use crate::query::Scope;
use crate::store::Read;

/// Longest identity or password that is looked at.
const INPUT_MAX: usize = 255;

const REFUSED: &str = "The sign-in details were not accepted.";
const MALFORMED: &str = "The sign-in details could not be read.";

/// An account that has just shown who it is, and its token.
#[derive(Debug)]
pub struct SignedIn {
    pub token: String,
    pub account: Record,
}

impl SignedIn {
    /// Who asks from now on: the account sees itself.
    pub fn caller(&self) -> Caller {
        Caller::Account(self.account.clone())
    }
}

/// What somebody enters to sign in.
struct Entered<'a> {
    identity: &'a str,
    password: &'a str,
    /// The fields in which the identity is looked for.
    fields: Vec<&'a str>,
}

/// Signs in by password. Takes as long for an unknown account as for a known one.
pub fn by_password(
    read: &dyn Read,
    safe: &Safe,
    request: &Request,
    collection: &str,
    body: &Map<String, Value>,
) -> Result<SignedIn> {
    let (schema, collection) = auth_collection(read, collection)?;
    let options = options(&collection)?;
    if !options.password_auth.enabled {
        return Err(Error::Forbidden("Signing in by password is switched off here."));
    }
    let entered = read_entered(options, body)?;
    let account = find::by_identity(read, &collection, &entered.fields, entered.identity)?;
    let stored = account.as_ref().map(|account| account.text_of("password").into_owned());
    let known = request.hashing.verify(entered.password, stored.as_deref())?;
    let Some(account) = account.filter(|_| known) else {
        return Err(Error::Bad(REFUSED.to_owned()));
    };
    // The second factor does not exist yet: a collection that demands one lets nobody in on one.
    if options.mfa.enabled {
        return Err(Error::Forbidden("A second factor is demanded here, and none is offered."));
    }
    let asked = Request { context: "password", ..request.clone() };
    admit(&Scope { read, schema: &schema, request: &asked }, &account)?;
    signed_in(read, safe, request, account, Some(true), None)
}

/// Exchanges the token that the caller signed in with for a newer one. One that was made for
/// somebody else to act with comes back as it is.
pub fn refresh(
    read: &dyn Read,
    safe: &Safe,
    request: &Request,
    collection: &str,
    token: &str,
) -> Result<SignedIn> {
    let (schema, collection) = auth_collection(read, collection)?;
    let token = tokens::bare(token);
    let taken = tokens::take(read, safe, token, Kind::Auth, request.now_ms)?;
    let Some((taken, account)) = taken else { return Err(Error::SignedOut) };
    if account.collection().id != collection.id {
        return Err(Error::Forbidden("The token belongs to another collection."));
    }
    admit(&Scope { read, schema: &schema, request }, &account)?;
    if taken.claims.refreshable != Some(true) {
        return Ok(SignedIn { token: token.to_owned(), account });
    }
    signed_in(read, safe, request, account, Some(true), None)
}

/// Makes a token with which a superuser acts as `id`, for `duration` seconds if it says so.
pub fn impersonate(
    read: &dyn Read,
    safe: &Safe,
    request: &Request,
    collection: &str,
    id: &str,
    body: &Map<String, Value>,
) -> Result<SignedIn> {
    match &request.caller {
        caller if caller.is_superuser() => {}
        caller if caller.is_guest() => return Err(Error::SignedOut),
        _ => return Err(Error::Forbidden("Only superusers may do this.")),
    }
    let (_, collection) = auth_collection(read, collection)?;
    let account = find::by_id(read, &collection, id)?.ok_or(Error::NotFound("record"))?;
    let duration = match body.get("duration") {
        None | Some(Value::Null) => 0,
        Some(duration) => duration.as_i64().ok_or_else(|| Error::Bad(MALFORMED.to_owned()))?,
    };
    if duration < 0 {
        let mut problems = Problems::new();
        let code = "validation_min_greater_equal_than_required";
        problems.add_with("duration", code, "Must be at least 0.", json!({ "threshold": 0 }));
        problems.check(MALFORMED)?;
    }
    let duration = u64::try_from(duration).ok().filter(|seconds| *seconds > 0);
    signed_in(read, safe, request, account, Some(false), duration)
}

/// The ways to sign in that are open here.
pub fn methods(read: &dyn Read, collection: &str) -> Result<Value> {
    let (_, collection) = auth_collection(read, collection)?;
    let options = options(&collection)?;
    let password = options.password_auth.enabled && !options.mfa.enabled;
    let fields = &options.password_auth.identity_fields[..];
    let fields = if options.password_auth.enabled { fields } else { &[] };
    let offers = |field: &str| password && fields.iter().any(|name| name == field);
    // What is configured but has no flow yet is not offered: clients would run into a wall.
    Ok(json!({
        "password": { "enabled": password, "identityFields": fields },
        "oauth2": { "enabled": false, "providers": [] },
        "mfa": { "enabled": false, "duration": 0 },
        "otp": { "enabled": false, "duration": 0 },
        "authProviders": [],
        "usernamePassword": offers("username"),
        "emailPassword": offers("email"),
    }))
}

/// The auth collection with this id or name, and the schema it is of.
pub fn auth_collection(read: &dyn Read, name: &str) -> Result<(Arc<Schema>, Arc<Collection>)> {
    let schema = Schema::load(read)?;
    let found = schema.find(name).filter(|found| found.is_auth()).cloned();
    Ok((schema, found.ok_or(Error::NotFound("collection"))?))
}

fn signed_in(
    read: &dyn Read,
    safe: &Safe,
    request: &Request,
    account: Record,
    refreshable: Option<bool>,
    duration: Option<u64>,
) -> Result<SignedIn> {
    let wanted = tokens::Wanted { refreshable, duration, ..tokens::Wanted::default() };
    let token = tokens::issue(read, safe, &account, Kind::Auth, request.now_ms, wanted)?;
    Ok(SignedIn { token, account })
}

/// Refuses an account that the collection's auth rule keeps out. Asked only after it has shown who
/// it is, so that a stranger learns nothing from the answer.
fn admit(scope: &Scope, account: &Record) -> Result<()> {
    let met = match &options(account.collection())?.auth_rule {
        None => false,
        Some(rule) => passes(scope, rule, account)?,
    };
    if met {
        return Ok(());
    }
    Err(Error::Forbidden("This account may not sign in here."))
}

fn options(collection: &Collection) -> Result<&AuthOptions> {
    collection.auth.as_deref().ok_or(Error::NotFound("collection"))
}

fn read_entered<'a>(options: &'a AuthOptions, body: &'a Map<String, Value>) -> Result<Entered<'a>> {
    let text = |name: &str| match body.get(name) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err(Error::Bad(MALFORMED.to_owned())),
    };
    let (identity, password) = (text("identity")?, text("password")?);
    let mut problems = Problems::new();
    for (name, value) in [("identity", identity), ("password", password)] {
        if value.is_empty() {
            problems.add(name, "validation_required", "Cannot be blank.");
        } else if value.chars().count() > INPUT_MAX {
            let message = format!("Must have no more than {INPUT_MAX} characters.");
            let params = json!({ "min": 1, "max": INPUT_MAX });
            problems.add_with(name, "validation_length_out_of_range", &message, params);
        }
    }
    let mut fields: Vec<_> =
        options.password_auth.identity_fields.iter().map(String::as_str).collect();
    let wanted = text("identityField")?;
    if !wanted.is_empty() {
        fields.retain(|field| *field == wanted);
        if fields.is_empty() {
            let message = "Is not a field to sign in with.";
            problems.add("identityField", "validation_in_invalid", message);
        }
    }
    problems.check(MALFORMED)?;
    Ok(Entered { identity, password, fields })
}
