//! Full-text search: what is stored for it, and the condition that asks it.
//!
//! One tokeniser, ours, makes the words on both sides and for both databases. PostgreSQL keeps the
//! distinct words in a `tsvector` without positions, of which it would keep no more than 16,383
//! (manual, section 12.11), and checks phrases against the words in their order. SQLite's FTS5 keeps
//! positions of its own; there every word starts with its namespace.

use sea_orm::sea_query::{Expr, ExprTrait, Iden, Query as Sql, SelectStatement};

use super::Dialect;
use super::condition::{Compiler, all, any};
use super::entity::interaction::Part;
use crate::domain::access::NamespaceId;
use crate::domain::search::{Search, Side, Term};

/// The words of each value, as PostgreSQL keeps them to check phrases: each with a space on both
/// sides, and a line for each value. Here and below `lines` are as [`word_lines`] makes them.
///
/// [`word_lines`]: crate::domain::search::word_lines
pub(super) fn text(lines: &str) -> String {
    if lines.is_empty() { String::new() } else { format!(" {} ", lines.replace('\n', " \n ")) }
}

/// The distinct words, as PostgreSQL reads a `tsvector`.
pub(super) fn vector(lines: &str) -> String {
    let mut words: Vec<_> = lines.split_ascii_whitespace().collect();
    words.sort_unstable();
    words.dedup();
    let mut vector = String::with_capacity(lines.len() + 2 * words.len());
    for word in words {
        let before = if vector.is_empty() { "'" } else { " '" };
        vector.extend([before, word, "'"]);
    }
    vector
}

/// The words of each value, as SQLite indexes them. A token that no search asks for stands between
/// values, so that no phrase runs from one into the next.
pub(super) fn tokens(namespace: NamespaceId, lines: &str) -> String {
    let prefix = prefix(namespace);
    let mut tokens = String::with_capacity(2 * lines.len());
    for line in lines.lines() {
        let between_values = if tokens.is_empty() { "" } else { " _ " };
        tokens.push_str(between_values);
        for (place, word) in line.split(' ').enumerate() {
            let before = if place == 0 { "" } else { " " };
            tokens.extend([before, prefix.as_str(), word]);
        }
    }
    tokens
}

impl Compiler {
    /// The condition of the rows whose metadata has what `search` looks for.
    pub(super) fn search(self, search: &Search) -> Expr {
        match self.dialect {
            // All that it finds are listed at once, and rows looked up in the list: asked of one row at
            // a time, FTS5 takes a hundred times as long as for each of many. (The sign keeps SQLite
            // from starting with the list.)
            Dialect::Sqlite => {
                let row = self.sql("+?", [Expr::col(Part::RowId)]);
                row.in_subquery(self.words(search))
            }
            Dialect::Postgres => any(search.sides().iter().map(|side| self.side(side)).collect()),
        }
    }

    /// SQLite: the rows whose metadata has what `search` looks for.
    pub(super) fn words(self, search: &Search) -> SelectStatement {
        self.matching(Part::InteractionWords, self.fts5(search))
    }

    /// The rows that one of SQLite's full-text tables finds.
    pub(super) fn matching(self, table: Part, question: String) -> SelectStatement {
        let name = table.to_string();
        let mut select = Sql::select();
        select.column(Part::Rowid).from(table);
        select.and_where(self.sql(&format!("{name} MATCH ?"), [Expr::value(question)]));
        select
    }

    fn side(self, side: &Side) -> Expr {
        let required = side.required().iter().flat_map(|term| {
            let (last, before) = split_last(term.words());
            let before = before.iter().map(|word| quoted(word));
            before.chain(last.map(|word| lexeme(word, term.is_prefix()))).collect::<Vec<_>>()
        });
        let excluded = side.excluded().iter().filter(|term| !is_phrase(term)).flat_map(|term| {
            term.words().iter().map(|word| format!("!{}", lexeme(word, term.is_prefix())))
        });
        let words = required.chain(excluded).collect::<Vec<_>>().join(" & ");
        let vector = Expr::col(Part::SearchWords);
        let mut tests = vec![self.sql("? @@ ?::tsquery", [vector, Expr::value(words)])];
        let required = side.required().iter().filter(|term| is_phrase(term));
        tests.extend(required.map(|term| self.phrase("strpos(?, ?) > 0", term)));
        let excluded = side.excluded().iter().filter(|term| is_phrase(term));
        tests.extend(excluded.map(|term| self.phrase("strpos(?, ?) = 0", term)));
        all(tests)
    }

    fn phrase(self, template: &str, term: &Term) -> Expr {
        let end = if term.is_prefix() { "" } else { " " };
        let phrase = format!(" {}{end}", term.words().join(" "));
        self.sql(template, [Expr::col(Part::SearchText), Expr::value(phrase)])
    }

    /// The search as FTS5 spells it (<https://www.sqlite.org/fts5.html>, section 3).
    fn fts5(self, search: &Search) -> String {
        let prefix = prefix(self.namespace);
        let term = |term: &Term| {
            let words: Vec<_> = term.words().iter().map(|word| format!("{prefix}{word}")).collect();
            let star = if term.is_prefix() { " *" } else { "" };
            format!("\"{}\"{star}", words.join(" "))
        };
        let side = |side: &Side| {
            let required = side.required().iter().map(term).collect::<Vec<_>>().join(" AND ");
            if side.excluded().is_empty() {
                return format!("({required})");
            }
            let excluded = side.excluded().iter().map(term).collect::<Vec<_>>().join(" OR ");
            format!("(({required}) NOT ({excluded}))")
        };
        search.sides().iter().map(side).collect::<Vec<_>>().join(" OR ")
    }
}

fn is_phrase(term: &Term) -> bool {
    term.words().len() > 1
}

fn split_last(words: &[String]) -> (Option<&String>, &[String]) {
    match words.split_last() {
        Some((last, before)) => (Some(last), before),
        None => (None, words),
    }
}

fn lexeme(word: &str, prefix: bool) -> String {
    let star = if prefix { ":*" } else { "" };
    format!("{}{star}", quoted(word))
}

/// A word as a `tsvector` or `tsquery` takes it. Words are letters and numbers, so there is nothing
/// inside to escape.
fn quoted(word: &str) -> String {
    format!("'{word}'")
}

/// What every token of a namespace starts with. An underscore belongs to no word.
fn prefix(namespace: NamespaceId) -> String {
    format!("{:x}_", namespace.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_in_order_and_apart() {
        let lines = "red shoe\n5\nred";
        assert_eq!(text(lines), " red shoe \n 5 \n red ");
        assert_eq!(vector(lines), "'5' 'red' 'shoe'");
        assert_eq!(tokens(NamespaceId(26), lines), "1a_red 1a_shoe _ 1a_5 _ 1a_red");
        assert_eq!((text(""), vector(""), tokens(NamespaceId(26), "")), Default::default());
    }
}
