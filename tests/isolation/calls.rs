//! Random calls, each held against the model.

use std::collections::BTreeMap;
use std::fmt::Debug;

use bytes::Bytes;
use futures::StreamExt as _;
use interactions::domain::access::Scope;
use interactions::grpc::page::Page;
use interactions::grpc::proto;
use interactions::grpc::proto::interaction_service_server::InteractionService as _;
use prost::Message as _;
use tonic::codec::EncodeBody;
use tonic::{Code, Response, Status, Streaming};
use tonic_prost::{ProstDecoder, ProstEncoder};

use super::model::{self, Order, PLACES, Row, SELECTED, Standing, Want};
use super::world::{Who, World};
use crate::support::dice::Dice;

/// Tokens that are kept to be sent again.
const KEPT_TOKENS: usize = 60;

/// A token that a page carried, and where in which list it goes on.
#[derive(Clone)]
pub(super) struct Kept {
    token: String,
    place: usize,
    want: Want,
    order: Order,
    after: Standing,
}

/// What a random caller tries, and with what.
pub(super) struct Calls {
    pub(super) world: World,
    pub(super) dice: Dice,
    pub(super) tokens: Vec<Kept>,
}

const NOT_FOUND: (Code, &str) = (Code::NotFound, "INTERACTION_NOT_FOUND");
const EXISTS: (Code, &str) = (Code::AlreadyExists, "INTERACTION_EXISTS");
const BAD_TOKEN: (Code, &str) = (Code::InvalidArgument, "INVALID_PAGE_TOKEN");

impl Calls {
    /// One call of one kind, whatever comes of it.
    pub(super) async fn round(&mut self, number: usize) {
        let who = self.world.anyone(&mut self.dice);
        let call = self.dice.below(40);
        self.world.what = format!("round {number}, call {call}, {}", self.world.describe(&who));
        match call {
            0..=6 => self.get(&who).await,
            7..=20 => self.list(&who).await,
            21..=25 => self.count(&who).await,
            26..=28 => self.delete(&who).await,
            29..=31 => self.purge(&who).await,
            32..=34 => self.create(&who).await,
            35..=37 => self.batch_create(&who).await,
            _ => self.write(&who).await,
        }
    }

    fn what(&mut self, more: impl Debug) {
        self.world.what = format!("{}, {more:?}", self.world.what);
    }

    fn any_id(&mut self) -> String {
        if self.dice.one_in(4) {
            model::absent_id(&mut self.dice)
        } else {
            model::id(&mut self.dice)
        }
    }

    async fn get(&mut self, who: &Who) {
        let interaction_id = self.any_id();
        self.what(&interaction_id);
        let request = proto::GetInteractionRequest { interaction_id: interaction_id.clone() };
        let request = self.world.request(who, request);
        let answer = self.world.service.get_interaction(request).await.map(Response::into_inner);
        let granted = self.world.granted(who, Scope::Read);
        let Some((place, answer)) = self.world.let_in(granted, answer) else { return };
        match (self.world.rows[place].get(&interaction_id), answer) {
            (Some(row), Ok(found)) => self.assert_rows(place, vec![found], &[row], false),
            (None, Err(status)) => {
                self.world.assert_refused(&status, NOT_FOUND);
                self.world.assert_same("not found", &status, &interaction_id);
            }
            (None, Ok(found)) => panic!("{}: a foreign row: {found:?}", self.world.what),
            (Some(_), Err(status)) => panic!("{}: {status:?}", self.world.what),
        }
    }

    /// Asserts that `found` is `expected`, and says where it is of another namespace.
    #[track_caller]
    fn assert_rows(
        &self,
        place: usize,
        mut found: Vec<proto::Interaction>,
        expected: &[&Row],
        narrowed: bool,
    ) {
        let what = &self.world.what;
        for interaction in &mut found {
            assert_eq!(owner_of(interaction), model::owner(place), "{what}: a foreign row");
            interaction.created_at = None;
        }
        let message = |row: &&Row| if narrowed { row.selected() } else { row.message() };
        assert_eq!(found, expected.iter().map(message).collect::<Vec<_>>(), "{what}");
    }

    /// The rows of a namespace that `want` is about, in `order`.
    fn matching(&self, place: usize, want: &Want, order: Order) -> Vec<&Row> {
        let rows = self.world.rows[place].values();
        let mut rows: Vec<_> = rows.filter(|row| want.matches(row)).collect();
        rows.sort_by_key(|row| row.standing(order));
        rows
    }

