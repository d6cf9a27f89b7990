//! Every regular expression means on every database what it means in the `regex` crate.
//!
//! Patterns come from a grammar that reaches every kind of node, look-around, flag and class, over
//! an alphabet of characters that engines like to disagree on; some are an assertion between two
//! neighbours, and some are a pattern of the real world with a piece of the grammar spliced in.
//! Texts are short strings over the same alphabet, so that matches and misses are both frequent.

use interactions::domain::regex::Pattern;
use interactions::grpc::proto;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use regex::RegexBuilder;
use serde_json::json;

use crate::support::database::databases;
use crate::support::service::TestService;
use crate::support::typed::proto_struct;

/// Texts that every pattern is tried on.
const TEXTS: usize = 400;
/// Patterns that are tried where `PROPTEST_CASES` does not say.
const PATTERNS: usize = 400;

#[rustfmt::skip]
const ALPHABET: &[&str] = &[
    "a", "b", "c", "A", "B", "\n", "\r", "\r\n", " ", "\t", "_", "-", "0", "7", "٣", "É", "é",
    "e\u{301}", "ß", "ẞ", "\u{212A}", "k", "K", "ſ", "s", "S", "Σ", "σ", "ς", "İ", "ı", "i", "日",
    "ﬀ", "🦀", "\u{A0}", "\u{85}", "\u{2028}", "\u{200D}", "\u{1}", "\u{7F}", "\u{7FF}", "\u{800}",
    "\u{D7FF}", "\u{E000}", "\u{FFFF}", "\u{10000}", "\u{10FFFF}", ".", "*", "(", "]", "^", "\\",
    "{", "|", "#", "$", ":", "=",
];

#[rustfmt::skip]
const CLASSES: &[&str] = &[
    r".", r"\w", r"\W", r"\d", r"\D", r"\s", r"\S", r"\pL", r"\PL", r"\p{Greek}", r"\P{Lu}",
    r"\p{Han}", r"\p{Emoji}", r"[[:alpha:]]", r"[[:^space:]]", r"[[:word:]]", r"[[:punct:]]",
    r"[^a]", r"[^\n]", r"[^\w]", r"[^\W]", r"[\s\S]", r"[a-c\n]", r"[^\r\n]", r"[a-z&&[^b]]",
    r"[\w--a]", r"[\w~~\d]", r"[\pL\d_]", r"[^\pL\pN]", r"[]a]", r"[a\]^-]", r"[-a\\]",
    r"[[.a.]]", r"[[=a=]]", r"[.:=\[]", r"[é-日]", r"[K-S]", r"[\x{7E}-\x{801}]",
    r"[\x{D000}-\x{E100}]", r"[\x00-a]", r"[^\x00-a]", r"\x00", r"[^\s\S]", r"[\x00]", r"\x{E9}",
    r"\u212A", r"\U0001F980", r"(?-u:\w)", r"(?-u:\d)", r"(?-u:[a-c])", r"(?-u:\x61)", r"(?i:k)",
    r"(?i:ß)", r"(?i:[s-σ])", r"(?i:[^k])", r"(?s:.)", r"(?R:.)", r"\t", r"\n", r"\r", r"\x7F",
    r"\x01", r"a\x00",
];

#[rustfmt::skip]
const LOOKS: &[&str] = &[
    r"^", r"$", r"\A", r"\z", r"\b", r"\B", r"\<", r"\>", r"\b{start}", r"\b{end}",
    r"\b{start-half}", r"\b{end-half}", r"(?m:^)", r"(?m:$)", r"(?mR:^)", r"(?mR:$)", r"(?-u:\b)",
    r"(?-u:\B)", r"(?-u:\b{start})", r"(?-u:\b{end})", r"(?-u:\b{start-half})",
    r"(?-u:\b{end-half})",
];

