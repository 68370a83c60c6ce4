//! A whole daemon, from start to stop, on ports that need no rights and no huge pages.

mod errors;
mod life;
mod show;
mod support;
