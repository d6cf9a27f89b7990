//! What the generators draw from.

/// Words and texts that are drawn often, so that they meet.
pub const COMMON_TEXTS: &[&str] =
    &["red", "Red", "RED shoe", "red shoe-blue", "É", "é", "", "a", "a%b_c", "5", "true", "null"];

/// Texts with a trap each: case, escapes of LIKE, of JSON paths and of regular expressions, words,
/// and texts that look like something else.
#[rustfmt::skip]
pub const TRAP_TEXTS: &[&str] = &[
    "A", "aXb_c", "a%", "%", "_", "\\", "\\%", "a\\b", "a\\nb", "a\nb", "a\r\nb", "\t", " ", " a ",
    "'", "O'Neil", "''", "\"", "say \"hi\"", "--", "; DROP", "$", "$1", "$.a", "[0]", "{}", "[]",
    "{\"a\":1}", "(", "a.c", "abc", "a+", "^a$", "a|b", "a*", "?", ":a", "@>", "0", "-0", "5.0",
    "05", "1e3", "٣", "½", "x²", "false", "True", "TRUE", "NaN", "2025-01-01", "ß", "ẞ", "SS", "ss",
    "Größe", "GRÖẞE", "İ", "i\u{307}", "ı", "I", "i", "ſ", "s", "S", "\u{212a}", "K", "k", "Å",
    "\u{212b}", "å", "Σ", "σ", "ς", "ΟΔΟΣ", "οδος", "οδοσ", "ǅ", "ǆ", "e\u{301}", "E\u{301}",
    "\u{301}", "café", "CAFE\u{301}", "Ж", "ж", "Ключ", "КЛЮЧ", "ﬁ", "ＡＢ", "ａｂ", "東京", "東京 tower",
    "한국", "عربي", "😀", "😀red", "👩\u{200d}💻", "\u{1F1E9}\u{1F1EA}", "\u{1}", "\u{7f}", "\u{85}",
    "\u{a0}", "\u{2028}", "\u{200b}", "\u{feff}", "\u{fffd}", "\u{ffff}", "\u{10ffff}", "\u{e000}",
    "Ⴀ", "ⴀ", "ა", "Ა", "Ꭰ", "ꭰ", "𐐀", "𐐨", "wi-fi", "wi fi", "wifi", "tv_stand", "TV stand",
    "blue red shoe", "shoe red", "red shoes", "4K", "a,b", "zzz", "Zzz",
];

/// Numbers that are drawn often.
pub const COMMON_NUMBERS: &[f64] = &[0.0, 1.0, 5.0, -1.0, 2.5, 0.3];

/// Numbers at the edges of doubles, of what integers can hold, and of what decimal text keeps.
#[rustfmt::skip]
pub const TRAP_NUMBERS: &[f64] = &[
    -0.0, 0.1, 0.5, 0.1 + 0.2, 1.0 / 3.0, -2.5, 19.99, 1e-7, 4.35, 1e22, 1e23, 8.41e21, 1e300,
    -1e300, 5e-324, -5e-324, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 2.225_073_858_507_201e-308,
    1_000_000.0, 2_147_483_647.0, 2_147_483_648.0, -2_147_483_648.0, -2_147_483_649.0,
    4_294_967_296.0, 9_007_199_254_740_991.0, 9_007_199_254_740_992.0, -9_007_199_254_740_993.0,
    9_223_372_036_854_775_807.0, 18_446_744_073_709_551_615.0, 123_456_789.123_456_79,
    1_735_689_600.000_001, 100.0, 10.0, 2.0, 9.0, 1.000_000_000_000_000_2, 0.999_999_999_999_999_9,
];

/// Keys that most paths go through.
pub const COMMON_KEYS: &[&str] = &["a", "b", "tags", "items", "0"];

/// Keys with a trap each: what paths, JSON paths and databases give a meaning.
#[rustfmt::skip]
pub const TRAP_KEYS: &[&str] = &[
    "A", "1", "00", "-1", "01", "4294967296", "a.b", "a.", ".", "x y", " a", "say \"hi\"", "\"",
    "'", "\\", "a\\b", "\\u0061", "$", "$.a", "$[0]", "[0]", "a[0]", "#", "#-1", "last", "*", "%",
    "_", "{a,b}", "a/b", "~1", ":x", "?", "É", "é", "Ключ", "ключ", "ſ", "e\u{301}", "😀", "東京",
    "\n", "\u{1}", "null", "true", "length", "metadata", "AND", "field", "case_sensitive",
];

/// Identifiers that are drawn often.
pub const COMMON_IDENTIFIERS: &[&str] = &["user_A", "user_a", "user_B", "doc%1", "É"];

