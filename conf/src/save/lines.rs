//! Lists and mappings whose children stand in lines of their own.
//!
//! Such a child is its lines, from the one it begins in to the end of the one it ends in, with what
//! stands behind it there. Before it are, in this order, loose lines (empty ones, and comments that
//! are separated from it by an empty one or begin elsewhere) and its own comments.

use std::ops::Range;

use super::brackets::in_brackets;
use super::children::{Change, Child, Fresh, Written};
use super::syntax::{Item, Shape};
use super::walk::{Coarse, Walk};
use crate::emit;
use crate::form::{Field, Value};

/// Longest line that a list in brackets may grow to.
const LINE_MAX: usize = 120;

/// A child as it stands in the text. The ranges follow each other.
#[derive(Debug, Clone)]
struct Lines {
    /// Lines before it that are not its own.
    loose: Range<usize>,
    /// Its own comments.
    comments: Range<usize>,
    /// Its lines.
    lines: Range<usize>,
}

impl Walk<'_> {
    /// The lines of a list or mapping, and the text for them.
    pub(super) fn lines(
        &mut self,
        written: Written<'_>,
        children: Vec<Child<'_>>,
    ) -> Result<(Range<usize>, String), Coarse> {
        let stood = self.stood(written)?;
        let (Some(first), Some(last)) = (stood.first(), stood.last()) else { return Err(Coarse) };
        if children.is_empty() {
            return Err(Coarse);
        }
        let range = first.comments.start..last.lines.end;
        let indent = self.column(first.lines.start, written)?;
        let mut before = self.before(written, &stood, &children);
        let is_spaced = stood.iter().skip(1).any(|child| self.is_empty_line(child.loose.start));
        let mut out = String::new();
        let mut next = None;
        for (place, child) in children.iter().enumerate() {
            match child {
                Child::New(fresh) => {
                    if is_spaced && place > 0 {
                        out.push('\n');
                    }
                    anew(&mut out, indent, *fresh);
                }
                Child::Old { index, .. } => {
                    let stood = stood.get(*index).ok_or(Coarse)?;
                    let comments = before.get_mut(*index).map(std::mem::take).unwrap_or_default();
                    let is_moved = next != Some(*index);
                    if is_spaced && is_moved && place > 0 && !comments.starts_with('\n') {
                        out.push('\n');
                    }
                    out.push_str(if place == 0 {
                        comments.trim_start_matches('\n')
                    } else {
                        &comments
                    });
                    out.push_str(&self.child_in_lines(written, child, stood, indent)?);
                }
            }
            next = match child {
                Child::Old { index, .. } => Some(index + 1),
                Child::New(_) => None,
            };
        }
        out.extend(before.last_mut().map(std::mem::take));
        Ok((range, out))
    }

    /// Where each child stands.
    fn stood(&self, written: Written<'_>) -> Result<Vec<Lines>, Coarse> {
        let mut end = None;
        let mut all = Vec::with_capacity(written.len());
        for index in 0..written.len() {
            let range = written.range(index).ok_or(Coarse)?;
            let begins = self.begins(written, index)?;
            let (comments, loose) = match end {
                // The first: what is above its own comments belongs to others.
                None => {
                    let comments = self.own_comments(0, begins);
                    (comments, comments)
                }
                Some(end) => (self.own_comments(end, begins), end),
            };
            let ends = self.line_end(range.end);
            if comments < loose || begins < comments || ends <= begins {
                return Err(Coarse);
            }
            end = Some(ends);
            all.push(Lines {
                loose: loose..comments,
                comments: comments..begins,
                lines: begins..ends,
            });
        }
        Ok(all)
    }

    /// Where the lines of a child begin: with its line, or behind a dash.
    fn begins(&self, written: Written<'_>, index: usize) -> Result<usize, Coarse> {
        let start = written.range(index).ok_or(Coarse)?.start;
        let at = match written {
            Written::Entries(_) => start,
            // Between the dash and the value may be blanks, and the end of a line.
            Written::Items(_) => {
                let before = self.text[..start].trim_end();
                if !before.ends_with('-') {
                    return Err(Coarse);
                }
                before.len() - 1
            }
        };
        let line = self.line_start(at);
        match self.text[line..at].trim_start_matches(' ') {
            "" => Ok(line),
            // The first of a mapping that is an item of a list.
            before if index == 0 && before.trim_end() == "-" => Ok(at),
            _ => Err(Coarse),
        }
    }

    /// Where the comments of a child begin that begins at `begins`: those right above it, as far in
    /// as it is, none of which is before `from`.
    fn own_comments(&self, from: usize, begins: usize) -> usize {
        let indent = blanks(&self.text[begins..]);
        let mut start = begins;
        // What stands behind a dash has no lines above it.
        while start > from && self.text[..start].ends_with('\n') {
            let line = self.line_start(start - 1);
            let text = &self.text[line..start];
            if line < from || blanks(text) != indent || !text.trim_start().starts_with('#') {
                break;
            }
            start = line;
        }
        start
    }

    /// What is to stand before each child of the text, and at last what is left over: its own
    /// comments and those of the ones before it that are gone.
    fn before(
        &mut self,
        written: Written<'_>,
        stood: &[Lines],
        children: &[Child<'_>],
    ) -> Vec<String> {
        let stays = self.staying(written, children);
        let mut left = String::new();
        let mut before = Vec::new();
        for (index, (lines, stays)) in stood.iter().zip(&stays).enumerate() {
            let (loose, own) =
                (&self.text[lines.loose.clone()], &self.text[lines.comments.clone()]);
            let keeps_own = *stays || is_item_or_setting(written, index);
            if *stays || loose.contains('#') {
                left.push_str(loose);
            }
            if keeps_own {
                left.push_str(own);
            }
            before.push(if *stays { std::mem::take(&mut left) } else { String::new() });
        }
        before.push(left);
        before
    }

    /// The lines of a child that stays.
    fn child_in_lines(
        &mut self,
        written: Written<'_>,
        child: &Child<'_>,
        stood: &Lines,
        indent: usize,
    ) -> Result<String, Coarse> {
        let Child::Old { index, name, change } = child else { return Err(Coarse) };
        let item = written.value(*index).ok_or(Coarse)?;
        let lines = match change {
            Change::Stays => self.text[stood.lines.clone()].to_owned(),
            Change::To { old, fresh, anew } => {
                let fine = match fresh.value() {
                    Some(new) if !*anew => self.changed_lines(item, stood, old, new),
                    _ => Err(Coarse),
                };
                match fine {
                    Ok(lines) => lines,
                    Err(Coarse) => return self.child_anew(written, *index, stood, *fresh, indent),
                }
            }
        };
        let Some((name, key)) = name.zip(written.key(*index)) else { return Ok(lines) };
        let (from, to) = (key.range.start - stood.lines.start, key.range.end - stood.lines.start);
        let (head, tail) = (lines.get(..from).ok_or(Coarse)?, lines.get(to..).ok_or(Coarse)?);
        Ok(format!("{head}{}{tail}", emit::key(name)))
    }

    /// The lines of a child whose value is another.
    fn changed_lines(
        &mut self,
        item: &Item,
        stood: &Lines,
        old: &Value,
        new: &Value,
    ) -> Result<String, Coarse> {
        let written = match &item.shape {
            Shape::List { in_brackets: false, items } => Written::Items(items),
            Shape::Map { in_brackets: false, entries } => Written::Entries(entries),
            Shape::Scalar(_) | Shape::Alias(_) | Shape::List { .. } | Shape::Map { .. } => {
                let value = self.inline(item, old, new)?;
                let head = &self.text[stood.lines.start..item.range.start];
                let tail = &self.text[item.range.end..stood.lines.end];
                let lines = format!("{head}{value}{tail}");
                // Rather in lines of its own than in one that nobody can read.
                let longest = |text: &str| text.lines().map(|line| line.chars().count()).max();
                let is_list = !matches!(item.shape, Shape::Scalar(_) | Shape::Alias(_));
                let grows = longest(&lines) > longest(&self.text[stood.lines.clone()]);
                let is_long = longest(&lines) > Some(LINE_MAX) && grows;
                return if is_list && is_long { Err(Coarse) } else { Ok(lines) };
            }
        };
        self.touched.extend((item.anchor != 0).then_some(item.anchor));
        let children = self.children(written, old, new)?;
        let (range, inner) = self.lines(written, children)?;
        if range.start < stood.lines.start || range.end != stood.lines.end {
            return Err(Coarse);
        }
        Ok(format!("{}{inner}", &self.text[stood.lines.start..range.start]))
    }

    /// A child written anew, where it stands. Comments inside it stand above it then; that of its
    /// first line stays there.
    fn child_anew(
        &mut self,
        written: Written<'_>,
        index: usize,
        stood: &Lines,
        fresh: Fresh<'_>,
        indent: usize,
    ) -> Result<String, Coarse> {
        self.forget_child(written, index);
        let begins = stood.lines.start;
        let is_behind_dash = self.line_start(begins) != begins;
        let first_line = begins..self.line_end(begins);
        let mut out = String::new();
        for comment in self.comments_in(&(first_line.end..stood.lines.end)) {
            if is_behind_dash {
                return Err(Coarse);
            }
            emit::push_indent(&mut out, indent);
            out.push_str(&self.text[comment.clone()]);
            out.push('\n');
        }
        if let Fresh::Field(Field { value: Some(Value::Fields(_) | Value::Items(_)), .. }) = fresh
            && !fresh.is_written()
        {
            return Ok(out);
        }
        let mut lines = String::new();
        emit::push_indent(&mut lines, indent);
        let in_line = self.is_one_line(written, index).then(|| {
            let dash = if matches!(written, Written::Items(_)) { "- " } else { "" };
            format!("{dash}{}\n", in_brackets(fresh))
        });
        match in_line.filter(|text| indent + text.chars().count() <= LINE_MAX) {
            Some(text) => lines.push_str(&text),
            None => {
                lines.clear();
                anew(&mut lines, indent, fresh);
            }
        }
        if let [comment] = self.comments_in(&first_line) {
            let end = lines.find('\n').unwrap_or(lines.len());
            lines.insert_str(end, &format!("  {}", &self.text[comment.clone()]));
        }
        out.push_str(if is_behind_dash { lines.trim_start_matches(' ') } else { &lines });
        Ok(out)
    }

    /// Whether a child stands in brackets in one line.
    fn is_one_line(&self, written: Written<'_>, index: usize) -> bool {
        written.value(index).is_some_and(|item| match item.shape {
            Shape::List { in_brackets, .. } | Shape::Map { in_brackets, .. } => {
                // Nothing is no style.
                let text = self.text.get(item.range.clone()).unwrap_or_default();
                in_brackets && !text.contains('\n') && text.len() > "[]".len()
            }
            Shape::Scalar(_) | Shape::Alias(_) => false,
        })
    }

    /// How far in the children stand, in characters.
    fn column(&self, begins: usize, written: Written<'_>) -> Result<usize, Coarse> {
        let line = self.line_start(begins);
        let start = match written {
            Written::Entries(_) => written.range(0).ok_or(Coarse)?.start,
            Written::Items(_) => begins + blanks(&self.text[begins..]),
        };
        Ok(self.text[line..start].chars().count())
    }

    fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |newline| newline + 1)
    }

    /// Where the line that ends a value ends, with its newline.
    fn line_end(&self, at: usize) -> usize {
        if self.text[..at].ends_with('\n') {
            return at;
        }
        self.text[at..].find('\n').map_or(self.text.len(), |newline| at + newline + 1)
    }

    fn is_empty_line(&self, at: usize) -> bool {
        self.text[at..].starts_with('\n')
    }
}

/// Whether the comments above a child stay when it goes: they may be about what follows as well.
fn is_item_or_setting(written: Written<'_>, index: usize) -> bool {
    match written.value(index).map(|item| &item.shape) {
        Some(Shape::Map { .. }) => written.key(index).is_none(),
        _ => true,
    }
}

/// Blanks at the beginning of `text`.
fn blanks(text: &str) -> usize {
    text.len() - text.trim_start_matches(' ').len()
}

/// A child written anew, in lines of its own.
fn anew(out: &mut String, indent: usize, fresh: Fresh<'_>) {
    emit::push_indent(out, indent);
    match fresh {
        Fresh::Field(field) => {
            if let Some(value) = &field.value {
                emit::entry(out, indent, field.key, value);
            }
        }
        Fresh::Member(member) if member.name.is_empty() => emit::item(out, indent, member),
        Fresh::Member(member) => emit::named(out, indent, member),
        Fresh::Single(_) => {
            out.push_str("- ");
            out.push_str(&in_brackets(fresh));
            out.push('\n');
        }
    }
}
