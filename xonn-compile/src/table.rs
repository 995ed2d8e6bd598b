//! Tables for a terminal of 80 columns.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};

/// Most columns of a terminal that a table takes.
pub const WIDTH: u16 = 80;

/// A table without lines, whose first `text` columns are text and the others numbers. Text is broken where a
/// row would be wider than [`WIDTH`], numbers are not.
#[must_use]
pub fn table(header: &[&str], text: usize, rows: impl IntoIterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    table.set_header(header.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if i >= text {
            column.set_cell_alignment(CellAlignment::Right);
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    if let Some(last) = table.column_mut(header.len() - 1) {
        last.set_padding((0, 0));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_and_numbers_are_not() {
        let long = "a layer of a long and telling name, times two";
        let row = |n: usize| vec![long.to_owned(), long.to_owned(), "1,234,567,890".repeat(n), "1".into()];
        let shown = table(&["layer", "what", "number", "n"], 2, [row(1), row(2)]).to_string();
        assert!(shown.lines().all(|line| line.trim_end().chars().count() <= WIDTH.into()), "{shown}");
        assert!(shown.contains(&"1,234,567,890".repeat(2)), "{shown}");
    }
}
