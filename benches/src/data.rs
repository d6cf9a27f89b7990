//! The data set: a year of interactions in twenty namespaces, the same in every run of one size.
//!
//! Few namespaces, users, features and types have most of it, as in real life. Sessions begin in the
//! order of time, and each is told to its end before the next: rows come nearly, not quite, in order.

use interactions::domain::interaction_type::WELL_KNOWN;
use interactions::grpc::proto;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Timestamp, Value};

pub(crate) const NAMESPACES: usize = 20;
/// A page of this type is found among many rows of others.
pub(crate) const RARE_TYPE: &str = WELL_KNOWN[WELL_KNOWN.len() - 1];
/// Words `rare0`, `rare1` … that few rows have.
pub(crate) const RARE_WORDS: usize = 4;

const ONE_IN_IS_OF_RARE_TYPE: usize = 2_000;
const ONE_IN_HAS_A_RARE_WORD: usize = 500;
const LONGEST_SESSION: usize = 40;
/// 2025-01-01, in microseconds.
const START_US: i64 = 1_735_689_600_000_000;
const YEAR_US: i64 = 365 * 86_400_000_000;
const WORDS: [&str; 24] = [
    "red",
    "blue",
    "green",
    "running",
    "shoe",
    "boot",
    "sandal",
    "light",
    "winter",
    "summer",
    "leather",
    "canvas",
    "classic",
    "trail",
    "city",
    "sport",
    "kids",
    "women",
    "men",
    "wide",
    "narrow",
    "soft",
    "waterproof",
    "recycled",
];

/// Random numbers that are the same in every run with one seed: SplitMix64.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.below(sides) == 0
    }

    fn pick<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[self.below(texts.len())]
    }
}

/// Ranks from 0, of which each comes up the less often the higher it is: as `1 / (rank + 1) ^ slope`.
#[derive(Debug)]
struct Zipf(Vec<f64>);

impl Zipf {
    fn new(ranks: usize, slope: f64) -> Self {
        let mut sum = 0.0;
        let heights = (1..=ranks).map(|rank| {
            sum += (rank as f64).powf(-slope);
            sum
        });
        Self(heights.collect())
    }

    fn draw(&self, dice: &mut Dice) -> usize {
        let sum = self.0.last().copied().unwrap_or_default();
        let height = sum * (dice.next() >> 11) as f64 / (1_u64 << 53) as f64;
        self.0.partition_point(|below| *below <= height).min(self.0.len().saturating_sub(1))
    }
}

/// An interaction, and which namespace it belongs to, from 0, the largest.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) namespace: usize,
    pub(crate) interaction: proto::Interaction,
}

/// How much there is of everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Totals {
    /// Interactions of each namespace.
    pub(crate) rows: [u64; NAMESPACES],
    /// Sessions of each; they are numbered from 1.
    pub(crate) sessions: [u64; NAMESPACES],
}

#[derive(Debug)]
struct Session {
    namespace: usize,
    number: u64,
    user: usize,
    time_us: i64,
    events_left: usize,
}

/// The interactions one after the other; never more than one of them in memory.
#[derive(Debug)]
pub(crate) struct Events {
    dice: Dice,
    namespaces: Zipf,
    users: Zipf,
    features: Zipf,
    types: Zipf,
    lengths: Zipf,
    rows: u64,
    row: u64,
    session: Option<Session>,
    pub(crate) totals: Totals,
}

impl Events {
    pub(crate) fn new(rows: u64, seed: u64) -> Self {
        Self {
            dice: Dice::new(seed),
            // The largest namespace has half of all.
            namespaces: Zipf::new(NAMESPACES, 1.7),
            users: Zipf::new(20_000, 1.0),
            features: Zipf::new(50_000, 1.0),
            types: Zipf::new(WELL_KNOWN.len() - 1, 1.2),
            lengths: Zipf::new(LONGEST_SESSION, 0.8),
            rows,
            row: 0,
            session: None,
            totals: Totals::default(),
        }
    }

    fn begin_session(&mut self) -> Session {
        let dice = &mut self.dice;
        let namespace = self.namespaces.draw(dice);
        self.totals.sessions[namespace] += 1;
        let share = self.row as f64 / self.rows as f64;
        Session {
            namespace,
            number: self.totals.sessions[namespace],
            user: self.users.draw(dice),
            time_us: START_US + (YEAR_US as f64 * share) as i64,
            events_left: self.lengths.draw(dice) + 1,
        }
    }

