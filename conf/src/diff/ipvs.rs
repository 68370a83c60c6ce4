//! The section `ipvs`.

use super::Changes;
use crate::ipvs::{Defence, Ipvs};

/// IPVS' sysctls; all of them may change while the daemon runs.
pub(super) fn ipvs(old: &Ipvs, new: &Ipvs, changes: &mut Changes) {
    let Ipvs {
        conn_reuse_mode,
        expire_nodest_conn,
        expire_quiescent_template,
        sloppy_tcp,
        sloppy_sctp,
        drop_entry,
        drop_packet,
        secure_tcp,
        am_droprate,
        amemthresh_percent,
    } = old;
    let mut differs = |key, old: String, new: String| {
        changes.setting(&["ipvs", key], false, (old.as_str(), new.as_str()), str::to_owned);
    };
    let number = |number: u32| number.to_string();
    let switch = |is_on: bool| u32::from(is_on).to_string();
    let defence = |defence: Defence| defence.as_number().to_string();
    differs("conn_reuse_mode", number(*conn_reuse_mode), number(new.conn_reuse_mode));
    let nodest = (switch(*expire_nodest_conn), switch(new.expire_nodest_conn));
    differs("expire_nodest_conn", nodest.0, nodest.1);
    let quiescent = (switch(*expire_quiescent_template), switch(new.expire_quiescent_template));
    differs("expire_quiescent_template", quiescent.0, quiescent.1);
    differs("sloppy_tcp", switch(*sloppy_tcp), switch(new.sloppy_tcp));
    differs("sloppy_sctp", switch(*sloppy_sctp), switch(new.sloppy_sctp));
    differs("drop_entry", defence(*drop_entry), defence(new.drop_entry));
    differs("drop_packet", defence(*drop_packet), defence(new.drop_packet));
    differs("secure_tcp", defence(*secure_tcp), defence(new.secure_tcp));
    differs("am_droprate", number(*am_droprate), number(new.am_droprate));
    let percent = |percent: u32| format!("{percent}%");
    differs("amemthresh", percent(*amemthresh_percent), percent(new.amemthresh_percent));
}
