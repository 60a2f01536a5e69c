//! The key that signs tokens: made in the background at first start, waited for by the first sign-in.

use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use anyhow::Context;

use super::{App, Inner};
use crate::auth::Safe;
use crate::auth::keys::SigningKey;
use crate::auth::passwords::Passwords;
use crate::auth::random;
use crate::config;
use crate::config::secret::Secret;
use crate::domain::{Error, Result, signing};
use crate::store::Home;

/// How long a sign-in waits for the first key. Making one takes a third of a second of a core; a
/// pod that starts has half a core, and other things to do.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// How long to wait before the store is asked again to keep the key: it may be full.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Characters of an instance secret that lasts as long as the process.
const SECRET_LENGTH: usize = 64;

/// What seals and signs in an instance.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    /// `None`: the one that the data directory keeps, made at first; a random one where there is none.
    pub instance_secret: Option<Secret>,
    /// Signs if there is no key yet. `None`: one is made in the background.
    pub signing: Option<Arc<SigningKey>>,
    /// Who signs tokens and for whom, where other services check that.
    pub issuer: Option<String>,
    pub audience: Option<String>,
    /// Hashes of passwords are worth nothing to anybody, and may cost as little.
    pub passwords_of_no_worth: bool,
}

impl Keys {
    /// The store in `home` is open already, so that nobody else makes the secret meanwhile.
    pub(super) fn safe(&self, home: &Home) -> anyhow::Result<Safe> {
        let secret = match (&self.instance_secret, home) {
            (Some(secret), _) => secret.clone(),
            (None, Home::Files(directory)) => {
                config::instance_secret(directory).context("cannot keep the instance secret")?
            }
            (None, Home::Memory) => Secret::new(random::text(random::MIXED, SECRET_LENGTH)),
        };
        let mut safe = Safe::new(&secret);
        safe.tokens = safe.tokens.between(self.issuer.clone(), self.audience.clone());
        if self.passwords_of_no_worth {
            safe.passwords = Arc::new(Passwords::of_no_worth());
        }
        Ok(safe)
    }
}

impl App {
    /// Waits until tokens can be signed.
    pub async fn can_sign(&self) -> Result<()> {
        if self.safe().signing.is_open() {
            return Ok(());
        }
        let safe = self.safe().clone();
        let waited = tokio::task::spawn_blocking(move || safe.signing.wait(WAIT_MAX)).await;
        match waited {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::Busy("sign-ins")),
            Err(panic) => Err(Error::Broken(panic.to_string())),
        }
    }
}

/// Sees to it that there is a key.
pub(super) fn start(app: &App) -> anyhow::Result<()> {
    let safe = app.safe();
    if app.glance(|read| signing::has_key(read, safe)).context("cannot read the signing keys")? {
        safe.signing.open();
        return Ok(());
    }
    if app.glance(|read| signing::kept(read)).context("cannot read the signing keys")?.is_some() {
        tracing::warn!(
            "the instance secret is another than it was: a new signing key is made, and everybody \
             has to sign in again; what was signed before is good again under the former secret"
        );
    }
    if let Some(key) = &app.0.options.keys.signing {
        keep(&app.0, key).context("cannot keep the signing key")?;
        return Ok(());
    }
    let app = Arc::downgrade(&app.0);
    thread::Builder::new()
        .name("signing-key".to_owned())
        .spawn(move || make(&app))
        .context("cannot start a thread to make the signing key")?;
    Ok(())
}

/// Makes a key and keeps it, as often as it takes, as long as there is an app.
fn make(app: &Weak<Inner>) {
    let key = SigningKey::generate();
    while let Some(app) = app.upgrade() {
        match keep(&app, &key) {
            Ok(()) => return,
            Err(error) => tracing::warn!(%error, "the signing key could not be stored: {error}"),
        }
        drop(app);
        thread::sleep(RETRY_AFTER);
    }
}

fn keep(app: &Inner, key: &SigningKey) -> Result<()> {
    let now_ms = app.clock.now_ms();
    app.store.write(|tx| signing::add_first(tx, &app.safe, key, now_ms))?;
    app.safe.signing.open();
    Ok(())
}
