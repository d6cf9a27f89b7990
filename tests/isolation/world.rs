//! Five namespaces of two organisations, every kind of key, and what a call may do with one.

use std::collections::BTreeMap;
use std::sync::Arc;

use interactions::domain::access::{KeySecret, NamespaceId, Scope};
use interactions::grpc::auth::Auth;
use interactions::grpc::interaction_service::InteractionServiceImpl;
use interactions::grpc::proto;
use interactions::grpc::proto::interaction_service_server::InteractionService as _;
use interactions::repository::{DEFAULT_ORGANISATION, NewKey, Repository};
use sea_orm::{ConnectionTrait as _, Database};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use super::model::{PLACES, Row, first_rows};
use crate::support::database::TestDatabase;
use crate::support::dice::Dice;

/// The other organisation. The service makes none yet; its tables hold any number.
pub(super) const SECOND: i64 = 2;
/// Organisations and names of the namespaces: one name stands in both organisations.
const NAMESPACES: [(i64, &str); PLACES] = [
    (DEFAULT_ORGANISATION, "red"),
    (DEFAULT_ORGANISATION, "blue"),
    (DEFAULT_ORGANISATION, "green"),
    (SECOND, "red"),
    (SECOND, "violet"),
];

/// A key, and what it may do.
pub(super) struct Key {
    what: &'static str,
    secret: String,
    organisation: i64,
    valid: bool,
    scopes: Vec<Scope>,
    /// The namespaces that it is confined to; none: all of its organisation.
    confined: Vec<usize>,
    default: Option<usize>,
}

/// How a call names its namespace.
#[derive(Debug, Clone)]
pub(super) enum Named {
    Nothing,
    ByName(usize),
    ById(usize),
    Unknown(&'static str),
    Malformed(&'static str),
    Twice(usize, usize),
}

/// Who calls, and in which namespace as he says.
#[derive(Debug, Clone)]
pub(super) struct Who {
    pub(super) key: usize,
    pub(super) named: Named,
}

/// Why a call is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Unauthenticated,
    ScopeMissing(Scope),
    Unnamed,
    Denied,
}

impl Refusal {
    fn code_and_reason(self) -> (Code, &'static str) {
        match self {
            Self::Unauthenticated => (Code::Unauthenticated, "INVALID_API_KEY"),
            Self::ScopeMissing(_) => (Code::PermissionDenied, "SCOPE_MISSING"),
            Self::Unnamed => (Code::InvalidArgument, "NAMESPACE_REQUIRED"),
            Self::Denied => (Code::PermissionDenied, "NAMESPACE_DENIED"),
        }
    }
}

/// The service over one database, and what that should hold.
pub(super) struct World {
    pub(super) service: InteractionServiceImpl,
    ids: Vec<NamespaceId>,
    keys: Vec<Key>,
    /// For each namespace its interactions by id.
    pub(super) rows: Vec<BTreeMap<String, Row>>,
    /// What is being tried, for messages.
    pub(super) what: String,
    /// For each kind of refusal the first that was seen: all others are the same.
    refusals: BTreeMap<String, (Code, String, Vec<u8>)>,
}

impl World {
    pub(super) async fn new(database: &TestDatabase) -> Self {
        let repository = &database.repository;
        let connection = Database::connect(&database.url).await.unwrap();
        let second = format!("INSERT INTO organisations VALUES ({SECOND}, 'second', 0)");
        connection.execute_unprepared(&second).await.unwrap();
        connection.close().await.unwrap();
        let mut ids = Vec::new();
        for (organisation, name) in NAMESPACES {
            let made = repository.create_namespace_in(organisation, name, None).await.unwrap();
            ids.push(made.id);
        }
        let auth = Arc::new(Auth::new(repository.clone()));
        let mut world = Self {
            service: InteractionServiceImpl::new(
                repository.clone(),
                auth,
                CancellationToken::new(),
            ),
            keys: keys(repository, &ids).await,
            ids,
            rows: vec![BTreeMap::new(); PLACES],
            what: "filling".to_owned(),
            refusals: BTreeMap::new(),
        };
        for place in 0..PLACES {
            world.record(place, first_rows(place)).await;
        }
        world
    }

