//! Tokens of accounts: made for one, and taken for it as long as nothing revoked them.

use std::sync::Arc;

use crate::auth::Safe;
use crate::auth::epoch;
use crate::auth::tokens::{Claims, Kind, Tokens};
use crate::auth::verified::Verified;
use crate::domain::Error;
use crate::domain::Result;
use crate::domain::fields::{AuthOptions, TokenSettings};
use crate::domain::record::Record;
use crate::domain::request::{Caller, SUPERUSERS_ID};
use crate::domain::schema::Schema;
use crate::domain::signing;
use crate::store::Read;
use crate::store::keys;

/// What is asked of a new token beyond its account.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Of auth tokens: whether it may be exchanged for a newer one.
    pub refreshable: Option<bool>,
    /// Seconds; `None` takes the collection's.
    pub duration: Option<u64>,
    pub email: Option<String>,
    pub new_email: Option<String>,
}

/// Returns a token of `kind` for `account`.
pub fn issue(
    read: &dyn Read,
    safe: &Safe,
    account: &Record,
    kind: Kind,
    now_ms: i64,
    wanted: Wanted,
) -> Result<String> {
    let auth = options(account)?;
    let duration = wanted.duration.unwrap_or(settings(auth, kind).duration);
    let iat = now_ms.div_euclid(1000);
    let claims = Claims {
        id: account.id().to_owned(),
        collection_id: account.collection().id.clone(),
        kind,
        refreshable: wanted.refreshable,
        email: wanted.email,
        new_email: wanted.new_email,
        epoch: epoch_of(auth, account, kind),
        iat,
        exp: iat.saturating_add(i64::try_from(duration).unwrap_or(i64::MAX)),
        iss: None,
        aud: None,
    };
    let ring = signing::ring(read, safe)?;
    safe.tokens
        .issue(&ring, claims)
        .ok_or_else(|| Error::Broken("there is no key to sign tokens with".to_owned()))
}

/// Returns what `token` says and the account it stands for, if it is one of ours, of `kind`,
/// neither expired nor revoked.
pub fn take(
    read: &dyn Read,
    safe: &Safe,
    token: &str,
    kind: Kind,
    now_ms: i64,
) -> Result<Option<(Arc<Verified>, Record)>> {
    let ring = signing::ring(read, safe)?;
    let Some(token) = safe.tokens.read(&ring, token, kind, now_ms) else { return Ok(None) };
    let claims = &token.claims;
    let schema = Schema::load(read)?;
    let collection = schema.find(&claims.collection_id).filter(|found| {
        // By id only: a token must not move to whatever took its collection's name.
        found.is_auth() && found.id == claims.collection_id
    });
    let Some(collection) = collection else { return Ok(None) };
    let Some(bytes) = read.get(&keys::record(collection.number, &claims.id))? else {
        return Ok(None);
    };
    let account = Record::from_stored(collection.clone(), bytes)?;
    if token.is_good_for(account.stored(), collection) {
        return Ok(Some((token, account)));
    }
    if epoch_of(options(&account)?, &account, kind) != claims.epoch {
        return Ok(None);
    }
    token.found_good_for(account.stored(), collection);
    Ok(Some((token, account)))
}

/// Returns who holds `token` (the `Authorization` header, with or without `Bearer`): a guest when
/// it is not good for signing in.
pub fn caller(read: &dyn Read, safe: &Safe, token: &str, now_ms: i64) -> Result<Caller> {
    let token = bare(token);
    if token.is_empty() {
        return Ok(Caller::Guest);
    }
    let taken = take(read, safe, token, Kind::Auth, now_ms)?;
    Ok(taken.map_or(Caller::Guest, |(_, account)| Caller::Account(account)))
}

/// Whether the token of an `Authorization` header calls its holder a superuser. It may lie.
pub fn claims_superuser(header: &str) -> bool {
    Tokens::claims_to_be_of(bare(header), SUPERUSERS_ID)
}

/// The token of an `Authorization` header.
pub fn bare(header: &str) -> &str {
    let header = header.trim();
    match header.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer ") => token.trim(),
        _ => header,
    }
}

/// Changes whenever something happens that revokes tokens of this kind.
fn epoch_of(auth: &AuthOptions, account: &Record, kind: Kind) -> String {
    let token_key = account.text_of("tokenKey");
    let rule = auth.auth_rule.as_deref().map_or("null".to_owned(), |rule| format!("={rule}"));
    epoch::of(&[&token_key, &settings(auth, kind).secret, &rule])
}

fn settings(auth: &AuthOptions, kind: Kind) -> &TokenSettings {
    match kind {
        Kind::Auth => &auth.auth_token,
        Kind::File => &auth.file_token,
        Kind::Verification => &auth.verification_token,
        Kind::PasswordReset => &auth.password_reset_token,
        Kind::EmailChange => &auth.email_change_token,
    }
}

fn options(account: &Record) -> Result<&AuthOptions> {
    account.collection().auth.as_deref().ok_or(Error::NotFound("collection"))
}
