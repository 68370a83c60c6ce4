//! The section `ipvs` -> the options that workers read.

use dataplane::options::{ConnReuse, Defence, IpvsOptions};

/// IPVS' sysctls as the packet path has them.
pub(super) fn ipvs(written: &conf::Ipvs) -> IpvsOptions {
    IpvsOptions {
        conn_reuse: ConnReuse::from_mode(written.conn_reuse_mode),
        expire_nodest_conn: written.expire_nodest_conn,
        expire_quiescent_template: written.expire_quiescent_template,
        sloppy_tcp: written.sloppy_tcp,
        sloppy_sctp: written.sloppy_sctp,
        drop_entry: defence(written.drop_entry),
        drop_packet: defence(written.drop_packet),
        secure_tcp: defence(written.secure_tcp),
        am_droprate: written.am_droprate,
        amemthresh_percent: written.amemthresh_percent,
    }
}

fn defence(written: conf::Defence) -> Defence {
    match written {
        conf::Defence::Off => Defence::Off,
        conf::Defence::Auto => Defence::Auto,
        conf::Defence::Always => Defence::Always,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_ipvs_but_for_drop_entry() {
        let ours = ipvs(&conf::Ipvs::default());
        assert_eq!(ours, IpvsOptions { drop_entry: Defence::Auto, ..IpvsOptions::default() });
    }

    #[test]
    fn every_option_arrives_as_itself() {
        let written = conf::Ipvs {
            conn_reuse_mode: 2,
            expire_nodest_conn: true,
            expire_quiescent_template: false,
            sloppy_tcp: true,
            sloppy_sctp: false,
            drop_entry: conf::Defence::Off,
            drop_packet: conf::Defence::Always,
            secure_tcp: conf::Defence::Auto,
            am_droprate: 7,
            amemthresh_percent: 25,
        };
        let expected = IpvsOptions {
            conn_reuse: ConnReuse::FinishedOrHalfClosed,
            expire_nodest_conn: true,
            expire_quiescent_template: false,
            sloppy_tcp: true,
            sloppy_sctp: false,
            drop_entry: Defence::Off,
            drop_packet: Defence::Always,
            secure_tcp: Defence::Auto,
            am_droprate: 7,
            amemthresh_percent: 25,
        };
        assert_eq!(ipvs(&written), expected);
        let quiescent = conf::Ipvs { expire_quiescent_template: true, ..conf::Ipvs::default() };
        let sctp = conf::Ipvs { sloppy_sctp: true, ..conf::Ipvs::default() };
        assert!(ipvs(&quiescent).expire_quiescent_template && !ipvs(&quiescent).sloppy_sctp);
        assert!(ipvs(&sctp).sloppy_sctp && !ipvs(&sctp).expire_quiescent_template);
    }
}
