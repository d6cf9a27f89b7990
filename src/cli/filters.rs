//! The filters that `list`, `count`, `export` and `purge` share, and lists of field paths.

use std::str::FromStr;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::json::parse_object;
use crate::grpc::proto::{Sort, sort::Direction};

/// Which interactions are meant. All that are given must hold.
#[derive(Debug, Args)]
#[command(next_help_heading = "Filters")]
pub(super) struct Filters {
    /// A filter as JSON, such as {"position":{"lte":5},"metadata.device":"mobile"}
    #[arg(long, value_name = "JSON")]
    pub(super) filters: Option<JsonFilter>,

    // An empty value is refused, and not taken for an absent one: it is what an unset variable of a
    // script leaves behind, and to drop the condition would widen the answer.
    /// Only of this run of a search
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub(super) execution_id: Option<String>,

    /// Only of this retriever
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub(super) retriever_id: Option<String>,

    /// Only of this session
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub(super) session_id: Option<String>,

    /// Only of this user
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub(super) user_id: Option<String>,

    /// Only with this feature
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub(super) feature_id: Option<String>,

    /// Only with this type among their types, such as click
    #[arg(long = "type", value_name = "TYPE", value_parser = NonEmptyStringValueParser::new())]
    pub(super) interaction_type: Option<String>,

    /// Words to look for in the metadata: red shoe, "red shoe", shoe*, -blue, red OR blue
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(super) search: Option<String>,
}

/// A request of these filters, and of whatever else it holds. A macro, since the requests have the
/// same fields and no type in common; a field left out, here or there, does not compile.
macro_rules! request {
    ($request:ident, $filters:expr $(, $field:ident: $value:expr)* $(,)?) => {{
        let $crate::cli::filters::Filters {
            filters,
            execution_id,
            retriever_id,
            session_id,
            user_id,
            feature_id,
            interaction_type,
            search,
        } = $filters;
        $request {
            execution_id: execution_id.unwrap_or_default(),
            retriever_id: retriever_id.unwrap_or_default(),
            session_id: session_id.unwrap_or_default(),
            user_id: user_id.unwrap_or_default(),
            feature_id: feature_id.unwrap_or_default(),
            interaction_type: interaction_type.unwrap_or_default(),
            filters: filters.map(|filter| filter.0),
            filter: None,
            search: search.unwrap_or_default(),
            $($field: $value,)*
        }
    }};
}
pub(super) use request;

/// Fields to sort by, - before those that are to descend.
#[derive(Debug, Clone)]
pub(super) struct SortKeys(pub Vec<Sort>);

impl FromStr for SortKeys {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let key = |entry: &str| match entry.strip_prefix('-') {
            Some(field) => Sort { field: field.to_owned(), direction: Direction::Desc.into() },
            None => Sort { field: entry.to_owned(), direction: Direction::Asc.into() },
        };
        Ok(Self(split_list(text)?.into_iter().map(key).collect()))
    }
}

/// A filter in its JSON form.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct JsonFilter(pub prost_types::Struct);

impl FromStr for JsonFilter {
    type Err = String;

    fn from_str(json: &str) -> Result<Self, String> {
        parse_object(json).map(Self).map_err(|error| {
            format!("a filter is a JSON object such as {{\"position\":{{\"lte\":5}}}}: {error}")
        })
    }
}

/// Splits a list at its commas, but not inside double quotes, where a path may hold any.
///
/// # Errors
/// When an entry is empty.
pub(super) fn split_list(text: &str) -> Result<Vec<&str>, String> {
    let mut quoted = false;
    let entries = text.split(|character| {
        quoted ^= character == '"';
        character == ',' && !quoted
    });
    let entries: Vec<_> = entries.map(str::trim).collect();
    if entries.contains(&"") {
        return Err("an entry is empty; write them as position,metadata.device".to_owned());
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_quotes_do_not_split() {
        assert_eq!(split_list("a").unwrap(), ["a"]);
        assert_eq!(split_list("a, b").unwrap(), ["a", "b"]);
        let path = r#"metadata."x,y".z"#;
        assert_eq!(split_list(&format!("{path},b")).unwrap(), [path, "b"]);
        let path = r#"metadata."say ""a,b"".""#;
        assert_eq!(split_list(&format!("a,{path}")).unwrap(), ["a", path]);
        for text in ["", ",", "a,", "a,,b"] {
            assert!(split_list(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_filter_is_a_json_object() {
        let filter: JsonFilter = r#"{"position":{"lte":5}}"#.parse().unwrap();
        assert!(filter.0.fields.contains_key("position"));
        assert!("{}".parse::<JsonFilter>().is_ok());
        for json in ["", "[]", "position", "{\"a\":}", "{} {}"] {
            let error = json.parse::<JsonFilter>().unwrap_err();
            assert!(error.starts_with("a filter is a JSON object"), "{error}");
        }
    }
}
