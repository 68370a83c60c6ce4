//! One forwarding mode: a lab, a director, requests, and what became of them.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::time::Instant;

use rvs_perf::lab::addresses::VIP;
use rvs_perf::lab::client::Answer;
use rvs_perf::lab::config::Service;
use rvs_perf::lab::requirements::{find_program, rvsadm_binary};
use rvs_perf::lab::{Director, Lab, LabError, Mode, RealServer};

use crate::account::Account;
use crate::change;

/// Requests in each mode: a multiple of four, so that a split of 3:1 comes out whole.
const REQUESTS: usize = 40;
/// Requests under way at once.
const PARALLEL: usize = 8;

/// A mode that was tried, with everything still running.
pub(crate) struct Trial {
    // Before the lab, so that the daemon ends before its devices go.
    pub(crate) director: Director,
    lab: Lab,
    /// One row for each real server.
    pub(crate) rows: Vec<Row>,
    answered: usize,
    /// Whether other schedulers, applied afterwards, chose as they promise.
    changed_well: bool,
}

/// How one real server fared.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) mode: Mode,
    pub(crate) real_server: String,
    /// How many answers named this server.
    pub(crate) requests: usize,
    /// How many the scheduler promises it.
    pub(crate) promised: usize,
    /// Every client address in its log, for people.
    pub(crate) clients: String,
    /// Whether its log has a line for each answer, with the client address the mode promises.
    pub(crate) log_is_right: bool,
}

impl Row {
    pub(crate) fn as_promised(&self) -> bool {
        self.requests == self.promised && self.log_is_right
    }
}

/// What the mode does, in a line.
pub(crate) const fn headline(mode: Mode) -> &'static str {
    match mode {
        Mode::Dr => "DR, direct routing",
        Mode::Nat => "NAT",
        Mode::Tun => "TUN, IP in IP",
        Mode::FullNat => "FULLNAT",
    }
}

const fn explanation(mode: Mode) -> &'static str {
    match mode {
        Mode::Dr => {
            "  The director changes only the frame's destination. The real servers have the VIP\n  \
             on lo, keep quiet about it in ARP, and answer the client past the director."
        }
        Mode::Nat => {
            "  The director puts the real server's address and port in place of the VIP's. The\n  \
             real servers' default gateway is the director, so answers come back through it."
        }
        Mode::Tun => {
            "  The director wraps each packet in another one. The real servers unwrap it, have\n  \
             the VIP on lo, and answer the client past the director."
        }
        Mode::FullNat => {
            "  The director connects to the real server from a local address of its own.\n  \
             Answers come back to that address, whatever the real servers' routes are."
        }
    }
}

/// The scheduler and the weights of rs1 and rs2 that the mode is shown with.
const fn plan(mode: Mode) -> (&'static str, [u32; 2]) {
    match mode {
        Mode::Dr | Mode::Tun => ("rr", [1, 1]),
        Mode::Nat | Mode::FullNat => ("wrr", [3, 1]),
    }
}

impl Trial {
    /// Builds the lab for `mode`, starts the director, makes the requests, and tells of it all.
    pub(crate) fn run(account: &Account, mode: Mode) -> Result<Self, LabError> {
        let (scheduler, weights) = plan(mode);
        account.line(explanation(mode));
        let lab = Lab::new(mode)?;
        if let Some(who) = lab.decapsulation() {
            account.line(&format!("  Unwrapping is done by {who}."));
        }
        let start = Instant::now();
        let director = Director::start(&lab, &[Service::web(mode, scheduler, weights)])?;
        let seconds = start.elapsed().as_secs_f32();
        account.line(&format!("\n  {}", director.config().display()));
        let config = director.config();
        account.quote(
            &fs::read_to_string(config)
                .map_err(|source| LabError::File { path: config.into(), source })?,
        );
        account.line(&format!("\n  rvs run was ready after {seconds:.1} s."));
        account.line(&format!(
            "  {REQUESTS} times, {PARALLEL} at once: curl http://{VIP}/   (who answers)"
        ));
        account.sign("  ", true);
        let client = lab.client();
        let answers = client.get(&format!("http://{VIP}/"), REQUESTS, PARALLEL, |answer| {
            let who = answer.real_server.strip_prefix("rs").unwrap_or("?");
            let good = answer.succeeded();
            account.sign(if good { who } else { "x" }, good);
        })?;
        account.line("\n");
        let rows = rows(&lab, &answers, weights)?;
        let answered = answers.iter().filter(|answer| answer.succeeded()).count();
        let mut trial = Self { director, lab, rows, answered, changed_well: true };
        trial.tell(account, &answers, scheduler, weights)?;
        trial.changed_well = change::run(*account, &trial.lab, &trial.director)?;
        Ok(trial)
    }

