//! Who a program runs as, read from the image's own `/etc/passwd` and `/etc/group` by hand: a
//! statically linked C library cannot ask for names.

use std::fs;

/// A user with everything a process needs of it.
#[derive(Debug, PartialEq, Eq)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
    pub home: String,
}

impl User {
    /// Looks up `user[:group]`, each by name or number, as container engines do: a number needs no
    /// entry, a user without an entry has group 0, and an explicit group replaces all others.
    pub fn look_up(wanted: &str, extra: Option<u32>) -> Result<Self, String> {
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let group = fs::read_to_string("/etc/group").unwrap_or_default();
        Self::find(wanted, extra, &passwd, &group)
    }

    pub fn find(wanted: &str, extra: Option<u32>, passwd: &str, group: &str) -> Result<Self, String> {
        let (user, wanted_group) = match wanted.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (wanted, None),
        };
        let user = if user.is_empty() { "0" } else { user };
        let number: Option<u32> = user.parse().ok();
        let entry = passwd
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .filter(|fields| fields.len() >= 6)
            .find(|fields| fields[0] == user || (number.is_some() && fields[2].parse().ok() == number));
        let (name, uid, own_gid, home) = match (&entry, number) {
            (Some(fields), _) => (
                fields[0],
                fields[2].parse().map_err(|_| format!("user `{user}` has no number in /etc/passwd"))?,
                fields[3].parse().unwrap_or(0),
                fields[5],
            ),
            (None, Some(uid)) => ("", uid, 0, "/"),
            (None, None) => return Err(format!("the image has no user `{user}`")),
        };
        let groups_by_line = || {
            group.lines().map(|line| line.split(':').collect::<Vec<_>>()).filter(|fields| fields.len() >= 4)
        };
        let (gid, mut groups) = if let Some(wanted) = wanted_group {
            let by_name = || groups_by_line().find(|fields| fields[0] == wanted)?[2].parse().ok();
            let gid = wanted.parse().ok().or_else(by_name);
            (gid.ok_or_else(|| format!("the image has no group `{wanted}`"))?, Vec::new())
        } else {
            let member = |fields: &Vec<&str>| !name.is_empty() && fields[3].split(',').any(|m| m == name);
            let gids = groups_by_line().filter(member).filter_map(|fields| fields[2].parse().ok());
            (own_gid, gids.collect())
        };
        groups.insert(0, gid);
        groups.extend(extra);
        groups.dedup();
        let home = if home.is_empty() { "/" } else { home }.to_owned();
        Ok(Self { uid, gid, groups, home })
    }
}