    fn interaction(&mut self, session: &Session) -> proto::Interaction {
        let dice = &mut self.dice;
        let kind = if dice.one_in(ONE_IN_IS_OF_RARE_TYPE) {
            RARE_TYPE
        } else {
            WELL_KNOWN[self.types.draw(dice)]
        };
        let position = dice.below(50) as i32;
        let micros = session.time_us;
        proto::Interaction {
            interaction_id: format!("{:012x}-{:08x}-{:x}", micros, dice.next() as u32, self.row),
            feature_id: format!("feature-{}", self.features.draw(dice)),
            interaction_type: vec![kind.to_owned()],
            position: (!dice.one_in(4)).then_some(position),
            metadata: Some(metadata(dice)),
            user_id: format!("user-{}", session.user),
            // Digits only: pgbench draws numbers.
            session_id: session.number.to_string(),
            execution_id: format!("run-{}-{}", session.number, session.events_left / 8),
            retriever_id: format!("retriever-{}", dice.below(20)),
            feature_uri: format!("mixed://extractor/{}", dice.below(100)),
            query_snapshot: None,
            search_request: None,
            document_score: (!dice.one_in(3)).then(|| dice.below(1_000_000) as f64 / 1e6),
            result_set_size: Some(dice.below(500) as i32),
            timestamp: Some(Timestamp {
                seconds: micros / 1_000_000,
                nanos: (micros % 1_000_000) as i32 * 1_000,
            }),
            created_at: None,
        }
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        if self.row == self.rows {
            return None;
        }
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.begin_session(),
        };
        let interaction = self.interaction(&session);
        let namespace = session.namespace;
        self.row += 1;
        self.totals.rows[namespace] += 1;
        session.events_left -= 1;
        session.time_us += 1_000_000 + self.dice.below(60_000_000) as i64;
        self.session = (session.events_left > 0).then_some(session);
        Some(Event { namespace, interaction })
    }
}

/// Some 300 bytes of JSON on three levels.
fn metadata(dice: &mut Dice) -> Struct {
    let title = if dice.one_in(ONE_IN_HAS_A_RARE_WORD) {
        format!("{} rare{} {}", dice.pick(&WORDS), dice.below(RARE_WORDS), dice.pick(&WORDS))
    } else {
        format!("{} {} {}", dice.pick(&WORDS), dice.pick(&WORDS), dice.pick(&WORDS))
    };
    let device = object([
        ("kind", text(dice.pick(&["Mobile", "Desktop", "Tablet"]))),
        ("screen", object([("width", number(dice.below(2_000))), ("dark", yes(dice.one_in(3)))])),
    ]);
    let geo = object([
        ("country", text(dice.pick(&["DE", "FR", "US", "GB", "JP", "BR"]))),
        ("city", text(&format!("City {}", dice.below(500)))),
    ]);
    let page = format!("https://shop.example/c/{}/p/{}", dice.below(40), dice.below(5_000));
    let tags = [dice.pick(&WORDS), dice.pick(&WORDS)].map(text);
    let arm = text(dice.pick(&["control", "rerank-a", "rerank-b"]));
    fields([
        ("title", text(&title)),
        ("device", device),
        ("geo", geo),
        ("page", object([("url", text(&page)), ("scroll", number(dice.below(100)))])),
        ("price", number(dice.below(30_000))),
        ("tags", Value { kind: Some(Kind::ListValue(ListValue { values: tags.to_vec() })) }),
        ("experiment", object([("name", text("ranking-2025-q3")), ("arm", arm)])),
    ])
}

/// An object as protobuf has it.
pub(crate) fn fields<const N: usize>(members: [(&str, Value); N]) -> Struct {
    Struct { fields: members.map(|(key, value)| (key.to_owned(), value)).into_iter().collect() }
}

/// A text as protobuf has it.
pub(crate) fn text(text: &str) -> Value {
    Value { kind: Some(Kind::StringValue(text.to_owned())) }
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value { kind: Some(Kind::StructValue(fields(members))) }
}

fn number(number: usize) -> Value {
    Value { kind: Some(Kind::NumberValue(number as f64)) }
}

fn yes(yes: bool) -> Value {
    Value { kind: Some(Kind::BoolValue(yes)) }
}