    fn tell(
        &self,
        account: &Account,
        answers: &[Answer],
        scheduler: &str,
        weights: [u32; 2],
    ) -> Result<(), LabError> {
        account.rows(&self.rows);
        account.line("\n  rvs show services");
        account.quote(&self.director.show_table("services")?);
        account.line("");
        let failure = answers.iter().find_map(|answer| answer.error.as_deref()).unwrap_or("");
        let count = format!("{} of {REQUESTS} requests answered {failure}", self.answered);
        account.judgement(self.answered == REQUESTS, count.trim_end());
        let exact = self.rows.iter().all(|row| row.requests == row.promised);
        account.judgement(exact, &format!("{scheduler} {}:{} split", weights[0], weights[1]));
        let logs_are_right = self.rows.iter().all(|row| row.log_is_right);
        account.judgement(
            logs_are_right,
            match self.lab.mode {
                Mode::FullNat => "the real servers saw only local addresses of the director (LIP)",
                Mode::Dr | Mode::Nat | Mode::Tun => "the real servers saw the client itself (CIP)",
            },
        );
        if !self.passed() {
            account.line("\n  The end of the director's log:");
            account.quote(&self.director.log_end());
        }
        Ok(())
    }

    /// Whether every request was answered, as promised.
    pub(crate) fn passed(&self) -> bool {
        self.changed_well && self.answered == REQUESTS && self.rows.iter().all(Row::as_promised)
    }

    /// Stops the director and takes the lab down.
    pub(crate) fn end(self, account: &Account) -> Result<(), LabError> {
        let took = self.director.stop()?;
        account.line(&format!("  SIGTERM: the director stopped within {} ms.", took.as_millis()));
        Ok(())
    }

    /// Command lines that show something while the lab runs.
    pub(crate) fn commands_to_try(&self) -> Vec<String> {
        let client = self.lab.client();
        let client = client.namespace().name();
        let rvs = self.director.rvs().display();
        let socket = self.director.socket().display();
        let mut commands = vec![
            format!("ip netns exec {client} curl -i http://{VIP}/"),
            format!("ip netns exec {client} curl -s 'http://{VIP}/?[1-12]'"),
        ];
        if find_program("ping").is_some() {
            commands.push(format!("ip netns exec {client} ping -c 3 {VIP}"));
        }
        let tool = [
            "show services",
            "show flows --sort age --limit 10",
            "show flows --count-by real",
            "show ports",
            "show neighbors",
            "show routes",
            "show drops",
            "stats --watch",
            "set web 10.0.0.11 weight=5",
            "drain web 10.0.0.12 --timeout 30s",
            "undrain web 10.0.0.12",
            "kill --service web",
            "plan",
            "save --dry-run",
            "doctor",
        ];
        commands.extend(tool.map(|words| format!("{rvs} {words} --socket {socket}")));
        if let (Ok(rvsadm), Some(_)) = (rvsadm_binary(), find_program("ipvsadm")) {
            let words = ["-Ln --stats", "-A -t 192.0.2.10:8080 -s wrr", "-S -n"];
            let rvsadm = format!("RVS_SOCKET={socket} {}", rvsadm.display());
            commands.extend(words.map(|words| format!("{rvsadm} {words}")));
        }
        commands.push(format!("curl --unix-socket {socket} http://rvs/metrics"));
        let logs = self.lab.directory().join("rs1/access.log");
        commands.push(format!("tail -f {}", logs.display()));
        commands
    }
}

fn rows(lab: &Lab, answers: &[Answer], weights: [u32; 2]) -> Result<Vec<Row>, LabError> {
    let weights = weights.map(|weight| usize::try_from(weight).unwrap_or(usize::MAX));
    let total: usize = weights.iter().sum();
    let servers = lab.real_servers.iter().zip(weights);
    servers.map(|(server, weight)| row(lab, server, answers, REQUESTS * weight / total)).collect()
}

fn row(
    lab: &Lab,
    server: &RealServer,
    answers: &[Answer],
    promised: usize,
) -> Result<Row, LabError> {
    let is_its = |answer: &&Answer| answer.succeeded() && answer.real_server == server.name();
    let requests = answers.iter().filter(is_its).count();
    let log = server.log_of(requests)?;
    let mut clients: BTreeMap<Ipv4Addr, usize> = BTreeMap::new();
    for line in &log {
        *clients.entry(line.client).or_default() += 1;
    }
    let kind = if lab.mode == Mode::FullNat { "LIP" } else { "CIP" };
    let listed = clients.iter().map(|(address, count)| match lab.mode.is_logged_client(*address) {
        true => format!("{address} ({kind}, {count})"),
        false => format!("{address} (neither expected nor explained, {count})"),
    });
    Ok(Row {
        mode: lab.mode,
        real_server: format!("{} {}:{}", server.name(), server.address(), lab.mode.http_rport()),
        requests,
        promised,
        clients: listed.collect::<Vec<_>>().join(" "),
        log_is_right: requests > 0
            && log.len() == requests
            && log.iter().all(|line| lab.mode.is_logged_client(line.client)),
    })
}
