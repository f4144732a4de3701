//! The operation of a SQL statement, and its text without literals.

/// A statement, read once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Statement {
    /// The text with every literal as `?`, comments left out and white space folded.
    pub(super) text: String,
    operation: String,
    collection: String,
    name: String,
}

impl Statement {
    pub(super) fn parse(sql: &str) -> Self {
        let mut statement = Self::default();
        statement.reparse(sql);
        statement
    }

    /// Reads another, into the buffers of the one before.
    pub(super) fn reparse(&mut self, sql: &str) {
        self.text.clear();
        self.operation.clear();
        self.collection.clear();
        self.name.clear();
        let mut expects_table = false;
        let mut rest = sql;
        while let Some(token) = Token::next(&mut rest) {
            match token {
                Token::Space => {
                    if !self.text.is_empty() && !self.text.ends_with(' ') {
                        self.text.push(' ');
                    }
                }
                Token::Literal => self.text.push('?'),
                Token::Symbol(character) => {
                    self.text.push(character);
                    expects_table = expects_table && matches!(character, '"' | '`' | '[');
                }
                Token::Word(word) => {
                    self.text.push_str(word);
                    if self.operation.is_empty() {
                        self.operation.push_str(word);
                        self.operation.make_ascii_uppercase();
                        expects_table = is_one_of(word, &["update", "truncate"]);
                    } else if is_one_of(word, &["from", "into", "join", "table"]) {
                        expects_table = self.collection.is_empty();
                    } else if expects_table
                        && !is_one_of(word, &["only", "if", "not", "exists", "or", "lateral"])
                    {
                        self.collection.push_str(word.trim_matches(['"', '`']));
                        expects_table = false;
                    }
                }
            }
        }
        self.text.truncate(self.text.trim_end().len());
        let (operation, collection) = (&self.operation, &self.collection);
        match (operation.is_empty(), collection.is_empty()) {
            (false, false) => self.name.extend([operation.as_str(), " ", collection]),
            (false, true) => self.name.push_str(operation),
            _ => self.name.push_str("query"),
        }
    }

    /// A name for the span: operation and table, of which there are few.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// `SELECT`, `INSERT`, ...
    pub(super) fn operation(&self) -> Option<&str> {
        Some(&*self.operation).filter(|operation| !operation.is_empty())
    }

    /// The first table that it names.
    pub(super) fn collection(&self) -> Option<&str> {
        Some(&*self.collection).filter(|collection| !collection.is_empty())
    }
}

enum Token<'a> {
    Space,
    /// A literal: a text or a number.
    Literal,
    /// A keyword, a name, or a parameter's placeholder.
    Word(&'a str),
    Symbol(char),
}

