//! The text of a configuration in any style that YAML knows, with comments.

use std::collections::HashMap;

use super::Dice;
use crate::config::Config;
use crate::emit;
use crate::form::{self, Field, Member, Value};

/// A comment and what it is about.
#[derive(Debug)]
pub(crate) struct Comment {
    /// Its text, which no other has.
    pub(crate) text: String,
    /// The things it is in, from the outside: keys, and names and addresses of members.
    pub(crate) path: Vec<String>,
}

/// The text of `config`, and its comments.
pub(crate) fn styled(
    config: &Config,
    dice: &mut Dice,
    has_anchors: bool,
) -> (String, Vec<Comment>) {
    let anchors = has_anchors.then(HashMap::new);
    let mut writer =
        Writer { dice, out: String::new(), comments: Vec::new(), path: Vec::new(), anchors };
    if writer.dice.once_in(3) {
        writer.out.push_str("---\n");
    }
    writer.block(0, 0, &form::of(config));
    if writer.dice.once_in(3) {
        writer.comment_line(0);
    }
    (writer.out, writer.comments)
}

struct Writer<'d> {
    dice: &'d mut Dice,
    out: String,
    comments: Vec<Comment>,
    path: Vec<String>,
    /// Values that have an anchor, by their text; `None` if there are to be none.
    anchors: Option<HashMap<String, usize>>,
}

