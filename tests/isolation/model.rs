//! What the namespaces hold, in memory, and which of it requests ask for.

use std::cmp::Reverse;

use interactions::grpc::proto;
use prost_types::{Struct, Timestamp};
use serde_json::{Value, json};

use crate::support::dice::Dice;
use crate::support::typed::proto_struct;

/// How many namespaces there are.
pub(super) const PLACES: usize = 5;

/// Ways to fill one id. The same id with another of them is other content.
const VARIANTS: usize = 3;
/// Ids that every namespace holds.
const SHARED: usize = 24;
/// Ids that one namespace alone holds at first.
const PRIVATE: usize = 4;

/// An interaction of one namespace; its content follows from these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) place: usize,
    pub(super) id: String,
    pub(super) variant: usize,
}

impl Row {
    /// A number that spreads rows over values.
    fn number(&self) -> usize {
        self.id.bytes().map(usize::from).sum::<usize>() + 3 * self.variant + self.place
    }

    fn user(&self) -> usize {
        self.number() % 4
    }

    fn position(&self) -> i32 {
        i32::try_from(self.number() % 5).unwrap()
    }

    fn seconds(&self) -> i64 {
        1_735_689_600 + i64::try_from(self.number() % 7).unwrap()
    }

    /// The message that records this, and that is read again but for the time of its creation.
    pub(super) fn message(&self) -> proto::Interaction {
        let Self { place, id: _, variant } = self;
        let metadata = json!({
            "owner": owner(*place), "text": format!("common mark{place}"), "variant": *variant as f64,
        });
        proto::Interaction {
            interaction_id: self.id.clone(),
            interaction_type: vec![["click", "view", "odd_type"][self.number() % 3].to_owned()],
            user_id: format!("u{}", self.user()),
            position: Some(self.position()),
            metadata: json_struct(&metadata),
            timestamp: Some(Timestamp { seconds: self.seconds(), nanos: 0 }),
            ..Default::default()
        }
    }

    /// What is left of the message under [`SELECTED`].
    pub(super) fn selected(&self) -> proto::Interaction {
        proto::Interaction {
            interaction_id: self.id.clone(),
            metadata: json_struct(&json!({ "owner": owner(self.place) })),
            ..Default::default()
        }
    }

    /// Where this stands in `order`, the first first.
    pub(super) fn standing(&self, order: Order) -> Standing {
        let first = match order {
            Order::Newest => 0,
            Order::Position => self.position(),
        };
        (first, Reverse(self.seconds()), Reverse(self.id.clone()))
    }
}

/// Fields that some lists are narrowed to.
pub(super) const SELECTED: &str = "metadata.owner";

pub(super) type Standing = (i32, Reverse<i64>, Reverse<String>);

/// What the metadata of a namespace's interactions calls it.
pub(super) fn owner(place: usize) -> String {
    format!("ns{place}")
}

fn json_struct(json: &Value) -> Option<Struct> {
    Some(proto_struct(json.as_object().unwrap()))
}

/// Ids that some namespace can hold.
pub(super) fn id(dice: &mut Dice) -> String {
    if dice.one_in(3) {
        let (place, number) = (dice.below(PLACES), dice.below(PRIVATE));
        return format!("p{place}-{number}");
    }
    format!("i{:02}", dice.below(SHARED))
}

/// An id that no namespace ever holds, as long as those that some do.
pub(super) fn absent_id(dice: &mut Dice) -> String {
    let number = dice.below(SHARED);
    if dice.one_in(3) { format!("q0-{}", number % PRIVATE) } else { format!("n{number:02}") }
}

pub(super) fn variant(dice: &mut Dice) -> usize {
    dice.below(VARIANTS)
}

/// What a namespace holds at first.
pub(super) fn first_rows(place: usize) -> Vec<Row> {
    let shared = (0..SHARED).map(|number| format!("i{number:02}"));
    let private = (0..PRIVATE).map(|number| format!("p{place}-{number}"));
    shared.chain(private).map(|id| Row { place, id, variant: 0 }).collect()
}

/// An order of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Newest,
    Position,
}

impl Order {
    pub(super) fn draw(dice: &mut Dice) -> Self {
        *dice.pick(&[Self::Newest, Self::Position])
    }

    pub(super) fn keys(self) -> Vec<proto::Sort> {
        match self {
            Self::Newest => Vec::new(),
            Self::Position => {
                vec![proto::Sort { field: "position".to_owned(), direction: 1 }]
            }
        }
    }
}

/// What a request looks for; some of it only a foreign namespace has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Want {
    Everything,
    User(usize),
    Owner(usize),
    NotOwner(usize),
    Ownerless,
    Near,
    Type(&'static str),
    Id(String),
    OwnerOrUser(usize, usize),
    Mark(usize),
    Unmarked(usize),
}

/// The fields of a request that say what it looks for.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) user_id: String,
    pub(super) interaction_type: String,
    pub(super) filters: Option<Struct>,
    pub(super) search: String,
}

impl Want {
    pub(super) fn draw(dice: &mut Dice) -> Self {
        let (place, user) = (dice.below(PLACES), dice.below(4));
        match dice.below(12) {
            0 | 1 => Self::Everything,
            2 => Self::User(user),
            3 => Self::Owner(place),
            4 => Self::NotOwner(place),
            5 => Self::Ownerless,
            6 => Self::Near,
            7 => Self::Type(dice.word(&["click", "odd_type"])),
            8 => Self::Id(id(dice)),
            9 => Self::OwnerOrUser(place, user),
            10 => Self::Mark(place),
            _ => Self::Unmarked(place),
        }
    }

    pub(super) fn matches(&self, row: &Row) -> bool {
        match self {
            Self::Everything => true,
            Self::User(user) => row.user() == *user,
            Self::Owner(place) | Self::Mark(place) => row.place == *place,
            Self::NotOwner(place) | Self::Unmarked(place) => row.place != *place,
            Self::Ownerless => false,
            Self::Near => row.position() <= 2,
            Self::Type(name) => row.message().interaction_type[0] == *name,
            Self::Id(id) => row.id == *id,
            Self::OwnerOrUser(place, user) => row.place == *place || row.user() == *user,
        }
    }

    pub(super) fn fields(&self) -> Fields {
        let filters = |json: Value| Fields { filters: json_struct(&json), ..Fields::default() };
        match self {
            Self::Everything => Fields::default(),
            Self::User(user) => Fields { user_id: format!("u{user}"), ..Fields::default() },
            Self::Owner(place) => filters(json!({ "metadata.owner": owner(*place) })),
            Self::NotOwner(place) => filters(json!({ "metadata.owner": { "ne": owner(*place) } })),
            Self::Ownerless => {
                filters(json!({ "NOT": [{ "metadata.owner": { "exists": true } }] }))
            }
            Self::Near => filters(json!({ "position": { "lte": 2 } })),
            Self::Type(name) => {
                Fields { interaction_type: (*name).to_owned(), ..Fields::default() }
            }
            Self::Id(id) => filters(json!({ "interaction_id": [id] })),
            Self::OwnerOrUser(place, user) => filters(json!({
                "OR": [{ "metadata.owner": owner(*place) }, { "user_id": format!("u{user}") }],
            })),
            Self::Mark(place) => Fields { search: format!("mark{place}"), ..Fields::default() },
            Self::Unmarked(place) => {
                Fields { search: format!("common -mark{place}"), ..Fields::default() }
            }
        }
    }
}