    async fn list(&mut self, who: &Who) {
        let (mut want, mut order) = (Want::draw(&mut self.dice), Order::draw(&mut self.dice));
        let kept = if self.tokens.is_empty() || self.dice.one_in(2) {
            None
        } else {
            Some(self.dice.pick(&self.tokens).clone())
        };
        if let Some(kept) = &kept
            && !self.dice.one_in(4)
        {
            (want, order) = (kept.want.clone(), kept.order);
        }
        let mut page_token = kept.as_ref().map(|kept| kept.token.clone()).unwrap_or_default();
        let mangled = kept.is_some() && self.dice.one_in(5);
        if mangled {
            page_token = mangle(&page_token, &mut self.dice);
        }
        let fields = want.fields();
        let narrowed = self.dice.one_in(4);
        let request = proto::ListInteractionsRequest {
            user_id: fields.user_id,
            interaction_type: fields.interaction_type,
            filters: fields.filters,
            search: fields.search,
            sort: order.keys(),
            page_size: i32::try_from(self.dice.below(12)).unwrap(),
            page_token: page_token.clone(),
            limit: if self.dice.one_in(3) { 1 + self.dice.below(9) as i64 } else { 0 },
            include_total: self.dice.one_in(2),
            select: if narrowed { vec![SELECTED.to_owned()] } else { Vec::new() },
            ..Default::default()
        };
        self.what((&want, order, request.page_size, request.limit, &page_token));
        let answer = self.pages(who, request.clone()).await;
        let granted = self.world.granted(who, Scope::Read);
        let Some((place, answer)) = self.world.let_in(granted, answer) else { return };
        let what = self.world.what.clone();
        let mut expected = self.matching(place, &want, order);
        let total = expected.len() as i64;
        match &kept {
            None => {}
            // It may have become another position of the same list.
            Some(_) if mangled => match answer {
                Err(status) => return self.world.assert_refused(&status, BAD_TOKEN),
                Ok(pages) => {
                    let ids: Vec<_> = rows(&pages);
                    expected.retain(|row| ids.iter().any(|found| found.interaction_id == row.id));
                    let found = ids.into_iter();
                    let found = found
                        .map(|found| proto::Interaction { created_at: None, ..found })
                        .collect();
                    return self.assert_rows(place, found, &expected, narrowed);
                }
            },
            Some(kept) if (kept.place, &kept.want, kept.order) == (place, &want, order) => {
                expected.retain(|row| row.standing(order) > kept.after);
            }
            Some(_) => match answer {
                Err(status) => {
                    self.world.assert_refused(&status, BAD_TOKEN);
                    return self.world.assert_same("token", &status, "");
                }
                Ok(_) => panic!("{what}: a foreign token is taken"),
            },
        }
        let pages = answer.unwrap_or_else(|status| panic!("{what}: {status:?}"));
        let left = expected.len();
        if request.limit > 0 {
            expected.truncate(usize::try_from(request.limit).unwrap());
        }
        self.assert_rows(place, rows(&pages), &expected, narrowed);
        let said = (request.include_total && kept.is_none()).then_some(total);
        assert_eq!(pages[0].total_size, said, "{what}: a foreign total");
        let ends = pages.last().unwrap().next_page_token.is_empty();
        assert_eq!(ends, left == expected.len(), "{what}: the end");
        let mut read = 0;
        let mut kept = Vec::new();
        for page in pages {
            read += page.interactions.len();
            if !page.next_page_token.is_empty() {
                let after = expected[read - 1].standing(order);
                let (token, want) = (page.next_page_token, want.clone());
                kept.push(Kept { token, place, want, order, after });
            }
        }
        self.keep(kept);
    }

    fn keep(&mut self, kept: Vec<Kept>) {
        for kept in kept {
            if self.tokens.len() < KEPT_TOKENS {
                self.tokens.push(kept);
            } else {
                let replaced = self.dice.below(KEPT_TOKENS);
                self.tokens[replaced] = kept;
            }
        }
    }

    async fn pages(
        &self,
        who: &Who,
        request: proto::ListInteractionsRequest,
    ) -> Result<Vec<Page>, Status> {
        let request = self.world.request(who, request);
        let stream = self.world.service.list_interactions(request).await?.into_inner();
        stream.collect::<Vec<_>>().await.into_iter().collect()
    }

    async fn count(&mut self, who: &Who) {
        let want = Want::draw(&mut self.dice);
        self.what(&want);
        let fields = want.fields();
        let request = proto::CountInteractionsRequest {
            user_id: fields.user_id,
            interaction_type: fields.interaction_type,
            filters: fields.filters,
            search: fields.search,
            ..Default::default()
        };
        let request = self.world.request(who, request);
        let answer = self.world.service.count_interactions(request).await.map(Response::into_inner);
        let granted = self.world.granted(who, Scope::Read);
        let Some((place, answer)) = self.world.let_in(granted, answer) else { return };
        let expected = self.matching(place, &want, Order::Newest).len();
        assert_eq!(answer.unwrap().count, expected as i64, "{}: foreign rows", self.world.what);
    }

