//! The benchmark itself: every packet of every scenario is forwarded, and no buffer is lost; the
//! generator notices what is lost or wrong.

#[cfg(test)]
mod command;
#[cfg(test)]
mod generator;
#[cfg(test)]
mod scenarios;