    /// A caller who may read and write in this namespace.
    pub(super) fn steward(&self, place: usize) -> Who {
        let organisation = NAMESPACES[place].0;
        let all_of_it = |key: &Key| {
            key.organisation == organisation
                && key.valid
                && key.confined.is_empty()
                && key.scopes == [Scope::Read, Scope::Write]
        };
        let key = self.keys.iter().position(all_of_it).unwrap();
        Who { key, named: Named::ById(place) }
    }

    /// Records `rows`, which the namespace does not hold.
    pub(super) async fn record(&mut self, place: usize, rows: Vec<Row>) {
        let request = proto::BatchCreateInteractionsRequest {
            interactions: rows.iter().map(Row::message).collect(),
            validate_only: false,
        };
        let request = self.request(&self.steward(place), request);
        let recorded = self.service.batch_create_interactions(request).await.unwrap();
        assert!(recorded.into_inner().results.iter().all(|result| !result.deduplicated));
        self.rows[place].extend(rows.into_iter().map(|row| (row.id.clone(), row)));
    }

    /// Anyone, and whatever he may write into the header.
    pub(super) fn anyone(&self, dice: &mut Dice) -> Who {
        // The first five may do something; more calls get through with them.
        let key = if dice.one_in(2) { dice.below(5) } else { dice.below(self.keys.len()) };
        let place = dice.below(PLACES);
        let named = match dice.below(20) {
            0..=6 => Named::ByName(place),
            7..=13 => Named::ById(place),
            14..=16 => Named::Nothing,
            17 => Named::Unknown(dice.word(&["nowhere", "ns_0000000000000001", "re", "redd"])),
            18 => Named::Malformed(dice.word(&["", "Red", "red ", " red", "*", "red,blue", "ns_"])),
            _ => Named::Twice(place, dice.below(PLACES)),
        };
        Who { key, named }
    }

    pub(super) fn describe(&self, who: &Who) -> String {
        format!("{}, {:?}", self.keys[who.key].what, who.named)
    }

    /// `message` as `who` sends it.
    pub(super) fn request<T>(&self, who: &Who, message: T) -> Request<T> {
        let Who { key, named } = who;
        let mut request = Request::new(message);
        let mut add = |name, value: &str| {
            request.metadata_mut().append(name, value.parse().unwrap());
        };
        add("authorization", &format!("Bearer {}", self.keys[*key].secret));
        match named {
            Named::Nothing => {}
            Named::ByName(place) => add("x-namespace", NAMESPACES[*place].1),
            Named::ById(place) => add("x-namespace", &self.ids[*place].to_string()),
            Named::Unknown(text) | Named::Malformed(text) => add("x-namespace", text),
            Named::Twice(first, second) => {
                add("x-namespace", NAMESPACES[*first].1);
                add("x-namespace", &self.ids[*second].to_string());
            }
        }
        request
    }

    /// The namespace that a call works in.
    pub(super) fn granted(&self, who: &Who, scope: Scope) -> Result<usize, Refusal> {
        let key = &self.keys[who.key];
        if !key.valid {
            return Err(Refusal::Unauthenticated);
        }
        if !key.scopes.contains(&scope) {
            return Err(Refusal::ScopeMissing(scope));
        }
        let ours = |place: &usize| NAMESPACES[*place].0 == key.organisation;
        let meant = match who.named {
            Named::Nothing => Some(key.default.ok_or(Refusal::Unnamed)?),
            Named::Malformed(_) | Named::Twice(..) => return Err(Refusal::Unnamed),
            Named::ById(place) => Some(place).filter(ours),
            Named::ByName(named) => {
                (0..PLACES).filter(ours).find(|place| NAMESPACES[*place].1 == NAMESPACES[named].1)
            }
            Named::Unknown(_) => None,
        };
        let open = |place: &usize| key.confined.is_empty() || key.confined.contains(place);
        meant.filter(open).ok_or(Refusal::Denied)
    }

    /// The namespace that the call works in and its answer, where it may be let in. Where not, it has
    /// to be turned away with the words that everybody hears in that case.
    pub(super) fn let_in<T: std::fmt::Debug>(
        &mut self,
        granted: Result<usize, Refusal>,
        answer: Result<T, Status>,
    ) -> Option<(usize, Result<T, Status>)> {
        let refusal = match granted {
            Ok(place) => return Some((place, answer)),
            Err(refusal) => refusal,
        };
        let refused = answer.as_ref().is_err_and(|status| {
            (status.code(), reason(status).as_str()) == refusal.code_and_reason()
        });
        assert!(refused, "{}: let in where it may not be: {answer:?}", self.what);
        let status = answer.err()?;
        if refusal != Refusal::Unnamed {
            self.assert_same(&format!("{refusal:?}"), &status, "");
        }
        None
    }

