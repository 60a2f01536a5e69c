//! The fuse box: joins the rooms, and is where rules meet the store.

use std::sync::Arc;

use crate::domain::{self, Error};
use crate::store::{Snapshot, Store, Tx};

/// Everything a request may need. Cheap to clone; a process may hold several.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    store: Store,
}

impl App {
    /// Runs `rule` in a transaction and commits it; answers when that is durable.
    pub async fn write<T, R>(&self, rule: R) -> domain::Result<T>
    where
        T: Send + 'static,
        R: Fn(&mut Tx) -> domain::Result<T> + Send + 'static,
    {
        let app = self.clone();
        tokio::task::spawn_blocking(move || app.0.store.write(rule))
            .await
            .map_err(|panic| Error::Broken(panic.to_string()))?
    }

    /// Runs `rule` on one snapshot.
    pub async fn read<T, R>(&self, rule: R) -> domain::Result<T>
    where
        T: Send + 'static,
        R: FnOnce(&Snapshot) -> domain::Result<T> + Send + 'static,
    {
        let app = self.clone();
        tokio::task::spawn_blocking(move || rule(&app.0.store.snapshot()))
            .await
            .map_err(|panic| Error::Broken(panic.to_string()))?
    }
}
