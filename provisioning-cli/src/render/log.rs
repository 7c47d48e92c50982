//! Texts of several programs, one after the other: each headed by its name, as `tail` does with files.

use std::fmt::Write as _;

/// Heads a text where its reader could not tell whose it is.
#[derive(Debug)]
pub(crate) struct Headed {
    several: bool,
    /// Whose text was the last one.
    last: Option<String>,
}

impl Headed {
    /// For the texts of so many programs.
    pub(crate) fn new(programs: usize) -> Self {
        Self { several: programs > 1, last: None }
    }

    /// The texts, with a head where another program than the last one speaks.
    pub(crate) fn texts<'a>(&mut self, texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
        let mut all = String::new();
        for (name, text) in texts {
            if self.several && self.last.as_deref() != Some(name) {
                let apart = if self.last.is_some() { "\n" } else { "" };
                writeln!(all, "{apart}==> {name} <==").expect("writing to a string cannot fail");
                self.last = Some(name.to_owned());
            }
            all.push_str(text);
            if !text.is_empty() && !text.ends_with('\n') {
                all.push('\n');
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_stands_where_another_program_speaks() {
        let mut headed = Headed::new(2);
        assert_eq!(headed.texts([("db", "up\n"), ("web", "hello")]), "==> db <==\nup\n\n==> web <==\nhello\n");
        assert_eq!(headed.texts([("web", "again\n")]), "again\n");
        assert_eq!(headed.texts([("db", "down\n")]), "\n==> db <==\ndown\n");
        assert_eq!(Headed::new(1).texts([("web", "hello\n")]), "hello\n");
    }
}
