//! The names by which filters, sorts and selections speak of an interaction's fields.

use std::fmt;

use serde::Serialize;

use super::nearest::nearest;
use super::violation::echo;

/// The names of fields that hold neither an identifier nor JSON, and the alias of one that does.
const OTHER_NAMES: [&str; 7] = [
    "document_id",
    "interaction_type",
    "position",
    "result_set_size",
    "document_score",
    "timestamp",
    "created_at",
];

/// Most segments of a path below its JSON root.
pub const MAX_PATH_SEGMENTS: usize = 16;

/// An identifier field: text that is compared as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Identifier {
    /// `interaction_id`.
    InteractionId,
    /// `feature_id`, or its alias `document_id`.
    FeatureId,
    /// `user_id`.
    UserId,
    /// `session_id`.
    SessionId,
    /// `execution_id`.
    ExecutionId,
    /// `retriever_id`.
    RetrieverId,
    /// `feature_uri`.
    FeatureUri,
}

impl Identifier {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::InteractionId,
        Self::FeatureId,
        Self::UserId,
        Self::SessionId,
        Self::ExecutionId,
        Self::RetrieverId,
        Self::FeatureUri,
    ];

    /// The field's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InteractionId => "interaction_id",
            Self::FeatureId => "feature_id",
            Self::UserId => "user_id",
            Self::SessionId => "session_id",
            Self::ExecutionId => "execution_id",
            Self::RetrieverId => "retriever_id",
            Self::FeatureUri => "feature_uri",
        }
    }
}

/// A whole-number field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Integer {
    /// `position`, counted from 0.
    Position,
    /// `result_set_size`.
    ResultSetSize,
}

impl Integer {
    /// The field's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Position => "position",
            Self::ResultSetSize => "result_set_size",
        }
    }
}

/// A time field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Time {
    /// `timestamp`: when it happened.
    Timestamp,
    /// `created_at`: when this service recorded it.
    CreatedAt,
}

impl Time {
    /// The field's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Timestamp => "timestamp",
            Self::CreatedAt => "created_at",
        }
    }
}

/// A field that holds JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum JsonRoot {
    /// `metadata`.
    Metadata,
    /// `query_snapshot`.
    QuerySnapshot,
    /// `search_request`.
    SearchRequest,
}

impl JsonRoot {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Metadata, Self::QuerySnapshot, Self::SearchRequest];

    /// The field's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::QuerySnapshot => "query_snapshot",
            Self::SearchRequest => "search_request",
        }
    }
}

/// One step of a path through JSON.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Segment(String);

impl Segment {
    /// The key that this segment names in an object.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0
    }

    /// Whether this segment, asked of a list, picks one element by its index: it is a whole
    /// number. Any other segment is asked of every object in the list.
    #[must_use]
    pub fn is_index(&self) -> bool {
        self.0.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// The index that it picks from a list; `None` for a key, and for numbers beyond any list.
    #[must_use]
    pub fn index(&self) -> Option<u32> {
        if self.is_index() { self.0.parse().ok().filter(|index| *index < MAX_INDEX) } else { None }
    }
}

/// No list in an interaction of 256 KiB is this long, and every database can express it.
const MAX_INDEX: u32 = 1 << 20;

/// A path into one of the JSON fields; without segments, the field itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct JsonPath {
    /// The field that it starts at.
    pub root: JsonRoot,
    /// The steps below it, at most [`MAX_PATH_SEGMENTS`].
    pub segments: Vec<Segment>,
}

/// A field of an interaction, or a place inside one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub enum Field {
    /// Text compared as it is.
    Identifier(Identifier),
    /// The set of types, `interaction_type`.
    Types,
    /// A whole number.
    Integer(Integer),
    /// A floating-point number, `document_score`.
    Score,
    /// A point in time.
    Time(Time),
    /// A place in JSON.
    Json(JsonPath),
}

/// Why a name is not a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// No field has this name.
    #[error("there is no field {}{}; fields are {}", echo(.0), Meant(.0), Accepted)]
    Unknown(String),
    /// A path goes below a field that holds no JSON.
    #[error("{0} has nothing below it; paths go below metadata, query_snapshot and search_request")]
    NotJson(String),
    /// A segment is empty.
    #[error("the path has an empty segment; segments are separated by single dots")]
    EmptySegment,
    /// A quoted segment does not end, or something other than a dot follows it.
    #[error("the path has a quoted segment that does not end in a double quote before a dot")]
    Quote,
    /// The path is too long.
    #[error("the path has more than {MAX_PATH_SEGMENTS} segments below {0}")]
    TooDeep(&'static str),
    /// The path holds a character that no key can hold.
    #[error("the path holds a NUL character")]
    Nul,
}

/// The field that a name was meant to be, if it is like any.
struct Meant<'n>(&'n str);

impl fmt::Display for Meant<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let identifiers = Identifier::ALL.map(Identifier::name).into_iter();
        let roots = JsonRoot::ALL.map(JsonRoot::name);
        match nearest(self.0, identifiers.chain(OTHER_NAMES).chain(roots)) {
            Some(name) => write!(formatter, " (did you mean {name:?}?)"),
            None => Ok(()),
        }
    }
}

struct Accepted;

impl fmt::Display for Accepted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for identifier in Identifier::ALL {
            write!(formatter, "{}, ", identifier.name())?;
        }
        for name in OTHER_NAMES {
            write!(formatter, "{name}, ")?;
        }
        formatter.write_str(
            "and paths such as metadata.geo.country below metadata, query_snapshot and \
             search_request",
        )
    }
}