/// Identifiers with a trap each, in the manner of [`TRAP_TEXTS`]; none is empty.
#[rustfmt::skip]
pub const TRAP_IDENTIFIERS: &[&str] = &[
    "USER_A", "userXA", "user%", "user_", "%", "_", "\\", "doc\\1", "doc\\%1", "DOC%1", "é",
    "E\u{301}", "ß", "ẞ", "ss", "İ", "i", "I", "ı", "\u{212a}", "K", "k", "ſ", "s", "Σ", "σ", "ς",
    "'", "O'Neil", "\"", "a.b", "a b", " ", "a\nb", "\u{1}", "5", "05", "true", "null", "😀", "東京",
    "٣", "\u{e000}", "\u{ffff}", "\u{10ffff}", "http://example.com/?q=%20", "tv_stand", "wi-fi",
];

/// Times that many interactions share.
pub const COMMON_TIMES: &[&str] =
    &["2025-01-01T00:00:00Z", "2025-01-01T00:00:00.000001Z", "2025-01-15T12:00:00.5Z"];

/// Times around the edges of days, years, leap days and microseconds.
#[rustfmt::skip]
pub const TRAP_TIMES: &[&str] = &[
    "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000001Z", "1999-12-31T23:59:59.999999Z",
    "2000-01-01T00:00:00Z", "2024-02-29T00:00:00Z", "2025-01-01T00:00:00.999999Z",
    "2025-01-15T12:00:00Z", "2025-01-15T12:00:00.500001Z", "2025-06-30T23:59:59.123456Z",
];

/// Other ways to write a time, and times that no interaction has.
#[rustfmt::skip]
pub const WRITTEN_TIMES: &[&str] = &[
    "2025-01-01", "2025-01-01 00:00:00", "2025-01-01t01:00:00+01:00", "2024-12-31T23:59:59.999999z",
    "2025-01-01T00:00:00.0000019Z", "2025-01-15T14:00:00.50+02:00", "2025-01-15 12:00:00.5",
    "1969-12-31", "0000-01-01", "9999-12-31T23:59:59.999999Z", "2024-02-29", "2016-12-31T23:59:60Z",
];

/// Types beside the well-known ones.
pub const CUSTOM_TYPES: &[&str] = &["custom_tap", "tap", "a", "z_9"];

/// Regular expressions in every part of the syntax; all are accepted.
#[rustfmt::skip]
pub const PATTERNS: &[&str] = &[
    "", "red", "^red", "shoe$", "^red$", "^$", ".", "^.$", "^..$", "a.c", "a.b", r"\w+", r"^\w+$",
    r"\W", r"\d", r"^\d+$", r"\s", r"^\S*$", r"\bred\b", r"\Bed", "[a-c]", "[^a-c]", "^[^a]*$",
    "[A-Z]", "(?i)RED", "(?-i)red", "(?i:r)ed", "red|blue", "^(red|a)", "(re)?d", "(?:a|É)+",
    "a{1,2}", "e*?d", r"\p{Lu}", r"\p{L}", r"^\pL+$", r"\p{Greek}", r"[\p{Lu}--K]", "[[:alpha:]]",
    "[[:^digit:]]", r"\.", r"\\", r"\$", r"%", "_", "'", "\"", "é", "É", "[à-ü]", "ß", "ẞ", "σ",
    "ς", "k", "K", "\u{212a}", "s", "ſ", "i", "İ", "東京", "😀", r"\x{1F600}", r"\n", "(?s)a.b",
    "(?m)^b$", "(?m)a$", r"\A", r"\z", r"(?x) r e d # a comment", r"\t", r"[\d&&[^5]]", "a|", "()",
    "(?P<name>a)b", r"\u00e9", r"[\x00-\x7f]", r"(?U)a+", "(?R)a$", "x*", "^(?:[a-z]+ )*[a-z]+$",
];

/// Searches in each form of the grammar.
#[rustfmt::skip]
pub const SEARCHES: &[&str] = &[
    "", " ", "red", "RED shoe", "\"red shoe\"", "\"shoe red\"", "red -blue", "re*", "\"red sho\"*",
    "-\"red shoe\" red", "red OR a", "blue OR \"tv stand\" OR 5", "wi-fi", "wifi", "tv_stand",
    "cafe", "CAFÉ -red", "grosse", "größe", "i", "İ", "ı", "k", "s", "ss", "σ", "fi", "ab", "東京",
    "東*", "한국", "😀 red", "5", "0", "1", "0.3", "19.99", "2.5", "-2.5 a", "1000000", "x2", "½", "٣",
    "true", "null", "a*", "o'neil", "*** red", "e", "or", "red or blue", "a b c", "zzz -zzz",
    "drop", "4k",
];
