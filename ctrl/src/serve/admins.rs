//! Who a client on the control socket is: the kernel says which user it runs as (SO_PEERCRED).

use nix::unistd::geteuid;

use crate::api::Role;

/// The users that are admins.
#[derive(Debug, Default)]
pub(crate) struct Admins {
    users: Vec<u32>,
}

impl Admins {
    /// Root and the user that this process runs as.
    pub(crate) fn of_this_process() -> Self {
        Self { users: vec![0, geteuid().as_raw()] }
    }

    /// Whether this user is an admin, whatever groups it is in.
    pub(super) fn has_user(&self, user: u32) -> bool {
        self.users.contains(&user)
    }

    /// What a process of this user and group may do.
    pub(crate) fn role_of(&self, user: u32, _group: u32) -> Role {
        if self.has_user(user) { Role::Admin } else { Role::ReadOnly }
    }
}
