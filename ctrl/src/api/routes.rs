//! The table of the API: one list from which both the router and its description are made.
//!
//! A route is either a read, which is GET, or a change, which only admins get to. There is no
//! third way into the router, so no route can be left out of the description, and none that changes
//! something can be left open to others.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::from_fn;
use axum::routing::{MethodFilter, on};

use super::body;
use super::operation::Operation;
use super::role::admins_only;
use crate::state::State;

/// An operation and where it is.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) operation: Operation,
    /// Whether only admins may.
    pub(super) is_change: bool,
}

/// The routes so far.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    router: Router<Arc<State>>,
    pub(super) table: Vec<Route>,
}

impl Routes {
    /// Adds what GET reads at `path`.
    pub(super) fn read<H, T>(self, path: &'static str, operation: Operation, handler: H) -> Self
    where
        H: Handler<T, Arc<State>>,
        T: 'static,
    {
        self.add(Method::GET, path, operation, handler, false)
    }

    /// Adds a read that takes a body: GET may have none.
    pub(super) fn read_with_body<H, T>(
        self,
        path: &'static str,
        operation: Operation,
        handler: H,
    ) -> Self
    where
        H: Handler<T, Arc<State>>,
        T: 'static,
    {
        self.add(Method::POST, path, operation, handler, false)
    }

    /// Adds what `method` changes at `path`; for admins.
    pub(super) fn change<H, T>(
        self,
        method: Method,
        path: &'static str,
        operation: Operation,
        handler: H,
    ) -> Self
    where
        H: Handler<T, Arc<State>>,
        T: 'static,
    {
        self.add(method, path, operation, handler, true)
    }

    fn add<H, T>(
        mut self,
        method: Method,
        path: &'static str,
        operation: Operation,
        handler: H,
        is_change: bool,
    ) -> Self
    where
        H: Handler<T, Arc<State>>,
        T: 'static,
    {
        #[expect(clippy::expect_used, reason = "the table is the same in every run, and in tests")]
        let filter = MethodFilter::try_from(method.clone()).expect("a method of HTTP itself");
        let mut handler = on(filter, handler);
        if let Some(taken) = &operation.body {
            let bytes_max = taken.bytes_max;
            let take_in = move |request, next| body::take_in(bytes_max, request, next);
            // axum's own limit comes after ours, and must not be the smaller one.
            let unlimited = DefaultBodyLimit::disable();
            handler = handler.route_layer(unlimited).route_layer(from_fn(take_in));
        }
        if is_change {
            // Outermost: what is refused is not even read.
            handler = handler.route_layer(from_fn(admins_only));
        }
        self.router = self.router.route(path, handler);
        self.table.push(Route { method, path, operation, is_change });
        self
    }

    /// The router of all that was added.
    pub(super) fn into_router(self) -> Router<Arc<State>> {
        self.router
    }
}