impl<'a> Token<'a> {
    fn next(rest: &mut &'a str) -> Option<Self> {
        let text = *rest;
        let first = text.chars().next()?;
        let (length, token) = match first {
            _ if first.is_whitespace() => (prefix(text, char::is_whitespace), Self::Space),
            '-' if text.starts_with("--") => (text.find('\n').unwrap_or(text.len()), Self::Space),
            '/' if text.starts_with("/*") => (comment(text), Self::Space),
            '\'' => (quoted(text, '\'', false), Self::Literal),
            '"' | '`' => {
                let length = quoted(text, first, false);
                (length, Self::Word(&text[..length]))
            }
            '$' => match dollar_quoted(text) {
                Some(length) => (length, Self::Literal),
                None => {
                    let length = 1 + prefix(&text[1..], is_name);
                    (length, Self::Word(&text[..length]))
                }
            },
            '0'..='9' => {
                (prefix(text, |character| is_name(character) || character == '.'), Self::Literal)
            }
            '?' | ':' | '@' => {
                let length = first.len_utf8() + prefix(&text[1..], is_name);
                (length, Self::Word(&text[..length]))
            }
            _ if is_name(first) => {
                let length =
                    prefix(text, |character| is_name(character) || matches!(character, '.' | '$'));
                // `E'...'`, `X'...'`, `N'...'`: the letter belongs to the literal.
                match text[length..].starts_with('\'') && length <= 2 {
                    true => {
                        let escapes = text.starts_with(['e', 'E']);
                        (length + quoted(&text[length..], '\'', escapes), Self::Literal)
                    }
                    false => (length, Self::Word(&text[..length])),
                }
            }
            _ => (first.len_utf8(), Self::Symbol(first)),
        };
        *rest = &text[length..];
        Some(token)
    }
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// Bytes of the longest prefix whose characters all fit.
fn prefix(text: &str, fits: impl Fn(char) -> bool) -> usize {
    text.find(|character| !fits(character)).unwrap_or(text.len())
}

/// Bytes of a text in quotes; a doubled quote stands for itself. An open one takes all the rest.
fn quoted(text: &str, quote: char, escapes: bool) -> usize {
    let mut signs = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = signs.next() {
        if character == '\\' && escapes {
            signs.next();
        } else if character == quote && signs.next_if(|(_, next)| *next == quote).is_none() {
            return at + quote.len_utf8();
        }
    }
    text.len()
}

/// Bytes of `$tag$...$tag$`, where the text begins with one.
fn dollar_quoted(text: &str) -> Option<usize> {
    let tag = 2 + text.get(1..)?.find('$')?;
    let inner = text.get(1..tag - 1)?;
    let is_tag =
        inner.chars().all(is_name) && !inner.starts_with(|character: char| character.is_numeric());
    let end = text.get(tag..)?.find(&text[..tag]).map_or(text.len(), |at| at + 2 * tag);
    is_tag.then_some(end)
}

/// Bytes of a comment; an open one takes all the rest.
fn comment(text: &str) -> usize {
    text.get(2..).and_then(|inner| inner.find("*/")).map_or(text.len(), |at| at + 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(sql: &str) -> (String, String) {
        let statement = Statement::parse(sql);
        (statement.name().to_owned(), statement.text)
    }

    #[test]
    fn statement_is_parsed_into_name_and_text() {
        let cases = [
            (
                "SELECT * FROM orders WHERE id = $1",
                "SELECT orders",
                "SELECT * FROM orders WHERE id = $1",
            ),
            ("select 1", "SELECT", "select ?"),
            (
                "insert into \"line items\" values (1, 'it''s', ?)",
                "INSERT line items",
                "insert into \"line items\" values (?, ?, ?)",
            ),
            (
                "UPDATE orders SET total = -12.5e3, note = E'a\\'b' WHERE id=:id",
                "UPDATE orders",
                "UPDATE orders SET total = -?, note = ? WHERE id=:id",
            ),
            (
                "\n  DELETE FROM public.orders -- all of 'em\n WHERE x = 0xFF /* 42 */ ",
                "DELETE public.orders",
                "DELETE FROM public.orders WHERE x = ?",
            ),
            (
                "SELECT $$secret$$, $tag$ secret $x$ $tag$ FROM t2",
                "SELECT t2",
                "SELECT ?, ? FROM t2",
            ),
            (
                "CREATE TABLE IF NOT EXISTS orders (id INTEGER)",
                "CREATE orders",
                "CREATE TABLE IF NOT EXISTS orders (id INTEGER)",
            ),
            ("", "query", ""),
            ("BEGIN", "BEGIN", "BEGIN"),
            ("SELECT 'open", "SELECT", "SELECT ?"),
        ];
        for (sql, name, text) in cases {
            assert_eq!(parse(sql), (name.to_owned(), text.to_owned()), "{sql}");
        }
    }

    proptest::proptest! {
        #[test]
        fn statement_of_any_text_never_panics_or_grows(sql in "\\PC{0,60}") {
            let text = Statement::parse(&sql).text;
            proptest::prop_assert!(text.len() <= sql.len());
        }

        #[test]
        fn literals_of_statements_are_redacted(secret in "[a-z]{6,12}") {
            let sql = format!("SELECT '{secret}', E'\\'{secret}', $q${secret}$q$ FROM t -- {secret}");
            proptest::prop_assert!(!Statement::parse(&sql).text.contains(&secret));
        }
    }
}
