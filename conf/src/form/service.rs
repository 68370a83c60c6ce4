//! Services and their real servers.

use super::text::{self, seconds};
use super::{Field, Member, Value};
use crate::config::{Config, Persistence, PersistenceEngine, Service, ServiceKey, ServiceTimeouts};
use crate::helper::Helper;
use crate::real_server::{ForwardingMode, RealServer};
use crate::scheduler::Scheduler;
use crate::tunnel::{GueChecksum, Tunnel};

/// All services, by what makes them the same.
pub(crate) fn members(config: &Config) -> Vec<Member> {
    config.services.iter().map(member).collect()
}

fn member(one: &Service) -> Member {
    let item = |real: &RealServer| Member {
        id: real.address.to_string(),
        name: String::new(),
        value: Value::Fields(real_server(real, one)),
    };
    let mut fields = service(one);
    let items = one.real_servers.iter().map(item).collect();
    fields.push(Field::always("real_servers", Value::Items(items)));
    Member { id: one.key.to_string(), name: one.name.clone(), value: Value::Fields(fields) }
}

/// What a service says, but for its name and real servers.
pub(crate) fn service(service: &Service) -> Vec<Field> {
    let Service {
        name: _,
        key,
        mode,
        scheduler,
        scheduler_flags,
        ops,
        persistence,
        timeouts,
        local_addresses,
        real_servers: _,
        helper,
    } = service;
    let (vip, mark) = match key {
        ServiceKey::Endpoint { protocol, vip } => (Some((*protocol, *vip)), None),
        ServiceKey::Mark(mark) => (None, Some(Value::plain(mark))),
    };
    let flags = scheduler_flags.names(*scheduler).into_iter().map(Value::plain).collect::<Vec<_>>();
    let [time, mask, engine] = persistence_fields(*persistence);
    let usual_helper = Helper::of_port(*key);
    let helper_name = Value::plain(helper.map_or(Helper::NONE, Helper::as_str));
    vec![
        Field::if_any("vip", vip.map(|(_, vip)| Value::text(vip))),
        Field::if_any("protocol", vip.map(|(protocol, _)| Value::plain(protocol.as_str()))),
        Field::if_any("mark", mark),
        Field::always("mode", Value::plain(mode.as_str())),
        Field::if_any(
            "local_addresses",
            (!local_addresses.is_empty()).then(|| text::addresses(local_addresses)),
        ),
        Field::unless(*scheduler == Scheduler::Wlc, "scheduler", Value::plain(scheduler.as_str())),
        Field::unless(flags.is_empty(), "scheduler_flags", Value::List(flags)),
        Field::unless(*helper == usual_helper, "helper", helper_name),
        Field::unless(!ops, "ops", Value::plain(ops)),
        time,
        mask,
        engine,
        timeouts_section(timeouts),
    ]
}

/// The three keys of persistence.
fn persistence_fields(persistence: Option<Persistence>) -> [Field; 3] {
    let time = persistence.map(|Persistence { timeout_s, .. }| seconds(timeout_s));
    let mask = persistence.map(|Persistence { mask, .. }| mask);
    let engine = persistence.and_then(|Persistence { engine, .. }| engine);
    let mask_field = Field::if_any("persistence_mask", mask.map(Value::text));
    let whole = mask.is_none_or(|mask| mask == Persistence::WHOLE_ADDRESS);
    [
        Field::if_any("persistence", time),
        mask_field.left_out_if(whole),
        Field::if_any(
            "persistence_engine",
            engine.map(PersistenceEngine::as_str).map(Value::plain),
        ),
    ]
}

/// Those that a service has itself.
fn timeouts_section(timeouts: &ServiceTimeouts) -> Field {
    let own = timeouts.by_key();
    let fields = own.into_iter().map(|(key, time)| Field::if_any(key, time.map(seconds)));
    Field::section("timeouts", fields.collect())
}

/// What a real server of `service` says.
pub(crate) fn real_server(real: &RealServer, service: &Service) -> Vec<Field> {
    let RealServer { address, mode, tunnel, weight, drain, upper_threshold, lower_threshold } =
        real;
    // Without a port it has that of the service.
    let is_usual_port = service.key.vport() == address.port();
    let address = if is_usual_port { Value::text(address.ip()) } else { Value::text(address) };
    let is_wrapped = *mode == ForwardingMode::Tunnel;
    let wrapping = is_wrapped.then(|| Value::Fields(tunnel_fields(*tunnel)));
    vec![
        Field::always("address", address),
        Field::unless(*mode == service.mode, "mode", Value::plain(mode.as_str())),
        Field::if_any("tunnel", wrapping).left_out_if(*tunnel == Tunnel::default()),
        Field::unless(*weight == 1, "weight", Value::plain(weight)),
        Field::unless(!drain, "drain", Value::plain(drain)),
        Field::unless(*upper_threshold == 0, "upper_threshold", Value::plain(upper_threshold)),
        Field::unless(*lower_threshold == 0, "lower_threshold", Value::plain(lower_threshold)),
    ]
}

fn tunnel_fields(tunnel: Tunnel) -> Vec<Field> {
    let checksum = tunnel.checksum();
    let is_usual = checksum == Some(GueChecksum::default().as_str());
    vec![
        Field::always("type", Value::plain(tunnel.kind())),
        Field::if_any("port", tunnel.dst_port().map(Value::plain)),
        Field::if_any("checksum", checksum.map(Value::plain)).left_out_if(is_usual),
    ]
}
