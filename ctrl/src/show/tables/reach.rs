//! Routes and local ports.

use crate::api::proto::{LocalPorts, Routes};
use crate::show::table::Column::{Left, Right};
use crate::show::table::render;

use super::share;

pub(in crate::show) fn routes(answer: &Routes) -> String {
    let columns =
        [Left("NETWORK"), Left("KIND"), Left("PORT"), Left("GATEWAY"), Left("STATE"), Left("MAC")];
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let rows = answer.routes.iter().map(|route| {
        // A gateway that nobody has asked for is not the same as none.
        let unknown = route.via.map(|_| "unknown".to_owned());
        vec![
            route.to.clone(),
            route.kind.clone(),
            route.port.clone(),
            or_dash(route.via.map(|via| via.to_string())),
            or_dash(route.gateway_state.clone().or(unknown)),
            or_dash(route.gateway_mac.clone()),
        ]
    });
    render(&columns, rows)
}

pub(in crate::show) fn local_ports(answer: &LocalPorts) -> String {
    let columns = [
        Left("SERVICE"),
        Left("REAL SERVER"),
        Left("LOCAL ADDRESS"),
        Right("USED"),
        Right("CAPACITY"),
        Right("FULL"),
    ];
    let rows = answer.local_ports.iter().map(|row| {
        let full = match row.capacity {
            0 => "-".to_owned(),
            capacity => share(row.used, capacity),
        };
        vec![
            row.service.clone(),
            format!("{}:{}", row.rip, row.rport),
            row.lip.to_string(),
            row.used.to_string(),
            row.capacity.to_string(),
            full,
        ]
    });
    render(&columns, rows)
}