    #[track_caller]
    pub(super) fn assert_refused(&self, status: &Status, (code, expected): (Code, &str)) {
        let given = reason(status);
        assert_eq!((status.code(), given.as_str()), (code, expected), "{}: {status:?}", self.what);
    }

    /// Asserts that a refusal of this kind reads as all others of it, the `id` in it aside.
    #[track_caller]
    pub(super) fn assert_same(&mut self, kind: &str, status: &Status, id: &str) {
        let blank = "#".repeat(id.len());
        let mut details = status.details().to_vec();
        let mut message = status.message().to_owned();
        if !id.is_empty() {
            message = message.replace(id, &blank);
            for start in 0..=details.len().saturating_sub(id.len()) {
                if details[start..].starts_with(id.as_bytes()) {
                    details[start..start + id.len()].copy_from_slice(blank.as_bytes());
                }
            }
        }
        let answer = (status.code(), message, details);
        let kind = format!("{kind} {}", id.len());
        let first = self.refusals.entry(kind).or_insert_with(|| answer.clone());
        assert_eq!(*first, answer, "{}: a refusal that tells something", self.what);
    }
}

fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    details.error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

/// What a key is called and opens: its organisation, scopes, namespaces and default.
type Kind = (&'static str, i64, &'static [Scope], &'static [usize], Option<usize>);

/// One key of every kind; first those that open something.
async fn keys(repository: &Repository, ids: &[NamespaceId]) -> Vec<Key> {
    use Scope::{Admin, Read, Write};
    const FIRST: i64 = DEFAULT_ORGANISATION;
    let kinds: [Kind; 15] = [
        ("all of the first", FIRST, &[Read, Write], &[], None),
        ("all of the second", SECOND, &[Read, Write], &[], Some(4)),
        ("confined to red", FIRST, &[Read, Write], &[0], Some(0)),
        ("confined to red and blue", FIRST, &[Read, Write], &[0, 1], Some(1)),
        ("confined to the second red", SECOND, &[Read, Write], &[3], None),
        ("reads all", FIRST, &[Read], &[], Some(2)),
        ("reads blue", FIRST, &[Read], &[1], None),
        ("writes all", FIRST, &[Write], &[], None),
        ("writes green", FIRST, &[Write], &[2], Some(2)),
        ("reads violet", SECOND, &[Read], &[4], Some(4)),
        ("manages", FIRST, &[Admin], &[], Some(0)),
        ("manages red", FIRST, &[Admin], &[0], Some(0)),
        ("expired", FIRST, &[Read, Write], &[], Some(0)),
        ("revoked", FIRST, &[Read, Write], &[], Some(0)),
        ("revoked of the second", SECOND, &[Read, Write], &[], Some(3)),
    ];
    let mut keys = Vec::new();
    for (what, organisation, scopes, confined, default) in kinds {
        let new = NewKey {
            name: what.to_owned(),
            scopes: scopes.to_vec(),
            namespaces: confined.iter().map(|place| ids[*place]).collect(),
            default_namespace: default.map(|place| ids[place]),
            expires_at: what.starts_with("expired").then_some(1),
        };
        let (key, secret) = repository.create_key_in(organisation, new).await.unwrap();
        let revoked = what.starts_with("revoked");
        if revoked {
            repository.revoke_key(organisation, &key.key_id).await.unwrap().unwrap();
        }
        keys.push(Key {
            what,
            secret: secret.expose().to_owned(),
            organisation,
            valid: !revoked && !what.starts_with("expired"),
            scopes: scopes.to_vec(),
            confined: confined.to_vec(),
            default,
        });
    }
    let unknown = KeySecret::from_entropy(&[7; 64]).expose().to_owned();
    for (what, secret) in [("unknown", unknown), ("malformed", "sk_live_nothing".to_owned())] {
        keys.push(Key {
            what,
            secret,
            organisation: FIRST,
            valid: false,
            scopes: vec![Read, Write],
            confined: Vec::new(),
            default: Some(0),
        });
    }
    keys
}