impl Field {
    /// Reads a field's name or a path.
    ///
    /// # Errors
    /// When the name is unknown or the path malformed.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let mut segments = split_path(text)?.into_iter();
        let name = segments.next().unwrap_or_default();
        let segments: Vec<_> = segments.map(Segment).collect();
        if let Some(root) = JsonRoot::ALL.into_iter().find(|root| root.name() == name) {
            if segments.len() > MAX_PATH_SEGMENTS {
                return Err(FieldError::TooDeep(root.name()));
            }
            return Ok(Self::Json(JsonPath { root, segments }));
        }
        let field = Self::typed(&name).ok_or_else(|| FieldError::Unknown(name.clone()))?;
        if segments.is_empty() { Ok(field) } else { Err(FieldError::NotJson(name)) }
    }

    fn typed(name: &str) -> Option<Self> {
        Some(match name {
            "document_id" => Self::Identifier(Identifier::FeatureId),
            "interaction_type" => Self::Types,
            "position" => Self::Integer(Integer::Position),
            "result_set_size" => Self::Integer(Integer::ResultSetSize),
            "document_score" => Self::Score,
            "timestamp" => Self::Time(Time::Timestamp),
            "created_at" => Self::Time(Time::CreatedAt),
            other => {
                let known = Identifier::ALL.into_iter().find(|field| field.name() == other);
                return known.map(Self::Identifier);
            }
        })
    }
}

/// Splits a path at its dots. A segment in double quotes may hold dots, and a doubled double quote
/// for one of its own.
fn split_path(text: &str) -> Result<Vec<String>, FieldError> {
    if text.contains('\0') {
        return Err(FieldError::Nul);
    }
    let mut segments = Vec::new();
    let mut rest = text;
    loop {
        let (segment, after) = match rest.strip_prefix('"') {
            Some(quoted) => take_quoted(quoted)?,
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        if segment.is_empty() {
            return Err(FieldError::EmptySegment);
        }
        segments.push(segment);
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(segments),
            None => return Err(FieldError::Quote),
        }
    }
}

/// Takes a quoted segment whose opening quote is behind us; returns it and what follows it.
fn take_quoted(text: &str) -> Result<(String, &str), FieldError> {
    let mut segment = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('"').ok_or(FieldError::Quote)?;
        segment.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(next) => {
                segment.push('"');
                rest = next;
            }
            None => return Ok((segment, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<String> {
        let Field::Json(path) = Field::parse(text).unwrap() else { panic!("{text} is no path") };
        path.segments.into_iter().map(|segment| segment.0).collect()
    }

    #[test]
    fn names_and_aliases() {
        let feature = Ok(Field::Identifier(Identifier::FeatureId));
        assert_eq!(Field::parse("feature_id"), feature);
        assert_eq!(Field::parse("document_id"), feature);
        assert_eq!(Field::parse("created_at"), Ok(Field::Time(Time::CreatedAt)));
    }

    #[test]
    fn a_name_that_is_nearly_one_finds_it() {
        let error = |text: &str| Field::parse(text).unwrap_err().to_string();
        for (slip, meant) in
            [("sesion_id", "session_id"), ("userId", "user_id"), ("metadat.x", "metadata")]
        {
            let expected = format!(" (did you mean \"{meant}\"?); fields are interaction_id, ");
            assert!(error(slip).contains(&expected), "{}", error(slip));
        }
        assert!(error("colour").starts_with("there is no field \"colour\"; fields are "));
        for name in OTHER_NAMES {
            assert!(Field::parse(name).is_ok(), "{name}");
        }
        assert!(error("x").contains(" document_id, interaction_type, "), "{}", error("x"));
    }

    #[test]
    fn paths_split_at_dots_outside_quotes() {
        assert_eq!(keys("metadata"), [""; 0]);
        assert_eq!(keys("metadata.geo.country"), ["geo", "country"]);
        assert_eq!(keys(r#"metadata."a.b".c"#), ["a.b", "c"]);
        assert_eq!(keys(r#"metadata."say ""hi""""#), [r#"say "hi""#]);
        assert_eq!(keys(r#"metadata.5" tv. x "#), ["5\" tv", " x "]);
    }

    #[test]
    fn malformed_paths_are_refused() {
        for (text, error) in [
            ("", FieldError::EmptySegment),
            ("metadata.", FieldError::EmptySegment),
            ("metadata..a", FieldError::EmptySegment),
            (r#"metadata."""#, FieldError::EmptySegment),
            (r#"metadata."a"#, FieldError::Quote),
            (r#"metadata."a"b"#, FieldError::Quote),
            ("metadata.\0", FieldError::Nul),
            ("position.x", FieldError::NotJson("position".to_owned())),
            ("metadat.x", FieldError::Unknown("metadat".to_owned())),
        ] {
            assert_eq!(Field::parse(text), Err(error), "{text}");
        }
        let deep = format!("metadata{}", ".a".repeat(MAX_PATH_SEGMENTS));
        assert!(Field::parse(&deep).is_ok());
        assert_eq!(Field::parse(&(deep + ".a")), Err(FieldError::TooDeep("metadata")));
    }

    #[test]
    fn whole_numbers_index() {
        let segment = |text: &str| Segment(text.to_owned());
        assert_eq!(segment("0").index(), Some(0));
        assert_eq!(segment("4294967296").index(), None);
        assert!(segment("4294967296").is_index());
        assert!(!segment("-1").is_index() && !segment("1a").is_index());
    }
}
