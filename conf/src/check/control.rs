//! How tools reach the daemon: the socket, who may open it, and TCP.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::control::{Account, Admin, Control, Masquerading, Tcp};
use crate::diag::Diags;
use crate::raw::{RawControl, RawTcp};
use crate::read::Text;
use crate::rule::Rule;
use crate::value;

/// Longest path a unix socket can have, in bytes: `sun_path` without its terminating zero.
const SOCKET_PATH_MAX: usize = 107;
/// Longest name of a user or group (Linux: 32).
const ACCOUNT_BYTES_MAX: usize = 32;

const MASQUERADING: &[(&str, Masquerading)] =
    &[("nat", Masquerading::Nat), ("fullnat", Masquerading::FullNat)];

/// Everything under `control`. `has_pool` says whether there are local addresses for all services.
pub(super) fn control(
    raw: Option<&RawControl<'_>>,
    has_pool: bool,
    diags: &mut Diags,
) -> Option<Control> {
    let default = Control::default();
    let Some(raw) = raw else { return Some(default) };
    let socket = match &raw.socket {
        Some(text) => socket(text, diags),
        None => Some(default.socket),
    };
    let masquerading = match &raw.masquerading {
        Some(text) => masquerading(text, has_pool, diags),
        None => Some(default.masquerading),
    };
    let mode = match &raw.mode {
        Some(text) => mode(text, diags),
        None => Some(default.mode),
    };
    let group = match &raw.group {
        Some(text) => account(text, text.text, diags).map(Some),
        None => Some(None),
    };
    let admins = admins(raw, diags);
    let tcp = match &raw.tcp {
        Some(raw) => tcp(raw, diags).map(Some),
        None => Some(None),
    };
    Some(Control {
        socket: socket?,
        masquerading: masquerading?,
        mode: mode?,
        group: group?,
        admins: admins?,
        tcp: tcp?,
    })
}

fn masquerading(text: &Text<'_>, has_pool: bool, diags: &mut Diags) -> Option<Masquerading> {
    let masquerading = value::word(text, MASQUERADING, diags)?;
    if masquerading.value == Masquerading::FullNat && !has_pool {
        let message = "masquerading real servers become fullnat, and have no local addresses";
        let help = "add `local_addresses: [10.0.0.100]` at the top of the file, with unused \
                    addresses in the subnet of the real servers";
        diags.error(Rule::MissingKey, masquerading.span, message, help);
    }
    Some(masquerading.value)
}

fn socket(text: &Text<'_>, diags: &mut Diags) -> Option<PathBuf> {
    let path = path(text, "socket", "/run/rvs/rvs.sock", diags)?;
    if text.text.len() > SOCKET_PATH_MAX {
        let message = format!("`socket` is too long for a unix socket: `{}`", text.text);
        diags.error(Rule::BadValue, text.span, message, "use a path of at most 107 bytes");
        return None;
    }
    Some(path)
}

/// The absolute path of a file.
fn path(text: &Text<'_>, key: &str, example: &str, diags: &mut Diags) -> Option<PathBuf> {
    let written = text.text;
    let (what, help) = if !written.starts_with('/') {
        ("is not an absolute path", format!("begin with `/`, such as `{example}`"))
    } else if written.ends_with('/') {
        ("is a directory", format!("add a file name, such as `{example}`"))
    } else if written.chars().any(char::is_control) {
        ("has control characters", format!("write a plain path, such as `{example}`"))
    } else {
        return Some(PathBuf::from(written));
    };
    let message = format!("`{key}` {what}: `{written}`");
    diags.error(Rule::BadValue, text.span, message, help);
    None
}

/// Who may connect, by their digits.
fn mode(text: &Text<'_>, diags: &mut Diags) -> Option<u32> {
    let digits = text.text.strip_prefix("0o").unwrap_or(text.text);
    let digits = if digits.len() == 4 { digits.strip_prefix('0') } else { Some(digits) };
    let may = |digit: u8| matches!(digit, b'0' | b'6');
    if let Some(&[b'6', group, others]) = digits.map(str::as_bytes)
        && may(group)
        && may(others)
    {
        let bits = |digit: u8| u32::from(digit - b'0');
        return Some(0o600 | bits(group) << 3 | bits(others));
    }
    let message = format!("`mode` is not the mode of a socket: `{}`", value::written(text));
    let help = "write 0600 for the owner alone, 0660 for its group, too, or 0666 for everybody: \
                who may connect has a 6";
    diags.error(Rule::BadValue, text.span, message, help);
    None
}

fn admins(raw: &RawControl<'_>, diags: &mut Diags) -> Option<Vec<Admin>> {
    let Some(list) = &raw.admins else { return Some(Vec::new()) };
    let mut admins: Vec<Admin> = Vec::new();
    let mut all_good = true;
    for text in &list.items {
        let admin = match text.text.strip_prefix('@') {
            Some(group) => account(text, group, diags).map(Admin::Group),
            None => account(text, text.text, diags).map(Admin::User),
        };
        match admin {
            Some(admin) if admins.contains(&admin) => {
                let message = format!("`{admin}` stands in `admins` already");
                diags.error(Rule::Duplicate, text.span, message, "remove one of them");
                all_good = false;
            }
            Some(admin) => admins.push(admin),
            None => all_good = false,
        }
    }
    // Something that is no single value has been reported, and is not among the items.
    (all_good && list.items.len() == list.written).then_some(admins)
}

/// A user or group, `written` somewhere in `text`.
fn account(text: &Text<'_>, written: &str, diags: &mut Diags) -> Option<Account> {
    let is_number = written.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && let Ok(id) = written.parse::<u32>() {
        // The system's calls mean "none" by the largest.
        if id != u32::MAX {
            return Some(Account::Id(id));
        }
    }
    let is_odd =
        |c: char| c.is_whitespace() || c.is_control() || matches!(c, ':' | ',' | '/' | '@');
    let is_name = !written.is_empty()
        && written.len() <= ACCOUNT_BYTES_MAX
        && !written.starts_with(['-', '+'])
        && !written.contains(is_odd)
        && !is_number;
    if is_name {
        return Some(Account::Name(written.to_owned()));
    }
    let message = format!("no user or group can be called `{written}`");
    let help = "write a name such as `rvs`, a number, or, among `admins`, a group as \"@rvs\"";
    diags.error(Rule::BadValue, text.span, message, help);
    None
}

fn tcp(raw: &RawTcp<'_>, diags: &mut Diags) -> Option<Tcp> {
    let listen = raw.listen.as_ref().and_then(|text| listen(text, diags));
    let tokens = raw.tokens.as_ref();
    let tokens = tokens.and_then(|text| path(text, "tokens", "/etc/rvs/tokens", diags));
    Some(Tcp { listen: listen?, tokens: tokens? })
}

fn listen(text: &Text<'_>, diags: &mut Diags) -> Option<SocketAddr> {
    match text.text.parse::<SocketAddr>() {
        Ok(address) if address.port() != 0 && !address.ip().is_multicast() => Some(address),
        _ => {
            let message = format!("`listen` is no address with a port: `{}`", value::written(text));
            let help = "write an address of this machine, such as `127.0.0.1:9181`";
            diags.error(Rule::BadValue, text.span, message, help);
            None
        }
    }
}
