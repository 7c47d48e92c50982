//! Tables of plain cells: columns apart by two spaces, no lines. The only file that names the table crate.

use comfy_table::{ContentArrangement, Row, Table, presets};

/// A table under a head.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    columns(head, rows)
}

/// A table whose number of columns depends on what is in it.
pub(crate) fn columns<'a, R: Into<Row>>(head: impl IntoIterator<Item = &'a str>, rows: impl IntoIterator<Item = R>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head).add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["web", "server"], ["größe", "x"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(["NAME", "KIND"], rows), "NAME   KIND\nweb    server\ngröße  x");
    }
}