#[rustfmt::skip]
const QUANTIFIERS: &[&str] = &[
    "*", "+", "?", "*?", "+?", "??", "{0}", "{1}", "{2}", "{3}", "{0,}", "{1,}", "{2,}", "{0,1}",
    "{0,3}", "{1,2}", "{2,4}?", "{2,5}", "{0,255}", "{0,256}", "{256}", "{300,}", "{255,511}",
];

#[rustfmt::skip]
const GROUPS: &[&str] = &[
    "(", "(?:", "(?P<g>", "(?i:", "(?s:", "(?m:", "(?R:", "(?mR:", "(?sR:", "(?U:", "(?x: ",
    "(?-u:", "(?im:", "(?i-s:", "((?i)", "((?m)", "((?:", "(?i-u:",
];

#[rustfmt::skip]
const REAL_WORLD: &[&str] = &[
    r"^[\w.+-]+@[\w-]+\.[\w.-]+$", r"(?i)\bfoo\b", r"^\d{4}-\d{2}-\d{2}$", r"https?://[^\s/]+",
    r"(?:^|[^\pL\pN])É(?:[^\pL\pN]|$)", r"^\s*$", r"\ba\w*\b", r"(?m)^#.*$", r"(?i)^(?:a|ß|σ)+$",
    r"^(?:[a-c]{2}\s?){1,3}\d*$", r"^[A-Z][a-z]*(?:\s[A-Z][a-z]*)*$", r"(?s)a.*b", r"a.*?b$",
    r"^$", r"***:a", r"(a|ab)(c|bcd)*", r"(?x) a b # note", r"[\p{Han}\p{Greek}]+",
    r"^(?:\+|00)?\d+", r#""(?:[^"\\]|\\.)*""#, r"(?:(?:a*)*)*b", r"(\b\w+\b\W*)+$", r"^.{0,5}$",
    r"(?i)k[^a-j]s",
];

fn literal() -> impl Strategy<Value = String> {
    select(ALPHABET).prop_map(regex_syntax::escape)
}

fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        6 => literal(),
        4 => select(CLASSES).prop_map(str::to_owned),
        2 => select(LOOKS).prop_map(str::to_owned),
        1 => Just(String::new()),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            4 => vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
            2 => vec(inner.clone(), 2..4).prop_map(|branches| format!("(?:{})", branches.join("|"))),
            1 => vec(inner.clone(), 2..4).prop_map(|branches| branches.join("|")),
            3 => (inner.clone(), select(QUANTIFIERS))
                .prop_map(|(inner, quantifier)| format!("(?:{inner}){quantifier}")),
            2 => (inner, select(GROUPS)).prop_map(|(inner, open)| {
                let close = ")".repeat(open.matches('(').count() - open.matches("(?i)").count()
                    - open.matches("(?m)").count());
                format!("{open}{inner}{close}")
            }),
        ]
    })
}

/// An assertion between two neighbours, where assertions of one kind differ least.
fn edge() -> impl Strategy<Value = String> {
    let side = || select(&["", "a", "_", " ", r"\n", r"\r", r"\r\n", "é", "٣", "-", "."][..]);
    let looks = vec(select(LOOKS), 1..3).prop_map(|looks| looks.concat());
    (side(), looks, side()).prop_map(|(before, look, after)| format!("{before}{look}{after}"))
}

/// A pattern of the real world, with a piece of grammar before, after or inside it.
fn mutated() -> impl Strategy<Value = String> {
    (select(REAL_WORLD), expression(), any::<prop::sample::Index>()).prop_map(
        |(pattern, piece, at)| {
            let cuts: Vec<usize> =
                pattern.char_indices().map(|(index, _)| index).chain([pattern.len()]).collect();
            let (before, after) = pattern.split_at(cuts[at.index(cuts.len())]);
            format!("{before}{piece}{after}")
        },
    )
}

fn pattern() -> impl Strategy<Value = String> {
    let any_pattern = prop_oneof![
        4 => expression(),
        1 => mutated(),
        2 => edge(),
        1 => select(REAL_WORLD).prop_map(str::to_owned),
        3 => expression().prop_map(|inner| format!("^(?:{inner})$")),
    ];
    any_pattern.prop_filter("at most 512 bytes", |pattern| pattern.len() <= 512)
}