    async fn delete(&mut self, who: &Who) {
        let (interaction_id, allow_missing) = (self.any_id(), self.dice.one_in(3));
        self.what((&interaction_id, allow_missing));
        let request = proto::DeleteInteractionRequest {
            interaction_id: interaction_id.clone(),
            allow_missing,
        };
        let request = self.world.request(who, request);
        let answer = self.world.service.delete_interaction(request).await.map(Response::into_inner);
        let granted = self.world.granted(who, Scope::Write);
        let Some((place, answer)) = self.world.let_in(granted, answer) else { return };
        let removed = self.world.rows[place].remove(&interaction_id).is_some();
        match answer {
            Ok(()) => {
                assert!(removed || allow_missing, "{}: a foreign row was removed", self.world.what)
            }
            Err(status) => {
                assert!(!removed && !allow_missing, "{}: {status:?}", self.world.what);
                self.world.assert_refused(&status, NOT_FOUND);
                self.world.assert_same("not found", &status, &interaction_id);
            }
        }
    }

    async fn purge(&mut self, who: &Who) {
        let (want, force) = (Want::draw(&mut self.dice), self.dice.one_in(8));
        self.what((&want, force));
        let fields = want.fields();
        let request = proto::PurgeInteractionsRequest {
            user_id: fields.user_id,
            interaction_type: fields.interaction_type,
            filters: fields.filters,
            search: fields.search,
            all: want == Want::Everything,
            force,
            ..Default::default()
        };
        let request = self.world.request(who, request);
        let answer = match self.world.service.purge_interactions(request).await {
            Ok(stream) => stream.into_inner().collect::<Vec<_>>().await.into_iter().collect(),
            Err(status) => Err(status),
        };
        let granted = self.world.granted(who, Scope::Write);
        let Some((place, answer)) = self.world.let_in(granted, answer) else { return };
        let matching = self.matching(place, &want, Order::Newest);
        let what = &self.world.what;
        let messages: Vec<proto::PurgeInteractionsResponse> = answer.unwrap();
        let last = messages.last().unwrap();
        let count = matching.len() as i64;
        let ids: Vec<_> = matching.iter().map(|row| row.id.clone()).collect();
        let sample = if force { Vec::new() } else { ids };
        assert_eq!(
            (last.purge_count, last.total_count, &last.purge_sample),
            (count, count, &sample),
            "{what}: foreign rows"
        );
        if force {
            let gone: Vec<Row> = matching.into_iter().cloned().collect();
            self.world.rows[place].retain(|_, row| !want.matches(row));
            self.assert_holds(place).await;
            if !gone.is_empty() {
                self.world.record(place, gone).await;
            }
        }
    }

    fn new_row(&mut self, place: usize) -> Row {
        let (id, variant) = (model::id(&mut self.dice), model::variant(&mut self.dice));
        Row { place, id, variant }
    }

    /// Rows with an id each, as the namespace has them that the call works in; of any other where it
    /// is not let in.
    fn new_rows(&mut self, who: &Who, count: usize) -> BTreeMap<String, Row> {
        let place = self.world.granted(who, Scope::Write).unwrap_or_default();
        let rows = (0..count).map(|_| self.new_row(place)).map(|row| (row.id.clone(), row));
        let rows: BTreeMap<_, _> = rows.collect();
        self.what(rows.values().collect::<Vec<_>>());
        rows
    }

    /// Whether the namespace holds the id of `row`: with the same content, with other.
    fn taken(&self, place: usize, row: &Row) -> Option<bool> {
        self.world.rows[place].get(&row.id).map(|there| there == row)
    }

    async fn create(&mut self, who: &Who) {
        let row = self.new_rows(who, 1).into_values().next().unwrap();
        let validate_only = self.dice.one_in(5);
        let interaction = Some(row.message());
        let request = proto::CreateInteractionRequest { interaction, validate_only };
        let request = self.world.request(who, request);
        let answer = self.world.service.create_interaction(request).await.map(Response::into_inner);
        let granted = self.world.granted(who, Scope::Write);
        let Some((place, answer)) = self.world.let_in(granted, answer) else { return };
        match (self.taken(place, &row), answer) {
            (None | Some(true), Ok(made)) => self.assert_rows(place, vec![made], &[&row], false),
            (Some(false), Err(status)) => {
                self.world.assert_refused(&status, EXISTS);
                return self.world.assert_same("exists", &status, &row.id);
            }
            (taken, answer) => {
                let what = &self.world.what;
                panic!("{what}: foreign content decides: {taken:?}, {answer:?}")
            }
        }
        if !validate_only {
            self.world.rows[place].insert(row.id.clone(), row);
        }
    }

