//! The text of a log: its end, and what was added to it since somebody looked.
//!
//! Where a log comes from is said by its [`Supervisor`](super::Supervisor).

/// The end of a text, at most so many bytes, from the beginning of a line; a line that is longer alone is cut.
pub fn tail(text: &[u8], max_bytes: u64) -> &[u8] {
    let begin = text.len().saturating_sub(usize::try_from(max_bytes).unwrap_or(usize::MAX));
    if begin == 0 || text[begin - 1] == b'\n' {
        return &text[begin..];
    }
    let end = &text[begin..];
    let line = end.iter().position(|byte| *byte == b'\n').map(|place| place + 1);
    line.filter(|start| *start < end.len()).map_or(end, |start| &end[start..])
}

/// The last lines of a text, at most so many.
pub fn last_lines(text: &[u8], count: usize) -> &[u8] {
    let mut lines = text.split_inclusive(|byte| *byte == b'\n');
    let length: usize = lines.by_ref().rev().take(count).map(<[u8]>::len).sum();
    &text[text.len() - length..]
}

/// What a text has that it did not have before, where both are the end of what was written so far.
///
/// They are joined where the most of the two agrees. Where nothing agrees, all of it is new.
pub fn appended<'a>(before: &[u8], after: &'a [u8]) -> &'a [u8] {
    let mut most = before.len().min(after.len());
    while most > 0 && before[before.len() - most..] != after[..most] {
        most -= 1;
    }
    &after[most..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_begins_with_a_line_unless_there_is_only_one() {
        let shown = |text: &str, max: u64| String::from_utf8_lossy(tail(text.as_bytes(), max)).into_owned();
        assert_eq!(shown("one\ntwo\nthree\n", 100), "one\ntwo\nthree\n");
        assert_eq!(shown("one\ntwo\nthree\n", 10), "two\nthree\n");
        assert_eq!(shown("one\ntwo\nthree\n", 8), "three\n");
        assert_eq!(shown("one line", 4), "line");
        assert_eq!(shown("one line\n", 5), "line\n");
        assert_eq!(shown("one\n", 0), "");
    }

    #[test]
    fn the_last_lines_are_counted_with_the_unfinished_one() {
        assert_eq!(last_lines(b"a\nb\nc\n", 2), b"b\nc\n");
        assert_eq!(last_lines(b"a\nb\nc", 2), b"b\nc");
        assert_eq!(last_lines(b"a\n", 5), b"a\n");
        assert_eq!(last_lines(b"a\n", 0), b"");
    }

    #[test]
    fn what_was_appended_is_found_while_the_beginning_moves_on() {
        assert_eq!(appended(b"", b"a\n"), b"a\n");
        assert_eq!(appended(b"a\nb\n", b"a\nb\nc\n"), b"c\n");
        assert_eq!(appended(b"a\nb\n", b"b\nc\n"), b"c\n");
        assert_eq!(appended(b"a\nb\n", b"a\nb\n"), b"");
        assert_eq!(appended(b"a\n", b"x\n"), b"x\n");
    }
}
