//! The start of a throw-away instance, and how it gets back there: tests share one and begin alike.

use crate::app::App;
use crate::domain::{self, Error, signing};

impl App {
    /// Remembers all there is now as what [`App::start_over`] returns to. Only an instance that
    /// keeps nothing on disk can; whether it can is returned.
    pub fn remember_start(&self) -> bool {
        self.0.store.mark().is_some_and(|mark| self.0.start.set(mark).is_ok())
    }

    /// Makes everything what it was when the start was remembered, in constant time. Tokens that
    /// are about stay good, as far as their accounts are there again.
    pub async fn start_over(&self) -> domain::Result<()> {
        let place = self.lanes().writes.enter().await?;
        self.aside(place, App::return_to_start).await
    }

    fn return_to_start(&self) -> domain::Result<()> {
        let start = self.0.start.get().ok_or(Error::NotFound("endpoint"))?;
        // The key may be younger than the start: it is made in the background.
        let keys = self.glance(|read| signing::kept(read))?;
        self.0.store.reset(start);
        if let Some(keys) = keys {
            self.0.store.write(|tx| signing::keep_again(tx, &keys))?;
        }
        self.reload_settings()
    }
}