fn text() -> impl Strategy<Value = String> {
    let any_text = vec(select(ALPHABET), 0..9).prop_map(|parts| parts.concat());
    let narrow_text = vec(select(&ALPHABET[..14]), 0..12).prop_map(|parts| parts.concat());
    let long_text = (select(ALPHABET), 250usize..520).prop_map(|(part, times)| part.repeat(times));
    let edges = select(&["a", "_", " ", "\n", "\r", "é", "٣", "-"][..]);
    let edge_text = vec(edges, 0..4).prop_map(|parts| parts.concat());
    prop_oneof![8 => any_text, 8 => narrow_text, 8 => edge_text, 1 => long_text]
}

/// So many different values of `strategy`, always the same.
fn sample<T: PartialEq + std::fmt::Debug>(
    count: usize,
    strategy: impl Strategy<Value = T>,
) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    let mut values = Vec::new();
    while values.len() < count {
        let value = strategy.new_tree(&mut runner).unwrap().current();
        if !values.contains(&value) {
            values.push(value);
        }
    }
    values
}

fn holding(number: usize, text: &str) -> proto::Interaction {
    let metadata = json!({ "text": text });
    proto::Interaction {
        interaction_id: format!("i{number:05}"),
        interaction_type: vec!["click".to_owned()],
        metadata: Some(proto_struct(metadata.as_object().unwrap())),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn patterns_mean_what_they_mean_in_the_regex_crate() {
    let patterns = std::env::var("PROPTEST_CASES").map_or(PATTERNS, |cases| cases.parse().unwrap());
    let texts = sample(TEXTS, text());
    let accepted = (pattern(), any::<bool>())
        .prop_filter("a pattern", |(pattern, _)| Pattern::parse(pattern).is_ok());
    let patterns = sample(patterns, accepted);
    for database in databases().await {
        let service = TestService::new(&database.repository, "regexes").await;
        let texts_held = texts.iter().enumerate().map(|(number, text)| holding(number, text));
        service.record(texts_held.collect()).await;
        for (pattern, case_sensitive) in &patterns {
            let regex =
                RegexBuilder::new(pattern).case_insensitive(!case_sensitive).build().unwrap();
            let matching = texts.iter().enumerate().filter(|(_, text)| regex.is_match(text));
            let expected: Vec<_> = matching.map(|(number, _)| format!("i{number:05}")).collect();
            let filters =
                json!({"metadata.text": {"regex": pattern}, "case_sensitive": case_sensitive});
            let request = proto::ListInteractionsRequest {
                filters: Some(proto_struct(filters.as_object().unwrap())),
                page_size: 1_000,
                ..Default::default()
            };
            let mut found = service.ids(request).await;
            found.sort();
            assert_eq!(found, expected, "{}: {filters}", database.name);
        }
        database.remove().await;
    }
}

/// Values of `words` and `phrase` are tried with patterns of our own making, up to their limit.
#[tokio::test(flavor = "multi_thread")]
async fn the_longest_phrase_is_found() {
    use interactions::domain::filter::MAX_WORDS;
    let words: Vec<_> = (0..MAX_WORDS).map(|number| format!("wörd{number}")).collect();
    for database in databases().await {
        let service = TestService::new(&database.repository, "words").await;
        let text = format!("before {} after", words.join(" - "));
        service
            .record(vec![holding(1, &text), holding(2, &words[..MAX_WORDS - 1].join(" "))])
            .await;
        for operator in ["phrase", "words"] {
            let filters = json!({"metadata.text": {operator: words.join(" ").to_uppercase()}});
            let request = proto::ListInteractionsRequest {
                filters: Some(proto_struct(filters.as_object().unwrap())),
                ..Default::default()
            };
            assert_eq!(service.ids(request).await, ["i00001"], "{} {operator}", database.name);
        }
        database.remove().await;
    }
}
