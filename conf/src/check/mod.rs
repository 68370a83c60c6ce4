//! Raw values -> checked [`Config`]: single values first, then the rules between them.
//!
//! Everything that could be understood goes on to the next step even when its neighbours could
//! not, so that all errors of a file come out together. Only a file without any gives a `Config`.

mod address;
mod control;
mod helper;
mod ipvs;
mod local;
mod mark;
mod metrics;
mod persistence;
mod port;
mod real_server;
mod route;
mod scheduler;
mod service;
mod settings;
mod timeouts;

pub(crate) use persistence::is_netmask;
pub(crate) use port::not_a_host_of;
pub(crate) use route::Destinations;
pub(crate) use service::LOCAL_ADDRESSES_MAX;

use crate::config::{Config, Machine};
use crate::diag::Diags;
use crate::node::{Kind, Node};
use crate::raw::RawConfig;
use crate::read::{Owner, Read};
use crate::rule::Rule;
use crate::span::Span;

/// Checks a whole document. `None`, or anything found in `diags`, means that it is wrong.
pub(crate) fn check(root: &Node, machine: &Machine, diags: &mut Diags) -> Option<Config> {
    let raw = read_root(root, diags)?;
    settings::version(&raw, diags);
    let dpdk = settings::dpdk(raw.dpdk.as_ref(), diags);
    let workers = settings::workers(&raw, machine, diags);
    let limits = settings::limits(raw.limits.as_ref(), diags);
    let timeouts = settings::timeouts(raw.timeouts.as_ref(), diags);
    let ipvs = ipvs::ipvs(raw.ipvs.as_ref(), diags);
    let locals = service::local_addresses(raw.local_addresses.as_ref(), diags);
    let has_pool = raw.local_addresses.as_ref().is_some_and(|list| list.written > 0);
    let control = control::control(raw.control.as_ref(), has_pool, diags);
    let metrics = metrics::metrics(raw.metrics.as_ref(), diags);
    if let Some(limits) = &limits {
        settings::fits(&raw, limits, diags);
    }

    let ports = port::ports(&raw, diags);
    let routes = route::routes(&raw, diags);
    let marks = mark::marks(&raw, &ports, diags);
    let services = service::services(&raw, has_pool, diags);
    port::check_between(&ports, diags);
    route::check_between(&routes, &ports, diags);
    service::check_between(&services, diags);
    mark::check_between(&services, diags);
    for pool in services.iter().map(|service| &service.locals).chain([&locals]) {
        local::check_pool(pool, &ports, diags);
    }
    let uses = address::Uses::of(&ports, &marks, &services, &locals);
    let pools = services.iter().flat_map(|service| &service.locals).chain(&locals);
    uses.check_roles(pools, &routes, diags);
    uses.check_reachable(&ports, &routes, (&marks, &services), diags);

    Some(Config {
        dpdk: dpdk?,
        workers: workers?,
        routes: routes.list.iter().map(|route| route.finish(&ports)).collect::<Option<_>>()?,
        ports: ports.list.into_iter().map(port::PortDraft::finish).collect::<Option<_>>()?,
        marks: marks.into_iter().map(mark::MarkDraft::finish).collect::<Option<_>>()?,
        local_addresses: locals.into_iter().map(|local| local.value).collect(),
        services: services.into_iter().map(service::ServiceDraft::finish).collect::<Option<_>>()?,
        limits: limits?,
        timeouts: timeouts?,
        ipvs: ipvs?,
        control: control?,
        metrics: metrics?,
    })
}

/// Reads the keys at the top of the file.
fn read_root<'a>(root: &'a Node, diags: &mut Diags) -> Option<RawConfig<'a>> {
    let start = Span::new(root.span.start as usize, root.span.start as usize);
    match &root.kind {
        Kind::Null => {
            let help = "copy one of the files in conf/examples and change it";
            diags.error(Rule::NoValue, start, "the file is empty", help);
            None
        }
        Kind::Scalar { .. } | Kind::List(_) => {
            let message = format!("the file is {}, not a mapping of settings", root.kind.noun());
            let help = "begin with `version: 1`, then `workers:`, `ports:` and `services:`";
            diags.error(Rule::WrongShape, start, message, help);
            None
        }
        Kind::Map(entries) => {
            let first = entries.first().map_or(start, |(key, _)| key.span);
            RawConfig::read(root, Owner { key: "", span: first }, diags)
        }
    }
}
