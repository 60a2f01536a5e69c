//! What answers where no route does: another server, a file, or the word that there is nothing.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;

use crate::app::App;
use crate::domain::Error;
use crate::http::assets::Assets;
use crate::http::proxy::Proxy;
use crate::telemetry::series;
use crate::telemetry::series::RouteSeries;
use crate::telemetry::trip;

/// The last resort of the front door. Cheap to clone.
#[derive(Clone)]
pub(super) struct Otherwise(Arc<Inner>);

struct Inner {
    proxy: Option<Proxy>,
    proxy_route: &'static RouteSeries,
    console_route: &'static RouteSeries,
    site_route: &'static RouteSeries,
    assets: Assets,
}

impl Otherwise {
    pub fn new(app: &App) -> Self {
        Self(Arc::new(Inner {
            proxy: (!app.upstreams().is_empty()).then(|| Proxy::new(app)),
            proxy_route: series::of_route("/{proxy}"),
            console_route: series::of_route("/_/{file}"),
            site_route: series::of_route("/{file}"),
            assets: Assets::new(app.public()),
        }))
    }

    pub async fn answer(self, request: Request) -> Result<Response, Error> {
        if let Some(proxy) = &self.0.proxy
            && !request.uri().path().starts_with("/_/")
            && let Some(upstream) = proxy.find(request.uri().path())
        {
            trip::with(|trip| trip.take_route(self.0.proxy_route));
            return Ok(proxy.forward(upstream, request).await);
        }
        let (method, headers) = (request.method(), request.headers());
        let path = request.uri().path();
        let answer = self.0.assets.answer(method, request.uri(), headers).await;
        if answer.is_some() {
            let is_console = path.starts_with("/_/");
            let route = if is_console { self.0.console_route } else { self.0.site_route };
            trip::with(|trip| trip.take_route(route));
        }
        answer.ok_or(Error::NotFound("endpoint"))
    }
}