impl Writer<'_> {
    fn fields(&mut self, indent: usize, fields: &[Field]) {
        for field in fields {
            let with_default = field.value.is_some()
                && field.need == form::Need::Default
                && self.dice.once_in(8)
                && !is_empty(field);
            if field.is_written() || with_default {
                self.above(indent, field.key);
                self.indent(indent);
                self.path.push(field.key.to_owned());
                self.out.push_str(field.key);
                self.out.push(':');
                self.value(indent, field.value.as_ref().expect("written"));
                self.path.pop();
            }
        }
    }

    /// A value behind its key, and the rest of the line.
    fn value(&mut self, indent: usize, value: &Value) {
        let step = 1 + self.dice.below(4) as usize;
        let in_brackets = match value {
            Value::Plain(_) | Value::Text(_) => true,
            Value::List(list) => list.is_empty() || !self.dice.once_in(3),
            Value::Fields(fields) => !fields.iter().any(Field::is_written) || self.dice.once_in(2),
            Value::Named(members) | Value::Items(members) => {
                members.is_empty() || self.dice.once_in(6)
            }
        };
        let anchor = self.anchor(value);
        match anchor {
            Anchor::Again(id) => {
                self.out.push_str(&format!(" *a{id}"));
                return self.end_of_line();
            }
            Anchor::New(id) => self.out.push_str(&format!(" &a{id}")),
            Anchor::None => {}
        }
        if in_brackets {
            self.out.push(' ');
            let text = self.flow(value);
            self.out.push_str(&text);
            return self.end_of_line();
        }
        self.end_of_line();
        self.block(indent, step, value);
    }

    /// A list or mapping on lines of its own, `step` further in than `indent`.
    fn block(&mut self, indent: usize, step: usize, value: &Value) {
        match value {
            Value::Plain(_) | Value::Text(_) => {}
            Value::List(items) => {
                for item in items {
                    self.indent(indent + step);
                    let text = self.flow(item);
                    self.out.push_str(&format!("- {text}"));
                    self.path.push(item.shown());
                    self.end_of_line();
                    self.path.pop();
                }
            }
            Value::Fields(fields) => self.fields(indent + step, fields),
            Value::Named(members) => self.named(indent + step, members),
            Value::Items(members) => {
                let deeper = if self.dice.once_in(3) { 0 } else { step };
                self.items(indent + deeper, members);
            }
        }
    }

    fn named(&mut self, indent: usize, members: &[Member]) {
        for member in members {
            self.above(indent, &member.id);
            self.indent(indent);
            self.path.push(member.id.clone());
            self.out.push_str(&emit::key(&member.name));
            self.out.push(':');
            self.value(indent, &member.value);
            self.path.pop();
        }
    }

    fn items(&mut self, indent: usize, members: &[Member]) {
        for member in members {
            // What stands above an item stays when that goes.
            if self.dice.once_in(6) {
                self.comment_line(indent);
            }
            self.indent(indent);
            self.path.push(member.id.clone());
            if self.dice.once_in(2) {
                let text = self.flow(&member.value);
                self.out.push_str(&format!("- {text}"));
                self.end_of_line();
            } else {
                let wide = 1 + self.dice.below(3) as usize;
                let mut inner = std::mem::take(&mut self.out);
                self.block(indent, 1 + wide, &member.value);
                std::mem::swap(&mut inner, &mut self.out);
                // Nothing can be above the first key but behind the dash.
                let lines = inner.trim_start_matches([' ', '\n']);
                if lines.starts_with('#') {
                    self.out.push_str(&format!("-\n{inner}"));
                } else {
                    self.out.push_str(&format!("-{:wide$}{lines}", ""));
                }
            }
            self.path.pop();
        }
    }

    fn flow(&mut self, value: &Value) -> String {
        match value {
            Value::Plain(text) => text.clone(),
            Value::Text(text) => {
                let plain = emit::flow(value);
                match self.dice.below(6) {
                    0 if plain == *text => format!("'{text}'"),
                    1 if plain == *text => format!("\"{text}\""),
                    _ => plain,
                }
            }
            Value::List(_) | Value::Fields(_) | Value::Named(_) | Value::Items(_) => {
                let text = emit::flow(value);
                // Some with blanks inside, some over several lines.
                match self.dice.below(6) {
                    0 if !text.contains('"') => text.replace('[', "[ ").replace('}', " }"),
                    1 if !text.contains('"') => text.replace(", ", ",\n                 "),
                    _ => text,
                }
            }
        }
    }

    fn anchor(&mut self, value: &Value) -> Anchor {
        let is_worth_it = matches!(value, Value::Items(members) if !members.is_empty())
            || matches!(value, Value::Text(_) | Value::List(_));
        let Some(anchors) = self.anchors.as_mut().filter(|_| is_worth_it) else {
            return Anchor::None;
        };
        // An address without a port means another one elsewhere.
        let text = format!("{:?}", emit::flow(value));
        if let Some(id) = anchors.get(&text) {
            return if self.dice.once_in(2) { Anchor::Again(*id) } else { Anchor::None };
        }
        if !self.dice.once_in(3) {
            return Anchor::None;
        }
        let id = anchors.len();
        anchors.insert(text, id);
        Anchor::New(id)
    }

    /// Now and then, an empty line and comments: of the file, and of what is to come.
    fn above(&mut self, indent: usize, id: &str) {
        if self.dice.once_in(8) {
            self.comment_line(indent + 1);
        }
        if self.dice.once_in(4) {
            self.out.push('\n');
        }
        if self.dice.once_in(4) {
            self.path.push(id.to_owned());
            self.comment_line(indent);
            self.path.pop();
        }
    }

    fn comment_line(&mut self, indent: usize) {
        self.indent(indent);
        self.comment();
        self.out.push('\n');
    }

    fn end_of_line(&mut self) {
        if self.dice.once_in(5) {
            self.out.push_str("   ");
            self.comment();
        }
        self.out.push('\n');
    }

    fn comment(&mut self) {
        let text = format!("# {}: \"it's\" [so]", self.comments.len());
        self.out.push_str(&text);
        self.comments.push(Comment { text, path: self.path.clone() });
    }

    fn indent(&mut self, indent: usize) {
        emit::push_indent(&mut self.out, indent);
    }
}

enum Anchor {
    None,
    New(usize),
    Again(usize),
}

/// Whether a key has nothing to say.
fn is_empty(field: &Field) -> bool {
    match &field.value {
        Some(Value::List(list)) => list.is_empty(),
        Some(Value::Fields(_) | Value::Named(_) | Value::Items(_)) | None => true,
        Some(Value::Plain(_) | Value::Text(_)) => false,
    }
}
