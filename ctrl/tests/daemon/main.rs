//! A whole daemon, from start to stop, on ports that need no rights and no huge pages.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::tests_outside_test_module,
    reason = "an integration test is all test: what it cannot do fails it"
)]

mod access;
mod apply;
mod doctor;
mod errors;
mod life;
mod plan;
mod save;
mod show;
mod steering;
mod support;
mod tool;
