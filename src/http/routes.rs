//! How a route is put up: its handlers, and the template under which logs and metrics know it.

use std::convert::Infallible;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::routing::MethodRouter;
use tower::{Layer, Service};

use crate::app::App;
use crate::domain::Error;
use crate::telemetry::series::{self, RouteSeries};
use crate::telemetry::trip;

/// The routes put up so far.
pub(super) struct Routes {
    router: Router<App>,
}

impl Routes {
    pub fn new() -> Self {
        Self { router: Router::new() }
    }

    /// Adds what answers at `path`.
    pub fn at(mut self, path: &'static str, methods: MethodRouter<App, Infallible>) -> Self {
        self.router = self.router.route(path, methods.layer(Tag(series::of_route(path))));
        self
    }

    /// Adds what answers to machines that ask again and again: counted, but not logged.
    pub fn probe(mut self, path: &'static str, methods: MethodRouter<App, Infallible>) -> Self {
        self.router = self.router.route(path, methods.layer(Tag(series::of_probe(path))));
        self
    }

    /// Adds a probe only where `wanted`.
    pub fn probe_if(
        self,
        wanted: bool,
        path: &'static str,
        methods: MethodRouter<App, Infallible>,
    ) -> Self {
        if wanted { self.probe(path, methods) } else { self }
    }

    /// Sets what answers everywhere else.
    pub fn otherwise<H, T>(mut self, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.router = self.router.fallback(handler);
        self
    }

    /// Closes the list: the wrong method is as unknown as the wrong path. There is no limit of
    /// bodies here: whoever reads one does so through `limits::collect`.
    pub fn open(self, app: &App) -> Router {
        self.router
            .method_not_allowed_fallback(async || Error::NotFound("endpoint"))
            .with_state(app.clone())
    }
}

/// Tells the trip which route it took.
#[derive(Clone, Copy)]
struct Tag(&'static RouteSeries);

#[derive(Clone)]
struct Tagged<S> {
    route: &'static RouteSeries,
    inner: S,
}

impl<S> Layer<S> for Tag {
    type Service = Tagged<S>;

    fn layer(&self, inner: S) -> Tagged<S> {
        Tagged { route: self.0, inner }
    }
}

impl<S: Service<Request>> Service<Request> for Tagged<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> S::Future {
        trip::with(|trip| trip.take_route(self.route));
        self.inner.call(request)
    }
}
