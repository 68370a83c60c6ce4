//! Aligned columns: words to the left, numbers to the right, no lines.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

/// A column's heading and the side its cells lean to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    /// Words.
    Left(&'static str),
    /// Numbers.
    Right(&'static str),
}

use Column::{Left, Right};

/// The text of a table, without blanks at the ends of its lines.
pub(crate) fn render(columns: &[Column], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    let heading = columns.iter().map(|column| match column {
        Left(name) | Right(name) => Cell::new(name),
    });
    table.set_header(heading.collect::<Vec<_>>());
    for row in rows {
        table.add_row(row);
    }
    for (column, kind) in table.column_iter_mut().zip(columns) {
        column.set_padding((0, 2));
        if matches!(kind, Right(_)) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}
