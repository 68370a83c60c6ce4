//! The section `ipvs`.

use crate::diag::Diags;
use crate::ipvs::{Defence, Ipvs};
use crate::raw::RawIpvs;
use crate::read::Text;
use crate::value;

/// Highest `am_droprate`.
const DROP_RATE_MAX: u32 = 1_000_000;
/// Highest share that `amemthresh` may ask for, in percent.
const FREE_MAX: u32 = 50;

/// IPVS' sysctls; each that is not written has its default.
pub(super) fn ipvs(raw: Option<&RawIpvs<'_>>, diags: &mut Diags) -> Option<Ipvs> {
    let default = Ipvs::default();
    let Some(raw) = raw else { return Some(default) };
    let conn_reuse_mode = number(&raw.conn_reuse_mode, 0..=3, default.conn_reuse_mode, diags);
    let expire_nodest_conn = switch(&raw.expire_nodest_conn, default.expire_nodest_conn, diags);
    let quiescent = &raw.expire_quiescent_template;
    let expire_quiescent_template = switch(quiescent, default.expire_quiescent_template, diags);
    let sloppy_tcp = switch(&raw.sloppy_tcp, default.sloppy_tcp, diags);
    let sloppy_sctp = switch(&raw.sloppy_sctp, default.sloppy_sctp, diags);
    let drop_entry = defence(&raw.drop_entry, default.drop_entry, diags);
    let drop_packet = defence(&raw.drop_packet, default.drop_packet, diags);
    let secure_tcp = defence(&raw.secure_tcp, default.secure_tcp, diags);
    let am_droprate = number(&raw.am_droprate, 1..=DROP_RATE_MAX, default.am_droprate, diags);
    let amemthresh_percent = match &raw.amemthresh {
        Some(text) => value::percent(text, 1..=FREE_MAX, diags).map(|percent| percent.value),
        None => Some(default.amemthresh_percent),
    };
    Some(Ipvs {
        conn_reuse_mode: conn_reuse_mode?,
        expire_nodest_conn: expire_nodest_conn?,
        expire_quiescent_template: expire_quiescent_template?,
        sloppy_tcp: sloppy_tcp?,
        sloppy_sctp: sloppy_sctp?,
        drop_entry: drop_entry?,
        drop_packet: drop_packet?,
        secure_tcp: secure_tcp?,
        am_droprate: am_droprate?,
        amemthresh_percent: amemthresh_percent?,
    })
}

fn number(
    text: &Option<Text<'_>>,
    range: std::ops::RangeInclusive<u32>,
    default: u32,
    diags: &mut Diags,
) -> Option<u32> {
    match text {
        Some(text) => value::number(text, range, diags).map(|number| number.value),
        None => Some(default),
    }
}

fn switch(text: &Option<Text<'_>>, default: bool, diags: &mut Diags) -> Option<bool> {
    match text {
        Some(text) => value::switch(text, diags).map(|switch| switch.value),
        None => Some(default),
    }
}

fn defence(text: &Option<Text<'_>>, default: Defence, diags: &mut Diags) -> Option<Defence> {
    number(text, 0..=3, default.as_number(), diags).map(Defence::from_number)
}