    async fn batch_create(&mut self, who: &Who) {
        let rows = self.new_rows(who, 3);
        let validate_only = self.dice.one_in(5);
        let request = proto::BatchCreateInteractionsRequest {
            interactions: rows.values().map(Row::message).collect(),
            validate_only,
        };
        let request = self.world.request(who, request);
        let answer = self.world.service.batch_create_interactions(request).await;
        let granted = self.world.granted(who, Scope::Write);
        let Some((place, answer)) = self.world.let_in(granted, answer) else { return };
        let what = self.world.what.clone();
        let taken: Vec<_> = rows.values().map(|row| self.taken(place, row)).collect();
        match answer {
            Ok(answer) => {
                let results = answer.into_inner().results;
                let again = results.iter().map(|result| Some(true).filter(|_| result.deduplicated));
                assert_eq!(again.collect::<Vec<_>>(), taken, "{what}: foreign content decides");
                if !validate_only {
                    self.world.rows[place].extend(rows);
                }
            }
            Err(status) => {
                let other = taken.contains(&Some(false));
                assert!(other, "{what}: foreign content decides: {status:?}");
                self.world.assert_refused(&status, EXISTS);
            }
        }
    }

    async fn write(&mut self, who: &Who) {
        let rows = self.new_rows(who, 3);
        let interactions = rows.values().map(Row::message).collect();
        let request = proto::WriteInteractionsRequest { request_id: String::new(), interactions };
        let request = self.world.request(who, streaming(request));
        let answer = match self.world.service.write_interactions(request).await {
            Ok(stream) => stream.into_inner().collect::<Vec<_>>().await.into_iter().collect(),
            Err(status) => Err(status),
        };
        let granted = self.world.granted(who, Scope::Write);
        let Some((place, answer)) = self.world.let_in(granted, answer) else { return };
        let answers: Vec<proto::WriteInteractionsResponse> = answer.unwrap();
        let [answer] = answers.as_slice() else { panic!("{}: {answers:?}", self.world.what) };
        for ((id, row), result) in rows.into_iter().zip(&answer.results) {
            let what = &self.world.what;
            let code = result.status.as_ref().unwrap().code;
            let said = (result.interaction_id.as_str(), result.deduplicated, Code::from_i32(code));
            let expected = match self.taken(place, &row) {
                None => (id.as_str(), false, Code::Ok),
                Some(true) => (id.as_str(), true, Code::Ok),
                Some(false) => (id.as_str(), false, Code::AlreadyExists),
            };
            assert_eq!(said, expected, "{what}: foreign content decides");
            self.world.rows[place].entry(id).or_insert(row);
        }
    }

    /// Asserts that every namespace holds exactly what the model says.
    pub(super) async fn assert_everything_holds(&mut self) {
        for place in 0..PLACES {
            self.assert_holds(place).await;
        }
    }

    async fn assert_holds(&mut self, place: usize) {
        let request = proto::ListInteractionsRequest { page_size: 1_000, ..Default::default() };
        let pages = self.pages(&self.world.steward(place), request).await.unwrap();
        let expected = self.matching(place, &Want::Everything, Order::Newest);
        self.assert_rows(place, rows(&pages), &expected, false);
    }
}

fn rows(pages: &[Page]) -> Vec<proto::Interaction> {
    let records = pages.iter().flat_map(|page| &page.interactions);
    records.map(|record: &Bytes| proto::Interaction::decode(record.as_ref()).unwrap()).collect()
}

fn owner_of(interaction: &proto::Interaction) -> String {
    use prost_types::value::Kind;
    let metadata = interaction.metadata.as_ref().unwrap();
    match metadata.fields["owner"].kind.as_ref() {
        Some(Kind::StringValue(owner)) => owner.clone(),
        other => panic!("{other:?} owns {interaction:?}"),
    }
}

/// `token` with one character changed, left out, or added.
fn mangle(token: &str, dice: &mut Dice) -> String {
    let mut characters: Vec<char> = token.chars().collect();
    let place = dice.below(characters.len());
    let character = *dice.pick(&['A', 'z', '0', '_', '-', '=', '/', 'é', '\0']);
    match dice.below(3) {
        0 => characters[place] = character,
        1 => drop(characters.remove(place)),
        _ => characters.insert(place, character),
    }
    characters.into_iter().collect()
}

/// A stream of one request, as it comes from the wire.
fn streaming(
    request: proto::WriteInteractionsRequest,
) -> Streaming<proto::WriteInteractionsRequest> {
    let requests = tokio_stream::once(Ok::<_, Status>(request));
    let body = EncodeBody::new_client(ProstEncoder::default(), requests, None, None);
    Streaming::new_request(ProstDecoder::default(), body, None, None)
}
