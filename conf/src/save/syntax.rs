//! The YAML of a file as a tree of places: where each value, anchor and comment stands.
//!
//! [`crate::node`] knows what a document says, aliases resolved; this tree knows how it is written.
//! Only what the YAML parser accepts becomes one.

use std::borrow::Cow;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle};

/// How often values may be nested; the reader of files allows less.
const DEPTH_MAX: usize = 64;

/// A value as it is written.
#[derive(Debug)]
pub(super) struct Item {
    /// The text of the value, brackets included; in blocks from its first to its last child.
    pub(super) range: Range<usize>,
    /// Where it begins with its anchor and tag.
    pub(super) start: usize,
    /// The anchor that is defined here; 0 for none.
    pub(super) anchor: usize,
    /// What it is.
    pub(super) shape: Shape,
}

/// What an [`Item`] is.
#[derive(Debug)]
pub(super) enum Shape {
    /// A single value in the text or in quotes.
    Scalar(String),
    /// A repetition of what an anchor defines.
    Alias(usize),
    /// A list.
    List { in_brackets: bool, items: Vec<Item> },
    /// A mapping.
    Map { in_brackets: bool, entries: Vec<(Item, Item)> },
}

/// A whole document.
#[derive(Debug)]
pub(super) struct Syntax {
    /// Its value.
    pub(super) root: Item,
    /// Its comments, from `#` to the end of the line.
    pub(super) comments: Vec<Range<usize>>,
}

impl Item {
    /// The text of a key.
    pub(super) fn key(&self) -> Option<&str> {
        match &self.shape {
            Shape::Scalar(text) => Some(text),
            Shape::Alias(_) | Shape::List { .. } | Shape::Map { .. } => None,
        }
    }

    /// Calls `visit` with this and everything in it.
    pub(super) fn walk(&self, visit: &mut dyn FnMut(&Self)) {
        visit(self);
        match &self.shape {
            Shape::Scalar(_) | Shape::Alias(_) => {}
            Shape::List { items, .. } => items.iter().for_each(|item| item.walk(visit)),
            Shape::Map { entries, .. } => entries.iter().for_each(|(key, value)| {
                key.walk(visit);
                value.walk(visit);
            }),
        }
    }
}

/// Reads `text`, which is one document; `None` if it is none, or a strange one.
pub(super) fn read(text: &str) -> Option<Syntax> {
    let options = granit_parser::options! { emit_anchor_events: true };
    let events = Parser::new_from_str_with_options(text, options);
    let mut reader = Reader { comments: Vec::new(), open: Vec::new(), root: None };
    for next in events {
        let (event, span) = next.ok()?;
        reader.take(event, &span)?;
    }
    let comments = reader.comments;
    Some(Syntax { root: reader.root?, comments })
}

/// What has been read so far.
struct Reader {
    comments: Vec<Range<usize>>,
    /// Collections that have not ended.
    open: Vec<Item>,
    root: Option<Item>,
}

impl Reader {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Option<()> {
        let range = span.byte_range()?;
        let tagged = span.tag_start.and_then(|tag| tag.byte_offset());
        let start = tagged.map_or(range.start, |tag| tag.min(range.start));
        let item = |anchor, shape| Item { range: range.clone(), start, anchor, shape };
        match event {
            Event::Comment(..) => self.comments.push(range),
            Event::Anchor(id, _) => return self.anchored(id, range.start),
            Event::Alias(id) => return self.add(item(0, Shape::Alias(id))),
            Event::Scalar(text, style, anchor, _) => {
                let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                // Values that span lines by indentation are not edited.
                let text = if is_block { Cow::Borrowed("") } else { text };
                return self.add(item(anchor, Shape::Scalar(text.into_owned())));
            }
            Event::SequenceStart(style, anchor, _) => {
                let in_brackets = style == StructureStyle::Flow;
                return self.begin(item(anchor, Shape::List { in_brackets, items: Vec::new() }));
            }
            Event::MappingStart(style, anchor, _) => {
                let in_brackets = style == StructureStyle::Flow;
                return self.begin(item(anchor, Shape::Map { in_brackets, entries: Vec::new() }));
            }
            Event::SequenceEnd | Event::MappingEnd => return self.end(range.end),
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd => {}
            // What the reader of files has accepted has none.
            Event::UnresolvedAlias(_) | _ => return None,
        }
        Some(())
    }

    fn begin(&mut self, item: Item) -> Option<()> {
        self.open.push(item);
        (self.open.len() <= DEPTH_MAX).then_some(())
    }

    /// An anchor belongs to what came just before it.
    fn anchored(&mut self, id: usize, at: usize) -> Option<()> {
        let last = match self.open.last_mut() {
            None => self.root.as_mut()?,
            Some(open) if open.anchor == id => open,
            Some(open) => last_child(open)?,
        };
        (last.anchor == id).then_some(())?;
        last.start = last.start.min(at);
        Some(())
    }

    fn end(&mut self, end: usize) -> Option<()> {
        let mut item = self.open.pop()?;
        let (in_brackets, ends) = match &item.shape {
            Shape::List { in_brackets, items } => {
                (*in_brackets, (items.first().map(|item| item.start), items.last()))
            }
            Shape::Map { in_brackets, entries } => {
                let first = entries.first().map(|(key, _)| key.start);
                (*in_brackets, (first, entries.last().map(|(_, value)| value)))
            }
            Shape::Scalar(_) | Shape::Alias(_) => return None,
        };
        if in_brackets {
            item.range.end = end;
        } else if let (Some(first), Some(last)) = ends {
            item.range = first..last.range.end;
            item.start = item.start.min(first);
        }
        self.add(item)
    }

    /// Puts a whole value where it belongs.
    fn add(&mut self, item: Item) -> Option<()> {
        match self.open.last_mut().map(|open| &mut open.shape) {
            None if self.root.is_none() => self.root = Some(item),
            None => return None,
            Some(Shape::List { items, .. }) => items.push(item),
            Some(Shape::Map { entries, .. }) => match entries.last_mut() {
                // A key without a value yet stands with `waiting()` as one.
                Some((key, value)) if is_waiting(value) => {
                    debug_assert!(key.range.start <= item.start, "values follow their keys");
                    *value = item;
                }
                _ => entries.push((item, waiting())),
            },
            Some(Shape::Scalar(_) | Shape::Alias(_)) => return None,
        }
        Some(())
    }
}

/// Stands where the value of a key is to come.
const fn waiting() -> Item {
    Item { range: usize::MAX..usize::MAX, start: usize::MAX, anchor: 0, shape: Shape::Alias(0) }
}

const fn is_waiting(item: &Item) -> bool {
    item.start == usize::MAX
}

fn last_child(item: &mut Item) -> Option<&mut Item> {
    match &mut item.shape {
        Shape::List { items, .. } => items.last_mut(),
        Shape::Map { entries, .. } => {
            let (key, value) = entries.last_mut()?;
            Some(if is_waiting(value) { key } else { value })
        }
        Shape::Scalar(_) | Shape::Alias(_) => None,
    }
}
