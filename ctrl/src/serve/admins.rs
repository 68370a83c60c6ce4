//! Who a client on the control socket is: the kernel says which user and group it runs as
//! (SO_PEERCRED), the system's user database which groups that user is in besides.

use std::ffi::CString;
use std::time::Duration;

use conf::{Account, Admin, Control};
use nix::unistd::{Gid, Group, Uid, User, geteuid, getgrouplist};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::api::Role;
use crate::error::CtrlError;

/// Look-ups of groups at a time: a database may be behind a network.
const LOOKUPS_MAX: usize = 4;
/// How long one may take, waiting for others included.
const LOOKUP_PATIENCE: Duration = Duration::from_secs(5);

/// The users that are admins.
#[derive(Debug)]
pub(crate) struct Admins {
    users: Vec<u32>,
    groups: Vec<u32>,
    lookups: Semaphore,
}

impl Default for Admins {
    /// Nobody.
    fn default() -> Self {
        Self::new(Vec::new(), Vec::new())
    }
}

impl Admins {
    /// Root, the user that this process runs as, and those that `control` names.
    pub(crate) fn of(control: &Control) -> Result<Self, CtrlError> {
        let (mut users, mut groups) = (vec![0, geteuid().as_raw()], Vec::new());
        for admin in &control.admins {
            match admin {
                Admin::User(account) => users.push(user(account)?.as_raw()),
                Admin::Group(account) => groups.push(group(account, "control.admins")?.as_raw()),
            }
        }
        Ok(Self::new(users, groups))
    }

    /// These and nobody else.
    pub(crate) fn new(users: Vec<u32>, groups: Vec<u32>) -> Self {
        Self { users, groups, lookups: Semaphore::new(LOOKUPS_MAX) }
    }

    /// Whether this user is an admin, whatever groups it is in.
    pub(crate) fn has_user(&self, user: u32) -> bool {
        self.users.contains(&user)
    }

    /// What a process of this user and group may do.
    pub(crate) async fn role_of(&self, user: u32, group: u32) -> Role {
        let is_admin = self.has_user(user)
            || self.groups.contains(&group)
            || (!self.groups.is_empty() && self.is_in_their_groups(user).await);
        if is_admin { Role::Admin } else { Role::ReadOnly }
    }

    /// Whether the database has this user in a group of admins. The control thread asks another
    /// thread, since that may take long.
    async fn is_in_their_groups(&self, user: u32) -> bool {
        let look_up = async {
            let _turn = self.lookups.acquire().await.ok()?;
            tokio::task::spawn_blocking(move || groups_of(user)).await.ok()
        };
        match timeout(LOOKUP_PATIENCE, look_up).await {
            Ok(Some(Ok(groups))) => groups.iter().any(|group| self.groups.contains(group)),
            Ok(Some(Err(error))) => {
                tracing::warn!("user {user} may read only: its groups are not known: {error}");
                false
            }
            Ok(None) => false,
            Err(_) => {
                tracing::warn!("user {user} may read only: its groups take too long to be found");
                false
            }
        }
    }
}

/// The groups of a user, its first one included.
fn groups_of(user: u32) -> nix::Result<Vec<u32>> {
    let Some(user) = User::from_uid(Uid::from_raw(user))? else { return Ok(Vec::new()) };
    let name = CString::new(user.name).map_err(|_| nix::Error::EINVAL)?;
    Ok(getgrouplist(&name, user.gid)?.into_iter().map(Gid::as_raw).collect())
}

fn user(account: &Account) -> Result<Uid, CtrlError> {
    let found = match account {
        Account::Id(id) => return Ok(Uid::from_raw(*id)),
        Account::Name(name) => User::from_name(name),
    };
    let key = "control.admins";
    known(found.map(|user| user.map(|user| user.uid)), "user", account, key)
}

/// The group that `key` of the configuration names.
pub(crate) fn group(account: &Account, key: &'static str) -> Result<Gid, CtrlError> {
    let found = match account {
        Account::Id(id) => return Ok(Gid::from_raw(*id)),
        Account::Name(name) => Group::from_name(name),
    };
    known(found.map(|group| group.map(|group| group.gid)), "group", account, key)
}

fn known<T>(
    found: nix::Result<Option<T>>,
    kind: &'static str,
    account: &Account,
    key: &'static str,
) -> Result<T, CtrlError> {
    let why = match found {
        Ok(Some(id)) => return Ok(id),
        Ok(None) => "there is none of this name".to_owned(),
        Err(error) => error.desc().to_owned(),
    };
    Err(CtrlError::NoAccount { kind, name: account.to_string(), key, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admins(text: &[Admin]) -> Result<Admins, CtrlError> {
        Admins::of(&Control { admins: text.to_vec(), ..Control::default() })
    }

    fn name(name: &str) -> Account {
        Account::Name(name.to_owned())
    }

    #[tokio::test]
    async fn root_and_this_user_are_admins_and_others_as_the_file_says() {
        let none = admins(&[]).unwrap();
        assert_eq!(none.role_of(0, 12_345).await, Role::Admin);
        assert_eq!(none.role_of(geteuid().as_raw(), 12_345).await, Role::Admin);
        assert_eq!(none.role_of(12_345, 0).await, Role::ReadOnly);

        let some = [Admin::User(Account::Id(12_345)), Admin::Group(Account::Id(777))];
        let some = admins(&some).unwrap();
        assert_eq!(some.role_of(12_345, 1).await, Role::Admin);
        assert_eq!(some.role_of(12_346, 777).await, Role::Admin);
        assert_eq!(some.role_of(12_346, 1).await, Role::ReadOnly);
    }

    #[tokio::test]
    async fn groups_count_that_only_the_database_knows() {
        // root is in the group root on every machine, whatever group its process runs as.
        let admins = Admins::new(Vec::new(), vec![0]);
        assert_eq!(admins.role_of(0, 12_345).await, Role::Admin);
        // A user that the database does not have is in no group.
        assert_eq!(admins.role_of(4_000_000_000, 12_345).await, Role::ReadOnly);
    }

    #[test]
    fn names_are_looked_up_and_must_be_there() {
        let root = admins(&[Admin::User(name("root")), Admin::Group(name("root"))]).unwrap();
        assert!(root.users.contains(&0) && root.groups == [0]);
        for (admin, kind) in [
            (Admin::User(name("no-such-user")), "user no-such-user"),
            (Admin::Group(name("no-such-group")), "group no-such-group"),
        ] {
            let error = admins(&[admin]).unwrap_err().to_string();
            assert!(error.contains(kind) && error.contains("control.admins"), "{error}");
        }
    }
}
