//! Which children of a list or mapping stay, come and go, whatever it looks like.

use std::collections::HashMap;

use super::Kept;
use super::syntax::Item;
use super::walk::{Coarse, Walk};
use crate::form::{Field, Member, Need, Value};

/// The key under which a mapping takes over another one's entries.
const MERGE: &str = "<<";

/// A child of the new value.
#[derive(Debug)]
pub(super) enum Child<'v> {
    /// One that is in the text.
    Old {
        /// Which one.
        index: usize,
        /// Its new name, if that is another.
        name: Option<&'v str>,
        /// What becomes of its value.
        change: Change<'v>,
    },
    /// One that is not in the text yet.
    New(Fresh<'v>),
}

/// What becomes of a value that is in the text.
#[derive(Debug)]
pub(super) enum Change<'v> {
    /// It stays.
    Stays,
    /// It becomes another one, as little as possible being changed; or is written anew.
    To {
        /// What it says.
        old: &'v Value,
        /// The whole child.
        fresh: Fresh<'v>,
        /// Whether it is written anew at once.
        anew: bool,
    },
}

/// A child as it is to be, for when it is written anew.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fresh<'v> {
    /// A key with its value.
    Field(&'v Field),
    /// A named mapping, or an item of a list.
    Member(&'v Member),
    /// A single value of a list.
    Single(&'v Value),
}

/// The text's own children: of a list without keys.
#[derive(Debug, Clone, Copy)]
pub(super) enum Written<'a> {
    Items(&'a [Item]),
    Entries(&'a [(Item, Item)]),
}

impl<'a> Written<'a> {
    pub(super) fn len(self) -> usize {
        match self {
            Self::Items(items) => items.len(),
            Self::Entries(entries) => entries.len(),
        }
    }

    /// Where a child begins and ends, without what belongs to lists in lines: the dash.
    pub(super) fn range(self, index: usize) -> Option<std::ops::Range<usize>> {
        Some(match self {
            Self::Items(items) => {
                let item = items.get(index)?;
                item.start..item.range.end
            }
            Self::Entries(entries) => {
                let (key, value) = entries.get(index)?;
                key.start..value.range.end
            }
        })
    }

    /// The value of a child.
    pub(super) fn value(self, index: usize) -> Option<&'a Item> {
        match self {
            Self::Items(items) => items.get(index),
            Self::Entries(entries) => entries.get(index).map(|(_, value)| value),
        }
    }

    /// The key of a child, if it has one.
    pub(super) fn key(self, index: usize) -> Option<&'a Item> {
        match self {
            Self::Items(_) => None,
            Self::Entries(entries) => entries.get(index).map(|(key, _)| key),
        }
    }
}

impl Walk<'_> {
    /// The children of `written`, which says `old`, when it is to say `new`.
    pub(super) fn children<'v>(
        &self,
        written: Written<'_>,
        old: &'v Value,
        new: &'v Value,
    ) -> Result<Vec<Child<'v>>, Coarse> {
        match (written, old, new) {
            (Written::Entries(entries), Value::Fields(old), Value::Fields(new)) => {
                self.fields(entries, old, new)
            }
            (Written::Entries(_), Value::Named(old), Value::Named(new))
            | (Written::Items(_), Value::Items(old), Value::Items(new)) => {
                self.members(written, old, new)
            }
            (Written::Items(items), Value::List(old), Value::List(new)) => {
                self.singles(items, old, new)
            }
            _ => Err(Coarse),
        }
    }

    /// Keys: those in the text stay where they are, new ones follow the key that usually does
    /// before them.
    fn fields<'v>(
        &self,
        entries: &[(Item, Item)],
        old: &'v [Field],
        new: &'v [Field],
    ) -> Result<Vec<Child<'v>>, Coarse> {
        let is_merged = entries.iter().any(|(key, _)| key.key() == Some(MERGE));
        let mut children: Vec<(&str, Child<'v>)> = Vec::new();
        for (index, (key, value)) in entries.iter().enumerate() {
            let key = key.key().ok_or(Coarse)?;
            let find = |fields: &'v [Field]| fields.iter().find(|field| field.key == key);
            let change = match (find(old), find(new)) {
                _ if key == MERGE && self.repeats_broken(value) => return Err(Coarse),
                _ if key == MERGE => Change::Stays,
                (Some(Field { value: Some(was), .. }), Some(field)) => {
                    if field.value.is_none() {
                        // Without the key, the one that is merged in would count.
                        if is_merged {
                            return Err(Coarse);
                        }
                        continue;
                    }
                    self.change(value, was, Fresh::Field(field))
                }
                _ => return Err(Coarse),
            };
            children.push((key, Child::Old { index, name: None, change }));
        }
        let mut last = None;
        for (before, after) in old.iter().zip(new) {
            let place = |key: &str| children.iter().position(|(other, _)| *other == key);
            if place(after.key).is_none() {
                // A default can be another one when other values are.
                let is_due = match (before.need, after.need) {
                    (_, Need::Derived) => false,
                    (Need::Default, Need::Written) => true,
                    (_, Need::Written) => before.value != after.value,
                    (_, Need::Default) => is_merged && before.value != after.value,
                };
                if !is_due {
                    continue;
                }
                if after.value.is_none() {
                    return Err(Coarse);
                }
                // Never before the first, which may stand behind a dash.
                let at = last.and_then(place).map_or(1, |at| at + 1).min(children.len());
                children.insert(at, (after.key, Child::New(Fresh::Field(after))));
            }
            last = Some(after.key);
        }
        Ok(children.into_iter().map(|(_, child)| child).collect())
    }

    /// Named mappings and lists of them, by what makes them the same.
    fn members<'v>(
        &self,
        written: Written<'_>,
        old: &'v [Member],
        new: &'v [Member],
    ) -> Result<Vec<Child<'v>>, Coarse> {
        let places = places(old.iter().map(|member| member.id.as_str()));
        let places = places.filter(|_| written.len() == old.len()).ok_or(Coarse)?;
        let child = |member: &'v Member| {
            let fresh = Fresh::Member(member);
            let index = places.get(member.id.as_str()).copied();
            let Some((index, was)) = index.and_then(|index| Some((index, old.get(index)?))) else {
                return Ok(Child::New(fresh));
            };
            let item = written.value(index).ok_or(Coarse)?;
            let is_named = written.key(index).is_none_or(|key| key.key() == Some(&was.name));
            let change = self.change(item, &was.value, fresh);
            let name = (was.name != member.name).then_some(member.name.as_str());
            is_named.then_some(Child::Old { index, name, change }).ok_or(Coarse)
        };
        new.iter().map(child).collect()
    }

    /// Single values, by themselves.
    fn singles<'v>(
        &self,
        items: &[Item],
        old: &'v [Value],
        new: &'v [Value],
    ) -> Result<Vec<Child<'v>>, Coarse> {
        let places = places(old.iter().map(Value::shown));
        // A range in the text can be several values, and several can be one.
        let places = places.filter(|_| items.len() == old.len()).ok_or(Coarse)?;
        let child = |value: &'v Value| {
            let fresh = Fresh::Single(value);
            let Some(&index) = places.get(&value.shown()) else { return Ok(Child::New(fresh)) };
            let item = items.get(index).ok_or(Coarse)?;
            Ok(Child::Old { index, name: None, change: self.change(item, value, fresh) })
        };
        new.iter().map(child).collect()
    }

    fn change<'v>(&self, item: &Item, old: &'v Value, fresh: Fresh<'v>) -> Change<'v> {
        if fresh.value() == Some(old) && !self.repeats_broken(item) {
            return Change::Stays;
        }
        let is_service = |member: &Member| {
            let Value::Fields(fields) = &member.value else { return false };
            fields.iter().any(|field| matches!(field.value, Some(Value::Items(_))))
        };
        let anew = match fresh {
            Fresh::Member(member) => self.kept >= Kept::Services && is_service(member),
            Fresh::Field(_) | Fresh::Single(_) => false,
        };
        Change::To { old, fresh, anew }
    }

    /// Which children of `written` are among `children`. The others are forgotten.
    pub(super) fn staying(&mut self, written: Written<'_>, children: &[Child<'_>]) -> Vec<bool> {
        let mut stays = vec![false; written.len()];
        for child in children {
            if let Child::Old { index, .. } = child
                && let Some(stays) = stays.get_mut(*index)
            {
                *stays = true;
            }
        }
        for (index, _) in stays.iter().enumerate().filter(|(_, stays)| !**stays) {
            self.forget_child(written, index);
        }
        stays
    }
}

impl<'v> Fresh<'v> {
    /// What it is to say; `None` where only a missing key can say it.
    pub(super) fn value(self) -> Option<&'v Value> {
        match self {
            Self::Field(field) => field.value.as_ref(),
            Self::Member(member) => Some(&member.value),
            Self::Single(value) => Some(value),
        }
    }

    /// Whether it has to be written.
    pub(super) fn is_written(&self) -> bool {
        match self {
            Self::Field(field) => field.is_written(),
            Self::Member(_) | Self::Single(_) => true,
        }
    }
}

/// Where each of `ids` is; `None` if one is there twice.
fn places<T: Eq + std::hash::Hash>(ids: impl Iterator<Item = T>) -> Option<HashMap<T, usize>> {
    let mut places = HashMap::new();
    for (index, id) in ids.enumerate() {
        if places.insert(id, index).is_some() {
            return None;
        }
    }
    Some(places)
}
