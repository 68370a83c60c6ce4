//! FTP through NAT and FULLNAT: vsftpd and curl, passive and active, both ways.

use libtest_mimic::Failed;
use rvs_perf::lab::addresses::{FTP_VPORT, VIP};
use rvs_perf::lab::client::sha256_of;
use rvs_perf::lab::config::{Service, Workers};
use rvs_perf::lab::ftp_server::FtpServer;
use rvs_perf::lab::{LabError, Mode};

use crate::Body;
use crate::setup::{Setup, with_workers};

/// The tests of this file.
pub(crate) const TESTS: [(&str, Body); 3] = [
    ("nat", || transfers(Mode::Nat, Workers::one())),
    ("fullnat", || transfers(Mode::FullNat, Workers::one())),
    ("two_workers", || {
        transfers(Mode::Nat, TWO)?;
        transfers(Mode::FullNat, TWO)
    }),
];

const TWO: Workers = Workers { lcores: &[0, 1], wan_queues: 1 };
const FILE_LEN: usize = 3_000_000;

/// How curl asks for data connections.
const WAYS: [(&str, &[&str]); 4] = [
    ("PASV", &["--ftp-pasv", "--disable-epsv"]),
    ("EPSV", &["--ftp-pasv"]),
    ("PORT", &["--ftp-port", "-", "--disable-eprt"]),
    ("EPRT", &["--ftp-port", "-"]),
];

const ROUNDS: usize = 4;

/// A file down and one up, in every way, several times: each real server and worker has some.
fn transfers(mode: Mode, workers: Workers) -> Result<(), Failed> {
    with_workers(mode, &[Service::ftp(mode, "rr", [1, 1])], workers, |setup| {
        let start = |server| FtpServer::start(server, mode);
        let servers = setup.lab.real_servers.iter().map(start).collect::<Result<Vec<_>, _>>()?;
        let path = setup.lab.directory().join("file");
        let content: Vec<u8> = (0..FILE_LEN).map(|n| (n % 251).to_le_bytes()[0]).collect();
        std::fs::write(&path, content)?;
        let sum = sha256_of(&path)?;
        for server in &servers {
            std::fs::copy(&path, server.served_files().join("file"))?;
        }
        let url = |path: &str| format!("ftp://{VIP}:{FTP_VPORT}/{path}");
        let client = setup.lab.client();
        for (way, options) in WAYS {
            for round in 0..ROUNDS {
                let told = |error: LabError| format!("{way}, round {round}: {error}");
                let got = client.fetch(&url("file"), options).map_err(told)?;
                assert_eq!(got, sum, "{way}, round {round}");
                let name = format!("{way}-{round}");
                client.put(&path, &url(&format!("incoming/{name}")), options).map_err(told)?;
                let arrived = servers.iter().map(|server| server.uploaded(&name));
                let arrived: Vec<_> = arrived.filter(|path| path.exists()).collect();
                assert_eq!(arrived.len(), 1, "{way}, round {round}: at one real server");
                assert_eq!(sha256_of(&arrived[0])?, sum, "{way}, round {round}");
            }
        }
        all_counted(setup, mode)
    })
}

/// Every data connection was announced and came, and no text was left alone.
fn all_counted(setup: &Setup, mode: Mode) -> Result<(), Failed> {
    let drops = setup.director.show("drops")?;
    let ftp = &drops["ftp"];
    let number = |name: &str| ftp[name].as_u64().unwrap_or_default();
    let each = u64::try_from(ROUNDS * 2)?;
    assert_eq!(number("data_flows"), 4 * each, "{ftp}");
    // A text that the sender thinks lost comes and counts again.
    assert!(number("announced") >= 4 * each, "{ftp}");
    // The address in a 227, and in FULLNAT those in PORT and EPRT.
    let edited = if mode == Mode::Nat { each } else { 3 * each };
    assert!(number("edited") >= edited, "{ftp}");
    let left = ["split", "garbled", "refused", "unfit", "controls_full", "no_flow", "notes_lost"];
    assert!(left.iter().all(|name| number(name) == 0), "{ftp}");
    Ok(())
}
